#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs a finished build, moves what was installed, and uses it as a stranger would: builds a
# behaviour, a client and their tests through pkg-config and through find_package, and runs them against
# the moved vtsimd; then takes a behaviour of its own from `vtsim new-behaviour` to a server that runs it. Usage: check.sh BUILD-FOLDER, with CC and CMAKE naming what to build with.
set -eu
build=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
CC=${CC:-cc}
CMAKE=${CMAKE:-cmake}
unset LD_LIBRARY_PATH DESTDIR CMAKE_PREFIX_PATH CMAKE_C_COMPILER_LAUNCHER VTSIMD

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

# serve COMMAND...: runs a vtsimd in the background, and waits until it listens. Sets $url.
serve()
{
    rm -f "$folder/ready"
    mkfifo "$folder/ready"
    "$@" >"$folder/ready" 2>"$folder/log" &
    server=$!
    read -r line <"$folder/ready" || {
        cat "$folder/log" >&2
        fail "$* did not start"
    }
    url=${line##* }
}

# Runs a vtsimd whose jobs behave as the plugin `outside` in the folder $1 has it.
start_server()
{
    serve "$prefix/bin/vtsimd" -l 127.0.0.1:0 -s "server/plugin_path=$1" \
        -s 'behaviour mine/plugin=outside' -s 'behaviour mine/delay=200ms' \
        -s server/behaviour=mine
}

stop_server()
{
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || :
    ended=0 # not `status`, which cleanup keeps
    wait "$server" || ended=$?
    server=''
    [ "$ended" -eq 0 ] || {
        cat "$folder/log" >&2
        fail "the moved vtsimd ended with $ended"
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
    include/vtsim/harness.h lib/libvtsim-client.so lib/libvtsim-client.a lib/libvtsim-harness.a \
    lib/pkgconfig/vtsim-plugin.pc lib/pkgconfig/vtsim-client.pc lib/pkgconfig/vtsim-harness.pc lib/cmake/vtsim/vtsimConfig.cmake \
    lib/vtsim/plugins/fixed_delay.so lib/vtsim/plugins/random_failure.so \
    lib/vtsim/plugins/scripted_sequence.so etc/vtsim/vtsimd.ini share/man/man8/vtsimd.8 \
    share/man/man1/vtsim.1 share/man/man5/vtsim-script.5 share/man/man3/vtsim-client.3 \
    share/man/man3/vtsim-harness.3 share/doc/vtsim/LICENSE share/doc/vtsim/README.md \
    share/doc/vtsim/CHANGELOG.md; do
    [ -s "$prefix/$file" ] || fail "$file is missing"
done
# Whatever a page leads to is there.
find "$prefix/share/doc/vtsim" -name '*.md' | while read -r page; do
    sed -n 's/.*](\([^)#:]*\)[)#].*/\1/p' "$page" | while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || fail "$page leads to $link, which is not there"
    done
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
for name in client harness; do
    nm -g --defined-only "$prefix/lib/libvtsim-$name.a" | awk 'NF == 3 { print $3 }' |
        grep -v "^vts_${name}_" && fail "libvtsim-$name.a has other names than vts_${name}_"
done

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
    $CC $flags $(pkg-config --cflags vtsim-harness) -o tester "$here/outside/tester.c" \
        "$here/outside/outside.c" $(pkg-config --libs vtsim-harness)
    $CC $flags -static $(pkg-config --static --cflags vtsim-harness) -o tester-static \
        "$here/outside/tester.c" "$here/outside/outside.c" \
        $(pkg-config --static --libs vtsim-harness) 2>"$folder/static" || {
        cat "$folder/static" >&2
        fail "a static test does not link"
    }
    printf '#include <vtsim/%s.h>\n' plugin client harness >headers.c
    for compiler in "$CC -std=c11 -Wconversion -xc" 'clang -std=c11 -Wconversion -xc' \
        'c++ -std=c++17 -xc++' 'clang++ -std=c++17 -xc++'; do
        command -v "${compiler%% *}" >/dev/null || continue
        $compiler headers.c -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
            $(pkg-config --cflags vtsim-plugin vtsim-client vtsim-harness) ||
            fail "the headers are not for $compiler"
    done
}

say "build through find_package"
{
    "$CMAKE" -S "$here/outside" -B "$folder/by-cmake" -DCMAKE_C_COMPILER="$CC" \
        -DCMAKE_PREFIX_PATH="$prefix" && "$CMAKE" --build "$folder/by-cmake"
} >"$folder/built" 2>&1 || {
    cat "$folder/built" >&2
    fail "the project outside does not build"
}

say "find_package without what the harness is built on"
( unset PKG_CONFIG_PATH; PKG_CONFIG_LIBDIR=$folder/nothing "$CMAKE" -S "$here/outside" \
    -B "$folder/without" -DCMAKE_PREFIX_PATH="$prefix" ) >"$folder/out" 2>&1 &&
    fail "the harness was found without json-c and libelf"
grep -q 'vtsim::harness is built on json-c, libltdl and libelf, which were not found' "$folder/out" || {
    cat "$folder/out" >&2
    fail "it is not said what the harness misses"
}

for way in by-pkg-config by-cmake; do
    say "run what was built $way"
    start_server "$folder/$way"
    expect 0 completed "$folder/$way/waiter" "$url" "shared"
    expect 0 completed "$folder/$way/waiter-static" "$url" "static"
    expect 0 completed "$prefix/bin/vtsim" -u "$url" run -i 50ms translate_video_1
    grep -q 'translate_video_1 is still pending\.\.\.' "$folder/out" ||
        fail "vtsim run did not say that the job was pending: $(cat "$folder/out")"
    stop_server
    "$folder/$way/tester" "$folder/$way" || fail "the test of the behaviour and the client, $way"
done
# What is wholly static looks for its vtsimd and its modules as all others do; it can load none itself.
"$folder/by-pkg-config/tester-static" "$folder/by-pkg-config" || fail "the test, linked statically"

# The commands of the README's code block number $1.
block()
{
    awk -v wanted="$1" '/^```sh/ { inside = 1; n++; next } /^```/ { inside = 0 }
                        inside && n == wanted' README.md
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

say "a behaviour of one's own, as its README says"
mkdir "$folder/work"
cd "$folder/work"
PATH=$prefix/bin:$PATH
export PATH
began=$(now_ms)
vtsim new-behaviour moon >"$folder/out" || fail "vtsim new-behaviour"
cd moon
{ CMAKE_PREFIX_PATH=$prefix && export CMAKE_PREFIX_PATH && eval "$(block 1)"; } >"$folder/built" 2>&1 || {
    cat "$folder/built" >&2
    fail "the starter does not build, or its test fails"
}
echo "   $(($(now_ms) - began)) ms from nothing to a tested behaviour"
grep -q '100% tests passed, 0 tests failed out of 1' "$folder/built" || fail "the starter has no test"
[ "$(find build -name '*.so')" = build/moon.so ] || fail "modules: $(find build -name '*.so')"
vtsimd --vet build/moon.so >"$folder/out" || {
    cat "$folder/out" >&2
    fail "the starter's module does not keep the laws"
}
if command -v clang >"$folder/out"; then
    { cmake -B by-clang -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER=clang \
        -DCMAKE_C_FLAGS='-fsanitize=address,undefined' && cmake --build by-clang && ctest --test-dir by-clang
    } >"$folder/built" 2>&1 || {
        cat "$folder/built" >&2
        fail "the starter does not build with clang's sanitizers, or its test fails"
    }
fi
[ "$(block 2)" = 'vtsimd -c moon.ini' ] || fail "the README's second command is $(block 2)"
# shellcheck disable=SC2046 # words
serve $(block 2) -l 127.0.0.1:0 -s 'behaviour moon/delay=100ms' -s 'behaviour moon/failures=0'
VTSIM_URL=$url
export VTSIM_URL
[ "$(block 3)" = 'vtsim run translate_video_1' ] || fail "the README's third command is $(block 3)"
# shellcheck disable=SC2046
expect 0 completed $(block 3)
stop_server
for taken in "moon $folder/work/moon" fixed_delay; do
    ended=0
    # shellcheck disable=SC2086 # words
    vtsim new-behaviour $taken 2>"$folder/err" || ended=$?
    [ "$ended" -eq 2 ] || fail "vtsim new-behaviour $taken ended with $ended"
done
grep -qF "already, in $prefix/lib/vtsim/plugins" "$folder/err" ||
    fail "the installation's behaviours are not looked at: $(cat "$folder/err")"
# What it says that is to be done next, done.
cd "$folder/work"
vtsim new-behaviour sun >"$folder/out"
( unset CMAKE_PREFIX_PATH PKG_CONFIG_PATH; eval "$(grep '^    ' "$folder/out")" ) >"$folder/built" 2>&1 || {
    cat "$folder/out" "$folder/built" >&2
    fail "what vtsim new-behaviour says that comes next fails"
}
say "all is well"
