/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what a fuzz target is: one file here, one folder in corpus/.
 *
 * Promise: it ends the process when something is wrong and returns 0
 * otherwise; it has no memory of earlier inputs, so that any one can be run
 * alone. With libFuzzer it looks for new inputs; with main.c it runs those
 * that are kept.
 */
#ifndef MF_TESTS_FUZZ_H
#define MF_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() that no build leaves out. */
#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, \
				#condition);                                   \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
