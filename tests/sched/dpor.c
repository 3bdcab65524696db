/* SPDX-License-Identifier: MIT */
/*
 * dpor.c - one run for all that differ only in the order of steps that do not
 * concern each other.
 *
 * Promise: see search.h. What steps depend on each other is in depends().
 *
 * After Flanagan and Godefroid (POPL 2005), with sleep sets: a run is taken to
 * its end, and each pair of steps in it that could have come the other way
 * round and depend on each other leaves a note at the state before the first,
 * which other thread is to be tried there, too: one that begins a way on which
 * the second comes first, as by Abdulla and others (POPL 2014), since the
 * second's own thread may be asleep there. A step that was tried at a state
 * sleeps in the states after it until something comes that depends on it:
 * before that it would lead to what was seen.
 *
 * That needs threads whose steps all come to pass in the end. What may happen
 * or not (a death, a signal, a time-out) depends on every step and leaves
 * nothing to save; stores that wait in a buffer would be threads of their own.
 * So scenarios with a budget for these are refused: search.c has other modes.
 */
#include <string.h>

#include "sched/path.h"

enum mfx_blindness mfx_blind;

/* An option that is not to be tried at a state any more, and what it does. */
struct tried {
	struct mfx_option option;
	struct mfx_did did;
};

/* What is known of a frame of the path besides its options. */
static struct node {
	unsigned wanted; /* bit t: thread t is to be tried here */
	unsigned n_tried;
	struct tried tried[2 * MFX_THREADS];
	struct mfx_did did; /* by the step that was taken */
	int waker;	    /* the step that made this one possible, or -1 */
	bool slept;	    /* as long as something was as it was */
	/* How many steps of each thread it came after, itself included. */
	unsigned clock[MFX_THREADS];
} nodes[MFX_DEPTH];

static struct mfx_option taken(unsigned at)
{
	return mfx_path[at].option[mfx_path[at].i];
}

static bool clash(const struct mfx_access *a, const struct mfx_access *b)
{
	if (a->place != b->place || !(a->writes || b->writes))
		return false;
	if (mfx_blind == MFX_BLIND_READS)
		return a->writes && b->writes;
	if (mfx_blind == MFX_BLIND_WRITES)
		return !a->writes || !b->writes;
	return (unsigned)mfx_blind != (unsigned)a->kind;
}

/* Whether the order of two steps of two threads matters. */
static bool depends(const struct mfx_did *a, const struct mfx_did *b)
{
	if ((a->all || b->all) && mfx_blind != MFX_BLIND_FREES)
		return true;
	for (unsigned i = 0; i < a->n; i++)
		for (unsigned k = 0; k < b->n; k++)
			if (clash(&a->at[i], &b->at[k]))
				return true;
	return false;
}

static bool same(struct mfx_option a, struct mfx_option b)
{
	return a.what == b.what && a.who == b.who;
}

static bool was_tried(const struct node *node, struct mfx_option option)
{
	for (unsigned i = 0; i < node->n_tried; i++)
		if (same(node->tried[i].option, option))
			return true;
	return false;
}

static unsigned threads_of(const struct mfx_frame *frame)
{
	unsigned threads = 0;

	for (unsigned i = 0; i < frame->n; i++)
		threads |= 1U << frame->option[i].who;
	return threads;
}

/* The next option to try at a frame. False: there is none. */
static bool choose(struct mfx_frame *frame, const struct node *node,
		   unsigned wanted)
{
	for (unsigned i = 0; i < frame->n; i++) {
		if (!(wanted & (1U << frame->option[i].who)) ||
		    was_tried(node, frame->option[i]))
			continue;
		frame->i = i;
		return true;
	}
	return false;
}

/* What sleeps after a step: what slept before and does not depend on it. */
static void fall_asleep(unsigned at)
{
	const struct node *before = &nodes[at - 1];
	struct node *node = &nodes[at];
	struct mfx_option step = taken(at - 1);

	for (unsigned i = 0; i < before->n_tried; i++) {
		const struct tried *tried = &before->tried[i];

		if (tried->option.who != step.who &&
		    !depends(&tried->did, &before->did))
			node->tried[node->n_tried++] = *tried;
	}
}

static void join(unsigned *clock, const unsigned *other)
{
	for (int i = 0; i < MFX_THREADS; i++)
		if (clock[i] < other[i])
			clock[i] = other[i];
}

/* Whether a clock has seen the step. */
static bool is_before(unsigned at, const unsigned *clock)
{
	unsigned who = taken(at).who;

	return nodes[at].clock[who] <= clock[who];
}

/*
 * Without the step at `first` and all that needs it, which threads could begin
 * what leads to the step at end? Those of which nothing in there needs
 * something else in there before.
 */
