#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether every C source opens with its licence: check_spdx.sh SOURCE-FOLDER
set -eu
cd -- "$1"
[ -n "$(find core plugins client tests -name '*.[ch]')" ] || {
    echo "no files were found"
    exit 1
}
find core plugins client tests -name '*.[ch]' -exec awk '
    FNR == 1 && index($0, "/* SPDX-License-Identifier: MIT") != 1 { print FILENAME; bad = 1 }
    END { if (bad) { print "^ no /* SPDX-License-Identifier: MIT in the first line"; exit 1 } }' {} +
