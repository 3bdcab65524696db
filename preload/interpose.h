/* SPDX-License-Identifier: MIT */
/*
 * interpose.h - how a function of libc is replaced.
 *
 * Promise: what the program calls is ours, and the compiler does not know it
 * for libc's: glibc declares many pointers as never NULL, and gcc would leave
 * out our tests for NULL, which Rust's statx() needs.
 * Context: any.
 *
 * INTERPOSE(int, close, (int fd)) { … } defines pl_libc_close() for us, which
 * is close() for everybody else. Structures and offsets of 64 bits are the
 * only ones there are: this library is for 64-bit machines.
 */
#ifndef MF_PRELOAD_INTERPOSE_H
#define MF_PRELOAD_INTERPOSE_H

#include <errno.h>

#include "preload/next.h"
#include "preload/preload.h"

_Static_assert(sizeof(long) == 8, "a 64-bit machine");

#define INTERPOSE(type, name, arguments)                        \
	PL_EXPORT type pl_libc_##name arguments __asm__(#name); \
	type pl_libc_##name arguments

/* Another name of the same function. */
#define INTERPOSE_ALSO(also, name)                                          \
	PL_EXPORT extern __typeof__(pl_libc_##name) pl_libc_##also __asm__( \
		#also) __attribute__((alias(#name)))

/* Not a file of ours: the kernel shall say. No -errno is that low. */
#define PL_PASS (-0x10000L)

/* As libc returns what the kernel would: the result, or -1 and errno. */
static inline long pl_result(long r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* What a wrapper returns: what was served, or what the next one says. */
#define PL_UNLESS(served, next)                                   \
	({                                                        \
		long served_ = (served);                          \
		served_ == PL_PASS ? (next) : pl_result(served_); \
	})

#endif
