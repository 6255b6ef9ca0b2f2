/* SPDX-License-Identifier: MIT
 *
 * What the tests of the shipped behaviours share, on top of the harness: what each behaviour has to stand. */
#ifndef VTSIM_TESTS_PLUGINS_COMMON_H
#define VTSIM_TESTS_PLUGINS_COMMON_H

#include <vtsim/harness.h>

vts_plugin_fn fixed_delay_LTX_vts_plugin, random_failure_LTX_vts_plugin,
    scripted_sequence_LTX_vts_plugin, flaky_service_LTX_vts_plugin, replay_LTX_vts_plugin;

/* A harness with seed 1. Fails the test where the settings are refused. */
struct vts_harness *open_with(vts_plugin_fn *plugin, const char *settings);

/* Lets time pass up to `at`, and polls then: the word that the client is told. */
const char *poll_at(struct vts_harness *harness, struct vts_harness_job *job, vts_ms at);

/* A job that is polled at these moments, in their order, and one that between any two events goes through a
 * store and a new process, are the same at each moment. */
void survives(vts_plugin_fn *plugin, const char *settings, const vts_ms *polls, size_t count);

/* The settings are refused with this one problem. */
void refuses(vts_plugin_fn *plugin, const char *settings, const char *problem);

/* All laws are kept, by what is linked in and by the module NAME.so of this build. */
void keeps_the_laws(vts_plugin_fn *plugin, const char *name, const char *settings);

#endif
