/* SPDX-License-Identifier: MIT */
/*
 * waits.h - who waits for what right now, among processes that share memory
 * of mfill's.
 */
#ifndef MF_CLI_WAITS_H
#define MF_CLI_WAITS_H

#include <jansson.h>
#include <stdio.h>

#include "cli/look.h"

#define MF_WAIT_FOR_MAX 8

struct mf_waiter {
	uint32_t pid, tid;
	char name[20];			     /* the kernel's, of the thread */
	const struct mf_world *world;	     /* where its slot is */
	struct mf_slot *slot;		     /* NULL: it has none */
	const struct mf_check_thread *check; /* NULL: locks are not checked */
	char waits[500]; /* in words; "": for nothing of ours */
	/* For whom, as far as known; indices. */
	unsigned n_for;
	unsigned waits_for[MF_WAIT_FOR_MAX];
};

struct mf_waits {
	const struct mf_look *look;
	size_t n;
	struct mf_waiter *waiter; /* those of the process first */
};

int mf_waits_find(const struct mf_look *look, struct mf_waits *ret);
void mf_waits_free(struct mf_waits *waits);

/*
 * The first ring that goes through nobody below start, as indices into
 * waiter[]. Its length; 0: there is none.
 */
unsigned mf_waits_ring(const struct mf_waits *waits, size_t start,
		       unsigned ret[], unsigned most);

/* What a thread has, such as "fills unit 3 of map data.db". False: no more. */
bool mf_waits_has(const struct mf_waits *waits, const struct mf_waiter *waiter,
		  unsigned i, char *ret, size_t size);

#endif
