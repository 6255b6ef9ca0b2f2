/* SPDX-License-Identifier: MIT
 *
 * A bench for behaviours, and a vtsimd for the tests of clients; in a test's own process, with any test
 * framework or none.
 *
 *     #include <vtsim/harness.h>
 *
 *     vts_plugin_fn fixed_delay_LTX_vts_plugin;
 *
 *     int main(void)
 *     {
 *         struct vts_harness *harness =
 *             vts_harness_create(fixed_delay_LTX_vts_plugin, "delay = 10s", 1, NULL);
 *         struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);
 *
 *         vts_harness_advance(harness, 9999);
 *         vts_harness_expect_state(job, VTS_RUNNING);
 *         vts_harness_advance(harness, 1);
 *         vts_harness_expect_state(job, VTS_COMPLETED);
 *         vts_harness_destroy(harness);
 *     }
 *
 * Jobs run under the real engine: what they do here they do in vtsimd, under the same seed and the same id.
 * But there is no server, and time is virtual: it stands still until a test moves it, and a week takes no
 * longer than a millisecond.
 *
 * Time. All is in milliseconds. Moments count from the harness's beginning, which its behaviour sees as
 * 2026-01-01T00:00:00Z unless vts_harness_begin says otherwise. VTS_HARNESS_NEVER stands for no moment.
 *
 * Memory. A harness owns its jobs, and all that can be read of them; pointers in a job live until that
 * job's next event. What is handed in is copied. Where there is no memory, the failure handler is called.
 *
 * Threads. One thread at a time works with a harness and its jobs; several harnesses can be used from
 * several threads. Modules are loaded (vts_harness_load) from one thread at a time in the whole process.
 *
 * Errors. An expectation that does not hold, and a call that cannot be right, go to the failure handler,
 * with what was expected, what came, and the job's history. Where <cmocka.h> was included before this
 * header, that fails the cmocka test; else it is printed on standard error, and the process is aborted.
 * vts_harness_on_failure sets another. Where a handler returns, the call returns false or NULL.
 *
 * What a behaviour logs (vts_logf), and what the engine has to say of it, goes to standard error.
 *
 * Build. CMake: find_package(vtsim COMPONENTS harness) and vtsim::harness. pkg-config: vtsim-harness. */
#ifndef VTSIM_HARNESS_H
#define VTSIM_HARNESS_H

#include <vtsim/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* No moment: a job that has not ended, say, or one that does not wake by itself. Later than all others. */
#define VTS_HARNESS_NEVER INT64_MAX

/* 2026-01-01T00:00:00Z, when harnesses begin. */
#define VTS_HARNESS_BEGIN INT64_C(1767225600000)

/* Wakes of all its jobs that one vts_harness_run carries out at the most, and wakes of one job of a
 * batch. */
#define VTS_HARNESS_WAKES_MAX 1000000

/* Bytes of history that are kept of a job. Of a longer one the first line and the latest are. */
#define VTS_HARNESS_HISTORY_MAX 65536

struct vts_harness;

/* ---- failures --------------------------------------------------------------------------------- */

/* Is told of a failure. `text` is for people, of several lines, and ends with a newline; `file` and `line`
 * are the place in the test: that of the expectation, or else where the harness was made. */
typedef void vts_harness_fail_fn(void *arg, const char *file, int line, const char *text);

/* Where in a test a call stands. Made by the macros below. */
struct vts_harness_place {
    const char *file;
    int line;
    vts_harness_fail_fn *fail; /* NULL: print and abort */
};

/* Sets the failure handler of a harness. NULL: that of the file in which it was made. */
void vts_harness_on_failure(struct vts_harness *harness, vts_harness_fail_fn *fail, void *arg);

#ifdef CMOCKA_H_
static inline void vts_harness_fail_cmocka_(void *arg, const char *file, int line, const char *text)
{
    (void)arg;
    print_error("%s", text);
    _fail(file, line);
}
#define VTS_HARNESS_FAIL_ vts_harness_fail_cmocka_
#else
#define VTS_HARNESS_FAIL_ NULL
#endif

