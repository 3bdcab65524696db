/* SPDX-License-Identifier: MIT */
/*
 * die.c - the last words of a process with a bug.
 *
 * Context: any, signal handlers included: no stdio, no malloc.
 */
#include "base/die.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

_Noreturn void mf_die(const char *where, const char *what)
{
	const char *parts[] = { where, ": ", what };
	char sentence[512];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = strlen(parts[i]);

		if (len > sizeof(sentence) - 1 - n)
			len = sizeof(sentence) - 1 - n;
		memcpy(sentence + n, parts[i], len);
		n += len;
	}
	sentence[n] = '\0';
	mf_log(sentence);
	abort();
}
