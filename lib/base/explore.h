/* SPDX-License-Identifier: MIT */
/*
 * explore.h - the seam of sync.h, as a scheduler sees it.
 *
 * Promise: whatever another thread can see, and whatever the kernel does, goes
 * through a function below, and each is a point where tests/sched may let
 * another thread go on. A release build does not include this file.
 * Context: threads of the explorer: all of them one thread of the kernel's.
 *
 * Counters that nobody orders anything by are left out: they would make
 * states different that are not.
 */
#ifndef MF_BASE_EXPLORE_H
#define MF_BASE_EXPLORE_H

#ifndef MF_EXPLORE
#error "only for builds of tests/sched"
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum mfx_order { MFX_RELAXED, MFX_ACQUIRE, MFX_RELEASE, MFX_SEQ_CST };
enum mfx_rmw { MFX_XCHG, MFX_ADD, MFX_SUB, MFX_OR, MFX_AND };

uint64_t mfx_load(const volatile void *p, size_t size, enum mfx_order order);
void mfx_store(volatile void *p, size_t size, uint64_t v, enum mfx_order order);
uint64_t mfx_rmw(volatile void *p, size_t size, enum mfx_rmw op, uint64_t v);
bool mfx_cas(volatile void *p, size_t size, void *expected, uint64_t v);
void mfx_fence(void);
int mfx_futex_wait(uint32_t *word, uint32_t val, uint64_t timeout_ns);
void mfx_futex_wake(uint32_t *word, int n);
long mfx_syscall(long nr, long a, long b, long c, long d, long e, long f);
int mfx_life_trylock(pthread_mutex_t *life);
int mfx_life_consistent(pthread_mutex_t *life);
int mfx_life_unlock(pthread_mutex_t *life);
void mfx_free(void *p);

#define MFX_VALUE(v) ((uint64_t)(uintptr_t)(v))
#define MFX_LOAD(p, order) \
	((__typeof__(*(p)))(uintptr_t)mfx_load((p), sizeof(*(p)), order))
#define MFX_STORE(p, v, order) mfx_store((p), sizeof(*(p)), MFX_VALUE(v), order)
#define MFX_RMW(p, op, v)                                                     \
	({                                                                    \
		__typeof__(*(p)) old_ = (__typeof__(*(p)))(uintptr_t)mfx_rmw( \
			(p), sizeof(*(p)), op, MFX_VALUE(v));                 \
		old_;                                                         \
	})

#define mf_load_relaxed(p)     MFX_LOAD(p, MFX_RELAXED)
#define mf_load_acquire(p)     MFX_LOAD(p, MFX_ACQUIRE)
#define mf_load_seq_cst(p)     MFX_LOAD(p, MFX_SEQ_CST)
#define mf_store_relaxed(p, v) MFX_STORE(p, v, MFX_RELAXED)
#define mf_store_release(p, v) MFX_STORE(p, v, MFX_RELEASE)
#define mf_store_seq_cst(p, v) MFX_STORE(p, v, MFX_SEQ_CST)
#define mf_xchg(p, v)	       MFX_RMW(p, MFX_XCHG, v)
#define mf_fetch_add(p, v)     MFX_RMW(p, MFX_ADD, v)
#define mf_fetch_sub(p, v)     MFX_RMW(p, MFX_SUB, v)
#define mf_fetch_or(p, v)      MFX_RMW(p, MFX_OR, v)
#define mf_fetch_and(p, v)     MFX_RMW(p, MFX_AND, v)
#define mf_add_relaxed(p, v)   ((void)(p), (void)(v))
#define mf_cas(p, expected, v) \
	mfx_cas((p), sizeof(*(p)), (expected), MFX_VALUE(v))
#define mf_fence()   mfx_fence()
#define mf_barrier() ((void)0)

#define MF_SPINS   0 /* who would spin may as well sleep */
#define mf_relax() ((void)0)

static inline int mf_futex_wait(uint32_t *word, uint32_t val,
				uint64_t timeout_ns, enum mf_futex_scope scope)
{
	(void)scope;
	return mfx_futex_wait(word, val, timeout_ns);
}

static inline void mf_futex_wake(uint32_t *word, int n,
				 enum mf_futex_scope scope)
{
	(void)scope;
	mfx_futex_wake(word, n);
}

/* The kernel, as far as the engine asks it directly. */
#define mf_syscall(...) mfx_syscall(__VA_ARGS__)
#define free(p)		mfx_free(p)
/* Robust mutexes are how a death is known: tests/sched/kernel.c has them. */
#define pthread_mutex_trylock(m)    mfx_life_trylock(m)
#define pthread_mutex_consistent(m) mfx_life_consistent(m)
#define pthread_mutex_unlock(m)	    mfx_life_unlock(m)
#define pthread_mutex_init(m, attr) ((void)(m), (void)(attr), 0)

#endif
