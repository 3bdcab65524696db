/* SPDX-License-Identifier: MIT */
/*
 * fill.c - put pages into a registered range, one after the other.
 *
 * Promise: as in fill.h.
 * Context: as in fill.h.
 *
 * COPY is the path that mfill is named after. The destination is locked, the
 * source copied without faults into a page of ours. When that comes up short,
 * the page is copied again with no lock held, so that who fills the source can
 * take any lock; then the destination is looked at again, since it may be gone
 * or another, and gets the bytes without another copy.
 *
 * Real faults cannot be switched off, so only memory that we know is touched
 * under the lock: that of maps and of registered ranges. Anything else (it may
 * be swapped out, or wait for a userfaultfd of the kernel's) is copied before.
 */
#include "uffd/fill.h"

#include <errno.h>

#include "backends/uffd.h"
#include "base/userfaultfd.h"
#include "mm/buffer.h"
#include "mm/uaccess.h"
#include "uffd/queue.h"
#include "uffd/touch.h"

/* How often a source may vanish again before it is read. */
#define COPY_TRIES 16
/* Pages filled at once. */
#define RUN 16

/* Under the lock. */
static bool is_known(const struct mf_uffd_fill *fill, uintptr_t addr)
{
	const struct mf_region *region = mf_mm_find(fill->mm, addr);

	return region ? !mf_uffd_waits(region->view)
		      : mf_range_find(addr) != NULL;
}

/* Under the lock: bytes of whole pages that could be had, of len. */
static size_t copy_without_faults(const struct mf_uffd_fill *fill, uint64_t src,
				  size_t len)
{
	size_t known = 0, left;

	/* What is not aligned reaches into one page more. */
	if (!is_known(fill, (uintptr_t)src))
		return 0;
	while (known < len &&
	       is_known(fill, (uintptr_t)src + known + mf_page_size() - 1))
		known += mf_page_size();
	mf_pagefault_disable();
	left = mf_copy_nofault(fill->pages, (void *)(uintptr_t)src, known);
	mf_pagefault_enable();
	return (known - left) & ~(mf_page_size() - 1);
}

/* No lock is held: whoever has to bring that page may do so. */
static int bring(uintptr_t addr)
{
	int r = mf_uffd_fault_in(addr, MF_ACCESS_READ);

	if (r == -ENOENT)
		r = mf_fault(addr, MF_ACCESS_READ);
	if (r >= 0 || r == -EAGAIN)
		return r > 0;
	return r == -EDEADLK ? r : -EFAULT;
}

/*
 * At least one page of len bytes: how much of it. Waits for handlers are not
 * counted: they end when the handler says so.
 */
static ssize_t copy_with_faults(const struct mf_uffd_fill *fill, uint64_t src,
				size_t len)
{
	for (int i = 0; i < COPY_TRIES;) {
		size_t left = mf_fault_copy(fill->pages, (void *)(uintptr_t)src,
					    len);
		int r;

		if (len - left >= mf_page_size())
			return (ssize_t)((len - left) & ~(mf_page_size() - 1));
		r = bring((uintptr_t)src + len - left);
		if (r < 0)
			return r;
		i += r == 0;
	}
	return -EAGAIN;
}

/* Under the lock: the range that is to be filled, if it may be now. */
static int find(const struct mf_uffd_fill *fill, uintptr_t addr,
		struct mf_range **ret)
{
	*ret = mf_range_find(addr);
	if (!*ret)
		return -ENOENT;
	return mf_queue_is_changing(fill->owner) ? -EAGAIN : 0;
}

/* Under the lock: put what we have there. Pages done. */
static int put(const struct mf_uffd_fill *fill, struct mf_range *range,
	       uintptr_t addr, size_t have)
{
	size_t room = range->start + range->len - addr;

	if (fill->put)
		return fill->put(range, addr, fill->wp) ?: 1;
	return mf_put_copy(range, addr, fill->pages,
			   (have < room ? have : room) / mf_page_size(),
			   fill->wp);
}

/* Under the lock, before any page: may it be filled like that? */
static int check(const struct mf_uffd_fill *fill, uintptr_t start, size_t len)
{
	if (!mf_range_has(start, len))
		return -ENOENT;
	return fill->wp && !(mf_range_find(start)->mode &
			     UFFDIO_REGISTER_MODE_WP)
		       ? -EINVAL
		       : 0;
}

/* Some pages from addr on, of len bytes: how many. */
static int fill_some(struct mf_uffd_fill *fill, uintptr_t addr, uint64_t src,
		     size_t len)
{
	uint64_t generation = 0;
	struct mf_range *range;
	ssize_t have = 0;
	int r;

	mf_mm_read_lock(fill->mm, fill->me);
	r = fill->checked ? 0 : check(fill, addr, len);
	fill->checked = true;
	if (len > RUN * mf_page_size())
		len = RUN * mf_page_size();
	if (r == 0)
		r = find(fill, addr, &range);
	if (r == 0) {
		generation = range->generation;
		have = fill->put ? 1
				 : (ssize_t)copy_without_faults(fill, src, len);
	}
	if (r == 0 && have > 0)
		r = put(fill, range, addr, (size_t)have);
	mf_mm_read_unlock(fill->mm, fill->me);
	if (r < 0 || have > 0)
		return r;

	have = copy_with_faults(fill, src, len);
	if (have < 0)
		return (int)have;
	/* That took its time: is it the same? */
	mf_mm_read_lock(fill->mm, fill->me);
	r = find(fill, addr, &range);
	if (r == 0 && range->generation != generation)
		r = -EAGAIN;
	if (r == 0)
		r = put(fill, range, addr, (size_t)have);
	mf_mm_read_unlock(fill->mm, fill->me);
	return r;
}

static int64_t fill_all(struct mf_uffd_fill *fill, uint64_t start, uint64_t len)
{
	uint64_t done = 0;
	int r = 0;

	while (done < len && r >= 0) {
		r = fill_some(fill, (uintptr_t)(start + done), fill->src + done,
			      (size_t)(len - done));
		if (r > 0)
			done += (uint64_t)r * mf_page_size();
	}
	return done ? (int64_t)done : r;
}

int64_t mf_uffd_fill(struct mf_uffd_fill *fill, uint64_t start, uint64_t len)
{
	uint64_t room = RUN * mf_page_size();
	int64_t done = -ENOMEM;

	fill->mm = mf_mm_self();
	fill->me = mf_slot_self();
	if (!fill->mm || !fill->me)
		return -ENOMEM;
	mf_signals_block();
	if (!fill->put)
		fill->pages = mf_buffer_get(fill->me,
					    (size_t)(len < room ? len : room));
	if (fill->put || fill->pages)
		done = fill_all(fill, start, len);
	if (fill->pages)
		mf_buffer_put(fill->me, fill->pages);
	mf_signals_restore();
	return done;
}
