#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs a finished build, moves what was installed, and uses it as a stranger would: builds a
# behaviour and a client through pkg-config and through find_package, and runs them against the moved
# vtsimd. Usage: check.sh BUILD-FOLDER, with CC and CMAKE naming what to build with.
set -eu
build=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
CC=${CC:-cc}
CMAKE=${CMAKE:-cmake}
unset LD_LIBRARY_PATH DESTDIR CMAKE_PREFIX_PATH

folder=$(mktemp -d "${TMPDIR:-/tmp}/vtsim-install.XXXXXX")
server=''
cleanup()
{
    status=$?
    trap - EXIT HUP INT TERM
    stop_server || :
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

say() { printf '%s\n' "-- $*"; }

# Runs a vtsimd whose jobs behave as the plugin `outside` in the folder $1 has it. Sets $url.
start_server()
{
    rm -f "$folder/ready"
    mkfifo "$folder/ready"
    "$prefix/bin/vtsimd" -l 127.0.0.1:0 -s "server/plugin_path=$1" \
        -s 'behaviour mine/plugin=outside' -s 'behaviour mine/delay=200ms' \
        -s server/behaviour=mine >"$folder/ready" 2>"$folder/log" &
    server=$!
    read -r line <"$folder/ready" || {
        cat "$folder/log" >&2
        fail "the moved vtsimd did not start with the plugin in $1"
    }
    url=${line##* }
}

stop_server()
{
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || :
    status=0
    wait "$server" || status=$?
    server=''
    [ "$status" -eq 0 ] || {
        cat "$folder/log" >&2
        fail "the moved vtsimd ended with $status"
    }
}

# expect STATUS LAST-LINE COMMAND...
expect()
{
    wanted=$1
    last=$2
    shift 2
    status=0
    "$@" >"$folder/out" 2>"$folder/err" </dev/null || status=$?
    if [ "$status" -ne "$wanted" ] || ! tail -n 1 "$folder/out" | grep -q "$last"; then
        cat "$folder/out" "$folder/err" "$folder/log" >&2
        fail "$* (exit status $status; wanted $wanted and a last line with '$last')"
    fi
}

say "install, and move"
"$CMAKE" --install "$build" --prefix "$folder/first" >"$folder/installed" || {
    cat "$folder/installed" >&2
    fail "cmake --install"
}
mkdir "$folder/somewhere"
mv "$folder/first" "$folder/somewhere/else"
prefix=$folder/somewhere/else

say "what was installed"
for file in bin/vtsimd bin/vtsim include/vtsim/plugin.h include/vtsim/client.h \
    lib/libvtsim-client.so lib/libvtsim-client.a lib/pkgconfig/vtsim-plugin.pc \
    lib/pkgconfig/vtsim-client.pc lib/cmake/vtsim/vtsimConfig.cmake \
    lib/vtsim/plugins/fixed_delay.so lib/vtsim/plugins/random_failure.so \
    lib/vtsim/plugins/scripted_sequence.so etc/vtsim/vtsimd.ini share/man/man8/vtsimd.8 \
    share/man/man1/vtsim.1 share/man/man3/vtsim-client.3 share/doc/vtsim/LICENSE share/doc/vtsim/README.md \
    share/doc/vtsim/CHANGELOG.md; do
    [ -s "$prefix/$file" ] || fail "$file is missing"
done
# Debug information names the sources; nothing else may name where it was built or first installed.
if grep -rlF -e "$folder/first" "$prefix"; then
    fail "these name the folder of the first installation"
fi
if grep -rlIF -e "$build" "$prefix"; then
    fail "these name the folder of the build"
fi
for file in bin/vtsimd bin/vtsim lib/libvtsim-client.so; do
    if readelf -d "$prefix/$file" | grep -E 'R(UN)?PATH' | grep -F "$build"; then
        fail "$file looks for libraries in the build"
    fi
done
readelf -d "$prefix/lib/libvtsim-client.so" | grep -q 'SONAME.*\[libvtsim-client\.so\.[0-9]' ||
    fail "the client library has no soname with a number"
nm -D --defined-only "$prefix/lib/libvtsim-client.so" | awk '$2 != "A" { print $3 }' |
    grep -v '^vts_' && fail "the client library exports more than vts_ names"

say "the programs, moved"
"$prefix/bin/vtsimd" --version >/dev/null || fail "vtsimd --version"
"$prefix/bin/vtsim" --version >/dev/null || fail "vtsim --version"
"$prefix/bin/vtsimd" --describe >"$folder/described" || fail "vtsimd --describe"
grep -q fixed_delay "$folder/described" || fail "the moved vtsimd does not find its plugins"
"$prefix/bin/vtsimd" -c "$prefix/etc/vtsim/vtsimd.ini" --check ||
    fail "the installed vtsimd.ini is not in order"

say "build through pkg-config"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
plugindir=$(pkg-config --variable=plugindir vtsim-plugin)
[ "$(CDPATH='' cd -- "$plugindir" && pwd -P)" = "$(CDPATH='' cd -- "$prefix/lib/vtsim/plugins" && pwd -P)" ] ||
    fail "plugindir is $plugindir"
mkdir "$folder/by-pkg-config"
cd "$folder/by-pkg-config"
flags='-std=c11 -Wall -Wextra -Wpedantic -Werror'
# shellcheck disable=SC2046,SC2086 # flags
{
    $CC $flags -shared -fPIC $(pkg-config --cflags vtsim-plugin) -o outside.so \
        "$here/outside/outside.c" $(pkg-config --libs vtsim-plugin)
    $CC $flags $(pkg-config --cflags vtsim-client) -o waiter "$here/outside/waiter.c" \
        $(pkg-config --libs vtsim-client) -Wl,-rpath,"$(pkg-config --variable=libdir vtsim-client)"
    # glibc says of some functions that they want its shared objects all the same: no concern of ours.
    $CC $flags -static $(pkg-config --static --cflags vtsim-client) -o waiter-static \
        "$here/outside/waiter.c" $(pkg-config --static --libs vtsim-client) 2>"$folder/static" || {
        cat "$folder/static" >&2
        fail "a static client does not link"
    }
    printf '#include <vtsim/plugin.h>\n#include <vtsim/client.h>\n' | c++ -std=c++17 -Wall -Wextra \
        -Werror -fsyntax-only -xc++ $(pkg-config --cflags vtsim-plugin vtsim-client) - ||
        fail "the headers are not for C++"
}

say "build through find_package"
{
    "$CMAKE" -S "$here/outside" -B "$folder/by-cmake" -DCMAKE_C_COMPILER="$CC" \
        -DCMAKE_PREFIX_PATH="$prefix" && "$CMAKE" --build "$folder/by-cmake"
} >"$folder/built" 2>&1 || {
    cat "$folder/built" >&2
    fail "the project outside does not build"
}

for way in by-pkg-config by-cmake; do
    say "run what was built $way"
    start_server "$folder/$way"
    expect 0 completed "$folder/$way/waiter" "$url" "shared"
    expect 0 completed "$folder/$way/waiter-static" "$url" "static"
    expect 0 completed "$prefix/bin/vtsim" -u "$url" run translate_video_1
    grep -q 'translate_video_1 is still pending\.\.\.' "$folder/out" ||
        fail "vtsim run did not say that the job was pending: $(cat "$folder/out")"
    stop_server
done
say "all is well"
