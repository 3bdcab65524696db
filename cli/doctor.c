/* SPDX-License-Identifier: MIT */
/*
 * doctor.c - mfill doctor: can this program wait for itself for ever?
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/doctor.h"
#include "cli/findings.h"
#include "cli/output.h"
#include "cli/run.h"

/* Not a status of env's, timeout's or a shell's. */
#define EXIT_FOUND 123

struct arguments {
	struct mf_run run;
	bool json, quiet, fair;
	char *output;
	char *maps[MF_RUN_MAPS + 1];
	unsigned n_maps;
	pid_t pid; /* 0: there is a command */
};

enum { OPT_FAIR = 0x100, OPT_JSON };

static const struct argp_option options[] = {
	{ "map", 'm', "PATH=SOURCE", 0,
	  "Show COMMAND the bytes of SOURCE as the file PATH, as mfill run "
	  "does",
	  0 },
	{ "fair", OPT_FAIR, NULL, 0,
	  "Take all read-write locks for such where readers wait behind "
	  "writers, as they are elsewhere",
	  0 },
	{ "json", OPT_JSON, NULL, 0, "For programs", 0 },
	{ "output", 'o', "FILE", 0, "Write the report to FILE, not to stderr",
	  0 },
	{ "quiet", 'q', NULL, 0, "Say nothing when nothing is found", 0 },
	{ 0 },
};

/* Digits alone are a process, unless they are behind "--". */
static pid_t pid_of(const char *value, const struct argp_state *state)
{
	if (state->quoted || strspn(value, "0123456789") != strlen(value) ||
	    strlen(value) > 9)
		return 0;
	return atoi(value);
}

static void take_argument(struct arguments *a, char *value,
			  struct argp_state *state)
{
	a->pid = pid_of(value, state);
	if (a->pid) {
		if (state->next < state->argc || a->n_maps > 0)
			argp_error(state, "nothing goes with a process");
		return;
	}
	/* The command: what follows is its own. */
	a->run.command = state->argv + state->next - 1;
	state->next = state->argc;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'm':
		if (a->n_maps == MF_RUN_MAPS)
			argp_error(state, "more than %d maps", MF_RUN_MAPS);
		a->maps[a->n_maps++] = value;
		break;
	case 'o':
		a->output = value;
		break;
	case 'q':
		a->quiet = true;
		break;
	case OPT_FAIR:
		a->fair = true;
		break;
	case OPT_JSON:
		a->json = true;
		break;
	case ARGP_KEY_ARG:
		take_argument(a, value, state);
		break;
	case ARGP_KEY_END:
		if (!a->run.command && !a->pid)
			argp_error(state, "COMMAND or PID is needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"[--] COMMAND [ARGUMENT...]\nPID",
	"Run COMMAND, watch in which order it and what it starts take locks "
	"and touch maps, and tell which deadlocks could have happened, "
	"although none did. With PID tell who waits for what in a process that "
	"uses mfill, or is in a run.\v"
	"The exit status is that of COMMAND (or 0) when nothing was found, and "
	"123 "
	"when something was; 125 when mfill itself fails, 126 when COMMAND "
	"cannot be executed, 127 when it is not found, 128+N when signal N "
	"ends it. Example:\n\n"
	"  mfill doctor -- ./server --selftest",
	NULL,
	NULL,
	NULL,
};

/* The whole report, for the caller to free; NULL: no memory. */
static char *write_report(const struct arguments *a,
			  const struct mf_findings *findings, int status)
{
	json_t *json = NULL;
	char *text = NULL;
	size_t size;
	FILE *to;

	if (a->json) {
		json = mf_findings_json(findings, status);
		text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
		json_decref(json);
		return text;
	}
	to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	mf_findings_print(findings, to);
	return fclose(to) == 0 ? text : NULL;
}

static int put_report(const struct arguments *a, const char *text)
{
	struct mf_output out;
	int r;

	if (!a->output) {
		/* While a command runs stdout is its own. */
		FILE *to = a->pid ? stdout : stderr;

		fputs(text, to);
		if (a->json)
			fputc('\n', to);
		if (fflush(to) == 0)
			return 0;
		mf_say("standard output: %s", strerror(errno));
		return -errno;
	}
	r = mf_output_open(&out, a->output, true);
	if (r == 0)
		r = mf_output_write(&out, text, strlen(text));
	if (r == 0)
		r = mf_output_commit(&out, 0644);
	else
		mf_output_abandon(&out);
	return r;
}

/* What was seen stays the same, what it can lead to does not. */
static void make_fair(struct mf_check_table *table)
{
	for (unsigned i = 0; i < MF_CHECK_CLASSES; i++)
		if (table->class[i].key &&
		    table->class[i].what == MF_CHECK_RWLOCK)
			table->class[i].flags |= MF_CHECK_WQ;
}

/* The exit status, from the command's. */
static int report(const struct arguments *a, int status)
{
	struct mf_findings *findings = mf_findings_of(&a->run);
	unsigned n = findings ? mf_findings_count(findings) : 0;
	char *text = NULL;

	if (!findings)
		return MF_EXIT_FAILED;
	if (n > 0 || !a->quiet || a->json) {
		text = write_report(a, findings, status);
		if (!text)
			mf_say("the report: %s", strerror(ENOMEM));
		if (!text || put_report(a, text) < 0)
			status = MF_EXIT_FAILED;
	}
	free(text);
	mf_findings_free(findings);
	return n > 0 && status != MF_EXIT_FAILED ? EXIT_FOUND : status;
}

static int look_at(const struct arguments *a)
{
	char *text = NULL;
	int n = mf_doctor_living(a->pid, a->json, &text);
	int status = n > 0 ? EXIT_FOUND : 0;

	if (n < 0)
		return MF_EXIT_FAILED;
	if (!text)
		mf_say("the report: %s", strerror(ENOMEM));
	if (!text || put_report(a, text) < 0)
		status = MF_EXIT_FAILED;
	free(text);
	return status;
}

static int run(int argc, char **argv)
{
	static struct arguments a;
	struct mf_run_before before;
	int status;

	mf_run_note(&before);
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &a);
	if (a.pid)
		return look_at(&a);
	a.run.check = true;
	status = mf_run_prepare(&a.run, a.maps, a.n_maps);
	if (status)
		return status;
	status = mf_run_launch(&a.run, &before);
	if (a.fair)
		make_fair(a.run.found);
	if (!a.run.failed)
		status = report(&a, status);
	mf_run_interrupt_like(&a.run);
	return status;
}

const struct mf_command mf_cmd_doctor = {
	"doctor",
	"find deadlocks that did not happen, or did",
	run,
};
