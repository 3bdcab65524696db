/* SPDX-License-Identifier: MIT */
/*
 * hash.h - the checksum of the seekable format and of the side index.
 *
 * Context: any, signal handlers included.
 */
#ifndef MF_SOURCES_ZSTD_HASH_H
#define MF_SOURCES_ZSTD_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH64 with seed 0. */
uint64_t mf_hash64(const void *data, size_t len);

#endif
