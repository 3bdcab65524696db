/* SPDX-License-Identifier: MIT */
/*
 * entries.h - a table of frames while it is being made.
 *
 * The bytes are those of the finished file, with room left in front for its
 * header. mf_frames_parse() is the other direction.
 *
 * Context: not in a signal handler.
 */
#ifndef MF_SOURCES_ZSTD_ENTRIES_H
#define MF_SOURCES_ZSTD_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mf_entries {
	uint8_t *bytes; /* by malloc */
	size_t head;	/* bytes of the header */
	size_t n;
	bool checksums;
	size_t room;
};

static inline size_t mf_entry_size(const struct mf_entries *entries)
{
	return entries->checksums ? 12 : 8;
}

/* Where what follows the last entry begins; there is room for 32 bytes. */
static inline size_t mf_entries_end(const struct mf_entries *entries)
{
	return entries->head + entries->n * mf_entry_size(entries);
}

int mf_entries_init(struct mf_entries *entries, size_t head, bool checksums);

/* -ENOMEM, or -EOVERFLOW when it is one more than a table can have. */
int mf_entries_add(struct mf_entries *entries, uint32_t in, uint32_t out,
		   uint32_t checksum);

void mf_entries_free(struct mf_entries *entries);

#endif
