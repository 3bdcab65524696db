/* SPDX-License-Identifier: MIT */
/*
 * lots.c - small programs by lot, on which the searches must agree.
 *
 * Promise: see lots.h. The engine is not in them, only what it is made of:
 * accesses, futexes, locks, memory that is freed. What a thread has seen is
 * part of the state, so that each order that matters ends in a state of its
 * own.
 */
#include "sched/lots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sync.h"
#include "mm/mm.h"
#include "sched/rows.h"

#define THREADS 3
#define OPS	3
#define WORDS	2

enum what {
	NOTHING,
	LOAD,
	STORE,
	ADD,
	CAS,
	COUNT,
	WAIT,
	SLEEP,
	WAKE,
	READ,
	WRITE,
	FREE,
	LOOK,
	KINDS
};

static const char *const names[KINDS] = {
	"nothing",	"load", "store", "add",	 "cas",
	"count",	"wait", "sleep", "wake", "read-locked",
	"write-locked", "free", "look"
};

struct op {
	enum what what;
	unsigned word;
};

static struct op program[THREADS][OPS];

/* What the lot does not come upon often enough. */
static const struct op planned[][THREADS][OPS] = {
	/* A wake that comes too early, and no word that says so. */
	{ { { SLEEP, 0 } }, { { WAKE, 0 } }, { { LOAD, 0 } } },
	/* Memory that is looked at, while another frees it. */
	{ { { WAKE, 1 }, { LOOK, 0 } }, { { WAKE, 0 }, { FREE, 0 } } },
};
#define PLANNED (sizeof(planned) / sizeof(planned[0]))
static uint64_t state;

/* What of it is part of the state. */
static uint32_t words[WORDS];
static uint32_t saw[THREADS][OPS];
static uint32_t *memory;
static bool is_free;
static uint32_t counted; /* by the explorer, not through the seam */

static uint32_t draw(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return (uint32_t)((state >> 33) % n);
}

static uint32_t count(void)
{
	mfx_also(&counted, true, MFX_NOTE);
	return counted++;
}

static uint32_t wait(uint32_t *word)
{
	while (mf_load_seq_cst(word) == 0)
		(void)mf_futex_wait(word, 0, 0, MF_FUTEX_SHARED);
	return 1;
}

/* Every second one stores before; the others may come too early. */
static uint32_t wake(uint32_t *word, uint32_t value)
{
	if (value & 1)
		mf_store_seq_cst(word, value);
	mf_futex_wake(word, 1, MF_FUTEX_SHARED);
	return value;
}

static uint32_t look_locked(uint32_t *word)
{
	struct mf_mmap_lock *lock = mf_mm_self()->lock;
	uint32_t value;

	mf_mmap_read_lock(lock, mf_slot_self());
	value = mf_load_seq_cst(word);
	mf_mmap_read_unlock(lock, mf_slot_self());
	return value;
}

static uint32_t store_locked(uint32_t *word, uint32_t value)
{
	struct mf_mmap_lock *lock = mf_mm_self()->lock;

	(void)mf_mmap_write_lock(lock, mf_slot_self());
	mf_store_seq_cst(word, value);
	mf_mmap_write_unlock(lock, mf_slot_self());
	return value;
}

static uint32_t free_once(void)
{
	if (!is_free) {
		is_free = true;
		free(memory);
	}
	return 1;
}

static uint32_t carry_out(struct op op, uint32_t mine)
{
	uint32_t *word = &words[op.word], expected = 0;

	switch (op.what) {
	case NOTHING:
		return 0;
	case LOAD:
		return mf_load_seq_cst(word);
	case STORE:
		mf_store_seq_cst(word, mine);
		return mine;
	case ADD:
		return mf_fetch_add(word, 16U);
	case CAS:
		return mf_cas(word, &expected, mine);
	case COUNT:
		return count();
	case WAIT:
		return wait(word);
	case SLEEP:
		return (uint32_t)mf_futex_wait(word, 0, 0, MF_FUTEX_SHARED);
	case WAKE:
		return wake(word, mine);
	case READ:
		return look_locked(word);
	case WRITE:
		return store_locked(word, mine);
	case FREE:
		return free_once();
	default:
		return mf_load_seq_cst(memory);
	}
}

