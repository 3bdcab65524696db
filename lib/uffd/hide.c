/* SPDX-License-Identifier: MIT */
/*
 * hide.c - hide the pages of a registered range, and show them again.
 *
 * Promise: as in hide.h.
 * Context: as in hide.h.
 */
#include "uffd/hide.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sync.h"
#include "base/sys.h"
#include "mm/uaccess.h"
#include "uffd/proc.h"

static int install_guards(uintptr_t start, size_t len)
{
	return mf_sys.madvise((void *)start, len, MADV_GUARD_INSTALL);
}

static int remove_guards(uintptr_t start, size_t len)
{
	return mf_sys.madvise((void *)start, len, MADV_GUARD_REMOVE);
}

const struct mf_hider mf_hide_guard = { "guard", install_guards,
					remove_guards };
const struct mf_hider mf_hide_mprotect = { "mprotect", NULL, NULL };

/* What works here */

static const struct mf_hider *best[2]; /* private, shared; set by start */

static const struct mf_hider *try_guard(int type)
{
	size_t size = mf_page_size();
	bool works;
	void *page;

	if (mf_sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
			type | MAP_ANONYMOUS, -1, 0, &page) < 0)
		return &mf_hide_mprotect;
	works = install_guards((uintptr_t)page, size) == 0 &&
		remove_guards((uintptr_t)page, size) == 0;
	(void)mf_sys.munmap(page, size);
	return works ? &mf_hide_guard : &mf_hide_mprotect;
}

void mf_hide_start(void)
{
	if (best[1])
		return;
	best[0] = try_guard(MAP_PRIVATE);
	best[1] = try_guard(MAP_SHARED);
}

const struct mf_hider *mf_hide_best(bool shared)
{
	return best[shared];
}

/* Protection */

static void set_states(struct mf_range *range, uintptr_t start, size_t len,
		       uint8_t state)
{
	memset(mf_range_state(range, start), state, len / mf_page_size());
}

static int visible_prot(const struct mf_range *range, uint8_t state)
{
	if (!(state & MF_STATE_WP) || !(range->prot & PROT_WRITE))
		return range->prot;
	/* Who may only write reads, too. */
	return (range->prot & ~PROT_WRITE) | PROT_READ;
}

#define ANY -1 /* the marker keeps everybody out, whatever the protection */

static int wanted_prot(const struct mf_range *range, uint8_t state)
{
	if (state & MF_STATE_HIDDEN)
		return state & MF_STATE_NO_ACCESS ? PROT_NONE : ANY;
	return visible_prot(range, state);
}

static int protect(struct mf_range *range, uintptr_t start, uintptr_t end,
		   int prot)
{
	uint8_t read_only;
	int r;

	if (prot == ANY)
		prot = range->prot;
	read_only = prot != range->prot && prot != PROT_NONE
			    ? MF_STATE_READ_ONLY
			    : 0;
	r = mf_sys.mprotect((void *)start, end - start, prot);
	for (uintptr_t at = start; r == 0 && at < end; at += mf_page_size()) {
		uint8_t *state = mf_range_state(range, at);

		*state = (uint8_t)((*state & ~MF_STATE_READ_ONLY) | read_only);
	}
	return r;
}

/*
 * What is closed right now, for a child that is forked in the middle of it:
 * nobody else tells whether the program has mapped something else there since.
 * A page that moves has another one that is closed, too.
 */
static struct {
	uintptr_t start;
	size_t len;
	bool half; /* bytes are being put there */
} closed[2];	   /* page lock, or write lock */

static bool is_closed(const struct mf_range *range, uintptr_t start, size_t len)
{
	uintptr_t at = start, end = start + len;

	while (at < end && *mf_range_state(range, at) & MF_STATE_NO_ACCESS)
		at += mf_page_size();
	return at == end;
}

int mf_hide_close(const struct mf_range *range, uintptr_t start, size_t len)
{
	int at = closed[0].len ? 1 : 0, r;

	closed[at].half = false;
	closed[at].start = start;
	mf_barrier();
	closed[at].len = len;
	if (is_closed(range, start, len))
		return 0;
	r = mf_sys.mprotect((void *)start, len, PROT_NONE);
	if (r < 0)
		closed[at].len = 0;
	return r;
}

void mf_hide_fill(uintptr_t start, bool half)
{
	for (int i = 0; i < 2; i++)
		if (start - closed[i].start < closed[i].len)
			closed[i].half = half;
}

