#!/bin/sh
# The part of the PostgreSQL image's entry point that Millpond and testcontainers rely on.
set -eu
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p -m 700 "$PGDATA"
    secret=${POSTGRES_PASSWORD_FILE:-}
    if [ -z "$secret" ]; then
        secret=$(mktemp)
        printf '%s' "$POSTGRES_PASSWORD" >"$secret"
    fi
    # shellcheck disable=SC2086 (a list of options)
    initdb --username="$POSTGRES_USER" --pwfile="$secret" --auth-local=trust \
        --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
fi
exec "$@"
