/* SPDX-License-Identifier: MIT
 *
 * Tests of filters as the configuration names them: which stand around what and in which order, what is
 * wrong with them word for word and where, and that an instance with its filters is found again by its hash
 * and made again from its text. */
#include "set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

/* The names of the filters around it: "a b". */
static void assert_around(const struct instance *instance, const char *wanted)
{
    struct text names = TEXT_INIT;

    assert_non_null(instance);
    for (size_t i = 0; i < instance->filter_count; i++)
        text_printf(&names, "%s%s", i ? " " : "", instance->filters[i]->name);
    assert_string_equal(names.bytes ? names.bytes : "", wanted);
    text_finish(&names);
}

static const struct instance *named(const struct set *set, const char *name)
{
    return behaviours_named(&set->behaviours, name, strlen(name));
}

/* ---- which stand around what ---- */

static void the_order_is_servers_rules_behaviours(void **state)
{
    struct set set;

    (void)state;
    set_init(&set, "[server]\nfilter = out\n  sieve\n"
                   "[filter out]\nplugin = sieve\n"
                   "[filter own]\nplugin = sieve\n"
                   "[filter ruled]\nplugin = sieve\n"
                   "[behaviour some]\nplugin = quick\nfilter = own\n  out\n"
                   "[behaviour plain]\nplugin = quick\n"
                   "[rule a]\njob_id = a*\nbehaviour = some\nfilter =\n  ruled\n"
                   "[rule b]\njob_id = b*\nbehaviour = some\n");
    assert_string_equal(set.problems.lines.bytes ? set.problems.lines.bytes : "", "");
    assert_true(set.good);
    /* one that two places name is asked once, at its first place */
    assert_around(named(&set, "some"), "out sieve own");
    assert_around(named(&set, "plain"), "out sieve");
    assert_around(named(&set, "quick"), "out sieve");
    assert_around(behaviours_ruled(&set.behaviours, &set.config, 0), "out sieve ruled own");
    assert_ptr_equal(behaviours_ruled(&set.behaviours, &set.config, 1), named(&set, "some"));
    assert_string_equal(behaviours_ruled(&set.behaviours, &set.config, 0)->name, "some");
    /* one filter stands around all of them */
    assert_ptr_equal(named(&set, "some")->filters[0], named(&set, "quick")->filters[0]);
    assert_true(behaviours_is_filter(&set.behaviours, &set_plugins, "own"));
    assert_true(behaviours_is_filter(&set.behaviours, &set_plugins, "sieve"));
    assert_false(behaviours_is_filter(&set.behaviours, &set_plugins, "some"));
    set_finish(&set);
}

static void the_hash_is_that_of_the_filters_too(void **state)
{
    uint64_t without, with, reversed;
    struct set set;

    (void)state;
    set_init(&set, "[filter a]\nplugin = sieve\n");
    without = named(&set, "quick")->hash;
    set_finish(&set);
    set_init(&set, "[server]\nfilter = a\n  sieve\n[filter a]\nplugin = sieve\n");
    with = named(&set, "quick")->hash;
    set_finish(&set);
    set_init(&set, "[server]\nfilter = sieve\n  a\n[filter a]\nplugin = sieve\n");
    reversed = named(&set, "quick")->hash;
    set_finish(&set);
    assert_true(with != without && with != reversed);
    /* and without filters it is what it was before there were any */
    set_init(&set, "");
    assert_true(named(&set, "quick")->hash == without);
    assert_int_equal(named(&set, "quick")->canonical.length,
                     strlen("quick") + 1 + strlen("quick") + 1);
    set_finish(&set);
}

static void what_is_published_twice_has_the_filters_that_are_there(void **state)
{
    static const char ini[] = "[server]\nfilter = a\n[filter a]\nplugin = sieve\n";
    struct instances instances = {0};
    struct set first, second;

    (void)state;
    set_init(&first, ini);
    behaviours_publish(&first.behaviours, &instances);
    set_init(&second, "[server]\nfilter = a\n[filter a]\nplugin = sieve\n"
                      "[behaviour new]\nplugin = settings\n"
                      "[rule r]\nbehaviour = new\nfilter = sieve\n");
    assert_ptr_not_equal(named(&second, "quick")->filters[0], named(&first, "quick")->filters[0]);
    behaviours_publish(&second.behaviours, &instances);
    assert_ptr_equal(named(&second, "quick"), named(&first, "quick"));
    assert_ptr_equal(named(&second, "new")->filters[0], named(&first, "quick")->filters[0]);
    assert_ptr_equal(behaviours_ruled(&second.behaviours, &second.config, 0)->filters[0],
                     named(&first, "quick")->filters[0]);
    assert_ptr_equal(second.behaviours.usual.at[0], named(&first, "quick")->filters[0]);
    set_finish(&first);
    set_finish(&second);
    instances_finish(&instances);
}

