/* SPDX-License-Identifier: MIT */
/*
 * buffer.h - warm memory of a thread's own, to read a source into.
 *
 * Promise: a buffer is private to the thread until it is put back, and does
 * not fault into anything of mfill's.
 * Context: any, signal handlers included; asynchronous signals blocked or no
 * handler that fills.
 */
#ifndef MF_MM_BUFFER_H
#define MF_MM_BUFFER_H

#include <stddef.h>

#include "mm/slot.h"

/*
 * At least len bytes, page aligned. NULL: no memory. A thread may have several
 * at once, one per nested fill; it puts the last one back first.
 */
void *mf_buffer_get(struct mf_slot *me, size_t len);
void mf_buffer_put(struct mf_slot *me, void *buffer);

#endif
