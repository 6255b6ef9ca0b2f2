#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Compiles vtsim/plugin.h, and all that the tree has of plugins, as their authors may: with gcc and clang,
# as strict C11 and as C++17, every warning an error. And what must not compile: options whose fields are of
# another type than they write. Usage: check_header.sh SOURCE-FOLDER [VTSIMD]
set -eu
root=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/vtsim-header.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
strict='-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror'
include=-I$root/core/include

fail()
{
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

for compiler in gcc clang g++ clang++; do
    command -v "$compiler" >/dev/null || fail "$compiler is not there"
done

# The header first in its file, so that it needs nothing before it; used, so that its inline functions count.
cat >"$folder/alone.c" <<'END'
#include <vtsim/plugin.h>
struct settings {
    bool a; int64_t b; double c; vts_ms d, e; struct vts_delay f; const char *g;
    struct vts_list h; int i; const char *j;
};
static const struct vts_option options[] = {
    VTS_OPTION_BOOL(struct settings, a, "off", "a"),
    VTS_OPTION_INT(struct settings, b, "1", 0, 9, "b"),
    VTS_OPTION_REAL(struct settings, c, "0.5", 0, 1, "c"),
    VTS_OPTION_TIME(struct settings, d, "1s", "d"),
    VTS_OPTION_TIME_BETWEEN(struct settings, e, "1s", 0, 5000, "e"),
    VTS_OPTION_DELAY(struct settings, f, "uniform 1s..2s", "f"),
    VTS_OPTION_TEXT(struct settings, g, "text", "g"),
    VTS_OPTION_LIST(struct settings, h, "", "h"),
    VTS_OPTION_CHOICE(struct settings, i, "one|two", "one", "i"),
    VTS_OPTION_PATH(struct settings, j, NULL, "j"),
    VTS_OPTIONS_END};
static void start(struct vts_job *job)
{
    const struct settings *set = (const struct settings *)vts_settings(job);
    vts_logf(job, VTS_INFO, "%s %s %lld %d", vts_job_id(job), vts_input(job) ? vts_input(job) : "-",
             (long long)vts_age(job), (int)vts_job_state(job));
    if (vts_chance(job, set->c) && vts_random(job) && vts_data(job) && vts_state(job) && vts_polls(job))
        vts_fail(job, vts_input_text(job, "a.b", "code"), NULL);
    else if (vts_input_number(job, "n", 0) > 1)
        vts_complete(job, "{}");
    vts_wait(job, VTS_FOR_EVER);
    vts_progress(job, 0.5);
    vts_progress_over(job, 1, set->d);
    vts_wake_after(job, vts_sample(job, &set->f) + (vts_now(job) & 1));
    vts_cancel(job);
}
static void admit(struct vts_job *job) { vts_refuse(job, 503, 1000); }
static bool open_it(struct vts_instance *instance, struct vts_error *error)
{
    struct vts_delay delay;
    vts_ms time;
    if (!vts_stamped(instance))
        vts_stamp(instance, "stamp");
    vts_instance_logf(instance, VTS_DEBUG, "open");
    if (!vts_parse_time(instance, "5s", &time, error) || !vts_parse_delay(instance, "5s", &delay, error))
        return false;
    return vts_error_at(error, "b", 1, 2, "no %d", 1) || vts_error_set(error, VTS_ERR_INVALID, "no");
}
END
cp "$folder/alone.c" "$folder/alone.cc"
cat >>"$folder/alone.c" <<'END'
static void poll(struct vts_job *job) { VTS_BEND(job, .status = 503, .retry_after = 2000); }
VTS_PLUGIN(alone, .summary = "uses all of the header", .options = options,
           .settings_size = sizeof(struct settings), .open = open_it, .admit = admit, .start = start,
           .poll = poll)
END
# C++17 has no designated initializers, so no VTS_PLUGIN and no VTS_BEND: the record is filled in.
cat >>"$folder/alone.cc" <<'END'
extern "C" VTS_EXPORT const struct vts_plugin *alone_LTX_vts_plugin(void);
extern "C" VTS_EXPORT const struct vts_plugin *alone_LTX_vts_plugin(void)
{
    static const struct vts_plugin plugin = {
        VTS_ABI, sizeof(struct vts_plugin), sizeof(struct vts_option), VTS_BEHAVIOUR, "alone",
        "uses all of the header", options, sizeof(struct settings), 0, 0, 0, false,
        open_it, nullptr, admit, start, nullptr, nullptr, nullptr, nullptr, nullptr};
    return &plugin;
}
END

# C++20 has them: VTS_PLUGIN and VTS_BEND are for it, and the module's symbol is one of C.
cat >"$folder/twenty.cc" <<'END'
#include <vtsim/plugin.h>
struct settings { vts_ms delay; };
static const struct vts_option options[] = {
    VTS_OPTION_TIME(struct settings, delay, "10s", "from start to completion"), VTS_OPTIONS_END};
static void start(struct vts_job *job)
{
    vts_wake_after(job, static_cast<const settings *>(vts_settings(job))->delay);
}
static void wake(struct vts_job *job) { vts_complete(job, nullptr); }
static void poll(struct vts_job *job) { VTS_BEND(job, .status = 503, .retry_after = 2000); }
VTS_PLUGIN(twenty, .summary = "in C++", .options = options, .settings_size = sizeof(struct settings),
           .start = start, .wake = wake, .poll = poll)
END

# shellcheck disable=SC2086 # lists of flags
for compiler in gcc clang; do
    for source in "$folder/alone.c" "$root"/plugins/*.c "$root"/plugins/scripted_sequence/*.c; do
        "$compiler" -std=c11 $strict "$include" -fsyntax-only "$source" || fail "$compiler $source"
    done
    # a mistake in each option: a field of another type
    for option in 'BOOL(struct s, f, "off", "")' 'INT(struct s, f, "1", 0, 9, "")' \
        'REAL(struct s, f, "1", 0, 9, "")' 'TIME(struct s, f, "1s", "")' \
        'TIME_BETWEEN(struct s, f, "1s", 0, 9, "")' 'DELAY(struct s, f, "1s", "")' \
        'TEXT(struct s, f, "", "")' 'LIST(struct s, f, "", "")' \
        'CHOICE(struct s, f, "a|b", "a", "")' 'PATH(struct s, f, "", "")'; do
        printf '#include <vtsim/plugin.h>\nstruct s { float f; };\nextern const struct vts_option o[];\n' \
            >"$folder/wrong.c"
        printf 'const struct vts_option o[] = {VTS_OPTION_%s, VTS_OPTIONS_END};\n' "$option" >>"$folder/wrong.c"
        if "$compiler" -std=c11 "$include" -fsyntax-only "$folder/wrong.c" 2>"$folder/said"; then
            fail "$compiler takes a float for VTS_OPTION_$option"
        fi
        grep -q '_Generic\|association' "$folder/said" || fail "$compiler says: $(cat "$folder/said")"
    done
done
# shellcheck disable=SC2086
for compiler in g++ clang++; do
    "$compiler" -std=c++17 $strict "$include" -fsyntax-only "$folder/alone.cc" || fail "$compiler alone.cc"
    "$compiler" -std=c++20 $strict -Wno-missing-field-initializers "$include" -shared -fPIC \
        -o "$folder/twenty.so" "$folder/twenty.cc" || fail "$compiler twenty.cc"
    nm -D "$folder/twenty.so" | grep -q ' T twenty_LTX_vts_plugin$' || fail "$compiler twenty.so has no entry"
    if [ $# -gt 1 ]; then
        "$2" -s "server/plugin_path=$folder" -s server/behaviour=twenty --check >/dev/null ||
            fail "vtsimd does not take $compiler's twenty.so"
    fi
done
echo "the header compiles as it says"
