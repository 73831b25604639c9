"""The pipeline: from a file or an exchange to the lake, and from the lake to the database, by Luigi tasks."""
