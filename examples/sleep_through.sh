#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Two clients that poll a job of ten minutes, one every 20 s and one with growing waits, in a second. They know
# nothing of vtsim but two requests of its control side: where a real client would call sleep, these ask the
# server to sleep. What they see is the same in every run.
#
# Usage: sleep_through.sh URL    of a vtsimd that was started with -s clock/mode=virtual
set -eu

url=$1

fail()
{
    echo "sleep_through: $*" >&2
    exit 1
}

ask() { curl -sS -f -m 60 "$@"; }

# sleep_as NAME SECONDS: returns when so much time is over on the server's clock.
sleep_as() { ask "$url/_sim/clock/sleep" -d "{\"for\": \"$2s\", \"as\": \"$1\"}" >/dev/null; }

# now: what the server's clock shows.
now() { ask "$url/_sim/clock" | sed 's/.*"now": "\([^"]*\)".*/\1/'; }

# client NAME SECONDS FACTOR: polls until the job has ended; says how often, and when it knew.
client()
{
    wait=$2
    polls=0
    while :; do
        sleep_as "$1" "$wait"
        polls=$((polls + 1))
        case $(ask "$url/status?job_id=long") in
        *completed*) break ;;
        esac
        wait=$((wait * $3))
    done
    echo "$1: $polls polls, done at $(now)"
    ask -X DELETE "$url/_sim/clock/participants/$1" >/dev/null
}

ask "$url/jobs" -d '{"id": "long", "behaviour": "ten_minutes"}' >/dev/null
# Both take part before either sleeps, so that neither runs ahead.
for name in even growing; do
    ask "$url/_sim/clock/participants" -d "{\"as\": \"$name\"}" >/dev/null
done
told=$(mktemp)
trap 'rm -f "$told"' EXIT
client even 20 1 >"$told" &
client growing 1 2
wait $!
cat "$told"
grep -q '^even: 30 polls, done at 2026-01-01T00:10:00.000Z$' "$told" || fail 'not as it should be'
