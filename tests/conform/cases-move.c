/* SPDX-License-Identifier: MIT */
/*
 * cases-move.c - rows of the table: pages change their place.
 */
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conform/conform.h"
#include "harness/harness.h"

#define MISSING	    UFFDIO_REGISTER_MODE_MISSING
#define WP	    UFFDIO_REGISTER_MODE_WP
#define SIGBUSES    UFFD_FEATURE_SIGBUS
#define UNPOPULATED (SIGBUSES | UFFD_FEATURE_WP_UNPOPULATED)
#define HOLES	    UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES

static void pages_leave_and_arrive(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_move(run, 1, 0, 2, 0);
	do_touch(run, 0, false);
	do_touch(run, 1, true);
	do_source(run, 0, false);
	do_source(run, 1, false);
	do_source(run, 2, true);
	do_move(run, 3, 1, 1, 0);
	do_source(run, 3, false);
	do_move(run, 2, 3, 1, UFFDIO_MOVE_MODE_DONTWAKE);
	do_touch(run, 3, false);
	do_touch(run, 2, false);
}

static void holes_are_moved_or_an_error(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	madvise(run->bytes + run->page, 2 * run->page, MADV_DONTNEED);
	do_move(run, 1, 0, 1, 0);
	do_move(run, 0, 0, 3, 0);
	do_move(run, 1, 3, 3, HOLES);
	do_move(run, 1, 0, 1, HOLES);
	for (int i = 0; i < 6; i++)
		do_touch(run, i, false);
	do_source(run, 1, false);
	do_move(run, 1, 4, 1, 0); /* the page of zeros */
	do_touch(run, 4, true);
}

static void move_refuses_what_it_must(struct run *run)
{
	struct uffdio_move args = {
		.dst = (uintptr_t)run->area + 1,
		.src = (uintptr_t)run->bytes,
		.len = run->page,
	};

	do_api(run, SIGBUSES);
	do_move(run, 0, 0, 1, 0);
	do_register(run, 0, 6, MISSING);
	do_move(run, 0, 5, 2, 0);
	do_move(run, 7, 0, 2, 0);
	do_move(run, 0, 0, 0, 0);
	do_move(run, 0, 0, 1, 4);
	do_ioctl(run, "odd place", UFFDIO_MOVE, &args, 32);
	args.dst = (uintptr_t)run->area;
	args.src++;
	do_ioctl(run, "odd source", UFFDIO_MOVE, &args, 32);
	args.src = 0x10000;
	do_ioctl(run, "no source", UFFDIO_MOVE, &args, 32);
	mprotect(run->bytes, run->page, PROT_READ);
	do_move(run, 0, 0, 1, 0);
	mprotect(run->bytes, run->page, PROT_READ | PROT_WRITE);
	do_copy(run, 1, 1, 0);
	do_poison(run, 2, 1, 0);
	do_move(run, 0, 1, 1, 0);
	do_move(run, 0, 2, 1, 0);
	do_move(run, 0, 0, 2, 0);
	do_source(run, 1, false);
}

static void pages_move_within_a_range(struct run *run)
{
	do_api(run, UNPOPULATED);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 2, UFFDIO_COPY_MODE_WP);
	do_move_within(run, 0, 4, 2, 0);
	do_marks(run);
	do_touch(run, 0, false);
	do_touch(run, 4, true);
	do_poison(run, 2, 1, 0);
	do_protect(run, 3, 1, 1);
	do_move_within(run, 2, 6, 1, HOLES);
	do_move_within(run, 3, 6, 1, HOLES);
	do_move_within(run, 4, 4, 1, 0);
	do_move_within(run, 4, 5, 2, 0);
	do_move_within(run, 5, 6, 2, 0);
	do_marks(run);
	for (int i = 0; i < 8; i++)
		do_touch(run, i, false);
}

static void what_a_child_has_stays(struct run *run)
{
	int ends[2];
	pid_t child;
	char byte;

	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		close(ends[1]);
		_exit((int)read(ends[0], &byte, 1));
	}
	do_move(run, 0, 0, 1, 0);
	do_source(run, 0, true);
	do_move(run, 0, 0, 1, 0);
	close(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	do_touch(run, 0, false);
}

static void who_waits_gets_what_is_moved(struct run *run)
{
	struct toucher t[2];

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	do_start(&t[0], run, 1, false);
	do_start(&t[1], run, 2, true);
	do_read(run);
	do_read(run);
	do_copy(run, 5, 1, 0);
	if (run->memory == ANON) {
		do_move(run, 1, 1, 2, 0);
	} else {
		do_move(run, 1, 1, 2, 0);
		do_copy(run, 1, 2, 0);
	}
	do_finish(&t[0], run);
	do_finish(&t[1], run);
	do_poll(run);
}

/* It is missing at its old place from then on. */
static void a_page_that_left_is_asked_for(struct run *run)
{
	struct toucher t;

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 1, 0);
	do_move_within(run, 0, 1, 1, 0);
	do_start(&t, run, 0, false);
	do_read(run);
	do_zero(run, 0, 1, 0);
	do_finish(&t, run);
}

const struct conform_case move_cases[] = {
	CASE(pages_leave_and_arrive),	     CASE(holes_are_moved_or_an_error),
	CASE(move_refuses_what_it_must),     CASE(pages_move_within_a_range),
	CASE(what_a_child_has_stays),	     CASE(who_waits_gets_what_is_moved),
	CASE(a_page_that_left_is_asked_for), { NULL, NULL },
};
