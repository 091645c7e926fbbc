#!/usr/bin/env bash
# The tests of the Docker tier, wherever a Docker engine runs or can be started; elsewhere one line says why
# they were left out. Base images are pulled; where no registry answers, stand-ins are made of this machine.
set -uo pipefail
cd "$(dirname "$0")/../.."
home=$(realpath "${MILLPOND_HOME:-.millpond}")
engine=$home/docker-engine
daemon=""

skip() {
    echo "SKIPPED: the tests of the Docker tier ($*)"
    exit 0
}

stop_engine() {
    if [ -n "$daemon" ]; then
        kill "$daemon" && wait "$daemon"
        rm -rf "$engine"
    fi
}

answers() { docker version >/dev/null 2>&1; }

has_compose() { docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; }

# Packages of Debian, by root.
install_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return
    { apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes \
        --no-install-recommends "$@"; } >/dev/null 2>&1
}

# Images, and a build of the engine's: about five gigabytes.
[ "$(df --output=avail --block-size=1G . | tail -n 1)" -ge 6 ] || skip "less than 6 GB of disk are free"

if ! answers; then
    [ "$(id -u)" = 0 ] || skip "no Docker engine runs, and only root could start one"
    command -v dockerd >/dev/null || install_packages docker.io iptables || skip "Debian's package docker.io cannot be had"
    mkdir -p "$engine"
    export DOCKER_HOST=unix://$engine/docker.sock
    dockerd --data-root "$engine/data" --exec-root "$engine/exec" --pidfile "$engine/docker.pid" \
        --host "$DOCKER_HOST" >"$engine/log" 2>&1 &
    daemon=$!
    trap stop_engine EXIT
    for _ in $(seq 100); do
        answers && break
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.3
    done
    answers || skip "the Docker engine does not start here: $(tail -n 1 "$engine/log")"
fi

has_compose || install_packages docker-compose || skip "Docker has no Compose, and Debian's package docker-compose cannot be had"

# The images by the names that docker-compose.yml uses; a first one that cannot be pulled tells of all.
if ! docker image inspect postgres:18 >/dev/null 2>&1 && ! timeout 60 docker pull --quiet postgres:18 >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || skip "no image registry answers, and only root can make stand-ins"
    command -v debootstrap >/dev/null || install_packages debootstrap ||
        skip "no image registry answers, and Debian's package debootstrap cannot be had"
    echo "STAND-INS: no image registry answers; the images that LocalStack, PostgreSQL and AWS publish were NOT tested"
    make setup-dev doctor || exit 1
    tests/compose/base_images.sh
    case $? in
        0) ;;
        3) skip "Debian's packages for the stand-ins cannot be had" ;;
        *) exit 1 ;;
    esac
fi

# A Docker engine may answer and still not be allowed to start anything.
why=$(docker run --rm --entrypoint /bin/true postgres:18 2>&1) || skip "containers do not start here: $why"

make test TIER=compose || make test-again TIER=compose
