/* SPDX-License-Identifier: MIT */
/*
 * catch.h - from now on this process stumbles over nothing of ours.
 *
 * Context: before main(), once.
 */
#ifndef MF_PRELOAD_CATCH_H
#define MF_PRELOAD_CATCH_H

#include "preload/filter.h"

/*
 * Open the arena, take the signals, install the filter. Where the kernel
 * refuses one of them the others are there.
 */
void pl_catch_start(enum pl_filter filter);

/*
 * Have the program's sanitizer ready: it replaces functions of libc that we
 * use, and they crash before that. Before anything else of ours.
 */
void pl_sanitizers_start(void);

#endif
