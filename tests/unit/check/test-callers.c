/* SPDX-License-Identifier: MIT */
#include "check/callers.h"

#include "unit/check/trace.h"

/* What a stack of these would be; the second is where the lock is taken. */
static uintptr_t stack[8];
static unsigned n_stack;
static unsigned n_asked;

static unsigned look(uintptr_t *ret, unsigned most)
{
	n_asked++;
	ck_assert(mf_check_state.busy);
	for (unsigned i = 0; i < n_stack && i < most; i++)
		ret[i] = stack[i];
	return n_stack < most ? n_stack : most;
}

static void set_stack(unsigned n)
{
	begin_trace(0);
	for (unsigned i = 0; i < 8; i++)
		stack[i] = (uintptr_t)run_trace + i;
	n_stack = n;
	mf_check_backtrace = look;
}

TEST(callers_are_those_behind_the_place)
{
	mf_check_site from[MF_CHECK_FRAMES];

	set_stack(4);
	mf_check_callers(table, (void *)stack[1], from);
	ck_assert_uint_eq(from[0], mf_check_place(table, stack[2]));
	ck_assert_uint_eq(from[1], mf_check_place(table, stack[3]));
	ck_assert_uint_eq(from[2], 0);
	ck_assert(!mf_check_state.busy);
}

TEST(no_more_are_kept_than_there_is_room_for)
{
	mf_check_site from[MF_CHECK_FRAMES + 1];

	set_stack(8);
	from[MF_CHECK_FRAMES] = 77;
	mf_check_callers(table, (void *)stack[0], from);
	ck_assert_uint_eq(from[MF_CHECK_FRAMES - 1],
			  mf_check_place(table, stack[MF_CHECK_FRAMES]));
	ck_assert_uint_eq(from[MF_CHECK_FRAMES], 77);
}

TEST(a_stack_without_the_place_tells_nothing)
{
	mf_check_site from[MF_CHECK_FRAMES];

	set_stack(4);
	mf_check_callers(table, (void *)stack[7], from);
	ck_assert_uint_eq(from[0], 0);
}

TEST(nobody_looks_in_a_fault_or_while_somebody_looks)
{
	mf_check_site from[MF_CHECK_FRAMES];

	set_stack(4);
	mf_check_state.busy = true;
	mf_check_callers(table, (void *)stack[1], from);
	mf_check_state.busy = false;
	mf_check_recorder.fault((void *)stack[1]);
	mf_check_callers(table, (void *)stack[1], from);
	mf_check_recorder.fault(NULL);
	ck_assert_uint_eq(n_asked, 0);
	mf_check_callers(table, (void *)stack[1], from);
	ck_assert_uint_eq(n_asked, 1);
}

TEST(who_called_makes_a_class_another)
{
	struct mf_check_lock *one, *two, *three;

	set_stack(4);
	one = mf_check_lock_get(made, MF_CHECK_MUTEX, 0, (void *)stack[1]);
	two = mf_check_lock_get(made + 8, MF_CHECK_MUTEX, 0, (void *)stack[1]);
	stack[2] = (uintptr_t)run_trace;
	three = mf_check_lock_get(made + 16, MF_CHECK_MUTEX, 0,
				  (void *)stack[1]);
	ck_assert_uint_eq(one->class, two->class);
	ck_assert_uint_ne(one->class, three->class);
}
