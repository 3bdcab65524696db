/* SPDX-License-Identifier: MIT */
/*
 * rings.h - find the deadlocks that could have been.
 *
 * Promise: a ring is told only when each of its steps was seen, when whoever
 * waits in one step would be held up by the next one, and when no lock was
 * held in two of the steps that lets only one of them happen at a time.
 * Context: not in a signal handler. The table may be written meanwhile.
 */
#ifndef MF_CHECK_RINGS_H
#define MF_CHECK_RINGS_H

#include <stddef.h>

#include "check/table.h"

#define MF_CHECK_RING_MAX 16

struct mf_check_step {
	const struct mf_check_edge *edge;
	enum mf_check_mode held, wanted;
};

/* Step i wants what step i + 1 holds, and the last one what the first holds. */
struct mf_check_ring {
	unsigned n;
	struct mf_check_step step[MF_CHECK_RING_MAX];
};

/*
 * The shortest first, and none whose steps are all in shorter ones. *ret is
 * the caller's to free. The number of rings, or -ENOMEM.
 */
int mf_check_rings(const struct mf_check_table *table,
		   struct mf_check_ring **ret);

/*
 * Whether who waits for a lock of the class so is held up by who holds it so:
 * a reader waits for a reader only behind a queued writer.
 */
bool mf_check_blocks(const struct mf_check_class *class,
		     enum mf_check_mode wanted, enum mf_check_mode held);

#endif
