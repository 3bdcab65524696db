/* SPDX-License-Identifier: MIT */
/*
 * look.h - what a fault in a registered range is about.
 *
 * Context: any; the read lock held.
 */
#ifndef MF_UFFD_LOOK_H
#define MF_UFFD_LOOK_H

#include "fault/fault.h"
#include "uffd/range.h"

enum mf_range_fault {
	MF_RANGE_RETRY,	  /* none any more */
	MF_RANGE_FOREIGN, /* not our doing */
	MF_RANGE_POISON,
	MF_RANGE_MISSING,
	MF_RANGE_MINOR,
	MF_RANGE_WP,
};
/* addr is in the range; under the page lock. */
enum mf_range_fault mf_range_look(struct mf_range *range, uintptr_t addr,
				  enum mf_access access);

/*
 * A fault in no range: was it while a page was hidden, or closed, that is not
 * registered (any more)? Else it is not our doing.
 */
bool mf_range_is_late(uintptr_t addr, enum mf_access access);

#endif