static inline struct vts_harness_place vts_harness_place_(const char *file, int line,
                                                          vts_harness_fail_fn *fail)
{
    struct vts_harness_place place;

    place.file = file;
    place.line = line;
    place.fail = fail;
    return place;
}
#define VTS_HARNESS_HERE_ vts_harness_place_(__FILE__, __LINE__, VTS_HARNESS_FAIL_)

/* ---- a harness -------------------------------------------------------------------------------- */

/* Makes a harness for one behaviour with one set of settings.
 *
 * A filter can be tried, too: it stands around a behaviour whose jobs complete after an hour each, which has
 * no ways of its own. What its hooks make of starts and polls is then seen in job->status and job->answer.
 *
 * `plugin` is the function that VTS_PLUGIN(NAME, ...) defines, NAME_LTX_vts_plugin, for a behaviour that is
 * linked into the test. `module` is the path of a NAME.so, which is loaded as vtsimd loads it.
 *
 * `settings` are the lines of its INI section, "delay = 10s\nprogress = on"; NULL: its fallbacks. A PATH in
 * them is relative to the current folder. They are read as if they stood in a file named `settings` under
 * the heading [behaviour NAME] (or [filter NAME]), which is its line 1: so an error in the first of them reads
 * "settings:2: [behaviour NAME] delay: ...".
 *
 * `seed` is where chance starts from; that of vtsimd is 1 unless it is configured.
 *
 * Where the behaviour cannot be had, NULL with the loader's, the settings' or open()'s message in *error;
 * where `error` is NULL, that is a failure. */
#define vts_harness_create(plugin, settings, seed, error)                                          \
    vts_harness_create_at((plugin), (settings), (seed), (error), VTS_HARNESS_HERE_)
#define vts_harness_load(module, settings, seed, error)                                            \
    vts_harness_load_at((module), (settings), (seed), (error), VTS_HARNESS_HERE_)

struct vts_harness *vts_harness_create_at(vts_plugin_fn *plugin, const char *settings,
                                          uint64_t seed, struct vts_error *error,
                                          struct vts_harness_place place);
struct vts_harness *vts_harness_load_at(const char *module, const char *settings, uint64_t seed,
                                        struct vts_error *error, struct vts_harness_place place);

/* Closes the behaviour, and frees the harness with all its jobs. NULL is allowed. */
void vts_harness_destroy(struct vts_harness *harness);

/* Sets the date at which the harness begins, in ms since 1970 UTC: for behaviours that look at it. Only
 * before the first job. */
bool vts_harness_begin(struct vts_harness *harness, vts_ms date);

/* The behaviour as it was opened: settings, data, state_size, counts_polls. */
const struct vts_instance *vts_harness_instance(const struct vts_harness *harness);

/* What a restart of vtsimd does: closes the behaviour and opens it anew under the same settings, and takes
 * every job from its bytes. Nothing of a job may change by it. False with a failure where open() refuses. */
bool vts_harness_restart(struct vts_harness *harness);

/* ---- jobs ------------------------------------------------------------------------------------- */

/* A job as it is now. Every call on its harness brings it up to date. Read only. */
struct vts_harness_job {
    const char *id;
    enum vts_state state;       /* VTS_ASKED: its start was refused */
    double progress;            /* 0 to 1 */
    const char *result;         /* JSON; NULL: none */
    const char *code, *message; /* of a failed one; else NULL */
    vts_ms created_at, started_at, ended_at;
    vts_ms wake_at;    /* when it wakes next */
    unsigned int wait; /* what it waits for: enum vts_wait_for, or'ed */

