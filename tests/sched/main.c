/* SPDX-License-Identifier: MIT */
/*
 * main.c - explore the engine, or show one run of it.
 *
 *	explore [--quick | --deep] [--tap] [--seconds S] [--mode MODE] [ROW...]
 *	explore --until-bad ...		stop at the first row that is wrong
 *	explore [--blind KIND] --agree ROW...	do all ways see the same ends?
 *	explore [--blind KIND] --lots SEED N	the same, of programs by lot
 *	explore --replay ROW:SCHEDULE
 *	explore --list
 *
 * A ROW is scenario/policy/lock/engine, or the beginning of one. Exits with 1
 * when something came out otherwise than it must.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/lots.h"
#include "sched/rows.h"

static struct {
	bool quick, deep, tap, until_bad, agree;
	double seconds;
	const char *mode; /* NULL: as rows.c thinks best */
	char **wanted;
	int n_wanted;
} options = { .seconds = 1 };

static int usage(void)
{
	fprintf(stderr,
		"usage: explore [--quick | --deep] [--tap] [--seconds S] "
		"[--mode cache|dfs|dpor|shortest|random|pct] [ROW...]\n"
		"       explore --agree [--blind "
		"words|queues|locks|notes|reads|"
		"writes|frees] ROW...\n"
		"       explore --replay ROW:SCHEDULE\n"
		"       explore --list\n");
	return 2;
}

/* The kind of dependence that DPOR does not see; to test that it matters. */
static enum mfx_blindness blindness(const char *name)
{
	static const struct {
		const char *name;
		enum mfx_blindness kind;
	} kinds[] = {
		{ "words", MFX_BLIND_WORDS }, { "queues", MFX_BLIND_QUEUES },
		{ "locks", MFX_BLIND_LOCKS }, { "notes", MFX_BLIND_NOTES },
		{ "reads", MFX_BLIND_READS }, { "writes", MFX_BLIND_WRITES },
		{ "frees", MFX_BLIND_FREES },
	};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].kind;
	exit(usage());
}

static int replay(const char *what)
{
	const char *schedule = strrchr(what, ':');
	struct mfx_row row;

	if (!mfx_row_parse(what, &row)) {
		fprintf(stderr, "explore: there is no row %s\n", what);
		return 2;
	}
	mfx_row_select(&row);
	printf("%s: %s\n", row.scenario->name, row.scenario->story);
	if (mfx_replay(row.scenario, schedule ? schedule + 1 : ""))
		return 0;
	fprintf(stderr, "explore: the schedule is not one of this row\n");
	return 2;
}

static bool wanted(const char *name)
{
	for (int i = 0; i < options.n_wanted; i++)
		if (strncmp(name, options.wanted[i],
			    strlen(options.wanted[i])) == 0)
			return true;
	return options.n_wanted == 0;
}

static void tell_bug(const struct mfx_row *row, const char *name,
		     const struct mfx_verdict *verdict)
{
	const char *mark = options.tap ? "# " : "    ";

	printf("%s%s\n", mark, verdict->result.bug.text);
	printf("%smake sched REPLAY='%s:%s'\n", mark, name,
	       verdict->result.schedule);
	(void)row;
}

static void tell(const struct mfx_row *row, const char *name,
		 const struct mfx_verdict *verdict, unsigned number)
{
	if (options.tap)
		printf("%sok %u - %s: %s\n", verdict->as_expected ? "" : "not ",
		       number, name, verdict->words);
	else
		printf("%-18s %-17s %-5s %-5s %9llu %9llu  %s%s\n",
		       row->scenario->name, mfx_policy_names[row->policy],
		       row->real_lock ? "real" : "model",
		       mfx_engine_names[row->engine],
		       (unsigned long long)verdict->result.states,
		       (unsigned long long)verdict->result.runs, verdict->words,
		       verdict->as_expected ? "" : "  <-- MUST NOT BE");
	if (verdict->result.bug.kind &&
	    (!verdict->as_expected || options.n_wanted))
		tell_bug(row, name, verdict);
	(void)fflush(stdout);
}

static int explore(void)
{
	static struct mfx_verdict verdict;
	const struct mfx_row *rows;
	unsigned n = mfx_rows(&rows), number = 0, bad = 0;

	if (!options.tap)
		printf("%-18s %-17s %-5s %-5s %9s %9s  %s\n", "scenario",
		       "policy", "lock", "engine", "states", "runs", "verdict");
	for (unsigned i = 0; i < n; i++) {
		char name[128];

		mfx_row_name(&rows[i], name, sizeof(name));
		if (!wanted(name) || (options.quick && !rows[i].quick))
			continue;
		if (options.agree)
			mfx_agree(&rows[i], options.seconds, &verdict);
		else if (!options.mode)
			mfx_explore(&rows[i], options.deep, options.seconds,
				    &verdict);
		else if (!mfx_explore_by(&rows[i], options.mode,
					 options.seconds, &verdict))
			return usage();
		tell(&rows[i], name, &verdict, ++number);
		bad += !verdict.as_expected;
		if (bad && options.until_bad)
			break;
	}
	if (options.tap)
		printf("1..%u\n", number);
	else
		printf("%u rows, %u otherwise than they must be\n", number,
		       bad);
	return bad || !number;
}

static int list(void)
{
	const struct mfx_row *rows;
	unsigned n = mfx_rows(&rows);
	char name[128];

	for (unsigned i = 0; i < n; i++) {
		mfx_row_name(&rows[i], name, sizeof(name));
		printf("%-48s  must come to %-8s  %s\n", name,
		       mfx_bug_name(rows[i].expected), rows[i].scenario->story);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--deep") == 0)
			options.deep = true;
		else if (strcmp(argv[i], "--quick") == 0)
			options.quick = true;
		else if (strcmp(argv[i], "--until-bad") == 0)
			options.until_bad = true;
		else if (strcmp(argv[i], "--agree") == 0)
			options.agree = true;
		else if (strcmp(argv[i], "--lots") == 0 && i + 2 < argc)
			return mfx_lots(strtoull(argv[i + 1], NULL, 0),
					(unsigned)atoi(argv[i + 2]));
		else if (strcmp(argv[i], "--blind") == 0 && i + 1 < argc)
			mfx_blind = blindness(argv[++i]);
		else if (strcmp(argv[i], "--mode") == 0 && i + 1 < argc)
			options.mode = argv[++i];
		else if (strcmp(argv[i], "--tap") == 0)
			options.tap = true;
		else if (strcmp(argv[i], "--list") == 0)
			return list();
		else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
			options.seconds = atof(argv[++i]);
		else if (strcmp(argv[i], "--replay") == 0 && i + 1 < argc)
			return replay(argv[++i]);
		else
			return usage();
	}
	options.wanted = argv + i;
	options.n_wanted = argc - i;
	return explore();
}
