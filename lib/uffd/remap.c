/* SPDX-License-Identifier: MIT */
/*
 * remap.c - mremap() of registered memory.
 *
 * Promise: as in change.h.
 * Context: as in change.h.
 *
 * The kernel moves one mapping. What is registered may be several, because of
 * write protection, so it gets one protection, none, for as long as it takes.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/syscall.h"
#include "uffd/audience.h"
#include "uffd/change.h"
#include "uffd/hide.h"
#include "uffd/proc.h"
#include "uffd/touch.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct remap {
	uintptr_t from, to;
	size_t old_len, new_len;
	int flags;
	bool stays; /* registered and empty, at the old place */
	bool closed;
	int prot; /* the program's at the end of it, -1: not registered there */
	int plain; /* of all of it, -1: some is registered, or not alike */
	/* What is in the way, is moved, leaves its old place, is cut off. */
	struct mf_audience there, here, left, behind;
};

static size_t whole_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

/* What is moved: of a mapping that shrinks the rest is unmapped. */
static size_t moved_len(const struct remap *remap)
{
	return remap->new_len < remap->old_len ? remap->new_len
					       : remap->old_len;
}

/* Under the write lock. */
static int cut(const struct remap *remap)
{
	int r = mf_range_split(remap->from);

	if (r == 0)
		r = mf_range_split(remap->from + moved_len(remap));
	if (r == 0)
		r = mf_range_split(remap->from + remap->old_len);
	if (r == 0 && remap->flags & MREMAP_FIXED)
		r = mf_range_split(remap->to);
	if (r == 0 && remap->flags & MREMAP_FIXED)
		r = mf_range_split(remap->to + remap->new_len);
	return r;
}

static bool concerns_us(const struct remap *remap)
{
	if (remap->from % whole_pages(1))
		return false;
	return mf_range_next(remap->from, remap->old_len) ||
	       (remap->flags & MREMAP_FIXED &&
		mf_range_next(remap->to, remap->new_len));
}

static void for_each(uintptr_t start, size_t len,
		     int (*fn)(struct mf_range *range, uintptr_t start,
			       size_t len))
{
	struct mf_range *range = mf_range_next(start, len);

	mf_range_lock_pages();
	for (; range; range = mf_range_after(range, start, len))
		(void)fn(range, range->start, range->len);
	mf_range_unlock_pages();
}

static int close_range_(struct mf_range *range, uintptr_t start, size_t len)
{
	return mf_hide_close(range, start, len);
}

/*
 * What is left of a registration, poison, may be a mapping of its own, between
 * others of the program's: the protection of all of them, or -1.
 */
static int plain_prot(const struct remap *remap)
{
	uintptr_t at = remap->from, end = at + remap->old_len;
	const struct mf_range *range = mf_range_next(at, end - at);
	int prot = range ? range->prot : -1;
	struct mf_proc_vma vma;

	if (mf_range_touches(at, end - at))
		return -1;
	while (at < end && prot >= 0) {
		range = mf_range_find(at);
		if (range) {
			at = range->start + range->len;
			prot = range->prot == prot ? prot : -1;
		} else if (mf_proc_vma(at, &vma) == 0 && vma.start <= at &&
			   vma.prot == prot) {
			at = vma.end;
		} else {
			prot = -1;
		}
	}
	return prot;
}

/* What is between the ranges there. */
static void open_plain(uintptr_t start, size_t len, int prot)
{
	uintptr_t at = start, end = start + len;

	while (at < end && prot >= 0) {
		const struct mf_range *range = mf_range_next(at, end - at);
		uintptr_t next = range ? range->start : end;

		if (next > at)
			(void)mf_sys.mprotect((void *)at, next - at, prot);
		at = range ? range->start + range->len : end;
	}
}

static void close_all(struct remap *remap)
{
	struct mf_proc_vma vma;

	remap->plain = -1;
	/* What stays is zeros for a moment, which nobody may see. */
	if (!remap->stays && mf_proc_vma(remap->from, &vma) == 0 &&
	    vma.start <= remap->from && vma.end >= remap->from + remap->old_len)
		return;
	remap->closed = true;
	remap->plain = plain_prot(remap);
	if (remap->plain < 0) {
		for_each(remap->from, remap->old_len, close_range_);
		return;
	}
	remap->prot = remap->plain;
	(void)mf_sys.mprotect((void *)remap->from, remap->old_len, PROT_NONE);
}

static void gather(struct remap *remap)
{
	size_t len = moved_len(remap);

	if (remap->flags & MREMAP_FIXED)
		mf_audience_gather(&remap->there, remap->to, remap->new_len,
				   UFFD_FEATURE_EVENT_UNMAP);
	mf_audience_gather(&remap->here, remap->from, len,
			   UFFD_FEATURE_EVENT_REMAP);
	if (!remap->stays)
		mf_audience_gather(&remap->left, remap->from, len,
				   UFFD_FEATURE_EVENT_UNMAP);
	if (remap->old_len > len)
		mf_audience_gather(&remap->behind, remap->from + len,
				   remap->old_len - len,
				   UFFD_FEATURE_EVENT_UNMAP);
}

static void forget(uintptr_t start, size_t len)
{
	struct mf_range *range;

	while ((range = mf_range_next(start, len)))
		mf_range_forget(range);
}

static bool hears_of_it(const struct remap *remap, uint32_t owner)
{
	for (unsigned i = 0; i < remap->here.n; i++)
		if (remap->here.of[i].owner == owner)
			return true;
	return false;
}

static void open_again(struct mf_range *range)
{
	mf_range_lock_pages();
	(void)mf_hide_open(range, range->start, range->len);
	mf_range_unlock_pages();
}