static void forget_closed(uintptr_t start, size_t len)
{
	for (int i = 0; i < 2; i++)
		if (closed[i].start - start < len)
			closed[i].len = 0;
}

/* No access below a marker would outlive it. */
static bool go_together(int prot, int next)
{
	if (prot == ANY || next == ANY)
		return prot != PROT_NONE && next != PROT_NONE;
	return prot == next;
}

/* As few calls, and so mappings, as the states allow. */
int mf_hide_open(struct mf_range *range, uintptr_t start, size_t len)
{
	uintptr_t run = start, end = start + len;
	int prot = wanted_prot(range, *mf_range_state(range, start)), r = 0;

	for (uintptr_t at = start; at < end && r == 0; at += mf_page_size()) {
		int next = wanted_prot(range, *mf_range_state(range, at));

		if (!go_together(prot, next)) {
			r = protect(range, run, at, prot);
			run = at;
			prot = next;
		}
		if (prot == ANY)
			prot = next;
	}
	if (r == 0)
		r = protect(range, run, end, prot);
	forget_closed(start, len);
	return r;
}

/* Hide and show */

int mf_hide(struct mf_range *range, uintptr_t start, size_t len)
{
	int r = range->hider->install
			? range->hider->install(start, len)
			: mf_sys.mprotect((void *)start, len, PROT_NONE);

	for (uintptr_t at = start; r == 0 && at < start + len;
	     at += mf_page_size()) {
		uint8_t *state = mf_range_state(range, at);

		*state &= MF_STATE_POISON | MF_STATE_WP | MF_STATE_READ_ONLY;
		*state |= MF_STATE_HIDDEN;
		if (!range->hider->install) {
			*state &= (uint8_t)~MF_STATE_READ_ONLY;
			*state |= MF_STATE_NO_ACCESS;
		}
	}
	return r;
}

void mf_hide_keep_closed(struct mf_range *range, uintptr_t start, size_t len)
{
	set_states(range, start, len, MF_STATE_HIDDEN | MF_STATE_NO_ACCESS);
}

/* A child that is forked in the middle of these repairs what is closed. */
int mf_hide_by_access(struct mf_range *range, uintptr_t start, size_t len)
{
	int r = mf_hide_close(range, start, len);

	if (r < 0)
		return r;
	r = mf_hide_unmark(range, start, len);
	for (uintptr_t at = start; r == 0 && at < start + len;
	     at += mf_page_size()) {
		uint8_t *state = mf_range_state(range, at);

		*state &= (uint8_t)~MF_STATE_READ_ONLY;
		*state |= MF_STATE_NO_ACCESS;
	}
	if (r == 0)
		forget_closed(start, len);
	else
		(void)mf_hide_open(range, start, len);
	return r;
}

int mf_hide_by_markers(struct mf_range *range, uintptr_t start, size_t len)
{
	int r = mf_hide_close(range, start, len), back;

	if (r == 0)
		r = mf_hide(range, start, len);
	back = mf_hide_open(range, start, len);
	if (r < 0 || back == 0)
		return r;
	(void)mf_hide_unmark(range, start, len);
	for (uintptr_t at = start; at < start + len; at += mf_page_size())
		*mf_range_state(range, at) |= MF_STATE_NO_ACCESS;
	return back;
}

int mf_hide_unmark(struct mf_range *range, uintptr_t start, size_t len)
{
	uintptr_t at = start, end = start + len;

	while (at < end && !mf_state_is_marked(*mf_range_state(range, at)))
		at += mf_page_size();
	return at < end ? range->hider->remove(at, end - at) : 0;
}

/* The protection is right already, if a marker is all that hides them. */
static bool is_open_below(struct mf_range *range, uintptr_t start, size_t len,
			  uint8_t state)
{
	uint8_t read_only = state & MF_STATE_WP ? MF_STATE_READ_ONLY : 0;

	for (uintptr_t at = start; at < start + len; at += mf_page_size())
		if ((*mf_range_state(range, at) &
		     (MF_STATE_READ_ONLY | MF_STATE_NO_ACCESS)) != read_only)
			return false;
	return true;
}

