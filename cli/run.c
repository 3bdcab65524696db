/* SPDX-License-Identifier: MIT */
/*
 * run.c - mfill run: an unmodified program on files that are not there.
 */
#include "cli/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/backend.h"
#include "cli/cmd.h"
#include "cli/findings.h"
#include "cli/stats.h"

struct arguments {
	struct mf_run run;
	bool stats, json;
	char *report;
	char *maps[MF_RUN_MAPS + 1];
	unsigned n_maps;
};

enum {
	OPT_BACKEND = 0x100,
	OPT_DELIVERY,
	OPT_FILL_SIZE,
	OPT_FILTER,
	OPT_JSON,
	OPT_NO_FILTER,
	OPT_REPORT,
	OPT_STATS,
	OPT_UFFD,
};

static const struct argp_option options[] = {
	{ "map", 'm', "PATH=SOURCE", 0,
	  "Show the bytes of SOURCE as the file PATH, which must not exist; "
	  "with :rw behind SOURCE it can be written, for as long as the run "
	  "lasts",
	  0 },
	{ "stats", OPT_STATS, NULL, 0,
	  "Tell on stderr at the end what was read", 0 },
	{ "json", OPT_JSON, NULL, 0, "The same, as JSON", 0 },
	{ "report", OPT_REPORT, "FILE", 0, "The same, as JSON into FILE", 0 },
	{ "quiet", 'q', NULL, 0, "Do not name sources that fail", 0 },
	{ "fill-size", OPT_FILL_SIZE, "SIZE", 0,
	  "Bytes to fill at once (as the source likes it)", 0 },
	{ "backend", OPT_BACKEND, "NAME", 0,
	  "How pages are hidden: auto, guard, mprotect or uffd", 0 },
	{ "delivery", OPT_DELIVERY, "NAME", 0,
	  "Who fills them: auto, inline or thread", 0 },
	{ "filter", OPT_FILTER, "NAME", 0,
	  "System calls that a seccomp filter finds: buffers, all or none", 0 },
	{ "no-filter", OPT_NO_FILTER, NULL, 0,
	  "The same as --filter=none: set-user-ID programs work, but system "
	  "calls made without the C library fail on what is not filled yet",
	  0 },
	{ "uffd", OPT_UFFD, NULL, 0,
	  "Programs that use userfaultfd get it from mfill, whatever the "
	  "kernel allows",
	  0 },
	{ 0 },
};

static void add_map(struct arguments *a, char *value, struct argp_state *state)
{
	if (a->n_maps == MF_RUN_MAPS)
		argp_error(state, "more than %d maps", MF_RUN_MAPS);
	a->maps[a->n_maps++] = value;
}

static int set_name(struct argp_state *state, const char *option,
		    const char *value, int number)
{
	if (number < 0)
		argp_error(state, "%s: there is no '%s'", option, value);
	return number;
}

