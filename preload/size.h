/* SPDX-License-Identifier: MIT */
/*
 * size.h - the size of a map that can be written to.
 *
 * Promise: the size is that of the face, the same for all of the run at any
 * moment; what comes between the old end and a new one is zeros.
 * Context: any.
 */
#ifndef MF_PRELOAD_SIZE_H
#define MF_PRELOAD_SIZE_H

#include "preload/face.h"

/*
 * Keep all others from changing the size, and tell what it is. Asynchronous
 * signals are blocked until the unlock. Returns a descriptor, or -errno.
 */
int pl_size_lock(const struct pl_map *map, uint64_t *ret_size);
void pl_size_unlock(int lock);

/* Not below end; exactly size. -EFBIG: there is no room for that. */
int pl_size_grow(const struct pl_map *map, uint64_t end);
int pl_size_set(const struct pl_map *map, uint64_t size);

#endif
