/* SPDX-License-Identifier: MIT */
/*
 * fill.c - put bytes where a fault is waiting for them.
 *
 * Promise: another thread sees the whole new page or still faults.
 * Context: may run inside SIGSEGV: no malloc, no stdio, errno untouched.
 */
#include "mm/fill.h"

#include <errno.h>
#include <string.h>

#include "base/lockrank.h"
#include "base/sys.h"
#include "mm/buffer.h"
#include "mm/uaccess.h"

/* How often a copy's source may be evicted between two looks at it. */
#define COPY_TRIES 16

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The region (if any) is the one of before, and the lock is held on 0. */
static int look_again(struct mf_mm *mm, struct mf_slot *me,
		      const struct mf_region *region, uint64_t generation)
{
	mf_mm_read_lock(mm, me);
	if (!region || region->generation == generation)
		return 0;
	mf_mm_read_unlock(mm, me);
	return -EAGAIN;
}

/* The bytes of a unit into buf; what lies behind the content is zero. */
static int read_unit(struct mf_store *store, uint32_t unit, char *buf,
		     uint64_t *ret_start, uint64_t *ret_len)
{
	uint64_t start, content = 0;
	uint64_t end = mf_store_unit_range(store, unit, &start);
	uint64_t given = mf_load_acquire(&store->header->given);
	int r = 0;

	if (start < given)
		content = (end < given ? end : given) - start;
	if (content > 0)
		r = mf_source_read(store->source, buf, (size_t)content,
				   store->source_offset + start);
	if (r < 0) {
		mf_add_relaxed(&store->header->errors, 1);
		return r;
	}
	memset(buf + content, 0, (size_t)(end - start - content));
	mf_add_relaxed(&store->header->fills, content > 0);
	mf_add_relaxed(&store->header->filled_bytes, content);
	*ret_start = start;
	*ret_len = end - start;
	return 0;
}

/*
 * Under the lock: into the store, and shown in the region where that costs
 * nothing more. 1: it is shown.
 */
static int put_unit_bytes(struct mf_store *store, struct mf_region *region,
			  uint64_t start, uint64_t len, const void *buf)
{
	uint64_t low = region ? mf_region_offset(region, region->start) : 0;

	if (region && region->view->backend->copy && start >= low &&
	    start + len <= low + region->len &&
	    region->view->backend->copy(
		    region, region->start + (uintptr_t)(start - low),
		    (size_t)len, buf) == 0)
		return 1;
	return mf_store_write(store, buf, (size_t)len, start);
}

int mf_fill_source(struct mf_mm *mm, struct mf_slot *me, struct mf_store *store,
		   struct mf_region *region, uint64_t generation, uint32_t unit,
		   void *buf)
{
	uint64_t start, len;
	int r = read_unit(store, unit, buf, &start, &len);

	/* That took its time, and no lock was held: is it still wanted? */
	if (r == 0)
		r = look_again(mm, me, region, generation);
	if (r == 0) {
		r = put_unit_bytes(store, region, start, len, buf);
		if (r >= 0)
			mf_page_publish(store, unit, me);
		mf_mm_read_unlock(mm, me);
	}
	if (r < 0)
		mf_page_abandon(store, unit, me);
	return r;
}

int mf_fill_open(struct mf_mm *mm, struct mf_slot *me, struct mf_region *region,
		 uint64_t generation, uint32_t first, uint32_t last)
{
	size_t len;
	uintptr_t start = mf_region_of_unit(region, first, &len);
	uintptr_t end = mf_region_of_unit(region, last, &len) + len;
	int r = look_again(mm, me, region, generation);

	if (r < 0)
		return r;
	r = region->view->backend->open(region, start, end - start);
	mf_mm_read_unlock(mm, me);
	return r;
}

/* One page to be put somewhere, and what is known of the place. */
struct put {
	struct mf_mm *mm;
	struct mf_slot *me;
	uintptr_t dst;
	struct mf_region *region; /* of dst; a reference once looked up */
	uint64_t generation;
};

/*
 * Lock, and find the region that all of [dst, dst + len) lies in. The first
 * time keep a reference; later it must be the same, unchanged.
 */
static int put_lock(struct put *put, size_t len)
{
	struct mf_region *region;

	mf_mm_read_lock(put->mm, put->me);
	region = mf_mm_find(put->mm, put->dst);
	if (region && len <= region->start + region->len - put->dst) {
		if (put->region == region &&
		    put->generation == region->generation)
			return 0;
		if (!put->region) {
			put->region = mf_region_get(region);
			put->generation = region->generation;
			return 0;
		}
	}
	mf_mm_read_unlock(put->mm, put->me);
	return put->region ? -EAGAIN : -ENOENT;
}

static void put_unlock(struct put *put)
{
	mf_mm_read_unlock(put->mm, put->me);
}

static struct mf_store *put_store(const struct put *put)
{
	return put->region->view->store;
}

static uint32_t put_unit(const struct put *put)
{
	return mf_region_unit(put->region, put->dst);
}

/* Under the lock: the page becomes mine to fill. */
static int put_claim(struct put *put)
{
	uint32_t word;

	if (put_store(put)->unit != page_size())
		return -EINVAL;
	switch (mf_page_claim(put_store(put), put_unit(put), put->me, &word)) {
	case MF_CLAIM_MINE:
		return 0;
	case MF_CLAIM_DEPTH:
		return -ENOMEM;
	case MF_CLAIM_BUSY:
		return -EAGAIN;
	default:
		return -EEXIST;
	}
}

