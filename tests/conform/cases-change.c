/* SPDX-License-Identifier: MIT */
/*
 * cases-change.c - rows of the table: mappings that change, and forks.
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

static void a_dropped_page_is_missing_again(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 6, 0);
	do_poison(run, 6, 1, 0);
	do_change(run, ADVISE, 1, 3, MADV_DONTNEED);
	touch_all(run);
	do_copy(run, 1, 1, 0);
	do_change(run, ADVISE, 0, 8, MADV_DONTNEED);
	touch_all(run);
	do_copy(run, 0, 8, 0);
	touch_all(run);
}

static void a_dropped_page_is_not_protected(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 6, UFFDIO_COPY_MODE_WP);
	do_change(run, ADVISE, 1, 3, MADV_DONTNEED);
	do_marks(run);
	touch_all(run);
	do_copy(run, 1, 2, 0);
	do_marks(run);
	touch_all(run);
}

static void protection_alone_and_dropped(struct run *run)
{
	do_api(run, SIGBUSES | UFFD_FEATURE_WP_UNPOPULATED);
	for (int i = 0; i < 4; i++)
		do_touch(run, i, true);
	do_register(run, 0, 8, WP);
	do_protect(run, 0, 6, 1);
	do_change(run, ADVISE, 1, 4, MADV_DONTNEED);
	do_marks(run);
	touch_all(run);
}

static void a_hole_in_the_file(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 8, 0);
	do_change(run, ADVISE, 2, 3, MADV_REMOVE);
	touch_all(run);
	for (int i = 0; i < 8; i++)
		do_other(run, i, false);
	touch_all(run);
}

/* Poison is of the mapping, not of the file. */
static void a_hole_in_the_file_leaves_poison(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 2, 0);
	do_poison(run, 2, 3, 0);
	do_change(run, ADVISE, 1, 3, MADV_REMOVE);
	touch_all(run);
	do_copy(run, 2, 1, 0);
	do_unregister(run, 0, 8);
	touch_all(run);
}

static void a_minor_page_that_is_dropped(struct run *run)
{
	do_api(run, SIGBUSES);
	for (int i = 0; i < 6; i++)
		do_other(run, i, true);
	do_register(run, 0, 8, MINOR);
	do_continue(run, 0, 4, 0);
	do_change(run, ADVISE, 1, 2, MADV_DONTNEED);
	for (int i = 0; i < 6; i++)
		do_touch(run, i, false);
	do_continue(run, 1, 2, 0);
	for (int i = 0; i < 6; i++)
		do_touch(run, i, false);
}

static void other_protections(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 2, UFFDIO_COPY_MODE_WP);
	do_copy(run, 2, 2, 0);
	do_change(run, PROTECT, 1, 4, PROT_READ);
	do_marks(run);
	for (int i = 0; i < 8; i++)
		do_touch(run, i, false);
	do_copy(run, 4, 1, 0);
	do_touch(run, 4, false);
	do_change(run, ADVISE, 3, 1, MADV_DONTNEED);
	do_touch(run, 3, false);
	do_change(run, PROTECT, 0, 8, PROT_READ | PROT_WRITE);
	do_marks(run);
	touch_all(run);
	do_copy(run, 3, 1, 0);
	do_copy(run, 5, 3, 0);
	touch_all(run);
}

static void unmapped(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 3, 0);
	do_change(run, UNMAP, 2, 2, 0);
	do_copy(run, 2, 1, 0);
	do_copy(run, 1, 2, 0);
	do_copy(run, 4, 1, 0);
	do_touch(run, 0, false);
	do_touch(run, 4, false);
	do_touch(run, 5, false);
	do_change(run, UNMAP, 0, 8, 0);
	do_copy(run, 0, 1, 0);
	do_unregister(run, 0, 8);
}

static void mapped_over(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 4, 0);
	do_change(run, MAP_OVER, 3, 2, 0);
	do_copy(run, 3, 1, 0);
	touch_all(run);
	do_register(run, 3, 2, MISSING);
	do_copy(run, 5, 1, 0);
	touch_all(run);
}

