/* SPDX-License-Identifier: MIT */
/*
 * cycle.h - tell of a ring of waits in words.
 *
 * Context: any, signal handlers included.
 */
#ifndef MF_FAULT_CYCLE_H
#define MF_FAULT_CYCLE_H

#include "mm/slot.h"

/*
 * The thread of the slot would close a ring by its wait: say (base/log.h) who
 * waits for which unit of which map, and who fills that. On stderr only
 * the first few rings of a process are told. A map is called by a number that all processes
 * of a run know it by.
 */
void mf_cycle_tell(struct mf_slot *closer);

/* The waiter is one of n threads that fill pages, all of which wait for one. */
void mf_cycle_tell_stuck(struct mf_slot *waiter, unsigned n);

#endif
