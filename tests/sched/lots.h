/* SPDX-License-Identifier: MIT */
/*
 * lots.h - small programs by lot, on which the searches must agree.
 */
#ifndef MF_SCHED_LOTS_H
#define MF_SCHED_LOTS_H

#include <stdint.h>

/*
 * n programs from a seed, each explored by every run, every state and DPOR:
 * all three see the same ends, or all find a bug. Tells the first on which they
 * differ, and how many had several ends. 0: there is none.
 */
int mfx_lots(uint64_t seed, unsigned n);

#endif
