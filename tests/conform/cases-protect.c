/* SPDX-License-Identifier: MIT */
/*
 * cases-protect.c - rows of the table: writes that are announced.
 */
#include <stddef.h>

#include "conform/conform.h"

#define MISSING	    UFFDIO_REGISTER_MODE_MISSING
#define MINOR	    UFFDIO_REGISTER_MODE_MINOR
#define WP	    UFFDIO_REGISTER_MODE_WP
#define SIGBUSES    UFFD_FEATURE_SIGBUS
#define UNPOPULATED (SIGBUSES | UFFD_FEATURE_WP_UNPOPULATED)

static void what_is_there_is_protected(struct run *run)
{
	do_api(run, SIGBUSES);
	for (int i = 0; i < 4; i++)
		do_touch(run, i, i % 2);
	do_register(run, 0, 8, WP);
	do_protect(run, 0, 6, 1);
	do_marks(run);
	for (int i = 0; i < 8; i++) {
		do_touch(run, i, false);
		do_touch(run, i, true);
	}
	do_marks(run);
	do_protect(run, 1, 2, 0);
	do_marks(run);
	for (int i = 0; i < 8; i++)
		do_touch(run, i, true);
}

static void what_is_missing_may_be_protected(struct run *run)
{
	do_api(run, UNPOPULATED);
	do_register(run, 0, 8, WP);
	do_touch(run, 0, true);
	do_protect(run, 0, 4, 1);
	do_marks(run);
	for (int i = 0; i < 5; i++)
		do_touch(run, i, i % 2);
	do_marks(run);
	do_protect(run, 0, 8, 0);
	do_marks(run);
	do_touch(run, 1, true);
}

static void a_mark_waits_for_its_page(struct run *run)
{
	do_api(run, UNPOPULATED);
	do_register(run, 0, 8, MISSING | WP);
	do_protect(run, 0, 6, 1);
	do_marks(run);
	do_touch(run, 0, false);
	do_copy(run, 0, 1, UFFDIO_COPY_MODE_WP);
	do_copy(run, 1, 1, 0);
	do_zero(run, 2, 1, 0);
	do_poison(run, 3, 1, 0);
	do_marks(run);
	for (int i = 0; i < 4; i++) {
		do_touch(run, i, false);
		do_touch(run, i, true);
	}
	do_protect(run, 0, 8, 0);
	do_marks(run);
	for (int i = 0; i < 5; i++)
		do_touch(run, i, true);
}

static void copies_come_in_protected(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 3, UFFDIO_COPY_MODE_WP);
	do_copy(run, 3, 1, 0);
	do_marks(run);
	for (int i = 0; i < 4; i++) {
		do_touch(run, i, false);
		do_touch(run, i, true);
	}
	do_protect(run, 0, 8, 0);
	do_touch(run, 1, true);
	do_protect(run, 0, 8, 1);
	do_marks(run);
	do_copy(run, 5, 1, 0);
	do_marks(run);
	do_touch(run, 5, true);
}

static void continued_pages_come_in_protected(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MINOR | WP);
	for (int i = 0; i < 4; i++)
		do_other(run, i, true);
	do_continue(run, 0, 2, UFFDIO_CONTINUE_MODE_WP);
	do_continue(run, 2, 1, 0);
	do_marks(run);
	for (int i = 0; i < 3; i++) {
		do_touch(run, i, false);
		do_touch(run, i, true);
	}
	do_protect(run, 0, 8, 1);
	do_marks(run);
	do_touch(run, 3, true);
	do_protect(run, 0, 8, 0);
	do_touch(run, 0, true);
}

static void protect_refuses_what_it_must(struct run *run)
{
	struct uffdio_writeprotect args = {
		.range = { (uintptr_t)run->area + 1, run->page },
	};

	do_api(run, SIGBUSES);
	do_protect(run, 0, 1, 1);
	do_register(run, 0, 8, MISSING);
	do_protect(run, 0, 1, 1);
	do_copy(run, 0, 1, UFFDIO_COPY_MODE_WP);
	do_unregister(run, 0, 8);
	do_register(run, 0, 4, MISSING | WP);
	do_copy(run, 0, 4, 0);
	do_protect(run, 0, 4, 3);
	do_protect(run, 0, 4, 4);
	do_protect(run, 0, 0, 1);
	do_protect(run, 2, 4, 1); /* has done what comes first */
	do_protect(run, 4, 2, 1);
	do_marks(run);
	do_ioctl(run, "unaligned", UFFDIO_WRITEPROTECT, &args, 16);
}

/* Nobody hears of a write, but the mark is gone. */
static void writes_are_noted_without_a_word(struct run *run)
{
	do_api(run, UFFD_FEATURE_WP_ASYNC);
	do_touch(run, 1, true);
	do_register(run, 0, 8, WP);
	do_protect(run, 0, 8, 1);
	do_marks(run);
	do_touch(run, 1, true);
	do_touch(run, 3, true);
	do_touch(run, 4, false);
	do_marks(run);
	do_poll(run);
	do_read(run);
}

static void a_write_is_a_message(struct run *run)
{
	struct toucher t[2];

	do_api(run, 0);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 3, UFFDIO_COPY_MODE_WP);
	do_start(&t[0], run, 1, true);
	do_start(&t[1], run, 2, true);
	do_read(run);
	do_read(run);
	do_read(run);
	do_protect(run, 1, 1, UFFDIO_WRITEPROTECT_MODE_DONTWAKE);
	do_wake(run, 1, 1);
	do_finish(&t[0], run);
	do_protect(run, 2, 1, 0);
	do_finish(&t[1], run);
	do_marks(run);
}

/* The mark is announced when the page is there. */
static void a_missing_page_comes_before_its_mark(struct run *run)
{
	struct toucher t;

	do_api(run, UFFD_FEATURE_WP_UNPOPULATED);
	do_register(run, 0, 8, MISSING | WP);
	do_protect(run, 0, 8, 1);
	do_start(&t, run, 1, true);
	do_read(run);
	do_copy(run, 1, 1, UFFDIO_COPY_MODE_WP);
	do_wait(run);
	do_read(run);
	do_protect(run, 1, 1, 0);
	do_finish(&t, run);
	do_marks(run);
}

static void unregister_ends_protection(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 6, UFFDIO_COPY_MODE_WP);
	do_unregister(run, 2, 4);
	do_marks(run);
	for (int i = 0; i < 6; i++)
		do_touch(run, i, true);
	do_register(run, 0, 8, MISSING);
	do_marks(run);
	do_touch(run, 0, true);
	do_register(run, 0, 8, WP);
	do_marks(run);
	do_touch(run, 1, true);
}

const struct conform_case protect_cases[] = {
	CASE(what_is_there_is_protected),
	CASE(what_is_missing_may_be_protected),
	CASE(a_mark_waits_for_its_page),
	CASE(copies_come_in_protected),
	CASE(continued_pages_come_in_protected),
	CASE(protect_refuses_what_it_must),
	CASE(writes_are_noted_without_a_word),
	CASE(a_write_is_a_message),
	CASE(a_missing_page_comes_before_its_mark),
	CASE(unregister_ends_protection),
	{ NULL, NULL },
};
