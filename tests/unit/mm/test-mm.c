/* SPDX-License-Identifier: MIT */
/* test-mm.c - the regions of a process: cut, protected, forked. */
#include "mm/mm.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"
#include "map/map.h"

static const int backends[] = { MFILL_BACKEND_GUARD, MFILL_BACKEND_MPROTECT,
				MFILL_BACKEND_UFFD };
#define MIB  ((size_t)1 << 20)
#define PAGE ((size_t)4096)

static struct mf_pattern pattern = { .size = 8 * MIB,
				     .flags = MFILL_SOURCE_INLINE };

static char *map_with(int backend, unsigned flags)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = backend,
		.flags = flags,
		.readahead = MFILL_READAHEAD_OFF,
	};

	return mf_pattern_map(&pattern, &options);
}

#define FOR_BACKENDS(map, flags)                                       \
	for (size_t b_ = 0; b_ < sizeof(backends) / sizeof(int); b_++) \
		for (char *map = map_with(backends[b_], flags); map; map = NULL)

TEST(a_hole_is_gone_and_both_sides_live_on)
{
	mf_test_needs_crashes();
	/* In the middle of a chunk, across chunks, and page by page. */
	static const struct {
		size_t at, len;
	} holes[] = { { 3 * PAGE, PAGE },
		      { 2 * MIB - PAGE, 2 * PAGE },
		      { 3 * MIB, 4 * MIB } };

	FOR_BACKENDS(map, 0)
	{
		for (size_t i = 0; i < 3; i++) {
			char *hole = map + holes[i].at;

			ck_assert_int_eq(mf_map_cut(hole, holes[i].len), 0);
			ASSERT_DIES_BY(SIGSEGV, *(volatile char *)hole);
			ck_assert(!mf_map_has(hole, holes[i].len));
			ck_assert(mf_pattern_matches(hole - PAGE,
						     holes[i].at - PAGE, PAGE));
			ck_assert(mf_pattern_matches(hole + holes[i].len,
						     holes[i].at + holes[i].len,
						     PAGE));
		}
		ck_assert_int_eq(mf_map_cut(map, 8 * MIB), 0);
	}
}

TEST(what_was_written_survives_a_cut_beside_it)
{
	FOR_BACKENDS(map, MFILL_MAP_WRITE)
	{
		map[0] = 1;
		map[2 * PAGE] = 2;
		ck_assert_int_eq(mf_map_cut(map + PAGE, PAGE), 0);
		ck_assert_int_eq(map[0], 1);
		ck_assert_int_eq(map[2 * PAGE], 2);
		ck_assert(mf_pattern_matches(map + 3 * PAGE, 3 * PAGE, PAGE));
		ck_assert_int_eq(map[0], 1);
		ck_assert_int_eq(mf_map_cut(map, 8 * MIB), 0);
	}
}

TEST(a_piece_can_have_a_protection_of_its_own)
{
	mf_test_needs_crashes();
	FOR_BACKENDS(map, MFILL_MAP_WRITE)
	{
		map[PAGE] = 1;
		ck_assert_int_eq(
			mf_map_protect(map + PAGE, 2 * PAGE, PROT_READ), 0);
		ck_assert_int_eq(map[PAGE], 1);
		ASSERT_DIES_BY(SIGSEGV, map[PAGE] = 2);
		ASSERT_DIES_BY(SIGSEGV, map[2 * PAGE] = 2);
		map[3 * PAGE] = 3;
		ck_assert_int_eq(mf_map_protect(map, 8 * MIB, PROT_NONE), 0);
		ASSERT_DIES_BY(SIGSEGV, *(volatile char *)map);
		ASSERT_DIES_BY(SIGSEGV, *(volatile char *)(map + 4 * MIB));
		ck_assert_int_eq(
			mf_map_protect(map, 8 * MIB, PROT_READ | PROT_WRITE),
			0);
		ck_assert_int_eq(map[PAGE], 1);
		ck_assert_int_eq(map[3 * PAGE], 3);
		ck_assert(mf_pattern_matches(map + 4 * MIB, 4 * MIB, PAGE));
		ck_assert_int_eq(mf_map_cut(map, 8 * MIB), 0);
	}
}

