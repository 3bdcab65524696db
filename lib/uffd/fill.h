/* SPDX-License-Identifier: MIT */
/*
 * fill.h - put pages into a registered range, one after the other.
 *
 * Promise: nothing is put into a range that went away or changed while no lock
 * was held.
 * Context: not in a signal handler; no lock held.
 */
#ifndef MF_UFFD_FILL_H
#define MF_UFFD_FILL_H

#include <stdint.h>

#include "mm/mm.h"
#include "uffd/put.h"

struct mf_uffd_fill {
	struct mf_mm *mm;
	struct mf_slot *me;
	uint32_t owner; /* who fills */
	mf_put_fn *put; /* NULL: a copy */
	bool wp;	/* and writes are to be announced */
	uint64_t src;	/* of a copy */
	void *pages;	/* of ours, for that */
	bool checked;	/* what is filled may be */
};

/* Bytes done, or -errno when none are. */
int64_t mf_uffd_fill(struct mf_uffd_fill *fill, uint64_t start, uint64_t len);

#endif
