/* SPDX-License-Identifier: MIT */
/*
 * range.h - memory of the program's own whose missing pages are announced.
 *
 * Promise: pages that are there when a range is registered stay there.
 * Context: register, unregister and drop: not in a signal handler. The rest:
 * any.
 *
 * The table is changed under the write lock of the process's mmap_lock, and
 * read under the read lock. What is put into a page, and what a page is, nests
 * in that: under mf_range_lock_pages().
 */
#ifndef MF_UFFD_RANGE_H
#define MF_UFFD_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/page.h"

/*
 * What we made of a page. Whether one that is not hidden is there, the kernel
 * says; one that is hidden is missing here (the file of a shared one may have
 * it).
 */
enum {
	MF_STATE_HIDDEN = 0x1,
	MF_STATE_POISON = 0x2, /* hidden for good: an error */
	MF_STATE_WP = 0x4,     /* a write is announced */
	/* Put in by us: it counts as there before anybody has touched it. */
	MF_STATE_INSTALLED = 0x8,
	MF_STATE_READ_ONLY = 0x10, /* how it is mapped, below a marker, too */
	MF_STATE_NO_ACCESS = 0x20, /* that hides it, and no marker */
};

static inline bool mf_state_is_marked(uint8_t state)
{
	return (state & (MF_STATE_HIDDEN | MF_STATE_NO_ACCESS)) ==
	       MF_STATE_HIDDEN;
}

struct mf_hider;

struct mf_range {
	uintptr_t start;
	size_t len;	     /* 0: unused */
	uint64_t generation; /* never that of another range */
	uint32_t owner;	     /* who registered it; 0: only poison is left */
	uint32_t epoch;	     /* the process that did */
	uint64_t mode;	     /* UFFDIO_REGISTER_MODE_* */
	uint64_t features;   /* UFFD_FEATURE_* of the owner */
	int prot;	     /* the program's, at registration */
	bool shared;
	const struct mf_hider *hider;
	uintptr_t alias; /* of start, where shared */
	uint64_t inode;	 /* of what is mapped, where shared */
	uint64_t offset; /* of start in that */
	uint8_t *state;	 /* of the page at start; page lock */
	/* Where states are, shared with who was split off. */
	void *states;
	size_t states_size;
};

/* 0, or why nothing of this works here: /proc. */
int mf_ranges_start(void);

/* As UFFDIO_REGISTER; *ret_ioctls as there. */
int mf_range_register(uint32_t owner, uint64_t features, uintptr_t start,
		      size_t len, uint64_t mode, uint64_t *ret_ioctls);
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
bool mf_range_is_owner(uint32_t owner); /* of any, while they are frozen */
/* A child is to have its ranges: note what is in them. Frozen. */
void mf_range_note_mapped(uint32_t owner);
void mf_ranges_thaw(void);
/* The rest of what changes ranges, between these two. */
void mf_ranges_write_lock(void);
void mf_ranges_write_unlock(void);
/*
 * The lowest range that touches [start, start + len), or NULL; and the next
 * one after that.
 */
struct mf_range *mf_range_next(uintptr_t start, size_t len);
struct mf_range *mf_range_after(const struct mf_range *range, uintptr_t start,
				size_t len);
/* A range that reaches over addr becomes two. */
int mf_range_split(uintptr_t addr);
/* Put together again what was split and is alike now. */
void mf_ranges_join(void);
/* It is not mapped any more; it is mapped, and not registered any more. */
void mf_range_forget(struct mf_range *range);
void mf_range_end(struct mf_range *range);
/* It is mapped there now. */
void mf_range_move(struct mf_range *range, uintptr_t start);
/* That was moved, and its place is mapped, empty, and registered as before. */
void mf_range_stay(const struct mf_range *moved);
/* The mapping of old_len bytes has become longer, and what it had goes on. */
void mf_range_grow(uintptr_t start, size_t old_len, size_t new_len);

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
/*
 * How far, up to end, the kernel would have one mapping from the range on, as
 * we know it. Under the read lock or the write lock.
 */
uintptr_t mf_range_reach(const struct mf_range *range, uintptr_t end);
/* Some of it is registered. */
bool mf_range_touches(uintptr_t start, size_t len);

static inline uint8_t *mf_range_state(const struct mf_range *range,
				      uintptr_t addr)
{
	return &range->state[(addr - range->start) / mf_page_size()];
}

/* Under the read lock. A leaf: nothing is waited for, nothing faults. */
void mf_range_lock_pages(void);
void mf_range_unlock_pages(void);

#endif
