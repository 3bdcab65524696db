/* SPDX-License-Identifier: MIT */
/*
 * cmd.h - what a subcommand of mfill is: one file here, one row in main.c.
 *
 * Promise: own words go to stderr, each a line that begins with "mfill: ";
 * what was asked for goes to stdout. The exit status is 0, or MF_EXIT_FAILED
 * for whatever went wrong here.
 */
#ifndef MF_CLI_CMD_H
#define MF_CLI_CMD_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* As env, timeout and docker do it: not a status that a program would use. */
#define MF_EXIT_FAILED 125

struct mf_command {
	const char *name;
	const char *summary;
	/* argv[0] is "mfill NAME"; the result is the exit status. */
	int (*run)(int argc, char **argv);
};

extern const struct mf_command mf_cmd_cat;
extern const struct mf_command mf_cmd_doctor;
extern const struct mf_command mf_cmd_index;
extern const struct mf_command mf_cmd_pack;
extern const struct mf_command mf_cmd_probe;
extern const struct mf_command mf_cmd_run;

__attribute__((format(printf, 1, 2))) void mf_say(const char *format, ...);

/* "8.3 MiB" */
struct mf_human {
	char text[24];
};
const char *mf_human(uint64_t bytes, struct mf_human *storage);

/* An option's value; ends with a usage error in state when it is wrong. */
uint64_t mf_arg_size(struct argp_state *state, const char *option,
		     const char *value, uint64_t least, uint64_t most);
int64_t mf_arg_number(struct argp_state *state, const char *option,
		      const char *value, int64_t least, int64_t most);

#endif
