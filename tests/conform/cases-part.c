/* SPDX-License-Identifier: MIT */
/*
 * cases-part.c - rows of the table: a part of registered memory changes, so
 * that it is several mappings; and what a child has of such memory.
 */
#include <stddef.h>
#include <sys/mman.h>

#include "conform/change.h"

#define MISSING	 UFFDIO_REGISTER_MODE_MISSING
#define MINOR	 UFFDIO_REGISTER_MODE_MINOR
#define WP	 UFFDIO_REGISTER_MODE_WP
#define SIGBUSES UFFD_FEATURE_SIGBUS
#define REMAP	 UFFD_FEATURE_EVENT_REMAP
#define REMOVE	 UFFD_FEATURE_EVENT_REMOVE
#define UNMAPS	 UFFD_FEATURE_EVENT_UNMAP
#define FORK	 UFFD_FEATURE_EVENT_FORK

static void touch_all(struct run *run)
{
	for (int i = 0; i < PAGES; i++)
		do_touch(run, i, i % 2);
}

static void a_fill_is_of_one_protection(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_change(run, PROTECT, 3, 2, PROT_READ);
	do_copy(run, 2, 3, 0);
	do_zero(run, 4, 2, 0);
	do_copy(run, 3, 2, 0);
	do_change(run, PROTECT, 0, 8, PROT_READ | PROT_WRITE);
	do_copy(run, 0, 3, 0);
	do_zero(run, 5, 3, 0);
	touch_all(run);
}

static void who_may_write_may_read(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_change(run, PROTECT, 0, 4, PROT_WRITE);
	do_touch(run, 0, false);
	do_copy(run, 0, 1, UFFDIO_COPY_MODE_WP);
	do_touch(run, 0, false);
	do_touch(run, 0, true);
}

static void a_protection_ends_at_a_hole(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 8, 0);
	do_change(run, UNMAP, 3, 1, 0);
	do_change(run, PROTECT, 1, 5, PROT_READ);
	touch_all(run);
}

/* The hole is told of only when nothing worse comes. */
static void dropped_around_a_hole(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 8, 0);
	do_change(run, UNMAP, 3, 1, 0);
	do_change(run, ADVISE, 1, 4, MADV_REMOVE);
	do_change(run, MAP_OVER, 6, 1, 0);
	do_change(run, ADVISE, 2, 6, MADV_REMOVE);
	for (int i = 0; i < PAGES; i++)
		if (i != 3)
			do_touch(run, i, false);
}

static void what_was_not_dropped_is_not_missing(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | MINOR);
	do_copy(run, 0, 8, 0);
	do_change(run, MAP_OVER, 2, 1, 0);
	do_change(run, ADVISE, 2, 6, MADV_REMOVE);
	for (int i = 0; i < PAGES; i++)
		do_touch(run, i, false);
}

/* The same file once more, behind something else, is not come to. */
static void what_comes_after_an_error_stays(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 4, MISSING | MINOR);
	do_other(run, 6, true);
	do_register(run, 6, 1, MINOR);
	do_touch(run, 6, false);
	do_continue(run, 6, 1, 0);
	do_change(run, MAP_OVER, 4, 1, 0);
	if (run->other)
		(void)mremap(run->other + 6 * run->page, 0, run->page,
			     MREMAP_MAYMOVE | MREMAP_FIXED,
			     run->area + 5 * run->page);
	do_change(run, ADVISE, 3, 3, MADV_REMOVE);
	do_touch(run, 6, false);
}

static void one_event_for_each_mapping(struct run *run)
{
	struct changer changer;

	do_api(run, SIGBUSES | REMOVE);
	do_register(run, 0, 3, MISSING);
	do_register(run, 3, 3, MISSING);
	do_register(run, 6, 2, MISSING | WP);
	do_start_change(&changer, run, ADVISE, 1, 6, MADV_DONTNEED);
	do_event(run);
	do_wait(run);
	do_event(run);
	do_finish_change(&changer, run);
}

static void nobody_hears_of_what_is_refused(struct run *run)
{
	do_api(run, SIGBUSES | REMOVE);
	do_change(run, MAP_OVER, 0, 8, 0);
	do_register(run, 0, 8, MISSING);
	do_change(run, ADVISE, 0, 8, MADV_REMOVE);
	do_event(run);
}

