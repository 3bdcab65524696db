/* SPDX-License-Identifier: MIT */
/*
 * protect.c - writes that are announced: UFFDIO_WRITEPROTECT.
 *
 * Promise: what is not announced is not stopped either: a page without the
 * mark is never mapped read-only, not even between two with it.
 * Context: as in protect.h.
 *
 * The kernel has a bit in each page table entry. Here it is mprotect(), so each
 * run of pages is a mapping. What a marker hides may be mapped either way, so
 * runs go on through that.
 */
#include "uffd/protect.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/forkgen.h"
#include "base/userfaultfd.h"
#include "mm/mm.h"
#include "uffd/hide.h"
#include "uffd/proc.h"

/* The mark stays although there is no page yet. */
static bool sticks_to_nothing(const struct mf_range *range)
{
	return range->shared || range->features & (UFFD_FEATURE_WP_UNPOPULATED |
						   UFFD_FEATURE_WP_ASYNC);
}

static bool sticks(const struct mf_range *range, uint8_t state, uint64_t word)
{
	if (state & MF_STATE_POISON)
		return false;
	if (sticks_to_nothing(range))
		return true;
	if (state & MF_STATE_HIDDEN)
		return false;
	return state & MF_STATE_INSTALLED || mf_proc_has(word);
}

/*
 * The kernel allowed no more mappings. A mark without protection would not be
 * noticed, and protection without a mark be taken for the program's own.
 */
static void follow_protection(struct mf_range *range, uintptr_t start, size_t n)
{
	uint8_t *state = mf_range_state(range, start);

	for (size_t i = 0; i < n && range->prot & PROT_WRITE; i++) {
		if (state[i] & MF_STATE_HIDDEN)
			continue;
		state[i] &= (uint8_t)~MF_STATE_WP;
		if (state[i] & MF_STATE_READ_ONLY)
			state[i] |= MF_STATE_WP;
	}
}

static int apply(struct mf_range *range, uintptr_t start, size_t n)
{
	int r = mf_hide_open(range, start, n * mf_page_size());

	if (r < 0)
		follow_protection(range, start, n);
	return r;
}

static int mark_some(struct mf_range *range, uintptr_t start, size_t n)
{
	uint64_t words[MF_PROC_PAGES];

	mf_proc_pages(start, n, words);
	for (size_t i = 0; i < n; i++) {
		uint8_t *state = mf_range_state(range,
						start + i * mf_page_size());

		if (sticks(range, *state, words[i]))
			*state |= MF_STATE_WP;
	}
	return apply(range, start, n);
}

static int unmark_some(struct mf_range *range, uintptr_t start, size_t n)
{
	uint8_t *state = mf_range_state(range, start);

	for (size_t i = 0; i < n; i++)
		state[i] &= (uint8_t)~MF_STATE_WP;
	return apply(range, start, n);
}

static int protect_pages(struct mf_range *range, uintptr_t start, uintptr_t end,
			 bool wp)
{
	int r = 0;

	for (uintptr_t at = start; at < end && r == 0;) {
		size_t n = (end - at) / mf_page_size();

		if (wp && n > MF_PROC_PAGES)
			n = MF_PROC_PAGES;
		r = wp ? mark_some(range, at, n) : unmark_some(range, at, n);
		at += n * mf_page_size();
	}
	return r;
}

/* Memory that is not registered is an error; where none is mapped is not. */
static int protect_all(uintptr_t start, uintptr_t end, bool wp)
{
	int r = -ENOENT;

	while (start < end) {
		struct mf_range *range = mf_range_find(start);
		struct mf_proc_vma vma;
		uintptr_t stop;

		if (!range || !range->owner) {
			if (mf_proc_vma(start, &vma) < 0 || vma.start >= end)
				break;
			if (vma.start <= start)
				return -ENOENT;
			start = vma.start;
			continue;
		}
		if (!(range->mode & UFFDIO_REGISTER_MODE_WP))
			return -ENOENT;
		stop = range->start + range->len;
		if (stop > end)
			stop = end;
		r = protect_pages(range, start, stop, wp);
		if (r < 0)
			return r;
		start = stop;
	}
	return r;
}

int mf_protect(uintptr_t start, size_t len, bool wp)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	int r;

	if (!me || !mm)
		return -ENOMEM;
	mf_mm_read_lock(mm, me);
	mf_range_lock_pages();
	r = protect_all(start, start + len, wp);
	mf_range_unlock_pages();
	mf_mm_read_unlock(mm, me);
	return r;
}

bool mf_uffd_is_wp(uintptr_t addr)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	struct mf_range *range;
	bool wp = false;

	if (!me || !mm)
		return false;
	mf_mm_read_lock(mm, me);
	mf_range_lock_pages();
	range = mf_range_find(addr);
	if (range && range->epoch == mf_fork_generation())
		wp = *mf_range_state(range, addr) & MF_STATE_WP;
	mf_range_unlock_pages();
	mf_mm_read_unlock(mm, me);
	return wp;
}
