/* SPDX-License-Identifier: MIT
 *
 * Tests of who gets what: patterns against ids, fields of the input and headers. */
#include "service/rules.h"

#include "http/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static struct config config;
static struct problems problems;

static int setup(void **state)
{
    (void)state;
    memset(&config, 0, sizeof(config));
    memset(&problems, 0, sizeof(problems));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_finish(&config);
    problems_finish(&problems);
    return 0;
}

/* Rules that the command line gives: "rule a/input.x=1". */
static void rules(const char *const *assignments, size_t count)
{
    config_finish(&config);
    assert_true(config_read(&config, NULL, assignments, count, &problems));
}

#define RULES(...)                                                                                 \
    rules((const char *const[]){__VA_ARGS__},                                                      \
          sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

struct request {
    struct json_object *input;
    const char *const *headers; /* names and values in turn */
};

static bool field(const void *request, const char *way, struct asked_field *out)
{
    return request_field(((const struct request *)request)->input, way, out);
}

static const char *header(const void *request, const char *name, size_t index)
{
    const char *const *at = ((const struct request *)request)->headers;

    for (; *at; at += 2)
        if (strcasecmp(at[0], name) == 0 && index-- == 0)
            return at[1];
    return NULL;
}

/* The name of the rule that matches, or "none". */
static const char *rule_of(const char *id, const char *input, const char *const *headers)
{
    struct json_object *parsed = input ? json_tokener_parse(input) : NULL;
    const struct request request = {parsed, headers};
    struct asked asked = {.id = {id, strlen(id)}, .request = &request};
    size_t rule;

    assert_true(!input || parsed || strcmp(input, "null") == 0);
    if (headers)
        asked.header = header;
    if (parsed)
        asked.field = field;
    rule = rules_match(&config, &asked);
    json_object_put(parsed);
    return rule < config.rule_count ? config.rules[rule].name : "none";
}

static bool input_matches(const char *pattern, const char *input)
{
    char assignment[200];

    snprintf(assignment, sizeof(assignment), "rule r/input.a.b=%s", pattern);
    RULES(assignment, "rule r/behaviour=x");
    return strcmp(rule_of("id", input, NULL), "r") == 0;
}

static void fields_of_the_input(void **state)
{
    (void)state;
    assert_true(input_matches("es", "{\"a\": {\"b\": \"es\"}}"));
    assert_false(input_matches("es", "{\"a\": {\"b\": \"est\"}}"));
    assert_false(input_matches("es", "{\"a\": {\"b\": \"ES\"}}"));
    assert_true(input_matches("e*", "{\"a\": {\"b\": \"est\"}}"));
    assert_true(input_matches("?s", "{\"a\": {\"b\": \"\xC3\xBCs\"}}"));
    assert_true(input_matches("", "{\"a\": {\"b\": \"\"}}"));
    assert_true(input_matches("*", "{\"a\": {\"b\": \"\"}}"));
    /* switches and numbers by their texts, and numbers by their values */
    assert_true(input_matches("true", "{\"a\": {\"b\": true}}"));
    assert_false(input_matches("true", "{\"a\": {\"b\": false}}"));
    assert_true(input_matches("60", "{\"a\": {\"b\": 60}}"));
    assert_true(input_matches("60", "{\"a\": {\"b\": \"60\"}}"));
    assert_true(input_matches("60", "{\"a\": {\"b\": 60.0}}"));
    assert_true(input_matches("60.0", "{\"a\": {\"b\": 60}}"));
    assert_true(input_matches("6e1", "{\"a\": {\"b\": 60}}"));
    assert_true(input_matches("-1.50", "{\"a\": {\"b\": -1.5}}"));
    assert_true(input_matches("6*", "{\"a\": {\"b\": 60}}"));
    assert_false(input_matches("60.0", "{\"a\": {\"b\": \"60\"}}"));
    assert_false(input_matches("61", "{\"a\": {\"b\": 60}}"));
    assert_false(input_matches("", "{\"a\": {\"b\": 0}}"));
    assert_false(input_matches("e", "{\"a\": {\"b\": 0}}"));
    assert_false(input_matches("9007199254740993", "{\"a\": {\"b\": 9007199254740992}}"));
    assert_true(input_matches("18446744073709551615", "{\"a\": {\"b\": 18446744073709551615}}"));
    /* what is no single value matches nothing, nor does what is not there */
    assert_false(input_matches("*", "{\"a\": {\"b\": null}}"));
    assert_false(input_matches("*", "{\"a\": {\"b\": {}}}"));
    assert_false(input_matches("*", "{\"a\": {\"b\": [1]}}"));
    assert_false(input_matches("*", "{\"a\": {}}"));
    assert_false(input_matches("*", "{\"a\": null}"));
    assert_false(input_matches("*", "{\"a\": \"b\"}"));
    assert_false(input_matches("*", "{\"a.b\": 1}"));
    assert_false(input_matches("*", "[]"));
    assert_false(input_matches("*", "null"));
    assert_false(input_matches("*", NULL));
}

static void headers_by_a_name_of_any_case(void **state)
{
    static const char *const acme[] = {"Host", "h", "X-Tenant", "acme-east", NULL};
    static const char *const twice[] = {"x-tenant", "other", "X-TENANT", "acme", NULL};
    static const char *const other[] = {"X-Tenant", "ACME", "X-Tenants", "acme", NULL};
    static const char *const none[] = {NULL};

    (void)state;
    RULES("rule r/header.x-Tenant=acme*", "rule r/behaviour=x");
    assert_string_equal(rule_of("id", NULL, acme), "r");
    assert_string_equal(rule_of("id", NULL, twice), "r");
    assert_string_equal(rule_of("id", NULL, other), "none");
    assert_string_equal(rule_of("id", NULL, none), "none");
    assert_string_equal(rule_of("id", NULL, NULL), "none");
    /* a header that is there, whatever it says */
    RULES("rule r/header.x-tenant=*", "rule r/behaviour=x");
    assert_string_equal(rule_of("id", NULL, other), "r");
    assert_string_equal(rule_of("id", NULL, none), "none");
}

static void all_conditions_and_the_first_rule(void **state)
{
    static const char *const acme[] = {"X-Tenant", "acme", NULL};

    (void)state;
    RULES("rule both/job_id=long-*", "rule both/input.language=es",
          "rule both/header.x-tenant=acme", "rule both/behaviour=x", "rule some/input.language=es",
          "rule some/behaviour=x", "rule rest/job_id=*", "rule rest/behaviour=x",
          "rule late/job_id=*", "rule late/behaviour=x");
    assert_string_equal(rule_of("long-1", "{\"language\": \"es\"}", acme), "both");
    assert_string_equal(rule_of("short", "{\"language\": \"es\"}", acme), "some");
    assert_string_equal(rule_of("long-1", "{\"language\": \"es\"}", NULL), "some");
    assert_string_equal(rule_of("long-1", "{\"language\": \"en\"}", acme), "rest");
    assert_string_equal(rule_of("long-1", NULL, acme), "rest");
    RULES("server/workers=1");
    assert_string_equal(rule_of("long-1", NULL, acme), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_of_the_input, setup, teardown),
        cmocka_unit_test_setup_teardown(headers_by_a_name_of_any_case, setup, teardown),
        cmocka_unit_test_setup_teardown(all_conditions_and_the_first_rule, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
