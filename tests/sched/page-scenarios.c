/* SPDX-License-Identifier: MIT */
/*
 * page-scenarios.c - one page, wanted by many, and taken away meanwhile.
 */
#include <errno.h>

#include "sched/kernel.h"
#include "sched/program.h"
#include "sched/scenarios.h"

#define TAG  MFX_TAG(1)
#define PAGE 0
#define NEXT 1

static struct mf_store *store;

static void set_up(void)
{
	store = mfx_store_new("file", 1, TAG, NULL);
	(void)mfx_map(store, PAGE);
}

static void touch(void)
{
	uint64_t value;

	mfx_expect("a touch", mfx_touch(PAGE, &value), 0, 0);
}

/* It may be unmapped. */
static void touch_or_crash(void)
{
	uint64_t value;

	mfx_expect("a touch", mfx_touch(PAGE, &value), 0, -EFAULT);
}

static void prefetch(void)
{
	int r = mfx_prefetch(PAGE);

	if (r != -EAGAIN)
		mfx_expect("a prefetch", r, 0, -ENOENT);
}

static void unmap(void)
{
	mfx_expect("an unmap", mfx_unmap(PAGE, 1), 0, 0);
}

/* All that was open is hidden again; what is filled stays filled. */
static void evict(void)
{
	mfx_expect("a map", mfx_map(store, PAGE), 0, 0);
}

static void require(void)
{
	int r = mfx_require(PAGE);

	if (r != -EAGAIN)
		mfx_expect("a require", r, 0, -ENOENT);
}

/* After all, whoever comes can read it. */
static void check_readable(void)
{
	uint64_t value;

	(void)mfx_map(store, PAGE);
	mfx_expect("a late touch", mfx_touch(PAGE, &value), 0, 0);
	mfx_check_quiet();
}

/* A source that takes its time: a signal may come in the middle. */
static uint32_t interrupted;

static int read_slowly(uint64_t *ret_value, unsigned unit)
{
	(void)unit;
	(void)mf_load_seq_cst(&interrupted);
	*ret_value = TAG;
	return 0;
}

static void set_up_slow(void)
{
	mfx_state(&interrupted, sizeof(interrupted));
	mfx_name(&interrupted, sizeof(interrupted), "the signal's mark");
	store = mfx_store_new("file", 1, 0, read_slowly);
	mfx_store_accepts(store, TAG);
	(void)mfx_map(store, PAGE);
}

static void on_signal(void)
{
	uint64_t value;

	mf_store_seq_cst(&interrupted, 1U);
	/* It never interrupts the fill of this page, in its own thread. */
	mfx_expect("a touch in a handler", mfx_touch(PAGE, &value), 0, 0);
}

static void set_up_two(void)
{
	struct mf_store *dst = mfx_store_new("dst", 1, 0, NULL);

	set_up_slow();
	mfx_store_accepts(dst, TAG);
	(void)mfx_map(dst, NEXT);
}

static void change(void)
{
	mfx_expect("a change", mfx_protect(NEXT, 1), 0, 0);
}

static void copy_or_again(void)
{
	mfx_expect("a copy", mfx_copy(NEXT, PAGE), 0, -EAGAIN);
}

/* In B, who shares the store with A and is killed perhaps. */
static void set_up_shared(void)
{
	set_up();
	(void)mfx_enter(1);
	(void)mfx_map(store, PAGE);
	(void)mfx_enter(0);
}

static void check_shared(void)
{
	uint64_t value;

	mfx_expect("a late touch", mfx_touch(PAGE, &value), 0, 0);
	mfx_check_quiet();
}

const struct mfx_scenario mfx_page_scenarios[] = {
	{
		.name = "page-two",
		.story = "two threads touch one page",
		.n_processes = 1,
		.thread = { { "A1", 0, touch }, { "A2", 0, touch } },
		.setup = set_up,
		.check = check_readable,
	},
	{
		.name = "page-three",
		.story = "three threads touch one page",
		.n_processes = 1,
		.thread = { { "A1", 0, touch },
			    { "A2", 0, touch },
			    { "A3", 0, touch } },
		.setup = set_up,
		.check = check_readable,
	},
	{
		.name = "page-spurious",
		.story = "two threads touch one page; a wake-up for no "
			 "reason, a wait that ends early",
		.n_processes = 1,
		.thread = { { "A1", 0, touch }, { "A2", 0, touch } },
		.setup = set_up,
		.check = check_readable,
		.budget = { .spurious = 1, .timeouts = 1 },
	},
	{
		.name = "page-tso",
		.story = "two threads touch one page; stores wait in buffers",
		.n_processes = 1,
		.thread = { { "A1", 0, touch }, { "A2", 0, touch } },
		.setup = set_up,
		.check = check_readable,
		.budget = { .tso = true },
	},
	{
		.name = "page-unmap",
		.story = "a touch and a prefetch of a page that is unmapped",
		.n_processes = 1,
		.thread = { { "A1", 0, touch_or_crash },
			    { "A2", 0, prefetch },
			    { "A3", 0, unmap } },
		.setup = set_up,
		.check = check_readable,
	},
	{
		.name = "page-evict",
		.story = "a touch of a page that is hidden again meanwhile",
		.n_processes = 1,
		.thread = { { "A1", 0, touch_or_crash },
			    { "A2", 0, require },
			    { "A3", 0, evict } },
		.setup = set_up,
		.check = check_readable,
	},
	{
		.name = "page-four",
		.story = "fault, prefetch, unmap and eviction of one page",
		.n_processes = 1,
		.thread = { { "A1", 0, touch_or_crash },
			    { "A2", 0, prefetch },
			    { "A3", 0, unmap },
			    { "A4", 0, evict } },
		.setup = set_up,
		.check = check_readable,
	},
	{
		.name = "signal-copy",
		.story = "a signal whose handler faults, inside a copy, while "
			 "a writer queues",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_or_again }, { "A2", 0, change } },
		.setup = set_up_two,
		.check = check_readable,
		.on_signal = on_signal,
		.budget = { .signals = 1 },
	},
	{
		.name = "signal-require",
		.story = "a signal whose handler faults, inside require",
		.n_processes = 1,
		.thread = { { "A1", 0, require }, { "A2", 0, touch } },
		.setup = set_up_slow,
		.check = check_readable,
		.on_signal = on_signal,
		.budget = { .signals = 1 },
	},
	{
		.name = "signal-change",
		.story = "a signal whose handler faults, inside a change of "
			 "the address space",
		.n_processes = 1,
		.thread = { { "A1", 0, change }, { "A2", 0, touch } },
		.setup = set_up_two,
		.check = check_readable,
		.on_signal = on_signal,
		.budget = { .signals = 1 },
	},
	{
		.name = "page-filler-dies",
		.story = "two processes touch one page of a shared store; one "
			 "may be killed at any step",
		.n_processes = 2,
		.thread = { { "A1", 0, touch }, { "B1", 1, touch } },
		.setup = set_up_shared,
		.check = check_shared,
		.budget = { .deaths = 1 },
		.mortal = 2,
	},
	{
		.name = "page-three-die",
		.story = "two threads and another process touch one page; "
			 "that one may be killed",
		.n_processes = 2,
		.thread = { { "A1", 0, touch },
			    { "A2", 0, touch },
			    { "B1", 1, touch } },
		.setup = set_up_shared,
		.check = check_shared,
		.budget = { .deaths = 1 },
		.mortal = 2,
	},
	{ .name = NULL },
};
