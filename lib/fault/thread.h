/* SPDX-License-Identifier: MIT */
/*
 * thread.h - handler threads: fills that do not run in the faulting thread.
 *
 * Promise: a fault goes before any prefetch; a request always finds a thread
 * that is not waiting for a page.
 * Context: says each function.
 */
#ifndef MF_FAULT_THREAD_H
#define MF_FAULT_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/mm.h"

/* Have at least one handler thread. Not in a signal handler. */
int mf_pool_start(void);

/* The calling thread is one of them: it fills by itself. Any context. */
bool mf_pool_is_worker(void);

/*
 * Have a unit filled by a handler thread and wait for it. The result of
 * mf_fault_unit(), or -EOPNOTSUPP in a child that was made without fork() and
 * has no handler threads. Any context, no lock held.
 */
int mf_pool_fault(struct mf_slot *me, struct mf_region *region,
		  uint64_t generation, uint32_t unit);

/*
 * Fill units first to last when there is time. -EAGAIN: too many such
 * requests. Any context, no lock held.
 */
int mf_pool_prefetch(struct mf_region *region, uint64_t generation,
		     uint32_t first, uint32_t last);

/* Drop what waits for maps that are gone. Any context, no lock held. */
void mf_pool_forget(void);

/* This unit was touched: fetch what a sequential reader touches next. */
void mf_pool_readahead(struct mf_region *region, uint64_t generation,
		       uint32_t unit);

/* Around a wait for a page: a worker that sleeps is replaced meanwhile. */
void mf_pool_will_wait(void);
void mf_pool_waited(void);

#endif
