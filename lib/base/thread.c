/* SPDX-License-Identifier: MIT */
/*
 * thread.c - start a thread of our own.
 *
 * Promise: as in thread.h.
 */
#include "base/thread.h"

#include <pthread.h>

#include "base/last.h"
#include "base/sync.h"

struct start {
	void *(*fn)(void *arg);
	void *arg;
	uint32_t runs; /* futex */
};

static void *begin(void *arg)
{
	struct start *start = arg;
	void *(*fn)(void *) = start->fn;
	void *fn_arg = start->arg;
	uint32_t *runs = &start->runs;

	/*
	 * Pairs with the acquire in mf_thread_start(). Once it is stored, start
	 * may be gone: the address is only a number for the wake-up, which at
	 * worst wakes somebody in vain.
	 */
	mf_last_mark_thread();
	mf_store_release(runs, 1);
	mf_futex_wake(runs, 1, MF_FUTEX_LOCAL);
	return fn(fn_arg);
}

int mf_thread_start(void *(*fn)(void *arg), void *arg)
{
	struct start start = { .fn = fn, .arg = arg };
	pthread_t thread;
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return -r;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, begin, &start);
	pthread_attr_destroy(&attr);
	/* A wake-up for nothing, EAGAIN, EINTR: it is asked again. */
	while (r == 0 && !mf_load_acquire(&start.runs))
		(void)mf_futex_wait(&start.runs, 0, 0, MF_FUTEX_LOCAL);
	if (r == 0)
		mf_last_have_threads();
	return -r;
}
