/* SPDX-License-Identifier: MIT */
/*
 * die.c - the last words of a process with a bug.
 *
 * Context: any, signal handlers included: no stdio, no malloc.
 */
#include "base/die.h"

#include <stdlib.h>
#include <string.h>

#include "base/syscall.h"

/* One write, so that two threads dying at once stay legible. */
_Noreturn void mf_die(const char *where, const char *what)
{
	const char *parts[] = { "mfill: ", where, ": ", what, "\n" };
	char line[512];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = strlen(parts[i]);

		if (len > sizeof(line) - n)
			len = sizeof(line) - n;
		memcpy(line + n, parts[i], len);
		n += len;
	}
	(void)mf_syscall(SYS_write, 2, (long)line, (long)n, 0, 0, 0);
	abort();
}
