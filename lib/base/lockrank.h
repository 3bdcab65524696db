/* SPDX-License-Identifier: MIT */
/*
 * lockrank.h - the order in which mfill's locks may be taken.
 *
 * Promise: in a debug build, taking a lock of a rank not above all that the
 * thread holds, touching memory that may fault while holding one, or waiting
 * for a page while holding one, ends the process with a sentence about it.
 * A release build does not end; and in either build a checker that is in the
 * process (base/check.h) hears of each lock.
 * Context: any, signal handlers included.
 */
#ifndef MF_BASE_LOCKRANK_H
#define MF_BASE_LOCKRANK_H

#include "base/check.h"

/* Lower first. Two locks of one rank are never held together. */
enum mf_rank {
	MF_RANK_API,   /* lib/mm/mm.c: one map or unmap at a time */
	MF_RANK_MMAP,  /* lib/mm/mmap_lock.c: read by faults, written by maps */
	MF_RANK_CHUNK, /* lib/backends: one converter of a 2 MiB chunk */
	MF_RANK_POOL,  /* lib/fault/thread.c: the queue of requests */
	MF_RANK_SIGNAL, /* lib/fault/previous.c: who is behind us */
	MF_RANK_COUNT
};

#ifdef MF_DEBUG
void mf_rank_acquire(enum mf_rank rank, const char *where);
void mf_rank_release(enum mf_rank rank);
/* Here a page fault could happen, or a wait without bound begins. */
void mf_might_fault(const char *where);
#else
#define mf_rank_acquire(rank, where) MF_CHECK(lock, rank)
#define mf_rank_release(rank)	     MF_CHECK(unlock, rank)
#define mf_might_fault(where)	     ((void)0)
#endif

#endif
