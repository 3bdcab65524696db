/* SPDX-License-Identifier: MIT */
#include "unit/check/trace.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct mf_check_thread *row_of(uint32_t tid)
{
	for (unsigned i = 0; i < MF_CHECK_THREADS; i++)
		if ((uint32_t)table->thread[i].who == tid)
			return &table->thread[i];
	return NULL;
}

TEST(what_a_thread_holds_and_wants_can_be_seen)
{
	struct mf_check_thread *me;

	begin_trace(0);
	do_step('w', 'A');
	do_step('r', 'B');
	me = row_of((uint32_t)gettid());
	ck_assert_ptr_nonnull(me);
	ck_assert_uint_eq(me->n, 2);
	ck_assert_uint_eq(me->held[0].lock, (uintptr_t)&variables[0]);
	ck_assert_uint_eq(me->held[1].mode, MF_CHECK_SHARED);
	mf_check_wait(trace_lock('C', do_step), MF_CHECK_SHARED, NULL);
	ck_assert_uint_eq(me->want, (uintptr_t)&variables[2]);
	ck_assert_uint_ne(me->want_class, 0);
	mf_check_gave_up();
	ck_assert_uint_eq(me->want_class, 0);
}

TEST(a_thread_that_ended_gives_its_row_back)
{
	begin_trace(0);
	for (int i = 0; i < 3; i++)
		run_trace("wA wB -B -A");
	for (unsigned i = 0; i < MF_CHECK_THREADS; i++)
		ck_assert_uint_eq(table->thread[i].who, 0);
}

TEST(a_process_that_ends_gives_its_row_back)
{
	pid_t child;

	begin_trace(0);
	child = mf_test_fork();
	if (child == 0) {
		do_step('w', 'A');
		mf_check_end();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	for (unsigned i = 0; i < MF_CHECK_THREADS; i++)
		ck_assert_uint_eq(table->thread[i].who, 0);
}

TEST(rows_of_killed_processes_are_used_again)
{
	pid_t child;

	begin_trace(0);
	child = mf_test_fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	for (unsigned i = 0; i < MF_CHECK_THREADS; i++)
		table->thread[i].who = (uint64_t)child << 32 | (uint32_t)child;
	do_step('w', 'A');
	ck_assert_ptr_nonnull(row_of((uint32_t)gettid()));
	ck_assert_uint_eq(table->no_thread, 0);
}

TEST(a_full_table_of_threads_is_counted)
{
	begin_trace(0);
	for (unsigned i = 0; i < MF_CHECK_THREADS; i++)
		table->thread[i].who = (uint64_t)getpid() << 32 |
				       (uint32_t)getpid();
	run_trace("wA wB -B -A");
	ck_assert_uint_eq(table->no_thread, 1);
	ck_assert_uint_eq(table->edges, 0);
}

TEST(more_locks_than_there_is_room_for_are_forgotten)
{
	struct mf_check_thread *me;

	begin_trace(MF_CHECK_REENTRANT);
	for (int i = 0; i < MF_CHECK_HELD + 5; i++)
		do_step('w', 'A');
	me = row_of((uint32_t)gettid());
	ck_assert_uint_eq(me->n, MF_CHECK_HELD);
	ck_assert_uint_eq(me->lost, 1);
	for (int i = 0; i < MF_CHECK_HELD + 5; i++)
		do_step('-', 'A');
	ck_assert_uint_eq(me->n, 0);
	for (unsigned i = 0; i < MF_CHECK_CLASSES; i++)
		ck_assert(!(table->class[i].flags & MF_CHECK_HANDED));
}

TEST(orders_of_two_processes_meet)
{
	pid_t child;

	begin_trace(0);
	child = mf_test_fork();
	if (child == 0) {
		run_trace("wA wB -B -A");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	run_trace("wB wA -A -B");
	ck_assert_uint_eq(count_rings(), 1);
}

TEST(a_forked_child_may_give_back_what_it_never_took)
{
	pid_t child;

	begin_trace(0);
	do_step('w', 'A');
	child = mf_test_fork();
	if (child == 0) {
		do_step('-', 'A');
		do_step('w', 'B');
		_exit(row_of((uint32_t)gettid())->n != 1);
	}
	mf_test_exited(child, 0, "the child", __FILE__, __LINE__);
	ck_assert_uint_eq(row_of((uint32_t)gettid())->n, 1);
	for (unsigned i = 0; i < MF_CHECK_CLASSES; i++)
		ck_assert(!(table->class[i].flags & MF_CHECK_HANDED));
}

TEST(the_first_sight_of_an_edge_says_who_and_where)
{
	const struct mf_check_edge *edge = NULL;
	const struct mf_check_seen *seen;

	begin_trace(0);
	run_trace("wA rB -B -A");
	for (unsigned i = 0; i < MF_CHECK_EDGES; i++)
		if (table->edge[i].key)
			edge = &table->edge[i];
	ck_assert_ptr_nonnull(edge);
	ck_assert_uint_eq(edge->word & 15,
			  MF_CHECK_KIND(MF_CHECK_EXCLUSIVE, MF_CHECK_SHARED));
	seen = &edge->seen[MF_CHECK_SHARED];
	ck_assert_uint_eq(seen->pid, (uint32_t)getpid());
	ck_assert_uint_ne(seen->tid, (uint32_t)getpid());
	ck_assert_uint_ne(mf_check_site_module(seen->held_at), 0);
	ck_assert_uint_ne(mf_check_site_module(seen->wanted_at), 0);
}

static struct mf_check_lock *in_handler;
static unsigned n_handled;

static void on_alarm(int sig)
{
	(void)sig;
	n_handled++;
	mf_check_wait(in_handler, MF_CHECK_EXCLUSIVE, NULL);
	mf_check_got(in_handler, MF_CHECK_EXCLUSIVE, NULL);
	mf_check_release(in_handler);
}

/* It comes between any two instructions, some time. */
TEST(a_handler_may_lock_at_any_moment)
{
	const struct itimerval often = { { 0, 20 }, { 0, 20 } }, never = { 0 };
	struct mf_check_thread *me;
	struct mf_check_lock *lock;
	time_t end;

	begin_trace(0);
	do_step('w', 'A');
	do_step('-', 'A');
	me = row_of((uint32_t)gettid());
	lock = trace_lock('A', do_step);
	in_handler = trace_lock('B', do_step);
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	for (end = time(NULL) + 2; time(NULL) < end;) {
		for (int i = 0; i < 10000; i++) {
			mf_check_got(lock, MF_CHECK_EXCLUSIVE, NULL);
			if (me->n != 1 || me->held[0].lock != lock->address)
				ck_abort_msg("lost after %u signals",
					     n_handled);
			mf_check_release(lock);
			if (me->n != 0)
				ck_abort_msg("kept after %u signals",
					     n_handled);
		}
	}
	setitimer(ITIMER_REAL, &never, NULL);
	ck_assert_uint_gt(n_handled, 100);
	ck_assert_uint_eq(me->sum, 0);
}

/* As a handler does that runs when the entry is counted and not written. */
TEST(what_a_handler_takes_and_gives_back_leaves_a_half_written_entry)
{
	struct mf_check_thread *me;

	begin_trace(0);
	do_step('w', 'A');
	me = row_of((uint32_t)gettid());
	me->held[1].class = UINT32_MAX;
	me->n = 2;
	do_step('w', 'B');
	do_step('-', 'B');
	ck_assert_uint_eq(me->n, 2);
	ck_assert_uint_eq(table->edges, 1);
}
