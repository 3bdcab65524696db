/* SPDX-License-Identifier: MIT */
/*
 * put.c - put one page into a registered range.
 *
 * Promise: as in put.h.
 * Context: as in put.h.
 *
 * How bytes get in without being seen half done depends on the memory:
 *
 *   private  there is no second mapping of it. They go through /proc/self/mem,
 *	      which needs no access, while nobody has any (window.h)
 *   shared   through a second mapping, made by mremap() of size 0
 *
 * A page that is missing but not hidden (nobody asked for that, or somebody
 * dropped it) is closed first: a thread that touches it meanwhile has a fault,
 * waits for the page lock, and runs its instruction again.
 */
#include "uffd/put.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "mm/uaccess.h"
#include "uffd/hide.h"
#include "uffd/proc.h"
#include "uffd/window.h"

/* As large as a page may be. Nobody writes to it. */
static char zeros[65536];

static uintptr_t alias_of(const struct mf_range *range, uintptr_t addr)
{
	return range->alias + (addr - range->start);
}

static bool is_hidden(const struct mf_range *range, uintptr_t addr)
{
	return *mf_range_state(range, addr) & MF_STATE_HIDDEN;
}

bool mf_put_is_there(const struct mf_range *range, uintptr_t addr)
{
	if (is_hidden(range, addr))
		return false;
	return *mf_range_state(range, addr) & MF_STATE_INSTALLED ||
	       mf_proc_present(addr);
}

/* In the way of new bytes: for shared memory what the file has is. */
static bool is_taken(const struct mf_range *range, uintptr_t addr)
{
	return range->shared ? mf_proc_cached(alias_of(range, addr))
			     : mf_put_is_there(range, addr);
}

/* As the kernel, whose fill maps the page: so that it says it is there. */
static uint8_t touch(uintptr_t addr)
{
	char byte;

	return mf_copy_nofault(&byte, (void *)addr, 1) ? MF_STATE_INSTALLED : 0;
}

int mf_put_closed(struct mf_range *range, uintptr_t addr, const void *bytes,
		  uint8_t state)
{
	bool marked = mf_state_is_marked(*mf_range_state(range, addr));
	int r;

	mf_hide_fill(addr, true);
	r = marked ? mf_hide_unmark(range, addr, mf_page_size()) : 0;
	if (r == 0)
		r = mf_proc_write(addr, bytes, mf_page_size());
	if (r == 0)
		*mf_range_state(range, addr) = state;
	else if (marked)
		(void)mf_hide(range, addr, mf_page_size());
	mf_hide_fill(addr, false);
	return r;
}

/*
 * What could not be opened, because the kernel allows no more mappings, is as
 * if it had not been filled.
 */
static void take_back(struct mf_range *range, uintptr_t addr, size_t len)
{
	if (range->shared) {
		(void)mf_sys.madvise((void *)alias_of(range, addr), len,
				     MADV_REMOVE);
		return;
	}
	(void)mf_sys.madvise((void *)addr, len, MADV_DONTNEED);
	mf_hide_keep_closed(range, addr, len);
}

static int show_shared(struct mf_range *range, uintptr_t addr, size_t len,
		       uint8_t state)
{
	int r = mf_hide_show(range, addr, len, state | MF_STATE_INSTALLED);

	if (r < 0)
		take_back(range, addr, len);
	return r;
}

/*
 * Into the file, through the alias. How much is left. The pages are made first:
 * a call for all of them takes less than the faults of the copy, and where
 * there is none (before Linux 5.14), or the file ends, the copy does it.
 */
static size_t write_shared(const struct mf_range *range, uintptr_t addr,
			   const void *bytes, size_t len)
{
	void *alias = (void *)alias_of(range, addr);

	(void)mf_sys.madvise(alias, len, MADV_POPULATE_WRITE);
	return mf_copy_nofault(alias, bytes, len);
}

/* The page is closed or hidden; and is when that fails. */
static int put_closed(struct mf_range *range, uintptr_t addr, const void *bytes,
		      uint8_t state)
{
	if (!range->shared)
		return mf_put_closed(range, addr, bytes, state);
	if (write_shared(range, addr, bytes, mf_page_size()))
		return -EFAULT; /* beyond the end of the file */
	if (is_hidden(range, addr))
		return show_shared(range, addr, mf_page_size(), state);
	*mf_range_state(range, addr) = state | MF_STATE_INSTALLED;
	return 0;
}

/* A private page is filled where it is, so a marker alone is not enough. */
static bool needs_closing(const struct mf_range *range, uintptr_t addr)
{
	if (!is_hidden(range, addr))
		return true;
	return !range->shared;
}

static int put(struct mf_range *range, uintptr_t addr, const void *bytes,
	       uint8_t state)
{
	bool close = needs_closing(range, addr),
	     hidden = is_hidden(range, addr);
	int r, back;

	if (is_taken(range, addr))
		return -EEXIST;
	if (hidden && !range->shared)
		mf_window_before(range, addr, mf_page_size());
	r = close ? mf_hide_close(range, addr, mf_page_size()) : 0;
	if (r < 0)
		return r;
	/* Somebody may have touched it before it was closed. */
	if (!hidden && is_taken(range, addr))
		r = -EEXIST;
	if (r == 0)
		r = put_closed(range, addr, bytes, state);
	if (!close && (r < 0 || range->shared))
		return r;
	back = mf_hide_open(range, addr, mf_page_size());
	if (r == 0 && back < 0)
		take_back(range, addr, mf_page_size());
	return r < 0 ? r : back;
}

