/* SPDX-License-Identifier: MIT */
/*
 * engine-mm.c - lib/mm/mm.c, and its static variables once per process.
 *
 * The file is included for its static variables: the explorer's processes are
 * all in one, and each has its own of these.
 */
#include "mm/mm.c" /* NOLINT: see above */

#include <string.h>

#include "sched/engine.h"
#include "sched/sched.h"

static struct {
	struct mf_mm mm;
	struct mf_mutex enter_mutex;
	uint32_t mm_epoch;
	struct mf_region *dead_regions;
} kept[MFX_PROCESSES];

void mfx_swap_process(unsigned from, unsigned to)
{
	kept[from].mm = mm;
	kept[from].enter_mutex = enter_mutex;
	kept[from].mm_epoch = mm_epoch;
	kept[from].dead_regions = dead_regions;
	mm = kept[to].mm;
	enter_mutex = kept[to].enter_mutex;
	mm_epoch = kept[to].mm_epoch;
	dead_regions = kept[to].dead_regions;
	mfx_change_swap(from, to);
}

void mfx_mm_reset(void)
{
	mfx_state(kept, sizeof(kept));
	memset(&mm, 0, sizeof(mm));
	memset(&enter_mutex, 0, sizeof(enter_mutex));
	mm_epoch = 0;
	dead_regions = NULL;
	mfx_change_reset();
	mfx_each_its_own(&mm, sizeof(mm));
	mfx_each_its_own(&enter_mutex, sizeof(enter_mutex));
	mfx_each_its_own(&mm_epoch, sizeof(mm_epoch));
	mfx_each_its_own(&dead_regions, sizeof(dead_regions));
	mfx_name(&mm, sizeof(mm), "the table of regions");
}
