/* SPDX-License-Identifier: MIT */
/*
 * copy-scenarios.c - UFFDIO_COPY, whose source may fault, against whoever
 * changes the address space.
 */
#include <errno.h>

#include "sched/kernel.h"
#include "sched/program.h"
#include "sched/scenarios.h"

#define SOURCE_TAG MFX_TAG(1)
#define OTHER_TAG  MFX_TAG(2)
#define OWN_TAG	   MFX_TAG(3)
#define DST	   0
#define SRC	   1
#define ELSEWHERE  4
#define WINDOW	   (MFX_WINDOW + SRC)

static struct mf_store *spare; /* what is mapped over a destination */

static void set_up_space(void)
{
	struct mf_store *dst = mfx_store_new("dst", 1, OWN_TAG, NULL);
	struct mf_store *src = mfx_store_new("src", 1, SOURCE_TAG, NULL);

	mfx_store_accepts(dst, SOURCE_TAG);
	(void)mfx_map(dst, DST);
	(void)mfx_map(src, SRC);
}

static void set_up(void)
{
	for (unsigned p = 0; p < mfx_run.scenario->n_processes; p++) {
		(void)mfx_enter(p);
		set_up_space();
	}
	(void)mfx_enter(0);
}

static void set_up_with_spare(void)
{
	set_up();
	spare = mfx_store_new("spare", 1, OTHER_TAG, NULL);
}

static void copy_from_next(void)
{
	mfx_expect("a copy", mfx_copy(DST, WINDOW), 0, -EAGAIN);
}

/* A writer that takes the lock, changes nothing, and frees nothing. */
static void change_elsewhere(void)
{
	mfx_expect("a change", mfx_protect(ELSEWHERE, 1), 0, 0);
}

static void set_up_third(void)
{
	static const char *const names[] = { "dstA", "dstB", "dstC" };

	for (unsigned p = 0; p < mfx_run.scenario->n_processes; p++) {
		struct mf_store *dst;

		(void)mfx_enter(p);
		dst = mfx_store_new(names[p], 1, 0, NULL);
		mfx_store_accepts(dst, SOURCE_TAG);
		(void)mfx_map(dst, DST);
		(void)mfx_map(mfx_store_new("src", 1, SOURCE_TAG, NULL), SRC);
	}
	(void)mfx_enter(0);
}

/*
 * Each copies the other's way. Both pages have a source, so a copy may also
 * come too late.
 */
static void set_up_opposite(void)
{
	struct mf_store *a = mfx_store_new("left", 1, SOURCE_TAG, NULL);
	struct mf_store *b = mfx_store_new("right", 1, SOURCE_TAG, NULL);

	(void)mfx_map(a, DST);
	(void)mfx_map(b, SRC);
}

static void expect_copy_or_late(int r)
{
	if (r != -EEXIST && r != -ENOENT)
		mfx_expect("a copy", r, 0, -EAGAIN);
}

static void copy_right(void)
{
	expect_copy_or_late(mfx_copy(DST, SRC));
}

static void copy_left(void)
{
	expect_copy_or_late(mfx_copy(SRC, DST));
}

/*
 * Another object comes to the destination, while the copy's source is being
 * read: what was meant for the old one must not land in the new one.
 */
static int replace_while_reading(uint64_t *ret_value, unsigned unit)
{
	(void)unit;
	*ret_value = SOURCE_TAG;
	return mfx_map(spare, DST);
}

static void set_up_replaced(void)
{
	struct mf_store *dst = mfx_store_new("dst", 1, OWN_TAG, NULL);

	mfx_store_accepts(dst, SOURCE_TAG);
	spare = mfx_store_new("spare", 1, OTHER_TAG, NULL);
	(void)mfx_map(dst, DST);
	(void)mfx_map(mfx_store_new("src", 1, 0, replace_while_reading), SRC);
}

static void copy_what_is_replaced(void)
{
	uint64_t value;

	mfx_expect("a copy", mfx_copy(DST, SRC), -EAGAIN, -EEXIST);
	(void)mfx_touch(DST, &value);
}

static void touch_dst(void)
{
	uint64_t value;

	(void)mfx_touch(DST, &value);
}

/* The same by somebody else, at any time. */
static void replace_dst(void)
{
	mfx_expect("a map", mfx_map(spare, DST), 0, 0);
}

static void set_up_raced(void)
{
	set_up_with_spare();
	mfx_store_accepts(spare, SOURCE_TAG);
}

static void copy_or_late(void)
{
	expect_copy_or_late(mfx_copy(DST, SRC));
}

static void unmap_src(void)
{
	mfx_expect("an unmap", mfx_unmap(SRC, 1), 0, 0);
}

static void copy_or_fail(void)
{
	int r = mfx_copy(DST, SRC);

	if (r != -EFAULT)
		mfx_expect("a copy", r, 0, -EAGAIN);
}

static void unmap_dst(void)
{
	mfx_expect("an unmap", mfx_unmap(DST, 1), 0, 0);
}

