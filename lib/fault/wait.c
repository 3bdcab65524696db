/* SPDX-License-Identifier: MIT */
/*
 * wait.c - sleep until somebody else has filled a page.
 *
 * Promise: 1. a wait whose filler died ends; 2. of the threads that would wait
 * for each other in a ring at least one gets -EDEADLK; 3. nobody gets it who
 * is not in a ring.
 * Context: any; no lock held.
 *
 * Who waits for whom is in the slots: slot.waits is the page a thread waits
 * for, slot.waits_owner the slot that fills it, slot.filling[] the pages a
 * thread has claimed. A thread waits for one page and a page has one filler,
 * so looking for a ring is following a chain.
 *
 *   2 holds because everybody publishes before looking, with a fence between:
 *     the last one of a ring to publish sees all of it. Without the fence two
 *     processors may each look before the other's store arrives.
 *   3 holds because the chain is walked twice and must be the same both times:
 *     a single walk may join a wait that is over with one that came after.
 *     Each wait has a number, so an old one cannot pass for a new one.
 */
#include "fault/wait.h"

#include <errno.h>

#include "base/lockrank.h"
#include "fault/cycle.h"

/* How long before the filler's life is checked. */
#define FIRST_SLICE_NS UINT64_C(20000000)
#define LAST_SLICE_NS  UINT64_C(500000000)

/* waits_owner: a number of the wait, and the slot plus one. */
#define OWNER_BITS 12
#define OWNER_MASK ((1U << OWNER_BITS) - 1)

static void publish(struct mf_slot *me, uint64_t page, uint32_t owner_plus_one)
{
	uint32_t seq = (mf_load_relaxed(&me->waits_owner) >> OWNER_BITS) + 1;

	mf_store_seq_cst(&me->waits_owner, seq << OWNER_BITS | owner_plus_one);
	mf_store_seq_cst(&me->waits, page);
}

void mf_wait_publish(struct mf_slot *me, uint64_t page)
{
	publish(me, page, 0);
	mf_fence();
}

void mf_wait_set_owner(struct mf_slot *waiter, uint64_t page,
		       struct mf_slot *owner)
{
	uint32_t old = mf_load_seq_cst(&waiter->waits_owner);

	if (mf_load_seq_cst(&waiter->waits) == page)
		(void)mf_cas(&waiter->waits_owner, &old,
			     (old & ~OWNER_MASK) | (mf_slot_index(owner) + 1));
	mf_fence();
}

struct mf_slot *mf_wait_owner(struct mf_slot *waiter)
{
	uint32_t owner = mf_load_seq_cst(&waiter->waits_owner) & OWNER_MASK;

	return owner ? mf_world_slot(mf_world(), owner - 1) : NULL;
}

void mf_wait_clear(struct mf_slot *me)
{
	mf_store_seq_cst(&me->waits, 0);
}

static bool fills(struct mf_slot *owner, uint64_t page)
{
	for (int i = 0; i < MF_SLOT_DEPTH; i++)
		if (mf_load_seq_cst(&owner->filling[i]) == page)
			return true;
	return false;
}

/* The owner is at work on the page, or is itself waiting for who is. */
static bool concerns(struct mf_slot *owner, uint64_t page)
{
	return mf_load_seq_cst(&owner->waits) == page || fills(owner, page);
}

/*
 * Follow the chain from the slot that fills my page. Returns whether it comes
 * back to me; *ret_sum is a digest of all that was read.
 */
static bool walk(uint32_t at, uint32_t me, uint64_t *ret_sum)
{
	struct mf_world *world = mf_world();
	uint64_t sum = 14695981039346656037U; /* FNV-1a */

	for (unsigned n = 0; n < MF_SLOTS; n++) {
		struct mf_slot *slot = mf_world_slot(world, at);
		uint64_t page;
		uint32_t owner;

		if (at == me) {
			*ret_sum = sum;
			return true;
		}
		page = mf_load_seq_cst(&slot->waits);
		owner = mf_load_seq_cst(&slot->waits_owner);
		if (!page || !(owner & OWNER_MASK))
			return false;
		sum = (sum ^ page) * 1099511628211U;
		sum = (sum ^ owner) * 1099511628211U;
		sum = (sum ^ at) * 1099511628211U;
		at = (owner & OWNER_MASK) - 1;
		if (!concerns(mf_world_slot(world, at), page))
			return false;
	}
	return false; /* a ring, but not through me: its members see it */
}

