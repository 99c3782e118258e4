#!/bin/bash
# Runs deploy/docker-compose.yml for real, without a Docker daemon and without public images: podman, and stand-ins
# for the three base images made from this machine's own packages. Says each thing it sees; fails at the first that
# is not as it should be. docs/containers.md tells what was seen.
#
#   deploy/verify/containers.sh [DIRECTORY]     work in DIRECTORY (a temporary one if not given), as root on Debian
#
# Needs: podman runc netavark aardvark-dns iptables debootstrap curl (Debian), node and npm, podman-compose on PATH (PyPI), and
# `make setup` done, for its mongod.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=${1:-$(mktemp -d)}
password=verify-$RANDOM$RANDOM
port=18080
export ALBUM_PORT=$port ALBUM_AMQP_PASSWORD=$password
export ALBUM_PYTHON_IMAGE=localhost/stand-in-python ALBUM_MONGO_IMAGE=localhost/stand-in-mongo
export ALBUM_RABBITMQ_IMAGE=localhost/stand-in-rabbitmq
export CONTAINERS_CONF=$work/containers.conf
# The OCI format, which podman prefers, has no health checks.
export BUILDAH_FORMAT=docker
compose=(podman-compose --podman-path "$work/podman" --podman-build-args=--network=host -f deploy/docker-compose.yml)

# crun refuses hybrid cgroups, and without own limits podman asks for more than a nested root may set.
mkdir -p "$work"
export ALBUM_FIRST_KEY=$work/first-key
echo "album_$(openssl rand -hex 8)_$(openssl rand -hex 32)" >"$ALBUM_FIRST_KEY"
cat >"$CONTAINERS_CONF" <<'CONF'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=8192:8192"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
CONF

# podman before 5 has no start interval for health checks, and a flag it does not know ends it.
cat >"$work/podman" <<'WRAPPER'
#!/bin/bash
arguments=()
while [ $# -gt 0 ]; do
    if [ "$1" = --health-startup-interval ]; then shift 2; else arguments+=("$1") && shift; fi
done
exec podman "${arguments[@]}"
WRAPPER
chmod 755 "$work/podman"

say() { printf '\n== %s (%d s)\n' "$1" $SECONDS; }
fail() {
    echo "NOT AS IT SHOULD BE: $1" >&2
    exit 1
}
image_exists() { podman image exists "localhost/$1"; }

# build_stand_in NAME: the Dockerfile on stdin, files beside it in $work/NAME.
build_stand_in() {
    mkdir -p "$work/$1"
    cat >"$work/$1/Dockerfile"
    podman build --quiet --network host -t "localhost/$1" "$work/$1" >/dev/null
}

stand_in_bases() {
    if ! image_exists stand-in-debian; then
        debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" >"$work/debootstrap.log"
        # This machine's certificates, so that pip in a build trusts what pip outside trusts.
        cp /etc/ssl/certs/ca-certificates.crt "$work/debian/etc/ssl/certs/"
        tar -C "$work/debian" -c . | podman import --quiet - localhost/stand-in-debian >/dev/null
    fi
    image_exists stand-in-python || build_stand_in stand-in-python <<'DOCKERFILE'
FROM localhost/stand-in-debian
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
RUN apt-get -q update && apt-get -q install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
DOCKERFILE
    image_exists stand-in-rabbitmq || build_stand_in stand-in-rabbitmq <<'DOCKERFILE'
FROM localhost/stand-in-debian
RUN groupadd -g 999 rabbitmq && useradd -u 999 -g 999 -d /var/lib/rabbitmq rabbitmq && apt-get -q update \
    && apt-get -q install -y --no-install-recommends rabbitmq-server && rm -rf /var/lib/apt/lists/* \
    && mkdir -p /etc/rabbitmq/conf.d && chmod 1777 /var/lib/rabbitmq /var/log/rabbitmq && rm -f /var/lib/rabbitmq/.erlang.cookie
ENV PATH=/usr/lib/rabbitmq/bin:$PATH HOME=/var/lib/rabbitmq LANG=C.UTF-8 RABBITMQ_LOGS=-
CMD ["rabbitmq-server"]
DOCKERFILE
    if ! image_exists stand-in-mongo; then
        mkdir -p "$work/stand-in-mongo"
        cp "$(command -v mongod || ls .venv/lib/python3*/site-packages/fiftyone/db/bin/mongod)" "$work/stand-in-mongo/mongod"
        cp "$(readlink -f "$(command -v node)")" "$work/stand-in-mongo/node"
        npm install --silent --no-audit --no-fund --prefix "$work/stand-in-mongo/mongosh" mongosh >/dev/null
        build_stand_in stand-in-mongo <<'DOCKERFILE'
FROM localhost/stand-in-debian
RUN groupadd -g 999 mongodb && useradd -u 999 -g 999 mongodb && apt-get -q update \
    && apt-get -q install -y --no-install-recommends libcurl4 libstdc++6 && rm -rf /var/lib/apt/lists/* \
    && install -d -o 999 -g 999 /data/db /data/configdb
COPY mongod node /usr/local/bin/
COPY mongosh /opt/mongosh
RUN chmod 755 /usr/local/bin/* && ln -s /opt/mongosh/node_modules/.bin/mongosh /usr/local/bin/mongosh
ENV HOME=/tmp
CMD ["mongod"]
DOCKERFILE
    fi
}

# wait_for WHAT SECONDS COMMAND...: polls the command.
wait_for() {
    local what=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "$what, not within its time"
        sleep 0.5
    done
    say "$what"
}

of_service() { podman ps --quiet --filter "label=com.docker.compose.service=$1"; }
is_healthy() {
    local id=
    for id in $(of_service "$1"); do podman healthcheck run "$id" || return 1; done
    [ -n "$id" ]
}
value() { python3 -c "import json,sys; print(json.load(sys.stdin)$1)"; }
call() { curl -sS --fail-with-body -H "Authorization: Bearer $(cat "$ALBUM_FIRST_KEY")" "http://127.0.0.1:$port$1" "${@:2}"; }

a_picture_goes_through() {
    local album uploaded
    album=$(call /album/create --json '{"album_name": "Containers"}' | value '["album_snapshot"]["id"]')
    .venv/bin/python -c "from PIL import Image; Image.effect_noise((1920, 1080), 60).save('$work/photo.jpg')"
    uploaded=$(call /album/image/upload -F "album_id=$album" -F "image=@$work/photo.jpg")
    call /job/get --json "{\"job_id\": $(value '["job_id"]' <<<"$uploaded" | sed 's/.*/"&"/'), \"wait_seconds\": 30}" |
        value '["job"]["state"]' | grep -qx ready || fail "the job is not ready"
    call /album/thumbnail/get --json "{\"thumbnail_id\": \"$(value '["thumbnail_id"]' <<<"$uploaded")\"}" -o "$work/thumbnail.webp"
    .venv/bin/python -c "from PIL import Image; print('thumbnail', Image.open('$work/thumbnail.webp').size)"
    echo "$album" >"$work/album"
}

