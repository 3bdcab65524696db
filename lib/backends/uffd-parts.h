/* SPDX-License-Identifier: MIT */
/*
 * uffd-parts.h - what the files of the uffd backend share.
 *
 *   uffd.c           the backend: register, open, copy; messages
 *   uffd-children.c  what children of this process find of the views
 *   uffd-failed.c    pages that could not be filled
 *   channel.c        the descriptors
 *
 * Context: any, except where a line says otherwise.
 */
#ifndef MF_BACKENDS_UFFD_PARTS_H
#define MF_BACKENDS_UFFD_PARTS_H

#include "backends/channel.h"
#include "mm/mm.h"

/* Guards who is registered and what failed. Inside the read lock. */
void mf_uffd_lock(void);
void mf_uffd_unlock(void);

bool mf_uffd_is_ours(const struct mf_region *region);
/* The one that a view is, or would be, registered with. */
struct mf_channel *mf_uffd_channel(const struct mf_view *view);
/*
 * Under the lock, the channel open: from here on no page of the range shows by
 * itself, and the view has its protection.
 */
int mf_uffd_register(const struct mf_view *view, uintptr_t start, size_t len);

/* A view begins: what will children find of it? Under the lock. */
int mf_uffd_begin(const struct mf_view *view);
/* All views are what they should be in this process. */
bool mf_uffd_is_ready(void);
/* Make it so, under the read lock. What fails is tried again later. */
int mf_uffd_revive(void);
/*
 * This process was made by a raw clone(): nothing is registered here, and
 * pages that are not open are PROT_NONE.
 */
bool mf_uffd_is_raw(void);

/* Under the lock: pages that failed in the range are merely missing. */
void mf_uffd_clear_failed(uintptr_t start, size_t len);

#endif
