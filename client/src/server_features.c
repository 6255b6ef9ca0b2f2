/* SPDX-License-Identifier: MIT
 *
 * Lists of tokens in headers. See server_features.h. */
#include "server_features.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    enum feature feature;
} known[] = {{"batch", FEATURE_BATCH},         {"wait", FEATURE_WAIT},
             {"idempotency-key", FEATURE_KEY}, {"progress", FEATURE_PROGRESS},
             {"cancel", FEATURE_CANCEL},       {"options", FEATURE_OPTIONS}};

/* The next token, up to a comma or one of `ends`; its length, 0: there is none. */
static size_t next_token(const char **at, const char *ends)
{
    *at += strspn(*at, ", \t");
    return strcspn(*at, ends);
}

unsigned int features_read(const char *value)
{
    unsigned int features = 0;
    size_t length;

    for (const char *at = value; at && (length = next_token(&at, ", \t")); at += length) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (strlen(known[i].name) == length && strncasecmp(at, known[i].name, length) == 0)
                features |= known[i].feature;
        }
    }
    return features;
}

bool features_wait_applied(const char *value)
{
    size_t length;

    for (const char *at = value; at && (length = next_token(&at, ",")); at += length) {
        if (length >= 4 && strncasecmp(at, "wait", 4) == 0 && strchr("=; \t,", at[4]))
            return true; /* the NUL at the end is one of these, too */
    }
    return false;
}
