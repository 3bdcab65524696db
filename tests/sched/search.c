/* SPDX-License-Identifier: MIT */
/*
 * search.c - which of all runs to take.
 *
 * Promise: see search.h.
 *
 * A run cannot be copied in the middle, so each one starts from the beginning
 * and repeats the choices that lead to where it is to differ.
 */
#include "sched/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MFX_LATE 1024 /* room for what was learned late */

struct mfx_frame mfx_path[MFX_DEPTH];
unsigned mfx_path_len;

/* A set of digests: open addressing, never full. */
static struct set {
	struct mfx_digest *at;
	uint64_t size, used;
} seen, finals;

/* The processor's time: what is found must not depend on who else runs. */
double mfx_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void clear(struct set *set)
{
	free(set->at);
	memset(set, 0, sizeof(*set));
}

static bool put(struct mfx_digest *at, uint64_t size, struct mfx_digest digest)
{
	for (uint64_t i = digest.a;; i++) {
		struct mfx_digest *place = &at[i & (size - 1)];

		if (place->a == digest.a && place->b == digest.b)
			return false;
		if (place->a || place->b)
			continue;
		*place = digest;
		return true;
	}
}

static void grow(struct set *set)
{
	uint64_t size = set->size ? set->size * 2 : 1U << 12;
	struct mfx_digest *at = calloc(size, sizeof(*at));

	if (!at) {
		fprintf(stderr, "no memory for more states\n");
		exit(2);
	}
	for (uint64_t i = 0; i < set->size; i++)
		if (set->at[i].a || set->at[i].b)
			(void)put(at, size, set->at[i]);
	free(set->at);
	set->at = at;
	set->size = size;
}

/* True: for the first time. */
static bool is_new(struct set *set, struct mfx_digest digest)
{
	if (set->used * 2 >= set->size)
		grow(set);
	if (!put(set->at, set->size, digest))
		return false;
	set->used++;
	return true;
}

/*
 * A schedule is a string: a digit for a thread's step, else a letter for what
 * happens and a digit for whom it happens to.
 */
static const char letters[] = {
	[MFX_REFUSE] = 'd', [MFX_FLUSH] = 'f',	  [MFX_TIMEOUT] = 't',
	[MFX_TIME] = 'z',   [MFX_SPURIOUS] = 'w', [MFX_SIGNAL] = 's',
	[MFX_KILL] = 'k'
};

static void write_schedule(char *out)
{
	char *end = out + MFX_SCHEDULE - MFX_LATE - 3;

	for (unsigned i = 0; i < mfx_path_len && out < end; i++) {
		struct mfx_option o = mfx_path[i].option[mfx_path[i].i];

		if (o.what != MFX_RUN)
			*out++ = letters[o.what];
		*out++ = (char)('0' + o.who);
	}
	mfx_tell_late(out, MFX_LATE);
}

static bool same(struct mfx_option a, struct mfx_option b)
{
	return a.what == b.what && a.who == b.who;
}

static unsigned cost(struct mfx_option option)
{
	return option.what <= MFX_REFUSE && !option.free;
}

/* A frame for where the run is, with the options that the bound allows. */
bool mfx_push(const struct mfx_limits *limits, struct mfx_result *res)
{
	struct mfx_frame *frame = &mfx_path[mfx_path_len];
	unsigned before = 0;

	if (mfx_path_len == MFX_DEPTH)
		return false;
	if (limits->length && mfx_path_len == limits->length) {
		res->limit = "length";
		return false;
	}
	if (mfx_path_len)
		before = mfx_path[mfx_path_len - 1].preemptions +
			 cost(mfx_path[mfx_path_len - 1]
				      .option[mfx_path[mfx_path_len - 1].i]);
	frame->n = frame->i = 0;
	frame->preemptions = before;
	for (unsigned i = 0; i < mfx_run.n_options; i++) {
		struct mfx_option o = mfx_run.option[i];

		if (limits->preemptions >= 0 &&
		    before + cost(o) > (unsigned)limits->preemptions) {
			res->limit = "preemptions";
			continue;
		}
		frame->option[frame->n++] = o;
	}
	if (frame->n == 0)
		return false;
	mfx_path_len++;
	return true;
}

static unsigned index_of(struct mfx_option option)
{
	for (unsigned i = 0; i < mfx_run.n_options; i++)
		if (same(mfx_run.option[i], option))
			return i;
	fprintf(stderr, "a run did not repeat: the engine uses something "
			"that the explorer does not know of\n");
	abort();
}

void mfx_take(const struct mfx_frame *frame)
{
	mfx_step(index_of(frame->option[frame->i]));
}

