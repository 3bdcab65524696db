/* SPDX-License-Identifier: MIT */
/*
 * seektable.h - the table at the end of a file in zstd's seekable format.
 *
 * The table is a skippable frame, the last one of the file:
 *
 *   4 bytes  0x184D2A5E
 *   4 bytes  size of what follows
 *            entries, see mf_frames_parse()
 *   4 bytes  number of entries
 *   1 byte   0x80: entries have a checksum; 0x7c: must be 0; 0x03: unused
 *   4 bytes  0x8F92EAB1
 *
 * The format has no checksum of the table itself, and a wrong size in it
 * moves all bytes behind. So mfill pack puts a seal before it, a skippable
 * frame that others pass by, and which has an entry in the table as any:
 *
 *   4 bytes  0x184D2A5D
 *   4 bytes  16
 *   8 bytes  "MFILLSUM"
 *   8 bytes  XXH64 of the table, from its first byte to the last of the file
 *
 * Promise: a table that does not add up is refused with a sentence.
 * Context: not in a signal handler.
 */
#ifndef MF_SOURCES_ZSTD_SEEKTABLE_H
#define MF_SOURCES_ZSTD_SEEKTABLE_H

#include "sources/backing.h"
#include "sources/zstd/entries.h"
#include "sources/zstd/frames.h"

#define MF_SEEKTABLE_MAGIC     0x184D2A5EU
#define MF_SEEKTABLE_END_MAGIC 0x8F92EAB1U
#define MF_SEEKTABLE_HEADER    8U
#define MF_SEEKTABLE_FOOTER    9U
#define MF_SEEKTABLE_CHECKSUMS 0x80U
#define MF_SEAL_SIZE	       24U

/*
 * Read the table of a file.
 *
 * -ENODATA  the file does not end in one: no sentence
 * -EBADMSG  it does, but the table is wrong
 * -EFBIG    it has a frame larger than can be served
 * or what reading the file returned
 */
int mf_seektable_read(const struct mf_backing *file, struct mf_frames *ret,
		      struct mf_why *why);

/*
 * Finish a table: an entry for the seal, header and footer. The entries were
 * begun with room for MF_SEEKTABLE_HEADER. What goes to the file, behind the
 * frames, is first the seal and then *ret_len bytes of entries->bytes.
 *
 * -ENOMEM, or -EOVERFLOW when the table is full.
 */
int mf_seektable_finish(struct mf_entries *entries,
			uint8_t ret_seal[MF_SEAL_SIZE], size_t *ret_len);

#endif
