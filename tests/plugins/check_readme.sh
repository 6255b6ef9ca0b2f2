#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does what plugins/README.md says (see tests/readme/check.sh), after a look whether the behaviour that
# it shows is still the shipped one.
#
# Usage: check_readme.sh SOURCE-FOLDER BUILD-FOLDER
set -eu

shown=$(awk '/^```c fixed_delay.c/ { inside = 1; next } /^```/ { inside = 0 } inside' \
    "$1/plugins/README.md")
printf '%s\n' "$shown" | diff -u - "$1/plugins/fixed_delay.c" || {
    echo 'plugins/README.md does not show plugins/fixed_delay.c as it is' >&2
    exit 1
}
exec sh "$1/tests/readme/check.sh" "$1/plugins/README.md" "$2"
