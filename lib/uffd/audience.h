/* SPDX-License-Identifier: MIT */
/*
 * audience.h - who wants to hear of a change of mappings.
 *
 * Promise: from when somebody is added until he has read of it, or is told
 * that there was none, nothing of his is filled; he hears of it once.
 * Context: not in a signal handler. To add: the write lock held. To tell:
 * nothing held, since it waits.
 */
#ifndef MF_UFFD_AUDIENCE_H
#define MF_UFFD_AUDIENCE_H

#include <stddef.h>

#include "uffd/queue.h"
#include "uffd/table.h"

struct mf_audience {
	struct mf_uffd of[MF_QUEUE_OWNERS];
	unsigned n;
};

/* Only if it has that UFFD_FEATURE_EVENT_*. */
void mf_audience_add(struct mf_audience *audience, uint32_t owner,
		     uint64_t feature);
/* All that have something registered in [start, start + len). */
void mf_audience_gather(struct mf_audience *audience, uintptr_t start,
			size_t len, uint64_t feature);
void mf_audience_tell(const struct mf_audience *audience,
		      const struct uffd_msg *message);
void mf_audience_tell_unmap(const struct mf_audience *audience, uintptr_t start,
			    size_t len);
/* There was no change. */
void mf_audience_dismiss(const struct mf_audience *audience);

#endif
