/* SPDX-License-Identifier: MIT */
/*
 * trace.h - what threads did, in a few letters.
 *
 * "rA wB -B -A; wB rA -A -B" are two threads, one after the other: the first
 * reads A, writes B, lets both go. A to H are locks, and so are a to h, which
 * are made at one place and so of one class; "tX" is a try that
 * succeeds. "fM" begins to fill a page of the map M (a digit), "dM" ends that,
 * and "pM" touches one.
 */
#ifndef MF_TESTS_TRACE_H
#define MF_TESTS_TRACE_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check/held.h"
#include "check/place.h"
#include "check/rings.h"
#include "harness/harness.h"

static struct mf_check_table *table;
static char variables[8];
static char *made; /* eight locks that are not static */
static uint32_t policy;

static inline void begin_trace(uint32_t flags)
{
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(table, MAP_FAILED);
	mf_check_table_begin(table);
	ck_assert_int_eq(mf_check_start(table, NULL), 0);
	made = calloc(8, 4);
	policy = flags;
}

static inline struct mf_check_lock *trace_lock(char name, const void *pc)
{
	const char *at = name >= 'a' ? made + (name - 'a') * 4L
				     : &variables[name - 'A'];

	return mf_check_lock_get(at, MF_CHECK_RWLOCK, policy, pc);
}

static inline void do_step(char what, char name)
{
	/* One place for all: what differs is what is taken. */
	const void *pc = (const void *)(uintptr_t)do_step;
	struct mf_check_lock *lock = NULL;
	enum mf_check_mode mode = what == 'r' ? MF_CHECK_SHARED
					      : MF_CHECK_EXCLUSIVE;

	if (what == 'f')
		mf_check_recorder.fill(NULL, (uint32_t)name);
	else if (what == 'd')
		mf_check_recorder.filled(NULL, (uint32_t)name);
	else if (what == 'p')
		mf_check_recorder.touch(NULL, (uint32_t)name);
	else
		lock = trace_lock(name, pc);
	if (!lock)
		return;
	if (what == '-') {
		mf_check_release(lock);
		return;
	}
	if (what != 't')
		mf_check_wait(lock, mode, pc);
	mf_check_got(lock, mode, pc);
}

static inline void *be_thread(void *arg)
{
	for (const char *at = arg; *at && *at != ';';) {
		if (*at == ' ') {
			at++;
			continue;
		}
		do_step(at[0], at[1]);
		at += 2;
	}
	return NULL;
}

static inline void run_trace(const char *trace)
{
	while (trace) {
		pthread_t thread;

		pthread_create(&thread, NULL, be_thread, (void *)trace);
		pthread_join(thread, NULL);
		trace = strchr(trace, ';');
		if (trace)
			trace++;
	}
}

static inline unsigned count_events(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MF_CHECK_EVENTS; i++)
		n += table->event[i].kind > MF_CHECK_AGAIN_READ ||
		     (table->event[i].kind == MF_CHECK_AGAIN_READ &&
		      (policy & MF_CHECK_WQ));
	return n;
}

static inline unsigned count_rings(void)
{
	struct mf_check_ring *rings = NULL;
	int n = mf_check_rings(table, &rings);

	ck_assert_int_ge(n, 0);
	free(rings);
	return (unsigned)n;
}

#endif
