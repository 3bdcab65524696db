/* SPDX-License-Identifier: MIT */
/*
 * hide.h - hide the pages of a registered range, and show them again.
 *
 * Promise: a page that is hidden, or closed, is read and written by nobody of
 * this process; what a page's state says is so when a function returns 0.
 * Context: the write lock held, or mf_range_lock_pages() and the read lock. start:
 * not in a signal handler.
 *
 * There are two ways, tried in this order when a range is registered:
 *
 *   guard     a marker in the place of each page (Linux 6.13, for shared
 *             memory 6.15): whatever the pattern, one mapping
 *   mprotect  no access: a mapping for each run of pages, of which the kernel
 *             allows 65530
 *
 * A few pages of the first kind may be hidden in the second way for a while:
 * window.h. Write protection is mprotect() in both.
 */
#ifndef MF_UFFD_HIDE_H
#define MF_UFFD_HIDE_H

#include "uffd/range.h"

struct mf_hider {
	const char *name;
	/* NULL: protection does it. */
	int (*install)(uintptr_t start, size_t len);
	int (*remove)(uintptr_t start, size_t len);
};
extern const struct mf_hider mf_hide_guard, mf_hide_mprotect;

/* Find out what works here. */
void mf_hide_start(void);
const struct mf_hider *mf_hide_best(bool shared);

/* All of [start, start + len) is missing: hide it. */
int mf_hide(struct mf_range *range, uintptr_t start, size_t len);
/* Show what is hidden there; the pages' state becomes that. */
int mf_hide_show(struct mf_range *range, uintptr_t start, size_t len,
		 uint8_t state);
/* Nobody gets at any of it, hidden or not, until it is opened. */
int mf_hide_close(const struct mf_range *range, uintptr_t start, size_t len);
/* Bytes are being put into a closed private page, or are there now. */
void mf_hide_fill(uintptr_t start, bool half);
/* To all pages the access that their state allows. */
int mf_hide_open(struct mf_range *range, uintptr_t start, size_t len);
/*
 * What was closed cannot be opened, since the kernel allows no more mappings:
 * that hides it then.
 */
void mf_hide_keep_closed(struct mf_range *range, uintptr_t start, size_t len);
/* Pages with markers lose access in their place, and the other way round. */
int mf_hide_by_access(struct mf_range *range, uintptr_t start, size_t len);
int mf_hide_by_markers(struct mf_range *range, uintptr_t start, size_t len);
/* Take a marker away from closed pages, which become missing and not hidden. */
int mf_hide_unmark(struct mf_range *range, uintptr_t start, size_t len);
/* A hidden page was unmapped since, without our knowing. */
bool mf_hide_is_gone(const struct mf_range *range, uintptr_t addr);
/*
 * In a child, forked while a page was put in: hide it again, and open what was
 * closed for a moment.
 */
int mf_hide_repair(struct mf_range *range);
/*
 * The range is registered no more: show all but poison. Returns whether there
 * is any. What the program has mapped there since is left alone.
 */
bool mf_hide_end(struct mf_range *range);

#endif
