/* SPDX-License-Identifier: MIT */
/*
 * fault.h - an address is wanted: find out whose it is, and get it filled.
 *
 * Promise: no lock is held while a source is read or a page is waited for;
 * what was looked up before is looked up again afterwards.
 * Context: any, signal handlers included; asynchronous signals blocked.
 */
#ifndef MF_FAULT_FAULT_H
#define MF_FAULT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/mm.h"

enum mf_access {
	MF_ACCESS_UNKNOWN,
	MF_ACCESS_READ,
	MF_ACCESS_WRITE,
	MF_ACCESS_EXEC,
};

/*
 * Make the page at addr readable (or writable) for this process.
 *
 *   0        it is, or was already: run the instruction again
 *   -ENOENT  not a region of ours
 *   -EACCES  ours, but not for that kind of access
 *   -EAGAIN  the region went away meanwhile: look again
 *   else     the source's error, -EDEADLK, -ENOMEM
 */
int mf_fault(uintptr_t addr, enum mf_access access);

/*
 * A fault that the kernel told us of by a message: waiter is the slot of the
 * thread that sleeps in the kernel, or NULL. The caller holds a reference on
 * the region. Never waits for another thread's fill:
 *
 *   0        the page is there, and who waited is awake
 *   -EBUSY   somebody is filling it: try again in a moment
 *   else     as mf_fault()
 */
int mf_fault_message(struct mf_mm *mm, struct mf_slot *me,
		     struct mf_region *region, uint64_t generation,
		     uintptr_t addr, struct mf_slot *waiter);

/*
 * As mfill_copy_nofault(): also where the kernel would wait for a handler
 * thread, whatever is switched off.
 */
size_t mf_fault_copy(void *dst, const void *src, size_t len);

/*
 * Fill one unit, in this thread, waiting if another does. The caller holds a
 * reference on the region, or without one (NULL) on the store. ahead: nobody
 * asked for it yet. 1: it is filled and open in the region.
 */
int mf_fault_unit(struct mf_mm *mm, struct mf_slot *me, struct mf_store *store,
		  struct mf_region *region, uint64_t generation, uint32_t unit,
		  bool ahead);

/*
 * Fill and open what the region has in [start, start + len) because the caller
 * says so and not because of a fault: always in this thread, which may block.
 */
int mf_fault_require(struct mf_mm *mm, struct mf_slot *me,
		     struct mf_region *region, uint64_t generation,
		     uintptr_t start, size_t len);

/*
 * Fill one unit of a store because the caller needs its bytes, whether it is
 * mapped or not: in this thread, which may block. Counted as a fault when it
 * was missing.
 */
int mf_fault_store(struct mf_mm *mm, struct mf_slot *me, struct mf_store *store,
		   uint32_t unit);

#endif
