/* SPDX-License-Identifier: MIT */
/*
 * range-scenarios.c - UFFDIO_COPY of lib/uffd/fill.c, into a registered range.
 *
 * A process has one range of one page here, whose bytes are a word: what
 * lib/uffd/range.c and put.c do with the kernel's help is done below. The
 * source is a page of a map, or one of the next process's.
 */
#include <errno.h>

#include "fault/fault.h"
#include "sched/kernel.h"
#include "sched/program.h"
#include "sched/scenarios.h"
#include "uffd/fill.h"
#include "uffd/queue.h"
#include "uffd/touch.h"

#define TAG	  MFX_TAG(1)
#define DST	  0
#define SRC	  1
#define ELSEWHERE 4
#define WINDOW	  (MFX_WINDOW + SRC)

static struct space {
	struct mf_range range;
	uint64_t generation; /* of the last that was registered */
	uint64_t bytes;	     /* 0: missing; in the range, as its lock */
	uint64_t meant;	     /* for this generation is what is copied */
	uint32_t owner;
} spaces[MFX_PROCESSES];

static struct space *self(void)
{
	return &spaces[mfx_process()];
}

/* As lib/uffd/range.c: the lock is held. */

struct mf_range *mf_range_find(uintptr_t addr)
{
	struct mf_range *range = &self()->range;

	return mf_load_relaxed(&range->len) && addr - range->start < range->len
		       ? range
		       : NULL;
}

bool mf_range_has(uintptr_t start, size_t len)
{
	return mf_range_find(start) && mf_range_find(start + len - 1);
}

static void register_range(void)
{
	struct space *space = self();

	space->range.start = mfx_address(DST);
	space->range.owner = space->owner;
	mf_store_seq_cst(&space->range.generation, ++space->generation);
	mf_store_seq_cst(&space->bytes, 0U);
	mf_store_seq_cst(&space->range.len, (size_t)MFX_PAGE);
}

static void re_register(void)
{
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();

	mfx_say("registers the range anew");
	mf_signals_block();
	if (mf_mmap_write_lock(mm->lock, me) == -EOWNERDEAD)
		mf_mmap_lock_consistent(mm->lock);
	mf_store_seq_cst(&self()->range.len, (size_t)0);
	register_range();
	mf_mmap_write_unlock(mm->lock, me);
	mf_signals_restore();
}

/* As lib/uffd/put.c: under the lock. */
int mf_put_copy(struct mf_range *range, uintptr_t addr, const void *bytes,
		size_t n, bool wp)
{
	struct space *space = self();
	uint64_t first = *(const uint64_t *)bytes;

	(void)n;
	(void)wp;
	if (addr != range->start || first != TAG)
		mfx_bug(MFX_TORN, "%#llx is put into a page",
			(unsigned long long)first);
	if (space->meant && space->meant != range->generation)
		mfx_bug(MFX_TORN,
			"a copy meant for one range lands in another");
	if (mf_load_seq_cst(&space->bytes))
		return -EEXIST;
	mf_store_seq_cst(&space->bytes, first);
	mfx_say("puts the page");
	return 1;
}

/* As lib/uffd/touch.c: nothing registered is a source here. */
int mf_uffd_fault_in(uintptr_t addr, enum mf_access access)
{
	unsigned before;
	int r;

	if (!mfx_is_window(addr))
		return -ENOENT;
	before = mfx_enter(mfx_next_process());
	r = mf_fault(addr - MFX_WINDOW * MFX_PAGE, access);
	(void)mfx_enter(before);
	return r;
}

static void set_up_space(int (*read)(uint64_t *ret_value, unsigned unit))
{
	struct mf_store *src = mfx_store_new("src", 1, read ? 0 : TAG, read);

	mfx_store_accepts(src, TAG);
	(void)mfx_map(src, SRC);
	(void)mfx_map(mfx_store_new("else", 1, MFX_TAG(2), NULL), ELSEWHERE);
	self()->owner = mf_queue_open();
	register_range();
}

