-- Only the owner makes things here: a server older than this database may have let everybody.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
