/* SPDX-License-Identifier: MIT */
/*
 * test-conform.c - one table of cases, each done to the kernel's userfaultfd
 * and to mfill's, on each kind of memory: what the kernel does is right.
 *
 * Where the two are to differ, a case is not here but in
 * docs/uffd-differences.md, or what differs is masked in conform.c, which that
 * page says, too.
 */
#include "conform/conform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "uffd/window.h"

#define MISSING	 UFFDIO_REGISTER_MODE_MISSING
#define MINOR	 UFFDIO_REGISTER_MODE_MINOR
#define SIGBUSES UFFD_FEATURE_SIGBUS

static void no_call_works_before_api(struct run *run)
{
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 1, 0);
	do_wake(run, 0, 1);
	do_read(run);
}

static void api_is_called_once_and_with_what_there_is(struct run *run)
{
	struct uffdio_api wrong = { .api = 0xab };

	do_ioctl(run, "wrong api", UFFDIO_API, &wrong, 8);
	do_api(run, (uint64_t)1 << 63);
	do_api(run, UFFD_FEATURE_EXACT_ADDRESS);
	do_api(run, 0);
	do_ioctl(run, "unknown", _IO(0xAA, 0x3e), &wrong, 8);
}

static void register_refuses_what_it_must(struct run *run)
{
	struct uffdio_register args = { .range = { 0, run->page },
					.mode = MISSING };
	char *stray = run->area - run->page;

	do_api(run, 0);
	do_register(run, 0, 8, 0);
	do_register(run, 0, 8, 8);
	do_register(run, 0, 0, MISSING);
	do_register(run, 0, 8, MINOR);
	args.range.start = (uintptr_t)run->area + 1;
	do_ioctl(run, "unaligned", UFFDIO_REGISTER, &args, 8);
	args.range.start = (uintptr_t)run->area;
	args.range.len = run->page - 1;
	do_ioctl(run, "odd length", UFFDIO_REGISTER, &args, 8);
	args.range.len = -(uint64_t)run->page;
	do_ioctl(run, "wraps", UFFDIO_REGISTER, &args, 8);
	munmap(stray, run->page);
	args.range.start = (uintptr_t)stray;
	args.range.len = run->page;
	do_ioctl(run, "nothing there", UFFDIO_REGISTER, &args, 8);
	/* run_end() unmaps it, and must not find somebody else there. */
	ck_assert_ptr_eq(mmap(stray, run->page, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 stray);
}

static void what_is_there_stays_there(struct run *run)
{
	do_api(run, SIGBUSES);
	run->area[2 * run->page + 100] = 5;
	do_register(run, 0, 8, MISSING);
	do_touch(run, 2, false);
	do_touch(run, 1, false);
	do_touch(run, 1, true);
	do_copy(run, 2, 1, 0);
	do_unregister(run, 0, 8);
	do_touch(run, 1, false);
}

static void copies_are_whole_partial_or_nothing(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 6, MISSING);
	do_copy(run, 0, 2, 0);
	do_copy(run, 0, 1, 0);
	do_copy(run, 3, 1, 0);
	do_copy(run, 2, 3, 0);
	do_copy(run, 5, 2, 0);
	do_copy(run, 6, 1, 0);
	do_copy(run, 4, 1, 4);
	do_copy(run, 4, 1, UFFDIO_COPY_MODE_WP);
	do_copy(run, 4, 0, 0);
	do_copy(run, 4, 1, UFFDIO_COPY_MODE_DONTWAKE);
	for (int i = 0; i < PAGES; i++)
		do_touch(run, i, false);
}

static void zeros_too(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_zero(run, 0, 2, 0);
	do_zero(run, 1, 2, 0);
	do_zero(run, 3, 2, 2);
	do_zero(run, 3, 2, 1);
	do_copy(run, 0, 1, 0);
	for (int i = 0; i < 6; i++) {
		do_touch(run, i, false);
		do_touch(run, i, true);
	}
}

static void poison_is_an_error_until_it_is_filled(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 1, 1, 0);
	do_poison(run, 0, 2, 0);
	do_poison(run, 0, 1, 0);
	do_poison(run, 2, 2, 0);
	do_poison(run, 4, 1, 2);
	do_touch(run, 0, false);
	do_touch(run, 1, false);
	do_zero(run, 2, 1, 0);
	do_copy(run, 3, 1, 0);
	do_touch(run, 2, false);
	do_touch(run, 3, false);
	do_touch(run, 0, true);
}

static void minor_faults_are_continued(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MINOR);
	do_other(run, 1, true);
	do_touch(run, 1, false);
	do_continue(run, 1, 1, 0);
	do_continue(run, 1, 1, 0);
	do_continue(run, 0, 2, 0);
	do_touch(run, 1, false);
	do_continue(run, 2, 1, 0);
	do_other(run, 3, true);
	do_other(run, 4, true);
	do_continue(run, 3, 3, 0);
	do_touch(run, 3, false);
	do_touch(run, 7, false);
}

