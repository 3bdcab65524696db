/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - keep a descriptor open, whatever the program closes.
 *
 * Promise: as in keeper.h.
 * Context: as in keeper.h. What a keeper is asked to do must not wait.
 */
#include "backends/keeper.h"

#include <pthread.h>
#include <stddef.h>

#include "base/sync.h"
#include "base/sys.h"
#include "mm/mm.h"

enum { STARTING, RUNNING, FAILED };

/* In the frame of who asks. */
struct mf_ask {
	struct mf_ask *next;
	long (*fn)(int fd, void *arg);
	void *arg;
	long result;
	uint32_t done; /* futex */
};

static void tell_state(struct mf_keeper *keeper, uint32_t state)
{
	mf_store_seq_cst(&keeper->state, state);
	mf_futex_wake(&keeper->state, INT_MAX, MF_FUTEX_LOCAL);
}

static void answer(struct mf_keeper *keeper, struct mf_ask *ask)
{
	ask->result = ask->fn(keeper->fd, ask->arg);
	/*
	 * From the store on who asked may go on and the frame be gone, so the
	 * wake-up is for an address that may be anything: that is allowed.
	 */
	mf_store_seq_cst(&ask->done, 1);
	mf_futex_wake(&ask->done, 1, MF_FUTEX_LOCAL);
}

static void *keeper_main(void *arg)
{
	struct mf_keeper *keeper = arg;
	int r = mf_sys.keep_only(keeper->fd);

	keeper->error = r;
	tell_state(keeper, r < 0 ? FAILED : RUNNING);
	if (r < 0)
		return NULL;
	(void)pthread_setname_np(pthread_self(), "mfill-keeper");
	for (;;) {
		uint32_t seen = mf_load_seq_cst(&keeper->asked);
		struct mf_ask *ask = mf_xchg(&keeper->asks, NULL);

		/* What comes after the exchange has changed the number. */
		if (!ask)
			(void)mf_futex_wait(&keeper->asked, seen, 0,
					    MF_FUTEX_LOCAL);
		while (ask) {
			struct mf_ask *next = ask->next;

			answer(keeper, ask);
			ask = next;
		}
	}
}

int mf_keeper_start(struct mf_keeper *keeper, int fd)
{
	int r;

	keeper->fd = fd;
	mf_store_seq_cst(&keeper->asks, NULL);
	mf_store_seq_cst(&keeper->state, STARTING);
	/* A new thread inherits the mask: ours take no signals. */
	mf_signals_block();
	r = mf_sys.thread_create(keeper_main, keeper);
	mf_signals_restore();
	if (r < 0)
		return r;
	while (mf_load_seq_cst(&keeper->state) == STARTING)
		(void)mf_futex_wait(&keeper->state, STARTING, 0,
				    MF_FUTEX_LOCAL);
	return mf_load_seq_cst(&keeper->state) == RUNNING ? 0 : keeper->error;
}

long mf_keeper_do(struct mf_keeper *keeper, long (*fn)(int fd, void *arg),
		  void *arg)
{
	struct mf_ask ask = { .fn = fn, .arg = arg };

	ask.next = mf_load_seq_cst(&keeper->asks);
	while (!mf_cas(&keeper->asks, &ask.next, &ask))
		;
	mf_fetch_add(&keeper->asked, 1);
	mf_futex_wake(&keeper->asked, 1, MF_FUTEX_LOCAL);
	while (!mf_load_seq_cst(&ask.done))
		(void)mf_futex_wait(&ask.done, 0, 0, MF_FUTEX_LOCAL);
	return ask.result;
}
