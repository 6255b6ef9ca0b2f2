#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Measures vtsimd beside a bare evhttp and beside nginx, and prints what came out beside the bars
# that vtsim set itself. Usage: run.sh FOLDER, a finished release build. Needs wrk, nginx and curl.
#
# What is compared is measured in turns, round by round, since machines change their pace; a ratio is
# the median of the rounds' ratios. The server has one core and the load has another.
#
#   VTSIM_BENCH_ROUNDS       rounds of each comparison (5)
#   VTSIM_BENCH_SECONDS      seconds of each turn (2)
#   VTSIM_BENCH_CONNECTIONS  connections that wrk keeps open (32)
#   VTSIM_BENCH_JOBS         jobs that are many (1000000)
#   VTSIM_BENCH_STARTS       starts to take the time of (20)
# shellcheck disable=SC2119 # start_vtsimd takes arguments, or none
set -eu

[ $# -eq 1 ] || {
    echo "usage: run.sh BUILD-FOLDER" >&2
    exit 2
}
build=$(CDPATH='' cd -- "$1" && pwd -P)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
tools=$build/tests/bench
rounds=${VTSIM_BENCH_ROUNDS:-5}
seconds=${VTSIM_BENCH_SECONDS:-2}
connections=${VTSIM_BENCH_CONNECTIONS:-32}
many=${VTSIM_BENCH_JOBS:-1000000}
starts=${VTSIM_BENCH_STARTS:-20}
audit_rounds=$((rounds > 21 ? rounds : 21)) # shorter ones: they lie close together
few=1000
sets=100

# shellcheck source=tests/bench/common.sh
. "$here/common.sh"

# nginx cannot be asked for a free port: guess one, and see whether it is ours.
start_nginx()
{
    guess=$((20000 + $$ % 10000))
    for try in 1 2 3 4 5 6 7 8 9 10; do
        port=$((guess + try * 7))
        if curl -s -o /dev/null "http://127.0.0.1:$port/"; then
            continue
        fi
        FOLDER=$folder PORT=$port STATUS=$status_body START=$start_body awk '
            { while (match($0, /@[A-Z]+@/))
                  $0 = substr($0, 1, RSTART - 1) ENVIRON[substr($0, RSTART + 1, RLENGTH - 2)] \
                       substr($0, RSTART + RLENGTH)
              print }' "$here/nginx.conf.in" >"$folder/nginx.conf"
        taskset -c "$server_core" nginx -p "$folder" -c "$folder/nginx.conf" 2>"$folder/nginx.out" &
        pid=$!
        servers="$servers $pid"
        url=http://127.0.0.1:$port
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            if [ "$(curl -s "$url/status?job_id=x" || :)" = "$status_body" ]; then
                return 0
            fi
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        stop "$pid"
    done
    cat "$folder/nginx.out" "$folder/nginx.log" >&2 || :
    fail "nginx did not start"
}

# ---- what is measured -----------------------------------------------------------------------------

begin wrk nginx curl taskset

say "start to ready, $starts times ..."
taskset -c "$server_core" "$tools/ready" "$starts" "$build/bin/vtsimd" -l 127.0.0.1:0 \
    -s server/workers=1 -s server/log_level=error >"$folder/ready_ms"

# The others answer what vtsimd answers, to the byte. The x keeps a newline at the end.
start_vtsimd
vtsimd=$url vtsimd_pid=$pid
job=bench-00000000000000
start_body=$(curl -sf -d "{\"job_id\": \"$job\"}" "$vtsimd/start" && echo x) || fail "no job started"
start_body=${start_body%x*}
status_body=$(curl -sf "$vtsimd/status?job_id=$job" && echo x) || fail "no status"
status_body=${status_body%x*}
start "$tools/bare_evhttp" "$status_body" "$start_body"
bare=$url
start_nginx
nginx=$url

say "GET /status, $rounds rounds ..."
for _ in $(seq "$rounds"); do
    measure status_vtsimd "$vtsimd/status?job_id=$job"
    measure status_bare "$bare/status?job_id=$job"
    measure status_nginx "$nginx/status?job_id=$job"
done
say "POST /start, $rounds rounds ..."
for round in $(seq "$rounds"); do
    measure start_vtsimd -s "$here/start.lua" "$vtsimd" -- "$round"
    measure start_bare -s "$here/start.lua" "$bare" -- "$round"
    measure start_nginx -s "$here/start.lua" "$nginx" -- "$round"
done
stop "$vtsimd_pid"

say "$many jobs ..."
start_vtsimd
vtsimd_many=$url many_pid=$pid many_port=$port
before=$(resident_bytes "$many_pid")
taskset -c "$load_core" "$tools/load" "$many_port" "$many" || fail "the jobs were not started"
after=$(resident_bytes "$many_pid")
say "$many jobs with options of their own, out of $sets sets ..."
start_vtsimd
options_before=$(resident_bytes "$pid")
taskset -c "$load_core" "$tools/load" "$port" "$many" "$sets" || fail "the jobs were not started"
options_after=$(resident_bytes "$pid")
stop "$pid"
start_vtsimd
vtsimd_few=$url
taskset -c "$load_core" "$tools/load" "$port" "$few" || fail "the jobs were not started"

say "GET /status among $few and among $many jobs, $rounds rounds ..."
for _ in $(seq "$rounds"); do
    measure status_many -s "$here/status.lua" "$vtsimd_many" -- "$many"
    measure status_few -s "$here/status.lua" "$vtsimd_few" -- "$few"
done
stop_all

