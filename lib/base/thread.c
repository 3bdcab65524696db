/* SPDX-License-Identifier: MIT */
/*
 * thread.c - start a thread of our own.
 *
 * Promise: as in thread.h.
 *
 * Starts and forks wait for each other, but not for ever: the memory for a
 * thread may come from an allocator of the program's whose fork handler holds
 * its locks by then. After that long a child is as it would be without this.
 */
#include "base/thread.h"

#include <pthread.h>

#include "base/forkgen.h"
#include "base/last.h"
#include "base/sync.h"

/* One word: the starts under way, and above that the forks. */
#define START	    1U
#define FORK	    0x10000U
#define STARTS	    0xffffU
#define PATIENCE_NS UINT64_C(1000000000)

static uint32_t under_way;

/* False: for long, the word is still that. */
static bool wait_while(uint32_t word)
{
	return mf_futex_wait(&under_way, word, PATIENCE_NS, MF_FUTEX_LOCAL) !=
	       -ETIMEDOUT;
}

static void take_away(uint32_t what)
{
	mf_fetch_sub(&under_way, what);
	mf_futex_wake(&under_way, INT_MAX, MF_FUTEX_LOCAL);
}

static void begin_start(void)
{
	uint32_t word;

	do {
		word = mf_load_seq_cst(&under_way);
		while (word < FORK)
			if (mf_cas(&under_way, &word, word + START))
				return;
	} while (wait_while(word));
	mf_fetch_add(&under_way, START);
}

static void before_fork(void)
{
	uint32_t word = mf_fetch_add(&under_way, FORK) + FORK;

	while (word & STARTS && wait_while(word))
		word = mf_load_seq_cst(&under_way);
}

static void after_fork(void)
{
	take_away(FORK);
}

static void in_child(void)
{
	mf_store_seq_cst(&under_way, 0);
}

/*
 * Early: the last to run before a fork, when nobody else's handler starts
 * anything any more, and the first after it.
 */
__attribute__((constructor(102))) static void handle_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, in_child);
}

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

static int start_thread(void *(*fn)(void *arg), void *arg)
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
	return -r;
}

int mf_thread_start(void *(*fn)(void *arg), void *arg)
{
	uint32_t process = mf_fork_generation();
	int r;

	begin_start();
	r = start_thread(fn, arg);
	/* A signal handler may have forked, and in the child none is counted */
	if (process == mf_fork_generation())
		take_away(START);
	if (r == 0)
		mf_last_have_threads();
	return r;
}
