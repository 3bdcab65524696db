/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c - who called the code that takes a lock.
 *
 * Promise: addresses to which functions return, the innermost first, as far
 * as the program's unwind tables tell.
 * Context: normal context. The unwinder is linked in statically, so no library
 * is loaded for it; glibc 2.35 and later find the tables without a lock.
 */
#include <unwind.h>

#include "preload/backtrace.h"

struct trace {
	uintptr_t *at;
	unsigned n, most;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
	struct trace *trace = arg;

	if (trace->n == trace->most)
		return _URC_END_OF_STACK;
	trace->at[trace->n++] = (uintptr_t)_Unwind_GetIP(context);
	return _URC_NO_REASON;
}

unsigned pl_backtrace(uintptr_t *ret, unsigned most)
{
	struct trace trace = { ret, 0, most };

	(void)_Unwind_Backtrace(step, &trace);
	return trace.n;
}