static void both_kinds_of_faults_together(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | MINOR);
	do_other(run, 1, true);
	do_touch(run, 0, false);
	do_touch(run, 1, false);
	do_continue(run, 1, 1, 0);
	do_copy(run, 1, 1, 0);
	do_copy(run, 0, 1, 0);
	do_touch(run, 0, false);
	do_touch(run, 1, false);
}

static void a_page_filled_elsewhere_is_mapped_silently(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_touch(run, 3, false);
	do_other(run, 3, true);
	do_copy(run, 3, 1, 0);
	do_touch(run, 3, false);
}

static void registering_again_replaces_less_and_keeps_more(struct run *run)
{
	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING | MINOR);
	do_register(run, 0, 8, MISSING);
	do_other(run, 1, true);
	do_touch(run, 1, false);
	do_register(run, 2, 2, MINOR);
	do_touch(run, 2, false);
	do_unregister(run, 4, 2);
	do_touch(run, 4, false);
	do_touch(run, 6, false);
	do_copy(run, 4, 1, 0);
	do_copy(run, 3, 2, 0);
	do_register(run, 4, 2, MISSING);
	do_touch(run, 5, true);
}

static void unregister_refuses_what_it_must(struct run *run)
{
	struct uffdio_range args = { (uintptr_t)run->area + 1, run->page };

	do_api(run, 0);
	do_unregister(run, 0, 8);
	do_unregister(run, 0, 0);
	do_ioctl(run, "unaligned", UFFDIO_UNREGISTER, &args,
		 0 * sizeof(args) + 8);
	do_register(run, 0, 8, MISSING);
	do_unregister(run, 0, 4);
	do_unregister(run, 0, 8);
	do_copy(run, 0, 1, 0);
}

static void the_source_need_not_be_aligned_but_must_be_there(struct run *run)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)run->area,
		.src = (uintptr_t)run->bytes + 100,
		.len = run->page,
	};

	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_ioctl(run, "unaligned", UFFDIO_COPY, &args, 32);
	do_touch(run, 0, false);
	/* Not unmapped: run_end() would unmap whoever came there since. */
	mprotect(run->bytes + 2 * run->page, run->page, PROT_NONE);
	do_copy(run, 2, 4, 0);
	args.dst = (uintptr_t)run->area + 5 * run->page;
	args.src = (uintptr_t)run->bytes + 2 * run->page;
	do_ioctl(run, "no source", UFFDIO_COPY, &args, 32);
	args.src = (uintptr_t)run->area + 7 * run->page;
	do_ioctl(run, "missing source", UFFDIO_COPY, &args, 32);
	/* There already, and the source is not: which comes first? */
	args.dst = (uintptr_t)run->area;
	do_ioctl(run, "both", UFFDIO_COPY, &args, 32);
	args.dst = (uintptr_t)run->area + 1;
	do_ioctl(run, "odd place", UFFDIO_COPY, &args, 32);
	do_ioctl(run, "no struct", UFFDIO_COPY, &args, 32);
}

static void system_calls_get_EFAULT(struct run *run)
{
	int ends[2];

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 1, 1, 0);
	ck_assert_int_eq(pipe(ends), 0);
	say(run, "missing %d", (int)write(ends[1], run->area, 8));
	say(run, " %s, present %d\n", strerrorname_np(errno),
	    (int)write(ends[1], run->area + run->page, 8));
	close(ends[0]);
	close(ends[1]);
	do_read(run);
}

static void a_child_has_no_registration(struct run *run)
{
	pid_t child;
	int status;

	do_api(run, SIGBUSES);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 1, 1, 0);
	do_poison(run, 2, 1, 0);
	child = fork();
	if (child == 0) {
		volatile char *area = run->area;

		if (run->memory == ANON && area[100] != 0)
			_exit(1);
		_exit(area[run->page + 100] != 1 ? 2 : 3);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	say(run, "child: %d\n", status);
	do_touch(run, 2, false);
	do_touch(run, 5, false);
}

/* With threads */

static void one_message_for_each_thread_oldest_first(struct run *run)
{
	struct toucher t[3];

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	do_read(run);
	do_poll(run);
	do_start(&t[0], run, 3, false);
	do_start(&t[1], run, 1, true);
	do_start(&t[2], run, 3, false);
	do_poll(run);
	do_read(run);
	do_read(run);
	do_read(run);
	do_read(run);
	do_poll(run);
	do_copy(run, 0, 4, 0);
	for (int i = 0; i < 3; i++)
		do_finish(&t[i], run);
}

static void a_message_nobody_read_goes_with_its_fault(struct run *run)
{
	struct toucher t;

	do_api(run, UFFD_FEATURE_EXACT_ADDRESS);
	do_register(run, 0, 8, MISSING);
	do_start(&t, run, 2, false);
	do_poll(run);
	do_copy(run, 2, 1, 0);
	do_finish(&t, run);
	do_poll(run);
	do_read(run);
}

