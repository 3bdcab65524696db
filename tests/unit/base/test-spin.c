/* SPDX-License-Identifier: MIT */
/*
 * test-spin.c - when it is worth looking before one sleeps.
 */
#include "base/spin.h"

#include "harness/harness.h"

/* On this processor, and on another one, whichever we are on by now. */
static void stay(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

static struct mf_spin seen_elsewhere(void)
{
	return (struct mf_spin){ .cpu = (uint32_t)sched_getcpu() + 2 };
}

TEST(nobody_looks_for_a_thread_that_was_never_seen)
{
	struct mf_spin spin = { 0 };

	ck_assert_uint_eq(mf_spin_patience(&spin), 0);
}

/* It could not run meanwhile. */
TEST(nobody_looks_for_a_thread_of_the_same_processor)
{
	struct mf_spin spin = { 0 };

	stay();
	mf_spin_here(&spin);
	ck_assert_uint_eq(mf_spin_patience(&spin), 0);
}

TEST(looking_is_worth_it_for_a_thread_of_another_processor)
{
	struct mf_spin spin;

	stay();
	spin = seen_elsewhere();
	ck_assert_uint_eq(mf_spin_patience(&spin), MF_SPIN_NS);
}

TEST(looking_ends_when_it_is_there)
{
	struct mf_spin spin;
	uint32_t word = 7;

	stay();
	spin = seen_elsewhere();
	spin.failed = 3;
	/* Its time is far longer than the test's. */
	mf_spin(&spin, UINT64_C(3600000000000), MF_SPIN_UNTIL, &word, 7);
	ck_assert_uint_eq(spin.failed, 0);
	spin.failed = 3;
	mf_spin(&spin, UINT64_C(3600000000000), MF_SPIN_WHILE, &word, 8);
	ck_assert_uint_eq(spin.failed, 0);
}

TEST(looking_in_vain_is_given_up_bit_by_bit_and_tried_again)
{
	struct mf_spin spin;
	uint64_t before = MF_SPIN_NS;
	uint32_t word = 0;
	unsigned waits = 0;

	stay();
	spin = seen_elsewhere();
	mf_spin(&spin, 1000, MF_SPIN_UNTIL, &word, 1);
	while (mf_spin_patience(&spin) > 0) {
		ck_assert_uint_lt(mf_spin_patience(&spin), before);
		before = mf_spin_patience(&spin);
		mf_spin(&spin, 1000, MF_SPIN_UNTIL, &word, 1);
	}
	ck_assert_uint_lt(before, MF_SPIN_NS / 8);
	while (mf_spin_patience(&spin) == 0)
		ck_assert_uint_le(++waits, MF_SPIN_AGAIN);
	ck_assert_uint_gt(waits, MF_SPIN_AGAIN / 2);
}
