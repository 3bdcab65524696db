/* SPDX-License-Identifier: MIT */
/*
 * main.c - find the subcommand and hand over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "mfill.h"

static const struct mf_command *const commands[] = {
	/* clang-format off */
	&mf_cmd_run,
#ifdef MF_HAVE_ZSTD
	&mf_cmd_pack,
	&mf_cmd_index,
#endif
	&mf_cmd_cat,
	&mf_cmd_probe,
	&mf_cmd_doctor,
	/* clang-format on */
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
	fputs("Usage: mfill COMMAND [ARGUMENT...]\n"
	      "Memory that fills itself on page fault, in user space.\n"
	      "\n",
	      to);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i]->name,
			commands[i]->summary);
	fputs("\n"
	      "mfill COMMAND --help tells more, and so does man "
	      "mfill-COMMAND.\n",
	      to);
}

static const struct mf_command *find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int run(const struct mf_command *command, int argc, char **argv)
{
	static char name[64];

	snprintf(name, sizeof(name), "mfill %s", command->name);
	argv[0] = name;
	return command->run(argc, argv);
}

static void print_version(FILE *to, struct argp_state *state)
{
	(void)state;
	fprintf(to, "mfill %s\n", mfill_version());
}

static int help(int argc, char **argv)
{
	static char option[] = "--help";
	const struct mf_command *command = argc > 2 ? find(argv[2]) : NULL;
	char *args[] = { NULL, option, NULL };

	if (command)
		return run(command, 2, args);
	usage(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct mf_command *command = find(name);

	argp_program_version_hook = print_version;
	argp_err_exit_status = MF_EXIT_FAILED;
	if (command)
		return run(command, argc - 1, argv + 1);
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		print_version(stdout, NULL);
		return 0;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
	    !strcmp(name, "-?") || !strcmp(name, "help"))
		return help(argc, argv);
	if (*name)
		mf_say("there is no command '%s'", name);
	usage(stderr);
	return MF_EXIT_FAILED;
}
