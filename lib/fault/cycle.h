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
 * The thread of the slot would close a ring by its wait: write to stderr who
 * waits for which unit of which map, and who fills that. Only the first few
 * rings of a process are told. A map is called by a number that all processes
 * of a run know it by.
 */
void mf_cycle_tell(struct mf_slot *closer);

#endif
