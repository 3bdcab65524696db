/* SPDX-License-Identifier: MIT */
/*
 * rows.c - which scenario is explored how, and what must come out.
 *
 * What must come out of the naive and the early engine is theory: a reader
 * that waits behind a queued writer while it holds the lock, or holds another
 * that the writer's friends wait for, waits for ever.
 */
#include "sched/rows.h"

#include <stdio.h>
#include <string.h>

#include "sched/scenarios.h"

#define ROWS 512

static struct mfx_row rows[ROWS];
static unsigned n_rows;

const struct mfx_scenario *mfx_find_scenario(const char *name)
{
	static const struct mfx_scenario *const all[] = {
		mfx_copy_scenarios, mfx_page_scenarios,	 mfx_wait_scenarios,
		mfx_lock_scenarios, mfx_queue_scenarios, mfx_range_scenarios,
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (const struct mfx_scenario *s = all[i]; s->name; s++)
			if (strcmp(s->name, name) == 0)
				return s;
	return NULL;
}

/*
 * With an engine that holds the lock while it waits for a fault: what is in
 * the way of the lock that the fault takes?
 */
enum in_the_way {
	NOTHING,	/* a lock that nobody else wants */
	READERS,	/* a lock that is read, perhaps by oneself */
	OWN_WRITER,	/* one that oneself reads, and a writer queues for */
	OTHERS_WRITER,	/* one that another reads, and a writer queues for */
	ITSELF_WRITING, /* one that oneself reads, to write */
};

static const struct {
	const char *scenario;
	enum in_the_way in_the_way;
	bool early; /* with the early engine, too */
} wrong[] = {
	{ "alone-other-space", NOTHING, false },
	{ "alone-same-space", READERS, true },
	{ "copy-writer", OWN_WRITER, true },
	{ "seed", OTHERS_WRITER, true },
	{ "seed-dies", OTHERS_WRITER, false },
	{ "ring", READERS, true },
	{ "ring-writers", OTHERS_WRITER, true },
	{ "opposite", READERS, true },
	{ "opposite-writer", OWN_WRITER, true },
	{ "replaced", ITSELF_WRITING, true },
	{ "raced", OWN_WRITER, true },
	{ "src-unmapped", OWN_WRITER, true },
	{ "dst-unmapped", OWN_WRITER, true },
};
#define WRONG (sizeof(wrong) / sizeof(wrong[0]))

static enum mfx_bug_kind theory(enum in_the_way in_the_way,
				enum mfx_policy policy)
{
	bool behind_writers = policy != MFX_READER;
	bool deadlock = policy == MFX_DEMONIC;

	switch (in_the_way) {
	case NOTHING:
		return MFX_NO_BUG;
	case READERS:
		break;
	case OWN_WRITER:
		deadlock = behind_writers && policy != MFX_RECURSIVE;
		break;
	case OTHERS_WRITER:
		deadlock = behind_writers;
		break;
	case ITSELF_WRITING:
		deadlock = true;
		break;
	}
	return deadlock ? MFX_DEADLOCK : MFX_NO_BUG;
}

/*
 * Rows for each change of the code: all that a wrong engine does wrong, and of
 * ours the policies at both ends.
 */
static bool is_quick(const struct mfx_scenario *scenario,
		     enum mfx_policy policy, enum mfx_engine engine,
		     bool real_lock)
{
	if (strcmp(scenario->name, "seed") == 0 ||
	    strcmp(scenario->name, "copy-writer") == 0)
		return true;
	if (engine == MFX_EARLY && strcmp(scenario->name, "ring-writers") == 0)
		return false; /* six threads: seconds */
	if (engine != MFX_REAL || real_lock)
		return policy == MFX_PHASE || policy == MFX_DEMONIC;
	return policy == MFX_DEMONIC;
}

static void add(const struct mfx_scenario *scenario, enum mfx_policy policy,
		enum mfx_engine engine, bool real_lock)
{
	struct mfx_row *row = &rows[n_rows++];

	row->scenario = scenario;
	row->policy = policy;
	row->engine = engine;
	row->real_lock = real_lock;
	row->quick = is_quick(scenario, policy, engine, real_lock);
	row->expected = MFX_NO_BUG;
	for (unsigned i = 0; i < WRONG && engine != MFX_REAL; i++)
		if (strcmp(wrong[i].scenario, scenario->name) == 0)
			row->expected = theory(wrong[i].in_the_way, policy);
}

static void add_policies(const struct mfx_scenario *scenario,
			 enum mfx_engine engine)
{
	for (int policy = 0; policy < MFX_POLICIES; policy++)
		add(scenario, (enum mfx_policy)policy, engine, false);
}

/* The engine over policies: what a wrong engine does, and ours. */
static void add_copies(void)
{
	for (unsigned i = 0; i < WRONG; i++) {
		const struct mfx_scenario *s = mfx_find_scenario(
			wrong[i].scenario);

		add_policies(s, MFX_NAIVE);
		if (wrong[i].early)
			add_policies(s, MFX_EARLY);
	}
	for (const struct mfx_scenario *s = mfx_copy_scenarios; s->name; s++)
		add_policies(s, MFX_REAL);
}

static void add_all(void)
{
	add_copies();
	for (const struct mfx_scenario *s = mfx_page_scenarios; s->name; s++)
		add_policies(s, MFX_REAL);
	for (const struct mfx_scenario *s = mfx_wait_scenarios; s->name; s++) {
		add(s, MFX_PHASE, MFX_REAL, false);
		add(s, MFX_DEMONIC, MFX_REAL, false);
	}
	/* No region lock is in these. */
	for (const struct mfx_scenario *s = mfx_queue_scenarios; s->name; s++) {
		add(s, MFX_PHASE, MFX_REAL, false);
		rows[n_rows - 1].quick = true;
	}
	for (const struct mfx_scenario *s = mfx_range_scenarios; s->name; s++)
		add_policies(s, MFX_REAL);
	/* The lock alone, as each of what it can be. */
	for (const struct mfx_scenario *s = mfx_lock_scenarios; s->name; s++) {
		add(s, MFX_PHASE, MFX_REAL, true);
		add(s, MFX_READER, MFX_REAL, true);
		add(s, MFX_WRITER, MFX_REAL, true);
	}
	/* The engine over the real lock. */
	for (const struct mfx_scenario *s = mfx_copy_scenarios; s->name; s++)
		add(s, MFX_PHASE, MFX_REAL, true);
	for (const struct mfx_scenario *s = mfx_page_scenarios; s->name; s++)
		add(s, MFX_PHASE, MFX_REAL, true);
	for (const struct mfx_scenario *s = mfx_range_scenarios; s->name; s++)
		add(s, MFX_PHASE, MFX_REAL, true);
	add(mfx_find_scenario("seed"), MFX_PHASE, MFX_NAIVE, true);
	rows[n_rows - 1].expected = MFX_DEADLOCK;
	add(mfx_find_scenario("copy-writer"), MFX_PHASE, MFX_NAIVE, true);
	rows[n_rows - 1].expected = MFX_DEADLOCK;
}

unsigned mfx_rows(const struct mfx_row **ret)
{
	if (n_rows == 0)
		add_all();
	*ret = rows;
	return n_rows;
}

void mfx_row_name(const struct mfx_row *row, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s/%s/%s", row->scenario->name,
		       mfx_policy_names[row->policy],
		       row->real_lock ? "real-lock" : "model-lock",
		       mfx_engine_names[row->engine]);
}

