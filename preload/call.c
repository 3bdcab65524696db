/* SPDX-License-Identifier: MIT */
/*
 * call.c - system calls on memory of ours, made for the program.
 *
 * Promise: as in call.h.
 * Context: as in call.h.
 */
#include "preload/call.h"

#include <pthread.h>
#include <sys/single_threaded.h>

#include "preload/touch.h"

/*
 * As libc does it: the thread may be cancelled anywhere in here, and nothing
 * is done but the call. (Since 2.41 libc has another way for itself, but this
 * one still works.)
 */
static long cancellable(long nr, const unsigned long args[6])
{
	int type;
	long r;

	(void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	r = pl_syscall(nr, args);
	(void)pthread_setcanceltype(type, NULL);
	return r;
}

long pl_call(long nr, const unsigned long args[6])
{
	return __libc_single_threaded ? pl_syscall(nr, args)
				      : cancellable(nr, args);
}

/* What a call has for us. */
enum {
	POINTER = 1, /* into the arena: the filter would catch it */
	ARRAY = 2,   /* and who knows where that leads */
};

static unsigned look(long nr, const unsigned long args[6])
{
	const struct pl_call *call = &pl_calls[nr];
	unsigned found = mf_uffd_has_ranges() ? ARRAY : 0;

	for (int i = 0; i < PL_CALL_ARGS && call->args[i].what; i++) {
		const struct pl_arg *arg = &call->args[i];

		if (pl_in_arena((const void *)args[arg->at]))
			found |= POINTER;
		if (arg->what == PL_ADDRESS &&
		    pl_in_arena((const void *)args[arg->len]))
			found |= POINTER;
		if (pl_is_array(arg->what))
			found |= ARRAY;
	}
	return found;
}

long pl_call_wrapped(long nr, const unsigned long args[6])
{
	unsigned found = look(nr, args);

	if (!found)
		return PL_NOT_CALLED;
	if (pl_call_touch(nr, args) < 0)
		return -EFAULT;
	if (found & POINTER || pl_filter_catches_arrays)
		return pl_call(nr, args);
	return PL_NOT_CALLED;
}
