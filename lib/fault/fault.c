/* SPDX-License-Identifier: MIT */
/*
 * fault.c - an address is wanted: find out whose it is, and get it filled.
 *
 * Promise: no lock is held while a source is read or a page is waited for;
 * what was looked up before is looked up again afterwards.
 * Context: may run inside SIGSEGV: no malloc, no stdio, errno untouched.
 */
#include "fault/fault.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "backends/uffd.h"
#include "base/check.h"
#include "base/lockrank.h"
#include "fault/ahead.h"
#include "fault/thread.h"
#include "fault/wait.h"
#include "mm/buffer.h"
#include "mm/fill.h"
#include "mm/uaccess.h"

static int fill_claimed(struct mf_mm *mm, struct mf_slot *me,
			struct mf_store *store, struct mf_region *region,
			uint64_t generation, uint32_t unit)
{
	void *buf = mf_buffer_get(me, (size_t)store->unit);
	int r;

	if (!buf) {
		mf_page_abandon(store, unit, me);
		return -ENOMEM;
	}
	MF_CHECK(fill, store->made_at, store->id);
	r = mf_fill_source(mm, me, store, region, generation, unit, buf);
	MF_CHECK(filled, store->made_at, store->id);
	mf_buffer_put(me, buf);
	return r;
}

static int claim_and_fill(struct mf_mm *mm, struct mf_slot *me,
			  struct mf_store *store, struct mf_region *region,
			  uint64_t generation, uint32_t unit, bool ahead)
{
	uint32_t word;
	int r;

	for (;;) {
		switch (mf_page_claim(store, unit, me, &word)) {
		case MF_CLAIM_FILLED:
			return 0;
		case MF_CLAIM_POISONED:
			return -EHWPOISON;
		case MF_CLAIM_DEPTH:
			return -ELOOP;
		case MF_CLAIM_MINE:
			if (ahead)
				mf_add_relaxed(&store->header->readahead, 1);
			return fill_claimed(mm, me, store, region, generation,
					    unit);
		case MF_CLAIM_BUSY:
			/* Nobody needs it now, and somebody is at it. */
			if (ahead)
				return 0;
			mf_pool_will_wait();
			r = mf_wait_unit(store, unit, word, me);
			mf_pool_waited();
			if (r < 0)
				return r;
		}
	}
}

/*
 * A handler that ran in between could touch the page that this thread fills,
 * and would wait for itself; and one that never returns, but jumps, would
 * leave the page claimed for ever.
 */
int mf_fault_unit(struct mf_mm *mm, struct mf_slot *me, struct mf_store *store,
		  struct mf_region *region, uint64_t generation, uint32_t unit,
		  bool ahead)
{
	int r;

	mf_signals_block();
	r = claim_and_fill(mm, me, store, region, generation, unit, ahead);
	mf_signals_restore();
	return r;
}

/* What is to be filled, and for whom. */
struct job {
	struct mf_mm *mm;
	struct mf_slot *me;
	struct mf_region *region;
	uint64_t generation;
	bool here; /* in this thread, whatever the region's delivery */
	/* For a thread that sleeps in the kernel: do not wait, say -EBUSY. */
	bool message;
	struct mf_slot *waiter; /* that thread's; NULL: not known */
};

/*
 * Where the kernel tells handler threads of a touch, touch it: one of them
 * fills it meanwhile. What its source said is not known here.
 */
static int let_kernel_wait(const struct job *job, uint32_t unit)
{
	size_t len;
	uintptr_t addr = mf_region_of_unit(job->region, unit, &len);
	char byte;

	mf_might_fault("a wait for a handler thread");
	if (mf_copy_nofault(&byte, (void *)addr, 1) == 0)
		return 0;
	mf_uffd_forgive(job->mm, job->me, addr);
	return -EIO;
}