static void what_grows_looks_the_same(struct run *run)
{
	do_api(run, SIGBUSES | REMAP);
	do_register(run, 0, 8, MISSING);
	do_change(run, UNMAP, 5, 3, 0);
	do_change(run, RESIZE, 2, 3, 6);
	for (int i = 2; i < 8; i++)
		do_touch(run, i, false);
	do_copy(run, 4, 2, 0);
	do_unregister(run, 0, 8);
	for (int i = 2; i < 8; i++)
		do_touch(run, i, false);
}

static void what_moves_is_one_mapping(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 6, MISSING);
	do_change(run, PROTECT, 2, 1, PROT_READ);
	do_change(run, MOVE, 0, 4, 4);
	do_change(run, MOVE, 4, 4, 4);
	do_change(run, MOVE, 5, 0, 0);
	do_change(run, UNMAP, 7, 1, 0);
	do_change(run, RESIZE, 4, 3, 4);
	do_change(run, MOVE, 0, 4, 2);
}

static void poison_that_is_left_moves_along(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 1, 2, MISSING);
	do_poison(run, 2, 1, 0);
	do_copy(run, 1, 1, 0);
	do_unregister(run, 1, 2);
	do_change(run, MOVE, 0, 6, 4);
	for (int i = 0; i < 4; i++)
		do_touch(run, i, i % 2);
	do_change(run, RESIZE, 0, 4, 2);
	do_change(run, MOVE, 0, 2, 2);
	do_touch(run, 1, false);
}

static void who_waits_there_goes_on_waiting(struct run *run)
{
	struct toucher toucher;

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	do_change(run, UNMAP, 6, 2, 0);
	do_start(&toucher, run, 1, false);
	do_read(run);
	do_change(run, RESIZE, 1, 5, 7);
	(void)do_settle(&toucher);
	do_read(run);
	do_copy(run, 1, 1, 0);
	do_finish(&toucher, run);
}

static void a_child_has_no_access_either(struct run *run)
{
	do_api(run, SIGBUSES | FORK);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 5, 1, 0);
	do_change(run, PROTECT, 2, 5, PROT_NONE);
	do_fork_with_event(run, false);
}

static void nothing_of_a_file_is_mapped_in_a_child(struct run *run)
{
	do_api(run, SIGBUSES | FORK);
	do_other(run, 6, true);
	do_register(run, 0, 8, MISSING);
	/* Refused for private memory, which stays as it was. */
	do_register(run, 0, 8, MISSING | MINOR);
	do_copy(run, 3, 3, 0);
	do_fork_with_event(run, false);
}

static void but_with_protection_it_is(struct run *run)
{
	do_api(run, SIGBUSES | FORK);
	do_register(run, 0, 8, WP);
	for (int i = 0; i < PAGES; i++)
		do_touch(run, i, false);
	do_fork_with_event(run, false);
}

/* Not all bytes of a source can be had. */
static void a_source_ends_before_a_child_s_page(struct run *run)
{
	do_api(run, SIGBUSES | FORK);
	do_register(run, 0, 8, MISSING);
	munmap(run->bytes + 2 * run->page, run->page);
	do_fork_with_event(run, false);
	do_register(run, 1, 7, MISSING | WP);
	do_fork_with_event(run, false);
}

const struct conform_case part_cases[] = {
	CASE(a_fill_is_of_one_protection),
	CASE(who_may_write_may_read),
	CASE(a_protection_ends_at_a_hole),
	CASE(dropped_around_a_hole),
	CASE(what_was_not_dropped_is_not_missing),
	CASE(what_comes_after_an_error_stays),
	CASE(one_event_for_each_mapping),
	CASE(nobody_hears_of_what_is_refused),
	CASE(what_grows_looks_the_same),
	CASE(what_moves_is_one_mapping),
	CASE(poison_that_is_left_moves_along),
	CASE(who_waits_there_goes_on_waiting),
	CASE(a_child_has_no_access_either),
	CASE(nothing_of_a_file_is_mapped_in_a_child),
	CASE(but_with_protection_it_is),
	CASE(a_source_ends_before_a_child_s_page),
	{ NULL, NULL },
};
