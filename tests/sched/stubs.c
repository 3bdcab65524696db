/* SPDX-License-Identifier: MIT */
/*
 * stubs.c - what the engine calls that is not explored: no handler threads, no
 * readahead, no kernel's userfaultfd, and bugs that mfill finds itself.
 */
#include "backends/uffd.h"
#include "base/die.h"
#include "fault/ahead.h"
#include "fault/cycle.h"
#include "fault/thread.h"
#include "sched/sched.h"

#include <errno.h>
#include <stdlib.h>

bool mf_pool_is_worker(void)
{
	return false;
}

int mf_pool_fault(struct mf_slot *me, struct mf_region *region,
		  uint64_t generation, uint32_t unit)
{
	(void)me;
	(void)region;
	(void)generation;
	(void)unit;
	return -EOPNOTSUPP;
}

void mf_pool_readahead(struct mf_region *region, uint64_t generation,
		       uint32_t unit)
{
	(void)region;
	(void)generation;
	(void)unit;
}

void mf_ahead_touch(struct mf_store *store, struct mf_slot *me, uint32_t first,
		    uint32_t last)
{
	(void)store;
	(void)me;
	(void)first;
	(void)last;
}

void mf_pool_will_wait(void)
{
}

void mf_pool_waited(void)
{
}

void mf_cycle_tell(struct mf_slot *closer)
{
	mfx_say("would close a ring of waits");
	(void)closer;
}

bool mf_uffd_waits(const struct mf_view *view)
{
	(void)view;
	return false;
}

void mf_uffd_forgive(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr)
{
	(void)mm;
	(void)me;
	(void)addr;
}

bool mf_uffd_may_wait(void)
{
	return false;
}

void mf_die(const char *where, const char *what)
{
	mfx_bug(MFX_INVARIANT, "%s: %s", where, what);
	abort();
}