bool mfx_row_parse(const char *name, struct mfx_row *ret)
{
	const struct mfx_row *all;
	unsigned n = mfx_rows(&all);
	char text[128];

	for (unsigned i = 0; i < n; i++) {
		mfx_row_name(&all[i], text, sizeof(text));
		if (strncmp(name, text, strlen(text)) == 0 &&
		    (name[strlen(text)] == '\0' || name[strlen(text)] == ':')) {
			*ret = all[i];
			return true;
		}
	}
	return false;
}

void mfx_row_select(const struct mfx_row *row)
{
	mfx_policy = row->policy;
	mfx_engine = row->engine;
	mfx_real_lock = row->real_lock;
}

/* Zero preemptions, one, two: so the first bug has the fewest. */
static void search_bounded(const struct mfx_row *row, int most, double seconds,
			   struct mfx_verdict *ret)
{
	struct mfx_result sum = { .states = 0 };

	for (int bound = 0; bound <= most; bound++) {
		struct mfx_limits limits = { .mode = MFX_CACHE,
					     .preemptions = bound,
					     .seconds = seconds };

		mfx_search(row->scenario, &limits, &ret->result);
		sum.states += ret->result.states;
		sum.runs += ret->result.runs;
		if (ret->result.bug.kind)
			break;
		if (ret->result.whole) {
			(void)snprintf(ret->words, sizeof(ret->words),
				       "whole: no bug");
			break;
		}
		if (strcmp(ret->result.limit, "preemptions") == 0)
			(void)snprintf(ret->words, sizeof(ret->words),
				       "clean within %d preemption%s", bound,
				       bound == 1 ? "" : "s");
		else
			break;
	}
	ret->result.states = sum.states;
	ret->result.runs = sum.runs;
}

