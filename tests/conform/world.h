/* SPDX-License-Identifier: MIT */
/*
 * world.h - random changes of mappings, and what is where then.
 *
 * Promise: what is done depends on the sequence alone, so it is the same to
 * the kernel's and to mfill's; and what comes of it does not depend on which
 * mappings the kernel happens to have joined.
 * Context: one thread, which also reads all messages.
 *
 * Numbers of pages are places here: the area is made at the first ones, there
 * are more behind it, and what moves, moves to one of them. It is far below all
 * else, so that nothing comes into a hole by itself.
 */
#ifndef CONFORM_WORLD_H
#define CONFORM_WORLD_H

#include "conform/change.h"

#define WORLD	    14
#define WORLD_START ((void *)0x20000000)
#define WORLD_EVENTS                                          \
	(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | \
	 UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP)

struct place {
	bool mapped, shared, registered;
	bool beyond; /* of the end of its file, or was when it was mapped */
	int prot;
	int piece, offset; /* which mapping it is of, and which page of that */
};

struct world {
	struct run *run;
	uint64_t features;
	bool waits;   /* who touches what is missing does */
	bool passing; /* pages may be mapped that nobody touched */
	bool forked;
	int pieces; /* how many mappings there were */
	struct place places[WORLD];
};

void world_start(struct world *world, struct run *run, uint64_t features,
		 bool waits, bool passing);
/* As many pages from there on, up to n, as are of one mapping or of none. */
int world_cut(const struct world *world, int page, int n);
/*
 * And of which it is certain whether they are mapped, and can be; may be 0. Not
 * those beyond the end of their file, nor those that a child may have made and
 * that came in passing.
 */
int world_cut_certain(const struct world *world, int page, int n);
void world_register(struct world *world, int page, int n, uint64_t mode);
void world_unregister(struct world *world, int page, int n);

/* Pages go: of a file by a hole in it. */
void world_drop(struct world *world, int page, int n);
/* As do_change(), and all that is told of it; argument, to: anything. */
void world_change(struct world *world, enum change how, int page, int n,
		  unsigned argument, unsigned to);
/*
 * Fork, do something to the child, and let it touch all there is: order says
 * what.
 */
void world_fork(struct world *world, int page, int n, unsigned order);

#endif
