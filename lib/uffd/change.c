/* SPDX-License-Identifier: MIT */
/*
 * change.c - the program changes mappings in which something is registered.
 *
 * Promise: as in change.h.
 * Context: as in change.h.
 *
 * What a call drops nobody gets at from before it goes until it is hidden: a
 * thread could see the zeros between the two. What it moves or maps over
 * nobody can see between, because a fault there waits for the lock.
 */
#include "uffd/change.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "uffd/audience.h"
#include "uffd/hide.h"
#include "uffd/proc.h"
#include "uffd/queue.h"

static uintptr_t whole_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

/* munmap, mmap */

/* Under the write lock: what is there is not mapped any more. */
static void forget(uintptr_t start, size_t len)
{
	struct mf_range *range;

	while ((range = mf_range_next(start, len)))
		mf_range_forget(range);
}

/* Is there something? Then the write lock is held. */
static int enter(uintptr_t start, size_t len)
{
	if (start % whole_pages(1) || len == 0 || start + len < start)
		return -ENOENT;
	mf_ranges_write_lock();
	if (mf_range_next(start, len))
		return 0;
	mf_ranges_write_unlock();
	return -ENOENT;
}

/* The same, and what reaches over the ends is cut there. */
static int enter_and_cut(uintptr_t start, size_t len)
{
	int r = enter(start, len);

	if (r < 0)
		return r;
	r = mf_range_split(start);
	if (r == 0)
		r = mf_range_split(start + len);
	if (r < 0)
		mf_ranges_write_unlock();
	return r;
}

int mf_uffd_munmap(void *addr, size_t len)
{
	struct mf_audience audience = { .n = 0 };
	uintptr_t start = (uintptr_t)addr;
	int r;

	len = whole_pages(len);
	r = enter_and_cut(start, len);
	if (r < 0)
		return r;
	mf_audience_gather(&audience, start, len, UFFD_FEATURE_EVENT_UNMAP);
	r = mf_sys.munmap(addr, len);
	if (r == 0)
		forget(start, len);
	mf_ranges_write_unlock();
	if (r < 0) {
		mf_audience_dismiss(&audience);
		return r;
	}
	mf_queue_wake(0, start, len);
	mf_audience_tell_unmap(&audience, start, len);
	return 0;
}

int mf_uffd_mmap(void *addr, size_t len, int prot, int flags, int fd,
		 uint64_t offset, void **ret_addr)
{
	struct mf_audience audience = { .n = 0 };
	uintptr_t start = (uintptr_t)addr;
	int r;

	r = enter_and_cut(start, whole_pages(len));
	if (r < 0)
		return r;
	mf_audience_gather(&audience, start, whole_pages(len),
			   UFFD_FEATURE_EVENT_UNMAP);
	r = mf_sys.mmap(addr, len, prot, flags, fd, offset, ret_addr);
	if (r == 0)
		forget(start, whole_pages(len));
	mf_ranges_write_unlock();
	if (r < 0) {
		mf_audience_dismiss(&audience);
		return r;
	}
	mf_queue_wake(0, start, whole_pages(len));
	mf_audience_tell_unmap(&audience, start, whole_pages(len));
	return 0;
}

/* A range after the other, and what is between them: in both the kernel's way. */

struct walk {
	int (*of_range)(struct mf_range *range, uintptr_t start, size_t len,
			int how);
	int (*of_others)(void *addr, size_t len, int how);
	int how;
	bool passes_holes;
};

/* One step from at on; *ret_next: how far it goes. */
static int step(const struct walk *walk, uintptr_t at, uintptr_t end,
		uintptr_t *ret_next)
{
	struct mf_range *range = mf_range_next(at, end - at);
	uintptr_t next = range ? range->start : end;

	if (next > at) {
		*ret_next = next;
		return walk->of_others((void *)at, next - at, walk->how);
	}
	next = range->start + range->len;
	*ret_next = next < end ? next : end;
	return walk->of_range(range, at, *ret_next - at, walk->how);
}

