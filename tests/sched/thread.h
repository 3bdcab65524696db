/* SPDX-License-Identifier: MIT */
/*
 * thread.h - what the files of the scheduler know of its threads.
 */
#ifndef MF_SCHED_THREAD_H
#define MF_SCHED_THREAD_H

#include "sched/fiber.h"
#include "sched/sched.h"

#define MFX_BUFFERED 8 /* stores a thread's buffer holds */
#define MFX_TLS	     2048
#define MFX_IDLE     8 /* so often time may have to pass in one run */

enum status { READY, SLEEPING, ENDED, DEAD };

struct store {
	volatile void *p;
	size_t size;
	uint64_t v;
};

struct thread {
	struct mfx_fiber fiber;
	const struct mfx_thread *what;
	enum status status;
	unsigned process;
	const char *why; /* sleeps */
	bool (*ready)(int thread);
	const volatile void *asked; /* mfx_ask() */
	bool (*may_refuse)(const volatile void *what);
	bool refused;
	const uint32_t *futex; /* sleeps on */
	uint32_t futex_val;
	bool timed;
	int futex_result;
	int waker; /* the step that ended its last sleep */
	bool signalled, in_handler, masked;
	struct mfx_digest history;
	struct store buffer[MFX_BUFFERED];
	unsigned n_buffered;
	char tls[MFX_TLS];
};

extern struct thread mfx_threads[MFX_THREADS];
extern int mfx_n_threads;
extern int mfx_current;	 /* whose code runs; -1: set-up or check */
extern int mfx_share_of; /* mfx_as_thread() */
extern unsigned mfx_process_now;
extern unsigned mfx_idle;

static inline bool mfx_is_in(const volatile void *p, const void *start,
			     size_t len)
{
	uintptr_t at = (uintptr_t)p, from = (uintptr_t)start;

	return at >= from && at - from < len;
}

/* places.c */
bool mfx_is_own(const volatile void *p);
bool mfx_is_shared(const volatile void *p);
/* Note an access; whether it is a point. */
bool mfx_learn(const volatile void *p, bool writes);
void mfx_check_alive(const volatile void *p);
/* What the place is known by. */
const void *mfx_place(const volatile void *p);
void mfx_mix(struct mfx_digest *digest, uint64_t v);
void mfx_mix_bytes(struct mfx_digest *digest, const void *p, size_t len);
void mfx_mix_memory(struct mfx_digest *digest);
void mfx_reset_memory(void);

/* sched.c */
void mfx_leave(void);
void mfx_yield(void);
void mfx_handle_signal(void);

/* seam.c */
void mfx_flush_one(struct thread *t);
void mfx_flush_all(struct thread *t);

#endif
