/* SPDX-License-Identifier: MIT */
/* test-fill.c - copies into missing pages, as the seed's fill path does. */
#include "mm/fill.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "fault/fault.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"
#include "map/map.h"
#include "mm/uaccess.h"

#define PAGE	4096U
#define N_PAGES 16U

/* A map without a source, of single pages: filled by hand. */
static char *bare_map(void)
{
	struct mf_map_request request = {
		.length = N_PAGES * PAGE,
		.prot = PROT_READ,
		.shared = true,
	};
	void *addr;

	ck_assert_int_eq(sysconf(_SC_PAGESIZE), PAGE);
	ck_assert_int_eq(
		mf_store_new(NULL, 0, request.length, PAGE, &request.store), 0);
	ck_assert_int_eq(mf_map(&request, &addr), 0);
	ck_assert(!mf_store_unref(request.store));
	return addr;
}

static int fault_in(uintptr_t addr)
{
	return mf_fault(addr, MF_ACCESS_READ);
}

static int64_t copy(void *dst, const void *src, size_t len)
{
	return mf_fill_copy(mf_mm_self(), mf_slot_self(), (uintptr_t)dst,
			    (uintptr_t)src, len, fault_in);
}

TEST(copies_present_memory_of_any_alignment)
{
	static char bytes[4 * PAGE];
	char *map = bare_map();

	mf_pattern_fill(bytes, 0, sizeof(bytes));
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(copy(map + i * PAGE, bytes + 8 * i, PAGE),
				 PAGE);
	for (unsigned i = 0; i < 8; i++)
		ck_assert(mf_pattern_matches(map + i * PAGE, 8 * i, PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(fills_a_page_only_once)
{
	static char bytes[2 * PAGE];
	char *map = bare_map();

	ck_assert_int_eq(copy(map + PAGE, bytes, PAGE), PAGE);
	ck_assert_int_eq(copy(map + PAGE, bytes, PAGE), -EEXIST);
	/* What came before the obstacle is done, and said. */
	ck_assert_int_eq(copy(map, bytes, 2 * PAGE), PAGE);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(refuses_what_is_not_whole_pages_of_one_region)
{
	static char bytes[2 * PAGE];
	char *map = bare_map();

	ck_assert_int_eq(copy(map + 1, bytes, PAGE), -EINVAL);
	ck_assert_int_eq(copy(map, bytes, PAGE - 1), -EINVAL);
	ck_assert_int_eq(copy(map, bytes, 0), -EINVAL);
	ck_assert_int_eq(copy(map + (N_PAGES - 1) * PAGE, bytes, 2 * PAGE),
			 -ENOENT);
	ck_assert_int_eq(copy((void *)(uintptr_t)PAGE, bytes, PAGE), -ENOENT);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(an_unreadable_source_is_EFAULT_and_changes_nothing)
{
	char *map = bare_map();
	char *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	ck_assert_int_eq(copy(map, hole, PAGE), -EFAULT);
	ck_assert_int_eq(copy(map, (void *)8, PAGE), -EFAULT);
	ck_assert_int_eq(mf_fill_zero(mf_mm_self(), mf_slot_self(),
				      (uintptr_t)map, PAGE),
			 PAGE);
	munmap(hole, PAGE);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* What a source's read() sees of the thread that fills it. */
struct seen {
	bool faults_off;
	bool locked;
};

static int look(void *arg, uint64_t offset, size_t len)
{
	struct seen *seen = arg;
	struct mf_slot *me = mf_slot_self();

	(void)offset;
	(void)len;
	seen->faults_off |= mf_pagefault_disabled();
	for (int i = 0; i < MF_SLOT_HOLDS; i++)
		seen->locked |= me->hold[i] != 0;
	return 0;
}

TEST(copies_outside_the_lock_when_the_source_faults)
{
	struct seen seen = { 0 };
	struct mf_pattern pattern = { .size = 4 * PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .hook = look,
				      .arg = &seen };
	char *src = mf_pattern_map(&pattern, NULL);
	char *map = bare_map();

	/* Across two missing pages of another map. */
	ck_assert_int_eq(copy(map, src + 100 * 8, 2 * PAGE), 2 * PAGE);
	ck_assert(mf_pattern_matches(map, 100 * 8, 2 * PAGE));
	ck_assert_uint_eq(pattern.reads, 3);
	ck_assert(!seen.faults_off);
	ck_assert(!seen.locked);
	ck_assert_int_eq(mfill_unmap(map), 0);
	ck_assert_int_eq(mfill_unmap(src), 0);
}

TEST(copies_from_the_map_it_copies_into)
{
	char *map = bare_map();
	static char bytes[PAGE];

	mf_pattern_fill(bytes, 0, PAGE);
	ck_assert_int_eq(copy(map, bytes, PAGE), PAGE);
	ck_assert_int_eq(copy(map + PAGE, map, PAGE), PAGE);
	ck_assert(mf_pattern_matches(map + PAGE, 0, PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(the_error_of_a_missing_source_has_its_name)
{
	struct mf_pattern pattern = { .size = PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .failures = 1,
				      .error = -EIO };
	char *src = mf_pattern_map(&pattern, NULL);
	char *map = bare_map();

	ck_assert_int_eq(copy(map, src, PAGE), -EIO);
	ck_assert_int_eq(copy(map, src, PAGE), PAGE);
	ck_assert(mf_pattern_matches(map, 0, PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
	ck_assert_int_eq(mfill_unmap(src), 0);
}

/* Replaces the destination while no lock is held. */
static char *victim;

static int unmap_victim(void *arg, uint64_t offset, size_t len)
{
	(void)offset;
	(void)len;
	ck_assert_int_eq(mfill_unmap(victim), 0);
	if (arg)
		*(char **)arg = bare_map();
	return 0;
}

TEST(a_destination_unmapped_during_the_unlocked_copy_is_EAGAIN)
{
	struct mf_pattern pattern = { .size = PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .hook = unmap_victim };
	char *src = mf_pattern_map(&pattern, NULL);

	victim = bare_map();
	ck_assert_int_eq(copy(victim, src, PAGE), -EAGAIN);
	ck_assert_int_eq(mfill_unmap(src), 0);
}

TEST(a_destination_replaced_during_the_unlocked_copy_stays_empty)
{
	char *other = NULL;
	struct mf_pattern pattern = { .size = PAGE,
				      .flags = MFILL_SOURCE_INLINE,
				      .hook = unmap_victim,
				      .arg = &other };
	char *src = mf_pattern_map(&pattern, NULL);

	victim = bare_map();
	/* The kernel put the page into the new object until Linux 7.1. */
	ck_assert_int_eq(copy(victim, src, PAGE), -EAGAIN);
	if (other != victim)
		SKIP("a new map at the old one's address");
	ck_assert_int_eq(mf_fill_zero(mf_mm_self(), mf_slot_self(),
				      (uintptr_t)other, PAGE),
			 PAGE);
	ck_assert_int_eq(mfill_unmap(other), 0);
	ck_assert_int_eq(mfill_unmap(src), 0);
}

static int evicted_again(uintptr_t addr)
{
	(void)addr;
	return 0; /* "it is there", and it never is */
}

TEST(a_source_evicted_again_and_again_ends_with_EAGAIN)
{
	char *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	char *map = bare_map();

	ck_assert_int_eq(mf_fill_copy(mf_mm_self(), mf_slot_self(),
				      (uintptr_t)map, (uintptr_t)hole, PAGE,
				      evicted_again),
			 -EAGAIN);
	munmap(hole, PAGE);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(zeros_are_zeros_and_poison_is_a_SIGBUS)
{
	static const char zeros[PAGE];
	char *map = bare_map();

	mf_test_needs_crashes();
	ck_assert_int_eq(mf_fill_zero(mf_mm_self(), mf_slot_self(),
				      (uintptr_t)map, 2 * PAGE),
			 2 * PAGE);
	ck_assert_int_eq(memcmp(map + PAGE, zeros, PAGE), 0);
	ck_assert_int_eq(mf_fill_poison(mf_mm_self(), mf_slot_self(),
					(uintptr_t)map + 2 * PAGE, PAGE),
			 PAGE);
	ASSERT_DIES_BY(SIGBUS, *(volatile char *)(map + 2 * PAGE));
	ck_assert_int_eq(mfill_require(map + 2 * PAGE, 1), -EHWPOISON);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* A reader beside the copies must never see part of a page. */
static char *torn_map;
static uint32_t torn_seen;

static void *watch(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < N_PAGES; i++) {
		volatile uint64_t *page = (void *)(torn_map + i * PAGE);

		while (mf_copy_nofault(&(uint64_t){ 0 },
				       (void *)&page[PAGE / 8 - 1], 8))
			;
		for (unsigned j = 0; j < PAGE / 8; j++)
			if (page[j] != mf_pattern_word(j * 8))
				mf_store_relaxed(&torn_seen, 1);
	}
	return NULL;
}

TEST(nobody_sees_a_page_before_it_is_whole)
{
	static char bytes[PAGE];
	pthread_t thread;

	mf_pattern_fill(bytes, 0, PAGE);
	torn_map = bare_map();
	ck_assert_int_eq(pthread_create(&thread, NULL, watch, NULL), 0);
	for (unsigned i = 0; i < N_PAGES; i++)
		ck_assert_int_eq(copy(torn_map + i * PAGE, bytes, PAGE), PAGE);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(torn_seen, 0);
	ck_assert_int_eq(mfill_unmap(torn_map), 0);
}
