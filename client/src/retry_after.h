/* SPDX-License-Identifier: MIT
 *
 * Retry-After (RFC 9110, 10.2.3), in seconds or as a date. Pure. */
#ifndef VTSIM_CLIENT_RETRY_AFTER_H
#define VTSIM_CLIENT_RETRY_AFTER_H

#include <stdint.h>

/* More is taken for this: an hour. */
#define RETRY_AFTER_MAX_MS INT64_C(3600000)

/* What the header asks for in ms, at most RETRY_AFTER_MAX_MS; 0 for NULL, for what is past, and for
 * anything that is neither a plain number nor a date. A date is compared with the answer's own `date`,
 * so that clocks need not agree; where there is none (NULL), with unix_ms. */
int64_t retry_after_ms(const char *value, const char *date, int64_t unix_ms);

#endif
