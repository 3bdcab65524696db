/* SPDX-License-Identifier: MIT */
/*
 * sync.h - everything another thread can see goes through here.
 *
 * Promise: in a release build each name below is one C11 atomic operation or
 * one futex call and nothing else. A build with MF_EXPLORE turns each into a
 * point where a scheduler may switch threads.
 * Context: any, signal handlers included.
 *
 * All shared words are plain integers; sharing is in how they are accessed,
 * and the order is in the name of the access. Unless it says otherwise, an
 * operation that reads and writes is sequentially consistent.
 */
#ifndef MF_BASE_SYNC_H
#define MF_BASE_SYNC_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/syscall.h"

enum mf_futex_scope { MF_FUTEX_SHARED = 0, MF_FUTEX_LOCAL = 1 };

/*
 * What a lock's word orders, said once more: tsan misses it in a handler. And
 * what the death of a thread orders, or one that was in vfork().
 */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *lock);
void __tsan_release(void *lock);
#define mf_tsan_acquire(lock) __tsan_acquire(lock)
#define mf_tsan_release(lock) __tsan_release(lock)
#else
#define mf_tsan_acquire(lock) ((void)0)
#define mf_tsan_release(lock) ((void)0)
#endif

#ifdef MF_EXPLORE
#include "base/explore.h"
#else

#define mf_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define mf_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define mf_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define mf_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define mf_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define mf_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define mf_xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define mf_fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define mf_fetch_sub(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define mf_fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define mf_fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
/* Counters that nobody orders anything by. */
#define mf_add_relaxed(p, v) \
	((void)__atomic_fetch_add((p), (v), __ATOMIC_RELAXED))

/* True when *p was *expected and is now v; else *expected is what it was. */
#define mf_cas(p, expected, v)                                           \
	__atomic_compare_exchange_n((p), (expected), (v), false,         \
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#ifdef __SANITIZE_THREAD__
/* tsan knows no fences. What all of them write to orders as much. */
__attribute__((weak)) uint32_t mf_tsan_fence;
#define mf_fence() \
	((void)__atomic_fetch_add(&mf_tsan_fence, 1, __ATOMIC_SEQ_CST))
/*
 * From here on believe the thread: what orders it after others went through
 * the kernel, as a page fault of theirs does that becomes a message to it.
 */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
#define mf_tsan_trust_thread()                               \
	(AnnotateIgnoreReadsBegin(__FILE__, __LINE__),       \
	 AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#else
#define mf_tsan_trust_thread() ((void)0)
#define mf_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
/* Between a thread and its own signal handler. */
#define mf_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* How often to look at a word, with mf_relax() between, before sleeping. */
#define MF_SPINS 64
#if defined(__x86_64__) || defined(__i386__)
#define mf_relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define mf_relax() __asm__ volatile("yield")
#else
#define mf_relax() mf_barrier()
#endif

/*
 * Sleep while *word == val, at most timeout_ns (0: no limit).
 *
 *   0           woken, or a spurious wake-up: look at the word again
 *   -EAGAIN     the word was not val
 *   -EINTR      a signal handler ran: look again
 *   -ETIMEDOUT  look again
 *
 * So callers loop over the word and use the result at most for -ETIMEDOUT.
 */
static inline int mf_futex_wait(uint32_t *word, uint32_t val,
				uint64_t timeout_ns, enum mf_futex_scope scope)
{
	struct {
		long long sec;
		long long nsec;
	} ts64 = { (long long)(timeout_ns / 1000000000U),
		   (long long)(timeout_ns % 1000000000U) };
	long op = FUTEX_WAIT |
		  (scope == MF_FUTEX_LOCAL ? FUTEX_PRIVATE_FLAG : 0);

#ifdef SYS_futex_time64
	return (int)mf_syscall(SYS_futex_time64, (long)word, op, (long)val,
			       timeout_ns ? (long)&ts64 : 0, 0, 0);
#else
	return (int)mf_syscall(SYS_futex, (long)word, op, (long)val,
			       timeout_ns ? (long)&ts64 : 0, 0, 0);
#endif
}

/* Wake up to n of those who sleep on word. */
static inline void mf_futex_wake(uint32_t *word, int n,
				 enum mf_futex_scope scope)
{
	long op = FUTEX_WAKE |
		  (scope == MF_FUTEX_LOCAL ? FUTEX_PRIVATE_FLAG : 0);

	(void)mf_syscall(SYS_futex, (long)word, op, n, 0, 0, 0);
}

#endif /* MF_EXPLORE */

#endif
