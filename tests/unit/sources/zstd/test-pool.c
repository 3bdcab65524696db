/* SPDX-License-Identifier: MIT */
/*
 * test-pool.c - everybody has a context of their own.
 */
#include "sources/zstd/pool.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "harness/harness.h"

#define MORE (MF_ZPOOL_SLOTS + 10)

static unsigned n_mmap, n_munmap;
static struct mf_sys real;

static int counting_mmap(void *addr, size_t len, int prot, int flags, int fd,
			 uint64_t offset, void **ret_addr)
{
	mf_fetch_add(&n_mmap, 1);
	return real.mmap(addr, len, prot, flags, fd, offset, ret_addr);
}

static int counting_munmap(void *addr, size_t len)
{
	mf_fetch_add(&n_munmap, 1);
	return real.munmap(addr, len);
}

static void count_mappings(void)
{
	real = mf_sys;
	mf_sys.mmap = counting_mmap;
	mf_sys.munmap = counting_munmap;
}

TEST(the_first_context_is_there_before_it_is_needed)
{
	struct mf_zpool pool;
	struct mf_zctx *ctx;

	ck_assert_int_eq(mf_zpool_init(&pool, 1000, 5000), 0);
	count_mappings();
	ck_assert_int_eq(mf_zpool_take(&pool, 0, &ctx), 0);
	memset(ctx->in, 1, 1000);
	memset(ctx->out, 2, 5000);
	ck_assert_uint_eq(ctx->in[999], 1);
	mf_zpool_put(&pool, ctx);
	ck_assert_uint_eq(n_mmap, 0);
	mf_zpool_destroy(&pool);
}

TEST(a_context_that_is_taken_is_nobody_elses)
{
	struct mf_zpool pool;
	struct mf_zctx *a, *b;

	ck_assert_int_eq(mf_zpool_init(&pool, 10, 10), 0);
	ck_assert_int_eq(mf_zpool_take(&pool, 0, &a), 0);
	ck_assert_int_eq(mf_zpool_take(&pool, 0, &b), 0);
	ck_assert_ptr_ne(a, b);
	mf_zpool_put(&pool, a);
	mf_zpool_put(&pool, b);
	mf_zpool_destroy(&pool);
}

TEST(who_reads_on_gets_the_frame_that_is_unpacked_already)
{
	struct mf_zpool pool;
	struct mf_zctx *ctx[5], *again;

	ck_assert_int_eq(mf_zpool_init(&pool, 10, 10), 0);
	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(mf_zpool_take(&pool, i, &ctx[i]), 0);
	for (size_t i = 0; i < 5; i++) {
		ctx[i]->cached = 100 + i;
		mf_zpool_put(&pool, ctx[i]);
	}
	for (size_t i = 5; i-- > 0;) {
		ck_assert_int_eq(mf_zpool_take(&pool, 100 + i, &again), 0);
		ck_assert_ptr_eq(again, ctx[i]);
		mf_zpool_put(&pool, again);
	}
	mf_zpool_destroy(&pool);
}

TEST(more_than_there_is_room_for_are_given_back)
{
	struct mf_zpool pool;
	struct mf_zctx *ctx[MORE];

	count_mappings();
	ck_assert_int_eq(mf_zpool_init(&pool, 10, 10), 0);
	for (int i = 0; i < MORE; i++)
		ck_assert_int_eq(mf_zpool_take(&pool, 0, &ctx[i]), 0);
	ck_assert_uint_eq(n_mmap, MORE);
	for (int i = 0; i < MORE; i++)
		mf_zpool_put(&pool, ctx[i]);
	ck_assert_uint_eq(n_munmap, MORE - MF_ZPOOL_SLOTS);
	mf_zpool_destroy(&pool);
	ck_assert_uint_eq(n_munmap, MORE);
}

static int no_mmap(void *addr, size_t len, int prot, int flags, int fd,
		   uint64_t offset, void **ret_addr)
{
	(void)addr, (void)len, (void)prot, (void)flags, (void)fd;
	(void)offset, (void)ret_addr;
	return -ENOMEM;
}

TEST(without_memory_there_is_an_error_and_no_context)
{
	struct mf_zpool pool;
	struct mf_zctx *a, *b = NULL;

	ck_assert_int_eq(mf_zpool_init(&pool, 10, 10), 0);
	ck_assert_int_eq(mf_zpool_take(&pool, 0, &a), 0);
	mf_sys.mmap = no_mmap;
	ck_assert_int_eq(mf_zpool_take(&pool, 0, &b), -ENOMEM);
	ck_assert_ptr_null(b);
	ck_assert_int_eq(mf_zpool_init(&(struct mf_zpool){ 0 }, 1, 1), -ENOMEM);
	mf_zpool_put(&pool, a);
	mf_zpool_destroy(&pool);
}

static struct mf_zpool shared;
static uint32_t collisions;

/* in[] says who has it. */
static void *take_and_put(void *arg)
{
	uint8_t me = (uint8_t)(uintptr_t)arg;
	struct mf_zctx *ctx;

	for (int i = 0; i < 3000; i++) {
		if (mf_zpool_take(&shared, (size_t)i % 7, &ctx) < 0)
			return "no context";
		if (ctx->in[0] != 0)
			mf_fetch_add(&collisions, 1);
		ctx->in[0] = me;
		if (i % 64 == 0)
			usleep(10);
		if (ctx->in[0] != me)
			mf_fetch_add(&collisions, 1);
		ctx->in[0] = 0;
		ctx->cached = (size_t)i % 7;
		mf_zpool_put(&shared, ctx);
	}
	return NULL;
}

TEST_WITHIN(many_threads_never_have_the_same_one, 60)
{
	pthread_t thread[40];

	ck_assert_int_eq(mf_zpool_init(&shared, 10, 10), 0);
	for (uintptr_t i = 0; i < 40; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, take_and_put,
						(void *)(i + 1)),
				 0);
	for (int i = 0; i < 40; i++) {
		void *wrong;

		ck_assert_int_eq(pthread_join(thread[i], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
	ck_assert_uint_eq(collisions, 0);
	mf_zpool_destroy(&shared);
}