/* Under the write lock. Holes may be told of at the end, other errors end it. */
static int walk(const struct walk *walk, uintptr_t start, size_t len)
{
	uintptr_t at = start, end = start + len;
	int first = 0;

	while (at < end) {
		int r = step(walk, at, end, &at);

		if (r < 0 && (r != -ENOMEM || !walk->passes_holes))
			return r;
		if (first == 0)
			first = r;
	}
	return first;
}

/* mprotect */

static int protect_range(struct mf_range *range, uintptr_t start, size_t len,
			 int prot)
{
	int before = range->prot, r;

	range->prot = prot;
	mf_range_lock_pages();
	r = mf_hide_open(range, start, len);
	mf_range_unlock_pages();
	if (r < 0)
		range->prot = before;
	return r;
}

int mf_uffd_mprotect(void *addr, size_t len, int prot)
{
	const struct walk how = { protect_range, mf_sys.mprotect, prot, false };
	int r;

	len = whole_pages(len);
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -ENOENT; /* grows, has a key: none that are registered */
	r = enter_and_cut((uintptr_t)addr, len);
	if (r < 0)
		return r;
	r = walk(&how, (uintptr_t)addr, len);
	mf_ranges_join();
	mf_ranges_write_unlock();
	return r;
}

/* madvise */

static bool drops(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE ||
	       advice == MADV_REMOVE || advice == 24; /* DONTNEED_LOCKED */
}

/* Pages that the file has stay there, and come back without a message. */
static bool is_announced(const struct mf_range *range, int advice)
{
	if (!range->shared)
		return range->mode & UFFDIO_REGISTER_MODE_MISSING;
	if (advice == MADV_REMOVE)
		return range->mode & (UFFDIO_REGISTER_MODE_MISSING |
				      UFFDIO_REGISTER_MODE_MINOR);
	return range->mode & UFFDIO_REGISTER_MODE_MINOR;
}

/*
 * Under the page lock: what is known of the pages, when they are gone. Poison
 * becomes a page that is hidden: a touch finds out what for. A hole in the file
 * leaves it, because it is not of the file.
 */
static int set_dropped(struct mf_range *range, uintptr_t start, size_t len,
		       int advice)
{
	uint8_t gone = MF_STATE_INSTALLED;
	uint8_t *state = mf_range_state(range, start);

	if (advice != MADV_REMOVE)
		gone |= MF_STATE_POISON;

	/* A private page takes the mark of protection along. */
	if (!range->shared)
		gone |= MF_STATE_WP;
	for (size_t i = 0; i < len / whole_pages(1); i++)
		state[i] &= (uint8_t)~gone;
	return mf_hide_open(range, start, len);
}

/*
 * Under the page lock. The kernel may refuse (a sealed file, locked memory), so
 * nothing is hidden for good before it has done it, and nobody gets at a page
 * from before that on. A marker alone does not do: the kernel drops the page
 * first and looks again, and a thread may have zeros there by then.
 */
static int drop_closed(struct mf_range *range, uintptr_t start, size_t len,
		       int advice)
{
	bool hides = is_announced(range, advice);
	int r = mf_hide_close(range, start, len), back;

	if (r == 0)
		r = mf_sys.madvise((void *)start, len, advice);
	if (r == 0 && hides)
		r = mf_hide(range, start, len);
	back = r == 0 ? set_dropped(range, start, len, advice)
		      : mf_hide_open(range, start, len);
	return r < 0 ? r : back;
}

/* All mappings but one lose these pages with it. Under the write lock. */
static void hide_others(const struct mf_range *one, uint64_t inode,
			uint64_t offset, uint64_t len)
{
	struct mf_range *range = mf_range_next(0, SIZE_MAX);

	for (; range; range = mf_range_after(range, 0, SIZE_MAX)) {
		uint64_t from = offset > range->offset ? offset - range->offset
						       : 0;
		uint64_t to = offset + len - range->offset;

		if (range == one || !range->shared || range->inode != inode ||
		    offset + len <= range->offset || from >= range->len ||
		    !is_announced(range, MADV_REMOVE))
			continue;
		if (to > range->len)
			to = range->len;
		mf_range_lock_pages();
		(void)mf_hide(range, range->start + from, to - from);
		mf_range_unlock_pages();
	}
}

