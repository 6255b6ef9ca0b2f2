/* SPDX-License-Identifier: MIT
 *
 * The audit with the memory store. */
#include "audit.h"

int main(void) { return audit_run("http_audit"); }
