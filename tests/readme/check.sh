#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does what the README says: takes its code blocks one after the other, in a folder of its own.
#
#   ```sh          is run; it must succeed
#   ```sh build    is passed over: it stands for the build that is tested here, which is installed
#   ```sh server   is run in the background until it says that it listens; ends the one before
#   ```text        is what the ```sh before it printed, to the letter
#   ```LANG FILE   is written to FILE
#   ```console     is for the eye alone (tests/dev runs the commands)
#
# The port in the README, 5000, may be taken here: a free one is put in its place.
#
# Usage: check.sh README BUILD-FOLDER
set -eu

readme=$1
build=$2
cmake=${CMAKE:-cmake}
folder=$(mktemp -d "${TMPDIR:-/tmp}/vtsim-readme.XXXXXX")
server=''

stop()
{
    [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || :
    server=''
}

cleanup()
{
    status=$?
    trap - EXIT HUP INT TERM
    stop
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
    printf 'README: %s\n' "$*" >&2
    exit 1
}

# serve SCRIPT: runs it in the background and waits until it says where it listens: $url.
serve()
{
    stop
    rm -f ready
    mkfifo ready
    sh -eu "$1" >ready 2>server.log &
    server=$!
    read -r line <ready || {
        cat "$1" server.log >&2
        fail 'that did not serve'
    }
    url=${line##* }
}

# script BLOCK: the block, behind what the README exported before it.
script() { cat exported "$1"; }

cd "$folder"
HOME=$folder
LC_ALL=C.UTF-8 # a preview shows its bars as blocks there, and so does the README
export HOME LC_ALL
: >exported
"$cmake" --install "$build" --prefix "$HOME/vtsim" >install.log || fail "cannot install"

# A free port: whichever a vtsimd was given that takes any.
echo 'exec vtsim/bin/vtsimd -l 127.0.0.1:0' >any
serve any
port=${url##*:}
stop
VTSIM_URL=http://127.0.0.1:$port
export VTSIM_URL

# Each block to a file of its own, NUMBER.block; their kinds, in order, to `blocks`.
sed "s/127\.0\.0\.1:5000/127.0.0.1:$port/g" "$readme" | awk '
    /^```/ && !inside { inside = 1; n++; kind = substr($0, 4); file = n ".block"
                        print n, kind >"blocks"; printf "" >file; next }
    /^```/ { inside = 0; close(file); next }
    inside { print >file }'

ran=0
while read -r number kind name; do
    block=$number.block
    case "$kind $name" in
    'sh build' | 'console '*) ;;
    'sh server')
        script "$block" | sed "s|^vtsimd|exec vtsimd -l 127.0.0.1:$port|" >run
        serve run
        ;;
    'sh '*)
        ! grep -q '^export ' "$block" || cat "$block" >>exported
        script "$block" >run
        sh -eu run >printed 2>errors || {
            cat "$block" printed errors >&2
            fail "block $number failed"
        }
        ran=$((ran + 1))
        ;;
    'text '*) diff -u "$block" printed || fail "block $number is not what was printed" ;;
    *)
        [ -n "$name" ] || fail "block $number ($kind) has no file name"
        cp "$block" "$name"
        ;;
    esac
done <blocks
[ "$ran" -gt 5 ] || fail "only $ran blocks were run"
echo "README: $ran blocks were run"