static void note_bug(struct mfx_result *res)
{
	unsigned preemptions = 0;

	if (mfx_path_len)
		preemptions =
			mfx_path[mfx_path_len - 1].preemptions +
			cost(mfx_path[mfx_path_len - 1]
				     .option[mfx_path[mfx_path_len - 1].i]);
	if (res->bug.kind &&
	    (preemptions > res->preemptions ||
	     (preemptions == res->preemptions && mfx_path_len >= res->length)))
		return;
	res->bug = mfx_run.bug;
	res->preemptions = preemptions;
	res->length = mfx_path_len;
	write_schedule(res->schedule);
}

void mfx_note_end(const struct mfx_limits *limits, struct mfx_result *res)
{
	if (mfx_run.bug.kind) {
		note_bug(res);
	} else if (limits->finals && is_new(&finals, mfx_run.final)) {
		/* In any order: the sum. */
		res->n_finals++;
		res->finals.a += mfx_run.final.a;
		res->finals.b += mfx_run.final.b;
	}
}

/* With a bound, how one got here decides how far one may go. */
static struct mfx_digest here(const struct mfx_limits *limits)
{
	struct mfx_digest digest = mfx_digest();

	if (limits->length)
		digest.b ^= mfx_path_len * UINT64_C(0xd6e8feb86659fd93);
	if (limits->preemptions >= 0) {
		unsigned used =
			mfx_path_len
				? mfx_path[mfx_path_len - 1].preemptions +
					  cost(mfx_path[mfx_path_len - 1].option
						       [mfx_path[mfx_path_len -
								 1]
								.i])
				: 0;

		digest.a ^= (used * 64U + (unsigned)mfx_run.last + 1) *
			    UINT64_C(0x9e3779b97f4a7c15);
	}
	return digest;
}

/* One run along the path, and on from its end. */
static void run_on(const struct mfx_scenario *scenario,
		   const struct mfx_limits *limits, struct mfx_result *res)
{
	mfx_begin(scenario);
	res->runs++;
	for (unsigned i = 0; i < mfx_path_len && !mfx_run.ended; i++)
		mfx_take(&mfx_path[i]);
	while (!mfx_run.ended) {
		/* A longer way to a bug is of no use. */
		if (res->bug.kind && mfx_path_len + 1 >= res->length &&
		    limits->preemptions >= 0)
			return;
		if (limits->mode == MFX_CACHE && !is_new(&seen, here(limits)))
			return;
		res->states++;
		if (!mfx_push(limits, res)) {
			if (mfx_path_len == MFX_DEPTH)
				res->limit = "depth";
			return;
		}
		mfx_step(index_of(mfx_path[mfx_path_len - 1].option[0]));
		res->steps++;
	}
	mfx_note_end(limits, res);
}

/* The next path that was not taken. */
static bool next_path(void)
{
	while (mfx_path_len > 0) {
		if (++mfx_path[mfx_path_len - 1].i <
		    mfx_path[mfx_path_len - 1].n)
			return true;
		mfx_path_len--;
	}
	return false;
}

bool mfx_over(const struct mfx_limits *limits, struct mfx_result *res,
	      double end)
{
	if (limits->states && res->states >= limits->states)
		res->limit = "states";
	else if (limits->runs && res->runs >= limits->runs)
		res->limit = "runs";
	else if (limits->seconds > 0 && res->runs % 64 == 0 && mfx_now() > end)
		res->limit = "time";
	else
		return false;
	return true;
}

void mfx_start(struct mfx_result *res)
{
	memset(res, 0, sizeof(*res));
	mfx_path_len = 0;
	clear(&seen);
	clear(&finals);
}

static void search_tree(const struct mfx_scenario *scenario,
			const struct mfx_limits *limits, struct mfx_result *res)
{
	double end = mfx_now() + limits->seconds;

	mfx_start(res);
	for (;;) {
		run_on(scenario, limits, res);
		if (mfx_run.learned) {
			mfx_start(res);
			continue;
		}
		/* The first bug will do, unless a short one is wanted. */
		if (res->bug.kind && limits->preemptions < 0)
			return;
		if (mfx_over(limits, res, end))
			return;
		if (!next_path())
			break;
	}
	res->whole = !res->limit && !res->bug.kind;
}

/*
 * By lot
 */

static uint64_t random_state;