static void search_all(const struct mfx_row *row, enum mfx_mode mode,
		       double seconds, struct mfx_verdict *ret)
{
	struct mfx_limits limits = { .mode = mode,
				     .preemptions = -1,
				     .states = 30000000,
				     .seconds = seconds };

	mfx_search(row->scenario, &limits, &ret->result);
	if (ret->result.whole)
		(void)snprintf(ret->words, sizeof(ret->words),
			       "whole: no bug%s",
			       mode == MFX_DPOR ? ", by DPOR" : "");
}

static void search_dpor(const struct mfx_row *row, double seconds,
			struct mfx_verdict *ret)
{
	const char *why = mfx_dpor_refuses(row->scenario);

	if (why)
		(void)snprintf(ret->words, sizeof(ret->words), "refused: %s",
			       why);
	else
		search_all(row, MFX_DPOR, seconds, ret);
}

static void search_lots(const struct mfx_row *row, enum mfx_mode mode,
			double seconds, struct mfx_verdict *ret)
{
	struct mfx_limits limits = { .mode = mode,
				     .preemptions = -1,
				     .seconds = seconds,
				     .seed = 20221025,
				     .depth = 4 };
	struct mfx_result before = ret->result;
	size_t n = strlen(ret->words);

	mfx_search(row->scenario, &limits, &ret->result);
	(void)snprintf(ret->words + n, sizeof(ret->words) - n,
		       "%s%llu runs by %s clean", n ? ", " : "",
		       (unsigned long long)ret->result.runs,
		       mode == MFX_PCT ? "PCT" : "lot");
	ret->result.states += before.states;
	ret->result.runs += before.runs;
}

/* One step, two, three: so the first bug has the fewest. */
static void search_shortest(const struct mfx_row *row, double seconds,
			    struct mfx_verdict *ret)
{
	struct mfx_limits limits = { .mode = MFX_CACHE,
				     .preemptions = -1,
				     .seconds = seconds };

	do {
		limits.length++;
		mfx_search(row->scenario, &limits, &ret->result);
	} while (!ret->result.bug.kind && !ret->result.whole &&
		 strcmp(ret->result.limit, "length") == 0);
	if (ret->result.whole)
		(void)snprintf(ret->words, sizeof(ret->words), "whole: no bug");
}

/* There is a bug: is there a way to it with fewer preemptions? */
static void shorten(const struct mfx_row *row, double seconds,
		    struct mfx_verdict *ret)
{
	static struct mfx_verdict found;

	found = *ret;
	search_bounded(row, 3, seconds, ret);
	if (!ret->result.bug.kind)
		*ret = found;
}

static void tell_bug(struct mfx_verdict *verdict)
{
	const struct mfx_result *result = &verdict->result;

	if (result->bug.kind)
		(void)snprintf(verdict->words, sizeof(verdict->words),
			       "%s: %u steps, %u preemption%s",
			       mfx_bug_name(result->bug.kind), result->length,
			       result->preemptions,
			       result->preemptions == 1 ? "" : "s");
}

