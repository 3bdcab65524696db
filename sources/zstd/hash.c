/* SPDX-License-Identifier: MIT */
/*
 * hash.c - XXH64, compiled in from xxhash's header: nothing to link against.
 *
 * Context: any, signal handlers included.
 */
#include "sources/zstd/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t mf_hash64(const void *data, size_t len)
{
	return XXH64(data, len, 0);
}