    /* What its client was told last: by a start, a poll or a cancel. */
    int status; /* HTTP status: 200, or what a hook made of it; 404: poll or cancel of a job that is not
                 * there; 409: start of one that is; 0: nothing that is HTTP */
    const char *word; /* by a poll: "pending", "completed", "error", or what a hook made of it; NULL
                       * where the answer tells none */
    const struct vts_answer *answer; /* how a hook bent the answer; NULL: not at all */

    /* What has become of it. */
    uint64_t polls;  /* so far */
    uint64_t writes; /* times that it changed, so that a store had to write it */
    void
        *bytes; /* what its hooks get from vts_state(), not aligned; NULL: none. A test may write to
                      * them between two calls, to see how the behaviour takes damage. */
    size_t byte_count;
};

/* A client asks to start a job, now. `input` is JSON, or NULL. An id that was refused may be asked for again,
 * and is the same job; one that exists is refused with 409. NULL with a failure where the id (1 to 255 bytes
 * of UTF-8 without control characters) or the input cannot be right. */
struct vts_harness_job *vts_harness_start(struct vts_harness *harness, const char *id,
                                          const char *input);

/* The job of this id; NULL: there is none. */
struct vts_harness_job *vts_harness_find(const struct vts_harness *harness, const char *id);

/* A client asks for its status; a client asks to stop it; both now. Return job->status. */
int vts_harness_poll(struct vts_harness_job *job);
int vts_harness_cancel(struct vts_harness_job *job);

/* Frees a job, as vtsimd does some time after its end. Its id can be started anew. */
void vts_harness_forget(struct vts_harness_job *job);

/* Whether all that is kept of two jobs is the same, byte for byte: state, moments, progress, result,
 * error, chance, and the behaviour's own bytes. They may be of two harnesses. */
bool vts_harness_equal(const struct vts_harness_job *a, const struct vts_harness_job *b);

/* One line an event: its moment, what it was, what it made of the job, and how the answer was bent.
 *
 *            0  start: running; wakes at 10000
 *         4000  poll: running 40%; answered 503, Retry-After 2000 ms
 *        10000  wake: completed {"language": "es"}
 *
 * The text is for people: later versions may word it otherwise. It lives until the job's next event. */
const char *vts_harness_history(const struct vts_harness_job *job);

/* ---- time ------------------------------------------------------------------------------------- */

/* Ms since the harness began. */
vts_ms vts_harness_now(const struct vts_harness *harness);

/* Lets time pass: by a span, or up to a moment (that has not passed: else it is a failure). The wakes of all
 * jobs that are due come in the order of their moments, and those of one moment in that of the ids. */
bool vts_harness_advance(struct vts_harness *harness, vts_ms span);
bool vts_harness_advance_to(struct vts_harness *harness, vts_ms moment);

/* Lets time pass up to the next wake of any job, and carries out that one. The job that woke; NULL where none
 * wakes by itself. */
struct vts_harness_job *vts_harness_next(struct vts_harness *harness);

/* Lets time pass until no job wakes by itself any more: each has ended, or waits. False with a failure where
 * that does not come within VTS_HARNESS_WAKES_MAX wakes. */
bool vts_harness_run(struct vts_harness *harness);

/* ---- expectations ----------------------------------------------------------------------------- *
 *
 * Each is true where it holds, else a failure. */

#define vts_harness_expect_state(job, state)                                                       \
    vts_harness_expect_state_at((job), (state), VTS_HARNESS_HERE_)

/* It has ended, so many ms after its start. */
#define vts_harness_expect_ended_after(job, span)                                                  \
    vts_harness_expect_ended_after_at((job), (span), VTS_HARNESS_HERE_)

/* It wakes next so many ms after its start; VTS_HARNESS_NEVER: not by itself. */
#define vts_harness_expect_wakes_after(job, span)                                                  \
    vts_harness_expect_wakes_after_at((job), (span), VTS_HARNESS_HERE_)

/* Its progress is this, to a billionth. */
#define vts_harness_expect_progress(job, progress)                                                 \
    vts_harness_expect_progress_at((job), (progress), VTS_HARNESS_HERE_)