static int fill(const struct job *job, uint32_t unit)
{
	struct mf_view *view = job->region->view;
	uint32_t word = mf_page_word(view->store, unit);

	if (mf_page_state(word) == MF_PAGE_FILLED)
		return 0;
	if (job->message && mf_page_state(word) == MF_PAGE_FILLING)
		return mf_wait_stand_in(view->store, unit, word, job->waiter);
	if (mf_uffd_waits(view) && !job->here)
		return let_kernel_wait(job, unit);
	if (view->delivery == MFILL_DELIVER_THREAD && !job->here)
		return mf_pool_fault(job->me, job->region, job->generation,
				     unit);
	return mf_fault_unit(job->mm, job->me, view->store, job->region,
			     job->generation, unit, false);
}

/*
 * The backend wants these filled and opened with the one that is needed. One
 * that cannot be filled ends the run, but is no error: nobody asked for it.
 */
static void fill_around(const struct job *job, uint32_t unit, uint32_t *first,
			uint32_t *last)
{
	uint32_t low = unit, high = unit;

	while (high < *last && fill(job, high + 1) >= 0)
		high++;
	while (low > *first && fill(job, low - 1) >= 0)
		low--;
	*first = low;
	*last = high;
}

/* The units to open with this one, no more than the region shows. */
static uint32_t span(struct mf_region *region, uint32_t unit,
		     uint32_t *ret_first, uint32_t *ret_last)
{
	uint32_t low = mf_region_unit(region, region->start);
	uint32_t high = mf_region_unit(region, region->start + region->len - 1);
	uint32_t n = 1;

	*ret_first = unit;
	if (region->view->backend->span)
		n = region->view->backend->span(region, unit, ret_first);
	*ret_last = *ret_first + n - 1;
	if (*ret_first < low)
		*ret_first = low;
	if (*ret_last > high)
		*ret_last = high;
	return n;
}

/* An error that somebody sees; on -EAGAIN the caller looks again. */
static int tell(const struct mf_store *store, uint32_t unit, int error)
{
	uint64_t start;

	if (store->failed && error != -EAGAIN && error != -EBUSY) {
		(void)mf_store_unit_range(store, unit, &start);
		store->failed(store, start, error);
	}
	return error;
}

static int fill_and_open(const struct job *job, uint32_t unit)
{
	struct mf_store *store = job->region->view->store;
	uint32_t before = 0, now, first, last;
	int r;

	MF_CHECK(touch, store->made_at, store->id);
	mf_ahead_touch(store, job->me, unit, unit);
	r = fill(job, unit);

	if (r < 0)
		return tell(store, unit, r);
	if (r > 0)
		return 0; /* and open already */
	for (;;) {
		now = span(job->region, unit, &first, &last);
		fill_around(job, unit, &first, &last);
		r = mf_fill_open(job->mm, job->me, job->region, job->generation,
				 first, last);
		/* The kernel has no mapping left: join more, while that helps */
		if (r != -ENOMEM || now <= before)
			return r;
		before = now;
	}
}

int mf_fault_require(struct mf_mm *mm, struct mf_slot *me,
		     struct mf_region *region, uint64_t generation,
		     uintptr_t start, size_t len)
{
	struct job job = { .mm = mm,
			   .me = me,
			   .region = region,
			   .generation = generation,
			   .here = true };
	uintptr_t end = start + len;
	uint32_t last;
	int r = 0;

	if (start < region->start)
		start = region->start;
	if (end > region->start + region->len || end < start)
		end = region->start + region->len;
	last = mf_region_unit(region, end - 1);
	for (uint32_t i = mf_region_unit(region, start); r == 0; i++) {
		r = fill_and_open(&job, i);
		if (i == last)
			break;
	}
	return r;
}

