/* SPDX-License-Identifier: MIT */
/*
 * settle.c - hide what a registration wants hidden, and nothing else.
 *
 * Promise: as in settle.h.
 * Context: as in settle.h.
 */
#include "uffd/settle.h"

#include <sys/mman.h>

#include "base/userfaultfd.h"
#include "uffd/hide.h"
#include "uffd/proc.h"

/*
 * A page that only minor faults are announced for is hidden also while its
 * file has none: somebody may put it there.
 */
static bool is_hidden_in(const struct mf_range *range, uint8_t state,
			 uint64_t word, bool cached)
{
	uint64_t wanted = UFFDIO_REGISTER_MODE_MISSING;

	if (range->shared)
		wanted = UFFDIO_REGISTER_MODE_MINOR | (cached ? 0 : wanted);
	if (!(state & MF_STATE_HIDDEN) &&
	    (state & MF_STATE_INSTALLED || mf_proc_has(word)))
		return false;
	return range->mode & wanted;
}

/*
 * The kernel knows better than our note: the program may have mapped something
 * else there since. A marker shows as swapped out. Where having no access hides
 * a page, that there is one says nothing: it may be part of a huge page that
 * the kernel made for another one. That it has access does, before it is
 * closed.
 */
static uint8_t true_state(uint8_t state, uint64_t word)
{
	if (!mf_state_is_marked(state))
		return state;
	return word & MF_PROC_PRESENT || !mf_proc_has(word) ? 0 : state;
}

/* The page at at had no access; so had others up to the one that is returned. */
static uintptr_t forget_accessible(struct mf_range *range, uintptr_t at,
				   uintptr_t end)
{
	struct mf_proc_vma vma;
	bool mapped = mf_proc_vma(at, &vma) == 0 && vma.start <= at;
	bool ours = mapped && vma.prot == PROT_NONE;
	uintptr_t stop = mapped ? vma.end : at + mf_page_size();

	if (stop > end)
		stop = end;
	while (at < stop && *mf_range_state(range, at) & MF_STATE_NO_ACCESS) {
		if (!ours)
			*mf_range_state(range, at) = 0;
		at += mf_page_size();
	}
	return at;
}

static void forget_foreign(struct mf_range *range, uintptr_t start, size_t len)
{
	uintptr_t at = start, end = start + len;

	while (at < end)
		if (*mf_range_state(range, at) & MF_STATE_NO_ACCESS)
			at = forget_accessible(range, at, end);
		else
			at += mf_page_size();
}

/* All of the pages go from hidden to not hidden or back. */
static int turn(struct mf_range *range, uintptr_t start, uintptr_t end)
{
	int r;

	if (!(*mf_range_state(range, start) & MF_STATE_HIDDEN))
		return mf_hide(range, start, end - start);
	r = mf_hide_unmark(range, start, end - start);
	for (uintptr_t at = start; r == 0 && at < end; at += mf_page_size())
		*mf_range_state(range, at) &= (uint8_t) ~(MF_STATE_HIDDEN |
							  MF_STATE_NO_ACCESS);
	return r;
}

static int settle_some(struct mf_range *range, uintptr_t start, size_t n)
{
	uint64_t words[MF_PROC_PAGES];
	unsigned char cached[MF_PROC_PAGES] = { 0 };
	uintptr_t run = 0, end = start + n * mf_page_size();
	bool run_hidden = false;
	int r = 0;

	mf_proc_pages(start, n, words);
	if (range->shared)
		mf_proc_cached_pages(range->alias + (start - range->start), n,
				     cached);
	for (uintptr_t at = start; at <= end && r == 0; at += mf_page_size()) {
		size_t i = (at - start) / mf_page_size();
		bool turns = false, hidden = false;

		if (at < end) {
			uint8_t *state = mf_range_state(range, at);

			*state = true_state(*state, words[i]);
			hidden = *state & MF_STATE_HIDDEN;
			turns = !(*state & MF_STATE_POISON) &&
				hidden != is_hidden_in(range, *state, words[i],
						       cached[i] & 1);
		}
		if (run && (!turns || hidden != run_hidden)) {
			r = turn(range, run, at);
			run = 0;
		}
		if (turns && !run) {
			run = at;
			run_hidden = hidden;
		}
	}
	return r;
}

int mf_settle(struct mf_range *range, uintptr_t start, size_t len)
{
	uintptr_t end = start + len;
	int r, back;

	forget_foreign(range, start, len);
	r = mf_hide_close(range, start, len);
	for (uintptr_t at = start; at < end && r == 0;) {
		size_t n = (end - at) / mf_page_size();

		if (n > MF_PROC_PAGES)
			n = MF_PROC_PAGES;
		r = settle_some(range, at, n);
		at += n * mf_page_size();
	}
	back = mf_hide_open(range, start, len);
	return r < 0 ? r : back;
}