# The same answers, once from a plain fixed_delay, and once through all that can be in force for a poll.
say "GET /status, with rules, a filter and a script in force, $rounds rounds ..."
start_vtsimd
plain=$url
curl -sf -o "$folder/started" -d "{\"job_id\": \"$job\"}" "$plain/start" || fail "no job started"
start_vtsimd -s 'filter calm/plugin=flaky_service' -s filter\ calm/outage_every=0 \
    -s 'filter calm/error_rate=0' -s 'filter calm/quota=1000000000000' -s server/filter=calm \
    -s 'behaviour long/plugin=scripted_sequence' \
    -s 'behaviour long/script=pending for 1d, progress 40%, http 503 x2, completed' \
    -s 'rule none/input.language=es' -s 'rule none/behaviour=fixed_delay' \
    -s 'rule all/job_id=bench-*' -s 'rule all/behaviour=long'
forced=$url
curl -sf -o "$folder/started" -d "{\"job_id\": \"$job\"}" "$forced/start" || fail "no job started"
[ "$(curl -sf "$forced/jobs/$job" | grep -o '"behaviour": "[a-z]*"')" = '"behaviour": "long"' ] ||
    fail "the rule did not match"
for _ in $(seq "$rounds"); do
    measure status_forced "$forced/status?job_id=$job"
    measure status_plain "$plain/status?job_id=$job"
done
stop_all

say "GET /status, with the audit and without, $audit_rounds rounds ..."
start_vtsimd
audited=$url
start_vtsimd -s audit/enabled=off
unaudited=$url
for server in "$audited" "$unaudited"; do
    curl -sf -o "$folder/started" -d "{\"job_id\": \"$job\"}" "$server/start" || fail "no job started"
done
(
    seconds=1
    for _ in $(seq "$audit_rounds"); do
        measure status_audited "$audited/status?job_id=$job"
        measure status_unaudited "$unaudited/status?job_id=$job"
    done
)
stop_all

# Each of them is polled, or nearly: that is all that an audit can take, but for the last ones' poll times, which
# are a number of jobs and not a share of them.
say "$many jobs that are polled, with the audit and without ..."
for audit in on off; do
    start_vtsimd -s "audit/enabled=$audit" -s audit/jobs=0
    audit_before=$(resident_bytes "$pid")
    taskset -c "$load_core" "$tools/load" "$port" "$many" || fail "the jobs were not started"
    for _ in $(seq "$rounds"); do
        measure "polled_$audit" -s "$here/status.lua" "$url" -- "$many"
    done
    echo "$(($(resident_bytes "$pid") - audit_before))" >"$folder/memory_$audit"
    stop_all
done

say "scripts of 10000 steps ..."
taskset -c "$server_core" "$tools/script" 10000 >"$folder/scripts" || fail "the scripts were not read"

say "a move of the clock over $many jobs ..."
"$tools/advance" "$many" >"$folder/advance" || fail "the jobs did not end at their moments"

# One request after the other: on a core of its own each side would have to be woken for each.
say "100 clients that sleep through the server, twice ..."
for round in 1 2; do
    start_vtsimd -s clock/mode=virtual -s server/behaviour=fixed_delay
    taskset -c "$server_core" "$tools/sleepers" "$port" 100 300 >"$folder/sleepers$round" || fail "the sleepers were not served"
    stop_all
done
[ "$(cut -d ' ' -f 2 "$folder/sleepers1")" = "$(cut -d ' ' -f 2 "$folder/sleepers2")" ] ||
    fail "two runs of the sleepers had two histories"

echo
echo "Medians of the rounds; a ratio is the median of the rounds' own ratios, which need not be that of"
echo "the two medians: what is compared is measured in turns, since machines change their pace."
row '' vtsimd beside 'ratio (rounds)' bar ''
compare 'GET /status, one worker, against bare evhttp' status_vtsimd status_bare 1.0
compare 'GET /status, one worker, against nginx' status_vtsimd status_nginx
compare 'POST /start, one worker, against bare evhttp' start_vtsimd start_bare 0.7
compare 'POST /start, one worker, against nginx' start_vtsimd start_nginx
compare "GET /status, $many jobs against $few" status_many status_few 0.9
compare 'GET /status, rules, filter and script, against none' status_forced status_plain 0.9
compare 'GET /status, with the audit against without' status_audited status_unaudited 0.95
figure "memory for each of $many jobs, their audit aside" '%.0f bytes' \
    "$(awk -v a="$(cat "$folder/memory_off")" -v n="$many" 'BEGIN { print a / n }')" 160
figure "the audit of each of them, beyond poll times" '%.0f bytes' \
    "$(awk -v a="$(cat "$folder/memory_on")" -v b="$(cat "$folder/memory_off")" -v n="$many" \
        'BEGIN { printf "%.0f\n", (a - b) / n }')" 64
figure "options of their own, out of $sets sets: more by" '%.0f bytes' \
    "$(awk -v a="$options_after" -v b="$options_before" -v c="$after" -v d="$before" -v n="$many" \
        'BEGIN { print (a - b - c + d) / n }')" 16
while read -r name reading fault poll; do
    figure "script of 10000 steps, $name: reading it" '%.2f ms' "$reading" 10
    row "    a poll that gets a fault, the slowest" "$fault us" '' '' '' ''
    figure "    a poll at its end" '%.3f us' "$poll" 10
done <"$folder/scripts"
figure "start to ready, median of $starts" '%.1f ms' "$(median "$folder/ready_ms")" 50
figure "a move of the clock over $many jobs" '%.2f s' "$(cat "$folder/advance")" 5
figure "100 clients polling for 10 minutes, the same history twice" '%.2f s' \
    "$(cut -d ' ' -f 1 "$folder/sleepers2")" 5
