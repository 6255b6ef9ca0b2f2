/* SPDX-License-Identifier: MIT
 *
 * The gate before a host: closed while it wants to be left alone. Pure. */
#ifndef VTSIM_CLIENT_GATE_H
#define VTSIM_CLIENT_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct gate {
    int64_t until_ms; /* open from this moment on */
    uint64_t closed;  /* so often it was open, and was closed */
};

/* Keeps it closed for so long from now on; never opens it earlier. */
static inline void gate_close(struct gate *gate, int64_t now_ms, int64_t for_ms)
{
    if (gate->until_ms <= now_ms && for_ms > 0)
        gate->closed++;
    if (gate->until_ms < now_ms + for_ms)
        gate->until_ms = now_ms + for_ms;
}

static inline bool gate_is_open(const struct gate *gate, int64_t now_ms)
{
    return now_ms >= gate->until_ms;
}

#endif
