/* SPDX-License-Identifier: MIT */
/* test-region.c - the table finds what is in it, and nothing else. */
#include "mm/region.h"

#include <stdlib.h>

#include "harness/harness.h"

static struct mf_region regions[] = {
	{ .start = 0x3000, .len = 0x1000 },
	{ .start = 0x1000, .len = 0x1000 },
	{ .start = 0x8000, .len = 0x4000 },
	{ .start = 0x4000, .len = 0x1000 },
};
#define N (sizeof(regions) / sizeof(regions[0]))

static struct mf_region_table *all_of_them(void)
{
	struct mf_region_table *table = mf_table_new(N);

	ck_assert_ptr_nonnull(table);
	for (size_t i = 0; i < N; i++)
		mf_table_add(table, &regions[i]);
	return table;
}

TEST(regions_are_found_from_their_first_byte_to_their_last)
{
	struct mf_region_table *table = all_of_them();

	for (size_t i = 0; i < N; i++) {
		uintptr_t last = regions[i].start + regions[i].len - 1;

		ck_assert_ptr_eq(mf_table_find(table, regions[i].start),
				 &regions[i]);
		ck_assert_ptr_eq(mf_table_find(table, last), &regions[i]);
	}
	free(table);
}

TEST(addresses_between_before_and_behind_regions_are_nobodys)
{
	static const uintptr_t wild[] = { 0,	  0xfff,  0x2000, 0x2fff,
					  0x5000, 0x7fff, 0xc000, UINTPTR_MAX };
	struct mf_region_table *table = all_of_them();

	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		ck_assert_ptr_null(mf_table_find(table, wild[i]));
	ck_assert_ptr_null(mf_table_find(NULL, 0x1000));
	free(table);
}

TEST(a_copy_leaves_out_what_touches_the_range)
{
	struct mf_region_table *table = all_of_them();
	struct mf_region_table *copy = mf_table_new(N - 2);

	mf_table_copy(copy, table, 0x3fff, 2);
	ck_assert_uint_eq(copy->n, N - 2);
	ck_assert_ptr_null(mf_table_find(copy, 0x3000));
	ck_assert_ptr_null(mf_table_find(copy, 0x4000));
	ck_assert_ptr_nonnull(mf_table_find(copy, 0x1000));
	ck_assert_ptr_nonnull(mf_table_find(copy, 0x8000));
	/* The first is as it was. */
	ck_assert_uint_eq(table->n, N);
	free(copy);
	free(table);
}
