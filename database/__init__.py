"""The only door to PostgreSQL: the embedded server, the schema's migrations, writers and readers."""
