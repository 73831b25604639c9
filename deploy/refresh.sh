#!/bin/sh
# At the start, and each day at 00:40 UTC: brings every market of the lake up to date, and its forecast.
# A plain loop that stands in for `btcql schedule` until that exists. What it brings in is what the lake has:
# `btcql refresh` fetches from no exchange yet. After a failure it tries again in a quarter of an hour.
set -u
after_midnight=2400
retry_seconds=900
refreshed=${TMPDIR:-/tmp}/refreshed # made anew after each whole success: its age is the service's health
partitions=${TMPDIR:-/tmp}/partitions
child=

# In the background, for a shell that waits in the foreground would not hear its stop signal.
run() {
    "$@" &
    child=$!
    wait "$child"
    status=$?
    child=
    return "$status"
}

stop() {
    trap '' TERM INT
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child"
    fi
    exit 0
}
trap stop TERM INT

refresh_all() {
    run btcql lake ls >"$partitions" || return
    failed=0
    # shellcheck disable=SC2013 # a symbol is one word
    for symbol in $(sed -n 's|.*/symbol=\([^/]*\)/.*|\1|p' "$partitions" | sort -u); do
        run btcql refresh --symbol "$symbol" || failed=1
    done
    return "$failed"
}

while true; do
    now=$(date +%s)
    if refresh_all; then
        touch "$refreshed"
        due=$((((now - after_midnight) / 86400 + 1) * 86400 + after_midnight))
    else
        echo "btcql-refresh: not everything was refreshed; the next try is in $retry_seconds seconds" >&2
        due=$((now + retry_seconds))
    fi
    # In short steps: a machine that slept through the hour is a little late, and not a day.
    while [ "$(date +%s)" -lt "$due" ]; do
        run sleep 30
    done
done
