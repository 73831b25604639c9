#!/bin/sh
# Makes the passwords of the database's superuser, writer and reader, and of Grafana's `admin`, once, beside this
# script; nothing happens to those that exist.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)/secrets
mkdir -p "$folder"
chmod 700 "$folder"
for role in database writer reader grafana; do
    file=$folder/${role}_password
    if [ ! -e "$file" ]; then
        head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file.new"
        # Compose mounts the file as it is, and no service runs as its owner: the folder keeps others out.
        chmod 444 "$file.new"
        mv "$file.new" "$file"
    fi
done
