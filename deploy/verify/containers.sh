#!/bin/bash
# Runs deploy/docker-compose.yml for real, without a Docker daemon and without public images: podman, and stand-ins
# for the three base images made from Debian's packages. Says each thing it sees; fails at the first that
# is not as it should be. docs/containers.md tells what was seen.
#
#   deploy/verify/containers.sh [DIRECTORY]     work in DIRECTORY (a temporary one if not given), as root on Debian
#
# Needs: podman runc netavark aardvark-dns iptables debootstrap curl (Debian), node and npm, podman-compose on PATH (PyPI), and
# `make setup` done, for its mongod.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=${1:-$(mktemp -d)}
port=18080
export ALBUM_PORT=$port ALBUM_PUBLIC_URL=http://127.0.0.1:$port
export ALBUM_PYTHON_IMAGE=localhost/stand-in-python ALBUM_MONGO_IMAGE=localhost/stand-in-mongo
export ALBUM_RABBITMQ_IMAGE=localhost/stand-in-rabbitmq
export CONTAINERS_CONF=$work/containers.conf
# The OCI format, which podman prefers, has no health checks.
export BUILDAH_FORMAT=docker
compose=(podman-compose --podman-path "$work/podman" --podman-build-args=--network=host -f deploy/docker-compose.yml)

# crun refuses hybrid cgroups, and without own limits podman asks for more than a nested root may set.
mkdir -p "$work"
cat >"$CONTAINERS_CONF" <<'CONF'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=8192:8192"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
CONF