bool mfx_explore_by(const struct mfx_row *row, const char *mode, double seconds,
		    struct mfx_verdict *ret)
{
	memset(ret, 0, sizeof(*ret));
	mfx_row_select(row);
	if (strcmp(mode, "random") == 0)
		search_lots(row, MFX_RANDOM, seconds, ret);
	else if (strcmp(mode, "pct") == 0)
		search_lots(row, MFX_PCT, seconds, ret);
	else if (strcmp(mode, "cache") == 0)
		search_all(row, MFX_CACHE, seconds, ret);
	else if (strcmp(mode, "dfs") == 0)
		search_all(row, MFX_DFS, seconds, ret);
	else if (strcmp(mode, "shortest") == 0)
		search_shortest(row, seconds, ret);
	else if (strcmp(mode, "dpor") == 0)
		search_dpor(row, seconds, ret);
	else
		return false;
	if (!ret->words[0])
		(void)snprintf(ret->words, sizeof(ret->words), "not done: %s",
			       ret->result.limit);
	tell_bug(ret);
	ret->as_expected = ret->result.bug.kind == row->expected;
	return true;
}

/*
 * Every way that sees a scenario as a whole must see it end in the same states.
 * Every run is often too much, and does not get much time.
 */
void mfx_agree(const struct mfx_row *row, double seconds,
	       struct mfx_verdict *ret)
{
	static const enum mfx_mode modes[] = { MFX_CACHE, MFX_DPOR, MFX_DFS };
	static struct mfx_result result[3];
	struct mfx_limits limits = { .preemptions = -1,
				     .seconds = seconds,
				     .finals = true };

	memset(ret, 0, sizeof(*ret));
	mfx_row_select(row);
	ret->as_expected = true;
	for (int i = 0; i < 3; i++) {
		limits.mode = modes[i];
		if (modes[i] == MFX_DFS)
			limits.seconds = seconds / 40;
		mfx_search(row->scenario, &limits, &result[i]);
		if (!result[i].whole && modes[i] == MFX_DFS)
			continue;
		ret->as_expected = ret->as_expected && result[i].whole &&
				   result[i].n_finals == result[0].n_finals &&
				   result[i].finals.a == result[0].finals.a &&
				   result[i].finals.b == result[0].finals.b;
	}
	ret->result = result[1];
	(void)snprintf(ret->words, sizeof(ret->words),
		       "%llu ends by state, %llu by DPOR, %llu by %s runs",
		       (unsigned long long)result[0].n_finals,
		       (unsigned long long)result[1].n_finals,
		       (unsigned long long)result[2].n_finals,
		       result[2].whole ? "all" : "some");
}

/* What mfill exists for gets the time it needs to be seen as a whole. */
static double importance(const struct mfx_row *row)
{
	if (row->real_lock || (strcmp(row->scenario->name, "seed") != 0 &&
			       strcmp(row->scenario->name, "uffd-seed") != 0))
		return 1;
	return 12;
}

void mfx_explore(const struct mfx_row *row, bool deep, double seconds,
		 struct mfx_verdict *ret)
{
	memset(ret, 0, sizeof(*ret));
	mfx_row_select(row);
	if (row->expected == MFX_NO_BUG) {
		search_all(row, MFX_CACHE, seconds * importance(row), ret);
		if (!ret->result.whole && !ret->result.bug.kind &&
		    !mfx_dpor_refuses(row->scenario))
			search_all(row, MFX_DPOR, seconds, ret);
		if (ret->result.bug.kind)
			shorten(row, seconds < 5 ? 5 : seconds, ret);
		else if (!ret->result.whole)
			search_bounded(row, deep ? 3 : 2, seconds, ret);
		if (!ret->result.whole && !ret->result.bug.kind)
			search_lots(row, MFX_RANDOM, seconds / 2, ret);
		if (!ret->words[0] && !ret->result.bug.kind)
			search_lots(row, MFX_PCT, seconds / 2, ret);
	} else { /* it is there, however busy the machine */
		search_bounded(row, 3, seconds < 20 ? 20 : seconds, ret);
	}
	ret->as_expected = ret->result.bug.kind == row->expected;
	tell_bug(ret);
}
