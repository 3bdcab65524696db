/* SPDX-License-Identifier: MIT */
/*
 * uffd-failed.c - pages that could not be filled, where the kernel waits.
 *
 * Promise: who waits for such a page is told, by SIGBUS or EFAULT; later the
 * page is missing again, and is tried again.
 * Context: any, no lock held.
 *
 * A page that failed has a marker of the kernel's (UFFDIO_POISON), which would
 * stay for ever, and a record of it, by which we find it to take it away.
 */
#include <errno.h>
#include <sys/mman.h>

#include "backends/uffd-parts.h"
#include "backends/uffd.h"
#include "base/sys.h"
#include "base/userfaultfd.h"

#define FAILED_MAX 64

/* Pages that failed, and whose next touch is therefore an error. */
static struct {
	uintptr_t addr; /* mf_uffd_lock(); 0: none */
	uint64_t generation;
	uint64_t time;
} failed[FAILED_MAX];
static uint32_t n_failed; /* changed under mf_uffd_lock() */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Under the lock: the page is missing, and no longer an error. */
static void clear_failed(int i)
{
	(void)mf_sys.madvise((void *)failed[i].addr, page_size(),
			     MADV_DONTNEED);
	failed[i].addr = 0;
	mf_store_relaxed(&n_failed, n_failed - 1);
}

void mf_uffd_clear_failed(uintptr_t start, size_t len)
{
	for (int i = 0; i < FAILED_MAX && n_failed > 0; i++)
		if (failed[i].addr && failed[i].addr - start < len)
			clear_failed(i);
}

/* Under the lock and the read lock. */
static void forgive(struct mf_mm *mm, int i)
{
	struct mf_region *region = mf_mm_find(mm, failed[i].addr);

	if (region && region->generation == failed[i].generation) {
		clear_failed(i);
		return;
	}
	/* Gone, and somebody else may be there. */
	failed[i].addr = 0;
	mf_store_relaxed(&n_failed, n_failed - 1);
}

/* A free record; the oldest must make room. */
static int free_record(struct mf_mm *mm)
{
	int oldest = 0;

	for (int i = 0; i < FAILED_MAX; i++) {
		if (!failed[i].addr)
			return i;
		if (failed[i].time < failed[oldest].time)
			oldest = i;
	}
	forgive(mm, oldest);
	return oldest;
}

static void fail_locked(struct mf_mm *mm, const struct mf_region *region,
			uintptr_t addr, uint64_t now_ns)
{
	struct uffdio_poison request = { .range = { addr, page_size() } };
	int i, r;

	r = mf_channel_ioctl(&mf_channel_message, UFFDIO_POISON, &request);
	if (r < 0) {
		/* It is there, or failed already; or try it all again. */
		mf_uffd_wake(addr, page_size());
		return;
	}
	i = free_record(mm);
	failed[i].addr = addr;
	failed[i].generation = region->generation;
	failed[i].time = now_ns;
	mf_store_relaxed(&n_failed, n_failed + 1);
}

void mf_uffd_fail(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr,
		  uint64_t now_ns)
{
	struct mf_region *region;

	mf_mm_read_lock(mm, me);
	mf_uffd_lock();
	region = mf_mm_find(mm, addr);
	if (region && mf_uffd_is_ours(region))
		fail_locked(mm, region, addr, now_ns);
	else
		mf_uffd_wake(addr, page_size());
	mf_uffd_unlock();
	mf_mm_read_unlock(mm, me);
}

void mf_uffd_forgive(struct mf_mm *mm, struct mf_slot *me, uintptr_t addr)
{
	addr &= ~(page_size() - 1);
	mf_mm_read_lock(mm, me);
	mf_uffd_lock();
	for (int i = 0; i < FAILED_MAX; i++)
		if (failed[i].addr == addr)
			forgive(mm, i);
	mf_uffd_unlock();
	mf_mm_read_unlock(mm, me);
}

void mf_uffd_forgive_before(struct mf_mm *mm, struct mf_slot *me,
			    uint64_t time_ns)
{
	mf_mm_read_lock(mm, me);
	mf_uffd_lock();
	for (int i = 0; i < FAILED_MAX; i++)
		if (failed[i].addr && failed[i].time < time_ns)
			forgive(mm, i);
	mf_uffd_unlock();
	mf_mm_read_unlock(mm, me);
}

bool mf_uffd_has_failed(void)
{
	return mf_load_relaxed(&n_failed) > 0;
}
