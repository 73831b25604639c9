-- name: read_capabilities
-- All tests are needed: the library may be loaded under the Apache license, or not be in this database, or have
-- come into it later than its tables.
SELECT current_setting('server_version_num')::integer,
       split_part(current_setting('server_version'), ' ', 1),
       extversion,
       CASE
           WHEN extversion IS NULL THEN 'plain'
           WHEN current_setting('timescaledb.license', true) = 'timescale'
                AND NOT EXISTS (
                    SELECT FROM pg_class WHERE oid = to_regclass('public.candle_hour') AND relkind = 'r'
                ) THEN 'community'
           ELSE 'apache'
       END
FROM (SELECT) AS one
LEFT JOIN pg_extension ON extname = 'timescaledb';
