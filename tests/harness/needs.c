/* SPDX-License-Identifier: MIT */
/*
 * needs.c - try out what a test needs.
 *
 * Context: see needs.h.
 */
#include "harness/needs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sync.h"
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

/* An emulator that fails says so, in words that mean something in TAP. */
static void be_quiet(void)
{
	close(1);
	close(2);
}

void mf_test_needs_crashes(void)
{
	siginfo_t info;
	int status = 0;
	pid_t child = mf_test_fork();

	if (child == 0) {
		memset(&info, 0, sizeof(info));
		info.si_signo = SIGSEGV;
		info.si_code = SEGV_MAPERR;
		be_quiet();
		syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGSEGV,
			&info);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
		SKIP("a SIGSEGV with its cause from a process to itself (not "
		     "in qemu-user)");
}

static void *until_killed(void *running)
{
	mf_store_release((uint32_t *)running, 1);
	(void)pause();
	return NULL;
}

static void *at_once(void *arg)
{
	return arg;
}

void mf_test_needs_threads_after_fork(void)
{
	uint32_t running = 0;
	pthread_t thread;
	pid_t child;
	int status;

	/* In a child, so that the thread that waits is not left behind. */
	child = mf_test_fork();
	if (child == 0) {
		be_quiet();
		if (pthread_create(&thread, NULL, until_killed, &running) != 0)
			_exit(1);
		/* While it starts, a sanitizer holds locks. */
		while (!mf_load_acquire(&running))
			sched_yield();
		child = fork();
		if (child == 0)
			_exit(pthread_create(&thread, NULL, at_once, NULL) !=
			      0);
		waitpid(child, &status, 0);
		_exit(status != 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (status != 0)
		SKIP("threads after fork() (not in qemu-user 7.2)");
}

static int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = -2; /* . and .. */

	while (tasks && readdir(tasks))
		n++;
	if (tasks)
		closedir(tasks);
	return n;
}

void mf_test_needs_own_threads_only(void)
{
	pid_t child = mf_test_fork();
	uint32_t running = 0;
	pthread_t thread;
	int status;

	if (child == 0) {
		if (pthread_create(&thread, NULL, until_killed, &running) != 0)
			_exit(1);
		while (!mf_load_acquire(&running))
			sched_yield();
		_exit(count_threads() != 2);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (status != 0)
		SKIP("a process without other threads than its own (not with "
		     "thread sanitizer or in qemu-user)");
}

void mf_test_needs_dontdump(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("needs-dontdump", MFD_CLOEXEC);
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool inside = false, works = false;
	char line[512];
	void *page;

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert(page != MAP_FAILED);
	(void)madvise(page, size, MADV_DONTDUMP);
	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (strstr(line, "needs-dontdump")) {
			inside = true;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			works = strstr(line, " dd");
			inside = false;
		}
	}
	if (smaps)
		fclose(smaps);
	munmap(page, size);
	close(fd);
	if (!works)
		SKIP("MADV_DONTDUMP (not in qemu-user)");
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

/* Seconds that a map of nothing takes, or -1 when there is no room. */
static double seconds_to_map(uint64_t size)
{
	struct timespec start, end;
	void *room;

	if (size > SIZE_MAX)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &start);
	room = mmap(NULL, (size_t)size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return -1;
	munmap(room, (size_t)size);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)(end.tv_sec - start.tv_sec) +
	       (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

void mf_test_needs_a_terabyte(void)
{
	/* Native, that takes microseconds: a busy machine is no emulator. */
	if (seconds_to_map((uint64_t)64 << 30) > 0.5)
		SKIP("maps that take no time (not in qemu-user 7.2)");
	if (seconds_to_map((uint64_t)1025 << 30) < 0)
		SKIP("a terabyte of free addresses");
}

/* Whether some line begins with that address. */
static bool is_listed(int maps, const void *addr)
{
	char text[4096], start[24];
	bool found = false;
	size_t kept = 0;
	ssize_t n;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)addr);
	while (!found &&
	       (n = read(maps, text + kept, sizeof(text) - 1 - kept)) > 0) {
		kept += (size_t)n;
		text[kept] = '\0';
		found = strstr(text, start);
		/* The end may be the first half of it. */
		if (kept > sizeof(start)) {
			memmove(text, text + kept - sizeof(start),
				sizeof(start));
			kept = sizeof(start);
		}
	}
	return found;
}

void mf_test_needs_maps(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	void *page;
	bool found;

	ck_assert_int_ge(maps, 0);
	/* Its neighbours have other protections, so it is a line of its own. */
	page = mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ck_assert(page != MAP_FAILED);
	ck_assert_int_eq(mprotect((char *)page + size, size, PROT_READ), 0);
	found = is_listed(maps, (char *)page + size);
	munmap(page, 3 * size);
	close(maps);
	if (!found)
		SKIP("/proc/self/maps (not in qemu-user 7.2)");
}