static int drop_pages(struct mf_range *range, uintptr_t start, size_t len,
		      int advice)
{
	int r;

	/* Nobody knows when such pages are freed; never, here. */
	if (advice == MADV_FREE && !range->shared)
		return 0;
	if (advice == MADV_REMOVE && range->shared)
		hide_others(range, range->inode,
			    range->offset + (start - range->start), len);
	mf_range_lock_pages();
	r = drop_closed(range, start, len, advice);
	mf_range_unlock_pages();
	return r;
}

void mf_uffd_punch(int fd, uint64_t offset, uint64_t len)
{
	uint64_t page = whole_pages(1), end = (offset + len) / page * page;
	struct stat st;

	/* A page of which a part goes stays. */
	offset = (offset + page - 1) / page * page;
	if (end <= offset || mf_sys.fstat(fd, &st) < 0)
		return;
	mf_ranges_write_lock();
	hide_others(NULL, st.st_ino, offset, end - offset);
	mf_ranges_write_unlock();
}

/*
 * Mapping for mapping, as the kernel: what comes after one that it refuses is
 * not hidden.
 */
static int punch_others(uintptr_t start, size_t len)
{
	uintptr_t at = start, end = start + len, next;
	struct mf_proc_vma vma;
	int r, first = 0;

	for (; at < end; at = next) {
		next = end;
		if (mf_proc_vma(at, &vma) == 0 && vma.start < end) {
			uintptr_t from = vma.start > at ? vma.start : at;

			next = vma.end < end ? vma.end : end;
			if (vma.kind == MF_PROC_SHARED)
				hide_others(NULL, vma.inode,
					    vma.offset + (from - vma.start),
					    next - from);
		}
		r = mf_sys.madvise((void *)at, next - at, MADV_REMOVE);
		if (r < 0 && r != -ENOMEM)
			return r;
		if (first == 0)
			first = r;
	}
	return first;
}

static int drop_others(void *addr, size_t len, int advice)
{
	return advice == MADV_REMOVE ? punch_others((uintptr_t)addr, len)
				     : mf_sys.madvise(addr, len, advice);
}

/* Then nobody is told. */
static bool is_refused(const struct mf_range *range, int advice)
{
	return advice == MADV_REMOVE ? !range->shared
				     : advice == MADV_FREE && range->shared;
}

/*
 * What the kernel has as one mapping is announced by itself, then its pages go,
 * and only then it looks at the next one. What lies between mappings, or is
 * not registered, is a piece, too. Where it ends.
 */
static uintptr_t announce(uintptr_t at, uintptr_t end, int advice)
{
	struct mf_audience audience = { .n = 0 };
	struct uffd_msg message = { .event = UFFD_EVENT_REMOVE };
	const struct mf_range *range;
	uintptr_t next = end;

	mf_ranges_write_lock();
	range = mf_range_next(at, end - at);
	if (range && range->start > at) {
		next = range->start;
	} else if (range) {
		next = mf_range_reach(range, end);
		if (!is_refused(range, advice))
			mf_audience_add(&audience, range->owner,
					UFFD_FEATURE_EVENT_REMOVE);
	}
	mf_ranges_write_unlock();
	message.arg.remove.start = at;
	message.arg.remove.end = next;
	mf_audience_tell(&audience, &message);
	return next;
}

int mf_uffd_madvise(void *addr, size_t len, int advice)
{
	const struct walk how = { drop_pages, drop_others, advice, true };
	uintptr_t start = (uintptr_t)addr, at = start, next;
	int r, first = 0;

	len = whole_pages(len);
	if (!drops(advice))
		return -ENOENT;
	r = enter(start, len);
	if (r == 0)
		mf_ranges_write_unlock();
	/* Others may see these pages, when they do not. */
	if (r < 0 && (r != -ENOENT || advice != MADV_REMOVE))
		return r;
	for (; at < start + len; at = next) {
		next = announce(at, start + len, advice);
		mf_ranges_write_lock();
		r = walk(&how, at, next - at);
		mf_ranges_write_unlock();
		if (r < 0 && r != -ENOMEM)
			return r;
		if (first == 0)
			first = r;
	}
	return first;
}
