/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the locks of this process by their addresses, and their classes.
 *
 * Promise: a lock is found for as long as nobody destroys it; one that there
 * is no room for is not checked, and counted.
 * Context: any, signal handlers included, once started.
 */
#ifndef MF_CHECK_LOCK_H
#define MF_CHECK_LOCK_H

#include <stddef.h>

#include "check/table.h"

struct mf_check_lock {
	uint64_t address; /* 0: free, 1: free again */
	uint64_t id;	  /* of this one among all there ever were */
	uint32_t class;	  /* plus one; 0: not known yet */
	uint32_t flags;	  /* MF_CHECK_* */
};

/* Not the concern of the checker: mfill's own way to notice deaths. */
#define MF_CHECK_IGNORED 0x10000U
/* In memory that other processes share. */
#define MF_CHECK_PSHARED 0x20000U

int mf_check_locks_begin(struct mf_check_table *table);

/*
 * The lock at that address; made when nobody has seen it yet, of that kind,
 * by or for the code at pc. NULL: no room.
 */
struct mf_check_lock *mf_check_lock_get(const void *address,
					enum mf_check_what what, uint32_t flags,
					const void *pc);
/* It was made just now: whatever was there before is something else. */
void mf_check_lock_made(const void *address, enum mf_check_what what,
			uint32_t flags, const void *pc);
/* NULL: nobody has seen it. */
struct mf_check_lock *mf_check_lock_find(const void *address);
void mf_check_lock_gone(const void *address);
/* All of them that are there: it is freed, and may be something else next. */
void mf_check_memory_gone(const void *memory, size_t len);
/* Whether that can be worth the while; may be true for nothing. */
bool mf_check_memory_has(const void *memory);

#endif
