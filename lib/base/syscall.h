/* SPDX-License-Identifier: MIT */
/*
 * syscall.h - one system call, as the kernel has it.
 *
 * Promise: the result or -errno; errno is untouched, nobody who replaced a
 * libc function sees the call, and it is no cancellation point.
 * Context: any, signal handlers included.
 */
#ifndef MF_BASE_SYSCALL_H
#define MF_BASE_SYSCALL_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The preload library's filter, which catches system calls of programs, lets
 * through what has this in the high half of a certain argument: one that is 32
 * bits wide for the kernel, or not used (preload/filter.h). The same in all
 * versions, for a filter outlives the program that made it.
 */
#define MF_SYSCALL_MARK 0x6d66696c00000000ULL /* "mfil" */

#if defined(__x86_64__) && defined(__LP64__)
static inline long mf_syscall(long nr, long a, long b, long c, long d, long e,
			      long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long mf_syscall(long nr, long a, long b, long c, long d, long e,
			      long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4),
			   "r"(x5)
			 : "memory");
	return x0;
}
#else
/* Anywhere else through libc, which keeps the result in errno: put it back. */
static inline long mf_syscall(long nr, long a, long b, long c, long d, long e,
			      long f)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e, f);

	if (ret == -1)
		ret = -errno;
	errno = saved;
	return ret;
}
#endif

#endif
