#!/bin/sh
# SPDX-License-Identifier: MIT
# That the cluster of config/ comes up, loses nothing, and leaves nothing behind, also when it is
# interrupted: check_cluster.sh SOURCE-FOLDER BUILD-FOLDER
set -eu
root=$1
build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

fail()
{
    echo "check_cluster: $*" >&2
    cat "$folder/out" >&2
    exit 1
}

left() { ls -d "$folder"/vtsim-cluster.* 2>/dev/null || :; }

export TMPDIR="$folder" VTSIM_CLUSTER_JOBS=4
sh "$root/config/cluster/try.sh" "$build" >"$folder/out" 2>&1 || fail "it ended with $?"
grep -qx 'cluster: all 4 completed; nobody noticed' "$folder/out" || fail "it did not say that all completed"
grep -qx 'cluster: nothing was lost' "$folder/out" || fail "it did not say that nothing was lost"
[ -z "$(left)" ] || fail "it left $(left)"

# Interrupted, in a group of its own. (A background job ignores SIGINT, so SIGTERM stands for Ctrl-C.)
mkfifo "$folder/said"
setsid sh "$root/config/cluster/try.sh" "$build" >"$folder/said" 2>&1 </dev/null &
pid=$!
while read -r line; do
    case $line in
    *'vtsim run: '*) kill -TERM "-$pid" ;;
    esac
done <"$folder/said"
status=0
wait "$pid" || status=$?
[ "$status" -eq 143 ] || fail "interrupted, it ended with $status"
if kill -0 "-$pid" 2>/dev/null; then
    fail "interrupted, it left something running"
fi
[ -z "$(left)" ] || fail "interrupted, it left $(left)"
