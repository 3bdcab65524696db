/* SPDX-License-Identifier: MIT */
/*
 * wait.h - sleep until somebody else has filled a page.
 *
 * Promise: never for ever. A filler that died is noticed, and who would close
 * a cycle of waits is told so instead of sleeping.
 * Context: any; no lock held.
 */
#ifndef MF_FAULT_WAIT_H
#define MF_FAULT_WAIT_H

#include "mm/page.h"

/*
 * Wait while the unit is FILLING; word is how it was seen. 0: it is not any
 * more, claim it again. -EDEADLK: its filler waits, perhaps through others,
 * for a page that this thread is filling.
 */
int mf_wait_unit(struct mf_store *store, uint32_t unit, uint32_t word,
		 struct mf_slot *me);

/*
 * For a thread that has handed a fill to another and waits for that one: what
 * it waits for, and, once known, who does it. Until then nobody can see a
 * cycle through here; the one who takes the fill says so and then looks.
 */
void mf_wait_publish(struct mf_slot *me, uint64_t page);
void mf_wait_set_owner(struct mf_slot *waiter, uint64_t page,
		       struct mf_slot *owner);
void mf_wait_clear(struct mf_slot *me);
/* Who fills what the waiter waits for; NULL: not known yet. */
struct mf_slot *mf_wait_owner(struct mf_slot *waiter);

/*
 * For a thread that sleeps in the kernel (waiter, or NULL when nobody knows
 * which): the unit is FILLING, word is how it was seen. -EBUSY: not for ever,
 * look again later. -EDEADLK: its filler waits for the waiter.
 */
int mf_wait_stand_in(struct mf_store *store, uint32_t unit, uint32_t word,
		     struct mf_slot *waiter);
/* A page that some fault is about, which nobody has begun with. */
#define MF_WAIT_QUEUED UINT64_MAX
/*
 * Who waits for something that nobody has begun with, and this thread for him,
 * perhaps through others, or is him. NULL: it waits for nothing, or for what
 * somebody does. Any answer may be out of date; so ask about threads that
 * cannot go on.
 */
struct mf_slot *mf_wait_end(struct mf_slot *slot);
/* That thread waits for the page no longer. */
void mf_wait_stand_down(struct mf_slot *waiter, uint64_t page);

#endif
