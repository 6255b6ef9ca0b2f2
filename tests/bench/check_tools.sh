#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether the tools of the benchmark work together: check_tools.sh FOLDER-OF-THE-TOOLS
set -eu
tools=$1
folder=$(mktemp -d)
server=''

cleanup()
{
    status=$?
    trap - EXIT
    [ -z "$server" ] || kill "$server" || :
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

fail()
{
    echo "check_tools: $*" >&2
    exit 1
}

mkfifo "$folder/ready"
"$tools/bare_evhttp" '{"status": "pending"}' '{"message": "Job started"}' >"$folder/ready" &
server=$!
read -r line <"$folder/ready" || fail "bare_evhttp did not start"
case $line in
'bare_evhttp: listening on http://127.0.0.1:'[1-9]*) ;;
*) fail "bare_evhttp said: $line" ;;
esac

"$tools/load" "${line##*:}" 5000 || fail "load failed"
kill "$server"
wait "$server" 2>/dev/null || :
server=''
if "$tools/load" "${line##*:}" 1 2>"$folder/load"; then
    fail "load did not notice that nobody serves"
fi

"$tools/ready" 3 "$tools/bare_evhttp" a b >"$folder/times" || fail "ready failed"
[ "$(grep -cE '^[0-9]+\.[0-9][0-9]$' "$folder/times")" -eq 3 ] || fail "ready said: $(cat "$folder/times")"
"$tools/script" 10 >"$folder/scripts" || fail "script failed"
[ "$(grep -cE '^[a-z-]+( +[0-9]+\.[0-9]+){3}$' "$folder/scripts")" -eq 6 ] ||
    fail "script said: $(cat "$folder/scripts")"
if "$tools/ready" 1 false 2>"$folder/false"; then
    fail "ready took 'false' for a server"
fi

"$tools/advance" 5000 >"$folder/advance" || fail "advance failed"
grep -qE '^[0-9]+\.[0-9]{3}$' "$folder/advance" || fail "advance said: $(cat "$folder/advance")"
if "$tools/sleepers" 1 2 3 2>"$folder/sleepers"; then
    fail "sleepers did not notice that nobody serves"
fi

"$tools/cost" echo a >"$folder/cost" || fail "cost failed"
grep -qE '^[0-9]+\.[0-9]{3} [1-9][0-9]*$' "$folder/cost" || fail "cost said: $(cat "$folder/cost")"
if "$tools/cost" false 2>"$folder/false"; then
    fail "cost did not notice that its command failed"
fi

"$tools/queue" 20000 100 >"$folder/queue" || fail "queue failed: $(cat "$folder/queue")"
grep -q '^queue: 20000 jobs through 100 slots in .*: 0$' "$folder/queue" ||
    fail "queue said: $(cat "$folder/queue")"
