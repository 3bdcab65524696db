/* SPDX-License-Identifier: MIT */
/*
 * entries.c - a table of frames while it is being made.
 *
 * Context: not in a signal handler.
 */
#include "sources/zstd/entries.h"

#include <errno.h>
#include <stdlib.h>

#include "sources/zstd/frames.h"

#define TAIL 32U

int mf_entries_init(struct mf_entries *entries, size_t head, bool checksums)
{
	size_t room = head + 1024;
	uint8_t *bytes = malloc(room);

	if (!bytes)
		return -ENOMEM;
	*entries = (struct mf_entries){
		.bytes = bytes,
		.head = head,
		.checksums = checksums,
		.room = room,
	};
	return 0;
}

static int make_room(struct mf_entries *entries)
{
	size_t needed = mf_entries_end(entries) + mf_entry_size(entries) + TAIL;
	size_t room = entries->room * 2;
	uint8_t *bytes;

	if (needed <= entries->room)
		return 0;
	bytes = realloc(entries->bytes, room);
	if (!bytes)
		return -ENOMEM;
	entries->bytes = bytes;
	entries->room = room;
	return 0;
}

int mf_entries_add(struct mf_entries *entries, uint32_t in, uint32_t out,
		   uint32_t checksum)
{
	uint8_t *entry;
	int r;

	if (entries->n == MF_FRAMES_MAX)
		return -EOVERFLOW;
	r = make_room(entries);
	if (r < 0)
		return r;
	entry = entries->bytes + mf_entries_end(entries);
	mf_put_le32(entry, in);
	mf_put_le32(entry + 4, out);
	if (entries->checksums)
		mf_put_le32(entry + 8, checksum);
	entries->n++;
	return 0;
}

void mf_entries_free(struct mf_entries *entries)
{
	free(entries->bytes);
	*entries = (struct mf_entries){ 0 };
}
