/* SPDX-License-Identifier: MIT
 *
 * Tests of behaviours made ready: from sections and by default, what is wrong with them word for word and
 * where, their hashes, and that what was opened is closed once. */
#include "set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "behaviours/host.h"

/* behind the others: it makes a macro of fail */
#include <cmocka.h>

static const struct instance *named(const struct set *set, const char *name)
{
    return behaviours_named(&set->behaviours, name, strlen(name));
}

/* Each wanted line without the file's name and the colon behind it. */
static void assert_problems(const char *ini, const char *const *wanted, size_t count)
{
    struct text lines = TEXT_INIT;
    struct set set;

    set_init(&set, ini);
    for (size_t i = 0; i < count; i++)
        text_printf(&lines, "%s:%s\n", set_file, wanted[i]);
    assert_string_equal(set.problems.lines.bytes ? set.problems.lines.bytes : "", lines.bytes);
    assert_false(set.good);
    text_finish(&lines);
    set_finish(&set);
}

#define assert_problem(ini, ...)                                                                   \
    do {                                                                                           \
        char wanted_[2048];                                                                        \
        const char *line_ = wanted_;                                                               \
        snprintf(wanted_, sizeof(wanted_), __VA_ARGS__);                                           \
        assert_problems((ini), &line_, 1);                                                         \
    } while (0)

/* ---- what there is ---- */

struct settings {
    vts_ms delay;
    int64_t number;
    const char *words;
    struct vts_list lines;
    const char *file;
};

static void sections_become_instances(void **state)
{
    const struct settings *settings;
    struct set set;

    (void)state;
    set_init(&set, "[behaviour slow]\n"
                   "plugin = settings\n"
                   "delay = 1m\n"
                   "lines = a\n"
                   "  b\n"
                   "[behaviour settings]\n"
                   "number = 9\n");
    assert_true(set.good);
    assert_int_equal(set.problems.count, 0);
    settings = named(&set, "slow")->settings;
    assert_string_equal(named(&set, "slow")->base.name, "slow");
    assert_string_equal(named(&set, "slow")->base.plugin->name, "settings");
    assert_ptr_equal(named(&set, "slow")->base.settings, settings);
    assert_ptr_equal(named(&set, "slow")->base.host, &host_table);
    assert_int_equal(settings->delay, 60000);
    assert_int_equal(settings->number, 3);
    assert_int_equal(settings->lines.count, 2);
    assert_string_equal(settings->lines.items[1], "b");
    /* a section without `plugin` is called as its plugin is */
    settings = named(&set, "settings")->settings;
    assert_int_equal(settings->number, 9);
    assert_int_equal(settings->delay, 10000);
    set_finish(&set);
}

static void plugins_are_behaviours_under_their_own_names(void **state)
{
    struct set set;

    (void)state;
    set_init(&set, "[server]\nbehaviour = quick\n");
    assert_true(set.good);
    assert_non_null(named(&set, "quick"));
    assert_non_null(named(&set, "settings"));
    assert_non_null(named(&set, "fixed_delay"));
    assert_null(named(&set, "required")); /* not on its fallbacks */
    assert_null(named(&set, "sieve"));    /* a filter */
    assert_null(named(&set, "no_start"));
    assert_null(named(&set, ""));
    assert_null(behaviours_named(&set.behaviours, "quick", 4));
    assert_null(behaviours_named(&set.behaviours, "quick\0but longer than that", 24));
    set_finish(&set);
}

/* ---- what is wrong ---- */

static void settings_that_are_wrong(void **state)
{
    static const char *const wanted[] = {
        "3: [behaviour a] delay: \"-1s\" is negative; a time is 0 or more",
        "4: [behaviour a] number: \"10\" is out of range; write a whole number from 1 to 9",
        "5: [behaviour a] dealy: unknown key; did you mean \"delay\"?",
    };

    (void)state;
    assert_problems("[behaviour a]\n"
                    "plugin = settings\n"
                    "delay = -1s\n"
                    "number = 10\n"
                    "dealy = 1s\n",
                    wanted, 3);
}

