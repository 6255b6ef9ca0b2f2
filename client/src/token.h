/* SPDX-License-Identifier: MIT
 *
 * The text with which a wait goes on in another process:
 *
 *     vtsim1:AGE:MADE:CLASS:ID
 *
 * AGE is the job's age in ms when the token was made, "-" where it is not known; MADE that moment in
 * seconds since 1970; CLASS and ID are percent-encoded. Pure. */
#ifndef VTSIM_CLIENT_TOKEN_H
#define VTSIM_CLIENT_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vtsim/client.h>

#include "plans.h"

struct token {
    char id[256], job_class[PLAN_CLASS_MAX + 1];
    int64_t age_ms; /* below 0: not known */
    int64_t made_s;
};

/* Its length; 0: `room` is too small. */
size_t token_write(const struct token *token, char *text, size_t room);

/* False with *error filled. */
bool token_read(struct token *token, const char *text, struct vts_client_error *error);

/* The job's age now: what the token says, and the time since it was made, as far as two clocks that need
 * not agree can tell. Below 0: not known. */
int64_t token_age_ms(const struct token *token, int64_t unix_ms);

#endif
