/* SPDX-License-Identifier: MIT */
/*
 * test-entries.c - a table grows, and reads back as it was made.
 */
#include "sources/zstd/entries.h"

#include <errno.h>

#include "harness/harness.h"
#include "sources/zstd/frames.h"

static void reads_back(size_t head, bool checksums, uint32_t n)
{
	struct mf_entries entries;
	struct mf_frames f;
	uint64_t sum = 0;

	ck_assert_int_eq(mf_entries_init(&entries, head, checksums), 0);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert_int_eq(mf_entries_add(&entries, i + 1, i, ~i), 0);
		sum += i + 1;
	}
	ck_assert_uint_eq(mf_entries_end(&entries),
			  head + n * (checksums ? 12U : 8U));
	ck_assert_int_eq(mf_frames_parse(entries.bytes + head, n, checksums,
					 sum, &f, &(struct mf_why){ 0 }),
			 0);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert_uint_eq(mf_frame_in(&f, i), i + 1);
		ck_assert_uint_eq(mf_frame_out(&f, i), i);
		if (checksums)
			ck_assert_uint_eq(f.checksum[i], (uint32_t)~i);
	}
	mf_frames_free(&f);
	mf_entries_free(&entries);
}

TEST(what_was_added_reads_back)
{
	for (uint32_t n = 0; n < 300; n += 7) {
		reads_back(8, false, n);
		reads_back(48, true, n);
	}
	reads_back(48, true, 20000);
}

TEST(a_table_has_a_limit)
{
	struct mf_entries entries;

	ck_assert_int_eq(mf_entries_init(&entries, 8, true), 0);
	entries.n = MF_FRAMES_MAX;
	ck_assert_int_eq(mf_entries_add(&entries, 1, 1, 1), -EOVERFLOW);
	mf_entries_free(&entries);
}
