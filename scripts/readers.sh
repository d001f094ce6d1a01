#!/usr/bin/env bash
# Do other people's readers find in the driver's files what the driver does? Loads a server for three
# seconds, and opens the .hlog with readers from PyPI (hdrhistogram) and npm (hdr-histogram-js), the
# .hgrm with one from PyPI (hdr-plot), and the Prometheus text with Prometheus' own. All percentiles
# have to be equal to the nanosecond.
#
#   scripts/readers.sh        half a minute after the build, most of it for fetching the readers
#
# Needs python3 with venv, node and npm. Exits with 1 at the first difference.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in python3 node npm; do
    command -v "$tool" >/dev/null ||
        { echo "$tool is not on PATH; get it: apt-get install python3-venv nodejs npm" >&2; exit 1; }
done

cargo build --release --quiet -p driver -p server-hyper
bin=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys
print(json.load(sys.stdin)["target_directory"] + "/release")')

dir=$(mktemp -d)
server=
clean_up() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    rm -rf "$dir"
}
trap clean_up EXIT

echo "fetching the readers"
cp scripts/readers/read.mjs "$dir"
python3 -m venv "$dir/venv"
# hdr-plot needs pkg_resources, which later setuptools have no more.
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    hdrhistogram==0.10.3 hdr-plot==0.6.2 prometheus-client 'setuptools<81'
npm install --silent --no-audit --no-fund --prefix "$dir" hdr-histogram-js@3.0.1
python() { "$dir/venv/bin/python" -W ignore scripts/readers/read.py "$@"; }

echo "loading a server"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$bin/server-hyper" --port "$port" --threads 1 --json serde_json &
server=$!
for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    sleep 0.05
done
"$bin/driver" "http://127.0.0.1:$port/ping" --scenario ping -c 50 -d 3s --json \
    --hlog "$dir/run.hlog" --hgrm "$dir/run.hgrm" --prometheus "$dir/run.prom" >"$dir/run.json"

python prometheus "$dir/run.prom" >"$dir/said"
test "$(wc -l <"$dir/said")" -eq 6
python hlog "$dir/run.hlog" | diff "$dir/said" - || { echo "PyPI's hdrhistogram differs" >&2; exit 1; }
node "$dir/read.mjs" "$dir/run.hlog" | diff "$dir/said" - ||
    { echo "npm's hdr-histogram-js differs" >&2; exit 1; }
python hgrm "$dir/run.hgrm" "$dir/run.hlog" || { echo "PyPI's hdr-plot differs" >&2; exit 1; }

# A report read again says the same.
"$bin/driver" merge "$dir/run.json" --hgrm "$dir/again.hgrm" --hlog "$dir/again.hlog" >/dev/null
cmp "$dir/run.hgrm" "$dir/again.hgrm"
cmp "$dir/run.hlog" "$dir/again.hlog"

echo "all readers agree on (percentile, nanoseconds):"
cat "$dir/said"
