/* SPDX-License-Identifier: MIT */
/*
 * probe.c - mfill probe: what this machine allows, and what would help.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/cmd.h"
#include "cli/run.h"
#include "mfill.h"

enum { OPT_JSON = 0x100 };

static const struct argp_option options[] = {
	{ "json", OPT_JSON, NULL, 0, "For programs", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	bool *json = state->input;

	(void)value;
	switch (key) {
	case OPT_JSON:
		*json = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "no arguments are needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Try each facility that mfill can use, and tell which work.\v"
	       "The exit status is 0 when memory can be made to fill itself "
	       "in one way at least.",
};

/* Not the machine's, but programs are shown maps by it. */
static struct mfill_facility wrappers(void)
{
	char path[PATH_MAX];
	int r = mf_run_library(false, path);

	return (struct mfill_facility){
		.name = "wrappers",
		.use = "fill memory before the C library's system calls",
		.error = -r,
		.reason = r < 0 ? "libmfill-preload.so is not where it was "
				  "installed to"
				: "",
		.remedy = r < 0 ? "install mfill again" : "",
	};
}

static void print_table(const struct mfill_facility *all, int n)
{
	for (int i = 0; i < n; i++) {
		const struct mfill_facility *f = &all[i];

		printf("%-16s %-4s %s\n", f->name, f->error ? "no" : "yes",
		       f->use);
		if (f->error)
			printf("%21s %s: %s\n", "", strerrorname_np(f->error),
			       f->reason);
		if (f->error && *f->remedy)
			printf("%21s remedy: %s\n", "", f->remedy);
	}
}

static json_t *facility_json(const struct mfill_facility *f)
{
	return json_pack("{s:s, s:s, s:b, s:s?, s:s, s:s}", "name", f->name,
			 "use", f->use, "usable", !f->error, "error",
			 f->error ? strerrorname_np(f->error) : NULL, "reason",
			 f->reason, "remedy", f->remedy);
}

static int print_json(const struct mfill_facility *all, int n)
{
	struct utsname kernel;
	json_t *array = json_array();
	json_t *json;
	int r = 0;

	if (uname(&kernel) < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		json_array_append_new(array, facility_json(&all[i]));
	json = json_pack("{s:s, s:s, s:s, s:o}", "version", mfill_version(),
			 "kernel", kernel.release, "machine", kernel.machine,
			 "facilities", array);
	if (!json || json_dumpf(json, stdout, JSON_INDENT(2)) < 0)
		r = -ENOMEM;
	putchar('\n');
	json_decref(json);
	return r;
}

static bool can_fill(const struct mfill_facility *all, int n)
{
	for (int i = 0; i < n; i++)
		if (!all[i].error && (!strcmp(all[i].name, "guard") ||
				      !strcmp(all[i].name, "mprotect")))
			return true;
	return false;
}

static int run(int argc, char **argv)
{
	struct mfill_facility *all;
	bool json = false;
	int r = 0;
	int n;

	if (argp_parse(&argp, argc, argv, 0, NULL, &json))
		return MF_EXIT_FAILED;
	n = mfill_probe(NULL, 0, sizeof(*all));
	all = n < 0 ? NULL : calloc((size_t)n + 2, sizeof(*all));
	if (!all) {
		mf_say("cannot probe: %s", strerror(n < 0 ? -n : ENOMEM));
		return MF_EXIT_FAILED;
	}
	n = mfill_probe(all, (size_t)n, sizeof(*all));
	all[n++] = wrappers();
	if (json)
		r = print_json(all, n);
	else
		print_table(all, n);
	if (r < 0 || fflush(stdout) != 0 || !can_fill(all, n))
		r = MF_EXIT_FAILED;
	free(all);
	return r;
}

const struct mf_command mf_cmd_probe = {
	.name = "probe",
	.summary = "tell which facilities of this machine can be used",
	.run = run,
};
