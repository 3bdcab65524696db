/* SPDX-License-Identifier: MIT */
/*
 * engine-change.c - lib/mm/change.c, and its static variables once per
 * process.
 */
#include "mm/change.c" /* NOLINT: see engine-mm.c */

#include <string.h>

#include "sched/engine.h"
#include "sched/sched.h"

static struct {
	struct mf_mutex api_mutex;
	struct mf_region_table *spare;
} kept[MFX_PROCESSES];

void mfx_change_swap(unsigned from, unsigned to)
{
	kept[from].api_mutex = api_mutex;
	kept[from].spare = spare;
	api_mutex = kept[to].api_mutex;
	spare = kept[to].spare;
}

void mfx_change_reset(void)
{
	mfx_state(kept, sizeof(kept));
	memset(&api_mutex, 0, sizeof(api_mutex));
	spare = NULL;
	mfx_each_its_own(&api_mutex, sizeof(api_mutex));
	mfx_each_its_own(&spare, sizeof(spare));
	mfx_name(&api_mutex, sizeof(api_mutex), "the API mutex");
}
