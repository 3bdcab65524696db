/* SPDX-License-Identifier: MIT */
#include "unit/check/trace.h"

static uint32_t class_at(const void *address, const void *pc)
{
	return mf_check_lock_get(address, MF_CHECK_MUTEX, 0, pc)->class;
}

TEST(a_static_lock_is_a_class_of_its_own)
{
	begin_trace(0);
	ck_assert_uint_ne(class_at(&variables[0], do_step),
			  class_at(&variables[1], do_step));
	ck_assert_uint_eq(class_at(&variables[0], run_trace),
			  class_at(&variables[0], do_step));
	ck_assert(table->class[class_at(&variables[0], do_step) - 1].flags &
		  MF_CHECK_STATIC);
}

TEST(other_locks_are_of_the_class_of_who_made_or_used_them)
{
	begin_trace(0);
	ck_assert_uint_eq(class_at(made, do_step), class_at(made + 4, do_step));
	ck_assert_uint_ne(class_at(made, do_step),
			  class_at(made + 8, run_trace));
	mf_check_lock_made(made + 12, MF_CHECK_MUTEX, 0, do_step);
	ck_assert_uint_ne(class_at(made, do_step),
			  class_at(made + 12, run_trace));
}

TEST(a_lock_that_is_gone_is_another_when_it_comes_back)
{
	struct mf_check_lock *lock;
	uint64_t id;

	begin_trace(0);
	lock = mf_check_lock_get(made, MF_CHECK_MUTEX, 0, do_step);
	id = lock->id;
	mf_check_lock_gone(made);
	ck_assert_ptr_null(mf_check_lock_find(made));
	lock = mf_check_lock_get(made, MF_CHECK_MUTEX, 0, run_trace);
	ck_assert_uint_ne(lock->id, id);
}

TEST(locks_in_freed_memory_are_gone)
{
	char *memory = aligned_alloc(4096, 3 * 4096);

	begin_trace(0);
	for (size_t at = 64; at < 3 * 4096; at += 2048)
		(void)class_at(memory + at, do_step);
	ck_assert(mf_check_memory_has(memory));
	ck_assert_ptr_nonnull(mf_check_lock_find(memory + 64));
	mf_check_memory_gone(memory + 64, 2 * 4096);
	for (size_t at = 64; at < 64 + 2 * 4096; at += 2048)
		ck_assert_ptr_null(mf_check_lock_find(memory + at));
	ck_assert_ptr_nonnull(mf_check_lock_find(memory + 64 + 2 * 4096));
	ck_assert(!mf_check_memory_has(variables));
	free(memory);
}

TEST(a_lock_in_shared_memory_is_the_same_at_two_addresses)
{
	int fd = memfd_create("locks", MFD_CLOEXEC);
	char *one, *two;

	begin_trace(0);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	ck_assert_uint_eq(mf_check_lock_get(one + 64, MF_CHECK_MUTEX,
					    MF_CHECK_PSHARED, do_step)
				  ->class,
			  mf_check_lock_get(two + 64, MF_CHECK_MUTEX,
					    MF_CHECK_PSHARED, run_trace)
				  ->class);
	ck_assert_uint_ne(mf_check_lock_get(one + 64, MF_CHECK_MUTEX,
					    MF_CHECK_PSHARED, do_step)
				  ->class,
			  mf_check_lock_get(two + 128, MF_CHECK_MUTEX,
					    MF_CHECK_PSHARED, do_step)
				  ->class);
}

TEST_WITHIN(a_table_that_is_full_says_so, 60)
{
	static char room[4096][64];
	unsigned n = 0;

	begin_trace(0);
	for (unsigned round = 0; round < 64 && !table->no_lock; round++)
		for (unsigned i = 0; i < 4096; i++)
			n += mf_check_lock_get(&room[i][round], MF_CHECK_MUTEX,
					       0, do_step) != NULL;
	ck_assert_uint_gt(table->no_lock, 0);
	ck_assert_uint_gt(n, 30000);
}