/* It has moved: its range follows, or is registered no more. */
static void follow(const struct remap *remap)
{
	uintptr_t at = remap->from, end = remap->from + moved_len(remap);
	struct mf_range *range;

	while (at < end && (range = mf_range_next(at, end - at))) {
		struct mf_range here = *range;

		at = here.start + here.len;
		mf_range_move(range, remap->to + (here.start - remap->from));
		if (remap->closed)
			open_again(range);
		if (!hears_of_it(remap, range->owner))
			mf_range_end(range);
		if (remap->stays)
			mf_range_stay(&here);
	}
}

/*
 * Registered memory is as it looks to the program; what it has become longer
 * by looks like our mapping at its end.
 */
static void grow(const struct remap *remap)
{
	uintptr_t start = remap->to + remap->old_len;

	if (remap->prot >= 0)
		(void)mf_sys.mprotect((void *)start,
				      remap->new_len - remap->old_len,
				      remap->prot);
	mf_range_grow(remap->to, remap->old_len, remap->new_len);
}

/* Under the write lock, the kernel has done it. */
static void settle(struct remap *remap)
{
	size_t len = moved_len(remap);

	mf_uffd_widen_hull(remap->to, remap->to + remap->new_len);
	forget(remap->from + len, remap->old_len - len);
	if (remap->to != remap->from) {
		forget(remap->to, remap->new_len);
		follow(remap);
	}
	if (remap->closed && remap->to == remap->from)
		for_each(remap->to, len, mf_hide_open);
	open_plain(remap->to, len, remap->plain);
	if (remap->stays)
		open_plain(remap->from, len, remap->plain);
	if (remap->new_len > remap->old_len)
		grow(remap);
}

static void tell(const struct remap *remap)
{
	size_t len = moved_len(remap);
	/* Who waits for what stays where it is goes on waiting. */
	uintptr_t left = remap->from + (remap->to == remap->from ? len : 0);
	const struct uffd_msg message = {
		.event = UFFD_EVENT_REMAP,
		.arg.remap = { remap->from, remap->to, len },
	};

	mf_queue_wake(0, left, remap->from + remap->old_len - left);
	mf_audience_tell_unmap(&remap->there, remap->to, remap->new_len);
	if (remap->to == remap->from) {
		mf_audience_dismiss(&remap->here);
		mf_audience_dismiss(&remap->left);
	} else {
		mf_audience_tell(&remap->here, &message);
	}
	mf_audience_tell_unmap(&remap->behind, remap->from + len,
			       remap->old_len - len);
	if (remap->to != remap->from)
		mf_audience_tell_unmap(&remap->left, remap->from, len);
}

static void dismiss(const struct remap *remap)
{
	mf_audience_dismiss(&remap->there);
	mf_audience_dismiss(&remap->here);
	mf_audience_dismiss(&remap->left);
	mf_audience_dismiss(&remap->behind);
}

/* The kernel says that before it looks at mappings. */
static bool is_nonsense(const struct remap *remap)
{
	if (remap->new_len == 0 ||
	    (remap->stays && (remap->new_len != remap->old_len ||
			      !(remap->flags & MREMAP_MAYMOVE))))
		return true;
	return remap->flags & MREMAP_FIXED &&
	       (remap->to % whole_pages(1) ||
		(remap->to < remap->from + remap->old_len &&
		 remap->from < remap->to + remap->new_len));
}

/*
 * Under the write lock. What moves or grows has to be one mapping, as the
 * program has made them: ours are more of them, and may be closed as one.
 */
static bool is_one(const struct remap *remap)
{
	uintptr_t end = remap->from + moved_len(remap);
	size_t len = end - remap->from;
	const struct mf_range *range = mf_range_next(remap->from, len);

	if (remap->new_len <= remap->old_len &&
	    !(remap->flags & MREMAP_FIXED) && !remap->stays)
		return true;
	if (!mf_range_touches(remap->from, len))
		return true;
	return range->start == remap->from && mf_range_reach(range, end) == end;
}

/* Under the write lock. */
static long do_it(struct remap *remap)
{
	const struct mf_range *last;
	long r = cut(remap);

	if (r < 0)
		return r;
	if (!is_one(remap))
		return is_nonsense(remap) ? -EINVAL : -EFAULT;
	last = mf_range_find(remap->from + remap->old_len - 1);
	remap->prot = last ? last->prot : -1;
	gather(remap);
	close_all(remap);
	r = mf_syscall(SYS_mremap, (long)remap->from, (long)remap->old_len,
		       (long)remap->new_len, remap->flags, (long)remap->to, 0);
	/* Where addresses have 32 bits, half of them look negative. */
	if ((unsigned long)r > -4096UL) {
		if (remap->closed)
			for_each(remap->from, remap->old_len, mf_hide_open);
		open_plain(remap->from, remap->old_len, remap->plain);
		dismiss(remap);
		return r;
	}
	remap->to = (uintptr_t)r;
	settle(remap);
	return 0;
}

int mf_uffd_mremap(void *old_addr, size_t old_len, size_t new_len, int flags,
		   void *new_addr, void **ret_addr)
{
	struct remap remap = {
		.from = (uintptr_t)old_addr,
		.to = (uintptr_t)new_addr,
		.old_len = whole_pages(old_len),
		.new_len = whole_pages(new_len),
		.flags = flags,
		.stays = flags & MREMAP_DONTUNMAP,
	};
	long r = -ENOENT;

	mf_ranges_write_lock();
	if (concerns_us(&remap))
		r = do_it(&remap);
	mf_ranges_write_unlock();
	if (r < 0)
		return (int)r;
	tell(&remap);
	*ret_addr = (void *)remap.to;
	return 0;
}
