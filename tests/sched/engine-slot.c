/* SPDX-License-Identifier: MIT */
/*
 * engine-slot.c - lib/mm/slot.c, whose world can be forgotten between runs.
 */
#include "mm/slot.c" /* NOLINT: for its static variable */

#include "sched/engine.h"

void mfx_slot_reset(void)
{
	the_world = NULL;
}
