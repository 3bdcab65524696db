/* SPDX-License-Identifier: MIT */
/*
 * needs.c - try out what a test needs.
 *
 * Context: see needs.h.
 */
#include "harness/needs.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "harness/harness.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

void mf_test_needs_guards(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("test", MFD_CLOEXEC);
	bool works;
	void *page;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert(page != MAP_FAILED);
	/* A system call cannot read what a marker hides. */
	works = mf_sys.madvise(page, size, MADV_GUARD_INSTALL) == 0 &&
		mf_sys.pwrite(fd, page, 1, 0) == -EFAULT;
	munmap(page, size);
	close(fd);
	if (!works)
		SKIP("guard markers on a memfd (Linux 6.15)");
}

bool mf_test_has_robust_mutexes(void)
{
	void *head;
	size_t len;

	return syscall(SYS_get_robust_list, 0, &head, &len) == 0;
}

void mf_test_needs_robust_mutexes(void)
{
	if (!mf_test_has_robust_mutexes())
		SKIP("robust mutexes (not in qemu-user)");
}

static int set_bool(void *word)
{
	*(volatile bool *)word = true;
	return 0;
}

void mf_test_needs_vfork(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	volatile bool shared = false;
	pid_t child = clone(set_bool, stack + sizeof(stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)&shared);

	waitpid(child, NULL, 0);
	if (!shared)
		SKIP("a vfork() that shares memory (not in qemu-user)");
}

void mf_test_needs_wipe_on_fork(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status = 1;
	pid_t child;

	ck_assert(page != MAP_FAILED);
	*page = 1;
	if (madvise(page, size, MADV_WIPEONFORK) == 0) {
		child = fork();
		if (child == 0)
			_exit(*page);
		waitpid(child, &status, 0);
	}
	munmap(page, size);
	if (status != 0)
		SKIP("MADV_WIPEONFORK (Linux 4.14, not in qemu-user)");
}