static void run(void)
{
	unsigned self = (unsigned)mfx_self();

	for (unsigned i = 0; i < OPS; i++)
		saw[self][i] = carry_out(program[self][i], self * OPS + i + 1);
}

static void set_up(void)
{
	mfx_state(words, sizeof(words));
	mfx_state(saw, sizeof(saw));
	mfx_state(&is_free, sizeof(is_free));
	mfx_state(&counted, sizeof(counted));
	memory = mfx_alloc(sizeof(*memory));
}

static const struct mfx_scenario scenario = {
	.name = "lots",
	.story = "a program by lot",
	.n_processes = 1,
	.thread = { { "A1", 0, run }, { "A2", 0, run }, { "A3", 0, run } },
	.setup = set_up,
};

/* Accesses for the most part, and of the rest no more than can be seen whole */
static void draw_program(unsigned number)
{
	unsigned rare = 0;

	if (number < PLANNED) {
		memcpy(program, planned[number], sizeof(program));
		return;
	}

	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < OPS; i++) {
			struct op *op = &program[t][i];

			op->word = draw(WORDS);
			op->what = (enum what)draw(draw(2) ? KINDS : WAIT);
			if (op->what == SLEEP || /* for ever, mostly */
			    (op->what >= WAIT && ++rare > 3))
				op->what = LOAD;
		}
}

static void tell_program(void)
{
	for (unsigned t = 0; t < THREADS; t++) {
		printf("#   A%u:", t + 1);
		for (unsigned i = 0; i < OPS; i++)
			printf(" %s %c;", names[program[t][i].what],
			       "xy"[program[t][i].word]);
		putchar('\n');
	}
}

static bool differ(const struct mfx_result *a, const struct mfx_result *b)
{
	if (a->bug.kind || b->bug.kind)
		return !a->bug.kind != !b->bug.kind;
	return a->whole != b->whole || a->n_finals != b->n_finals ||
	       a->finals.a != b->finals.a || a->finals.b != b->finals.b;
}

static void tell(const char *how, const struct mfx_result *result)
{
	printf("#   %-5s %" PRIu64 " runs, %" PRIu64 " ends, %s\n", how,
	       result->runs, result->n_finals,
	       result->bug.kind ? mfx_bug_name(result->bug.kind) : "no bug");
}

int mfx_lots(uint64_t seed, unsigned n)
{
	static struct mfx_result dfs, cache, dpor;
	struct mfx_limits limits = { .preemptions = -1, .finals = true };
	uint64_t runs = 0, runs_dpor = 0;
	unsigned several = 0, bugs = 0;

	mfx_engine = MFX_REAL;
	mfx_real_lock = false;
	for (unsigned i = 0; i < n; i++) {
		state = seed + i;
		draw_program(i);
		mfx_policy = (enum mfx_policy)draw(MFX_POLICIES);
		limits.mode = MFX_DFS;
		mfx_search(&scenario, &limits, &dfs);
		limits.mode = MFX_CACHE;
		mfx_search(&scenario, &limits, &cache);
		limits.mode = MFX_DPOR;
		mfx_search(&scenario, &limits, &dpor);
		several += dfs.n_finals > 1;
		bugs += dfs.bug.kind != MFX_NO_BUG;
		runs += dfs.runs;
		runs_dpor += dpor.runs;
		if (!differ(&dfs, &cache) && !differ(&dfs, &dpor))
			continue;
		printf("# program %u of seed %" PRIu64 ", %s lock\n", i, seed,
		       mfx_policy_names[mfx_policy]);
		tell_program();
		tell("dfs", &dfs);
		tell("cache", &cache);
		tell("dpor", &dpor);
		return 1;
	}
	printf("# %u programs from seed %" PRIu64 ": %u with several ends, "
	       "%u with a bug; %" PRIu64 " runs, DPOR %" PRIu64 "\n",
	       n, seed, several, bugs, runs, runs_dpor);
	return 0;
}
