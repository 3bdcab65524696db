/* SPDX-License-Identifier: MIT */
/*
 * table.h - the userfaultfds of this process, and who has descriptors of them.
 *
 * Promise: a userfaultfd is there as long as one descriptor of the program's
 * is; a child of fork() has none of its parent's.
 * Context: any.
 */
#ifndef MF_UFFD_TABLE_H
#define MF_UFFD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct mf_uffd {
	uint32_t owner; /* its number, never another's; 0: unused */
	uint32_t epoch; /* the process that has it */
	int event;	/* ours of the eventfd: the program closes its own */
	int flags;	/* as given to open */
	bool ready;	/* UFFDIO_API was called */
	bool remote;	/* a child's: what it asks for is done there */
	uint64_t features;
};

/*
 * fd is the first descriptor of a new one, whose flags are given; it gets the
 * rest. -EMFILE: too many.
 */
int mf_uffd_add(int fd, const struct mf_uffd *from);
/* to is another descriptor of what from is. -EBADF: that is nothing. */
int mf_uffd_copied(int from, int to);
/* fd is none any more. 1: it was the last, of what is in *ret_last. -EBADF. */
int mf_uffd_remove(int fd, struct mf_uffd *ret_last);

/*
 * One without a descriptor, whose owner and eventfd are given: of a child, or
 * in a child. It can get a descriptor, or be dropped.
 */
void mf_uffd_add_owner(const struct mf_uffd *from);
int mf_uffd_add_fd(int fd, uint32_t owner);
bool mf_uffd_drop_owner(uint32_t owner, struct mf_uffd *ret);

/* All that this process has itself, up to n; how many. */
unsigned mf_uffd_list(struct mf_uffd *ret, unsigned n);
/* The lowest eventfd of all from fd on, or -1. */
int mf_uffd_next_event(int fd);

/* A copy of what it is; false: none of this process. */
bool mf_uffd_get(int fd, struct mf_uffd *ret);
bool mf_uffd_get_owner(uint32_t owner, struct mf_uffd *ret);

void mf_uffd_set_ready(uint32_t owner, uint64_t features);

#endif