TEST(a_larger_view_holds_the_same_and_the_old_place_is_free)
{
	FOR_BACKENDS(map, 0)
	{
		void *moved;

		ck_assert_int_eq(mf_map_cut(map + MIB, 7 * MIB), 0);
		ck_assert(mf_pattern_matches(map, 0, PAGE));
		ck_assert_int_eq(
			mf_map_move(map, MIB, 2 * MIB, 0, NULL, &moved),
			-ENOMEM);
		ck_assert_int_eq(mf_map_move(map, MIB, 8 * MIB, MREMAP_MAYMOVE,
					     NULL, &moved),
				 0);
		ck_assert(mf_pattern_matches(moved, 0, 8 * MIB));
		ck_assert(!mf_map_has(map, MIB));
		ck_assert_int_eq(mf_map_move(map, MIB, MIB, 0, NULL, &moved),
				 -ENOENT);
		ck_assert_int_eq(mf_map_cut(moved, 8 * MIB), 0);
	}
}

TEST(a_written_view_is_not_moved_without_what_was_written)
{
	mf_test_needs_crashes();
	FOR_BACKENDS(map, MFILL_MAP_WRITE)
	{
		void *moved;

		map[0] = 1;
		ck_assert_int_eq(mf_map_move(map, MIB, 2 * MIB, MREMAP_MAYMOVE,
					     NULL, &moved),
				 -ENOMEM);
		ck_assert_int_eq(
			mf_map_move(map, 8 * MIB, MIB, 0, NULL, &moved), 0);
		ck_assert_ptr_eq(moved, map);
		ck_assert_int_eq(map[0], 1);
		ASSERT_DIES_BY(SIGSEGV, *(volatile char *)(map + MIB));
		ck_assert_int_eq(mf_map_cut(map, MIB), 0);
	}
}

TEST(a_child_sees_the_same_bytes_and_goes_on_faulting)
{
	FOR_BACKENDS(map, 0)
	{
		ck_assert(mf_pattern_matches(map, 0, 3 * PAGE));
		ASSERT_EXITS_WITH(
			7, _exit(mf_pattern_matches(map, 0, 8 * MIB) ? 7 : 1));
		ASSERT_EXITS_WITH(7, _exit(mfill_unmap(map) == 0 ? 7 : 1));
		ck_assert(mf_pattern_matches(map, 0, 8 * MIB));
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(what_a_child_writes_is_its_own)
{
	FOR_BACKENDS(map, MFILL_MAP_WRITE)
	{
		map[0] = 1;
		ASSERT_EXITS_WITH(7, (map[0] = 2, map[PAGE] = 2,
				      _exit(map[0] == 2 ? 7 : 1)));
		ck_assert_int_eq(map[0], 1);
		ck_assert(mf_pattern_matches(map + PAGE, PAGE, PAGE));
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(a_gap_is_found_between_regions_and_only_there)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	char *map = map_with(MFILL_BACKEND_AUTO, 0);
	uintptr_t at = (uintptr_t)map, end = at + 8 * MIB;

	ck_assert_uint_eq(mf_mm_gap(mm, me, at, end, PAGE), 0);
	ck_assert_uint_eq(mf_mm_gap(mm, me, at, end + PAGE, PAGE), end);
	ck_assert_int_eq(mf_map_cut(map + MIB, MIB), 0);
	ck_assert_uint_eq(mf_mm_gap(mm, me, at, end, PAGE), at + MIB);
	ck_assert_uint_eq(mf_mm_gap(mm, me, at, end, MIB + PAGE), 0);
	ck_assert_int_eq(mf_map_cut(map, 8 * MIB), 0);
}
