/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c - what /proc/self/pagemap would say without us.
 *
 * Context: as in pagemap.h.
 */
#include "uffd/pagemap.h"

#include "mm/mm.h"
#include "uffd/range.h"
#include "uffd/touch.h"

#define WRITE_PROTECTED (UINT64_C(1) << 57)
/* How the kernel shows what it keeps in the place of a page. */
#define SWAP (UINT64_C(1) << 62)

static uint64_t word_of(uint8_t state, uint64_t word)
{
	if (state & MF_STATE_HIDDEN)
		word = state & MF_STATE_POISON ? SWAP : 0;
	if (state & MF_STATE_WP)
		word |= WRITE_PROTECTED | (word ? 0 : SWAP);
	return word;
}

uint64_t mf_uffd_pagemap_word(uintptr_t addr, uint64_t word)
{
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();
	const struct mf_range *range;

	if (!mf_uffd_is_near((void *)addr, 1) || !mm || !me)
		return word;
	mf_mm_read_lock(mm, me);
	range = mf_range_find(addr);
	if (range) {
		mf_range_lock_pages();
		word = word_of(*mf_range_state(range, addr), word);
		mf_range_unlock_pages();
	}
	mf_mm_read_unlock(mm, me);
	return word;
}