/* It completed with this JSON, however that is spaced and its members are ordered; NULL: without any. */
#define vts_harness_expect_result(job, json)                                                       \
    vts_harness_expect_result_at((job), (json), VTS_HARNESS_HERE_)

/* It failed with this code and this message; a `message` of NULL: any. */
#define vts_harness_expect_error(job, code, message)                                               \
    vts_harness_expect_error_at((job), (code), (message), VTS_HARNESS_HERE_)

/* Its client was told this HTTP status last. */
#define vts_harness_expect_status(job, status)                                                     \
    vts_harness_expect_status_at((job), (status), VTS_HARNESS_HERE_)

/* Whatever else is to be true of it: vts_harness_expect(job, job->polls < 10). */
#define vts_harness_expect(job, condition)                                                         \
    vts_harness_expect_at((job), (condition), #condition, VTS_HARNESS_HERE_)

/* Whatever else is to be true, and of no job: vts_harness_require(harness, batch.max < 8000). */
#define vts_harness_require(harness, condition)                                                    \
    vts_harness_require_at((harness), (condition), #condition, VTS_HARNESS_HERE_)

bool vts_harness_expect_state_at(const struct vts_harness_job *job, enum vts_state state,
                                 struct vts_harness_place place);
bool vts_harness_expect_ended_after_at(const struct vts_harness_job *job, vts_ms span,
                                       struct vts_harness_place place);
bool vts_harness_expect_wakes_after_at(const struct vts_harness_job *job, vts_ms span,
                                       struct vts_harness_place place);
bool vts_harness_expect_progress_at(const struct vts_harness_job *job, double progress,
                                    struct vts_harness_place place);
bool vts_harness_expect_result_at(const struct vts_harness_job *job, const char *json,
                                  struct vts_harness_place place);
bool vts_harness_expect_error_at(const struct vts_harness_job *job, const char *code,
                                 const char *message, struct vts_harness_place place);
bool vts_harness_expect_status_at(const struct vts_harness_job *job, int status,
                                  struct vts_harness_place place);
bool vts_harness_expect_at(const struct vts_harness_job *job, bool holds, const char *condition,
                           struct vts_harness_place place);
bool vts_harness_require_at(const struct vts_harness *harness, bool holds, const char *condition,
                            struct vts_harness_place place);

/* ---- many jobs -------------------------------------------------------------------------------- */

/* What came of many jobs. A duration is that from start to end, of those that ended. A quantile is the
 * shortest duration such that so many of a hundred jobs took no longer. */
struct vts_harness_batch {
    size_t jobs;
    size_t count[VTS_CANCELLED +
                 1]; /* by state: of VTS_ASKED those whose start was refused, of VTS_RUNNING
                                      * those that wait, or wake without end (VTS_HARNESS_WAKES_MAX) */
    size_t ended;
    vts_ms min, p50, p90, p99, max; /* 0 where none ended */
    double mean;
};

/* Starts `jobs` jobs now, with the ids PREFIX-0, PREFIX-1 ... and all with this input, and lets each run by
 * its own wakes, unpolled. They are not kept, and the harness's time stands still: 100,000 jobs are nothing.
 * False with a failure. */
bool vts_harness_run_batch(struct vts_harness *harness, const char *prefix, size_t jobs,
                           const char *input, struct vts_harness_batch *batch);

/* ---- the laws --------------------------------------------------------------------------------- */

/* Tries whether the behaviour keeps the seven laws, under the settings of the harness: many lives under many
 * seeds, with many and few polls, stored and restored at any moment; its options at their limits; and a look
 * into the module's file. `vtsimd --vet` does the same.
 *
 *     1 the same seed and id give the same life     5 progress never goes down and stays in 0 to 1
 *     2 a stored and restored job goes on unchanged 6 the module calls nothing but libc and libm, does not
 *     3 every job ends, or waits as declared          ask the system for time or chance, and has no writable
 *     4 no hook takes long; after the end only        statics unless it is .serial
 *       answers change                              7 options read at both ends of their ranges
 *
 * `module` is the file of a behaviour that is linked in, for law 6; NULL: law 6 is passed over, unless the
 * harness has it from vts_harness_load. The harness and its jobs are not touched.
 *
 * True where all hold; else a failure that names each broken law with the seed, the job and the moment that
 * show it. The hooks run in child processes: call it while the process has but one thread. */
#define vts_harness_check_laws(harness, module)                                                    \
    vts_harness_check_laws_at((harness), (module), VTS_HARNESS_HERE_)

bool vts_harness_check_laws_at(struct vts_harness *harness, const char *module,
                               struct vts_harness_place place);

/* ---- a vtsimd --------------------------------------------------------------------------------- *
 *
 * For the tests of clients: a real one, as a process of its own, on a free port of 127.0.0.1. It ends with the
 * test's process, whatever ends that, SIGKILL included, because a small process between the two watches over
 * both; it does not end with the thread that started it. Both are in a session of their own, so that a Ctrl-C
 * reaches the test alone. Needs Linux 5.9. */

struct vts_harness_server;

/* All may be left out. */
struct vts_harness_server_options {
    const char *program; /* the vtsimd to run. NULL: that of the environment variable VTSIMD, else
                              * that of the installation (or build) which this header belongs to, else the
                              * one in the PATH */
    const char *config;  /* text of an INI file; a PATH in it is relative to the current folder */
    const char *config_file;      /* or its name */
    const char *plugin_path;      /* a folder with modules of your own */
    const char *const *settings;  /* "SECTION/KEY=VALUE", over the file's; the last one is NULL */
    const char *const *arguments; /* others of vtsimd(8); the last one is NULL */
};

/* Options in place: vts_harness_server_start(VTS_HARNESS_SERVER(.plugin_path = "build"), NULL) */
#define VTS_HARNESS_SERVER(...) (&(struct vts_harness_server_options){__VA_ARGS__})

/* Runs a vtsimd, and returns when it listens. `options` may be NULL. NULL with a message in *error, which quotes the last of its log;
 * where `error` is NULL, that is a failure. */
#define vts_harness_server_start(options, error)                                                   \
    vts_harness_server_start_at((options), VTS_HARNESS_VTSIMD_, (error), VTS_HARNESS_HERE_)

struct vts_harness_server *
vts_harness_server_start_at(const struct vts_harness_server_options *options, const char *beside,
                            struct vts_error *error, struct vts_harness_place place);

/* "http://127.0.0.1:41234"; its port; its process. */
const char *vts_harness_server_url(const struct vts_harness_server *server);
int vts_harness_server_port(const struct vts_harness_server *server);
int64_t vts_harness_server_pid(const struct vts_harness_server *server);

/* All that it has logged so far; also after its end. Lives until the next call or the destruction. */
const char *vts_harness_server_log(struct vts_harness_server *server);

/* Whether it still runs. */
bool vts_harness_server_running(struct vts_harness_server *server);

/* Ends it as SIGTERM does, with the answers under way told, or at once, as SIGKILL does; waits for its end.
 * Its exit status, 128 + the signal that ended it, or -1 where it had to be killed after 20 s. One that has
 * ended is told of once more. */
int vts_harness_server_stop(struct vts_harness_server *server);
int vts_harness_server_kill(struct vts_harness_server *server);

/* Kills it if it still runs, and frees it. NULL is allowed. */
void vts_harness_server_destroy(struct vts_harness_server *server);

/* Where the vtsimd is that belongs to this header: said by CMake's target, else by the header's own place,
 * PREFIX/include/vtsim/harness.h. */
static inline const char *vts_harness_header_(void) { return __FILE__; }
#ifdef VTSIM_VTSIMD
#define VTS_HARNESS_VTSIMD_ VTSIM_VTSIMD
#else
#define VTS_HARNESS_VTSIMD_ vts_harness_header_()
#endif

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