static void settings_that_are_missing(void **state)
{
    (void)state;
    assert_problem(
        "; a comment\n[behaviour a]\nplugin = required\n",
        "2: [behaviour a] delay: it is required, and not given (TIME: how long it takes)");
}

static void settings_that_a_plugin_refuses(void **state)
{
    (void)state;
    /* line and column in the option's text become those of the file */
    assert_problem("[behaviour a]\nplugin = settings\nwords = good\n   better\n     bad one\n",
                   "5:8: [behaviour a] words: line 3 is bad\n    bad one\n      ^");
    assert_problem("[behaviour a]\nplugin = settings\nwords =    bad one\n",
                   "3:14: [behaviour a] words: line 1 is bad\n    bad one\n      ^");
}

static void plugins_that_cannot_be_used(void **state)
{
    (void)state;
    assert_problem("[behaviour a]\nplugin = quik\nany = 1\n",
                   "2: [behaviour a] plugin: no plugin \"quik\" in %s; did you mean \"quick\"?",
                   set_plugins.searched);
    assert_problem(
        "\n[behaviour nothing_like_it]\n",
        "2: [behaviour nothing_like_it] plugin: it is not given, so it is the section's name: "
        "no plugin \"nothing_like_it\" in %s",
        set_plugins.searched);
    assert_problem(
        "[behaviour a]\nplugin = ./quick.so\n",
        "2: [behaviour a] plugin: \"./quick.so\" is a path: give the plugin's name alone, "
        "and its folder in [server] plugin_path");
    assert_problem("[behaviour a]\nplugin = no_start\n",
                   "2: [behaviour a] plugin: no_start has no start hook: a behaviour needs one");
    assert_problem(
        "[behaviour a]\nplugin = sieve\n",
        "2: [behaviour a] plugin: \"sieve\" is a filter, not a behaviour: write [filter a]");
}

static void behaviours_that_are_not_there(void **state)
{
    (void)state;
    assert_problem("[server]\nbehaviour = quik\n",
                   "2: [server] behaviour: no section [behaviour quik], nor a plugin of that name; "
                   "did you mean \"quick\"?");
    assert_problem("[server]\nbehaviour = nothing_like_it\n",
                   "2: [server] behaviour: no section [behaviour nothing_like_it], nor a plugin of "
                   "that name in %s",
                   set_plugins.searched);
    assert_problem(
        "[rule r]\njob_id = a*\nbehaviour = slo\n[behaviour slow]\nplugin = quick\n",
        "3: [rule r] behaviour: no section [behaviour slo], nor a plugin of that name; did "
        "you mean \"slow\"?");
    assert_problem(
        "[server]\nbehaviour = required\n",
        "2: [server] behaviour: the plugin \"required\" does not run on its defaults ([behaviour "
        "required] delay: it is required, and not given (TIME: how long it takes)): give it a "
        "section [behaviour required]");
    assert_problem("[server]\nbehaviour = sieve\n",
                   "2: [server] behaviour: \"sieve\" is a filter, not a behaviour");
    assert_problem("[server]\nbehaviour = no_start\n",
                   "2: [server] behaviour: no_start has no start hook: a behaviour needs one");
}

/* The broken plugin itself is meant, however near another name is. */
static void a_broken_plugin_is_not_guessed_away(void **state)
{
    (void)state;
    assert_problem("[server]\nbehaviour = no_start\n[behaviour no_starts]\nplugin = quick\n",
                   "2: [server] behaviour: no_start has no start hook: a behaviour needs one");
}

/* A section that could not be made is told of once: who names it is right. */
static void a_broken_section_is_told_once(void **state)
{
    (void)state;
    assert_problem("[server]\nbehaviour = a\n[behaviour a]\nplugin = quik\n",
                   "4: [behaviour a] plugin: no plugin \"quik\" in %s; did you mean \"quick\"?",
                   set_plugins.searched);
}

/* ---- hashes ---- */

