/* SPDX-License-Identifier: MIT */
/*
 * memfd.h - memory that other processes can map, too.
 *
 * Promise: the size never changes again, so a mapping of it never raises
 * SIGBUS; the descriptor is close-on-exec and out of the way of programs that
 * count theirs.
 * Context: any.
 */
#ifndef MF_MM_MEMFD_H
#define MF_MM_MEMFD_H

#include <stdint.h>

/* All zeros. The descriptor, or -errno. */
int mf_memfd_new(const char *name, uint64_t size);

/* The same file under a number that no program expects; fd is closed then. */
int mf_fd_move_up(int fd);

#endif
