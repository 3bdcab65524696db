/* SPDX-License-Identifier: MIT */
/*
 * fill.h - put bytes where a fault is waiting for them.
 *
 * Promise: another thread sees the whole new page or still faults; nothing is
 * put into a region that went away or changed while no lock was held; no lock
 * is held across an access that can fault.
 * Context: any, signal handlers included.
 */
#ifndef MF_MM_FILL_H
#define MF_MM_FILL_H

#include <stdint.h>

#include "mm/mm.h"

/*
 * Fill a unit that the caller has claimed, from the store's source, and
 * publish it; on any failure the claim is given up. The caller holds a
 * reference on the region and no lock. Without a region (NULL) the store alone
 * is filled, on which the caller holds a reference.
 *
 * buf: room for the unit, memory of ours that does not fault.
 *
 *   0        it is filled
 *   1        and open in this process, all of it
 *   -EAGAIN  the region is not the one of that generation any more
 */
int mf_fill_source(struct mf_mm *mm, struct mf_slot *me, struct mf_store *store,
		   struct mf_region *region, uint64_t generation, uint32_t unit,
		   void *buf);

/*
 * Open what the region has of the filled units first to last, in this process.
 * -EAGAIN as above.
 */
int mf_fill_open(struct mf_mm *mm, struct mf_slot *me, struct mf_region *region,
		 uint64_t generation, uint32_t first, uint32_t last);

/*
 * Make the page at addr readable, as a fault there would, or say why not:
 * mf_fault() of lib/fault, handed down. Called with no lock held.
 */
typedef int mf_fault_in_fn(uintptr_t addr);

/*
 * Fill missing pages by copying memory, as UFFDIO_COPY does; dst and len are
 * whole pages, src need not be aligned and may itself be missing. Stops at
 * the first failure. Returns the bytes done, or -errno when there are none:
 *
 * -EINVAL  unaligned, empty; the region's fill unit is more than one page
 * -ENOENT  [dst, dst + len) is not inside one region
 * -EEXIST  the page is there already
 * -EAGAIN  the region changed during an unlocked copy, src was evicted again
 *          and again, or somebody else is filling the page
 * -EFAULT  src cannot be read
 * or what filling src returned.
 */
int64_t mf_fill_copy(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		     uintptr_t src, size_t len, mf_fault_in_fn *fault_in);
/* The same with zeros, and with poison: a touch then fails with SIGBUS. */
int64_t mf_fill_zero(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		     size_t len);
int64_t mf_fill_poison(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		       size_t len);

#endif