/* ---- made again ---- */

static void it_is_made_again_from_its_text(void **state)
{
    struct instances instances = {0};
    struct instance *revived, *again;
    const struct instance *like;
    struct vts_error error = {0};
    struct set set;

    (void)state;
    set_init(&set, "[filter a]\nplugin = sieve\n[filter b]\nplugin = sieve\n"
                   "[behaviour some]\nplugin = settings\nwords = good\nfilter = a\n  b\n");
    like = named(&set, "some");
    revived = instance_revive(&set_plugins, &instances, like->canonical.bytes,
                              like->canonical.length, &error);
    assert_non_null(revived);
    assert_true(revived->hash == like->hash);
    assert_around(revived, "a b");
    assert_ptr_not_equal(revived->filters[0], like->filters[0]);
    again = instance_again(like, &instances, &error);
    assert_non_null(again);
    assert_ptr_equal(again->filters[0], revived->filters[0]); /* the set has it */
    assert_ptr_equal(instances_add(&instances, revived), revived);
    assert_ptr_equal(instances_add(&instances, again), revived);
    set_finish(&set);
    instances_finish(&instances);
}

static void revive_fails(const char *text, size_t length, const char *message)
{
    struct instances instances = {0};
    struct vts_error error = {0};

    assert_null(instance_revive(&set_plugins, &instances, text, length, &error));
    assert_string_equal(error.message, message);
    instances_finish(&instances);
}

#define revive_fails(text, message) revive_fails((text), sizeof(text) - 1, (message))

static void texts_that_are_damaged(void **state)
{
    char missing[600];

    (void)state;
    revive_fails("", "its text cannot be understood");
    revive_fails("quick\0quick", "its text cannot be understood");
    revive_fails("quick\0", "its text cannot be understood");
    revive_fails("\0quick\0", "its text cannot be understood");
    revive_fails("quick\0quick\0\0", "its text cannot be understood");
    revive_fails("quick\0quick\0\0a\0", "its text cannot be understood");
    revive_fails("quick\0quick\0\0a\0sieve\0\0", "its text cannot be understood");
    revive_fails("quick\0quick\0\0a\0sieve\0none=1\0",
                 "-s: [filter a] none: unknown key; this section takes none\n");
    revive_fails("quick\0quick\0\0a\0quick\0", "the plugin \"quick\" is no filter any more");
    revive_fails("a\0sieve\0\0a\0sieve\0", "the plugin \"sieve\" is no behaviour any more");
    snprintf(missing, sizeof(missing), "no plugin \"gone_for_good\" in %s", set_plugins.searched);
    revive_fails("quick\0quick\0\0a\0gone_for_good\0", missing);
}

#undef revive_fails

/* ---- what is wrong ---- */

static void assert_problem(const char *ini, const char *wanted)
{
    struct text line = TEXT_INIT;
    struct set set;

    set_init(&set, ini);
    text_printf(&line, "%s:%s\n", set_file, wanted);
    assert_string_equal(set.problems.lines.bytes ? set.problems.lines.bytes : "", line.bytes);
    assert_false(set.good);
    text_finish(&line);
    set_finish(&set);
}

static void filters_and_behaviours_are_told_apart(void **state)
{
    (void)state;
    assert_problem("[behaviour a]\nplugin = sieve\n",
                   "2: [behaviour a] plugin: \"sieve\" is a filter, not a behaviour: write "
                   "[filter a]");
    assert_problem("[filter a]\nplugin = quick\n",
                   "2: [filter a] plugin: \"quick\" is a behaviour, not a filter: write "
                   "[behaviour a]");
    assert_problem("[server]\nbehaviour = a\n[filter a]\nplugin = sieve\n",
                   "2: [server] behaviour: \"a\" is a filter, not a behaviour");
    assert_problem("[rule r]\nbehaviour = sieve\n",
                   "2: [rule r] behaviour: \"sieve\" is a filter, not a behaviour");
    assert_problem("[server]\nfilter = a\n[behaviour a]\nplugin = quick\n",
                   "2: [server] filter: \"a\" is a behaviour, not a filter");
    assert_problem("[behaviour a]\nplugin = quick\nfilter = quick\n",
                   "3: [behaviour a] filter: \"quick\" is a behaviour, not a filter");
}

