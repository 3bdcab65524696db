/* SPDX-License-Identifier: MIT */
/*
 * region.h - a range of addresses and what fills it.
 *
 * Promise: the table is a sorted array that is never changed, only replaced;
 * so a child of fork() finds a whole one, whatever the parent's other threads
 * were doing.
 * Context: table_insert and table_remove: not in a signal handler, the write
 * lock held. find: any, the read lock held.
 */
#ifndef MF_MM_REGION_H
#define MF_MM_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/page.h"

struct mf_region;

/*
 * How pages are hidden and shown: one file in lib/backends each.
 *
 * Promise: a page that open() was not called for is not readable; open() is
 * idempotent.
 * Context: reserve, release and probe: not in a signal handler. open: any, the
 * read lock held: it waits for nobody but another opener of the same 2 MiB.
 */
struct mf_backend {
	const char *name;
	int id; /* enum mfill_backend */
	/*
	 * The region's view is mapped PROT_NONE: get ready to open pieces of
	 * it. On failure nothing stays behind.
	 */
	int (*reserve)(struct mf_region *region);
	void (*release)(struct mf_region *region);
	/* Show [offset, offset + len), whole pages, all of them filled. */
	int (*open)(struct mf_region *region, uint64_t offset, uint64_t len);
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

struct mf_region {
	uintptr_t start;
	size_t len;	     /* whole pages */
	uint64_t generation; /* mmap_lock; 0 once unmapped, never reused */
	uint32_t refs;	     /* the table's, and one per fill under way */
	int prot;	     /* PROT_* of an open page */
	int delivery;	     /* enum mfill_delivery, resolved */
	uint64_t readahead;  /* most bytes ahead; 0: none */
	struct mf_store *store;
	const struct mf_backend *backend;
	void *backend_data; /* the backend's, freed by its release() */
	/* Of a sequential reader: racy, only hints. */
	uint32_t next_unit;	     /* it would touch next */
	uint32_t ahead_to;	     /* asked for already */
	struct mf_region *next_dead; /* mm.c: waiting for normal context */
};

struct mf_region_table {
	size_t n;
	struct mf_region *regions[]; /* by start */
};

/* A new table with or without the region. NULL: no memory. */
struct mf_region_table *mf_table_with(const struct mf_region_table *table,
				      struct mf_region *region);
struct mf_region_table *mf_table_without(const struct mf_region_table *table,
					 const struct mf_region *region);
/* The region that holds addr, or NULL. */
struct mf_region *mf_table_find(const struct mf_region_table *table,
				uintptr_t addr);

#endif
