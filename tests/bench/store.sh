#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Measures the stores beside memory, and Redis beside redis-benchmark, and prints what came out beside the
# bars that vtsim set itself. Usage: store.sh FOLDER, a finished release build. Needs wrk and curl, and
# redis-server for the part about Redis.
#
# Measured as run.sh does it: in turns; a ratio is the median of the rounds' ratios. The server has one
# core, SQLite's writer included, and the load has another. With Redis there are three programs, which
# share both cores.
#
#   VTSIM_BENCH_ROUNDS       rounds of each comparison (5)
#   VTSIM_BENCH_SECONDS      seconds of each turn (2)
#   VTSIM_BENCH_CONNECTIONS  connections that wrk keeps open for GET /status (32)
#   VTSIM_BENCH_JOBS         jobs that are many (1000000)
#   VTSIM_BENCH_STARTS       restarts to take the time of (5)
set -eu

[ $# -eq 1 ] || {
    echo "usage: store.sh BUILD-FOLDER" >&2
    exit 2
}
build=$(CDPATH='' cd -- "$1" && pwd -P)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
tools=$build/tests/bench
rounds=${VTSIM_BENCH_ROUNDS:-5}
seconds=${VTSIM_BENCH_SECONDS:-2}
connections=${VTSIM_BENCH_CONNECTIONS:-32}
many=${VTSIM_BENCH_JOBS:-1000000}
starts=${VTSIM_BENCH_STARTS:-5}
stores=$build/lib/vtsim/stores
job=bench-00000000000000

# shellcheck source=tests/bench/common.sh
. "$here/common.sh"

# start_sqlite FILE ARGUMENT...
start_sqlite()
{
    file=$1
    shift
    start_vtsimd -s store/kind=sqlite -s "store/path=$folder/$file" "$@"
}

start_job() { curl -sf -o "$folder/started" -d "{\"job_id\": \"$job\"}" "$1/start" || fail "no job started"; }

# ---- Redis ----------------------------------------------------------------------------------------

# Redis cannot be asked for a free port: guess one, and see whether it is ours. Sets $redis.
start_redis()
{
    for try in 1 2 3 4 5 6 7 8 9 10; do
        redis=$((20000 + $$ % 10000 + try * 7))
        redis-server --bind 127.0.0.1 --port "$redis" --save '' --dir "$folder" \
            --logfile "$folder/redis.log" &
        pid=$!
        servers="$servers $pid"
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            if redis-cli -p "$redis" info server 2>/dev/null | grep -q "^process_id:$pid"; then
                return 0
            fi
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        stop "$pid"
    done
    fail "redis-server did not start"
}

# Adds what redis-benchmark says to $folder/redis_get.
measure_redis()
{
    redis-benchmark -p "$redis" -t get -c 32 -n 100000 -q >"$folder/benchmark" || fail "redis-benchmark failed"
    tr '\r' '\n' <"$folder/benchmark" |
        awk '/^GET: .* requests per second/ { rate = $2 } END { if (rate <= 0) exit 1; print rate }' \
            >>"$folder/redis_get" || fail "redis-benchmark said: $(cat "$folder/benchmark")"
}

# cpu PID...: the ticks of processor time that they have had.
cpu()
{
    for process in "$@"; do
        sed 's/.*) //' "/proc/$process/stat"
    done | awk '{ ticks += $12 + $13 } END { print ticks }'
}

# cpu_of NAME PID... -- COMMAND...: runs a turn of NAME; adds the microseconds of processor time that each
# request took to $folder/NAME_cpu.
cpu_of()
{
    name=$1
    shift
    pids=''
    while [ "$1" != -- ]; do
        pids="$pids $1"
        shift
    done
    shift
    # shellcheck disable=SC2086 # a list of numbers
    ticks=$(cpu $pids)
    "$@"
    # shellcheck disable=SC2086
    awk -v before="$ticks" -v after="$(cpu $pids)" -v hz="$(getconf CLK_TCK)" -v s="$seconds" \
        -v rate="$(tail -n 1 "$folder/$name")" \
        'BEGIN { printf "%.2f\n", (after - before) / hz * 1e6 / (rate * s) }' >>"$folder/${name}_cpu"
}

# One replica with half of the connections, as each of two has: what comes at once is read and written at
# once, so the processor time of a request grows where fewer come, whoever serves the rest.
measure_half()
{
    all=$connections
    connections=$((all / 2))
    measure redis_half "$1"
    connections=$all
}

# Both replicas at once, each with half of the connections.
measure_both()
{
    half=$((connections / 2))
    rm -f "$folder/left" "$folder/right"
    for side in left right; do
        [ "$side" = left ] && url=$first || url=$second
        taskset -c "$load_core" wrk -t1 -c"$half" -d"$seconds" "$url/status?job_id=$job" \
            >"$folder/$side" 2>&1 &
        eval "$side=\$!"
    done
    # shellcheck disable=SC2154 # set by eval
    for side in "$left" "$right"; do
        wait "$side" || fail "wrk failed"
    done
    cat "$folder/left" "$folder/right" |
        awk '/Non-2xx/ || (/Socket errors/ && !/connect 0, read 0, write 0/) { bad = 1 }
             /^Requests\/sec:/ { rate += $2 }
             END { if (bad || rate <= 0) exit 1; print rate }' >>"$folder/redis_two" ||
        fail "not every request was answered as it should be (two replicas)"
}

