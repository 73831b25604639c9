#!/bin/sh
# btcql with the database's password from a file: it then stands in no setting, address or `docker inspect`.
set -eu
if [ -n "${DATABASE_PASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$DATABASE_PASSWORD_FILE") # libpq reads it where the address has none
    export PGPASSWORD
fi
exec "$VIRTUAL_ENV/bin/btcql" "$@"