static void moved_without_a_word(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 4, UFFDIO_COPY_MODE_WP);
	do_copy(run, 4, 1, 0);
	do_change(run, MOVE, 0, 8, 8);
	do_marks(run);
	touch_all(run);
	do_copy(run, 6, 1, 0);
	do_register(run, 0, 8, MISSING);
	touch_all(run);
}

static void moved_with_an_event(struct run *run)
{
	struct changer changer;

	do_api(run, SIGBUSES | REMAP);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 4, UFFDIO_COPY_MODE_WP);
	do_copy(run, 4, 1, 0);
	do_start_change(&changer, run, MOVE, 0, 8, 8);
	do_is_changed(&changer, run);
	do_copy(run, 6, 1, 0);
	do_zero(run, 6, 1, 0);
	do_protect(run, 0, 1, 0);
	do_event(run);
	do_finish_change(&changer, run);
	do_event(run);
	do_marks(run);
	touch_all(run);
	do_copy(run, 6, 1, 0);
	do_touch(run, 6, true);
}

static void moved_and_shorter(struct run *run)
{
	struct changer changer;

	do_api(run, SIGBUSES | REMAP | UNMAPS);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 6, 0);
	do_start_change(&changer, run, MOVE, 0, 8, 5);
	for (int i = 0; i < 3; i++) {
		do_wait(run);
		do_event(run);
	}
	do_finish_change(&changer, run);
	do_event(run);
	for (int i = 0; i < 5; i++)
		do_touch(run, i, false);
	do_copy(run, 4, 1, 0);
}

/* Both places, one after the other. */
static void look_at_both(struct run *run)
{
	for (int i = 0; i < 2; i++) {
		do_marks(run);
		touch_all(run);
		do_copy(run, 6, 1, 0);
		do_touch(run, 6, false);
		do_go_there(run);
	}
}

static void moved_away_without_a_word(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 4, UFFDIO_COPY_MODE_WP);
	do_copy(run, 4, 1, 0);
	do_change(run, LEAVE, 0, 8, 8);
	look_at_both(run);
	do_go_there(run);
	do_protect(run, 6, 1, UFFDIO_WRITEPROTECT_MODE_WP);
	do_touch(run, 6, true);
	do_change(run, LEAVE, 0, 8, 5);
	do_unregister(run, 0, 8);
	touch_all(run);
}

static void moved_away_with_an_event(struct run *run)
{
	struct changer changer;

	do_api(run, SIGBUSES | REMAP | UNMAPS);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 4, UFFDIO_COPY_MODE_WP);
	do_poison(run, 5, 1, 0);
	do_start_change(&changer, run, LEAVE, 0, 8, 8);
	do_event(run);
	do_finish_change(&changer, run);
	do_event(run);
	look_at_both(run);
}

static void moved_away_where_minor_faults_are_told(struct run *run)
{
	do_api(run, SIGBUSES);
	for (int i = 0; i < 6; i++)
		do_other(run, i, true);
	do_register(run, 0, 8, MISSING | MINOR);
	do_continue(run, 0, 4, 0);
	do_change(run, LEAVE, 0, 8, 8);
	touch_all(run);
	do_go_there(run);
	touch_all(run);
	do_continue(run, 1, 2, 0);
	touch_all(run);
}

static void shorter(struct run *run)
{
	struct changer changer;

	do_api(run, SIGBUSES | REMAP | UNMAPS);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 3, 0);
	do_start_change(&changer, run, RESIZE, 0, 8, 4);
	do_event(run);
	do_finish_change(&changer, run);
	do_event(run);
	for (int i = 0; i < 4; i++)
		do_touch(run, i, false);
	do_copy(run, 4, 1, 0);
	do_copy(run, 3, 1, 0);
}

