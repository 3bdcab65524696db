/* SPDX-License-Identifier: MIT */
/*
 * say.c - tell the user something from inside a program that is not ours.
 *
 * Promise: a line is written at once, so that those of several processes do
 * not mix.
 * Context: any: no stdio, no malloc, errno untouched.
 */
#include <stdarg.h>
#include <string.h>

#include "base/syscall.h"
#include "preload/preload.h"

void pl_say(const char *part, ...)
{
	char line[1024] = "mfill: ";
	size_t n = strlen(line);
	va_list args;

	if (pl_run.quiet)
		return;
	va_start(args, part);
	for (; part; part = va_arg(args, const char *)) {
		size_t len = strlen(part);

		if (len > sizeof(line) - 1 - n)
			len = sizeof(line) - 1 - n;
		memcpy(line + n, part, len);
		n += len;
	}
	va_end(args);
	line[n++] = '\n';
	(void)mf_syscall(SYS_write, 2, (long)line, (long)n, 0, 0, 0);
}
