/* SPDX-License-Identifier: MIT */
/*
 * test-kmap-checks.c - what debug builds say about windows used wrongly.
 *
 * Other builds have no checks, so this makes a kmap.c of its own that has,
 * and that uses windows for every store.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "harness/harness.h"

#ifndef MF_DEBUG
#define MF_DEBUG
#endif
#ifndef MF_HIGHMEM
#define MF_HIGHMEM
#endif
#define mf_kmap_init	checked_init
#define mf_kmap_destroy checked_destroy
#define mf_kmap_direct	checked_direct
#define kmap_local_page checked_kmap
#define kunmap_local	checked_kunmap
#include "mm/kmap.c"

static struct mf_kmap_space three_pages(void)
{
	struct mf_kmap_space space;
	int fd = mf_sys.memfd_create("mfill-test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mf_sys.ftruncate(fd, 3 * page_size), 0);
	mf_kmap_init(&space, fd, 3 * page_size);
	return space;
}

static void drop(struct mf_kmap_space *space)
{
	mf_kmap_destroy(space);
	close(space->fd);
}

/* The child begins with no windows, so all of it happens there. */
static void assert_dies_saying(void (*wrong)(struct mf_kmap_space *space),
			       const char *sentence)
{
	struct mf_kmap_space space = three_pages();
	char said[200] = "";
	int pipe_fd[2];

	ck_assert_int_eq(pipe(pipe_fd), 0);
	ASSERT_DIES_BY(SIGABRT, dup2(pipe_fd[1], 2), wrong(&space));
	close(pipe_fd[1]);
	ck_assert_int_gt(read(pipe_fd[0], said, sizeof(said) - 1), 0);
	close(pipe_fd[0]);
	/* An emulator may add to it. */
	said[strlen(sentence)] = '\0';
	ck_assert_str_eq(said, sentence);
	drop(&space);
}

static void unmap_first_first(struct mf_kmap_space *space)
{
	char *first = kmap_local_page(space, 0);

	(void)kmap_local_page(space, page_size);
	kunmap_local(first);
}

static void unmap_behind(struct mf_kmap_space *space)
{
	kunmap_local((char *)kmap_local_page(space, 0) + page_size);
}

static void unmap_before(struct mf_kmap_space *space)
{
	kunmap_local((char *)kmap_local_page(space, 0) - 1);
}

static void unmap_twice(struct mf_kmap_space *space)
{
	char *p = kmap_local_page(space, 0);

	kunmap_local(p);
	kunmap_local(p);
}

#define WRONG_PAGE "mfill: kunmap_local: not the page that was mapped last\n"

TEST(the_wrong_order_is_noticed)
{
	assert_dies_saying(unmap_first_first, WRONG_PAGE);
}

TEST(an_address_outside_the_window_is_noticed)
{
	assert_dies_saying(unmap_behind, WRONG_PAGE);
	assert_dies_saying(unmap_before, WRONG_PAGE);
}

TEST(one_unmap_too_many_is_noticed)
{
	assert_dies_saying(unmap_twice,
			   "mfill: kunmap_local: nothing is mapped\n");
}

TEST(the_right_order_is_fine)
{
	struct mf_kmap_space space = three_pages();
	char *first = kmap_local_page(&space, 0);
	char *second = kmap_local_page(&space, page_size);

	kunmap_local(second);
	kunmap_local(first + page_size - 1);
	drop(&space);
}

TEST(there_is_no_access_on_either_side_of_a_window)
{
	struct mf_kmap_space space = three_pages();
	char *p[MF_KMAP_MAX];

	for (unsigned i = 0; i < MF_KMAP_MAX; i++) {
		p[i] = kmap_local_page(&space, page_size);
		p[i][0] = p[i][page_size - 1] = 1;
	}
	ASSERT_DIES_BY(SIGSEGV, *(volatile char *)(p[0] - 1) = 1);
	ASSERT_DIES_BY(SIGSEGV, *(volatile char *)(p[0] + page_size) = 1);
	ASSERT_DIES_BY(SIGSEGV, *(volatile char *)(p[15] - 1) = 1);
	ASSERT_DIES_BY(SIGSEGV, *(volatile char *)(p[15] + page_size) = 1);
	for (unsigned i = MF_KMAP_MAX; i-- > 0;)
		kunmap_local(p[i]);
	drop(&space);
}
