/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what a map did, in a line for people or as JSON.
 */
#ifndef MF_CLI_STATS_H
#define MF_CLI_STATS_H

#include <jansson.h>
#include <stdint.h>

#include "mfill.h"

/*
 * "data.db: 6 of 1617 frames read (0.4 %), 384.0 KiB of 101.0 MiB, 7 faults,
 * p50 92 µs, p99 180 µs". size: of the whole source.
 */
void mf_stats_print(const char *name, uint64_t size,
		    const struct mfill_stats *stats);

/* NULL when there is no memory for it. */
json_t *mf_stats_json(const char *name, uint64_t size,
		      const struct mfill_stats *stats);

const char *mf_backend_name(int backend);
const char *mf_delivery_name(int delivery);
/* -1: there is none of that name. */
int mf_backend_of(const char *name);
int mf_delivery_of(const char *name);

#endif