static uint64_t hash_of(const char *ini, const char *name)
{
    struct set set;
    struct instances instances = {0};
    uint64_t hash;

    set_init(&set, ini);
    assert_int_equal(set.problems.count, 0);
    hash = named(&set, name)->hash;
    assert_null(instances_hashed(&instances, hash));
    behaviours_publish(&set.behaviours, &instances);
    assert_ptr_equal(instances_hashed(&instances, hash), named(&set, name));
    assert_null(instances_hashed(&instances, hash + 1));
    assert_null(instances_hashed(&instances, hash + INSTANCE_BUCKETS));
    set_finish(&set);
    instances_finish(&instances);
    return hash;
}

static void the_hash_is_that_of_name_plugin_and_settings(void **state)
{
    uint64_t hash = hash_of("[behaviour a]\nplugin = settings\ndelay = 1m\n", "a");

    (void)state;
    /* the same, written otherwise and in another place */
    assert_true(hash == hash_of("[behaviour b]\nplugin=quick\n\n; comment\n[behaviour a]\n"
                                "number = 3\ndelay = 60s\nplugin = settings\n",
                                "a"));
    assert_true(hash != hash_of("[behaviour a]\nplugin = settings\ndelay = 61s\n", "a"));
    assert_true(hash != hash_of("[behaviour b]\nplugin = settings\ndelay = 1m\n", "b"));
    assert_true(hash != hash_of("[behaviour a]\nplugin = required\ndelay = 1m\n", "a"));
    assert_true(hash_of("[behaviour a]\nplugin = settings\nlines = x\n  y\n", "a") !=
                hash_of("[behaviour a]\nplugin = settings\nlines = x y\n", "a"));
    /* a plugin under its own name, with and without an empty section */
    assert_true(hash_of("[behaviour quick]\n", "quick") == hash_of("", "quick"));
}

/* ---- open and close ---- */

static int opened, closed;
static size_t wanted_state;
static bool agree;

static bool on_open(struct vts_instance *instance, struct vts_error *error)
{
    opened++;
    *(size_t *)instance->data = wanted_state;
    instance->state_size = wanted_state;
    instance->counts_polls = true;
    (void)error; /* a plugin may forget to say why */
    return agree;
}

static void on_close(struct vts_instance *instance)
{
    assert_int_equal(*(size_t *)instance->data, wanted_state);
    closed++;
}

static void on_start(struct vts_job *job) { vts_complete(job, NULL); }

VTS_PLUGIN(opener, .summary = "counts", .instance_size = 4096, .open = on_open, .close = on_close,
           .start = on_start)

static void what_was_opened_is_closed_once(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct instances instances = {0};
    const struct instance *kept[3];
    struct instance *instance;

    (void)state;
    opened = closed = 0;
    agree = true;
    wanted_state = 65536;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"a", "b", "a"};

        instance = instance_create(names[i], opener_LTX_vts_plugin(), NULL, &problems);
        assert_non_null(instance);
        assert_int_equal(instance->base.state_size, 65536);
        assert_true(instance->base.counts_polls);
        kept[i] = instances_add(&instances, instance);
    }
    assert_int_equal(opened, 3);
    assert_int_equal(closed, 1); /* the second "a" is the first */
    assert_ptr_equal(kept[2], kept[0]);
    assert_ptr_not_equal(kept[1], kept[0]);
    instances_finish(&instances);
    assert_int_equal(closed, 3);
    instances_finish(&instances);
    assert_int_equal(closed, 3);
    instance_destroy(NULL);
    assert_int_equal(problems.count, 0);
    problems_finish(&problems);
}