# podman before 5 has no start interval for health checks, and a flag it does not know ends it. It starts nothing again
# whose requirements do not all run, and `secrets` has done its work and ended.
cat >"$work/podman" <<'WRAPPER'
#!/bin/bash
arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --health-startup-interval) shift 2 ;;
        --requires=*) shift ;;
        *) arguments+=("$1") && shift ;;
    esac
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
        # Debian 13: Python 3.13 and RabbitMQ 4.0, like the images that they stand in for.
        [ -d "$work/debian/var" ] || debootstrap --variant=minbase --include=ca-certificates trixie "$work/debian" >"$work/debootstrap.log"
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
    && apt-get -q install -y --no-install-recommends libcurl4t64 liblzma5 libstdc++6 && rm -rf /var/lib/apt/lists/* \
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
call() { curl -sS --fail-with-body -H "Authorization: Bearer $key" "http://127.0.0.1:$port$1" "${@:2}"; }

# upload FILE: prints the job's id.
upload() { call /album/image/upload -F "album_id=$album" -F "image=@$1" | value '["job_id"]'; }
is_ready() { call /job/get --json "{\"job_id\": \"$1\", \"wait_seconds\": 10}" | value '["job"]["state"]' | grep -qx ready; }

a_picture_goes_through() {
    local job
    .venv/bin/python -c "from PIL import Image; Image.effect_noise((1920, 1080), 60).save('$work/photo.jpg')"
    job=$(upload "$work/photo.jpg")
    wait_for "a picture is ready" 60 is_ready "$job"
    call /album/thumbnail/get --json "{\"thumbnail_id\": \"$album${job%job}\"}" -o "$work/thumbnail.webp"
    .venv/bin/python -c "from PIL import Image; print('thumbnail', Image.open('$work/thumbnail.webp').size)"
}

# a_killed_one_comes_back SERVICE: its main process dies as if the kernel had killed it, and pictures still become ready.
a_killed_one_comes_back() {
    local id started job
    id=$(of_service "$1" | sed -n 1p)
    started=$(podman inspect --format '{{.State.StartedAt}}' "$id")
    kill -KILL "$(podman inspect --format '{{.State.Pid}}' "$id")"
    wait_for "$1, killed, is started again" 60 is_started_after "$id" "$started"
    wait_for "$1 is healthy again" 180 is_healthy "$1"
    wait_for "the API answers" 60 call /readyz
    job=$(upload "$work/photo.jpg")
    wait_for "a picture is ready" 90 is_ready "$job"
}
is_started_after() { [ "$(podman inspect --format '{{.State.Running}} {{.State.StartedAt}}' "$1")" != "true $2" ] && podman exec "$1" true; }

look_inside() {
    local service id password
    password=$(podman exec "$(of_service api)" cat /run/secrets/album_amqp_url | sed -E 's/.*:(.*)@.*/\1/')
    [ ${#password} = 48 ] || fail "the broker's password is not there"
    for service in api decoder thumbnailer audit notifier mongo rabbitmq; do
        id=$(of_service $service | sed -n 1p)
        podman exec "$id" sh -c 'test "$(id -u)" != 0' || fail "$service runs as root"
        ! podman exec "$id" touch /written 2>/dev/null || fail "$service can write to its root"
        podman exec "$id" grep -q '^CapEff:\s*0*$' /proc/1/status || fail "$service has capabilities"
        podman exec "$id" grep -q '^NoNewPrivs:\s*1$' /proc/1/status || fail "$service may gain privileges"
        ! podman logs "$id" 2>&1 | grep -q "$password" || fail "the log of $service shows the password"
        ! podman inspect "$id" | grep -q "$password" || fail "the password is in the environment of $service"
        echo "$service: uid $(podman exec "$id" id -u), read-only root, no capabilities, password in no log and no environment"
    done
    [ "$(curl -s -o "$work/refused" -w '%{http_code}' -X POST "http://127.0.0.1:$port/album/list" --json '{}')" = 401 ] ||
        fail "it answers without a key"
    ! podman exec "$(of_service decoder | sed -n 1p)" python3 -c \
        'import socket; socket.create_connection(("1.1.1.1", 53), timeout=3)' 2>/dev/null || fail "a decoder reaches out"
    say "$(podman exec "$(of_service mongo)" mongod --version | sed -n 's/^db version v/mongod /p'), RabbitMQ $(podman exec "$(of_service rabbitmq)" \
        rabbitmqctl -q version), $(podman exec "$(of_service api)" python --version)"
}

# What subscribers are told of an event's schema leads them to it, from outside.
events_name_their_schemas() {
    local schema
    schema=$(podman exec "$(of_service mongo)" mongosh --quiet album --eval 'print(db.events.findOne().envelope.dataschema)' | tr -d '\r')
    [ "${schema#"$ALBUM_PUBLIC_URL/"}" != "$schema" ] || fail "an event names its schema as $schema"
    curl -sS --fail-with-body -o "$work/schema" "$schema" || fail "there is no schema at $schema"
    curl -sS --fail -I -o "$work/head" "http://127.0.0.1:$port/readyz" || fail "HEAD /readyz is refused"
    say "an event's schema is where it says: $schema"
}

album_command() { "${compose[@]}" --profile tools run --rm --no-deps -T album "$@" 2>>"$work/up.log"; }

# Makes a key that opens something, a check, and a backup that is still there for another container.
the_command_works() {
    local anna
    anna=$(album_command keys create --owner anna | tr -d '\r' | grep -o 'album_[0-9a-f_]*') || fail "no key was made"
    curl -sS --fail-with-body -o "$work/annas" -H "Authorization: Bearer $anna" "http://127.0.0.1:$port/album/list" --json '{}' ||
        fail "the key that was made opens nothing"
    album_command fsck || fail "fsck finds something"
    album_command backup /backups/first && album_command backup /backups/first || fail "no backup can be made"
    album_command status --once >"$work/status" || fail "album status: $(cat "$work/status")"
    say "album keys, fsck, backup and status work in a container"
}

# podman-compose forgets what `up --scale` added.
compose_down() {
    podman rm --force --ignore album_decoder_2 album_decoder_3 >>"$work/up.log" 2>&1
    "${compose[@]}" down --timeout 20 "$@" >>"$work/up.log" 2>&1
}

say "podman $(podman --version | cut -d' ' -f3), $(podman-compose --version 2>/dev/null | sed -n 1p), $(runc --version | sed -n 1p)"
stand_in_bases
say "stand-in base images are there"
"${compose[@]}" --profile tools build >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; fail "the build"; }
say "images are built: $(podman images --format '{{.Repository}} {{.Size}}' | grep localhost/album | paste -sd, -)"
trap 'compose_down --volumes' EXIT
SECONDS=0
"${compose[@]}" up -d >"$work/up.log" 2>&1 || { tail -n 30 "$work/up.log"; fail "compose up"; }
for service in mongo rabbitmq api decoder thumbnailer audit notifier; do wait_for "$service is healthy" 180 is_healthy $service; done
key=$(podman exec "$(of_service api)" cat /run/first-key/key)
album=$(call /album/create --json '{"album_name": "Containers"}' | value '["album_snapshot"]["id"]')
a_picture_goes_through
events_name_their_schemas
look_inside
the_command_works
"${compose[@]}" up -d --scale decoder=3 >>"$work/up.log" 2>&1
wait_for "three decoders are healthy" 120 is_healthy decoder
[ "$(of_service decoder | wc -l)" = 3 ] || fail "not three decoders"
for service in decoder thumbnailer api rabbitmq mongo; do a_killed_one_comes_back $service; done
compose_down
[ -z "$(podman ps --quiet --filter label=io.podman.compose.project=album)" ] || fail "something still runs after down"
"${compose[@]}" up -d >>"$work/up.log" 2>&1
wait_for "healthy again after down and up" 180 is_healthy api
call /album/get --json "{\"album_id\": \"$album\"}" | value '["album_snapshot"]["content_count"]' | grep -qx 6 ||
    fail "pictures are gone"
say "the pictures are still there; everything is as it should be"
