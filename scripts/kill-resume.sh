#!/usr/bin/env bash
# Does a bench survive being killed? Starts a real `bench --quick` on all servers with short windows,
# kills it (SIGKILL) at random moments, one after the other, and resumes it each time. After each
# kill no server and no driver may be left within two seconds, and every finished line of
# samples.jsonl must parse. At the end the plan must be complete without repeats. Then such a bench
# is stopped as Ctrl-C does it: within two seconds, with exit status 130.
#
#   scripts/kill-resume.sh [KILLS]    KILLS is 10 unless given; two minutes after the build
#
# Linux only. Needs jq. Prints a line for each kill; exits with 1 at the first thing that is wrong.
set -euo pipefail
kills=${1:-10}
cd "$(dirname "$0")/.."
command -v jq >/dev/null || { echo "jq is not on PATH; get it: apt-get install jq" >&2; exit 1; }

dir=$(mktemp -d)
out=$dir/killed
bench=

fail() { echo "FAILED: $*" >&2; exit 1; }

clean_up() {
    [[ -z $bench ]] || kill -KILL "$bench" 2>/dev/null || true
    rm -rf "$dir"
}
trap clean_up EXIT

# Starts the program itself, not cargo, so that the process number is the bench's. All that it starts
# inherits the variable, and is found by it whoever has adopted it.
start() {
    HTTPDYNO_KILL_RESUME=$dir "$xtask" bench "$@" >>"$dir/log" 2>&1 &
    bench=$!
}

# The numbers of the bench's processes, itself included.
family() {
    { grep -lszx "HTTPDYNO_KILL_RESUME=$dir" /proc/[0-9]*/environ || true; } | cut -d/ -f3
}

# Which of the processes are there: one that is ending has no environment any more, and a zombie is
# no process but a number that nobody has asked about.
left() {
    local pid
    for pid in $({ printf '%s\n' "$@"; family; } | sort -u); do
        if grep -qs '^State:\s[^ZX]' "/proc/$pid/status"; then echo "$pid"; fi
    done
}

names() {
    local pid
    for pid in "$@"; do cat "/proc/$pid/comm" 2>/dev/null || true; done | sort | paste -sd' '
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }
samples() { if [[ -e $out/samples.jsonl ]]; then wc -l <"$out/samples.jsonl"; else echo 0; fi; }

first_sample() {
    until (($(samples) > 0)); do
        kill -0 "$bench" 2>/dev/null || fail "bench ended without a sample: $(tail -5 "$dir/log")"
        sleep 0.05
    done
}

# Sends the bench a signal, waits until it and all its processes are gone, for two seconds, and sets
# `status` to its exit status and `ms` to how long all of it took.
stop() {
    local began pids remaining
    mapfile -t pids < <(family)
    running=$(names "${pids[@]}")
    began=$(now_ms)
    kill "-$1" "$bench" 2>/dev/null || fail "bench ended before it was stopped: $(tail -5 "$dir/log")"
    status=0
    wait "$bench" 2>/dev/null || status=$?
    while true; do
        remaining=$(left "${pids[@]}")
        ms=$(($(now_ms) - began))
        [[ -n $remaining ]] || return 0
        ((ms < 2000)) || fail "left after $ms ms: $(names $remaining)"
        sleep 0.02
    done
}

echo "building"
cargo build --quiet --package xtask
xtask=$(cargo metadata --no-deps --format-version 1 | jq -r .target_directory)/debug/xtask
options=(--quick --connections 2,400 --duration 500ms --warmup 200ms)

# 16 samples a round, and at most 5 between two kills.
start "${options[@]}" --rounds "$((kills * 5 / 16 + 1))" --out "$out"
first_sample
for ((kill = 1; kill <= kills; kill++)); do
    # Up to four seconds: in the build, while a server starts, in a window, between two samples.
    sleep "$((RANDOM % 4)).$((RANDOM % 10))$((RANDOM % 10))"
    stop KILL
    stored=$(samples)
    head -n "$stored" "$out/samples.jsonl" | jq -es "length == $stored" >/dev/null ||
        fail "a finished line of samples.jsonl does not parse"
    echo "kill $kill of $kills ($running): all gone after $ms ms; $stored samples stored and readable"
    start --resume "$out"
done
wait "$bench" || fail "the last resume: $(tail -5 "$dir/log")"
jq -es --slurpfile run "$out/run.json" '
    [.[] | {round, cell}] == $run[0].plan and all(.[]; .outcome.measured.driver.requests > 0)
' "$out/samples.jsonl" >/dev/null || fail "samples.jsonl is not the plan, each step once"
echo "complete: $(samples) of $(jq '.plan | length' "$out/run.json") planned samples, each once"

out=$dir/interrupted
start "${options[@]}" --out "$out"
first_sample
sleep "0.$((RANDOM % 10))"
stop INT
((status == 130)) || fail "Ctrl-C: exit status $status, not 130"
tail -1 "$dir/log" | grep -qF -- "--resume $out" || fail "Ctrl-C: not told how to go on"
echo "Ctrl-C ($running): exit status 130, all gone after $ms ms, told how to go on"
