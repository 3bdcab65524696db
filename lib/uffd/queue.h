/* SPDX-License-Identifier: MIT */
/*
 * queue.h - who waits for a userfaultfd, and the messages about them.
 *
 * Promise: as the kernel's queue: one message per waiting thread, faults
 * before events, each of them oldest first; a message whose thread no longer
 * waits is gone, if nobody has read it; a descriptor is readable while there
 * is a message. The same for a parent and the children that it forked: who
 * died waits no longer.
 * Context: any, but for start, open and close.
 */
#ifndef MF_UFFD_QUEUE_H
#define MF_UFFD_QUEUE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/userfaultfd.h"

/* How many userfaultfds a family of processes may have at once. */
#define MF_QUEUE_OWNERS 64

/* Make what is shared, once. Not in a signal handler. */
int mf_queue_start(void);
/* A number that no other userfaultfd has or had; 0: there are too many. */
uint32_t mf_queue_open(void);
/* It is gone: whoever waits goes on. */
void mf_queue_close(uint32_t owner);
bool mf_queue_is_open(uint32_t owner);

/* One waiting thread; opaque but for its place. NULL: too many wait. */
struct mf_waiter;

/*
 * The thread is about to wait; its message can be read from now on. event is
 * the eventfd that poll() looks at, in this process.
 */
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
/*
 * Memory of the owner is about to change: until the event about it has been
 * read, fills of the owner are -EAGAIN. Each begin has one event or one end.
 */
void mf_queue_begin_change(uint32_t owner);
void mf_queue_end_change(uint32_t owner);
bool mf_queue_is_changing(uint32_t owner);
/*
 * Tell of it, and wait until that is read. child, child_event: for a fork, who
 * the child's userfaultfd will be, and its eventfd. -ECANCELED: the owner was
 * closed meanwhile.
 */
int mf_queue_event(uint32_t owner, int event, const struct uffd_msg *message,
		   uint32_t child, int child_event);

/*
 * In a child: wait until its parent has a descriptor of the owner. False: it
 * never will. parent: its process id.
 */
bool mf_queue_wait_for_adoption(uint32_t owner, pid_t parent);

/*
 * To be asked by a thread that is in the queue and has not slept yet: is it
 * the one that serves the owner, or does that one wait for it, perhaps through
 * others? Who serves is known when only one thread has read messages so far.
 */
bool mf_queue_is_ring(uint32_t owner);

/*
 * A descriptor for a child's userfaultfd, or -errno: then the message stays.
 * Another reader may have been faster, and the descriptor not be wanted after
 * all. Called with nothing held.
 */
struct mf_queue_adoption {
	int (*adopt)(uint32_t child, int child_event);
	void (*give_up)(int fd);
};

/* Up to n messages; how many there were, or -errno of adopt(). */
int mf_queue_read(uint32_t owner, int event, struct uffd_msg *ret, unsigned n,
		  const struct mf_queue_adoption *adoption);

/*
 * For a thread that has read messages and is about to sleep until there are
 * more: for how many ns to look for them first; 0: none. Then look.
 */
uint64_t mf_queue_patience(void);
void mf_queue_look_out(uint64_t patience_ns);

#endif
