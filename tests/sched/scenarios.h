/* SPDX-License-Identifier: MIT */
/*
 * scenarios.h - the programs that are explored.
 */
#ifndef MF_SCHED_SCENARIOS_H
#define MF_SCHED_SCENARIOS_H

#include "sched/sched.h"

/* Each ends with one that has no name. */
extern const struct mfx_scenario mfx_copy_scenarios[];
extern const struct mfx_scenario mfx_page_scenarios[];
extern const struct mfx_scenario mfx_wait_scenarios[];
extern const struct mfx_scenario mfx_lock_scenarios[];
extern const struct mfx_scenario mfx_queue_scenarios[];
extern const struct mfx_scenario mfx_range_scenarios[];

/* NULL: none is called so. */
const struct mfx_scenario *mfx_find_scenario(const char *name);

#endif
