/* SPDX-License-Identifier: MIT
 *
 * The memory store through the suite: all tests of one thread, or with --threads those of many. */
#include <string.h>

#include "suite.h"

int main(int argc, char **argv)
{
    static const struct suite_kind kind = {.name = "memory", .create = store_create_memory};

    return argc > 1 && strcmp(argv[1], "--threads") == 0 ? suite_run_threads(&kind)
                                                         : suite_run(&kind);
}
