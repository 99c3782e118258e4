#!/bin/sh
# Installs what some extras of pyproject.toml need, in the versions of constraints.txt and with no file whose hash is not
# there. pip checks hashes of a complete list of pins alone, so it is asked first what it would install.
#
#   install.sh PIP ENVIRONMENT EXTRA...     PIP installs into the virtual environment; its Python is 3.11 or newer
set -eu

pip=$1 environment=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install() { "$pip" --python "$environment/bin/python" install --quiet --disable-pip-version-check "$@"; }

"$environment/bin/python" - "$@" >"$work/wanted.txt" <<'PYTHON'
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
print(*project["dependencies"], sep="\n")
for extra in sys.argv[1:]:
    # A service that needs nothing of its own has no extra.
    print(*project["optional-dependencies"].get(extra, ()), sep="\n")
PYTHON

sed -E '/^ +--hash/d; s/ *\\$//' constraints.txt >"$work/versions.txt"
install --dry-run --report "$work/report.json" -c "$work/versions.txt" -r "$work/wanted.txt"

"$environment/bin/python" - "$work/report.json" >"$work/pins.txt" <<'PYTHON'
import json
import re
import sys

with open(sys.argv[1]) as file:
    needed = {re.sub("[-_.]+", "-", one["metadata"]["name"]).lower() for one in json.load(file)["install"]}
with open("constraints.txt") as file:
    for pin in re.split(r"\n(?=\S)", file.read()):
        if pin.partition("==")[0] in needed:
            print(pin)
PYTHON

# Compiled files would hold the time of the build.
install --no-compile --require-hashes --no-deps -r "$work/pins.txt"