static void set_up(void)
{
	mfx_state(spaces, sizeof(spaces));
	mfx_name(spaces, sizeof(spaces), "the registered range");
	if (mf_queue_start() < 0)
		mfx_bug(MFX_INVARIANT, "the queue does not start");
	for (unsigned p = 0; p < mfx_run.scenario->n_processes; p++) {
		(void)mfx_enter(p);
		set_up_space(NULL);
	}
	(void)mfx_enter(0);
}

/* While the source is read the range is another. */
static int re_register_and_read(uint64_t *ret_value, unsigned unit)
{
	(void)unit;
	*ret_value = TAG;
	re_register();
	return 0;
}

static void set_up_replaced(void)
{
	mfx_state(spaces, sizeof(spaces));
	if (mf_queue_start() < 0)
		mfx_bug(MFX_INVARIANT, "the queue does not start");
	set_up_space(re_register_and_read);
	self()->meant = self()->generation;
}

static int copy_from(unsigned page)
{
	struct mf_uffd_fill fill = { .owner = self()->owner,
				     .src = mfx_address(page) };
	int64_t n;

	mfx_say("begins to copy page %u into the range", page);
	n = mf_uffd_fill(&fill, mfx_address(DST), MFX_PAGE);
	mfx_say("is done copying: %lld", (long long)n);
	if (n <= 0)
		return (int)n;
	mf_queue_wake(self()->owner, mfx_address(DST), MFX_PAGE);
	return 0;
}

static void copy(void)
{
	mfx_expect("a copy", copy_from(SRC), 0, 0);
}

static void copy_from_next(void)
{
	mfx_expect("a copy", copy_from(WINDOW), 0, 0);
}

static void copy_or_again(void)
{
	mfx_expect("a copy", copy_from(SRC), 0, -EAGAIN);
}

static void copy_what_is_replaced(void)
{
	mfx_expect("a copy", copy_from(SRC), -EAGAIN, -EAGAIN);
}

static void change_elsewhere(void)
{
	mfx_expect("a change", mfx_protect(ELSEWHERE, 1), 0, 0);
}

/* A touch of the page: announce, look again, wait. */
static void fault(void)
{
	const struct uffd_msg message = { .event = UFFD_EVENT_PAGEFAULT };
	struct mf_waiter *waiter;

	while (!mf_load_seq_cst(&self()->bytes)) {
		waiter = mf_queue_add(self()->owner, MFX_EVENT_FD,
				      mfx_address(DST), &message);
		if (mf_load_seq_cst(&self()->bytes))
			mf_queue_remove(waiter);
		else
			mf_queue_wait(waiter, &(const sigset_t){ { 0 } });
		mfx_forget(1);
	}
}

const struct mfx_scenario mfx_range_scenarios[] = {
	{
		.name = "uffd-copy-writer",
		.story = "UFFDIO_COPY whose source faults, while a writer "
			 "queues",
		.n_processes = 1,
		.thread = { { "A1", 0, copy }, { "A2", 0, change_elsewhere } },
		.setup = set_up,
		.check = mfx_check_quiet,
	},
	{
		.name = "uffd-seed",
		.story = "processes A and B: each UFFDIO_COPYs from the other "
			 "while its second thread maps",
		.n_processes = 2,
		.thread = { { "A1", 0, copy_from_next },
			    { "A2", 0, change_elsewhere },
			    { "B1", 1, copy_from_next },
			    { "B2", 1, change_elsewhere } },
		.setup = set_up,
		.check = mfx_check_quiet,
	},
	{
		.name = "uffd-replaced",
		.story = "a range is registered anew while a copy into it "
			 "reads its source",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_what_is_replaced } },
		.setup = set_up_replaced,
		.check = mfx_check_quiet,
	},
	{
		.name = "uffd-raced",
		.story = "the same, at any time",
		.n_processes = 1,
		.thread = { { "A1", 0, copy_or_again },
			    { "A2", 0, re_register } },
		.setup = set_up,
		.check = mfx_check_quiet,
	},
	{
		.name = "uffd-copy-fault",
		.story = "UFFDIO_COPY of a page that a thread touches",
		.n_processes = 1,
		.thread = { { "A1", 0, copy }, { "A2", 0, fault } },
		.setup = set_up,
		.check = mfx_check_quiet,
	},
	{ .name = NULL },
};
