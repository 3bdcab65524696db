/* SPDX-License-Identifier: MIT */
/*
 * region.h - a range of addresses and what fills it.
 *
 * Promise: the table is a sorted array that is never changed, only replaced;
 * so a child of fork() finds a whole one, whatever the parent's other threads
 * were doing.
 * Context: new: not in a signal handler. find: any, the read lock held.
 */
#ifndef MF_MM_REGION_H
#define MF_MM_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/page.h"

struct mf_region;
struct mf_view;

/*
 * How pages are hidden and shown: one file in lib/backends each.
 *
 * Promise: a page that open() was not called for is not readable; open() is
 * idempotent.
 * Context: open, copy: any, the read lock held: they wait for nobody but
 * another opener. settle and protect: the write lock held. The rest:
 * not in a signal handler.
 */
struct mf_backend {
	const char *name;
	int id; /* enum mfill_backend */
	/*
	 * The view is mapped PROT_NONE: get ready to open pieces of it. With
	 * like, a view of the same range and with the same pages open, for a
	 * piece that is to have another protection. On failure nothing stays
	 * behind.
	 */
	int (*reserve)(struct mf_view *view, const struct mf_view *like);
	void (*release)(struct mf_view *view);
	/* Show [start, start + len), whole pages in the region, all filled. */
	int (*open)(struct mf_region *region, uintptr_t start, size_t len);
	/*
	 * NULL: cannot. Put bytes into the store, which has none there, and
	 * show them in one go: all of [start, start + len). On failure the
	 * store may have some of them, and open() must be called.
	 */
	int (*copy)(struct mf_region *region, uintptr_t start, size_t len,
		    const void *buf);
	/*
	 * The region is to be split here: have nothing that lies across. NULL:
	 * nothing ever does.
	 */
	int (*settle)(struct mf_region *region, uintptr_t split);
	/* view->prot has changed: see to the open pages of the region. */
	int (*protect)(struct mf_region *region);
	/*
	 * How many units around this one, aligned, should be filled and opened
	 * together, so that the kernel's limit on mappings is never reached.
	 * NULL: one.
	 */
	uint32_t (*span)(struct mf_region *region, uint32_t unit,
			 uint32_t *ret_first);
	/* 0: works here, else -errno. Tries it out. */
	int (*probe)(void);
};

/* Part of a store, mapped somewhere: what one mmap() made. */
struct mf_view {
	uint32_t refs; /* of its regions */
	uintptr_t start;
	size_t len;	    /* whole pages */
	int prot;	    /* PROT_* of an open page; mmap_lock */
	bool shared;	    /* MAP_SHARED of the store; else MAP_PRIVATE */
	int delivery;	    /* enum mfill_delivery, resolved */
	uint64_t readahead; /* most bytes ahead; 0: none */
	struct mf_store *store;
	uint64_t store_offset; /* of start; whole pages */
	const struct mf_backend *backend;
	void *backend_data; /* the backend's, freed by its release() */
	/* Of a sequential reader: racy, only hints. */
	uint32_t next_unit; /* it would touch next */
	uint32_t ahead_to;  /* asked for already */
};

/* A piece of a view that is still mapped; at first, all of it. */
struct mf_region {
	uintptr_t start;
	size_t len;
	uint64_t generation; /* mmap_lock; 0 once gone, never reused */
	uint32_t refs;	     /* the table's, and one per fill under way */
	struct mf_view *view;
	struct mf_region *next_dead; /* mm.c: waiting for normal context */
};

/* Where an address of the region is in the store. */
static inline uint64_t mf_region_offset(const struct mf_region *region,
					uintptr_t addr)
{
	return addr - region->view->start + region->view->store_offset;
}

static inline uint32_t mf_region_unit(const struct mf_region *region,
				      uintptr_t addr)
{
	return mf_store_unit_at(region->view->store,
				mf_region_offset(region, addr));
}

/* What the region shows of a unit that it has some of. */
uintptr_t mf_region_of_unit(const struct mf_region *region, uint32_t unit,
			    size_t *ret_len);

struct mf_region_table {
	size_t n, capacity;
	struct mf_region *regions[]; /* by start */
};

/* An empty table with room for so many. NULL: no memory. */
struct mf_region_table *mf_table_new(size_t capacity);
/*
 * What table (may be NULL) holds goes into the empty one, except what touches
 * [start, start + len).
 */
void mf_table_copy(struct mf_region_table *to,
		   const struct mf_region_table *table, uintptr_t start,
		   size_t len);
/* Into a table that nobody else sees yet, with room for it. */
void mf_table_add(struct mf_region_table *table, struct mf_region *region);

static inline bool mf_region_touches(const struct mf_region *region,
				     uintptr_t start, size_t len)
{
	return region->start < start + len &&
	       start < region->start + region->len;
}

/* The region that holds addr, or NULL. */
struct mf_region *mf_table_find(const struct mf_region_table *table,
				uintptr_t addr);

#endif