static uint64_t draw(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* PCT: who has the highest priority runs. */
static int priority[MFX_THREADS];
static unsigned change_at[16];

static void draw_priorities(unsigned depth, unsigned length)
{
	for (int i = 0; i < MFX_THREADS; i++)
		priority[i] = (int)(draw() % 1000) + 100;
	for (unsigned i = 0; i + 1 < depth && i < 16; i++)
		change_at[i] = (unsigned)(draw() % (length ? length : 1));
}

static unsigned choose_by_priority(unsigned depth)
{
	unsigned best = 0;

	for (unsigned i = 0; i + 1 < depth && i < 16; i++)
		if (change_at[i] == mfx_run.steps && mfx_run.last >= 0)
			priority[mfx_run.last] = (int)i;
	for (unsigned i = 1; i < mfx_run.n_options; i++) {
		struct mfx_option o = mfx_run.option[i];
		struct mfx_option b = mfx_run.option[best];

		if (o.what != MFX_RUN) {
			if (draw() % (o.what == MFX_REFUSE ? 8 : 64) == 0)
				return i;
			continue;
		}
		if (b.what != MFX_RUN || priority[o.who] > priority[b.who])
			best = i;
	}
	return best;
}

/* Steps are more often than accidents. */
static unsigned choose_by_lot(void)
{
	for (;;) {
		unsigned i = (unsigned)(draw() % mfx_run.n_options);
		enum mfx_what what = (enum mfx_what)mfx_run.option[i].what;

		if (what <= MFX_FLUSH || what == MFX_TIME || draw() % 8 == 0)
			return i;
	}
}

static void search_by_lot(const struct mfx_scenario *scenario,
			  const struct mfx_limits *limits,
			  struct mfx_result *res)
{
	double end = mfx_now() + limits->seconds;
	unsigned length = 64;

	mfx_start(res);
	random_state = limits->seed;
	res->limit = "by lot";
	while (!mfx_over(limits, res, end)) {
		struct mfx_limits any = { .preemptions = -1 };

		mfx_path_len = 0;
		res->runs++;
		draw_priorities(limits->depth, length);
		mfx_begin(scenario);
		while (!mfx_run.ended && mfx_push(&any, res)) {
			unsigned i = limits->mode == MFX_PCT
					     ? choose_by_priority(limits->depth)
					     : choose_by_lot();

			mfx_path[mfx_path_len - 1].i = i;
			mfx_step(i);
			res->steps++;
		}
		if (mfx_run.steps > length)
			length = mfx_run.steps;
		if (mfx_run.bug.kind) {
			note_bug(res);
			return;
		}
	}
}

/*
 * What is shared must be known, or the points are others and a schedule means
 * something else. So each search, and each replay, starts by taking the same
 * runs; what is found later goes into the schedule.
 */
static void learn_first(const struct mfx_scenario *scenario)
{
	static struct mfx_result ignored;
	struct mfx_limits some = { .mode = MFX_RANDOM, .runs = 1, .seed = 1 };

	mfx_unlearn();
	mfx_learning = true;
	for (; some.seed <= 200; some.seed++)
		search_by_lot(scenario, &some, &ignored);
	mfx_learning = false;
}

static int find_option(const char **at)
{
	struct mfx_option wanted = { .what = MFX_RUN };
	char c = **at;

	for (unsigned i = 0; i < sizeof(letters); i++)
		if (letters[i] && letters[i] == c) {
			wanted.what = (uint8_t)i;
			c = *++*at;
		}
	if (c < '0' || c > '9')
		return -1;
	++*at;
	wanted.who = (uint8_t)(c - '0');
	for (unsigned i = 0; i < mfx_run.n_options; i++)
		if (same(mfx_run.option[i], wanted))
			return (int)i;
	return -1;
}

/* Take the run of a schedule. False: there is no such run. */
static bool follow(const struct mfx_scenario *scenario, const char *schedule)
{
	mfx_naming = true;
	mfx_begin(scenario);
	while (!mfx_run.ended && *schedule && *schedule != '+') {
		int i = find_option(&schedule);

		if (i < 0)
			break;
		mfx_step((unsigned)i);
	}
	mfx_naming = false;
	return mfx_run.ended || !*schedule || *schedule == '+';
}

void mfx_search(const struct mfx_scenario *scenario,
		const struct mfx_limits *limits, struct mfx_result *ret)
{
	mfx_talk = false;
	learn_first(scenario);
	mfx_keep_final = limits->finals;
	if (limits->mode == MFX_RANDOM || limits->mode == MFX_PCT)
		search_by_lot(scenario, limits, ret);
	else if (limits->mode == MFX_DPOR)
		mfx_search_dpor(scenario, limits, ret);
	else
		search_tree(scenario, limits, ret);
	/* Once more, for a text with names in it. */
	if (ret->bug.kind && follow(scenario, ret->schedule))
		ret->bug = mfx_run.bug;
}

bool mfx_replay(const struct mfx_scenario *scenario, const char *schedule)
{
	const char *late = strchr(schedule, '+');
	bool good;

	learn_first(scenario);
	if (late)
		mfx_learn_late(late);
	mfx_talk = true;
	good = follow(scenario, schedule);
	mfx_talk = false;
	if (!good)
		return false;
	if (mfx_run.bug.kind)
		printf("      %s: %s\n", mfx_bug_name(mfx_run.bug.kind),
		       mfx_run.bug.text);
	else
		printf("      the run ends well\n");
	return true;
}
