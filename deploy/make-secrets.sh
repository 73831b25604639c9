#!/bin/sh
# Makes the database's password once, beside this script; nothing happens to one that exists.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)/secrets
mkdir -p "$folder"
chmod 700 "$folder"
if [ ! -e "$folder/database_password" ]; then
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$folder/database_password.new"
    # Compose mounts the file as it is, and no service runs as its owner: the folder keeps others out.
    chmod 444 "$folder/database_password.new"
    mv "$folder/database_password.new" "$folder/database_password"
fi
