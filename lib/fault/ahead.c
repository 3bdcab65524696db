/* SPDX-License-Identifier: MIT */
/*
 * ahead.c - have another process fill what a sequential reader reads next.
 *
 * Promise: as in ahead.h.
 * Context: touch: any. The rest: threads of who reads ahead.
 *
 * A wish is one word: the units from first up to, but not including, end.
 * Who fulfils it takes one unit off at a time, so several can share the work,
 * and a reader that has got further replaces it by a newer one.
 */
#include "fault/ahead.h"

#include "base/sync.h"
#include "fault/fault.h"
#include "mm/mm.h"

#define wish_of(first, end) ((uint64_t)(first) << 32 | (end))
#define wish_first(wish)    ((uint32_t)((wish) >> 32))
#define wish_end(wish)	    ((uint32_t)(wish))

/* In a row, before anything is read ahead: neighbours are met by chance. */
#define STEPS_LEAST 2
/* Then one unit, and twice as many each time, up to what was offered. */
#define STEPS_MOST 20

void mf_ahead_offer(struct mf_store *store, uint64_t most)
{
	uint64_t units = most / store->unit;

	if (units > store->n_units)
		units = store->n_units;
	mf_store_relaxed(&store->header->ahead_most,
			 units ? (uint32_t)units : 1);
}

static void wish(struct mf_store *store, struct mf_slot *me, uint32_t first,
		 uint32_t end)
{
	struct mf_ahead *ahead = mf_world_ahead(mf_world());
	uint32_t i = mf_slot_index(me) % MF_WISHES;

	mf_store_seq_cst(&store->header->wishes[i], wish_of(first, end));
	mf_fetch_add(&ahead->work, 1);
	/* pairs with the order in serve_or_sleep() */
	if (mf_load_seq_cst(&ahead->sleeping))
		mf_futex_wake(&ahead->work, INT_MAX, MF_FUTEX_SHARED);
}

/* How far ahead after so many steps in a row. */
static uint32_t window_after(uint32_t steps, uint32_t most)
{
	uint32_t window;

	if (steps < STEPS_LEAST)
		return 0;
	if (steps - STEPS_LEAST >= STEPS_MOST)
		return most;
	window = 1U << (steps - STEPS_LEAST);
	return window < most ? window : most;
}

/* The state is of this process, racy, and only hints. */
void mf_ahead_touch(struct mf_store *store, struct mf_slot *me, uint32_t first,
		    uint32_t last)
{
	uint32_t most = mf_load_relaxed(&store->header->ahead_most);
	uint32_t next = mf_load_relaxed(&store->ahead.next);
	uint32_t steps, window, to;

	/* Nobody would do it; or still in the unit of before. */
	if (most == 0 || last + 1 == next)
		return;
	mf_store_relaxed(&store->ahead.next, last + 1);
	/* The very first one is behind nothing. */
	if (next == 0 || (first != next && first + 1 != next)) {
		mf_store_relaxed(&store->ahead.steps, 0);
		mf_store_relaxed(&store->ahead.to, last);
		return;
	}
	steps = mf_load_relaxed(&store->ahead.steps) + 1;
	mf_store_relaxed(&store->ahead.steps, steps);
	window = window_after(steps, most);
	to = mf_load_relaxed(&store->ahead.to);
	if (to < last)
		to = last;
	/* More than half of the window is still to come. */
	if (window == 0 || to - last > window / 2)
		return;
	next = store->n_units - 1 - last > window ? last + window
						  : store->n_units - 1;
	if (next <= to)
		return;
	mf_store_relaxed(&store->ahead.to, next);
	wish(store, me, to + 1, next + 1);
}

/* Take a unit off a wish. */
static bool take(struct mf_store *store, uint32_t *ret)
{
	for (int i = 0; i < MF_WISHES; i++) {
		uint64_t *wish = &store->header->wishes[i];
		uint64_t seen = mf_load_seq_cst(wish), rest;

		while (wish_first(seen) < wish_end(seen)) {
			*ret = wish_first(seen);
			rest = wish_of(*ret + 1, wish_end(seen));
			if (mf_cas(wish, &seen, rest))
				return *ret < store->n_units;
		}
	}
	return false;
}

/* An error is found again, and told, by whoever needs the bytes. */
static bool serve_one(struct mf_store *const *stores, unsigned n)
{
	uint32_t unit;

	for (unsigned i = 0; i < n; i++) {
		if (!take(stores[i], &unit))
			continue;
		(void)mf_fault_unit(mf_mm_self(), mf_slot_self(), stores[i],
				    NULL, 0, unit, true);
		return true;
	}
	return false;
}

/*
 * 1. sleeping is raised; 2. wishes are looked for; 3. sleep while work is what
 * it was before 1. Who wishes stores the wish, raises work, then looks at
 * sleeping: it sees it, or its wish is found in 2, or work has changed in 3.
 */
static void serve_or_sleep(struct mf_store *const *stores, unsigned n)
{
	struct mf_ahead *ahead = mf_world_ahead(mf_world());
	uint32_t seen = mf_load_seq_cst(&ahead->work);

	mf_fetch_add(&ahead->sleeping, 1);
	if (!serve_one(stores, n))
		(void)mf_futex_wait(&ahead->work, seen, 0, MF_FUTEX_SHARED);
	mf_fetch_sub(&ahead->sleeping, 1);
}

_Noreturn void mf_ahead_serve(struct mf_store *const *stores, unsigned n)
{
	for (;;)
		if (!serve_one(stores, n))
			serve_or_sleep(stores, n);
}
