/* SPDX-License-Identifier: MIT */
/*
 * seam-plain.h - in the place of lib/base/sync.h: C11's atomics and libc's
 * syscall(), and no explorer.
 *
 * Promise: the same operations with the same order as in sync.h, written by
 * somebody who has never heard of it. Given to the compiler before each file.
 */
#if !defined(MF_BASE_SYNC_H) && !defined(__ASSEMBLER__)
#define MF_BASE_SYNC_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/syscall.h"

enum mf_futex_scope { MF_FUTEX_SHARED = 0, MF_FUTEX_LOCAL = 1 };

#define mf_tsan_acquire(lock)  ((void)0)
#define mf_tsan_release(lock)  ((void)0)
#define mf_tsan_trust_thread() ((void)0)

#define ATOMIC(p) ((_Atomic __typeof__(*(p)) *)(p))

#define mf_load_relaxed(p) atomic_load_explicit(ATOMIC(p), memory_order_relaxed)
#define mf_load_acquire(p) atomic_load_explicit(ATOMIC(p), memory_order_acquire)
#define mf_load_seq_cst(p) atomic_load(ATOMIC(p))
#define mf_store_relaxed(p, v) \
	atomic_store_explicit(ATOMIC(p), (v), memory_order_relaxed)
#define mf_store_release(p, v) \
	atomic_store_explicit(ATOMIC(p), (v), memory_order_release)
#define mf_store_seq_cst(p, v) atomic_store(ATOMIC(p), (v))
#define mf_xchg(p, v)	       atomic_exchange(ATOMIC(p), (v))
#define mf_fetch_add(p, v)     atomic_fetch_add(ATOMIC(p), (v))
#define mf_fetch_sub(p, v)     atomic_fetch_sub(ATOMIC(p), (v))
#define mf_fetch_or(p, v)      atomic_fetch_or(ATOMIC(p), (v))
#define mf_fetch_and(p, v)     atomic_fetch_and(ATOMIC(p), (v))
#define mf_add_relaxed(p, v) \
	((void)atomic_fetch_add_explicit(ATOMIC(p), (v), memory_order_relaxed))
#define mf_cas(p, expected, v) \
	atomic_compare_exchange_strong(ATOMIC(p), (expected), (v))
#define mf_fence()   atomic_thread_fence(memory_order_seq_cst)
#define mf_barrier() atomic_signal_fence(memory_order_seq_cst)

#define MF_SPINS 64
#if defined(__x86_64__) || defined(__i386__)
#define mf_relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define mf_relax() __asm__ volatile("yield")
#else
#define mf_relax() mf_barrier()
#endif

static inline int mf_futex_wait(uint32_t *word, uint32_t val,
				uint64_t timeout_ns, enum mf_futex_scope scope)
{
	struct timespec ts = { (time_t)(timeout_ns / 1000000000U),
			       (long)(timeout_ns % 1000000000U) };
	int saved = errno;
	long r = syscall(SYS_futex, word,
			 FUTEX_WAIT | (scope ? FUTEX_PRIVATE_FLAG : 0), val,
			 timeout_ns ? &ts : NULL, NULL, 0);

	r = r < 0 ? -errno : r;
	errno = saved;
	return (int)r;
}

static inline void mf_futex_wake(uint32_t *word, int n,
				 enum mf_futex_scope scope)
{
	int saved = errno;

	(void)syscall(SYS_futex, word,
		      FUTEX_WAKE | (scope ? FUTEX_PRIVATE_FLAG : 0), n, NULL,
		      NULL, 0);
	errno = saved;
}

#endif
