#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Three vtsimds, a Redis and an nginx on free ports and in a temporary folder: runs jobs through nginx,
# kills a replica in the middle, and looks whether anything was lost. Leaves nothing behind, also when it
# is interrupted. Usage: try.sh FOLDER, a finished build. Needs redis-server, nginx and curl.
#
#   VTSIM_CLUSTER_JOBS  jobs to run (12)
set -eu

[ $# -eq 1 ] || {
    echo "usage: try.sh BUILD-FOLDER" >&2
    exit 2
}
build=$(CDPATH='' cd -- "$1" && pwd -P)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
count=${VTSIM_CLUSTER_JOBS:-12}
PATH=$PATH:/usr/sbin
folder=$(mktemp -d "${TMPDIR:-/tmp}/vtsim-cluster.XXXXXX")
chmod 711 "$folder" # nginx's workers may be of another user
children=''

say() { printf 'cluster: %s\n' "$*"; }

fail()
{
    printf 'cluster: %s\n' "$*" >&2
    for log in "$folder"/*.log; do
        [ ! -s "$log" ] || sed "s|^|${log##*/}: |" "$log" >&2
    done
    exit 1
}

cleanup()
{
    status=$?
    trap - EXIT HUP INT TERM
    for child in $children; do
        kill "$child" 2>/dev/null || :
    done
    for child in $children; do
        wait "$child" 2>/dev/null || :
    done
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- starting -------------------------------------------------------------------------------------

# Neither Redis nor nginx can be asked for a free port: one is guessed, and tried. `tries` counts on, so that
# no guess is made twice.
tries=0
guess()
{
    tries=$((tries + 1))
    [ "$tries" -le 20 ] || fail "no free port was found"
    port=$((20000 + ($$ * 7 + tries * 101) % 12000))
}

# until COMMAND...: asks again and again, until it says yes or the process $pid has ended. Fails after 5 s.
until_true()
{
    for _ in $(seq 100); do
        if "$@" >"$folder/said" 2>&1; then
            return 0
        fi
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

redis_is_ours() { redis-cli -p "$port" info server | grep -q "^process_id:$pid"; }

# The append-only file makes what was answered outlive a crash of Redis, too.
start_redis()
{
    while :; do
        guess
        redis-server --bind 127.0.0.1 --port "$port" --dir "$folder" --save '' --appendonly yes \
            --appendfsync always >"$folder/redis.log" 2>&1 &
        pid=$!
        children="$children $pid"
        if until_true redis_is_ours; then
            redis=127.0.0.1:$port
            return
        fi
    done
}

# start_replica NUMBER: sets $url and $pid.
start_replica()
{
    rm -f "$folder/ready"
    mkfifo "$folder/ready"
    "$build/bin/vtsimd" -c "$here/vtsimd.ini" -l 127.0.0.1:0 -s "store/url=redis://$redis" \
        -s 'behaviour usual/delay=3s' -s server/log_level=warning \
        >"$folder/ready" 2>"$folder/vtsimd-$1.log" &
    pid=$!
    children="$children $pid"
    read -r line <"$folder/ready" || fail "vtsimd $1 did not start"
    url=${line##* }
}

nginx_is_ours() { [ "$(cat "$folder/nginx.pid")" = "$pid" ] && curl -sf -o "$folder/health" "http://127.0.0.1:$port/_sim/health"; }

start_nginx()
{
    while :; do
        guess
        sed -e "s|@FOLDER@|$folder|; s|@LISTEN@|127.0.0.1:$port|" \
            -e "s|@REPLICA1@|${first#http://}|; s|@REPLICA2@|${second#http://}|" \
            -e "s|@REPLICA3@|${third#http://}|" "$here/nginx.conf.in" >"$folder/nginx.conf"
        nginx -p "$folder" -c "$folder/nginx.conf" >"$folder/nginx-out.log" 2>&1 &
        pid=$!
        children="$children $pid"
        if until_true nginx_is_ours; then
            nginx=http://127.0.0.1:$port
            return
        fi
    done
}

# ---- what is shown --------------------------------------------------------------------------------

completed() { "$build/bin/vtsim" -u "$1" list --state completed | wc -l; }

start_redis
start_replica 1
first=$url first_pid=$pid
start_replica 2
second=$url
start_replica 3
third=$url
start_nginx
say "a Redis on $redis, vtsimds on $first, $second and $third"
say "nginx before them on $nginx"

say "vtsim run: $count jobs of 3 seconds, all through nginx ..."
waiting=''
for job in $(seq "$count"); do
    "$build/bin/vtsim" -u "$nginx" run "job-$job" >"$folder/job-$job" 2>"$folder/vtsim-$job.log" &
    waiting="$waiting $!"
    children="$children $!"
done
until_true sh -c "[ \$('$build/bin/vtsim' -u '$nginx' list | wc -l) -eq $count ]" ||
    fail "not all jobs were started"

say "killing $first in the middle (kill -9) ..."
kill -9 "$first_pid"
wait "$first_pid" 2>/dev/null || :
children=$(printf '%s ' "$children" | sed "s/ $first_pid / /")

lost=0
job=0
for process in $waiting; do
    job=$((job + 1))
    if ! wait "$process" || ! grep -qx 'Final status: completed' "$folder/job-$job"; then
        lost=$((lost + 1))
        say "job-$job: $(tail -n 1 "$folder/job-$job" "$folder/vtsim-$job.log")"
    fi
done
children=$(printf '%s ' "$children" | awk -v gone="$waiting" '
    BEGIN { n = split(gone, a); for (i = 1; i <= n; i++) out[a[i]] = 1 }
    { for (i = 1; i <= NF; i++) if (!($i in out)) printf " %s", $i }')
[ "$lost" -eq 0 ] || fail "$lost of $count jobs were lost"
say "all $count completed; nobody noticed"

say "a new vtsimd takes the place, and knows them all ..."
start_replica 4
for replica in "$second" "$third" "$url"; do
    known=$(completed "$replica")
    say "$replica knows $known completed jobs"
    [ "$known" -eq "$count" ] || fail "it should be $count"
done
say "nothing was lost"