static uint8_t state_for(bool wp)
{
	return wp ? MF_STATE_WP : 0;
}

/*
 * Several at once: one call of each kind for all of them. How many from addr
 * on are hidden, and in nobody's way; with the same below their markers.
 */
static size_t count_alike(const struct mf_range *range, uintptr_t addr,
			  size_t n)
{
	const uint8_t *state = mf_range_state(range, addr);
	unsigned char cached[MF_PROC_PAGES] = { 0 };
	size_t i = 0;

	if (n > MF_PROC_PAGES)
		n = MF_PROC_PAGES;
	if (range->shared)
		mf_proc_cached_pages(alias_of(range, addr), n, cached);
	while (i < n && state[i] & MF_STATE_HIDDEN && !(cached[i] & 1))
		i++;
	return i;
}

static int put_private_run(struct mf_range *range, uintptr_t addr,
			   const void *bytes, size_t len, uint8_t state)
{
	int r, back;

	mf_window_before(range, addr, len);
	r = mf_hide_close(range, addr, len);
	mf_hide_fill(addr, true);
	if (r == 0)
		r = mf_hide_unmark(range, addr, len);
	if (r == 0)
		r = mf_proc_write(addr, bytes, len);
	if (r == 0)
		memset(mf_range_state(range, addr), state,
		       len / mf_page_size());
	else
		(void)mf_hide(range, addr, len);
	mf_hide_fill(addr, false);
	back = mf_hide_open(range, addr, len);
	if (r == 0 && back < 0)
		take_back(range, addr, len);
	if (r == 0)
		r = back;
	return r < 0 ? r : (int)(len / mf_page_size());
}

/* Fewer when the file ends before. */
static int put_shared_run(struct mf_range *range, uintptr_t addr,
			  const void *bytes, size_t len, uint8_t state)
{
	int r;

	len -= write_shared(range, addr, bytes, len);
	len -= len % mf_page_size();
	if (len == 0)
		return -EFAULT;
	r = show_shared(range, addr, len, state);
	return r < 0 ? r : (int)(len / mf_page_size());
}

int mf_put_copy(struct mf_range *range, uintptr_t addr, const void *bytes,
		size_t n, bool wp)
{
	size_t alike;
	int r;

	mf_range_lock_pages();
	alike = n > 1 ? count_alike(range, addr, n) : 0;
	if (alike > 1)
		r = (range->shared ? put_shared_run : put_private_run)(
			range, addr, bytes, alike * mf_page_size(),
			state_for(wp));
	else
		r = put(range, addr, bytes, state_for(wp)) ?: 1;
	mf_range_unlock_pages();
	return r;
}

/* The kernel's page of zeros goes only where there is nothing at all. */
static int zero_private(struct mf_range *range, uintptr_t addr)
{
	uint8_t state = *mf_range_state(range, addr);
	int r = 0;

	if (state & (MF_STATE_POISON | MF_STATE_WP) ||
	    mf_put_is_there(range, addr))
		return -EEXIST;
	if (state & MF_STATE_HIDDEN)
		r = mf_hide_show(range, addr, mf_page_size(), 0);
	if (r == 0)
		*mf_range_state(range, addr) |= touch(addr);
	return r;
}

int mf_put_zero(struct mf_range *range, uintptr_t addr, bool wp)
{
	int r;

	(void)wp;
	mf_range_lock_pages();
	r = range->shared ? put(range, addr, zeros, 0)
			  : zero_private(range, addr);
	mf_range_unlock_pages();
	return r;
}

static int show_cached(struct mf_range *range, uintptr_t addr, uint8_t state)
{
	int r;

	state |= MF_STATE_INSTALLED;
	if (is_hidden(range, addr))
		return mf_hide_show(range, addr, mf_page_size(), state);
	*mf_range_state(range, addr) = state;
	r = mf_hide_open(range, addr, mf_page_size());
	if (r == 0)
		(void)touch(addr);
	return r;
}

int mf_put_continue(struct mf_range *range, uintptr_t addr, bool wp)
{
	int r = 0;

	if (!range->shared)
		return -EINVAL;
	mf_range_lock_pages();
	if (!mf_proc_cached(alias_of(range, addr)))
		r = -EFAULT;
	else if (mf_put_is_there(range, addr))
		r = -EEXIST;
	if (r == 0)
		r = show_cached(range, addr, state_for(wp));
	mf_range_unlock_pages();
	return r;
}

/* What is missing but not hidden is closed first, as above. */
static int poison(struct mf_range *range, uintptr_t addr)
{
	bool hidden = is_hidden(range, addr);
	int r = hidden ? 0 : mf_hide_close(range, addr, mf_page_size());

	if (r == 0 && mf_put_is_there(range, addr))
		r = -EEXIST;
	if (r == 0 && !hidden)
		r = mf_hide(range, addr, mf_page_size());
	if (r == 0)
		*mf_range_state(range, addr) |= MF_STATE_POISON;
	if (!hidden)
		(void)mf_hide_open(range, addr, mf_page_size());
	return r;
}

int mf_put_poison(struct mf_range *range, uintptr_t addr, bool wp)
{
	int r;

	(void)wp;
	mf_range_lock_pages();
	if (*mf_range_state(range, addr) & (MF_STATE_POISON | MF_STATE_WP) ||
	    mf_put_is_there(range, addr))
		r = -EEXIST;
	else
		r = poison(range, addr);
	mf_range_unlock_pages();
	return r;
}
