/* SPDX-License-Identifier: MIT */
/*
 * fill.c - put pages into a registered range, one after the other.
 *
 * Promise: as in fill.h.
 * Context: as in fill.h.
 *
 * COPY is the path that mfill is named after. The kernel copies with page
 * faults off under its lock, and when that comes up short, copies the page
 * again without the lock, looks whether the destination is still what it was,
 * and puts the page in. Here the kernel's faults cannot be switched off, so
 * the second way is the only one: look, copy without a lock into a page of
 * ours, look again, put in.
 */
#include "uffd/fill.h"

#include <errno.h>
#include <unistd.h>

#include "base/userfaultfd.h"
#include "fault/fault.h"
#include "mm/buffer.h"
#include "uffd/queue.h"

#define COPY_TRIES 16

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * The page at src into ours, with no lock held: it may be missing itself. What
 * waits for a userfaultfd of ours cannot be served here, as the kernel cannot
 * where it serves only faults of programs.
 */
static int copy_in(const struct mf_uffd_fill *fill, uint64_t src)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		size_t left = mf_fault_copy(fill->page, (void *)(uintptr_t)src,
					    page_size());
		int r;

		if (left == 0)
			return 0;
		r = mf_fault((uintptr_t)src + page_size() - left,
			     MF_ACCESS_READ);
		if (r < 0 && r != -EAGAIN)
			return -EFAULT;
	}
	return -EAGAIN;
}

static int fill_page(const struct mf_uffd_fill *fill, uintptr_t addr,
		     uint64_t src)
{
	uint64_t generation = 0;
	struct mf_range *range;
	int r = 0;

	mf_mm_read_lock(fill->mm, fill->me);
	range = mf_range_find(addr);
	if (range)
		generation = range->generation;
	mf_mm_read_unlock(fill->mm, fill->me);
	if (!range)
		return -ENOENT;
	if (fill->page)
		r = copy_in(fill, src);
	if (r < 0)
		return r;
	/* That took its time: is it the same? */
	mf_mm_read_lock(fill->mm, fill->me);
	range = mf_range_find(addr);
	if (!range)
		r = -ENOENT;
	else if (range->generation != generation ||
		 mf_queue_is_changing(fill->owner))
		r = -EAGAIN;
	else
		r = fill->put(range, addr, fill->page, fill->wp);
	mf_mm_read_unlock(fill->mm, fill->me);
	return r;
}

/* Before any page: may it be filled like that? */
static int check(const struct mf_uffd_fill *fill, uintptr_t start, size_t len)
{
	if (!mf_range_has(start, len))
		return -ENOENT;
	return fill->wp && !(mf_range_find(start)->mode &
			     UFFDIO_REGISTER_MODE_WP)
		       ? -EINVAL
		       : 0;
}

static int64_t fill_all(struct mf_uffd_fill *fill, uint64_t start, uint64_t len)
{
	uint64_t done = 0;
	int r;

	mf_mm_read_lock(fill->mm, fill->me);
	r = check(fill, (uintptr_t)start, (size_t)len);
	mf_mm_read_unlock(fill->mm, fill->me);
	while (done < len && r == 0) {
		r = fill_page(fill, (uintptr_t)(start + done),
			      fill->src + done);
		if (r == 0)
			done += page_size();
	}
	return done ? (int64_t)done : r;
}

int64_t mf_uffd_fill(struct mf_uffd_fill *fill, uint64_t start, uint64_t len)
{
	int64_t done = -ENOMEM;

	fill->mm = mf_mm_self();
	fill->me = mf_slot_self();
	if (!fill->mm || !fill->me)
		return -ENOMEM;
	mf_signals_block();
	if (fill->put == mf_put_copy)
		fill->page = mf_buffer_get(fill->me, page_size());
	if (fill->page || fill->put != mf_put_copy)
		done = fill_all(fill, start, len);
	if (fill->page)
		mf_buffer_put(fill->me, fill->page);
	mf_signals_restore();
	return done;
}
