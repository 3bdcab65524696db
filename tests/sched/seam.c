/* SPDX-License-Identifier: MIT */
/*
 * seam.c - what base/explore.h calls.
 *
 * Promise: an access does what the processor does, with its store buffer if
 * there is one; a futex does what the kernel does.
 */
#include <stdio.h>
#include <string.h>

#include "base/sync.h"
#include "sched/thread.h"

void mfx_flush_one(struct thread *t)
{
	struct store store = t->buffer[0];

	memmove(t->buffer, t->buffer + 1, sizeof(t->buffer) - sizeof(store));
	t->n_buffered--;
	memcpy((void *)(uintptr_t)store.p, &store.v, store.size);
}

void mfx_flush_all(struct thread *t)
{
	while (t->n_buffered)
		mfx_flush_one(t);
}

/* The thread has seen v: from here on it may do something else. */
static void saw(uint64_t v)
{
	if (mfx_current >= 0)
		mfx_mix(&mfx_threads[mfx_current].history, v);
}

static uint64_t read_memory(const volatile void *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, (const void *)(uintptr_t)p, size);
	return v;
}

static void write_memory(volatile void *p, size_t size, uint64_t v)
{
	memcpy((void *)(uintptr_t)p, &v, size);
}

/* To store what is there already is no more than to look at it. */
static void wrote(volatile void *p, size_t size, uint64_t v)
{
	uint64_t old = read_memory(p, size), new;

	write_memory(p, size, v);
	new = read_memory(p, size);
	mfx_also(p, old != new, MFX_WORD);
}

uint64_t mfx_load(const volatile void *p, size_t size, enum mfx_order order)
{
	uint64_t v;

	(void)order; /* x86 and the explorer load in order */
	mfx_point(p, false);
	mfx_also(p, false, MFX_WORD);
	v = read_memory(p, size);
	if (mfx_current >= 0) {
		struct thread *t = &mfx_threads[mfx_current];

		for (unsigned i = t->n_buffered; i-- > 0;) {
			if (t->buffer[i].p != p)
				continue;
			v = t->buffer[i].v;
			break;
		}
		if (mfx_is_shared(p))
			mfx_say("reads %s: %#llx", mfx_name_of(p),
				(unsigned long long)v);
	}
	saw(v);
	return v;
}

void mfx_store(volatile void *p, size_t size, uint64_t v, enum mfx_order order)
{
	struct thread *t = &mfx_threads[mfx_current < 0 ? 0 : mfx_current];
	bool buffered = mfx_current >= 0 && mfx_run.scenario->budget.tso &&
			order != MFX_SEQ_CST;

	mfx_point(p, true);
	if (mfx_current >= 0 && mfx_is_shared(p))
		mfx_say("writes %s: %#llx%s", mfx_name_of(p),
			(unsigned long long)v,
			buffered ? " (into its store buffer)" : "");
	if (mfx_current >= 0 && (!buffered || t->n_buffered == MFX_BUFFERED))
		mfx_flush_all(t);
	if (!buffered) {
		wrote(p, size, v);
		return;
	}
	t->buffer[t->n_buffered].p = p;
	t->buffer[t->n_buffered].size = size;
	t->buffer[t->n_buffered++].v = v;
}

/* All that locks the bus. */
static void bus_lock(volatile void *p)
{
	mfx_point(p, true);
	if (mfx_current >= 0)
		mfx_flush_all(&mfx_threads[mfx_current]);
}

uint64_t mfx_rmw(volatile void *p, size_t size, enum mfx_rmw op, uint64_t v)
{
	uint64_t old, new = v;

	bus_lock(p);
	old = read_memory(p, size);
	switch (op) {
	case MFX_XCHG:
		break;
	case MFX_ADD:
		new = old + v;
		break;
	case MFX_SUB:
		new = old - v;
		break;
	case MFX_OR:
		new = old | v;
		break;
	case MFX_AND:
		new = old &v;
		break;
	}
	wrote(p, size, new);
	new = read_memory(p, size);
	if (mfx_current >= 0 && mfx_is_shared(p))
		mfx_say("changes %s from %#llx to %#llx", mfx_name_of(p),
			(unsigned long long)old, (unsigned long long)new);
	saw(old);
	return old;
}

bool mfx_cas(volatile void *p, size_t size, void *expected, uint64_t v)
{
	uint64_t old, wanted = read_memory(expected, size);

	bus_lock(p);
	old = read_memory(p, size);
	mfx_also(p, false, MFX_WORD);
	if (old == wanted)
		wrote(p, size, v);
	else
		write_memory(expected, size, old);
	if (mfx_current >= 0 && mfx_is_shared(p))
		mfx_say(old == wanted ? "changes %s from %#llx to %#llx"
				      : "finds %s changed: %#llx, not %#llx",
			mfx_name_of(p), (unsigned long long)old,
			(unsigned long long)(old == wanted ? v : wanted));
	saw(old);
	return old == wanted;
}

void mfx_fence(void)
{
	if (mfx_current < 0 || !mfx_threads[mfx_current].n_buffered)
		return;
	mfx_yield();
	mfx_flush_all(&mfx_threads[mfx_current]);
}

/* Who sleeps on a word is not in the word. */
static const void *queue_of(const uint32_t *word)
{
	return (const char *)word + 1;
}

/* A wait of one that runs alone ends at once: nobody could end it. */
int mfx_futex_wait(uint32_t *word, uint32_t val, uint64_t timeout_ns)
{
	struct thread *t;

	if (mfx_current < 0) {
		if (++mfx_idle > MFX_IDLE)
			mfx_bug(MFX_DEADLOCK,
				"a thread that comes after all others waits "
				"for %s for ever",
				mfx_name_of(word));
		return -ETIMEDOUT;
	}
	t = &mfx_threads[mfx_current];
	mfx_check_alive(word);
	(void)mfx_learn(word, true);
	mfx_yield();
	mfx_flush_all(t);
	mfx_also(word, false, MFX_WORD);
	if (*(volatile uint32_t *)word != val) {
		mfx_say("would sleep on %s, but it has changed",
			mfx_name_of(word));
		saw(1);
		return -EAGAIN;
	}
	mfx_also(queue_of(word), true, MFX_QUEUE);
	mfx_say("sleeps on %s", mfx_name_of(word));
	t->futex = word;
	t->futex_val = val;
	t->timed = timeout_ns != 0;
	t->futex_result = 0;
	mfx_sleep("sleeps on", NULL);
	t->futex = NULL;
	if (t->signalled)
		mfx_handle_signal();
	saw((uint64_t)t->futex_result);
	return t->futex_result;
}

void mfx_futex_wake(uint32_t *word, int n)
{
	if (mfx_current >= 0) {
		mfx_check_alive(word);
		(void)mfx_learn(word, true);
		mfx_yield();
		mfx_flush_all(&mfx_threads[mfx_current]);
		mfx_say("wakes who sleeps on %s", mfx_name_of(word));
	}
	mfx_also(queue_of(word), true, MFX_QUEUE);
	for (int i = 0; i < mfx_n_threads && n > 0; i++) {
		struct thread *t = &mfx_threads[i];

		/* Static variables of the engine: each process has its own. */
		if (t->status != SLEEPING || t->futex != word ||
		    (mfx_is_own(word) && t->process != mfx_process_now))
			continue;
		t->futex = NULL;
		mfx_wake_thread(i);
		n--;
	}
}
