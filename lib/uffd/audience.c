/* SPDX-License-Identifier: MIT */
/*
 * audience.c - who wants to hear of a change of mappings.
 *
 * Promise: as in audience.h.
 * Context: as in audience.h.
 */
#include "uffd/audience.h"

#include "uffd/range.h"

void mf_audience_add(struct mf_audience *audience, uint32_t owner,
		     uint64_t feature)
{
	struct mf_uffd uffd;

	for (unsigned i = 0; i < audience->n; i++)
		if (audience->of[i].owner == owner)
			return;
	if (!mf_uffd_get_owner(owner, &uffd) || !(uffd.features & feature))
		return;
	audience->of[audience->n++] = uffd;
	mf_queue_begin_change(owner);
}

void mf_audience_gather(struct mf_audience *audience, uintptr_t start,
			size_t len, uint64_t feature)
{
	const struct mf_range *range = mf_range_next(start, len);

	for (; range; range = mf_range_after(range, start, len))
		mf_audience_add(audience, range->owner, feature);
}

void mf_audience_tell(const struct mf_audience *audience,
		      const struct uffd_msg *message)
{
	for (unsigned i = 0; i < audience->n; i++)
		(void)mf_queue_event(audience->of[i].owner,
				     audience->of[i].event, message, 0, -1);
}

void mf_audience_tell_unmap(const struct mf_audience *audience, uintptr_t start,
			    size_t len)
{
	const struct uffd_msg message = {
		.event = UFFD_EVENT_UNMAP,
		.arg.remove = { start, start + len },
	};

	mf_audience_tell(audience, &message);
}

void mf_audience_dismiss(const struct mf_audience *audience)
{
	for (unsigned i = 0; i < audience->n; i++)
		mf_queue_end_change(audience->of[i].owner);
}
