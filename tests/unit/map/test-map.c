/* SPDX-License-Identifier: MIT */
/* test-map.c - views of stores, one in the place of another. */
#include "map/map.h"

#include <signal.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"
#include "mm/mm.h"

#define PAGE  ((size_t)4096)
#define PAGES 8

/* Two stores: the second one's bytes are the first one's, a page later. */
static struct mf_pattern pattern = { .size = (PAGES + 1) * PAGE,
				     .flags = MFILL_SOURCE_INLINE };

static struct mf_store *store_from(uint64_t offset)
{
	struct mfill_source *source = mf_pattern_open(&pattern);
	struct mf_store *store;

	ck_assert_int_eq(
		mf_store_new(source, offset, PAGES * PAGE, PAGE, &store), 0);
	mfill_source_put(source);
	return store;
}

static void done_with(struct mf_store *store)
{
	if (mf_store_unref(store))
		mf_store_free(store);
}

static char *map(struct mf_store *store, void *fixed)
{
	const struct mf_map_request request = {
		.store = store,
		.length = PAGES * PAGE,
		.prot = PROT_READ,
		.shared = true,
		.address = fixed,
		.fixed = fixed,
	};
	void *addr;

	ck_assert_int_eq(mf_map(&request, &addr), 0);
	if (fixed)
		ck_assert_ptr_eq(addr, fixed);
	return addr;
}

TEST(a_fixed_map_comes_in_the_place_of_another)
{
	struct mf_store *first = store_from(0), *second = store_from(PAGE);
	char *p = map(first, NULL);

	ck_assert(mf_pattern_matches(p, 0, 2 * PAGE));
	ck_assert_ptr_eq(map(second, p), p);
	ck_assert(mf_pattern_matches(p, PAGE, PAGES * PAGE));
	ck_assert_int_eq(mf_map_cut(p, PAGES * PAGE), 0);
	ck_assert(!mf_map_has(p, PAGES * PAGE));
	done_with(first);
	done_with(second);
}

TEST(what_was_in_its_place_is_forgotten)
{
	struct mf_store *first = store_from(0), *second = store_from(PAGE);
	char *p = map(first, NULL);

	ck_assert_uint_eq(first->refs, 2); /* the view's, and ours */
	ck_assert_ptr_eq(map(second, p), p);
	mf_mm_reap();
	ck_assert_uint_eq(first->refs, 1);
	ck_assert_int_eq(mf_map_cut(p, PAGES * PAGE), 0);
	done_with(first);
	done_with(second);
}

/* Part of it, so that the rest stays what it was. */
TEST(only_what_a_fixed_map_covers_is_forgotten)
{
	struct mf_store *first = store_from(0), *second = store_from(PAGE);
	char *p = map(first, NULL);
	const struct mf_map_request part = {
		.store = second,
		.length = 2 * PAGE,
		.prot = PROT_READ,
		.shared = true,
		.address = p + 3 * PAGE,
		.fixed = true,
	};
	void *addr;

	ck_assert_int_eq(mf_map(&part, &addr), 0);
	ck_assert(mf_pattern_matches(p, 0, 3 * PAGE));
	ck_assert(mf_pattern_matches(p + 3 * PAGE, PAGE, 2 * PAGE));
	ck_assert(mf_pattern_matches(p + 5 * PAGE, 5 * PAGE, 3 * PAGE));
	ck_assert_int_eq(mf_map_cut(p, PAGES * PAGE), 0);
	ck_assert(!mf_map_has(p, PAGES * PAGE));
	done_with(first);
	done_with(second);
}

static void touch_forgotten(void)
{
	struct mf_store *store = store_from(0);
	volatile char *p = map(store, NULL);
	void *again;

	ck_assert_int_eq(mf_map_forget((void *)p, PAGES * PAGE), 0);
	ck_assert_int_eq(mf_sys.mmap((void *)p, PAGES * PAGE, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0, &again),
			 0);
	(void)p[0];
}

TEST(a_fault_in_what_was_mapped_over_a_forgotten_view_is_not_ours)
{
	mf_test_needs_crashes();
	ASSERT_DIES_BY(SIGSEGV, touch_forgotten());
}

TEST(what_is_forgotten_stays_mapped)
{
	struct mf_store *store = store_from(0);
	char *p = map(store, NULL);

	ck_assert(mf_pattern_matches(p, 0, PAGE));
	ck_assert_int_eq(mf_map_forget(p, PAGES * PAGE), 0);
	ck_assert(!mf_map_has(p, PAGES * PAGE));
	ck_assert(mf_pattern_matches(p, 0, PAGE));
	ck_assert_int_eq(mf_sys.munmap(p, PAGES * PAGE), 0);
	done_with(store);
}
