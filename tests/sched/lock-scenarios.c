/* SPDX-License-Identifier: MIT */
/*
 * lock-scenarios.c - the mmap_lock alone, at its atomics.
 *
 * Readers and writers check that they exclude each other; that everybody gets
 * in is what the scheduler checks.
 */
#include <errno.h>

#include "mm/mm.h"
#include "sched/kernel.h"
#include "sched/program.h"
#include "sched/scenarios.h"

/* Not of the engine: who is inside, as the threads themselves know it. */
static struct {
	uint32_t readers, writers;
} inside;

static void set_up(void)
{
	mfx_state(&inside, sizeof(inside));
	inside.readers = inside.writers = 0;
}

/* The order of these is the order of who is inside. */
static void note(void)
{
	mfx_also(&inside, true, MFX_NOTE);
}

static void enter_read(void)
{
	note();
	if (inside.writers)
		mfx_bug(MFX_INVARIANT, "%s reads while somebody writes",
			mfx_thread_name(mfx_self()));
	inside.readers++;
}

static void leave_read(void)
{
	note();
	inside.readers--;
}

static void enter_write(void)
{
	note();
	if (inside.readers || inside.writers)
		mfx_bug(MFX_INVARIANT, "%s writes while somebody is inside",
			mfx_thread_name(mfx_self()));
	inside.writers++;
}

static void leave_write(void)
{
	note();
	inside.writers--;
}

/* Somewhere between lock and unlock others must have a chance to get in. */
static void stay(void)
{
	static uint32_t nothing;

	mfx_point(&nothing, true);
	mfx_also(&nothing, true, MFX_WORD);
}

static void read_once(void)
{
	struct mf_mmap_lock *lock = mf_mm_self()->lock;
	struct mf_slot *me = mf_slot_self();

	mf_mmap_read_lock(lock, me);
	mfx_say("reads");
	enter_read();
	stay();
	leave_read();
	mf_mmap_read_unlock(lock, me);
	mfx_forget(1);
}

static void write_once(void)
{
	struct mf_mmap_lock *lock = mf_mm_self()->lock;
	struct mf_slot *me = mf_slot_self();

	if (mf_mmap_write_lock(lock, me) == -EOWNERDEAD)
		mf_mmap_lock_consistent(lock);
	mfx_say("writes");
	enter_write();
	stay();
	leave_write();
	mf_mmap_write_unlock(lock, me);
	mfx_forget(2);
}

/* The dead take with them what they counted. */
static void write_mortal(void)
{
	struct mf_mmap_lock *lock = mf_mm_self()->lock;
	struct mf_slot *me = mf_slot_self();

	if (mf_mmap_write_lock(lock, me) == -EOWNERDEAD)
		mf_mmap_lock_consistent(lock);
	stay();
	mf_mmap_write_unlock(lock, me);
}

static void read_mortal(void)
{
	struct mf_mmap_lock *lock = mf_mm_self()->lock;
	struct mf_slot *me = mf_slot_self();

	mf_mmap_read_lock(lock, me);
	stay();
	mf_mmap_read_unlock(lock, me);
}

static void read_twice(void)
{
	read_once();
	read_once();
}

static void read_or_not(void)
{
	struct mf_mmap_lock *lock = mf_mm_self()->lock;
	struct mf_slot *me = mf_slot_self();

	if (!mf_mmap_read_trylock(lock, me))
		return;
	enter_read();
	stay();
	leave_read();
	mf_mmap_read_unlock(lock, me);
}

/* After all that: the lock works. */
static void check_usable(void)
{
	struct mf_mmap_lock *lock;
	struct mf_slot *me = mf_slot_self();

	lock = mf_mm_self()->lock;
	if (mf_mmap_write_lock(lock, me) == -EOWNERDEAD)
		mf_mmap_lock_consistent(lock);
	mf_mmap_write_unlock(lock, me);
	mf_mmap_read_lock(lock, me);
	mf_mmap_read_unlock(lock, me);
	mfx_check_quiet();
}

/*
 * Two processes share B's lock: the threads of A, who may be killed, and those
 * of B.
 */
static void read_shared(void)
{
	(void)mfx_enter(1);
	read_mortal();
}

static void write_shared(void)
{
	(void)mfx_enter(1);
	write_mortal();
}

static void check_shared(void)
{
	(void)mfx_enter(1);
	check_usable();
}

#define LOCK(title, text, ...)                                                \
	{                                                                     \
		.name = title, .story = text, .n_processes = 1,               \
		.setup = set_up, .check = check_usable, .thread = __VA_ARGS__ \
	}
#define THREADS(...)        \
	{                   \
		__VA_ARGS__ \
	}

const struct mfx_scenario mfx_lock_scenarios[] = {
	LOCK("lock-rw", "a reader and a writer",
	     THREADS({ "R1", 0, read_once }, { "W1", 0, write_once })),
	LOCK("lock-ww", "two writers",
	     THREADS({ "W1", 0, write_once }, { "W2", 0, write_once })),
	LOCK("lock-rrw", "two readers and a writer",
	     THREADS({ "R1", 0, read_once }, { "R2", 0, read_once },
		     { "W1", 0, write_once })),
	LOCK("lock-rww", "a reader and two writers",
	     THREADS({ "R1", 0, read_once }, { "W1", 0, write_once },
		     { "W2", 0, write_once })),
	LOCK("lock-r2ww", "a reader that comes twice, and two writers",
	     THREADS({ "R1", 0, read_twice }, { "W1", 0, write_once },
		     { "W2", 0, write_once })),
	LOCK("lock-trw", "a reader that only tries, another, and a writer",
	     THREADS({ "T1", 0, read_or_not }, { "R1", 0, read_once },
		     { "W1", 0, write_once })),
	{
		.name = "lock-tso",
		.story = "a reader and two writers, stores wait in buffers",
		.n_processes = 1,
		.setup = set_up,
		.check = check_usable,
		.thread = THREADS({ "R1", 0, read_once },
				  { "W1", 0, write_once },
				  { "W2", 0, write_once }),
		.budget = { .tso = true },
	},
	{
		.name = "lock-spurious",
		.story = "a reader and two writers, a wake-up for no reason "
			 "and a wait that ends early",
		.n_processes = 1,
		.setup = set_up,
		.check = check_usable,
		.thread = THREADS({ "R1", 0, read_once },
				  { "W1", 0, write_once },
				  { "W2", 0, write_once }),
		.budget = { .spurious = 1, .timeouts = 1 },
	},
	{
		.name = "lock-writer-dies",
		.story = "a writer may be killed at any step; a reader and a "
			 "writer go on",
		.n_processes = 2,
		.setup = set_up,
		.check = check_shared,
		.thread = THREADS({ "A1", 0, write_shared },
				  { "B1", 1, read_mortal },
				  { "B2", 1, write_mortal }),
		.budget = { .deaths = 1 },
		.mortal = 1,
	},
	{
		.name = "lock-reader-dies",
		.story = "a reader may be killed at any step; a reader and a "
			 "writer go on",
		.n_processes = 2,
		.setup = set_up,
		.check = check_shared,
		.thread = THREADS({ "A1", 0, read_shared },
				  { "B1", 1, read_mortal },
				  { "B2", 1, write_mortal }),
		.budget = { .deaths = 1 },
		.mortal = 1,
	},
	{ .name = NULL },
};