/* Protection first: no write slips in before it. */
int mf_hide_show(struct mf_range *range, uintptr_t start, size_t len,
		 uint8_t state)
{
	int prot = visible_prot(range, state), r = 0;

	if (!is_open_below(range, start, len, state))
		r = mf_sys.mprotect((void *)start, len, prot);
	if (r == 0)
		r = mf_hide_unmark(range, start, len);
	if (r == 0)
		set_states(range, start, len,
			   state & MF_STATE_WP
				   ? (uint8_t)(state | MF_STATE_READ_ONLY)
				   : state);
	return r;
}

/* A page of which half is there goes; one that was hidden is again. */
static int repair(struct mf_range *range, uintptr_t start, size_t len,
		  bool half)
{
	const uint8_t kinds = MF_STATE_HIDDEN | MF_STATE_POISON;
	int r = 0;

	for (uintptr_t at = start; at < start + len && r == 0;
	     at += mf_page_size()) {
		bool hidden = (*mf_range_state(range, at) & kinds) ==
			      MF_STATE_HIDDEN;

		if (!range->shared && (hidden || half))
			r = mf_sys.madvise((void *)at, mf_page_size(),
					   MADV_DONTNEED);
		if (r == 0 && hidden)
			r = mf_hide(range, at, mf_page_size());
	}
	return r < 0 ? r : mf_hide_open(range, start, len);
}

int mf_hide_repair(struct mf_range *range)
{
	int r = 0;

	for (int i = 0; i < 2; i++) {
		if (!closed[i].len ||
		    closed[i].start - range->start >= range->len)
			continue;
		r = repair(range, closed[i].start, closed[i].len,
			   closed[i].half);
	}
	return r;
}

bool mf_hide_is_gone(const struct mf_range *range, uintptr_t addr)
{
	struct mf_proc_vma vma;
	uint64_t word;

	/* A marker shows as swapped out. */
	if (mf_state_is_marked(*mf_range_state(range, addr))) {
		mf_proc_pages(addr, 1, &word);
		return word & MF_PROC_PRESENT || !(word & MF_PROC_SWAP);
	}
	return mf_proc_vma(addr, &vma) < 0 || vma.start > addr ||
	       vma.prot != PROT_NONE;
}

/* The end of a registration */

/* What our mprotect() made of it; else somebody else's mapping is there. */
static bool is_ours(const struct mf_range *range, uintptr_t addr, int prot)
{
	struct mf_proc_vma vma;

	return mf_proc_vma(addr, &vma) == 0 && vma.start <= addr &&
	       vma.prot == prot &&
	       (vma.kind == MF_PROC_SHARED) == range->shared;
}

/* A page of something else has no marker, and is left alone. */
static void end_run(struct mf_range *range, uintptr_t start, uintptr_t end,
		    uint8_t state)
{
	if (mf_state_is_marked(state))
		(void)range->hider->remove(start, end - start);
	else if (state & MF_STATE_HIDDEN && !is_ours(range, start, PROT_NONE))
		return;
	if (state & MF_STATE_READ_ONLY &&
	    !is_ours(range, start, visible_prot(range, MF_STATE_WP)))
		return;
	if (state & (MF_STATE_READ_ONLY | MF_STATE_NO_ACCESS))
		(void)mf_sys.mprotect((void *)start, end - start, range->prot);
}

/* From now on the kernel has to know that they are there. */
static void map_installed(struct mf_range *range, uintptr_t start,
			  uintptr_t end)
{
	char byte;

	for (uintptr_t at = start; at < end; at += mf_page_size())
		if (*mf_range_state(range, at) & MF_STATE_INSTALLED)
			(void)mf_copy_nofault(&byte, (void *)at, 1);
}

bool mf_hide_end(struct mf_range *range)
{
	const uint8_t kinds = MF_STATE_HIDDEN | MF_STATE_READ_ONLY |
			      MF_STATE_NO_ACCESS;
	uintptr_t at = range->start, end = range->start + range->len;
	bool poison = false;

	while (at < end) {
		uint8_t state = *mf_range_state(range, at);
		uintptr_t run = at;

		if (state & MF_STATE_POISON) {
			poison = true;
			at += mf_page_size();
			continue;
		}
		while (at < end &&
		       !(*mf_range_state(range, at) & MF_STATE_POISON) &&
		       !((*mf_range_state(range, at) ^ state) & kinds))
			at += mf_page_size();
		if (state & kinds)
			end_run(range, run, at, state);
		map_installed(range, run, at);
		set_states(range, run, at - run, 0);
	}
	return poison;
}
