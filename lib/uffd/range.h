/* SPDX-License-Identifier: MIT */
/*
 * range.h - memory of the program's own whose missing pages are announced.
 *
 * Promise: pages that are there when a range is registered stay there; a page
 * that is put in is seen whole or not at all, by this process.
 * Context: register, unregister and drop: not in a signal handler. The rest:
 * any.
 *
 * A missing page is hidden by a guard marker, and what is there is asked of
 * the kernel, by /proc/self/pagemap: nothing is kept that could be wrong. How
 * bytes get in without being seen half done depends on the memory:
 *
 *   private, anonymous  through /proc/self/mem, while nobody has access
 *   shared              through a second mapping, made by mremap() of size 0
 */
#ifndef MF_UFFD_RANGE_H
#define MF_UFFD_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "fault/fault.h"

struct mf_range {
	uintptr_t start;
	size_t len;	     /* 0: unused */
	uint64_t generation; /* never that of another range */
	uint32_t owner;	     /* who registered it; 0: only poison is left */
	uint32_t epoch;	     /* the process that did */
	uint64_t mode;	     /* UFFDIO_REGISTER_MODE_* */
	bool shared;
	uintptr_t alias;	/* of start, where shared */
	uint64_t inode, offset; /* what is at start, where shared */
	/* A bit per page from poison_base on, shared with who was split off. */
	uint8_t *poison;
	uintptr_t poison_base;
	size_t poison_size;
};

/* 0, or why nothing of this works here: /proc, or guard markers. */
int mf_ranges_start(void);

/* As UFFDIO_REGISTER; *ret_ioctls as there. */
int mf_range_register(uint32_t owner, uintptr_t start, size_t len,
		      uint64_t mode, uint64_t *ret_ioctls);
/* As UFFDIO_UNREGISTER, without the wake-up. */
int mf_range_unregister(uint32_t owner, uintptr_t start, size_t len);
/* All that the owner has. */
void mf_range_drop(uint32_t owner);

/*
 * Around a fork, in the parent: no range is changed meanwhile. Nothing else is
 * kept from going on: a thread inside malloc() may be at a fault, and fork()
 * waits for malloc().
 */
void mf_ranges_freeze(void);
void mf_ranges_thaw(void);
/*
 * In the child: each range becomes the child owner's, or if there is none
 * (0), is dropped.
 */
void mf_ranges_enter_child(uint32_t (*child_of)(uint32_t owner));

/*
 * Under the read lock: the range at addr, or NULL; whether [start, start +
 * len) is registered as one.
 */
struct mf_range *mf_range_find(uintptr_t addr);
bool mf_range_has(uintptr_t start, size_t len);

/* Under the read lock: what a fault at addr, in the range, is. */
enum mf_range_fault {
	MF_RANGE_RETRY,	  /* none any more */
	MF_RANGE_FOREIGN, /* not our doing */
	MF_RANGE_POISON,
	MF_RANGE_MISSING,
	MF_RANGE_MINOR,
};
enum mf_range_fault mf_range_look(struct mf_range *range, uintptr_t addr,
				  enum mf_access access, bool hidden);

/*
 * Under the read lock, one page in the range: as the ioctls of the same name,
 * -errno where these store it. put: from a page of ours that does not fault.
 */
int mf_range_put(struct mf_range *range, uintptr_t addr, const void *bytes);
int mf_range_zero(struct mf_range *range, uintptr_t addr);
int mf_range_continue(struct mf_range *range, uintptr_t addr);
int mf_range_poison(struct mf_range *range, uintptr_t addr);

#endif
