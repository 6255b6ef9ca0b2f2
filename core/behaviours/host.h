/* SPDX-License-Identifier: MIT
 *
 * The host functions: what a hook may read, draw and wish for. A host function only notes; the engine
 * carries the notes out after the hook returned. Lives for one hook. */
#ifndef VTSIM_BEHAVIOURS_HOST_H
#define VTSIM_BEHAVIOURS_HOST_H

#include "instance.h"

struct json_object;

enum hook_kind { HOOK_ADMIT, HOOK_START, HOOK_WAKE, HOOK_POLL, HOOK_CANCEL, HOOK_FINISH };

/* The texts that a hook hands over: kept apart from the hook so that their memory is used again. */
struct hook_texts {
    struct text result, code, message, word;
};

struct hook {
    struct vts_job job; /* what the plugin sees; first */

    /* Given by the engine. */
    enum hook_kind kind;
    const struct instance *instance;
    const char *id;    /* NUL-terminated */
    const char *input; /* JSON, or NULL */
    vts_ms now, started_at;
    double progress; /* at now; then what it is set to */
    enum vts_state state;
    uint64_t polls;
    bool granted; /* HOOK_WAKE: a slot */
    uint64_t waiting, free_slots;
    uint64_t stream; /* its key, and how often it was drawn from */
    uint32_t draws;
    struct hook_texts *texts;

    /* Noted for the engine. */
    enum vts_state end; /* VTS_COMPLETED, VTS_FAILED, VTS_CANCELLED; VTS_ASKED: none */
    bool has_result, has_wake, has_waits, has_progress, has_bend, refused, no_memory;
    vts_ms wake_at;
    unsigned int waits;
    double progress_to; /* grows to this over progress_span, where that is not 0 */
    vts_ms progress_span;
    struct vts_answer bend; /* its word is texts->word */

    struct json_object *input_root; /* parsed when first asked for */
};

/* Calls the hook function, with the instance's serial lock where it has one. */
void hook_run(struct hook *hook, void (*function)(struct vts_job *));

/* The table that instances and jobs carry. */
extern const struct vts_host host_table;

#endif