static unsigned beginners(unsigned first, unsigned end)
{
	unsigned begin[MFX_THREADS] = { 0 }, threads = 0;

	for (unsigned i = first + 1; i <= end; i++) {
		const unsigned *clock = nodes[i].clock;
		unsigned who = taken(i).who;
		bool free = true;

		if (begin[who] || (i < end && is_before(first, clock)))
			continue;
		for (int t = 0; t < MFX_THREADS; t++)
			free = free && (!begin[t] || clock[t] < begin[t]);
		begin[who] = clock[who];
		if (free)
			threads |= 1U << who;
	}
	return threads;
}

/*
 * The step at end could come before the one at `first`: see to it that one of
 * those with which that begins is tried there. (That its own thread is tried
 * will not do: it may be asleep there, and what it needs before it never gets
 * its turn.)
 */
static void want(unsigned first, unsigned end)
{
	unsigned threads = beginners(first, end) & threads_of(&mfx_path[first]);

	if (!(nodes[first].wanted & threads))
		nodes[first].wanted |= threads & -threads;
}

/* The last step of the same thread. -1: there is none. */
static int previous_of(unsigned at)
{
	for (int i = (int)at - 1; i >= 0; i--)
		if (taken((unsigned)i).who == taken(at).who)
			return i;
	return -1;
}

/* When the step came: after its thread's last, its waker, what it depends on */
static void set_clock(unsigned at, unsigned *ret_forced)
{
	struct node *node = &nodes[at];
	int previous = previous_of(at);

	memset(ret_forced, 0, sizeof(node->clock));
	if (previous >= 0)
		join(ret_forced, nodes[previous].clock);
	if (node->waker > previous)
		join(ret_forced, nodes[node->waker].clock);
	memcpy(node->clock, ret_forced, sizeof(node->clock));
	node->clock[taken(at).who]++;
	for (unsigned i = 0; i < at; i++)
		if (depends(&nodes[i].did, &node->did))
			join(node->clock, nodes[i].clock);
}

/*
 * The step was taken: which of those before it could have come after it? Of
 * those that depend on it, those that nothing forces to be first. What comes
 * before one of these is found when that one has come after; unless the step
 * was not possible before it, as with a lock that it gave back.
 */
static void find_races(unsigned at)
{
	const struct node *node = &nodes[at];
	unsigned who = taken(at).who, forced[MFX_THREADS];

	set_clock(at, forced);
	for (unsigned i = at; i-- > 0;) {
		if (is_before(i, forced) || !depends(&nodes[i].did, &node->did))
			continue;
		want(i, at);
		if (!node->slept || (threads_of(&mfx_path[i]) & (1U << who)))
			join(forced, nodes[i].clock);
	}
}

static void step(unsigned at)
{
	nodes[at].waker = mfx_waker_of(taken(at).who);
	nodes[at].slept = mfx_is_asleep(taken(at).who);
	mfx_take(&mfx_path[at]);
	nodes[at].did = mfx_run.did;
}

/* Go on with a choice of our own. False: what could be done was done. */
static bool go_on(const struct mfx_limits *limits, struct mfx_result *res)
{
	unsigned at = mfx_path_len;
	struct node *node = &nodes[at];

	if (!mfx_push(limits, res))
		return false;
	node->n_tried = 0;
	if (at > 0)
		fall_asleep(at);
	if (!choose(&mfx_path[at], node, ~0U)) {
		res->cut++;
		mfx_path_len--;
		return false;
	}
	node->wanted = 1U << taken(at).who;
	res->states++;
	step(at);
	find_races(at);
	return true;
}

/* One run along the path, whose last choice is new, and on from its end. */
static void run_on(const struct mfx_scenario *scenario,
		   const struct mfx_limits *limits, struct mfx_result *res)
{
	mfx_begin(scenario);
	res->runs++;
	for (unsigned i = 0; i < mfx_path_len && !mfx_run.ended; i++)
		step(i);
	if (mfx_path_len)
		find_races(mfx_path_len - 1);
	while (!mfx_run.ended && go_on(limits, res))
		res->steps++;
	if (mfx_run.ended)
		mfx_note_end(limits, res);
	else if (mfx_path_len == MFX_DEPTH)
		res->limit = "depth";
}

static bool next_path(void)
{
	while (mfx_path_len > 0) {
		unsigned at = mfx_path_len - 1;
		struct node *node = &nodes[at];
		struct tried *tried = &node->tried[node->n_tried++];

		tried->option = taken(at);
		tried->did = node->did;
		if (choose(&mfx_path[at], node, node->wanted))
			return true;
		mfx_path_len--;
	}
	return false;
}

void mfx_search_dpor(const struct mfx_scenario *scenario,
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
		if (res->bug.kind || mfx_over(limits, res, end))
			return;
		if (!next_path())
			break;
	}
	res->whole = !res->limit;
}

const char *mfx_dpor_refuses(const struct mfx_scenario *scenario)
{
	const struct mfx_budget *budget = &scenario->budget;

	if (budget->tso)
		return "stores that wait in a buffer are not steps of a "
		       "thread, which DPOR needs";
	if (budget->deaths || budget->spurious || budget->timeouts ||
	    budget->signals)
		return "what may happen or not depends on every step: DPOR "
		       "would leave nothing out";
	return NULL;
}
