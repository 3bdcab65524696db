/* SPDX-License-Identifier: MIT */
/*
 * engine-buffer.c - lib/mm/buffer.c, whose buffers can be forgotten between
 * runs.
 */
#include "mm/buffer.c" /* NOLINT: for its static variable */

#include <string.h>

#include "sched/engine.h"

void mfx_buffer_reset(void)
{
	memset(stacks, 0, sizeof(stacks));
}