static int refused(const struct mf_region *region, enum mf_access access)
{
	int prot = region->view->prot;

	if (access == MF_ACCESS_EXEC)
		return prot & PROT_EXEC ? 0 : -EACCES;
	if (access == MF_ACCESS_WRITE)
		return prot & PROT_WRITE ? 0 : -EACCES;
	return prot ? 0 : -EACCES;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void count_fault(struct mf_store *store, uint64_t ns)
{
	unsigned bucket = ns ? 64U - (unsigned)__builtin_clzll(ns) : 0;

	if (bucket >= MFILL_LATENCY_BUCKETS)
		bucket = MFILL_LATENCY_BUCKETS - 1;
	mf_add_relaxed(&store->header->faults, 1);
	mf_add_relaxed(&store->header->latency[bucket], 1);
}

int mf_fault(uintptr_t addr, enum mf_access access)
{
	struct job job = {
		.mm = mf_mm_self(),
		.me = mf_slot_self(),
		.here = mf_pool_is_worker(),
	};
	uint64_t start = now_ns();
	uint32_t unit;
	int r;

	if (!job.me || !job.mm)
		return -ENOMEM;
	job.region = mf_mm_get(job.mm, job.me, addr, &job.generation);
	if (!job.region)
		return -ENOENT;
	unit = mf_region_unit(job.region, addr);
	r = refused(job.region, access);
	if (r == 0)
		r = fill_and_open(&job, unit);
	if (r == 0) {
		count_fault(job.region->view->store, now_ns() - start);
		mf_pool_readahead(job.region, job.generation, unit);
	}
	mf_region_put(job.region);
	return r;
}

int mf_fault_message(struct mf_mm *mm, struct mf_slot *me,
		     struct mf_region *region, uint64_t generation,
		     uintptr_t addr, struct mf_slot *waiter)
{
	struct job job = {
		.mm = mm,
		.me = me,
		.region = region,
		.generation = generation,
		.here = true,
		.message = true,
		.waiter = waiter,
	};
	struct mf_store *store = region->view->store;
	uint32_t unit = mf_region_unit(region, addr);
	uint64_t start = now_ns();
	int r;

	if (waiter)
		MF_CHECK(touch_by, waiter->tid, store->made_at, store->id);
	r = fill_and_open(&job, unit);
	if (r == 0) {
		count_fault(store, now_ns() - start);
		mf_pool_readahead(region, generation, unit);
	}
	return r;
}

/*
 * How much of [addr, addr + len), at most a page, can be touched without a
 * wait. A page that the store has is opened for that.
 */
static size_t without_wait(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr,
			   size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t generation;
	struct mf_region *region = mf_mm_get(mm, me, addr, &generation);
	uint32_t unit;
	int r = 0;

	if (len > page - addr % page)
		len = page - addr % page;
	if (region && mf_uffd_waits(region->view)) {
		unit = mf_region_unit(region, addr);
		r = -EAGAIN;
		if (mf_page_state(mf_page_word(region->view->store, unit)) ==
		    MF_PAGE_FILLED)
			r = mf_fill_open(mm, me, region, generation, unit,
					 unit);
	}
	mf_region_put(region);
	return r < 0 ? 0 : len;
}

size_t mf_fault_copy(void *dst, const void *src, size_t len)
{
	struct mf_slot *me;
	struct mf_mm *mm;

	if (!mf_uffd_may_wait())
		return mf_copy_nofault(dst, src, len);
	me = mf_slot_self();
	mm = mf_mm_self();
	if (!me || !mm)
		return len;
	while (len > 0) {
		size_t step = without_wait(mm, me, (uintptr_t)src, len);
		size_t left;

		step = without_wait(mm, me, (uintptr_t)dst, step);
		left = step ? mf_copy_nofault(dst, src, step) : 0;
		dst = (char *)dst + (step - left);
		src = (const char *)src + (step - left);
		len -= step - left;
		if (step == 0 || left > 0)
			break;
	}
	return len;
}

int mf_fault_store(struct mf_mm *mm, struct mf_slot *me, struct mf_store *store,
		   uint32_t unit)
{
	uint64_t start;
	int r;

	MF_CHECK(touch, store->made_at, store->id);
	if (mf_page_state(mf_page_word(store, unit)) == MF_PAGE_FILLED)
		return 0;
	start = now_ns();
	r = mf_fault_unit(mm, me, store, NULL, 0, unit, false);
	if (r < 0)
		return tell(store, unit, r);
	count_fault(store, now_ns() - start);
	return 0;
}
