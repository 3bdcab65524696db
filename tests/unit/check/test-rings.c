/* SPDX-License-Identifier: MIT */
#include "unit/check/trace.h"

/* Reader-preferring; first come but for what one holds; first come. */
static const uint32_t policies[] = {
	0,
	MF_CHECK_WQ | MF_CHECK_SELF,
	MF_CHECK_WQ,
};

/* What the trace is told for: rings and events, under each policy. */
static void expect(const char *trace, unsigned prefer, unsigned recursive,
		   unsigned fair)
{
	unsigned expected[] = { prefer, recursive, fair };

	for (unsigned i = 0; i < 3; i++) {
		pid_t child = mf_test_fork();

		if (child == 0) {
			begin_trace(policies[i]);
			run_trace(trace);
			_exit((int)(count_rings() + count_events()));
		}
		mf_test_exited(child, (int)expected[i], trace, __FILE__,
			       (int)i);
	}
}

TEST(two_orders_are_a_ring)
{
	expect("wA wB -B -A; wB wA -A -B", 1, 1, 1);
	expect("wA wB -B -A; wA wB -B -A", 0, 0, 0);
}

TEST(order_of_unlocking_does_not_matter)
{
	expect("wA wB -A -B; wA wB -B -A", 0, 0, 0);
	expect("wA wB -A wC -C -B; wC wB -B -C", 1, 1, 1);
}

TEST(readers_wait_for_readers_only_behind_a_queued_writer)
{
	expect("rA rB -B -A; rB rA -A -B", 0, 1, 1);
	expect("rA rB -B -A; rB wA -A -B", 0, 1, 1);
	expect("rA wB -B -A; rB wA -A -B", 1, 1, 1);
	expect("rA rB -B -A; wB wA -A -B", 1, 1, 1);
}

TEST(a_lock_that_is_read_twice_needs_recursion_or_no_queue)
{
	expect("rA rA -A -A", 0, 0, 1);
	expect("rA rB rA -A -B -A", 0, 0, 1);
}

TEST(a_thread_that_waits_for_itself_is_told_under_every_policy)
{
	expect("wA wA -A -A", 1, 1, 1);
	expect("rA wA -A -A", 1, 1, 1);
}

TEST(a_try_waits_for_nobody)
{
	expect("wA tB -B -A; wB tA -A -B", 0, 0, 0);
	expect("wA tB wC -C -B -A; wC wB -B -C", 1, 1, 1);
}

TEST(a_gate_lets_only_one_of_two_orders_happen)
{
	expect("wG wA wB -B -A -G; wG wB wA -A -B -G", 0, 0, 0);
	expect("wA wG wB -B -G -A; wB wG wA -A -G -B", 2, 2, 2);
	/* Not once one of them was seen without. */
	expect("wG wA wB -B -A -G; wG wB wA -A -B -G; wA wB -B -A", 1, 1, 1);
	/* Who holds the gate is not held up at it. */
	expect("wA wB wC -C -B -A; wC wB wA -A -B -C", 2, 2, 2);
	/* Nor when it is only read. */
	expect("rG wA wB -B -A -G; rG wB wA -A -B -G", 1, 1, 1);
}

TEST(rings_of_three_are_found)
{
	expect("wA wB -B -A; wB wC -C -B; wC wA -A -C", 1, 1, 1);
	expect("rA rB -B -A; rB rC -C -B; rC rA -A -C", 0, 1, 1);
}

TEST(a_ring_that_adds_nothing_is_not_told)
{
	/* A and B either way; and a way around by C that has one step more. */
	expect("wA wB -B -A; wB wA -A -B; wB wC -C -B; wC wA -A -C", 2, 2, 2);
}

TEST(a_lock_over_a_touch_whose_fill_takes_it_is_a_ring)
{
	expect("wA p1 -A; f1 wA -A d1", 1, 1, 1);
	expect("wA p1 -A; f1 wB -B d1", 0, 0, 0);
	expect("wA p1 -A; f2 wA -A d2", 0, 0, 0);
	expect("rA p1 -A; f1 rA -A d1", 0, 1, 1);
	/* By way of another lock. */
	expect("wA p1 -A; f1 wB -B d1; wB wA -A -B", 1, 1, 1);
}

TEST(fills_that_touch_each_others_map_are_a_ring)
{
	expect("f1 p2 d1; f2 p1 d2", 1, 1, 1);
	expect("f1 p2 d1; f2 p3 d2", 0, 0, 0);
	/* An earlier part of the same map is what sources do. */
	expect("f1 p1 d1", 0, 0, 0);
}

TEST(locks_of_one_class_are_told_apart)
{
	expect("wa wb -b -a; wb wc -c -b", 0, 0, 0);
	expect("wa wb -b -a; wb wa -a -b", 1, 1, 1);
	expect("wa wb -b -a; wb wc -c -b; wc wa -a -c", 1, 1, 1);
}

TEST(who_gives_back_what_another_took_is_left_in_peace)
{
	expect("wA wB; -A -B; wB wA -A -B", 0, 0, 0);
}
