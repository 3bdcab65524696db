/* SPDX-License-Identifier: MIT */
/*
 * test-calls.c - every call of the table, by a bare instruction, into memory
 * that is not there yet: the filter catches it and its memory is filled.
 */
#include "preload/calls.h"

#include "mm/uaccess.h"
#include "preload/sigsys.h"
#include "unit/preload/arena.h"

static bool is_filled(const char *page)
{
	char byte;

	return mf_copy_nofault(&byte, page, 1) == 0;
}

/*
 * Arguments with which no call does any harm: descriptors, processes and
 * clocks that do not exist, sizes of a few bytes, nothing to wait for. Each
 * pointer has a page of its own.
 */
static void prepare(long nr, char *map, long args[6])
{
	const struct pl_call *call = &pl_calls[nr];
	int n = 0;

	for (int i = 0; i < 6; i++)
		args[i] = -1;
	for (int i = 0; i < PL_CALL_ARGS && call->args[i].what; i++) {
		const struct pl_arg *arg = &call->args[i];

		args[arg->at] = (long)(map + PAGE * (size_t)n++);
		if (arg->what == PL_ADDRESS)
			args[arg->len] = (long)(map + PAGE * (size_t)n++);
		else if (arg->len != PL_ONE && args[arg->len] == -1)
			args[arg->len] = arg->what == PL_IOCTL ? -1 : 1;
	}
#ifdef SYS_poll
	if (nr == SYS_poll)
		args[2] = 0;
#endif
}

static void close_pipe(long nr, const char *map)
{
#ifdef SYS_pipe
	if (nr == SYS_pipe)
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(close(((const int *)map)[i]), 0);
#else
	(void)nr;
	(void)map;
#endif
}

/* An address that is returned has the length that is found: none. */
static void check_filled(long nr, const struct pl_arg *arg, const long args[6])
{
	int at = arg->what == PL_ADDRESS ? arg->len : arg->at;

	if (arg->what)
		ck_assert_msg(is_filled((char *)args[at]),
			      "argument %d of call %ld", at, nr);
}

TEST_WITHIN(every_call_of_the_table_finds_its_memory_filled, 60)
{
	int called = 0;

	start(PL_FILTER_ALL);
	for (long nr = 0; nr < PL_CALLS; nr++) {
		char *map;
		long args[6];
		uint64_t before;

		if (!pl_calls[nr].args[0].what)
			continue;
		/* Zeros: an empty string, no buffers, no time at all. */
		map = arena_map(0, 0);
		prepare(nr, map, args);
		before = pl_sigsys_count();
		(void)mf_syscall(nr, args[0], args[1], args[2], args[3],
				 args[4], args[5]);
		ck_assert_msg(pl_sigsys_count() == before + 1,
			      "call %ld was caught %d times", nr,
			      (int)(pl_sigsys_count() - before));
		for (int i = 0; i < PL_CALL_ARGS; i++)
			check_filled(nr, &pl_calls[nr].args[i], args);
		close_pipe(nr, map);
		arena_unmap(map);
		called++;
	}
	ck_assert_int_gt(called, 100);
}
