-- name: read_capabilities
-- Both tests are needed: the library may be loaded under the Apache license, or not be in this database.
SELECT current_setting('server_version_num')::integer,
       split_part(current_setting('server_version'), ' ', 1),
       extversion,
       CASE
           WHEN extversion IS NULL THEN 'plain'
           WHEN current_setting('timescaledb.license', true) = 'timescale' THEN 'community'
           ELSE 'apache'
       END
FROM (SELECT) AS one
LEFT JOIN pg_extension ON extname = 'timescaledb';
