#!/bin/sh
# SPDX-License-Identifier: MIT
# The parts of `dev` that can be tried without building anything:
# check_dev.sh SOURCE-FOLDER BUILD-FOLDER
set -eu
root=$1
build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$folder/a place"
cd -- "$folder/a place"

fail()
{
    echo "FAILED: $*" >&2
    [ ! -s "$folder/out" ] || sed 's/^/  /' "$folder/out" >&2
    exit 1
}

# expect STATUS COMMAND...: what it said is in $folder/out.
expect()
{
    wanted=$1
    shift
    status=0
    "$@" >"$folder/out" 2>&1 </dev/null || status=$?
    [ "$status" -eq "$wanted" ] || fail "$*: exit status $status instead of $wanted"
}

said() { grep -qxF -e "$1" "$folder/out" || fail "it did not say: $1"; }

sh -n "$root/dev" || fail "dev is no shell script"

# From another folder, through a path with a space in it.
ln -s "$root" "$folder/a tree"
expect 0 "$folder/a tree/dev" help
for command in setup build run serve test bench cluster lint format help; do
    grep -q "^  $command " "$folder/out" || fail "help does not tell of '$command'"
done
expect 2 "$root/dev"
expect 2 "$root/dev" biuld
said "dev: there is no command 'biuld'"
said "dev: try: $root/dev help"
expect 2 "$root/dev" build everything
said "dev: build takes one of: debug, release, asan, tsan"
expect 2 "$root/dev" lint now
said "dev: lint takes no arguments"
expect 2 "$root/dev" bench everything
said "dev: bench takes nothing, or one of: store, preview, client"
expect 2 "$root/dev" cluster of 4
said "dev: cluster takes no arguments"

# A system with next to nothing. A PATH of our own keeps the real apt-get out of it.
mkdir "$folder/bare"
for tool in sh cat dirname env grep id mktemp rm; do
    ln -s "$(command -v "$tool")" "$folder/bare/$tool"
done
all='build-essential cmake pkg-config libevent-dev libltdl-dev libjson-c-dev libelf-dev'
all="$all libsqlite3-dev libhiredis-dev libcmocka-dev curl redis-server"
[ -x /usr/sbin/nginx ] || all="$all nginx-light" # it is looked for there, whatever PATH says
all="$all clang"
expect 1 env PATH="$folder/bare" "$root/dev" setup
said "dev: missing: $all"
said "dev: (Debian's names.) There is no apt-get here: install them with this system's tools."

# The same with an apt-get that notes what it is asked for, and does nothing.
cat >"$folder/bare/apt-get" <<END
#!/bin/sh
echo "\$DEBIAN_FRONTEND apt-get \$*" >>"$folder/asked"
END
chmod +x "$folder/bare/apt-get"
for tool in id sudo; do # we may be root or not: make it root
    rm -f "$folder/bare/$tool"
done
printf '#!/bin/sh\necho 0\n' >"$folder/bare/id"
chmod +x "$folder/bare/id"
expect 1 env -u DEBIAN_FRONTEND PATH="$folder/bare" "$root/dev" setup
said "dev: missing: $all"
said "dev: updating the list of packages ..."
said "dev: installing $all ..."
said "dev: installed, but still not found: $all"
cat >"$folder/wanted" <<END
 apt-get -q update
noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 --no-install-recommends install $all
END
cmp -s "$folder/asked" "$folder/wanted" || fail "apt-get was asked for: $(cat "$folder/asked")"

# An apt-get that fails: its words and its status come through.
printf '#!/bin/sh\necho "E: no network"\nexit 100\n' >"$folder/bare/apt-get"
expect 100 env PATH="$folder/bare" "$root/dev" setup
said "E: no network"
said "dev: updating the list of packages failed (exit status 100)"

# Not root, no sudo: it says what root should do.
printf '#!/bin/sh\necho 1000\n' >"$folder/bare/id"
expect 1 env PATH="$folder/bare" "$root/dev" setup
said "dev: run as root: apt-get install $all"

# Nothing is missing: apt-get is left alone.
mkdir "$folder/front"
printf '#!/bin/sh\nexit 99\n' >"$folder/front/apt-get"
printf '#!/bin/sh\n' >"$folder/front/curl"
chmod +x "$folder/front/apt-get" "$folder/front/curl"
expect 0 env PATH="$folder/front:$PATH" "$root/dev" setup
said "dev: everything is there"

# The example, in a tree whose build is the one that is tested: a cmake that does nothing sees to it.
tree="$folder/a place/tree"
mkdir -p "$tree/build/release"
cp "$root/dev" "$root/CMakePresets.json" "$tree"
ln -s "$build/bin" "$tree/build/release/bin"
printf '#!/bin/sh\n' >"$folder/front/cmake"
chmod +x "$folder/front/cmake"
expect 0 env PATH="$folder/front:$PATH" "$tree/dev" run
cat >"$folder/wanted" <<END
dev: configuring (release) ...
dev: building (release) ...
dev: starting vtsimd on a free port, jobs take 3 seconds ...
dev: vtsim run translate_video_1 ...
Job translate_video_1 is still pending...
Final status: completed
dev: stopping vtsimd ...
END
uniq "$folder/out" >"$folder/got"
cmp -s "$folder/got" "$folder/wanted" || fail "dev run did not say what it should"

# Interrupted, as with Ctrl-C: nothing of it is left. (setsid: signals for a group of its own. A
# background job of a shell ignores SIGINT, so SIGTERM stands for it.)
mkfifo "$folder/said"
PATH="$folder/front:$PATH" setsid "$tree/dev" run >"$folder/said" 2>&1 </dev/null &
pid=$!
while read -r line; do
    case $line in
    *'is still pending...') kill -TERM "-$pid" ;;
    esac
done <"$folder/said"
status=0
wait "$pid" || status=$?
[ "$status" -eq 143 ] || fail "dev run, interrupted, ended with $status"
# What has ended but was not fetched by its parent (Z) does not run any more.
running() { cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | awk -v g="$pid" '$3 == g && $1 != "Z"'; }
tries=100
while [ -n "$(running)" ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "dev run, interrupted, left something running"
    sleep 0.1
done