static void an_event_before_pages_go(struct run *run)
{
	struct changer changer;

	do_api(run, SIGBUSES | REMOVE);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 4, 0);
	do_start_change(&changer, run, ADVISE, 0, 2, MADV_DONTNEED);
	do_is_changed(&changer, run);
	do_touch(run, 0, false);
	do_copy(run, 5, 1, 0);
	do_continue(run, 5, 1, 0);
	do_poison(run, 5, 1, 0);
	do_poll(run);
	do_event(run);
	do_finish_change(&changer, run);
	do_poll(run);
	touch_all(run);
	do_copy(run, 5, 1, 0);
}

static void an_event_after_an_unmapping(struct run *run)
{
	struct changer changer;

	do_api(run, SIGBUSES | UNMAPS);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 4, 0);
	do_start_change(&changer, run, UNMAP, 2, 2, 0);
	do_is_changed(&changer, run);
	do_copy(run, 5, 1, 0);
	do_event(run);
	do_finish_change(&changer, run);
	do_copy(run, 5, 1, 0);
	do_start_change(&changer, run, MAP_OVER, 0, 2, 0);
	do_event(run);
	do_finish_change(&changer, run);
	do_touch(run, 0, false);
	do_touch(run, 1, true);
	do_touch(run, 5, true);
	do_touch(run, 6, true);
}

static void a_fault_before_an_event(struct run *run)
{
	struct changer changer;
	struct toucher toucher;

	do_api(run, REMOVE);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 4, 0);
	do_start_change(&changer, run, ADVISE, 0, 2, MADV_DONTNEED);
	do_start(&toucher, run, 5, false);
	do_event(run);
	do_copy(run, 5, 1, 0);
	do_event(run);
	do_finish_change(&changer, run);
	do_copy(run, 5, 1, 0);
	do_finish(&toucher, run);
}

static void nobody_hears_of_what_is_not_registered(struct run *run)
{
	do_api(run, REMOVE | UNMAPS | REMAP | FORK);
	do_register(run, 0, 4, MISSING);
	do_unregister(run, 0, 4);
	do_change(run, ADVISE, 0, 8, MADV_DONTNEED);
	do_change(run, UNMAP, 6, 2, 0);
	do_event(run);
	do_fork(run);
}

static void a_child_has_nothing(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 2, UFFDIO_COPY_MODE_WP);
	do_copy(run, 2, 2, 0);
	do_poison(run, 4, 1, 0);
	do_fork(run);
	do_marks(run);
	touch_all(run);
}

static void a_child_has_it_all(struct run *run)
{
	do_api(run, SIGBUSES | FORK);
	do_register(run, 0, 8, MISSING | WP);
	do_copy(run, 0, 2, UFFDIO_COPY_MODE_WP);
	do_copy(run, 2, 1, 0);
	do_fork_with_event(run, false);
	do_marks(run);
	touch_all(run);
}

static void a_child_waits_for_its_parent(struct run *run)
{
	do_api(run, FORK);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 3, 1, 0);
	do_fork_with_event(run, true);
	do_copy(run, 0, 3, 0);
	do_touch(run, 0, false);
}

const struct conform_case change_cases[] = {
	CASE(a_dropped_page_is_missing_again),
	CASE(a_dropped_page_is_not_protected),
	CASE(protection_alone_and_dropped),
	CASE(a_hole_in_the_file),
	CASE(a_hole_in_the_file_leaves_poison),
	CASE(a_minor_page_that_is_dropped),
	CASE(other_protections),
	CASE(unmapped),
	CASE(mapped_over),
	CASE(moved_without_a_word),
	CASE(moved_with_an_event),
	CASE(moved_and_shorter),
	CASE(moved_away_without_a_word),
	CASE(moved_away_with_an_event),
	CASE(moved_away_where_minor_faults_are_told),
	CASE(shorter),
	CASE(an_event_before_pages_go),
	CASE(an_event_after_an_unmapping),
	CASE(a_fault_before_an_event),
	CASE(nobody_hears_of_what_is_not_registered),
	CASE(a_child_has_nothing),
	CASE(a_child_has_it_all),
	CASE(a_child_waits_for_its_parent),
	{ NULL, NULL },
};
