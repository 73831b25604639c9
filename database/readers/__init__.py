"""What the API reads, one function per question; all take a session of `database.pool.Pool` first."""
