/* SPDX-License-Identifier: MIT */
/*
 * window.h - private pages that are filled one after the other.
 *
 * Promise: a page is hidden before, during and after all of these; there are
 * never more than a few hundred mappings because of them.
 * Context: the write lock held, or mf_range_lock_pages() and the read lock.
 *
 * A marker goes before a page's bytes come, so it hides nothing meanwhile. To
 * fill such a page takes four calls: no access, no marker, bytes, access. The
 * first and the last split a mapping in three and make one of it again. Where
 * pages are filled in order, the next few, a window, lose access in the place
 * of their markers all at once. Each then takes two calls, its bytes and its
 * access, and the last one moves the border between two mappings.
 */
#ifndef MF_UFFD_WINDOW_H
#define MF_UFFD_WINDOW_H

#include "uffd/range.h"

/* These pages, private and hidden, are going to be filled. */
void mf_window_before(struct mf_range *range, uintptr_t start, size_t len);
/* Markers everywhere again. */
void mf_window_close_all(void);

/* That many pages in order, and there is a window. Tests want it sooner. */
extern unsigned mf_window_after;

#endif
