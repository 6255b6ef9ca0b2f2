#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs an example that wants the URL of a vtsimd, with one of its own, and ends that.
#
# Usage: check.sh EXAMPLE VTSIMD
set -eu

folder=$(mktemp -d)
mkfifo "$folder/ready"
"$2" -l 127.0.0.1:0 -s clock/mode=virtual -s 'behaviour ten_minutes/plugin=fixed_delay' \
    -s 'behaviour ten_minutes/delay=10m' >"$folder/ready" 2>"$folder/log" &
server=$!
trap 'kill "$server"; rm -rf "$folder"' EXIT
read -r line <"$folder/ready" || {
    cat "$folder/log" >&2
    exit 1
}
sh "$1" "${line##* }"
