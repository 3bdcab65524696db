/* SPDX-License-Identifier: MIT */
/*
 * seek.h - the one offset of a descriptor, which the kernel keeps.
 *
 * Promise: two readers that share a descriptor, threads or processes, do not
 * get the same bytes.
 * Context: any.
 */
#ifndef MF_PRELOAD_SEEK_H
#define MF_PRELOAD_SEEK_H

#include "preload/face.h"

/* Move the offset on by len and tell where it was. */
int pl_offset_take(int fd, size_t len, uint64_t *ret_start);
/* So many of them were not used. */
void pl_offset_return(int fd, size_t len);

#endif
