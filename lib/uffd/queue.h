/* SPDX-License-Identifier: MIT */
/*
 * queue.h - threads that wait for a page, and the messages about them.
 *
 * Promise: as the kernel's queue: one message per waiting thread, oldest
 * first; a message whose thread no longer waits is gone, if nobody has read
 * it; a descriptor is readable while there is a message.
 * Context: any.
 */
#ifndef MF_UFFD_QUEUE_H
#define MF_UFFD_QUEUE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/userfaultfd.h"

/* One waiting thread; opaque but for its place. NULL: too many wait. */
struct mf_waiter;

/* The thread is about to wait; its message can be read from now on. */
struct mf_waiter *mf_queue_add(uint32_t owner, int event, uintptr_t addr,
			       const struct uffd_msg *message);
/*
 * Wait until somebody wakes this address, or a signal that mask does not block
 * is there for the thread. Gives the waiter back.
 */
void mf_queue_wait(struct mf_waiter *waiter, const sigset_t *mask);
/* Not after all. */
void mf_queue_remove(struct mf_waiter *waiter);

/* Whoever waits in [start, start + len) goes on. owner 0: whoever it is. */
void mf_queue_wake(uint32_t owner, uintptr_t start, size_t len);

/* Up to n messages; how many there were. */
unsigned mf_queue_read(uint32_t owner, int event, struct uffd_msg *ret,
		       unsigned n);
#endif
