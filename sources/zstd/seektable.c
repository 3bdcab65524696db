/* SPDX-License-Identifier: MIT */
/*
 * seektable.c - the table at the end of a file in zstd's seekable format.
 *
 * Context: not in a signal handler.
 */
#include "sources/zstd/seektable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "sources/zstd/hash.h"

struct footer {
	uint32_t n;
	bool checksums;
	uint64_t table_size; /* header and footer included */
};

static int parse_footer(const uint8_t *bytes, uint64_t file_size,
			struct footer *ret, struct mf_why *why)
{
	uint32_t n = mf_le32(bytes);
	uint8_t flags = bytes[4];
	bool checksums = flags & MF_SEEKTABLE_CHECKSUMS;
	uint64_t size = (uint64_t)n * (checksums ? 12 : 8) +
			MF_SEEKTABLE_HEADER + MF_SEEKTABLE_FOOTER;

	if (mf_le32(bytes + 5) != MF_SEEKTABLE_END_MAGIC)
		return -ENODATA;
	if (flags & 0x7c) {
		mf_why(why,
		       "its seek table uses flags (0x%02x) of a format "
		       "that is not known here",
		       flags);
		return -EBADMSG;
	}
	if (n > MF_FRAMES_MAX || size > file_size) {
		mf_why(why,
		       "its seek table claims %u frames, more than the "
		       "file can hold",
		       n);
		return -EBADMSG;
	}
	*ret = (struct footer){ n, checksums, size };
	return 0;
}

#define SEAL_MAGIC 0x184D2A5DU

static void make_seal(const uint8_t *table, size_t len,
		      uint8_t ret[MF_SEAL_SIZE])
{
	mf_put_le32(ret, SEAL_MAGIC);
	mf_put_le32(ret + 4, MF_SEAL_SIZE - 8);
	memcpy(ret + 8, "MFILLSUM", 8);
	mf_put_le64(ret + 16, mf_hash64(table, len));
}

/* A seal is no frame of the content, but the last entry of the table. */
static int check_seal(const struct mf_backing *file, const uint8_t *table,
		      const struct footer *footer, bool *ret_sealed,
		      struct mf_why *why)
{
	uint8_t right[MF_SEAL_SIZE];
	uint8_t seal[MF_SEAL_SIZE];
	uint64_t end = file->size - footer->table_size;
	int r;

	*ret_sealed = false;
	if (end < sizeof(seal))
		return 0;
	r = mf_pread_full(file->fd, seal, sizeof(seal), end - sizeof(seal));
	if (r < 0)
		return r;
	make_seal(table, (size_t)footer->table_size, right);
	/* Not the checksum: that may differ, and then the table is wrong. */
	if (memcmp(seal, right, sizeof(seal) - 8) != 0)
		return 0;
	if (memcmp(seal, right, sizeof(seal)) != 0) {
		mf_why(why, "its seek table is corrupt");
		return -EBADMSG;
	}
	*ret_sealed = true;
	return 0;
}

static int parse_table(const uint8_t *table, const struct footer *footer,
		       uint64_t data_size, struct mf_frames *ret,
		       struct mf_why *why)
{
	if (mf_le32(table) != MF_SEEKTABLE_MAGIC ||
	    mf_le32(table + 4) != footer->table_size - MF_SEEKTABLE_HEADER) {
		mf_why(why, "its seek table does not begin where its end says");
		return -EBADMSG;
	}
	return mf_frames_parse(table + MF_SEEKTABLE_HEADER, footer->n,
			       footer->checksums, data_size, ret, why);
}

int mf_seektable_read(const struct mf_backing *file, struct mf_frames *ret,
		      struct mf_why *why)
{
	uint8_t end[MF_SEEKTABLE_FOOTER];
	struct footer footer;
	uint8_t *table;
	bool sealed;
	int r;

	if (file->size < MF_SEEKTABLE_HEADER + sizeof(end))
		return -ENODATA;
	r = mf_pread_full(file->fd, end, sizeof(end), file->size - sizeof(end));
	if (r < 0)
		return r;
	r = parse_footer(end, file->size, &footer, why);
	if (r < 0)
		return r;
	table = mf_sys.calloc(1, (size_t)footer.table_size);
	if (!table)
		return -ENOMEM;
	r = mf_pread_full(file->fd, table, (size_t)footer.table_size,
			  file->size - footer.table_size);
	if (r == 0)
		r = check_seal(file, table, &footer, &sealed, why);
	if (r == 0)
		r = parse_table(table, &footer, file->size - footer.table_size,
				ret, why);
	free(table);
	if (r == 0)
		ret->sealed = sealed;
	return r;
}

int mf_seektable_finish(struct mf_entries *entries,
			uint8_t ret_seal[MF_SEAL_SIZE], size_t *ret_len)
{
	uint8_t *end;
	size_t len;
	int r = mf_entries_add(entries, MF_SEAL_SIZE, 0, 0);

	if (r < 0)
		return r;
	len = mf_entries_end(entries) + MF_SEEKTABLE_FOOTER;
	mf_put_le32(entries->bytes, MF_SEEKTABLE_MAGIC);
	mf_put_le32(entries->bytes + 4, (uint32_t)(len - MF_SEEKTABLE_HEADER));
	end = entries->bytes + mf_entries_end(entries);
	mf_put_le32(end, (uint32_t)entries->n);
	end[4] = entries->checksums ? MF_SEEKTABLE_CHECKSUMS : 0;
	mf_put_le32(end + 5, MF_SEEKTABLE_END_MAGIC);
	make_seal(entries->bytes, len, ret_seal);
	*ret_len = len;
	return 0;
}