static int filter_of(const char *name)
{
	static const char *const names[] = {
		[MF_RUN_FILTER_BUFFERS] = "buffers",
		[MF_RUN_FILTER_ALL] = "all",
		[MF_RUN_FILTER_NONE] = "none",
	};

	for (int i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -EINVAL;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'm':
		add_map(a, value, state);
		break;
	case 'q':
		a->run.quiet = true;
		break;
	case OPT_STATS:
		a->stats = true;
		break;
	case OPT_JSON:
		a->json = true;
		break;
	case OPT_REPORT:
		a->report = value;
		break;
	case OPT_UFFD:
		a->run.uffd = true;
		break;
	case OPT_FILTER:
		a->run.filter = set_name(state, "--filter", value,
					 filter_of(value));
		break;
	case OPT_NO_FILTER:
		a->run.filter = MF_RUN_FILTER_NONE;
		break;
	case OPT_FILL_SIZE:
		a->run.fill_size = mf_arg_size(state, "--fill-size", value, 1,
					       MF_FILL_MAX);
		break;
	case OPT_BACKEND:
		a->run.backend = set_name(state, "--backend", value,
					  mf_backend_of(value));
		break;
	case OPT_DELIVERY:
		a->run.delivery = set_name(state, "--delivery", value,
					   mf_delivery_of(value));
		break;
	case ARGP_KEY_ARG:
		/* The command: what follows is its own. */
		a->run.command = state->argv + state->next - 1;
		state->next = state->argc;
		break;
	case ARGP_KEY_END:
		if (!a->run.command)
			argp_error(state, "COMMAND is needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"[--] COMMAND [ARGUMENT...]",
	"Run COMMAND, and let it and all programs that it starts find files "
	"which are not there: compressed ones, say. Only what they touch is "
	"read, once for all of them.\v"
	"SOURCE is SCHEME:REST, such as zstd:data.db.zst, or the path of a "
	"file. The exit status is that of COMMAND; 125 when mfill itself "
	"fails, 126 when COMMAND cannot be executed, 127 when it is not found, "
	"128+N when signal N ends it. Example:\n\n"
	"  mfill run --map data.db=zstd:data.db.zst -- sqlite3 data.db",
	NULL,
	NULL,
	NULL,
};

/* A refusal now, not in the middle of the command. */
static int check_backend(const struct mf_run *run)
{
	const struct mf_backend *backend;
	int r = mf_backend_choose(run->backend, run->delivery, &backend);

	if (r < 0)
		mf_say("--backend %s: does not work here; mfill probe tells "
		       "why",
		       mf_backend_name(run->backend));
	return r;
}

int mf_run_prepare(struct mf_run *run, char **maps, unsigned n_maps)
{
	int status;

	if (check_backend(run) < 0)
		return MF_EXIT_FAILED;
	for (unsigned i = 0; i < n_maps; i++)
		if (mf_run_add(run, maps[i]) < 0)
			return MF_EXIT_FAILED;
	status = mf_run_find_command(run);
	if (status)
		return status;
	if (mf_run_find_library(run) < 0 || mf_run_share(run) < 0)
		return MF_EXIT_FAILED;
	return 0;
}

/* Whether the environment wants the checker, which a debug build always has. */
static int check_wanted(bool *ret)
{
	const char *value = getenv("MFILL_CHECK");

#ifdef MF_DEBUG
	*ret = true;
#endif
	if (!value)
		return 0;
	if (strcmp(value, "locks") != 0 && strcmp(value, "none") != 0) {
		mf_say("MFILL_CHECK=%s: neither locks nor none", value);
		return -EINVAL;
	}
	*ret = *value == 'l';
	return 0;
}

/* Only what was found: nobody asked for more. */
static void report_locks(const struct mf_run *run)
{
	struct mf_findings *findings = mf_findings_of(run);

	if (findings && mf_findings_count(findings) > 0)
		mf_findings_print(findings, stderr);
	mf_findings_free(findings);
}

static int report(const struct arguments *a, int status)
{
	if (a->run.check)
		report_locks(&a->run);
	if (a->stats)
		mf_run_print_stats(&a->run);
	if (a->json)
		mf_run_print_json(&a->run, status);
	if (a->report && mf_run_write_report(&a->run, a->report, status) < 0 &&
	    status == 0)
		status = MF_EXIT_FAILED;
	return status;
}

/*
 * A shell that was interrupted together with its child goes on when the child
 * has merely returned 130, and ends its loop when the child was interrupted.
 */
void mf_run_interrupt_like(const struct mf_run *run)
{
	sigset_t mask;

	if (run->ended_by != SIGINT)
		return;
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	(void)signal(SIGINT, SIG_DFL);
	(void)raise(SIGINT);
	(void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

static int run(int argc, char **argv)
{
	static struct arguments a;
	struct mf_run_before before;
	int status;

	mf_run_note(&before);
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &a);
	if (check_wanted(&a.run.check) < 0)
		return MF_EXIT_FAILED;
	status = mf_run_prepare(&a.run, a.maps, a.n_maps);
	if (status)
		return status;
	status = mf_run_launch(&a.run, &before);
	status = report(&a, status);
	mf_run_interrupt_like(&a.run);
	return status;
}

const struct mf_command mf_cmd_run = {
	"run",
	"run a program on files that are not there",
	run,
};