static void filters_that_are_not_there(void **state)
{
    struct text wanted = TEXT_INIT;

    (void)state;
    assert_problem("[server]\nfilter = sieve\n  inn\n[filter inner]\nplugin = sieve\n",
                   "3: [server] filter: no section [filter inn], nor a plugin of that name; did "
                   "you mean \"inner\"?");
    text_printf(&wanted,
                "4: [rule r] filter: no section [filter nothing_like_it], nor a plugin of that "
                "name in %s",
                set_plugins.searched);
    assert_problem("[rule r]\nbehaviour = quick\nfilter =\n  nothing_like_it\n", wanted.bytes);
    assert_problem("[server]\nfilter = filter_start\n",
                   "2: [server] filter: filter_start is a filter: it can have the hooks admit and "
                   "poll alone");
    /* one that could not be made is told of once */
    text_reset(&wanted);
    text_printf(&wanted, "4: [filter a] plugin: no plugin \"sive\" in %s; did you mean \"sieve\"?",
                set_plugins.searched);
    assert_problem("[server]\nfilter = a\n[filter a]\nplugin = sive\nany = 1\n", wanted.bytes);
    assert_problem("[filter a]\nplugin = sieve\nany = 1\n",
                   "3: [filter a] any: unknown key; the keys here are plugin");
    text_finish(&wanted);
}

static void filters_that_are_too_many(void **state)
{
    struct text ini = TEXT_INIT, wanted = TEXT_INIT;

    (void)state;
    assert_problem("[server]\nfilter = sieve\n  sieve\n",
                   "3: [server] filter: \"sieve\" is named twice");
    text_puts(&ini, "[server]\nfilter =\n");
    for (int i = 0; i < 17; i++)
        text_printf(&ini, " f%d\n", i);
    for (int i = 0; i < 17; i++)
        text_printf(&ini, "[filter f%d]\nplugin = sieve\n", i);
    assert_problem(ini.bytes, "19: [server] filter: \"f16\" is one filter too many: 16 around one "
                              "behaviour are the most");
    text_finish(&ini);
    text_finish(&wanted);
}

/* ---- what open() may not say ---- */

static bool wants_state, counts;

static bool on_open(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    instance->state_size = wants_state ? 8 : 0;
    instance->counts_polls = counts;
    return true;
}

VTS_PLUGIN(greedy, .kind = VTS_FILTER, .open = on_open)

static void a_filter_that_wants_what_is_a_behaviours(void **state)
{
    struct problems problems = PROBLEMS_INIT;

    (void)state;
    wants_state = true;
    assert_null(instance_create("n", greedy_LTX_vts_plugin(), NULL, &problems));
    wants_state = false;
    counts = true;
    assert_null(instance_create("n", greedy_LTX_vts_plugin(), NULL, &problems));
    assert_string_equal(problems.lines.bytes,
                        "[filter n]: the plugin is a filter, and its open asked for state for each "
                        "job: filters have none\n"
                        "[filter n]: the plugin is a filter, and its open asked for counts_polls: "
                        "filters move no job\n");
    problems_finish(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_servers_rules_behaviours),
        cmocka_unit_test(the_hash_is_that_of_the_filters_too),
        cmocka_unit_test(what_is_published_twice_has_the_filters_that_are_there),
        cmocka_unit_test(it_is_made_again_from_its_text),
        cmocka_unit_test(texts_that_are_damaged),
        cmocka_unit_test(filters_and_behaviours_are_told_apart),
        cmocka_unit_test(filters_that_are_not_there),
        cmocka_unit_test(filters_that_are_too_many),
        cmocka_unit_test(a_filter_that_wants_what_is_a_behaviours),
    };

    return cmocka_run_group_tests(tests, set_setup, set_teardown);
}