static void who_is_woken_too_early_asks_again(struct run *run)
{
	struct toucher t;

	do_api(run, UFFD_FEATURE_EXACT_ADDRESS);
	do_register(run, 0, 8, MISSING);
	do_start(&t, run, 2, true);
	do_read(run);
	do_wake(run, 0, 2);
	do_wait(run);
	do_read(run);
	do_wake(run, 2, 1);
	do_wait(run);
	do_read(run);
	do_copy(run, 2, 1, UFFDIO_COPY_MODE_DONTWAKE);
	do_poll(run);
	do_wake(run, 0, 8);
	do_finish(&t, run);
}

static void unregister_and_close_let_go(struct run *run)
{
	struct toucher t[2];

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	do_start(&t[0], run, 1, false);
	do_unregister(run, 0, 4);
	do_finish(&t[0], run);
	do_read(run);
	do_start(&t[1], run, 5, true);
	do_read(run);
	say(run, "close: %d\n", run->who->close(run->fd));
	run->fd = -1;
	do_finish(&t[1], run);
}

/* Not to a handler, who would wait for nobody. */
static void poison_is_no_message(struct run *run)
{
	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	do_poison(run, 0, 1, 0);
	do_touch(run, 0, false);
	do_poll(run);
}

static void minor_messages_say_so(struct run *run)
{
	struct toucher t;

	do_api(run, 0);
	do_register(run, 0, 8, MISSING | MINOR);
	do_other(run, 3, true);
	do_start(&t, run, 3, true);
	do_read(run);
	do_continue(run, 3, 1, 0);
	do_finish(&t, run);
}

static void short_reads_are_refused(struct run *run)
{
	struct uffd_msg message;

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	say(run, "%d\n", (int)run->who->read(run->fd, &message, 31));
	say(run, "%d\n", (int)run->who->read(run->fd, &message, 33));
}

static const struct conform_case cases[] = {
	CASE(no_call_works_before_api),
	CASE(api_is_called_once_and_with_what_there_is),
	CASE(register_refuses_what_it_must),
	CASE(what_is_there_stays_there),
	CASE(copies_are_whole_partial_or_nothing),
	CASE(zeros_too),
	CASE(poison_is_an_error_until_it_is_filled),
	CASE(minor_faults_are_continued),
	CASE(both_kinds_of_faults_together),
	CASE(a_page_filled_elsewhere_is_mapped_silently),
	CASE(registering_again_replaces_less_and_keeps_more),
	CASE(unregister_refuses_what_it_must),
	CASE(the_source_need_not_be_aligned_but_must_be_there),
	CASE(system_calls_get_EFAULT),
	CASE(a_child_has_no_registration),
	CASE(one_message_for_each_thread_oldest_first),
	CASE(a_message_nobody_read_goes_with_its_fault),
	CASE(who_is_woken_too_early_asks_again),
	CASE(unregister_and_close_let_go),
	CASE(poison_is_no_message),
	CASE(minor_messages_say_so),
	CASE(short_reads_are_refused),
	{ NULL, NULL },
};

static struct run by_kernel, by_mfill;

static unsigned compare_some(enum memory memory,
			     const struct conform_case *some)
{
	unsigned wrong = 0;

	for (; some->name; some++) {
		if (!run_start(&by_kernel, &kernel, memory, O_NONBLOCK))
			SKIP("the kernel's userfaultfd, to compare with");
		some->act(&by_kernel);
		/* It hears of every fork as long as it is open. */
		run_end(&by_kernel);
		if (!run_start(&by_mfill, &mfill, memory, O_NONBLOCK))
			SKIP("/proc");
		some->act(&by_mfill);
		if (strcmp(by_kernel.log, by_mfill.log) != 0) {
			wrong++;
			printf("# %s, %s memory\n# -- kernel:\n%s# -- mfill:\n"
			       "%s",
			       some->name, memory_names[memory], by_kernel.log,
			       by_mfill.log);
			fflush(stdout);
		}
		run_end(&by_mfill);
	}
	return wrong;
}

static void compare(enum memory memory)
{
	ck_assert_uint_eq(compare_some(memory, cases) +
				  compare_some(memory, protect_cases) +
				  compare_some(memory, move_cases) +
				  compare_some(memory, change_cases) +
				  compare_some(memory, part_cases),
			  0);
}

TEST_WITHIN(private_memory_is_as_the_kernel_s, 60)
{
	compare(ANON);
}

TEST_WITHIN(shared_memory_is_as_the_kernel_s, 60)
{
	compare(SHARED);
}

TEST_WITHIN(memfd_memory_is_as_the_kernel_s, 60)
{
	compare(MEMFD);
}

/* Each page is taken for one of many in order. */
TEST_WITHIN(private_memory_in_windows_is_as_the_kernel_s, 60)
{
	mf_window_after = 0;
	compare(ANON);
}

TEST_WITHIN(private_memory_on_an_old_kernel_is_as_this_kernel_s, 60)
{
	force_old_kernel();
	compare(ANON);
}

TEST_WITHIN(shared_memory_on_an_old_kernel_is_as_this_kernel_s, 60)
{
	force_old_kernel();
	compare(SHARED);
}

TEST_WITHIN(memfd_memory_on_an_old_kernel_is_as_this_kernel_s, 60)
{
	force_old_kernel();
	compare(MEMFD);
}
