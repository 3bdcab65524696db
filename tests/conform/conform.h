/* SPDX-License-Identifier: MIT */
/*
 * conform.h - do the same to the kernel's userfaultfd and to mfill's.
 *
 * Promise: what happens is told in words, so that two of them can be compared.
 * Context: a TEST() body, one at a time.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/userfaultfd.h"

#define PAGES 8

/* Who does it. Results are 0 or -errno. */
struct implementation {
	const char *name;
	int (*open)(int flags);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	ssize_t (*read)(int fd, void *buf, size_t len);
	int (*close)(int fd);
	/* Writes to the page are announced: bit 57 of pagemap. */
	bool (*is_wp)(uintptr_t addr);
};
extern const struct implementation kernel, mfill;

enum memory { ANON, SHARED, MEMFD, MEMORIES };
extern const char *const memory_names[];

/* One of them at work on PAGES pages, and all that was said about it. */
struct run {
	const struct implementation *who;
	enum memory memory;
	int fd;
	char *area;
	int pages;  /* that are asked about; PAGES, but for random ones */
	char *room; /* all that is unmapped at the end */
	size_t room_size;
	char *other; /* the same memory elsewhere, NULL for ANON */
	char *bytes; /* pages to copy from: 1, 2, 3 … */
	size_t page;
	char log[65536];
	size_t logged;
};

/* From now on mfill has no guard markers, and asks in no modern way. */
void force_old_kernel(void);

/* False: that is refused here. */
bool run_start(struct run *run, const struct implementation *who,
	       enum memory memory, int flags);
/* The same, but the area is there, with nothing around it in so many pages. */
bool run_start_at(struct run *run, const struct implementation *who,
		  enum memory memory, int flags, void *place, int pages);
void run_end(struct run *run);
__attribute__((format(printf, 2, 3))) void say(struct run *run,
					       const char *format, ...);

/* Each says what it did and what came of it. Pages are numbers. */
void do_api(struct run *run, uint64_t features);
int do_register(struct run *run, int page, int n, uint64_t mode);
int do_unregister(struct run *run, int page, int n);
void do_wake(struct run *run, int page, int n);
void do_copy(struct run *run, int page, int n, uint64_t mode);
void do_zero(struct run *run, int page, int n, uint64_t mode);
void do_continue(struct run *run, int page, int n, uint64_t mode);
void do_poison(struct run *run, int page, int n, uint64_t mode);
void do_protect(struct run *run, int page, int n, uint64_t mode);
/* From the bytes to copy from, or from another page. */
void do_move(struct run *run, int from, int page, int n, uint64_t mode);
void do_move_within(struct run *run, int from, int page, int n, uint64_t mode);
/* A touch of the bytes to copy from. */
void do_source(struct run *run, int page, bool write);
/* The pages writes to which are announced. */
void do_marks(struct run *run);
/* What is read, or the signal: SIGBUS, or SIGSEGV where it is not allowed. */
void do_touch(struct run *run, int page, bool write);
/* Reads it, and all of the page if that is allowed. */
void do_contents(struct run *run, int page);
void do_other(struct run *run, int page, bool write);
void do_read(struct run *run);
void do_poll(struct run *run);
/* A thread that touches a page: in the queue when start returns. */
struct toucher {
	pthread_t id;
	char *byte;
	bool write;
	int saw;	    /* negative: a signal */
	uint32_t tid, done; /* set by itself */
	int slept;
};
void do_start(struct toucher *toucher, struct run *run, int page, bool write);
/* Until it sleeps, or is done: true. */
bool do_settle(struct toucher *toucher);
/* Until there is a message. */
void do_wait(struct run *run);
void do_finish(struct toucher *toucher, struct run *run);

/* Any ioctl, with a struct whose 8 bytes at result are told. */
void do_ioctl(struct run *run, const char *name, unsigned long request,
	      void *arg, size_t result);

/* Rows of the table, in files of their own; the last one has no name. */
struct conform_case {
	const char *name;
	void (*act)(struct run *run);
};
#define CASE(name)          \
	{                   \
#name, name \
	}
extern const struct conform_case protect_cases[], move_cases[];
extern const struct conform_case change_cases[], part_cases[];

#endif
