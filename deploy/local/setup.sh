#!/bin/sh
# Installs from Debian's packages what pip cannot bring, and only what is missing:
#
#   setup.sh venv PYTHON     python3-venv, when PYTHON cannot make virtual environments
#   setup.sh broker          rabbitmq-server, as a program only: no system-wide broker is started or left enabled
#   setup.sh database VENV   the shared libraries that the mongod in VENV asks for
#   setup.sh tests           what the tests run beside album: chromium, nginx (as a program only), openssl, curl
#
# Exit code 69 (EX_UNAVAILABLE): it is missing and cannot be installed here; the one sentence on stderr says what to do.
set -eu

EX_UNAVAILABLE=69
POLICY=/usr/sbin/policy-rc.d
CONTAINERS="docker compose -f deploy/docker-compose.yml up"

give_up() {
    echo "album: $1" >&2
    exit $EX_UNAVAILABLE
}

# apt_install WHAT WAY_OUT PACKAGE...: installs the packages, or says why not and which way leads on.
apt_install() {
    what=$1 way_out=$2
    shift 2
    command -v apt-get >/dev/null ||
        give_up "$what is missing and this is not Debian or Ubuntu, so it cannot be installed from here: $way_out"
    [ "$(id -u)" = 0 ] ||
        give_up "$what is missing and only root can install it: $way_out"
    echo "album: installing $what ($*)"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get -q update &&
        apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=600 "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        give_up "$what could not be installed with apt-get (its last words are above): $way_out"
    fi
    rm -f "$log"
}

# Debian starts a service as soon as its package is installed, unless this file says no (invoke-rc.d(8)).
forbid_service_starts() {
    [ -e $POLICY ] && return
    printf '#!/bin/sh\nexit 101\n' >$POLICY
    chmod 755 $POLICY
    trap 'rm -f $POLICY' EXIT
    trap 'exit 130' INT TERM HUP
}

# Installed but not wanted at the next boot either: what is installed here is started by album itself, in private.
leave_disabled() {
    if command -v systemctl >/dev/null; then systemctl disable "$@" >/dev/null 2>&1 || true; fi
    if command -v update-rc.d >/dev/null; then update-rc.d "${1%.service}" disable >/dev/null 2>&1 || true; fi
}

has_broker() {
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null
}

install_broker() {
    way_out="install RabbitMQ yourself (on Debian: sudo apt-get install rabbitmq-server), or use containers: $CONTAINERS"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then forbid_service_starts; fi
    apt_install RabbitMQ "$way_out" rabbitmq-server
    leave_disabled rabbitmq-server.service epmd.service epmd.socket
}

has_test_tools() {
    { command -v chromium || command -v chromium-browser; } &&
        { [ -x /usr/sbin/nginx ] || command -v nginx; } &&
        command -v openssl && command -v curl
} >/dev/null

install_test_tools() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then forbid_service_starts; fi
    tools="chromium nginx openssl curl"
    # shellcheck disable=SC2086  # a list
    apt_install "a tool of the tests" "install these yourself: $tools" $tools
    leave_disabled nginx.service
}

# The names of shared libraries that the loader does not find, one a line.
missing_libraries() {
    ldd "$1" 2>/dev/null | awk '/not found/ { print $1 }'
}

install_database() {
    mongod=$(command -v mongod || ls "$1"/lib/python3*/site-packages/fiftyone/db/bin/mongod 2>/dev/null || true)
    [ -n "$mongod" ] ||
        give_up "there is no mongod for this kind of machine: put one on PATH, or use containers: $CONTAINERS"
    [ -z "$(missing_libraries "$mongod")" ] && return
    way_out="install what \"ldd $mongod\" does not find, or use containers: $CONTAINERS"
    apt_install "what mongod needs" "$way_out" libcurl4 libssl3 liblzma5
    [ -z "$(missing_libraries "$mongod")" ] || give_up "mongod cannot run here: $way_out"
}

case "${1:-}" in
    venv)
        "$2" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
            give_up "$2 is not there or older than 3.10: name a newer Python, as in make setup PYTHON=python3.11"
        "$2" -c 'import ensurepip' 2>/dev/null ||
            apt_install "Python's venv" "install python3-venv" python3-venv
        ;;
    broker) has_broker || [ -n "${ALBUM_AMQP_URL:-}" ] || install_broker ;;
    database) [ -n "${ALBUM_MONGO_URL:-}" ] || install_database "$2" ;;
    tests) has_test_tools || install_test_tools ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac
