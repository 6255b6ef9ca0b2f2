/* SPDX-License-Identifier: MIT
 *
 * GET /_sim/health through a real vtsimd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"

static int64_t count(const struct vtsimd *vtsimd, const char *state)
{
    struct json_object *health = ask_json(vtsimd, "GET", "/_sim/health", NULL, 200), *jobs, *number;
    int64_t value;

    assert_true(json_object_object_get_ex(health, "jobs", &jobs));
    assert_true(json_object_object_get_ex(jobs, state, &number));
    assert_true(json_object_is_type(number, json_type_int));
    value = json_object_get_int64(number);
    json_object_put(health);
    return value;
}

static void the_members(void **state)
{
    struct json_object *health, *member;
    struct vtsimd vtsimd;
    char *names;

    (void)state;
    server_start(&vtsimd, "-s", "server/workers=3", NULL);
    health = ask_json(&vtsimd, "GET", "/_sim/health", NULL, 200);
    names = member_names(health);
    assert_string_equal(names, "status version uptime workers store jobs");
    free(names);
    assert_string_equal(member_text(health, "status"), "ok");
    assert_string_equal(member_text(health, "version"), VTSIM_VERSION);
    member = json_object_object_get(health, "store");
    names = member_names(member);
    assert_string_equal(names, "kind state");
    free(names);
    assert_string_equal(member_text(member, "kind"), "memory");
    assert_string_equal(member_text(member, "state"), "ok");
    assert_int_equal(json_object_get_int(json_object_object_get(health, "workers")), 3);
    member = json_object_object_get(health, "uptime");
    assert_true(json_object_get_double(member) >= 0 && json_object_get_double(member) < 60);
    names = member_names(json_object_object_get(health, "jobs"));
    assert_string_equal(names, "queued running completed failed cancelled");
    free(names);
    json_object_put(health);
    server_stop(&vtsimd);
}

static void uptime_grows(void **state)
{
    double first = -1, last = -1;

    for (int i = 0; i < 100000 && (i == 0 || last <= first); i++) {
        struct json_object *health = ask_json(*state, "GET", "/_sim/health", NULL, 200);

        last = json_object_get_double(json_object_object_get(health, "uptime"));
        first = i ? first : last;
        json_object_put(health);
    }
    assert_true(last > first);
}

static void jobs_are_counted_by_state(void **state)
{
    struct vtsimd vtsimd;

    (void)state;
    server_start(&vtsimd, NULL);
    for (const char *name = "abc"; *name; name++)
        start_job(&vtsimd, (char[]){*name, '\0'}, NULL);
    assert_int_equal(count(&vtsimd, "running"), 3);
    start_job(&vtsimd, "d", "{\"after\": 0}");
    start_job(&vtsimd, "e", "{\"after\": 0, \"end\": \"error\"}");
    ask(&vtsimd, "DELETE", "/jobs/a", NULL, 200, NULL);
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"f\", \"input\": {\"refuse\": 503}}", 503, NULL);
    ask(&vtsimd, "POST", "/jobs", "{\"id\": \"b\"}", 409, NULL);
    assert_int_equal(count(&vtsimd, "queued"), 0);
    assert_int_equal(count(&vtsimd, "running"), 2);
    assert_int_equal(count(&vtsimd, "completed"), 1);
    assert_int_equal(count(&vtsimd, "failed"), 1);
    assert_int_equal(count(&vtsimd, "cancelled"), 1);
    server_stop(&vtsimd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_members),
        cmocka_unit_test(uptime_grows),
        cmocka_unit_test(jobs_are_counted_by_state),
    };

    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
