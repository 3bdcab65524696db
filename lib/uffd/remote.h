/* SPDX-License-Identifier: MIT */
/*
 * remote.h - a child's userfaultfd, driven by its parent.
 *
 * Promise: what the parent asks for is done in the child, by a thread of ours
 * there; when the child is gone the answer is what the kernel says then, and
 * nobody waits for it.
 * Context: not in a signal handler.
 *
 * The memory of another process can be written from outside, but it cannot be
 * hidden or shown from there. So the child has an agent. Requests and the
 * bytes that go with them lie in memory that both share.
 */
#ifndef MF_UFFD_REMOTE_H
#define MF_UFFD_REMOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Make what is shared, before a fork, once. */
int mf_remote_start(void);

/* What an agent does with a request: as mf_uffd_ioctl(), by the owner. */
typedef int mf_remote_serve_fn(uint32_t owner, unsigned long request,
			       void *arg);
/*
 * In the child: have an agent for the owner, whose parent has this process id.
 * It ends when the owner is closed, or the parent is gone.
 */
int mf_remote_serve(uint32_t owner, pid_t parent, mf_remote_serve_fn *serve);
/* A request that only closes; no ioctl has this number. */
#define MF_REMOTE_CLOSE 0UL

/* In the parent. */
int mf_remote_ioctl(uint32_t owner, unsigned long request, void *arg);
int mf_remote_close(uint32_t owner);

#endif
