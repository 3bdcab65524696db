/* SPDX-License-Identifier: MIT */
/*
 * run.h - what the parts of mfill run share.
 *
 * Three processes: the launcher, which the user started and waits for; the
 * broker, its child, which gives the maps to every program of the run and
 * lives as long as there is one; and the command, the broker's child. The
 * launcher and the broker share memory with the programs, and nothing else.
 *
 * Promise: all of these say what went wrong and return -errno, unless a line
 * says otherwise.
 */
#ifndef MF_CLI_RUN_H
#define MF_CLI_RUN_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "check/table.h"
#include "cli/source.h"
#include "mm/page.h"
#include "run/table.h"

/* A file that is not there. */
struct mf_run_file {
	const char *shown;   /* as the user wrote it */
	char path[PATH_MAX]; /* absolute */
	struct mf_uri uri;
	bool rw;
	uint64_t folder_dev, folder_ino;
	uint64_t size;
	int64_t mtime_ns;
	struct mfill_source *source;
	struct mf_store *store;
	int face_fd;
	uint64_t face_dev, face_ino;
};

struct mf_run {
	struct mf_run_file *files[MF_RUN_MAPS];
	unsigned n_files;
	bool quiet;
	bool uffd;	       /* userfaultfd is ours to the programs */
	int filter;	       /* enum mf_run_filter */
	int backend, delivery; /* as the user asked */
	uint64_t fill_size;    /* 0: as the source likes it */
	/* Locks are checked; found: what the checker writes, here, too. */
	bool check;
	struct mf_check_table *found;
	int check_fd;
	char **command;
	char program[PATH_MAX]; /* what command[0] means */
	char library[PATH_MAX];
	char name[MF_RUN_NAME + 1], token[MF_RUN_NAME + 1];
	int world_fd, table_fd, listen_fd;
	int ended_by; /* the signal that ended the command, or 0 */
	bool failed;  /* the command did not run */
};

/*
 * run.c: make ready what the command needs. An exit status, after a sentence
 * when it is not 0.
 */
int mf_run_prepare(struct mf_run *run, char **maps, unsigned n_maps);
/* End by the signal that interrupted the command, if one did. */
void mf_run_interrupt_like(const struct mf_run *run);

/* files.c: text is PATH=SOURCE, with :rw behind it for one to write to. */
int mf_run_add(struct mf_run *run, char *text);

/* share.c: make what the programs of the run get. The files are complete. */
int mf_run_share(struct mf_run *run);
/* Who has connected is a user who may: ours, or anybody for root. */
bool mf_run_may_ask(int connection);
/* Answer a program of this run, which knows the token. Says nothing. */
void mf_run_answer(const struct mf_run *run, int connection);

/* which.c: find the command, and see that it can be reached. An exit status. */
int mf_run_find_command(struct mf_run *run);
int mf_run_find_library(struct mf_run *run);
/* Only where the library is; says nothing. -ENOENT. */
int mf_run_library(bool check, char ret_path[PATH_MAX]);

/* broker.c: what the broker tells the launcher, and how it is told signals. */
enum mf_run_news {
	MF_NEWS_STARTED, /* value: the command's process id */
	MF_NEWS_FAILED,	 /* it could not be executed; value: errno */
	MF_NEWS_STOPPED, /* value: the signal */
	MF_NEWS_ENDED,	 /* value: its wait status */
};

struct mf_run_message {
	int32_t news;
	int32_t value;
	int64_t time_ns; /* CLOCK_MONOTONIC */
	int32_t alone;	 /* ENDED: and no other program is left */
	int32_t reserved;
};

/* How things were when mfill was started: the command gets them so. */
struct mf_run_before {
	sigset_t mask;
	bool sigchld_ignored;
	/* Descriptors from 3 on that were open: the command's alone. */
	int fds[1024];
	unsigned n_fds;
};

/*
 * launch.c: note all that, before anything is opened here; then, with all
 * the rest ready, run the command. The exit status of mfill.
 */
void mf_run_note(struct mf_run_before *ret);
int mf_run_launch(struct mf_run *run, struct mf_run_before *before);
/* Close or cover what belongs to the command; stderr is kept if so wished. */
void mf_run_let_go(const struct mf_run_before *before, bool keep_stderr);

/* Never returns. control: a seqpacket socket to the launcher. */
_Noreturn void mf_run_broker(struct mf_run *run, int control,
			     const struct mf_run_before *before);

/* report.c: what the maps did. */
void mf_run_print_stats(const struct mf_run *run);
void mf_run_print_json(const struct mf_run *run, int status);
/* Into a file that appears whole or not at all. */
int mf_run_write_report(const struct mf_run *run, const char *path, int status);

#endif
