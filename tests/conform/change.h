/* SPDX-License-Identifier: MIT */
/*
 * change.h - change mappings and fork, beside the kernel and beside mfill.
 *
 * Promise: as conform.h. Under mfill run --uffd the preload library does what
 * these do for mfill: ask it first, and make the call where it says -ENOENT.
 * Context: a row of the table.
 */
#ifndef CONFORM_CHANGE_H
#define CONFORM_CHANGE_H

#include "conform/conform.h"

/* What is changed, and how; a thread may do it, which may be held. */
enum change { ADVISE, PROTECT, UNMAP, MAP_OVER, MOVE, RESIZE, LEAVE };

struct changer {
	pthread_t id;
	struct run *run;
	enum change how;
	int page, n;
	int argument; /* advice, protection; pages then; MAP_OVER: is shared */
	char *to;     /* where to MOVE */
	int result;
	uint32_t tid, done; /* set by itself */
};

/* Just do it: result is set; and say what came of it. */
void change(struct changer *changer);
void tell_change(const struct changer *changer, struct run *run);
void do_change(struct run *run, enum change how, int page, int n, int argument);
void do_start_change(struct changer *changer, struct run *run, enum change how,
		     int page, int n, int argument);
/* Say whether it has been done by now; wait until it is. */
void do_is_changed(struct changer *changer, struct run *run);
void do_finish_change(struct changer *changer, struct run *run);
/* After LEAVE, to the other one of the two places. */
void do_go_there(struct run *run);
/* A message about a change; places are told by page, of the old area, too. */
void do_event(struct run *run);

/*
 * Fork, and in the child touch all pages; told is what it saw. The second
 * one reads the message in between, and fills pages of the child's then, while
 * it waits for them or before.
 */
void do_fork(struct run *run);
void do_fork_with_event(struct run *run, bool waits);
/*
 * What they are made of. A child touches pages when it is let go, if there is
 * a pipe for that, and then ends.
 */
struct child {
	struct run *run;
	int out[2]; /* pipes */
	int go[2];
	pid_t id;
};
void start_child(struct child *child); /* fork() */
void let_child_go(const struct child *child);
void hear_child(const struct child *child); /* until it ends */

#endif
