# SPDX-License-Identifier: MIT
#
# What the benchmarks have in common: servers on a core of their own, turns of wrk, and the table. For
# `.`, after a script has set build, tools, rounds, seconds and connections.
# shellcheck shell=sh disable=SC2154,SC2034 # set and used by the scripts that read this

folder=$(mktemp -d "${TMPDIR:-/tmp}/vtsim-bench.XXXXXX")
servers=''

cleanup()
{
    status=$?
    trap - EXIT HUP INT TERM
    stop_all
    rm -rf "$folder"
    exit "$status"
}

fail()
{
    printf 'bench: %s\n' "$*" >&2
    exit 1
}

say() { printf 'bench: %s\n' "$*"; }

# ---- servers --------------------------------------------------------------------------------------

# The cores that we may use: the first is the server's, the second the load's.
choose_cores()
{
    cores=$(taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' |
        awk -F- '{ for (i = $1; i <= (NF > 1 ? $2 : $1); i++) print i }')
    server_core=$(printf '%s\n' "$cores" | sed -n 1p)
    load_core=$(printf '%s\n' "$cores" | sed -n 2p)
    if [ -z "$load_core" ]; then
        load_core=$server_core
        say "there is one core only: server and load share it, and the ratios say little"
    fi
}

# start COMMAND...: a server that prints a line ending in its URL when it is ready. Sets $url, $pid.
start()
{
    rm -f "$folder/ready"
    mkfifo "$folder/ready"
    taskset -c "$server_core" "$@" >"$folder/ready" &
    pid=$!
    servers="$servers $pid"
    read -r line <"$folder/ready" || fail "$1 did not start"
    url=${line##* }
    port=${url##*:}
}

# start_vtsimd ARGUMENT...: one worker, and jobs that do not end meanwhile.
start_vtsimd()
{
    start "$build/bin/vtsimd" -l 127.0.0.1:0 -s server/workers=1 -s server/log_level=error \
        -s server/max_jobs=100000000 -s 'behaviour bench/plugin=fixed_delay' \
        -s 'behaviour bench/delay=1d' -s server/behaviour=bench "$@"
}

stop()
{
    kill "$1" 2>/dev/null || :
    wait "$1" 2>/dev/null || :
    servers=$(printf '%s' "$servers" | sed "s/ $1\$//; s/ $1 / /")
}

stop_all()
{
    for server in $servers; do
        kill "$server" 2>/dev/null || :
    done
    for server in $servers; do
        wait "$server" 2>/dev/null || :
    done
    servers=''
}

# ---- measuring ------------------------------------------------------------------------------------

# measure NAME WRK-ARGUMENT...: one turn; adds the requests a second to $folder/NAME.
measure()
{
    name=$1
    shift
    taskset -c "$load_core" wrk -t1 -c"$connections" -d"$seconds" "$@" >"$folder/wrk" 2>&1 || {
        cat "$folder/wrk" >&2
        fail "wrk failed"
    }
    awk '/Non-2xx/ || (/Socket errors/ && !/connect 0, read 0, write 0/) { bad = 1 }
         /^Requests\/sec:/ { rate = $2 }
         END { if (bad || rate <= 0) exit 1; print rate }' "$folder/wrk" >>"$folder/$name" || {
        cat "$folder/wrk" >&2
        fail "not every request was answered as it should be ($name)"
    }
}

median()
{
    sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

resident_bytes()
{
    awk '/^VmRSS:/ || /^VmSwap:/ { kib += $2 } END { printf "%d\n", kib * 1024 }' "/proc/$1/status"
}

# ---- the table ------------------------------------------------------------------------------------

row() { printf '%-48s %12s %12s %20s %9s  %s\n' "$@"; }

# verdict VALUE RELATION BAR
verdict()
{
    awk -v value="$1" -v relation="$2" -v bar="$3" 'BEGIN {
        print (relation == ">=" ? value >= bar : value <= bar) ? "reached" : "MISSED" }'
}

# compare WORDS OURS THEIRS [BAR]: medians, and the median and range of the rounds' ratios.
compare()
{
    paste "$folder/$2" "$folder/$3" | awk '{ print $1 / $2 }' | sort -n >"$folder/ratios"
    ratio=$(median "$folder/ratios")
    shown=$(printf '%.2f (%.2f..%.2f)' "$ratio" "$(sed -n 1p "$folder/ratios")" \
        "$(sed -n '$p' "$folder/ratios")")
    row "$1" "$(printf '%.0f/s' "$(median "$folder/$2")")" \
        "$(printf '%.0f/s' "$(median "$folder/$3")")" "$shown" "${4:+>= $4}" \
        "${4:+$(verdict "$ratio" '>=' "$4")}"
}

# figure WORDS FORMAT VALUE BAR
figure()
{
    # shellcheck disable=SC2059 # the format is ours
    row "$1" "$(printf "$2" "$3")" '' '' "<= $4" "$(verdict "$3" '<=' "$4")"
}

# ---- beginning ------------------------------------------------------------------------------------

# begin PROGRAM...: looks whether these are there, and prepares for the end.
begin()
{
    for program in "$@"; do
        command -v "$program" >/dev/null || fail "$program is missing"
    done
    for program in "$build/bin/vtsimd" "$tools/bare_evhttp" "$tools/load" "$tools/ready" \
        "$tools/cost"; do
        [ -x "$program" ] || fail "$program is missing: build first"
    done
    trap cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    choose_cores
}