/* Under the lock, claimed, the bytes in place: show the page. */
static int put_publish(struct put *put)
{
	mf_page_publish(put_store(put), put_unit(put), put->me);
	return put->region->view->backend->open(put->region, put->dst,
						page_size());
}

/*
 * Copy a page into the store through a window, without a fault; src NULL:
 * zeros. Returns the bytes not copied.
 */
static size_t put_copy(struct put *put, const void *src)
{
	size_t left = page_size();
	void *to = kmap_local_page(&put_store(put)->kmap,
				   mf_region_offset(put->region, put->dst));

	if (!to)
		return left;
	/*
	 * Page faults stay off. src may lie in a region of ours; serving that
	 * fault needs the lock that is held here, behind any writer that
	 * queued meanwhile, or the lock of somebody who waits for ours. With
	 * faults off the copy comes up short instead, and no lock, however it
	 * is made, can deadlock.
	 */
	mf_pagefault_disable();
	if (src) {
		left = mf_copy_nofault(to, src, left);
	} else {
		memset(to, 0, left);
		left = 0;
	}
	mf_pagefault_enable();
	kunmap_local(to);
	return left;
}

/*
 * Copy into the page under the lock. -ENOENT: the source came up short, and
 * nothing is changed.
 */
static int copy_locked(struct put *put, const void *src)
{
	int r = put_claim(put);

	if (r < 0)
		return r;
	if (put_copy(put, src) == 0)
		return put_publish(put);
	mf_page_abandon(put_store(put), put_unit(put), put->me);
	return -ENOENT;
}

/* Memory that only the kernel can make us wait for, and never for long. */
static bool src_is_ours(struct mf_mm *mm, uintptr_t src)
{
	return mf_mm_find(mm, src) && mf_mm_find(mm, src + page_size() - 1);
}

/*
 * Bring src into the bounce page, with faults on and no lock held. A fault in
 * a region of ours is served by calling its filler, not by taking a signal:
 * so an error has a name.
 */
static int copy_unlocked(mf_fault_in_fn *fault_in, void *bounce, uintptr_t src)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		size_t left;
		int r;

		mf_might_fault("the source of a copy");
		left = mf_copy_nofault(bounce, (void *)src, page_size());
		if (left == 0)
			return 0;
		r = fault_in(src + (page_size() - left));
		if (r < 0 && r != -EAGAIN)
			return r == -ENOENT ? -EFAULT : r;
	}
	/* Evicted each time before we looked: the caller may try again. */
	return -EAGAIN;
}

static int copy_bounced(struct put *put, uintptr_t src,
			mf_fault_in_fn *fault_in, void *bounce)
{
	int r = copy_unlocked(fault_in, bounce, src);

	if (r < 0)
		return r;
	/* The destination may be gone by now, or be another: look again. */
	r = put_lock(put, page_size());
	if (r < 0)
		return r;
	r = copy_locked(put, bounce);
	put_unlock(put);
	return r == -ENOENT ? -ENOMEM : r;
}

static int copy_page(struct put *put, uintptr_t src, mf_fault_in_fn *fault_in)
{
	void *bounce;
	int r = put_lock(put, page_size());

	if (r < 0)
		return r;
	r = -ENOENT;
	if (src_is_ours(put->mm, src))
		r = copy_locked(put, (void *)src);
	put_unlock(put);
	if (r != -ENOENT)
		return r;

	bounce = mf_buffer_get(put->me, page_size());
	if (!bounce)
		return -ENOMEM;
	r = copy_bounced(put, src, fault_in, bounce);
	mf_buffer_put(put->me, bounce);
	return r;
}

static int zero_page(struct put *put)
{
	int r = put_lock(put, page_size());

	if (r < 0)
		return r;
	r = copy_locked(put, NULL);
	put_unlock(put);
	return r == -ENOENT ? -ENOMEM : r;
}

static int poison_page(struct put *put)
{
	int r = put_lock(put, page_size());

	if (r < 0)
		return r;
	r = put_claim(put);
	if (r == 0)
		mf_page_poison(put_store(put), put_unit(put), put->me);
	put_unlock(put);
	return r;
}

enum put_kind { PUT_COPY, PUT_ZERO, PUT_POISON };

static int64_t put_range(struct put *put, enum put_kind kind, uintptr_t src,
			 size_t len, mf_fault_in_fn *fault_in)
{
	size_t page = page_size();
	size_t done = 0;
	int r = 0;

	if (put->dst % page || len % page || len == 0)
		return -EINVAL;
	/* Refuse what cannot work before anything is changed. */
	r = put_lock(put, len);
	if (r < 0)
		return r;
	put_unlock(put);
	for (; done < len && r == 0; put->dst += page) {
		if (kind == PUT_COPY)
			r = copy_page(put, src + done, fault_in);
		else if (kind == PUT_ZERO)
			r = zero_page(put);
		else
			r = poison_page(put);
		if (r == 0)
			done += page;
	}
	mf_region_put(put->region);
	return done ? (int64_t)done : r;
}

int64_t mf_fill_copy(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		     uintptr_t src, size_t len, mf_fault_in_fn *fault_in)
{
	struct put put = { .mm = mm, .me = me, .dst = dst };

	return put_range(&put, PUT_COPY, src, len, fault_in);
}

int64_t mf_fill_zero(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		     size_t len)
{
	struct put put = { .mm = mm, .me = me, .dst = dst };

	return put_range(&put, PUT_ZERO, 0, len, NULL);
}

int64_t mf_fill_poison(struct mf_mm *mm, struct mf_slot *me, uintptr_t dst,
		       size_t len)
{
	struct put put = { .mm = mm, .me = me, .dst = dst };

	return put_range(&put, PUT_POISON, 0, len, NULL);
}
