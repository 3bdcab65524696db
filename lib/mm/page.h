/* SPDX-License-Identifier: MIT */
/*
 * page.h - the page store: where a map's bytes are, and which are there.
 *
 * Promise: 1. a unit is read by others only after it was whole: FILLED is
 * stored after the bytes, and loaded before them; 2. at most one live claim
 * per unit; 3. a claim names its holder, and is taken over when that one died
 * or forgot it.
 * Context: new, attach, set_source and free: not in a signal handler. All
 * else: any.
 *
 * A store is one memfd: first the bytes, then a header with counters, then
 * one word per fill unit. All of it is shared memory, so whoever maps the
 * memfd shares the pages and their states. A fresh memfd is all zeros, which
 * is all MISSING; memory is used for what was filled and for its words.
 */
#ifndef MF_MM_PAGE_H
#define MF_MM_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "mfill.h"
#include "mm/kmap.h"
#include "mm/slot.h"
#include "mm/source.h"

/*
 * The page word: generation(16) owner(12) WAITERS WP state(2).
 * The generation counts claims, so that a word seen twice was not another
 * in between.
 */
#define MF_PAGE_STATE	    0x3U
#define MF_PAGE_MISSING	    0x0U
#define MF_PAGE_FILLING	    0x1U
#define MF_PAGE_FILLED	    0x2U
#define MF_PAGE_POISONED    0x3U
#define MF_PAGE_WP	    0x4U
#define MF_PAGE_WAITERS	    0x8U
#define MF_PAGE_OWNER_SHIFT 4
#define MF_PAGE_OWNER_MASK  0xfff0U
#define MF_PAGE_GEN_SHIFT   16

#define mf_page_state(word) ((word)&MF_PAGE_STATE)
#define mf_page_owner(word) (((word)&MF_PAGE_OWNER_MASK) >> MF_PAGE_OWNER_SHIFT)

/* As many readers at once may wish for something. */
#define MF_WISHES 8

/* Shared by all who map the store; counters are relaxed. */
struct mf_store_header {
	uint64_t faults, fills, filled_bytes, waits, errors, readahead;
	uint64_t given; /* bytes the source has; behind them are zeros */
	/* fault/ahead.c */
	uint32_t ahead_most; /* units; 0: nobody reads ahead */
	uint64_t wishes[MF_WISHES];
	uint64_t latency[MFILL_LATENCY_BUCKETS];
};

struct mf_store;

/*
 * Somebody wants the unit that begins at offset, and gets an error instead.
 * Called in whatever context, no lock held.
 */
typedef void mf_store_failed_fn(const struct mf_store *store, uint64_t offset,
				int error);

/* One process's handle on a store. Fixed when made, but for refs. */
struct mf_store {
	uint32_t id; /* unique in the world */
	uint32_t refs;
	int fd;
	uint64_t fd_ino; /* to notice that somebody closed our fd */
	uint64_t length; /* bytes of content; then zeros to the end of a page */
	uint64_t size;	 /* length rounded up to pages */
	/*
	 * The grid of fill units: unit i is the bytes from i * unit - lead,
	 * cut to [0, size). lead makes the grid the source's.
	 */
	uint64_t unit;
	uint64_t lead;
	uint32_t n_units;
	struct mf_kmap_space kmap;
	struct mf_store_header *header;
	uint32_t *words;
	struct mfill_source *source; /* a reference; NULL: none yet */
	uint64_t source_offset;	     /* of byte 0 */
	mf_store_failed_fn *failed;  /* NULL: nobody is told */
	/* Who called mfill_map(), for the checker; NULL: a map of a run. */
	const void *made_at;
	/* What fault/ahead.c thinks of this process as a reader: racy. */
	struct {
		uint32_t next; /* unit, if it goes on as it has begun */
		uint32_t steps;
		uint32_t to; /* the last one wished for */
	} ahead;
};

/* What another process must know to use a store. */
struct mf_store_description {
	uint64_t id, length, unit, source_offset;
};

/* source may be NULL: filled by hand, or set later. */
int mf_store_new(struct mfill_source *source, uint64_t offset, uint64_t length,
		 uint64_t unit, struct mf_store **ret);
void mf_store_describe(const struct mf_store *store,
		       struct mf_store_description *ret);
/*
 * A handle on a store that another process of the same world made. fd is its
 * memfd, and the handle's on success. -EPROTO: that is no such store.
 */
int mf_store_attach(int fd, const struct mf_store_description *what,
		    struct mf_store **ret);
/*
 * Where missing units come from, in this process: once, before the first is
 * needed. The store takes a reference. False: it has a source already.
 */
bool mf_store_set_source(struct mf_store *store, struct mfill_source *source);
/*
 * What is filled from now on has zeros from here on, whatever the source says:
 * a store longer than its source, or a file that was cut short. Only lowers.
 */
void mf_store_limit(struct mf_store *store, uint64_t given);
struct mf_store *mf_store_get(struct mf_store *store);
/* True when that was the last reference: then mf_store_free() is due. */
bool mf_store_unref(struct mf_store *store);
void mf_store_free(struct mf_store *store);

uint32_t mf_store_unit_at(const struct mf_store *store, uint64_t offset);
/* The bytes of a unit: [*ret_start, return value), cut to the store. */
uint64_t mf_store_unit_range(const struct mf_store *store, uint32_t unit,
			     uint64_t *ret_start);

/*
 * A program that closes every descriptor it did not open closes ours too, and
 * the number may be its own file by now: -EBADF.
 */
int mf_store_check(const struct mf_store *store);
/*
 * Put bytes into the store, without a mapping. 0, or -errno; -EBADF when
 * the program closed our descriptor behind our back.
 */
int mf_store_write(struct mf_store *store, const void *buf, size_t len,
		   uint64_t offset);

/* How many bytes from offset on are filled, without a gap: at most len. */
uint64_t mf_store_filled(struct mf_store *store, uint64_t offset, uint64_t len);

enum mf_claim {
	MF_CLAIM_MINE,	 /* FILLING, by me: fill it, then publish or abandon */
	MF_CLAIM_FILLED, /* somebody did it already */
	MF_CLAIM_BUSY,	 /* a live other fills it: wait */
	MF_CLAIM_POISONED, /* its bytes are lost for good */
	MF_CLAIM_DEPTH,	   /* I have MF_SLOT_DEPTH claims already */
};

/* On BUSY, *ret_word is the word to wait on. */
enum mf_claim mf_page_claim(struct mf_store *store, uint32_t unit,
			    struct mf_slot *me, uint32_t *ret_word);
/* The unit's bytes are in the store, all of them. Wakes who waits. */
void mf_page_publish(struct mf_store *store, uint32_t unit, struct mf_slot *me);
/* The fill failed: MISSING again. Wakes who waits; they try themselves. */
void mf_page_abandon(struct mf_store *store, uint32_t unit, struct mf_slot *me);
/* The bytes are lost: every touch fails from now on. */
void mf_page_poison(struct mf_store *store, uint32_t unit, struct mf_slot *me);

uint32_t mf_page_word(struct mf_store *store, uint32_t unit);
/* What this thread's slot and others' call the unit: never 0. */
uint64_t mf_page_ref(const struct mf_store *store, uint32_t unit);
/*
 * Whether the FILLING word seen in unit is the claim of nobody: its owner
 * died or does not know of it. Then it is MISSING now, and waiters are awake.
 */
bool mf_page_take_over(struct mf_store *store, uint32_t unit, uint32_t word);

#endif
