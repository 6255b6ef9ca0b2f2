/* SPDX-License-Identifier: MIT
 *
 * The files of plugins/template, embedded when the command is built: see embed.cmake. */
#ifndef VTSIM_CLI_TEMPLATES_H
#define VTSIM_CLI_TEMPLATES_H

/* What stands for the behaviour's name, in the files and in their names. */
#define TEMPLATE_NAME "my_behaviour"

struct template
{
    const char *name;
    const char *text;
};

/* Ends with a name of NULL. */
extern const struct template templates[];

#endif
