/* SPDX-License-Identifier: MIT
 *
 * See waiting.h. */
#include "waiting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

__attribute__((format(printf, 2, 3))) static void add(struct diary *diary, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    diary->used += (size_t)vsnprintf(diary->text + diary->used, sizeof(diary->text) - diary->used,
                                     format, args);
    va_end(args);
    assert_true(diary->used < sizeof(diary->text));
}

void diary_note(struct vts_client_operation *operation, const struct vts_client_trace *trace,
                void *arg)
{
    struct diary *diary = arg;
    long long at_ms = (long long)trace->elapsed_ms;

    (void)operation;
    switch (trace->event) {
    case VTS_CLIENT_EVENT_DELAY:
        add(diary, "wait %lld %s\n", (long long)trace->delay_ms,
            vts_client_reason_name(trace->reason));
        break;
    case VTS_CLIENT_EVENT_REQUEST:
        add(diary, "%lld %s %s", at_ms, trace->request, vts_client_reason_name(trace->reason));
        if (diary->whole)
            add(diary, " %zu", trace->batch);
        add(diary, "\n");
        break;
    case VTS_CLIENT_EVENT_ANSWER:
        if (trace->http_status)
            add(diary, "%lld %d\n", at_ms, trace->http_status);
        else
            add(diary, "%lld %s\n", at_ms, vts_client_strerror(trace->error->code));
        break;
    case VTS_CLIENT_EVENT_END:
        add(diary, "%lld end: %s\n", at_ms, vts_client_strerror(trace->error->code));
        break;
    }
}

void diary_expect(const struct diary *diary, const char *expected)
{
    assert_string_equal(diary->text, expected);
}

static int64_t each_second(const struct vts_client_plan_view *view, void *arg)
{
    (void)view;
    (void)arg;
    return 1000;
}

struct vts_client_plan *waiting_plan(void)
{
    struct vts_client_plan *plan = vts_client_plan_custom(each_second, NULL, NULL, NULL);

    assert_non_null(plan);
    return plan;
}

void waiting_options(struct vts_client_options *options, const char *url,
                     struct vts_client_clock *clock, struct diary *diary)
{
    vts_client_options_init(options);
    options->url = url;
    options->jitter = 0;
    options->clock = clock;
    options->request_timeout_ms = 20000;
    if (!diary)
        return;
    memset(diary, 0, sizeof(*diary));
    options->trace = diary_note;
    options->trace_arg = diary;
}
