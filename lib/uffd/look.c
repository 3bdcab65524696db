/* SPDX-License-Identifier: MIT */
/*
 * look.c - what a fault in a registered range is about.
 *
 * Promise: a fault in a page that was closed for a moment is not taken for the
 * program's own.
 * Context: as in look.h.
 */
#include "uffd/look.h"

#include <sys/mman.h>

#include "base/forkgen.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "mm/uaccess.h"
#include "uffd/hide.h"
#include "uffd/proc.h"

/* Who may write may read, too. */
static bool allows(int prot, enum mf_access access)
{
	int want = access == MF_ACCESS_WRITE  ? PROT_WRITE
		   : access == MF_ACCESS_EXEC ? PROT_EXEC
					      : PROT_READ | PROT_WRITE;

	return prot & want;
}

/*
 * A marker that is none of ours. It shows as swapped out; before Linux 6.15
 * nothing else tells it from a page that is, but that can be read.
 */
static bool is_marked_by_others(uintptr_t page)
{
	uint64_t word;
	char byte;

	mf_proc_pages(page, 1, &word);
	if (word & MF_PROC_PRESENT || !(word & MF_PROC_SWAP))
		return false;
	return word & MF_PROC_GUARD || mf_proc_read(page, &byte, 1) < 0;
}

/*
 * Under the page lock, so nothing is closed: what the kernel says counts. Only
 * an access that works when it is tried again may be, or it is tried for ever.
 */
static enum mf_range_fault ask_kernel(uintptr_t addr, enum mf_access access)
{
	struct mf_proc_vma vma;

	return mf_proc_vma(addr, &vma) == 0 && vma.start <= addr &&
			       allows(vma.prot, access) &&
			       !is_marked_by_others(addr &
						    ~(mf_page_size() - 1))
		       ? MF_RANGE_RETRY
		       : MF_RANGE_FOREIGN;
}

/* The program may have mapped something else there: that has no marker. */
static bool is_marked(const struct mf_range *range, uintptr_t page)
{
	uint64_t word;

	if (!mf_state_is_marked(*mf_range_state(range, page)))
		return true;
	mf_proc_pages(page, 1, &word);
	return word & MF_PROC_SWAP;
}

static enum mf_range_fault look_at_hidden(struct mf_range *range,
					  uintptr_t page)
{
	uint8_t *state = mf_range_state(range, page);
	bool cached;

	if (*state & MF_STATE_POISON)
		return MF_RANGE_POISON;
	cached = range->shared &&
		 mf_proc_cached(range->alias + (page - range->start));
	if (!cached && range->mode & UFFDIO_REGISTER_MODE_MISSING)
		return MF_RANGE_MISSING;
	if (cached && range->mode & UFFDIO_REGISTER_MODE_MINOR)
		return MF_RANGE_MINOR;
	/* The file has it by now, or nobody wants to hear of it. */
	return mf_hide_show(range, page, mf_page_size(),
			    *state & MF_STATE_WP) == 0
		       ? MF_RANGE_RETRY
		       : MF_RANGE_POISON;
}

/* A write: to be announced, or just to be noted by taking the mark away. */
static enum mf_range_fault look_at_protected(struct mf_range *range,
					     uintptr_t page)
{
	char byte;

	if (range->mode & UFFDIO_REGISTER_MODE_WP &&
	    !(range->features & UFFD_FEATURE_WP_ASYNC)) {
		/* The kernel gets a page first, then finds it protected. */
		(void)mf_copy_nofault(&byte, (void *)page, 1);
		return MF_RANGE_WP;
	}
	*mf_range_state(range, page) &= (uint8_t)~MF_STATE_WP;
	if (mf_hide_open(range, page, mf_page_size()) == 0)
		return MF_RANGE_RETRY;
	*mf_range_state(range, page) |= MF_STATE_WP;
	return MF_RANGE_POISON; /* no more mappings: an error, too */
}

/*
 * Under the page lock: a private page that is being put in has no access, and
 * a shared one is in the file before its bytes are.
 */
static enum mf_range_fault look(struct mf_range *range, uintptr_t addr,
				enum mf_access access)
{
	uintptr_t page = addr & ~(mf_page_size() - 1);
	uint8_t state = *mf_range_state(range, page);

	if (!allows(range->prot, access))
		return ask_kernel(addr, access);
	if (state & MF_STATE_HIDDEN && is_marked(range, page))
		return look_at_hidden(range, page);
	if (!(state & MF_STATE_HIDDEN) && state & MF_STATE_WP &&
	    access == MF_ACCESS_WRITE)
		return look_at_protected(range, page);
	return ask_kernel(addr, access);
}

/* A child of fork() has what hides pages and no registration: it goes. */
static enum mf_range_fault look_in_child(struct mf_range *range, uintptr_t page)
{
	uint8_t state = *mf_range_state(range, page);

	if (state & MF_STATE_POISON)
		return MF_RANGE_POISON;
	if (!(state & (MF_STATE_HIDDEN | MF_STATE_READ_ONLY)))
		return MF_RANGE_FOREIGN;
	/* It may have been forked while half of it was there. */
	if (state & MF_STATE_HIDDEN && !range->shared)
		(void)mf_sys.madvise((void *)page, mf_page_size(),
				     MADV_DONTNEED);
	return mf_hide_show(range, page, mf_page_size(), 0) == 0
		       ? MF_RANGE_RETRY
		       : MF_RANGE_FOREIGN;
}

enum mf_range_fault mf_range_look(struct mf_range *range, uintptr_t addr,
				  enum mf_access access)
{
	return range->epoch == mf_fork_generation()
		       ? look(range, addr, access)
		       : look_in_child(range, addr & ~(mf_page_size() - 1));
}

bool mf_range_is_late(uintptr_t addr, enum mf_access access)
{
	enum mf_range_fault found;

	/* Else it could be the same fault again, for ever. */
	if (access == MF_ACCESS_UNKNOWN)
		return false;
	mf_range_lock_pages();
	found = ask_kernel(addr, access);
	mf_range_unlock_pages();
	return found == MF_RANGE_RETRY;
}
