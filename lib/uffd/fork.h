/* SPDX-License-Identifier: MIT */
/*
 * fork.h - what becomes of registered memory when its process forks.
 *
 * Promise: a child has none of it registered: what is missing reads as zero
 * there. With EVENT_FORK it has all of it, by a userfaultfd of its own whose
 * descriptor its parent gets, and neither of the two goes on before that.
 * Context: not in a signal handler.
 */
#ifndef MF_UFFD_FORK_H
#define MF_UFFD_FORK_H

#include <stdint.h>

#include "uffd/queue.h"

/* From now on look at forks, once. */
int mf_uffd_watch_forks(void);

/* What mf_queue_read() does for the message of a fork. */
extern const struct mf_queue_adoption mf_uffd_adoption;

/*
 * In a child, its parent asks: as mf_uffd_ioctl(), by the owner; or
 * MF_REMOTE_CLOSE of remote.h. Handed up to uffd.c, set once.
 */
extern int (*mf_uffd_serve_parent)(uint32_t owner, unsigned long request,
				   void *arg);

#endif
