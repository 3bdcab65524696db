/* SPDX-License-Identifier: MIT */
/*
 * stream.h - streams on maps.
 *
 * Context: not in a signal handler.
 */
#ifndef MF_PRELOAD_STREAM_H
#define MF_PRELOAD_STREAM_H

#include <limits.h>
#include <stdio.h>

#include "preload/interpose.h"

/* The stream is one that we have made. Any context. */
bool pl_stream_is_ours(const FILE *stream);

#endif
