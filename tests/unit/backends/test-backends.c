/* SPDX-License-Identifier: MIT */
/*
 * test-backends.c - guard and mprotect: huge maps, scattered touches, and
 * kernels that lack things.
 */
#include "backends/backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "backends/limits.h"
#include "backends/uffd.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/needs.h"
#include "harness/pattern.h"

#define PAGE ((size_t)4096)
#define GIB  ((uint64_t)1 << 30)

static const int both[] = { MFILL_BACKEND_GUARD, MFILL_BACKEND_MPROTECT };

/* 0 when the backend does not work here. */
static char *map_with(struct mf_pattern *pattern, int backend)
{
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = backend,
		.readahead = MFILL_READAHEAD_OFF,
	};

	return mf_pattern_map(pattern, &options);
}

static long count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	long n = 0;
	int c;

	ck_assert_ptr_nonnull(maps);
	while ((c = getc(maps)) != EOF)
		n += c == '\n';
	fclose(maps);
	return n;
}

/* KiB of page tables. */
static long page_tables(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[200];
	long kib = -1;

	ck_assert_ptr_nonnull(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "VmPTE: %ld", &kib) == 1)
			break;
	fclose(status);
	return kib;
}

TEST(a_terabyte_costs_what_is_touched_of_it)
{
	struct mf_pattern pattern = { .size = 1024 * GIB,
				      .flags = MFILL_SOURCE_INLINE };

	mf_test_needs_a_terabyte();
	for (int b = 0; b < 2; b++) {
		long before = page_tables();
		char *map = map_with(&pattern, both[b]);

		if (!map)
			continue;
		for (uint64_t i = 0; i < 1024; i++) {
			uint64_t at = i * GIB + i * PAGE;

			ck_assert(mf_pattern_matches(map + at, at, 8));
		}
		/*
		 * A chunk has a page of page tables, and two levels above it;
		 * a sanitizer's shadow may take as much again.
		 */
		ck_assert_int_lt(page_tables() - before, 1024 * 32);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(the_limit_of_mappings_is_never_reached)
{
	struct mf_pattern pattern = { .size = 200 * PAGE * 512,
				      .flags = MFILL_SOURCE_INLINE };

	for (int b = 0; b < 2; b++) {
		char *map = map_with(&pattern, both[b]);

		if (!map)
			continue;
		/* Every other page: the worst there is. */
		for (uint64_t i = 0; i < pattern.size; i += 2 * PAGE)
			ck_assert(mf_pattern_matches(map + i, i, 8));
		ck_assert_int_lt(count_mappings(), mf_max_map_count());
		ck_assert(mf_pattern_matches(map + PAGE, PAGE, PAGE));
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(guards_leave_a_scattered_map_in_one_piece)
{
	struct mf_pattern pattern = { .size = 64 << 20,
				      .flags = MFILL_SOURCE_INLINE };
	char *map = map_with(&pattern, MFILL_BACKEND_GUARD);
	long before;

	if (!map)
		SKIP("guard markers on files (Linux 6.15)");
	before = count_mappings();
	for (uint64_t i = 0; i < pattern.size; i += 2 * PAGE)
		ck_assert(mf_pattern_matches(map + i, i, 8));
	/* Not 8192 more; some are a sanitizer's. */
	ck_assert_int_le(count_mappings(), before + 50);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

/* A kernel with little room for mappings: mprotect fails when asked. */
static int (*real_mprotect)(void *, size_t, int);
static unsigned refusals;

static int mprotect_refuses(void *addr, size_t len, int prot)
{
	if (refusals > 0 && prot != PROT_NONE) {
		refusals--;
		return -ENOMEM;
	}
	return real_mprotect(addr, len, prot);
}

TEST(a_kernel_without_a_mapping_to_spare_is_asked_for_larger_ones)
{
	struct mf_pattern pattern = { .size = 1024 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	real_mprotect = mf_sys.mprotect;
	for (int b = 0; b < 2; b++) {
		char *map = map_with(&pattern, both[b]);

		if (!map)
			continue;
		mf_sys.mprotect = mprotect_refuses;
		refusals = both[b] == MFILL_BACKEND_GUARD ? 0 : 3;
		ck_assert(mf_pattern_matches(map + 500 * PAGE, 500 * PAGE, 8));
		ck_assert_uint_eq(refusals, 0);
		mf_sys.mprotect = real_mprotect;
		ck_assert(mf_pattern_matches(map, 0, 1024 * PAGE));
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

TEST(a_kernel_that_refuses_for_ever_ends_in_an_error_and_no_loop)
{
	struct mf_pattern pattern = { .size = 1024 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };

	real_mprotect = mf_sys.mprotect;
	for (int b = 0; b < 2; b++) {
		char *map = map_with(&pattern, both[b]);

		if (!map)
			continue;
		mf_sys.mprotect = mprotect_refuses;
		refusals = UINT32_MAX;
		ck_assert_int_eq(mfill_require(map, PAGE), -ENOMEM);
		mf_sys.mprotect = real_mprotect;
		ck_assert_int_eq(mfill_require(map, PAGE), 0);
		ck_assert_int_eq(mfill_unmap(map), 0);
	}
}

static int madvise_without_guards(void *addr, size_t len, int advice)
{
	(void)addr;
	(void)len;
	return advice == MADV_GUARD_INSTALL ? -EINVAL : 0;
}

static int madvise_that_lies(void *addr, size_t len, int advice)
{
	(void)addr;
	(void)len;
	(void)advice;
	return 0;
}

static int refuse_open(const char *path, int flags, mode_t mode)
{
	(void)path;
	(void)flags;
	(void)mode;
	return -EACCES;
}

static int refused(int flags)
{
	(void)flags;
	return -EPERM;
}

static void assert_falls_back(int (*madvise_like)(void *, size_t, int),
			      bool userfaultfd, int backend)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	struct mf_sys real = mf_sys;
	struct mfill_stats stats;
	char *map;

	mf_sys.madvise = madvise_like;
	if (!userfaultfd) {
		mf_sys.userfaultfd = refused;
		mf_sys.open = refuse_open;
	}
	map = map_with(&pattern, MFILL_BACKEND_AUTO);
	ck_assert_ptr_null(map_with(&pattern, MFILL_BACKEND_GUARD));
	mf_sys = real;
	ck_assert(mf_pattern_matches(map, 0, 16 * PAGE));
	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
	ck_assert_int_eq(stats.backend, backend);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

static int backend_for(int delivery)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.delivery = delivery,
	};
	char *map = mf_pattern_map(&pattern, &options);
	struct mfill_stats stats;

	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
	ck_assert_int_eq(stats.delivery, delivery);
	ck_assert_int_eq(mfill_unmap(map), 0);
	return stats.backend;
}

/* lib/backends/backend.c says why. */
TEST(handler_threads_get_userfaultfd_where_it_serves_system_calls)
{
	bool kernel = false;

	mf_test_needs_guards();
	if (mf_uffd_probe_messages(&kernel) < 0 || !kernel)
		SKIP("userfaultfd with POISON (Linux 6.6), for system calls");
	ck_assert_int_eq(backend_for(MFILL_DELIVER_INLINE),
			 MFILL_BACKEND_GUARD);
	ck_assert_int_eq(backend_for(MFILL_DELIVER_THREAD), MFILL_BACKEND_UFFD);
}

static int (*real_userfaultfd)(int flags);

static int for_programs_only(int flags)
{
	return flags & UFFD_USER_MODE_ONLY ? real_userfaultfd(flags) : -EPERM;
}

TEST(handler_threads_get_guards_where_it_does_not)
{
	struct mf_sys real = mf_sys;

	mf_test_needs_guards();
	real_userfaultfd = mf_sys.userfaultfd;
	mf_sys.userfaultfd = for_programs_only;
	mf_sys.open = refuse_open;
	ck_assert_int_eq(backend_for(MFILL_DELIVER_THREAD),
			 MFILL_BACKEND_GUARD);
	mf_sys = real;
}

/* Messages need more than the rest: Linux 6.6. */
static int (*real_ioctl)(int fd, unsigned long request, void *arg);

static int ioctl_without_poison(int fd, unsigned long request, void *arg)
{
	struct uffdio_api *api = arg;

	if (request == UFFDIO_API && api->features & UFFD_FEATURE_POISON)
		return -EINVAL;
	return real_ioctl(fd, request, arg);
}

TEST(handler_threads_without_messages_get_another_backend)
{
	struct mf_pattern pattern = { .size = 16 * PAGE };
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.delivery = MFILL_DELIVER_THREAD,
	};
	struct mf_sys real = mf_sys;
	struct mfill_stats stats;
	char *map;

	real_ioctl = mf_sys.ioctl;
	mf_sys.ioctl = ioctl_without_poison;
	map = mf_pattern_map(&pattern, &options);
	mf_sys = real;
	ck_assert(mf_pattern_matches(map, 0, 16 * PAGE));
	ck_assert_int_eq(mfill_stats(map, &stats, sizeof(stats)), 0);
	ck_assert_int_ne(stats.backend, MFILL_BACKEND_UFFD);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(a_kernel_without_guards_gets_userfaultfd)
{
	if (mf_backend_uffd.probe() < 0)
		SKIP("userfaultfd");
	assert_falls_back(madvise_without_guards, true, MFILL_BACKEND_UFFD);
}

TEST(a_kernel_without_either_gets_mprotect)
{
	assert_falls_back(madvise_without_guards, false,
			  MFILL_BACKEND_MPROTECT);
}

TEST(an_emulator_that_ignores_advice_is_found_out)
{
	assert_falls_back(madvise_that_lies, false, MFILL_BACKEND_MPROTECT);
}

TEST(locked_memory_takes_no_guards_and_gets_mprotect)
{
	struct mf_pattern pattern = { .size = 16 * PAGE,
				      .flags = MFILL_SOURCE_INLINE };
	char *map;

	if (mlockall(MCL_FUTURE | MCL_ONFAULT) < 0)
		SKIP("mlockall(MCL_FUTURE)");
	map = map_with(&pattern, MFILL_BACKEND_AUTO);
	ck_assert(mf_pattern_matches(map, 0, 16 * PAGE));
	ck_assert_int_eq(mfill_unmap(map), 0);
	munlockall();
}

TEST(probe_says_what_works_and_why_the_rest_does_not)
{
	struct mfill_facility rows[32];
	int n = mfill_probe(rows, 32, sizeof(rows[0]));
	bool mprotect_works = false;

	ck_assert_int_gt(n, 5);
	ck_assert_int_le(n, 32);
	ck_assert_int_eq(mfill_probe(NULL, 0, sizeof(rows[0])), n);
	ck_assert_int_eq(mfill_probe(rows, 32, 1), -EINVAL);
	for (int i = 0; i < n; i++) {
		ck_assert_str_ne(rows[i].name, "");
		ck_assert_str_ne(rows[i].use, "");
		ck_assert_int_ge(rows[i].error, 0);
		ck_assert_int_eq(rows[i].reason[0] == '\0', rows[i].error == 0);
		if (strcmp(rows[i].name, "mprotect") == 0)
			mprotect_works = rows[i].error == 0;
	}
	ck_assert(mprotect_works);
}

/* Both refusals, of a program and of the kernel, with what would help. */
TEST(probe_says_how_to_be_allowed_userfaultfd)
{
	static const char *const names[] = { "userfaultfd", "userfaultfd-user",
					     "dev-userfaultfd" };
	static const char *const words[] = {
		"sysctl vm.unprivileged_userfaultfd=1",
		"allow the system call in the container's profile",
		"/dev/userfaultfd",
	};
	struct mfill_facility rows[32];
	struct mf_sys real = mf_sys;
	int n, found = 0;

	mf_sys.userfaultfd = refused;
	mf_sys.open = refuse_open;
	n = mfill_probe(rows, 32, sizeof(rows[0]));
	mf_sys = real;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < 3; j++)
			if (strcmp(rows[i].name, names[j]) == 0) {
				ck_assert_int_ne(rows[i].error, 0);
				ck_assert_ptr_nonnull(
					strstr(rows[i].remedy, words[j]));
				found++;
			}
	ck_assert_int_eq(found, 3);
}

static int refuse_userfaults(void)
{
	struct mfill_facility rows[32];
	int n = mfill_probe(rows, 32, sizeof(rows[0]));

	return n > 0 ? 0 : n;
}

TEST(probing_leaves_nothing_behind_whatever_fails)
{
	ck_assert_uint_gt(FAULTS(EPERM, refuse_userfaults), 5);
}
