/* SPDX-License-Identifier: MIT */
/*
 * move.h - pages change their place: UFFDIO_MOVE.
 *
 * Promise: at each moment a page is seen in one of the two places, whole; a
 * write to it is not lost. That is true of a child that is forked meanwhile, too.
 * Context: not in a signal handler; no lock held. repair: a fork handler.
 */
#ifndef MF_UFFD_MOVE_H
#define MF_UFFD_MOVE_H

#include <stdint.h>

/* Bytes moved, or -errno when none are. mode: UFFDIO_MOVE_MODE_*. */
int64_t mf_move(uint32_t owner, uint64_t dst, uint64_t src, uint64_t len,
		uint64_t mode);

/*
 * In a child, before its ranges are taken over: the move that was under way in
 * the parent, that process of forkgen.h, has been made or has not. What is
 * closed in a range is left to mf_hide_repair().
 */
void mf_move_repair(uint32_t parent);

#endif
