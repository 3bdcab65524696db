/* SPDX-License-Identifier: MIT */
/*
 * touch.h - have memory filled before a system call uses it.
 *
 * Promise: a system call that gets a buffer which was touched sees all of it;
 * one that would take something away (a datagram, a child's status) and could
 * not put it down is refused before it takes anything.
 * Context: any, signal handlers included.
 *
 * Memory that the program has registered with a userfaultfd of ours is waited
 * for, as the kernel would, in the middle of the call.
 *
 * The kernel takes no signal for a page that is not there: it says EFAULT, or
 * stops short, and some calls have lost data by then. So nothing is ever tried
 * again: what a call is going to use is there before the call.
 */
#ifndef MF_PRELOAD_TOUCH_H
#define MF_PRELOAD_TOUCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "uffd/touch.h"

/*
 * All views of ours lie in one stretch of addresses, the same in every process
 * of every run: a filter that is inherited stays right. The high halves of its
 * addresses; n is 0 before it is opened.
 */
struct pl_arena {
	uint32_t first;
	uint32_t n;
};

extern struct pl_arena pl_arena;

/*
 * From now on views go into the arena. -ENOMEM: this address space is too
 * small to have it.
 */
int pl_arena_open(void);
/* The program put a view elsewhere by MAP_FIXED: look at every pointer. */
void pl_touch_everywhere(void);

static inline bool pl_in_arena(const void *p)
{
	return (uint32_t)((uint64_t)(uintptr_t)p >> 32) - pl_arena.first <
	       pl_arena.n;
}

int pl_touch_view(const void *buf, size_t len, bool for_write);

/*
 * A system call is going to read buf, or with for_write to write it. 0: make
 * the call. -EFAULT: part of it cannot be filled, and the call would write
 * there; refuse. (What a call reads it may begin with: the kernel stops where
 * there is no more, or says EFAULT itself.)
 */
static inline int pl_touch(const void *buf, size_t len, bool for_write)
{
	if (pl_in_arena(buf))
		return pl_touch_view(buf, len, for_write);
	return mf_uffd_is_near(buf, len) ? mf_uffd_touch(buf, len, for_write)
					 : 0;
}

/* The same for what arrays, messages and strings consist of. */
int pl_touch_iov(const struct iovec *iov, size_t n, bool for_write);
int pl_touch_msg(const struct msghdr *msg, bool for_write);
int pl_touch_mmsg(const struct mmsghdr *msgs, size_t n, bool for_write);
void pl_touch_string(const char *string);
/* A list of strings that ends with NULL, such as argv. */
void pl_touch_strings(char *const *strings);
/* An address that is returned: *len says how long it may be. */
int pl_touch_address(const void *addr, const socklen_t *len);

#endif