/* A configuration that is read anew: what is as it was keeps its instance, and its data. */
static void what_is_published_twice_is_one(void **state)
{
    struct instances instances = {0};
    const struct instance *quick;
    struct set first, second;

    (void)state;
    set_init(&first, "[behaviour slow]\nplugin = settings\ndelay = 1m\n");
    behaviours_publish(&first.behaviours, &instances);
    quick = named(&first, "quick");
    set_init(&second, "[behaviour slow]\nplugin = settings\ndelay = 2m\n");
    assert_ptr_not_equal(named(&second, "quick"), quick);
    behaviours_publish(&second.behaviours, &instances);
    assert_ptr_equal(named(&second, "quick"), quick);
    assert_ptr_not_equal(named(&second, "slow"), named(&first, "slow"));
    assert_ptr_equal(instances_hashed(&instances, named(&first, "slow")->hash),
                     named(&first, "slow"));
    set_finish(&first);
    assert_string_equal(quick->name, "quick"); /* they are not its alone */
    set_finish(&second);
    instances_finish(&instances);
}

static void what_was_not_opened_is_not_closed(void **state)
{
    struct problems problems = PROBLEMS_INIT;

    (void)state;
    opened = closed = 0;
    agree = false;
    wanted_state = 8;
    assert_null(instance_create("n", opener_LTX_vts_plugin(), NULL, &problems));
    assert_string_equal(problems.lines.bytes, "[behaviour n]: the plugin refused its settings\n");
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 0);
    problems_finish(&problems);
}

static void too_much_state(void **state)
{
    struct problems problems = PROBLEMS_INIT;

    (void)state;
    opened = closed = 0;
    agree = true;
    wanted_state = 65537;
    assert_null(instance_create("n", opener_LTX_vts_plugin(), NULL, &problems));
    assert_string_equal(
        problems.lines.bytes,
        "[behaviour n]: the plugin wants 65537 bytes of state for each job, 65536 is "
        "the most\n");
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 1);
    problems_finish(&problems);
}

/* ---- stamps ---- */

static const char *stamp, *was_stamped;
static size_t state_wanted;

static bool on_stamped_open(struct vts_instance *instance, struct vts_error *error)
{
    (void)error;
    was_stamped = vts_stamped(instance);
    instance->state_size = state_wanted;
    if (stamp)
        vts_stamp(instance, stamp);
    return true;
}

VTS_PLUGIN(stamper, .open = on_stamped_open, .start = on_start)
VTS_PLUGIN(stamping_filter, .kind = VTS_FILTER, .open = on_stamped_open)

static struct instance *stamped(const char *text, const struct vts_plugin *plugin)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance;

    stamp = text;
    instance = instance_create("n", plugin, NULL, &problems);
    assert_non_null(instance);
    return instance;
}

/* What was read besides the settings is a part of what it is. */
static void a_stamp_makes_another_instance(void **state)
{
    struct instance *none = stamped(NULL, stamper_LTX_vts_plugin());
    struct instance *one = stamped("one", stamper_LTX_vts_plugin());
    struct instance *other = stamped("two \n\xC3", stamper_LTX_vts_plugin());
    char lengthy[301] = {0};
    struct instance *cut = stamped(memset(lengthy, 'l', 300), stamper_LTX_vts_plugin());
    static const char canonical[] = "n\0stamper\0@stamp=two???";

    (void)state;
    assert_true(none->hash != one->hash && one->hash != other->hash);
    assert_int_equal(other->canonical.length, sizeof(canonical));
    assert_memory_equal(other->canonical.bytes, canonical, sizeof(canonical));
    assert_int_equal(cut->canonical.length, strlen("n.stamper.@stamp=.") + 200);
    vts_stamp(&none->base, "too late");
    assert_int_equal(none->stamp.length, 0);
    assert_null(was_stamped);
    assert_false(one->hollow);
    instance_destroy(none);
    instance_destroy(one);
    instance_destroy(other);
    instance_destroy(cut);
    one = stamped("one", stamping_filter_LTX_vts_plugin());
    other = stamped("two", stamping_filter_LTX_vts_plugin());
    assert_true(one->hash == other->hash);
    instance_destroy(one);
    instance_destroy(other);
}