measure_redis_all()
{
    server_core=$server_core,$load_core
    load_core=$server_core
    start_redis
    start_vtsimd -s store/kind=redis -s "store/url=redis://127.0.0.1:$redis"
    first=$url first_pid=$pid
    start_vtsimd -s store/kind=redis -s "store/url=redis://127.0.0.1:$redis"
    second=$url second_pid=$pid
    start_vtsimd -s store/kind=redis -s "store/url=redis://127.0.0.1:$redis" -s store/prefix=off: \
        -s audit/enabled=off
    unaudited=$url unaudited_pid=$pid
    start_job "$first"
    start_job "$unaudited"
    say "GET /status with Redis, $rounds rounds ..."
    for _ in $(seq "$rounds"); do
        measure_redis
        cpu_of redis_one "$first_pid" -- measure redis_one "$first/status?job_id=$job"
        cpu_of redis_off "$unaudited_pid" -- measure redis_off "$unaudited/status?job_id=$job"
        cpu_of redis_half "$first_pid" -- measure_half "$first/status?job_id=$job"
        cpu_of redis_two "$first_pid" "$second_pid" -- measure_both
    done
    say "POST /start with Redis, $rounds rounds ..."
    for round in $(seq "$rounds"); do
        measure redis_start -s "$here/start.lua" "$first" -- "$round"
    done
    stop_all
}

# ---- what is measured -----------------------------------------------------------------------------

begin wrk curl taskset
[ -e "$stores/sqlite.so" ] || fail "this vtsimd has no SQLite store: build it with libsqlite3-dev"

start_vtsimd
memory=$url
start_sqlite process.db
sqlite=$url
start_sqlite power.db -s store/durability=power
power=$url
start_job "$memory"
start_job "$sqlite"
say "GET /status, $rounds rounds ..."
for _ in $(seq "$rounds"); do
    measure status_memory "$memory/status?job_id=$job"
    measure status_sqlite "$sqlite/status?job_id=$job"
done
say "POST /start at 64 connections, $rounds rounds ..."
polling=$connections
connections=64
for round in $(seq "$rounds"); do
    measure start_memory -s "$here/start.lua" "$memory" -- "$round"
    measure start_sqlite -s "$here/start.lua" "$sqlite" -- "$round"
    measure start_power -s "$here/start.lua" "$power" -- "$round"
done
connections=$polling
stop_all

say "$many jobs in SQLite ..."
start_sqlite many.db
taskset -c "$load_core" "$tools/load" "$port" "$many" || fail "the jobs were not started"
stop "$pid"
say "restart to ready, $starts times ..."
taskset -c "$server_core" "$tools/ready" "$starts" "$build/bin/vtsimd" -l 127.0.0.1:0 \
    -s server/workers=1 -s server/log_level=error -s 'behaviour bench/plugin=fixed_delay' \
    -s 'behaviour bench/delay=1d' -s server/behaviour=bench -s store/kind=sqlite \
    -s "store/path=$folder/many.db" >"$folder/restart_ms"

redis=''
if command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null &&
    [ -e "$stores/redis.so" ]; then
    measure_redis_all
else
    say "no redis-server, or a vtsimd without its store: not measured"
fi

echo
row '' store beside 'ratio (rounds)' bar ''
compare 'GET /status, SQLite against memory' status_sqlite status_memory 0.9
compare 'POST /start, SQLite against memory' start_sqlite start_memory 0.4
compare '  the same with durability = power' start_power start_memory
figure "restart with $many jobs, median of $starts" '%.0f ms' "$(median "$folder/restart_ms")" 5000
if [ -n "$redis" ]; then
    compare 'GET /status, Redis against redis-benchmark GET' redis_one redis_get 0.4
    compare 'GET /status, Redis, audit on against off' redis_one redis_off 0.95
    compare 'GET /status, two replicas against one' redis_two redis_one
    row 'POST /start, Redis' "$(printf '%.0f/s' "$(median "$folder/redis_start")")" '' '' '' ''
    row 'processor time of vtsimd, a GET /status' "$(printf '%.1f us' "$(median "$folder/redis_one_cpu")")" \
        '' '' '' "one replica, $connections connections"
    row '' "$(printf '%.1f us' "$(median "$folder/redis_off_cpu")")" \
        '' '' '' "the same without the audit"
    row '' "$(printf '%.1f us' "$(median "$folder/redis_half_cpu")")" \
        '' '' '' "one replica, $((connections / 2)) connections"
    row '' "$(printf '%.1f us' "$(median "$folder/redis_two_cpu")")" \
        '' '' '' "two replicas, $((connections / 2)) connections each"
fi
