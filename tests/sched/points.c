/* SPDX-License-Identifier: MIT */
/*
 * points.c - where a thread stops, what it asks for, and what it did.
 *
 * Promise: see sched.h.
 */
#include "sched/thread.h"

/* Let others go on; a signal may be handled when this thread does. */
void mfx_yield(void)
{
	struct thread *t = &mfx_threads[mfx_current];

	mfx_leave();
	while (t->signalled) {
		mfx_handle_signal();
		mfx_leave();
	}
	mfx_mix(&t->history, 0); /* one step on in its program */
}

void mfx_point(const volatile void *what, bool writes)
{
	if (mfx_current < 0)
		return;
	mfx_check_alive(what);
	if (mfx_learn(what, writes))
		mfx_yield();
}

bool mfx_ask(const volatile void *what, bool (*may)(const volatile void *what))
{
	struct thread *t = &mfx_threads[mfx_current];

	mfx_check_alive(what);
	(void)mfx_learn(what, true);
	for (;;) {
		t->asked = what;
		t->may_refuse = may;
		t->refused = false;
		mfx_leave();
		t->may_refuse = NULL;
		if (!t->signalled)
			break;
		mfx_handle_signal();
	}
	mfx_mix(&t->history, 0); /* being refused is in the lock's queue */
	return t->refused;
}

void mfx_sleep(const char *why, bool (*ready)(int thread))
{
	struct thread *t = &mfx_threads[mfx_current];

	t->why = why;
	t->ready = ready;
	t->status = SLEEPING;
	mfx_leave(); /* no step on: what it slept for it might have had at once */
	t->status = READY;
	t->ready = NULL;
	t->why = NULL;
}

/* A word that nobody shares concerns nobody. */
void mfx_also(const volatile void *what, bool writes, enum mfx_kind kind)
{
	struct mfx_did *did = &mfx_run.did;
	const void *place = mfx_place(what);

	if (kind == MFX_WORD && !mfx_is_shared(what))
		return;
	for (unsigned i = 0; i < did->n; i++) {
		if (did->at[i].place != place || did->at[i].kind != kind)
			continue;
		did->at[i].writes |= writes;
		return;
	}
	if (did->n == sizeof(did->at) / sizeof(did->at[0])) {
		did->all = true;
		return;
	}
	did->at[did->n++] = (struct mfx_access){ place, (uint8_t)kind, writes };
}

void mfx_wake_thread(int thread)
{
	mfx_threads[thread].status = READY;
	mfx_threads[thread].waker = (int)mfx_run.steps - 1;
}

bool mfx_is_asleep(int thread)
{
	return mfx_threads[thread].status == SLEEPING;
}

int mfx_waker_of(int thread)
{
	return mfx_threads[thread].waker;
}

const char *mfx_waits_for(int thread)
{
	return mfx_threads[thread].why;
}

void mfx_set_masked(bool masked)
{
	if (mfx_current >= 0)
		mfx_threads[mfx_current].masked = masked;
}

bool mfx_masked(void)
{
	return mfx_current >= 0 && mfx_threads[mfx_current].masked;
}
