"""The numbered SQL files that make the schema; `database.migrate` runs them."""
