/* SPDX-License-Identifier: MIT */
/*
 * queue.c - threads that wait for a page, and the messages about them.
 *
 * Promise: as in queue.h.
 * Context: any; the mutex is a leaf.
 *
 * The queue is the waiters themselves: there is no list of messages that could
 * hold one of a thread which is gone. The eventfd behind a descriptor is only
 * what poll() looks at: it holds 1 while there is a message, else nothing.
 */
#include "uffd/queue.h"

#include "base/mutex.h"
#include "base/sys.h"
#include "mm/mm.h"

/* As many threads as a world has slots for. */
#define WAITERS_MAX MF_SLOTS
/* How soon a signal is noticed: they are blocked in the handler. */
#define SLICE_NS UINT64_C(5000000)

enum state { FREE, UNREAD, READ, WOKEN };

struct mf_waiter {
	uint32_t state; /* enum state; futex; changed under queue_mutex */
	uint32_t owner;
	uint32_t epoch; /* the process of the thread */
	int event;
	uint64_t number; /* oldest first */
	uintptr_t addr;
	struct uffd_msg message;
};

static struct mf_mutex queue_mutex;
static struct mf_waiter waiters[WAITERS_MAX]; /* queue_mutex */
static unsigned n_waiters; /* queue_mutex; used ones are below */
static uint64_t last_number;

static void lock(void)
{
	mf_signals_block();
	mf_mutex_lock(&queue_mutex, MF_RANK_POOL);
}

static void unlock(void)
{
	mf_mutex_unlock(&queue_mutex, MF_RANK_POOL);
	mf_signals_restore();
}

/* A parent's threads are not here. */
static bool is_used(const struct mf_waiter *waiter)
{
	return waiter->state != FREE && waiter->epoch == mf_fork_generation();
}

/* Under the mutex: poll() sees whether there is a message. */
static void update_event(uint32_t owner, int event)
{
	uint64_t count = 1;

	for (unsigned i = 0; i < n_waiters; i++) {
		if (!is_used(&waiters[i]) || waiters[i].owner != owner ||
		    waiters[i].state != UNREAD)
			continue;
		(void)mf_sys.write(event, &count, sizeof(count));
		return;
	}
	(void)mf_sys.read(event, &count, sizeof(count));
}

struct mf_waiter *mf_queue_add(uint32_t owner, int event, uintptr_t addr,
			       const struct uffd_msg *message)
{
	struct mf_waiter *waiter = NULL;
	uint64_t one = 1;

	lock();
	for (unsigned i = 0; i < n_waiters && !waiter; i++)
		if (!is_used(&waiters[i]))
			waiter = &waiters[i];
	if (!waiter && n_waiters < WAITERS_MAX)
		waiter = &waiters[n_waiters++];
	if (waiter) {
		*waiter = (struct mf_waiter){
			.state = UNREAD,
			.owner = owner,
			.epoch = mf_fork_generation(),
			.event = event,
			.number = ++last_number,
			.addr = addr,
			.message = *message,
		};
		(void)mf_sys.write(event, &one, sizeof(one));
	}
	unlock();
	return waiter;
}

/* Under the mutex. */
static void set_free(struct mf_waiter *waiter)
{
	bool unread = waiter->state == UNREAD;

	mf_store_seq_cst(&waiter->state, FREE);
	if (unread)
		update_event(waiter->owner, waiter->event);
}

void mf_queue_remove(struct mf_waiter *waiter)
{
	lock();
	set_free(waiter);
	unlock();
}

/* A signal is there for this thread that mask lets through. */
static bool has_signal(const sigset_t *mask)
{
	uint64_t pending = 0, blocked;

	__builtin_memcpy(&blocked, mask, sizeof(blocked));
	(void)mf_syscall(SYS_rt_sigpending, (long)&pending, sizeof(pending), 0,
			 0, 0, 0);
	return pending & ~blocked;
}

void mf_queue_wait(struct mf_waiter *waiter, const sigset_t *mask)
{
	for (;;) {
		uint32_t state = mf_load_seq_cst(&waiter->state);

		if (state == WOKEN || has_signal(mask))
			break;
		(void)mf_futex_wait(&waiter->state, state, SLICE_NS,
				    MF_FUTEX_LOCAL);
	}
	mf_queue_remove(waiter);
}

void mf_queue_wake(uint32_t owner, uintptr_t start, size_t len)
{
	lock();
	for (unsigned i = 0; i < n_waiters; i++) {
		struct mf_waiter *waiter = &waiters[i];
		bool unread = waiter->state == UNREAD;

		if (!is_used(waiter) || waiter->state == WOKEN ||
		    waiter->addr - start >= len ||
		    (owner && waiter->owner != owner))
			continue;
		mf_store_seq_cst(&waiter->state, WOKEN);
		if (unread)
			update_event(waiter->owner, waiter->event);
		mf_futex_wake(&waiter->state, 1, MF_FUTEX_LOCAL);
	}
	unlock();
}

/* Under the mutex: the oldest that nobody has read, or NULL. */
static struct mf_waiter *oldest(uint32_t owner)
{
	struct mf_waiter *found = NULL;

	for (unsigned i = 0; i < n_waiters; i++)
		if (is_used(&waiters[i]) && waiters[i].owner == owner &&
		    waiters[i].state == UNREAD &&
		    (!found || waiters[i].number < found->number))
			found = &waiters[i];
	return found;
}

unsigned mf_queue_read(uint32_t owner, int event, struct uffd_msg *ret,
		       unsigned n)
{
	struct mf_waiter *waiter;
	unsigned count = 0;

	lock();
	while (count < n && (waiter = oldest(owner))) {
		ret[count++] = waiter->message;
		mf_store_seq_cst(&waiter->state, READ);
		/* It sleeps on the value before. */
		mf_futex_wake(&waiter->state, 1, MF_FUTEX_LOCAL);
	}
	if (count > 0)
		update_event(owner, event);
	unlock();
	return count;
}
