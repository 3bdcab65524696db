/* SPDX-License-Identifier: MIT */
/*
 * test-kmap.c - pages of a store, mapped one at a time.
 *
 * Runs twice: as it is, and with MFILL_HIGHMEM=1, which wants windows instead
 * of a direct map. In 32 bits both are the same for the big store.
 */
#include "mm/kmap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "harness/harness.h"

/* Larger than anything 32 bits can map. */
#define BIG (UINT64_C(8) << 30)

static size_t page;

__attribute__((constructor)) static void find_page_size(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
}

static struct mf_kmap_space store_of(uint64_t size)
{
	struct mf_kmap_space space;
	int fd = mf_sys.memfd_create("mfill-test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mf_sys.ftruncate(fd, size), 0);
	mf_kmap_init(&space, fd, size);
	return space;
}

static void drop(struct mf_kmap_space *space)
{
	mf_kmap_destroy(space);
	close(space->fd);
}

static bool want_windows(void)
{
	const char *highmem = getenv("MFILL_HIGHMEM");

	return highmem && strcmp(highmem, "1") == 0;
}

TEST(what_is_written_is_in_the_store)
{
	struct mf_kmap_space space = store_of(BIG);
	const uint64_t offset = BIG - page;
	char *p = kmap_local_page(&space, offset);
	char back[6];

	ck_assert_ptr_nonnull(p);
	memcpy(p, "bytes", 6);
	kunmap_local(p + 100);
	ck_assert_int_eq(mf_sys.pread(space.fd, back, 6, offset), 6);
	ck_assert_str_eq(back, "bytes");
	drop(&space);
}

TEST(what_is_in_the_store_is_seen)
{
	struct mf_kmap_space space = store_of(BIG);
	const uint64_t offset = BIG / 2 + 3 * page;
	char *p;

	ck_assert_int_eq(mf_sys.pwrite(space.fd, "x", 1, offset + 5), 1);
	p = kmap_local_page(&space, offset + 77); /* rounded down */
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq((uintptr_t)p % page, 0);
	ck_assert_int_eq(p[5], 'x');
	kunmap_local(p);
	drop(&space);
}

TEST(sixteen_nest_and_one_more_does_not)
{
	struct mf_kmap_space space = store_of(BIG);
	char *p[MF_KMAP_MAX];

	for (unsigned i = 0; i < MF_KMAP_MAX; i++) {
		p[i] = kmap_local_page(&space, i * (BIG / MF_KMAP_MAX));
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], (int)i, page);
	}
	ck_assert_ptr_null(kmap_local_page(&space, 0));
	for (unsigned i = MF_KMAP_MAX; i-- > 0;) {
		ck_assert_int_eq(p[i][page - 1], (int)i);
		kunmap_local(p[i]);
	}
	p[0] = kmap_local_page(&space, 0);
	ck_assert_ptr_nonnull(p[0]);
	kunmap_local(p[0]);
	drop(&space);
}

TEST(one_page_may_be_mapped_twice)
{
	struct mf_kmap_space space = store_of(BIG);
	char *a = kmap_local_page(&space, page);
	char *b = kmap_local_page(&space, page);

	a[3] = 'q';
	ck_assert_int_eq(b[3], 'q');
	kunmap_local(b);
	kunmap_local(a);
	drop(&space);
}

TEST(two_stores_mix)
{
	struct mf_kmap_space one = store_of(BIG), two = store_of(5 * page);
	char *a = kmap_local_page(&one, page);
	char *b = kmap_local_page(&two, page);
	char *c = kmap_local_page(&one, 2 * page);

	a[0] = 'a';
	b[0] = 'b';
	c[0] = 'c';
	kunmap_local(c);
	kunmap_local(b);
	kunmap_local(a);
	c = kmap_local_page(&one, 2 * page);
	ck_assert_int_eq(c[0], 'c');
	kunmap_local(c);
	drop(&one);
	drop(&two);
}

TEST(there_is_nothing_beyond_the_store)
{
	struct mf_kmap_space space = store_of(3 * page);
	char *p;

	ck_assert_ptr_null(kmap_local_page(&space, 3 * page));
	ck_assert_ptr_null(kmap_local_page(&space, UINT64_MAX));
	p = kmap_local_page(&space, 3 * page - 1);
	ck_assert_ptr_nonnull(p);
	kunmap_local(p);
	drop(&space);
}

TEST(the_whole_of_a_big_store_is_within_reach)
{
	struct mf_kmap_space space = store_of(BIG);
	struct mf_random random = { mf_test_seed() };
	uint64_t offsets[500];

	for (unsigned i = 0; i < 500; i++) {
		char *p;

		offsets[i] = mf_random_below(&random, BIG / page) * page;
		p = kmap_local_page(&space, offsets[i]);
		ck_assert_ptr_nonnull(p);
		memcpy(p, &offsets[i], sizeof(offsets[i]));
		kunmap_local(p);
	}
	for (unsigned i = 0; i < 500; i++) {
		uint64_t *p = kmap_local_page(&space, offsets[i]);

		ck_assert_uint_eq(*p, offsets[i]);
		kunmap_local(p);
	}
	drop(&space);
}