static bool closes_cycle(uint32_t owner, struct mf_slot *me)
{
	uint64_t first, second;

	return walk(owner, mf_slot_index(me), &first) &&
	       walk(owner, mf_slot_index(me), &second) && first == second;
}

/* Sleep once. 0: look at the word again. */
static int sleep_once(struct mf_store *store, uint32_t unit, uint32_t word,
		      struct mf_slot *me, uint64_t slice)
{
	struct mf_slot *owner = mf_world_slot(mf_world(), mf_page_owner(word));
	uint32_t *futex = &store->words[unit];

	/*
	 * The thread that claimed it died, and its slot is another's by now,
	 * or mine, which would look like a ring.
	 */
	if (!fills(owner, mf_page_ref(store, unit))) {
		(void)mf_page_take_over(store, unit, word);
		return 0;
	}
	if (closes_cycle(mf_page_owner(word), me)) {
		mf_cycle_tell(me);
		return -EDEADLK;
	}
	/*
	 * WAITERS goes in before sleeping and is part of what the kernel
	 * compares: a filler that settles in between changes the word, the
	 * kernel says -EAGAIN, and no wake-up is lost.
	 */
	if (!(word & MF_PAGE_WAITERS) &&
	    !mf_cas(futex, &word, word | MF_PAGE_WAITERS))
		return 0;
	if (mf_futex_wait(futex, word | MF_PAGE_WAITERS, slice,
			  MF_FUTEX_SHARED) == -ETIMEDOUT)
		(void)mf_page_take_over(store, unit, word | MF_PAGE_WAITERS);
	/* Woken, spuriously woken, interrupted: all mean look again. */
	return 0;
}

int mf_wait_unit(struct mf_store *store, uint32_t unit, uint32_t word,
		 struct mf_slot *me)
{
	uint64_t slice = FIRST_SLICE_NS;
	int r = 0;

	mf_might_fault("a wait for a page");
	mf_add_relaxed(&store->header->waits, 1);
	while (r == 0 && mf_page_state(word) == MF_PAGE_FILLING) {
		publish(me, mf_page_ref(store, unit), mf_page_owner(word) + 1);
		mf_fence();
		r = sleep_once(store, unit, word, me, slice);
		if (slice < LAST_SLICE_NS)
			slice *= 2;
		word = mf_page_word(store, unit);
	}
	mf_wait_clear(me);
	return r;
}

int mf_wait_stand_in(struct mf_store *store, uint32_t unit, uint32_t word,
		     struct mf_slot *waiter)
{
	struct mf_slot *owner = mf_world_slot(mf_world(), mf_page_owner(word));

	mf_add_relaxed(&store->header->waits, 1);
	if (!fills(owner, mf_page_ref(store, unit)) ||
	    !mf_slot_alive(mf_page_owner(word))) {
		(void)mf_page_take_over(store, unit, word);
		return -EBUSY;
	}
	if (!waiter)
		return -EBUSY;
	publish(waiter, mf_page_ref(store, unit), mf_page_owner(word) + 1);
	mf_fence();
	if (!closes_cycle(mf_page_owner(word), waiter))
		return -EBUSY;
	mf_cycle_tell(waiter);
	return -EDEADLK;
}

struct mf_slot *mf_wait_end(struct mf_slot *slot)
{
	for (unsigned n = 0; n < MF_SLOTS; n++) {
		uint64_t page = mf_load_seq_cst(&slot->waits);
		struct mf_slot *owner = mf_wait_owner(slot);

		if (!page)
			return NULL;
		if (!owner)
			return slot;
		if (!concerns(owner, page))
			return NULL;
		slot = owner;
	}
	return NULL; /* a ring, and its members see to it */
}

void mf_wait_stand_down(struct mf_slot *waiter, uint64_t page)
{
	(void)mf_cas(&waiter->waits, &page, 0);
}
