/* SPDX-License-Identifier: MIT */
/*
 * held.h - what each thread holds and wants, and what follows from that.
 *
 * Promise: each order in which a thread takes locks is in the table before it
 * waits for the second one; so a program that hangs has said why.
 * Context: any, signal handlers included. A handler gives back what it takes.
 */
#ifndef MF_CHECK_HELD_H
#define MF_CHECK_HELD_H

#include "base/check.h"
#include "check/callers.h"
#include "check/lock.h"

/*
 * From now on this process writes into the table, which must stay mapped.
 * Once, before there are threads. backtrace: NULL, or called in normal context
 * when something is seen for the first time.
 */
int mf_check_start(struct mf_check_table *table,
		   mf_check_backtrace_fn *backtrace);

/* This process ends: what it was is not of interest any more. */
void mf_check_end(void);

/*
 * About to take the lock, in the code at pc: an edge from all that is held.
 * Not before a try, or a wait with a time-out: these do not wait for ever.
 */
void mf_check_wait(const struct mf_check_lock *lock, enum mf_check_mode mode,
		   const void *pc);
/* It is taken. */
void mf_check_got(const struct mf_check_lock *lock, enum mf_check_mode mode,
		  const void *pc);
/* It was not. */
void mf_check_gave_up(void);
/* It is about to be given back. */
void mf_check_release(struct mf_check_lock *lock);

/* For maps and mfill's own locks. */
extern const struct mf_check_ops mf_check_recorder;

#endif