/* As it is looked for by name, that plugin must be a loaded one: here it takes another's place. */
static void what_was_stamped_is_opened_again_for_its_jobs(void **state)
{
    struct loaded_plugin loaded = {.plugin = stamper_LTX_vts_plugin()};
    struct plugins linked = {.loaded = &loaded, .loaded_count = 1};
    struct instance *one = stamped("one", stamper_LTX_vts_plugin()), *hollow, *fresh;
    struct instances instances = {0};
    struct vts_error error = {0};

    (void)state;
    stamp = NULL;
    hollow =
        instance_revive(&linked, &instances, one->canonical.bytes, one->canonical.length, &error);
    assert_non_null(hollow);
    assert_true(hollow->hollow);
    assert_true(hollow->hash == one->hash);
    /* it gives way to one that new jobs can have, and that one to none */
    assert_ptr_equal(instances_add(&instances, hollow), hollow);
    fresh = stamped("one", stamper_LTX_vts_plugin());
    assert_ptr_equal(instances_add(&instances, fresh), fresh);
    assert_ptr_equal(instances_hashed(&instances, one->hash), fresh);
    stamp = NULL;
    hollow =
        instance_revive(&linked, &instances, one->canonical.bytes, one->canonical.length, &error);
    assert_ptr_equal(instances_add(&instances, hollow), fresh);
    /* one that stamps all the same, and otherwise, is another */
    stamp = "two";
    assert_null(
        instance_revive(&linked, &instances, one->canonical.bytes, one->canonical.length, &error));
    assert_string_equal(error.message,
                        "its plugin has other options now, or has read something else");
    assert_null(instance_again(one, &instances, &error));
    assert_string_equal(error.message,
                        "its plugin has other options now, or has read something else");
    instance_destroy(one);
    instances_finish(&instances);
}

/* ---- begun anew ---- */

static void count_again(struct vts_instance *instance) { ++*(int *)instance->data; }
static void end_at_once(struct vts_job *job) { vts_complete(job, NULL); }

VTS_PLUGIN(forgetful, .summary = "forgets", .instance_size = sizeof(int), .serial = true,
           .start = end_at_once, .reset = count_again)

static void assert_resets(const struct vts_plugin *plugin, int wanted)
{
    struct problems problems = PROBLEMS_INIT;
    struct instance *instance = instance_create("a", plugin, NULL, &problems);

    assert_non_null(instance);
    instance_reset(instance);
    instance_reset(instance);
    assert_int_equal(*(int *)instance->base.data, wanted);
    instance_destroy(instance);
    problems_finish(&problems);
}

/* A plugin that was built before there was such a hook has a shorter record, behind which anything may stand. */
static void a_plugin_is_reset_where_it_can(void **state)
{
    struct vts_plugin plugin = *forgetful_LTX_vts_plugin();

    (void)state;
    assert_resets(&plugin, 2);
    plugin.size = offsetof(struct vts_plugin, reset);
    assert_resets(&plugin, 0);
    plugin.size = sizeof(plugin);
    plugin.reset = NULL;
    assert_resets(&plugin, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_become_instances),
        cmocka_unit_test(plugins_are_behaviours_under_their_own_names),
        cmocka_unit_test(settings_that_are_wrong),
        cmocka_unit_test(settings_that_are_missing),
        cmocka_unit_test(settings_that_a_plugin_refuses),
        cmocka_unit_test(plugins_that_cannot_be_used),
        cmocka_unit_test(behaviours_that_are_not_there),
        cmocka_unit_test(a_broken_plugin_is_not_guessed_away),
        cmocka_unit_test(a_broken_section_is_told_once),
        cmocka_unit_test(the_hash_is_that_of_name_plugin_and_settings),
        cmocka_unit_test(what_was_opened_is_closed_once),
        cmocka_unit_test(what_is_published_twice_is_one),
        cmocka_unit_test(what_was_not_opened_is_not_closed),
        cmocka_unit_test(too_much_state),
        cmocka_unit_test(a_stamp_makes_another_instance),
        cmocka_unit_test(what_was_stamped_is_opened_again_for_its_jobs),
        cmocka_unit_test(a_plugin_is_reset_where_it_can),
    };

    return cmocka_run_group_tests(tests, set_setup, set_teardown);
}