static void copy_or_gone(void)
{
	int r = mfx_copy(DST, SRC);

	if (r != -ENOENT)
		mfx_expect("a copy", r, 0, -EAGAIN);
}

static void copy_once(void)
{
	mfx_expect("a copy", mfx_copy(DST, SRC), 0, 0);
}

static void copy_window_once(void)
{
	mfx_expect("a copy", mfx_copy(DST, WINDOW), 0, 0);
}

static void add_changing(void)
{
	for (unsigned p = 0; p < mfx_run.scenario->n_processes; p++) {
		(void)mfx_enter(p);
		(void)mfx_map(mfx_store_new("else", 1, OTHER_TAG, NULL),
			      ELSEWHERE);
	}
	(void)mfx_enter(0);
}

static void set_up_opposite_changing(void)
{
	set_up_opposite();
	add_changing();
}

static void set_up_third_changing(void)
{
	set_up_third();
	add_changing();
}

static void set_up_changing(void)
{
	set_up();
	add_changing();
}

const struct mfx_scenario mfx_copy_scenarios[] = {
	{
		.name = "alone-other-space",
		.story = "one thread copies from another address space",
		.n_processes = 2,
		.thread = { { "A1", 0, copy_window_once } },
		.setup = set_up_third,
		.check = mfx_check_quiet,
	},
	{
		.name = "alone-same-space",
		.story = "one thread copies inside one address space",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_once } },
		.setup = set_up,
		.check = mfx_check_quiet,
	},
	{
		.name = "copy-writer",
		.story = "a copy whose source faults in the same space, while "
			 "a writer queues",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_once },
			    { "A2", 0, change_elsewhere } },
		.setup = set_up_changing,
		.check = mfx_check_quiet,
	},
	{
		.name = "seed",
		.story = "processes A and B: each copies from the other while "
			 "its second thread maps",
		.n_processes = 2,
		.thread = { { "A1", 0, copy_from_next },
			    { "A2", 0, change_elsewhere },
			    { "B1", 1, copy_from_next },
			    { "B2", 1, change_elsewhere } },
		.setup = set_up_changing,
		.check = mfx_check_quiet,
	},
	{
		.name = "ring",
		.story = "three processes, each copies from the next",
		.n_processes = 3,
		.thread = { { "A1", 0, copy_from_next },
			    { "B1", 1, copy_from_next },
			    { "C1", 2, copy_from_next } },
		.setup = set_up_third,
		.check = mfx_check_quiet,
	},
	{
		.name = "seed-dies",
		.story = "the same, and process B may be killed at any step",
		.n_processes = 2,
		.thread = { { "A1", 0, copy_from_next },
			    { "A2", 0, change_elsewhere },
			    { "B1", 1, copy_from_next },
			    { "B2", 1, change_elsewhere } },
		.setup = set_up_changing,
		.check = mfx_check_quiet,
		.budget = { .deaths = 1 },
		.mortal = 2,
	},
	{
		.name = "ring-writers",
		.story = "three processes, each copies from the next while its "
			 "second thread maps",
		.n_processes = 3,
		.thread = { { "A1", 0, copy_from_next },
			    { "A2", 0, change_elsewhere },
			    { "B1", 1, copy_from_next },
			    { "B2", 1, change_elsewhere },
			    { "C1", 2, copy_from_next },
			    { "C2", 2, change_elsewhere } },
		.setup = set_up_third_changing,
		.check = mfx_check_quiet,
	},
	{
		.name = "opposite",
		.story = "two copies between two regions, each the other's way",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_right }, { "A2", 0, copy_left } },
		.setup = set_up_opposite,
		.check = mfx_check_quiet,
	},
	{
		.name = "opposite-writer",
		.story = "the same, while a writer queues",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_right },
			    { "A2", 0, copy_left },
			    { "A3", 0, change_elsewhere } },
		.setup = set_up_opposite_changing,
		.check = mfx_check_quiet,
	},
	{
		.name = "replaced",
		.story = "another object comes to the address of the "
			 "destination during the unlocked copy",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_what_is_replaced },
			    { "A2", 0, touch_dst } },
		.setup = set_up_replaced,
		.check = mfx_check_quiet,
	},
	{
		.name = "raced",
		.story = "the same, at any time",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_or_late },
			    { "A2", 0, replace_dst },
			    { "A3", 0, touch_dst } },
		.setup = set_up_raced,
		.check = mfx_check_quiet,
	},
	{
		.name = "src-unmapped",
		.story = "the source of a copy is unmapped while it runs",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_or_fail }, { "A2", 0, unmap_src } },
		.setup = set_up,
		.check = mfx_check_quiet,
	},
	{
		.name = "dst-unmapped",
		.story = "the destination of a copy is unmapped while it runs",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_or_gone }, { "A2", 0, unmap_dst } },
		.setup = set_up,
		.check = mfx_check_quiet,
	},
	{ .name = NULL },
};