look_inside() {
    local service id
    for service in api decoder thumbnailer mongo rabbitmq; do
        id=$(of_service $service | head -n 1)
        podman exec "$id" sh -c 'test "$(id -u)" != 0' || fail "$service runs as root"
        ! podman exec "$id" touch /written 2>/dev/null || fail "$service can write to its root"
        podman exec "$id" grep -q '^CapEff:\s*0*$' /proc/1/status || fail "$service has capabilities"
        podman exec "$id" grep -q '^NoNewPrivs:\s*1$' /proc/1/status || fail "$service may gain privileges"
        ! podman logs "$id" 2>&1 | grep -q "$password" || fail "the log of $service shows the password"
        echo "$service: uid $(podman exec "$id" id -u), read-only root, no capabilities, password not in its log"
    done
    [ "$(curl -s -o "$work/refused" -w '%{http_code}' -X POST "http://127.0.0.1:$port/album/list" --json '{}')" = 401 ] ||
        fail "it answers without a key"
    ! podman exec "$(of_service decoder | head -n 1)" python3 -c \
        'import socket; socket.create_connection(("1.1.1.1", 53), timeout=3)' 2>/dev/null || fail "a decoder reaches out"
}

say "podman $(podman --version | cut -d' ' -f3), $(podman-compose --version 2>/dev/null | head -n 1), $(runc --version | head -n 1)"
stand_in_bases
say "stand-in base images are there"
"${compose[@]}" build >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; fail "the build"; }
say "images are built: $(podman images --format '{{.Repository}} {{.Size}}' | grep localhost/album | paste -sd, -)"
trap '"${compose[@]}" down --volumes --timeout 20 >>"$work/up.log" 2>&1' EXIT
SECONDS=0
"${compose[@]}" up -d >"$work/up.log" 2>&1 || { tail -n 30 "$work/up.log"; fail "compose up"; }
for service in mongo rabbitmq api decoder thumbnailer; do wait_for "$service is healthy" 180 is_healthy $service; done
a_picture_goes_through
say "a picture went through"
look_inside
"${compose[@]}" up -d --scale decoder=3 >>"$work/up.log" 2>&1
wait_for "three decoders are healthy" 120 is_healthy decoder
[ "$(of_service decoder | wc -l)" = 3 ] || fail "not three decoders"
"${compose[@]}" down >>"$work/up.log" 2>&1
"${compose[@]}" up -d >>"$work/up.log" 2>&1
wait_for "healthy again after down and up" 180 is_healthy api
call /album/get --json "{\"album_id\": \"$(cat "$work/album")\"}" | value '["album_snapshot"]["content_count"]' | grep -qx 1 ||
    fail "the album is gone"
say "the album is still there; everything is as it should be"
