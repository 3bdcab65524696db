/* SPDX-License-Identifier: MIT */
/*
 * test-look.c - faults in registered memory that are not for its handler.
 */
#include "uffd/look.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/userfaultfd.h"
#include "harness/harness.h"
#include "mfill.h"

#define PAGE  ((size_t)sysconf(_SC_PAGESIZE))
#define PAGES 4

static char *area;
static int fd;

static sigjmp_buf way_out;

static void on_crash(int sig)
{
	(void)sig;
	siglongjmp(way_out, 1);
}

/* In this process: a child has nothing registered. */
static bool writing_crashes(char *byte)
{
	if (sigsetjmp(way_out, 1) != 0)
		return true;
	*(volatile char *)byte = 1;
	return false;
}

/* What is missing is asked for by a message, so who touches it would wait. */
static void set_up(int prot)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .len = PAGE };
	struct sigaction action = { .sa_handler = on_crash };
	char *source = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	area = mmap(NULL, PAGES * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	sigaction(SIGSEGV, &action, NULL);
	memset(source, 5, PAGE);
	fd = mfill_uffd_open(O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd == -EOPNOTSUPP)
		SKIP("/proc");
	ck_assert_int_ge(fd, 0);
	args.range.start = (uintptr_t)area;
	args.range.len = PAGES * PAGE;
	copy.dst = (uintptr_t)area;
	copy.src = (uintptr_t)source;
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_API, &api), 0);
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_REGISTER, &args), 0);
	ck_assert_int_eq(mfill_uffd_ioctl(fd, UFFDIO_COPY, &copy), 0);
	munmap(source, PAGE);
}

static void tear_down(void)
{
	ck_assert_int_eq(mfill_uffd_close(fd), 0);
	munmap(area, PAGES * PAGE);
}

/* Whether the page is there does not matter then. */
TEST(an_access_that_is_not_allowed_is_a_crash)
{
	set_up(PROT_READ);
	ck_assert_int_eq(area[0], 5);
	ck_assert(writing_crashes(area));
	ck_assert(writing_crashes(area + PAGE));
	tear_down();
}

TEST(what_the_program_forbids_later_is_a_crash)
{
	set_up(PROT_READ | PROT_WRITE);
	ck_assert_int_eq(mprotect(area, PAGE, PROT_READ), 0);
	ck_assert(writing_crashes(area));
	ck_assert_int_eq(area[0], 5);
	ck_assert_int_eq(mprotect(area, PAGE, PROT_READ | PROT_WRITE), 0);
	ck_assert(!writing_crashes(area));
	tear_down();
}

/* No fork handler runs there, and what hides pages is there. */
TEST(a_child_of_clone_finds_zeros)
{
	int status;
	long child;

	set_up(PROT_READ | PROT_WRITE);
	child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		_exit(area[0] * 10 + area[PAGE]);
	ck_assert_int_eq(waitpid((pid_t)child, &status, 0), child);
	ck_assert_int_eq(status, 50 << 8);
	tear_down();
}
