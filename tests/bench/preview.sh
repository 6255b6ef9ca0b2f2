#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Measures vtsimd --preview with many jobs of each shipped behaviour, on one core, and prints what came out
# beside the bar that vtsim set itself. Usage: preview.sh FOLDER, a finished release build.
#
#   VTSIM_BENCH_ROUNDS  previews of each (5)
#   VTSIM_BENCH_JOBS    jobs that are many (1000000)
set -eu

[ $# -eq 1 ] || {
    echo "usage: preview.sh BUILD-FOLDER" >&2
    exit 2
}
build=$(CDPATH='' cd -- "$1" && pwd -P)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
tools=$build/tests/bench
rounds=${VTSIM_BENCH_ROUNDS:-5}
many=${VTSIM_BENCH_JOBS:-1000000}

# shellcheck source=tests/bench/common.sh
. "$here/common.sh"

# preview NAME ARGUMENT...: adds to $folder/NAME_s and $folder/NAME_mib.
preview()
{
    name=$1
    shift
    taskset -c "$server_core" "$tools/cost" "$build/bin/vtsimd" --jobs "$many" "$@" \
        >"$folder/cost" || fail "the preview failed"
    awk '{ print $1 }' "$folder/cost" >>"$folder/${name}_s"
    awk '{ print $2 / 1024 }' "$folder/cost" >>"$folder/${name}_mib"
}

# shown WORDS NAME [BAR]
shown()
{
    seconds=$(median "$folder/$2_s")
    row "$1" "$(printf '%.2f s' "$seconds")" '' \
        "$(printf '%.0f MiB' "$(median "$folder/$2_mib")")" "${3:+<= $3 s}" \
        "${3:+$(verdict "$seconds" '<=' "$3")}"
}

begin taskset
say "previews of $many jobs, $rounds rounds ..."
for _ in $(seq "$rounds"); do
    preview fixed --preview fixed_delay
    preview json --preview fixed_delay --json
    preview csv --preview fixed_delay --csv
    preview failure --preview flaky -s 'behaviour flaky/plugin=random_failure' \
        -s 'behaviour flaky/delay=lognormal 8s sigma 0.5 max 60s' \
        -s 'behaviour flaky/fail_at=anywhere'
    preview script --preview script -s 'behaviour script/plugin=scripted_sequence' -s \
        'behaviour script/script=pending for 2s, progress 40%, pending for 3s, error "why"'
    preview polled --preview script -s 'behaviour script/plugin=scripted_sequence' \
        -s 'behaviour script/script=pending x3, progress 40%, pending x2, completed'
done

echo
row "vtsimd --preview, $many jobs" median '' memory bar ''
shown 'fixed_delay' fixed 5
shown 'fixed_delay, --json' json 5
shown 'fixed_delay, --csv' csv
shown 'random_failure, lognormal' failure
shown 'scripted_sequence, by time' script
shown 'scripted_sequence, by polls' polled
