/* SPDX-License-Identifier: MIT */
/*
 * call.h - system calls on memory of ours, made for the program.
 *
 * Promise: they do what libc's function does: same result and errno, and a
 * cancellation point where that is one.
 * Context: any, signal handlers and vfork() children included.
 */
#ifndef MF_PRELOAD_CALL_H
#define MF_PRELOAD_CALL_H

#include <errno.h>
#include <stdbool.h>

#include "preload/filter.h"

/* The call past our own filter. The result, or -errno. */
long pl_call(long nr, const unsigned long args[6]);

/*
 * For a wrapper: have the memory filled, and make the call here if libc's
 * function would only be caught. PL_NOT_CALLED: let libc make it.
 */
#define PL_NOT_CALLED (-0x10001L)
long pl_call_wrapped(long nr, const unsigned long args[6]);

/* NEXT(name) of a call with an array that was touched, which may be caught. */
#define PL_NEXT_ARRAY(name, nr, ...)                                         \
	(pl_filter_catches_arrays                                            \
		 ? pl_result(pl_call(nr, (const unsigned long[6]){ PL_LONGS( \
						 __VA_ARGS__) }))            \
		 : NEXT(name)(__VA_ARGS__))

/*
 * TOUCHING(int, bind, SYS_bind, (int fd, const void *addr, socklen_t len),
 * fd, addr, len) replaces bind() by one that has its memory filled first. The
 * arguments are those of the system call: nothing more is to be done.
 */
#define TOUCHING(type, name, nr, parameters, ...)                           \
	INTERPOSE(type, name, parameters)                                   \
	{                                                                   \
		const unsigned long args_[6] = { PL_LONGS(__VA_ARGS__) };   \
		long r_ = pl_call_wrapped(nr, args_);                       \
		return (type)(r_ == PL_NOT_CALLED ? NEXT(name)(__VA_ARGS__) \
						  : pl_result(r_));         \
	}

/*
 * The same where libc's function does something of its own: it always makes
 * the call. More of the system call's arguments follow in brackets.
 */
#define TOUCHING_FIRST(type, name, nr, parameters, call_args, ...)     \
	INTERPOSE(type, name, parameters)                              \
	{                                                              \
		const unsigned long args_[6] = { PL_LONGS call_args }; \
		if (pl_call_touch(nr, args_) < 0)                      \
			return (type)pl_result(-EFAULT);               \
		return NEXT(name)(__VA_ARGS__);                        \
	}

#define PL_LONG(x)			 ((unsigned long)(x))
#define PL_LONGS1(a)			 PL_LONG(a)
#define PL_LONGS2(a, ...)		 PL_LONG(a), PL_LONGS1(__VA_ARGS__)
#define PL_LONGS3(a, ...)		 PL_LONG(a), PL_LONGS2(__VA_ARGS__)
#define PL_LONGS4(a, ...)		 PL_LONG(a), PL_LONGS3(__VA_ARGS__)
#define PL_LONGS5(a, ...)		 PL_LONG(a), PL_LONGS4(__VA_ARGS__)
#define PL_LONGS6(a, ...)		 PL_LONG(a), PL_LONGS5(__VA_ARGS__)
#define PL_NTH(a, b, c, d, e, f, n, ...) PL_LONGS##n
#define PL_LONGS(...)			 PL_NTH(__VA_ARGS__, 6, 5, 4, 3, 2, 1)(__VA_ARGS__)

#endif
