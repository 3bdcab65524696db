/* SPDX-License-Identifier: MIT */
/*
 * wait-scenarios.c - sources that touch other pages: rings of waits, and
 * chains that are none.
 */
#include <errno.h>

#include "sched/kernel.h"
#include "sched/program.h"
#include "sched/scenarios.h"

#define TAG MFX_TAG(1)

static struct mf_store *stores[3];

/* A page's source reads the next page, or gives its error. */
static int read_page(unsigned page, uint64_t *ret_value)
{
	return mfx_touch(page, ret_value);
}

static int read_0(uint64_t *ret_value, unsigned unit)
{
	(void)unit;
	return read_page(0, ret_value);
}

static int read_1(uint64_t *ret_value, unsigned unit)
{
	(void)unit;
	return read_page(1, ret_value);
}

static int read_2(uint64_t *ret_value, unsigned unit)
{
	(void)unit;
	return read_page(2, ret_value);
}

static void map_all(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		mfx_store_accepts(stores[i], TAG);
		(void)mfx_map(stores[i], i);
	}
}

static void set_up_ring2(void)
{
	stores[0] = mfx_store_new("file0", 1, 0, read_1);
	stores[1] = mfx_store_new("file1", 1, 0, read_0);
	map_all(2);
}

static void set_up_ring3(void)
{
	stores[0] = mfx_store_new("file0", 1, 0, read_1);
	stores[1] = mfx_store_new("file1", 1, 0, read_2);
	stores[2] = mfx_store_new("file2", 1, 0, read_0);
	map_all(3);
}

static void set_up_chain(void)
{
	stores[0] = mfx_store_new("file0", 1, 0, read_1);
	stores[1] = mfx_store_new("file1", 1, 0, read_2);
	stores[2] = mfx_store_new("file2", 1, TAG, NULL);
	map_all(3);
}

/*
 * The source of page 0 reads page 1 at first and nothing later; that of page 1
 * reads page 0 only when it is filled. So nobody ever waits in a ring; but who
 * joins what it saw at different times may think so.
 */
static uint32_t tries;

static int read_1_or_fail(uint64_t *ret_value, unsigned unit)
{
	(void)unit;
	(void)ret_value;
	(void)mfx_touch(1, ret_value);
	return -EIO;
}

static void set_up_phantom(void)
{
	mfx_state(&tries, sizeof(tries));
	stores[0] = mfx_store_new("file0", 1, 0, read_1_or_fail);
	stores[1] = mfx_store_new("file1", 1, TAG, NULL);
	map_all(2);
}

/* The source of a ring can only end in an error: all of it is missing. */
static void touch_in_ring(unsigned page)
{
	uint64_t value;

	mfx_expect("a touch in a ring", mfx_touch(page, &value), -EDEADLK,
		   -EDEADLK);
}

static void ring_0(void)
{
	touch_in_ring(0);
}

static void ring_1(void)
{
	touch_in_ring(1);
}

static void ring_2(void)
{
	touch_in_ring(2);
}

static void touch_chain(unsigned page)
{
	uint64_t value;

	mfx_expect("a touch in a chain", mfx_touch(page, &value), 0, 0);
}

static void chain_0(void)
{
	touch_chain(0);
}

static void chain_1(void)
{
	touch_chain(1);
}

static void chain_2(void)
{
	touch_chain(2);
}

/*
 * Who is done with the end of the chain comes to its beginning: who walks the
 * chain meanwhile may see both, one after the other.
 */
static void chain_2_then_0(void)
{
	touch_chain(2);
	mfx_forget(0);
	touch_chain(0);
}

/*
 * First this page's fill waits for the other's, and fails; later the other
 * way round: never both.
 */
static void phantom_0(void)
{
	uint64_t value;

	mfx_expect("a touch that must fail", mfx_touch(0, &value), -EIO, -EIO);
	mfx_forget(0);
	mfx_expect("a touch", mfx_touch(1, &value), 0, 0);
}

static void phantom_1(void)
{
	uint64_t value;

	mfx_expect("a touch", mfx_touch(1, &value), 0, 0);
	mfx_forget(0);
	mfx_expect("a touch that must fail", mfx_touch(0, &value), -EIO, -EIO);
}

const struct mfx_scenario mfx_wait_scenarios[] = {
	{
		.name = "ring-2",
		.story = "two pages, each of whose sources reads the other",
		.n_processes = 1,
		.thread = { { "A1", 0, ring_0 }, { "A2", 0, ring_1 } },
		.setup = set_up_ring2,
		.check = mfx_check_quiet,
	},
	{
		.name = "ring-3",
		.story = "three pages, each of whose sources reads the next",
		.n_processes = 1,
		.thread = { { "A1", 0, ring_0 },
			    { "A2", 0, ring_1 },
			    { "A3", 0, ring_2 } },
		.setup = set_up_ring3,
		.check = mfx_check_quiet,
	},
	{
		.name = "ring-tso",
		.story = "two pages in a ring, stores wait in buffers",
		.n_processes = 1,
		.thread = { { "A1", 0, ring_0 }, { "A2", 0, ring_1 } },
		.setup = set_up_ring2,
		.check = mfx_check_quiet,
		.budget = { .tso = true },
	},
	{
		.name = "chain-3",
		.story = "three pages in a chain: nobody waits for itself",
		.n_processes = 1,
		.thread = { { "A1", 0, chain_0 },
			    { "A2", 0, chain_1 },
			    { "A3", 0, chain_2 } },
		.setup = set_up_chain,
		.check = mfx_check_quiet,
	},
	{
		.name = "phantom-3",
		.story = "three pages in a chain, from whose end somebody "
			 "comes to its beginning",
		.n_processes = 1,
		.thread = { { "A1", 0, chain_0 },
			    { "A2", 0, chain_1 },
			    { "A3", 0, chain_2_then_0 } },
		.setup = set_up_chain,
		.check = mfx_check_quiet,
	},
	{
		.name = "phantom",
		.story = "waits one after the other that would be a ring, were "
			 "they at one time",
		.n_processes = 1,
		.thread = { { "A1", 0, phantom_0 }, { "A2", 0, phantom_1 } },
		.setup = set_up_phantom,
		.check = mfx_check_quiet,
	},
	{ .name = NULL },
};
