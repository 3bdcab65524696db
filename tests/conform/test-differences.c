/* SPDX-License-Identifier: MIT */
/*
 * test-differences.c - what docs/uffd-differences.md says is so: each of its
 * headings is a case here, in which the kernel and mfill do differ.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conform/conform.h"
#include "harness/harness.h"

#define MISSING UFFDIO_REGISTER_MODE_MISSING

static void what_is_not_offered(struct run *run)
{
	do_api(run, UFFD_FEATURE_MISSING_HUGETLBFS);
}

/* Only the privileged may have it of the kernel. */
static void faults_of_the_kernel(struct run *run)
{
	int fd = run->who->open(O_CLOEXEC);

	say(run, "open: %s\n", fd < 0 ? strerrorname_np(-fd) : "done");
	if (fd >= 0)
		close(fd);
}

static void private_memfds(struct run *run)
{
	int fd = memfd_create("private", MFD_CLOEXEC);
	struct uffdio_register args = { .mode = MISSING };
	void *area;

	ck_assert_int_eq(ftruncate(fd, (off_t)run->page), 0);
	area = mmap(NULL, run->page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		    0);
	args.range.start = (uintptr_t)area;
	args.range.len = run->page;
	do_api(run, 0);
	do_ioctl(run, "register", UFFDIO_REGISTER, &args, 0);
	munmap(area, run->page);
	close(fd);
}

static void memory_that_is_dropped(struct run *run)
{
	do_api(run, UFFD_FEATURE_SIGBUS);
	do_register(run, 0, 8, MISSING);
	do_copy(run, 0, 1, 0);
	madvise(run->area, run->page, MADV_DONTNEED);
	do_touch(run, 0, false);
}

static void the_descriptor(struct run *run)
{
	struct uffdio_range range = { (uintptr_t)run->area, run->page };
	struct uffd_msg message;
	int copy = dup(run->fd);

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	say(run, "dup: %d\n", run->who->ioctl(copy, UFFDIO_WAKE, &range));
	close(copy);
	say(run, "read: %d\n", (int)read(run->fd, &message, sizeof(message)));
}

static void poll_of_a_blocking_descriptor(struct run *run)
{
	do_api(run, 0);
	fcntl(run->fd, F_SETFL, 0);
	do_poll(run);
	fcntl(run->fd, F_SETFL, O_NONBLOCK);
}

static void the_descriptor_in_a_child(struct run *run)
{
	pid_t child;
	int status;

	do_api(run, 0);
	do_register(run, 0, 8, MISSING);
	child = fork();
	if (child == 0) {
		do_copy(run, 0, 1, 0);
		_exit(strstr(run->log, "EBADF") ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	say(run, "child: %d\n", status);
}

static void pages_in_passing(struct run *run)
{
	do_other(run, 2, true);
	do_api(run, UFFD_FEATURE_SIGBUS);
	do_register(run, 0, 6, MISSING);
	do_touch(run, 0, false);
	do_continue(run, 2, 1, 0);
}

static void marks_of_a_mode(struct run *run)
{
	do_api(run, UFFD_FEATURE_SIGBUS);
	do_register(run, 0, 8, MISSING | UFFDIO_REGISTER_MODE_WP);
	do_copy(run, 0, 2, UFFDIO_COPY_MODE_WP);
	do_register(run, 0, 8, MISSING | UFFDIO_REGISTER_MODE_MINOR);
	do_unregister(run, 0, 8);
	do_marks(run);
}

static void who_unregister_wakes(struct run *run)
{
	struct toucher t;

	do_api(run, 0);
	do_register(run, 0, 8, UFFDIO_REGISTER_MODE_MINOR);
	do_other(run, 1, true);
	do_start(&t, run, 1, false);
	do_unregister(run, 0, 8);
	say(run, "awake: %d\n", do_settle(&t));
	do_wake(run, 0, 8);
	do_finish(&t, run);
}

/* The kernel does not join the second to the first: both have pages. */
static void ranges_one_by_one(struct run *run)
{
	char *fresh = mmap(NULL, PAGES * run->page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *area = run->area;

	run->area = fresh;
	do_api(run, UFFD_FEATURE_SIGBUS);
	do_register(run, 1, 5, MISSING);
	do_copy(run, 1, 1, 0);
	do_touch(run, 6, true);
	do_register(run, 6, 2, MISSING);
	do_zero(run, 3, 4, 0);
	run->area = area;
	munmap(fresh, PAGES * run->page);
}

static void beyond_the_end(struct run *run)
{
	char *room = mmap(NULL, 16 * run->page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *area = run->area;

	/* As long again as its file. */
	run->area = mremap(area, 0, 16 * run->page,
			   MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ck_assert_ptr_eq(run->area, room);
	do_api(run, UFFD_FEATURE_SIGBUS);
	do_register(run, 0, 16, MISSING | UFFDIO_REGISTER_MODE_MINOR);
	do_continue(run, 8, 1, 0);
	do_poison(run, 8, 1, 0);
	do_unregister(run, 0, 16);
	munmap(room, 16 * run->page);
	run->area = area;
}

static const struct {
	const char *heading;
	void (*act)(struct run *run);
	enum memory memory;
	bool privileged; /* else the kernel says the same */
} cases[] = {
	{ "what is not offered", what_is_not_offered, ANON, false },
	{ "faults of the kernel", faults_of_the_kernel, ANON, true },
	{ "private memfds", private_memfds, ANON, false },
	{ "memory that is dropped or mapped again", memory_that_is_dropped,
	  ANON, false },
	{ "the descriptor", the_descriptor, ANON, false },
	{ "poll of a blocking descriptor", poll_of_a_blocking_descriptor, ANON,
	  false },
	{ "the descriptor in a child", the_descriptor_in_a_child, ANON, false },
	{ "ranges registered one by one", ranges_one_by_one, ANON, false },
	{ "pages the kernel maps in passing", pages_in_passing, MEMFD, false },
	{ "beyond the end of a file", beyond_the_end, MEMFD, false },
	{ "marks of a mode that is gone", marks_of_a_mode, SHARED, false },
	{ "who unregister wakes", who_unregister_wakes, SHARED, false },
};

static struct run by_kernel, by_mfill;

TEST_WITHIN(each_difference_is_one, 60)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!run_start(&by_kernel, &kernel, cases[i].memory,
			       O_NONBLOCK))
			SKIP("the kernel's userfaultfd, to compare with");
		if (!run_start(&by_mfill, &mfill, cases[i].memory, O_NONBLOCK))
			SKIP("/proc");
		cases[i].act(&by_kernel);
		cases[i].act(&by_mfill);
		if (!cases[i].privileged || geteuid() == 0)
			ck_assert_msg(strcmp(by_kernel.log, by_mfill.log) != 0,
				      "no difference: %s\n%s", cases[i].heading,
				      by_kernel.log);
		run_end(&by_kernel);
		run_end(&by_mfill);
	}
}

TEST(the_page_and_the_table_name_the_same)
{
	FILE *page = fopen(MF_DIFFERENCES, "re");
	size_t found = 0;
	char line[200];

	ck_assert_ptr_nonnull(page);
	while (fgets(line, sizeof(line), page)) {
		size_t n = sizeof(cases) / sizeof(cases[0]), i = 0;

		if (strncmp(line, "## ", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		while (i < n && strcmp(cases[i].heading, line + 3) != 0)
			i++;
		ck_assert_msg(i < n, "no case shows: %s", line + 3);
		found++;
	}
	fclose(page);
	ck_assert_uint_eq(found, sizeof(cases) / sizeof(cases[0]));
}
