/* SPDX-License-Identifier: MIT
 *
 * A script as a program, inside the plugin scripted_sequence: what the parser makes of the text and the
 * hooks run. The language is told by vtsim-script(5).
 *
 * A program goes forward alone: repeats are written out and a chance jumps ahead, so that a place in it is
 * one number, places can be compared, and no walk is without end. */
#ifndef VTSIM_SCRIPT_H
#define VTSIM_SCRIPT_H

#include <vtsim/plugin.h>

#define SCRIPT_BYTES_MAX ((size_t)512 * 1024)
#define SCRIPT_STEPS_MAX ((size_t)100000) /* with all repeats written out */
#define SCRIPT_COUNT_MAX UINT32_C(1000000000)
#define SCRIPT_DEPTH_MAX 16 /* braces inside braces */
#define SCRIPT_NO_DELAY  UINT32_MAX

enum script_kind {
    /* the job's life */
    STEP_PROGRESS, /* `number` is reached; takes no time */
    STEP_SPAN,     /* takes `extent` */
    STEP_POLLS,    /* takes `count` polls */
    STEP_COMPLETED,
    STEP_FAILED, /* `text`, or NULL */
    STEP_CANCELLED,
    STEP_AFTER, /* behind an end: the next `count` polls are told of it */
    STEP_END,   /* of the program: the job stays as it is */
    /* the answers */
    STEP_FAULT,      /* waits for `count` polls; takes no time */
    STEP_FAULT_SPAN, /* every poll during `extent` gets it */
    /* the way */
    STEP_CHANCE, /* with the chance `number` goes on, else `ahead` */
    STEP_JUMP    /* goes `ahead` */
};

enum script_fault {
    FAULT_HTTP,
    FAULT_HTML,
    FAULT_STALL,
    FAULT_DRIBBLE,
    FAULT_RESET,
    FAULT_EMPTY,
    FAULT_TRUNCATE,
    FAULT_GARBAGE,
    FAULT_INVALID_JSON,
    FAULT_MISSING,
    FAULT_UNKNOWN_STATUS,
    FAULT_NO_STATUS,
    FAULT_REGRESS,
    FAULT_LOST
};

/* A step as it stands in the text. */
struct script_step {
    uint8_t kind;    /* enum script_kind */
    uint8_t fault;   /* enum script_fault */
    bool date;       /* Retry-After is told as a date */
    int16_t status;  /* of FAULT_HTTP and FAULT_HTML */
    uint32_t count;  /* of polls */
    uint32_t extent; /* which of the delays it takes, or SCRIPT_NO_DELAY */
    uint32_t delay;  /* which of the delays is its stall, its dribble or its Retry-After */
    union {
        double number;    /* progress, chance: 0 to 1 */
        const char *text; /* in the program's texts, or NULL */
    };
};

/* A place of the program: which step stands there; how far ahead a chance's else is, or a jump's end; and how
 * far the next place is at which the way of the faults may part or end (0: this one). */
struct script_place {
    uint32_t step, ahead, next;
};

/* An instance's data: written by open alone. */
struct script {
    struct script_step *steps;
    struct script_place *places;
    struct vts_delay *delays;
    size_t step_count, step_room, count, room, delay_count, delay_room;
    uint32_t begin; /* what lies before is the start: line */
    bool counts;    /* there are steps behind `begin` that polls use up, */
    bool faults;    /* of the kind STEP_FAULT among them */
    bool chances;
    char *texts; /* all texts, each with its NUL */
    size_t texts_length;
};

static inline const struct script_step *script_at(const struct script *script, uint32_t place)
{
    return &script->steps[script->places[place].step];
}

/* Whether a start that gets this fault is accepted all the same. */
static inline bool script_accepts(const struct script_step *step)
{
    return step->fault != FAULT_HTTP && !(step->fault == FAULT_HTML && step->status >= 400);
}

/* parse.c: reads a text. False, with the error's place in it, where it is no script; what was made by then is
 * for script_finish. */
bool script_parse(struct script *script, const struct vts_instance *instance, const char *text,
                  struct vts_error *error);

/* program.c. The first three are false where there was no memory; script_copy needs `room` checked before. */
bool script_add(struct script *script, struct script_step step);
bool script_add_delay(struct script *script, struct vts_delay delay, uint32_t *index);
/* Adds the places from `from` on once more, `times` times. */
bool script_copy(struct script *script, size_t from, size_t times);
/* Adds the end, and looks through the whole. */
bool script_settle(struct script *script);
void script_finish(struct script *script);

/* run.c: the hooks, and the bytes of state that a job of this script needs. */
size_t script_state_size(const struct script *script);
void script_admit(struct vts_job *job);
void script_start(struct vts_job *job);
void script_wake(struct vts_job *job);
void script_poll(struct vts_job *job);
#define SCRIPT_STATE_VERSION 2

#endif