TEST(all_of_a_store_is_there_at_once_or_not_at_all)
{
	struct mf_kmap_space space = store_of(3 * page);
	char *direct = mf_kmap_direct(&space);
	char byte = 0;

	ck_assert_int_eq(direct == NULL, want_windows());
	if (direct) {
		direct[2 * page] = 42;
		ck_assert_int_eq(mf_sys.pread(space.fd, &byte, 1, 2 * page), 1);
		ck_assert_int_eq(byte, 42);
		ck_assert_ptr_eq(mf_kmap_direct(&space), direct);
	}
	drop(&space);
}

TEST(the_environment_decides_for_windows)
{
	struct mf_kmap_space space = store_of(16 * page);
	char *p = kmap_local_page(&space, 0);

	kunmap_local(p);
	ck_assert_int_eq(space.direct == MF_KMAP_WINDOWS, want_windows());
	drop(&space);
}

TEST(a_window_is_gone_after_its_use)
{
	struct mf_kmap_space space = store_of(BIG);
	char *p = kmap_local_page(&space, 0);

	if (space.direct != MF_KMAP_WINDOWS)
		SKIP("windows: the direct map stays (see the other run)");
	*p = 1;
	kunmap_local(p);
	ASSERT_DIES_BY(SIGSEGV, *(volatile char *)p = 1);
	drop(&space);
}

static int refuse_mmap(void *addr, size_t len, int prot, int flags, int fd,
		       uint64_t offset, void **ret_addr)
{
	(void)addr, (void)len, (void)prot, (void)flags, (void)fd;
	(void)offset, (void)ret_addr;
	return -ENOMEM;
}

static int (*real_mmap)(void *addr, size_t len, int prot, int flags, int fd,
			uint64_t offset, void **ret_addr);

static int refuse_large_mmap(void *addr, size_t len, int prot, int flags,
			     int fd, uint64_t offset, void **ret_addr)
{
	if (len > 16 * page)
		return -ENOMEM;
	return real_mmap(addr, len, prot, flags, fd, offset, ret_addr);
}

/* As in a container with a limit on address space. */
TEST(without_room_for_a_direct_map_there_are_windows)
{
	struct mf_kmap_space space = store_of(100 * page);
	char *p;

	real_mmap = mf_sys.mmap;
	mf_sys.mmap = refuse_large_mmap;
	p = kmap_local_page(&space, 99 * page);
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_eq(space.direct, MF_KMAP_WINDOWS);
	kunmap_local(p);
	drop(&space);
}

TEST(without_a_window_there_is_null_and_nothing_to_undo)
{
	struct mf_kmap_space space = store_of(BIG);

	real_mmap = mf_sys.mmap;
	for (int i = 0; i < 2 * MF_KMAP_MAX; i++) {
		mf_sys.mmap = refuse_mmap;
		ck_assert_ptr_null(kmap_local_page(&space, 0));
	}
	mf_sys.mmap = real_mmap;
	kunmap_local(kmap_local_page(&space, 0));
	drop(&space);
}

static int maps_two_pages(void)
{
	struct mf_kmap_space space;
	int fd = mf_sys.memfd_create("mfill-test", MFD_CLOEXEC);
	void *a, *b = NULL;
	int r = 0;

	if (fd < 0)
		return fd;
	r = mf_sys.ftruncate(fd, 2 * page);
	mf_kmap_init(&space, fd, 2 * page);
	a = r < 0 ? NULL : kmap_local_page(&space, 0);
	if (a)
		b = kmap_local_page(&space, page);
	if (b)
		kunmap_local(b);
	if (a)
		kunmap_local(a);
	mf_kmap_destroy(&space);
	(void)mf_sys.close(fd);
	if (r < 0)
		return r;
	return b ? 0 : -ENOMEM;
}

TEST_WITHIN(no_failure_leaves_a_mapping, 30)
{
	ck_assert_uint_ge(FAULTS(ENOMEM, maps_two_pages), 4);
}

static struct mf_kmap_space shared_space;
static uint32_t go;

/* Without assertions of Check's, which belong to the main thread. */
static void *map_some(void *arg)
{
	uint64_t mine = (uint64_t)(uintptr_t)arg;

	while (!mf_load_acquire(&go))
		;
	for (unsigned i = 0; i < 200; i++) {
		uint64_t *p = kmap_local_page(&shared_space, mine * page);

		if (!p || *p != mine * i)
			abort();
		*p = mine * (i + 1);
		kunmap_local(p);
	}
	return NULL;
}

TEST(threads_have_windows_of_their_own)
{
	pthread_t threads[4];

	shared_space = store_of(BIG);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, map_some,
						(void *)(i + 1)),
				 0);
	mf_store_release(&go, 1);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	drop(&shared_space);
}

TEST(a_forked_child_begins_with_none)
{
	struct mf_kmap_space space = store_of(BIG);
	char *p[MF_KMAP_MAX];
	int status;
	pid_t child;

	for (unsigned i = 0; i < MF_KMAP_MAX; i++)
		p[i] = kmap_local_page(&space, i * page);
	child = fork();
	if (child == 0) {
		unsigned n = 0;

		while (kmap_local_page(&space, n * page))
			n++;
		_exit((int)n);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(WEXITSTATUS(status), MF_KMAP_MAX);
	for (unsigned i = MF_KMAP_MAX; i-- > 0;)
		kunmap_local(p[i]);
	drop(&space);
}
