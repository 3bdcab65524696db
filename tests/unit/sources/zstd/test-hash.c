/* SPDX-License-Identifier: MIT */
/*
 * test-hash.c - the checksum is XXH64, as other programs compute it.
 */
#include "sources/zstd/hash.h"

#include "harness/harness.h"

TEST(known_values_are_right)
{
	ck_assert_uint_eq(mf_hash64("", 0), 0xef46db3751d8e999ULL);
	ck_assert_uint_eq(mf_hash64("a", 1), 0xd24ec4f1a98c6e5bULL);
	ck_assert_uint_eq(mf_hash64("abc", 3), 0x44bc2cf5ad770999ULL);
}
