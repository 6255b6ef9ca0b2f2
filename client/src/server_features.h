/* SPDX-License-Identifier: MIT
 *
 * What a server has shown that it can do beyond the original API, in the header Vtsim-Features: tokens
 * with commas between them. Pure. */
#ifndef VTSIM_CLIENT_SERVER_FEATURES_H
#define VTSIM_CLIENT_SERVER_FEATURES_H

#include <stdbool.h>

enum feature {
    FEATURE_BATCH = 1,    /* several ids in one GET /jobs */
    FEATURE_WAIT = 2,     /* Prefer: wait on GET /jobs/{id} */
    FEATURE_KEY = 4,      /* Idempotency-Key on POST /jobs */
    FEATURE_PROGRESS = 8, /* GET /jobs/{id} tells it */
    FEATURE_CANCEL = 16,  /* DELETE /jobs/{id} */
    FEATURE_OPTIONS = 32  /* a behaviour and options for one job on POST /jobs */
};

/* The header's value as bits; NULL: none. What is not known is passed over. */
unsigned int features_read(const char *value);

/* Does Preference-Applied (RFC 7240, 3) say that the wait was applied? */
bool features_wait_applied(const char *value);

#endif
