/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - keep a descriptor open, whatever the program closes.
 *
 * Promise: what the descriptor refers to stays open as long as this process
 * lives, and can be used, whatever becomes of its number.
 * Context: start: not in a signal handler. do: any.
 *
 * Programs close descriptors that they did not open: close_range(), a loop
 * over close(). A keeper is a thread with a descriptor table of its own, which
 * no other thread can reach, and nothing in it but that descriptor.
 */
#ifndef MF_BACKENDS_KEEPER_H
#define MF_BACKENDS_KEEPER_H

#include <stdint.h>

struct mf_ask;

struct mf_keeper {
	uint32_t state; /* futex: whether it runs */
	int fd;		/* in its own table; fixed while it runs */
	int error;	/* why it does not run; ordered by state */
	struct mf_ask *asks;
	uint32_t asked; /* futex; counts asks */
};

/*
 * Start one for a descriptor of this process; forgets one that this is a copy
 * of, as in a child of fork(). Nobody else may start it meanwhile.
 */
int mf_keeper_start(struct mf_keeper *keeper, int fd);

/* Have it call fn for the descriptor, and wait. What fn returned. */
long mf_keeper_do(struct mf_keeper *keeper, long (*fn)(int fd, void *arg),
		  void *arg);

#endif
