/* SPDX-License-Identifier: MIT */
/*
 * faults.c - a second table of system calls, which fails on demand.
 *
 * Context: a TEST() body; the entries themselves: any, as those of sys.c.
 */
#include "harness/faults.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "harness/leaks.h"

#define MAX_CALLS 10000

/* One run; shared between the test and the child that does it. */
struct run {
	uint32_t fail_at; /* counted from 1 */
	bool go_on;	  /* and all later ones */
	int error;
	uint32_t calls;
	uint32_t over;	    /* nothing fails any more */
	const char *failed; /* name of the first call that did, or NULL */
	int result;
	char leak[200]; /* a sentence, or "" */
};

static struct run *run;
static struct mf_sys real;

/* Count a call; true when this one is to fail. */
static bool fails(const char *name)
{
	uint32_t n;

	if (mf_load_relaxed(&run->over))
		return false;
	n = mf_fetch_add(&run->calls, 1) + 1;
	if (n < run->fail_at || (n > run->fail_at && !run->go_on))
		return false;
	if (n == run->fail_at)
		run->failed = name;
	return true;
}

static int f_mmap(void *addr, size_t len, int prot, int flags, int fd,
		  uint64_t offset, void **ret_addr)
{
	if (fails("mmap"))
		return -run->error;
	return real.mmap(addr, len, prot, flags, fd, offset, ret_addr);
}

static int f_munmap(void *addr, size_t len)
{
	int r = real.munmap(addr, len);

	return fails("munmap") ? -run->error : r;
}

static int f_mprotect(void *addr, size_t len, int prot)
{
	return fails("mprotect") ? -run->error : real.mprotect(addr, len, prot);
}

static int f_madvise(void *addr, size_t len, int advice)
{
	return fails("madvise") ? -run->error : real.madvise(addr, len, advice);
}

static int f_memfd_create(const char *name, unsigned flags)
{
	return fails("memfd_create") ? -run->error
				     : real.memfd_create(name, flags);
}

static int f_ftruncate(int fd, uint64_t size)
{
	return fails("ftruncate") ? -run->error : real.ftruncate(fd, size);
}

static int f_seal(int fd, int seals)
{
	return fails("seal") ? -run->error : real.seal(fd, seals);
}

static int f_fallocate(int fd, int mode, uint64_t offset, uint64_t len)
{
	return fails("fallocate") ? -run->error
				  : real.fallocate(fd, mode, offset, len);
}

static int f_open(const char *path, int flags, mode_t mode)
{
	return fails("open") ? -run->error : real.open(path, flags, mode);
}

static int f_close(int fd)
{
	int r = real.close(fd);

	return fails("close") ? -run->error : r;
}

static int f_dup_above(int fd, int min)
{
	return fails("dup_above") ? -run->error : real.dup_above(fd, min);
}

static int f_keep_only(int fd)
{
	return fails("keep_only") ? -run->error : real.keep_only(fd);
}

static int f_fstat(int fd, struct stat *st)
{
	return fails("fstat") ? -run->error : real.fstat(fd, st);
}

static int f_ioctl(int fd, unsigned long request, void *arg)
{
	return fails("ioctl") ? -run->error : real.ioctl(fd, request, arg);
}

static ssize_t f_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	return fails("pread") ? -run->error : real.pread(fd, buf, len, offset);
}

static ssize_t f_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	return fails("pwrite") ? -run->error
			       : real.pwrite(fd, buf, len, offset);
}

static ssize_t f_read(int fd, void *buf, size_t len)
{
	return fails("read") ? -run->error : real.read(fd, buf, len);
}

static ssize_t f_write(int fd, const void *buf, size_t len)
{
	return fails("write") ? -run->error : real.write(fd, buf, len);
}

static int f_userfaultfd(int flags)
{
	return fails("userfaultfd") ? -run->error : real.userfaultfd(flags);
}

static int f_eventfd(void)
{
	return fails("eventfd") ? -run->error : real.eventfd();
}

static int f_sigaltstack(const stack_t *ss, stack_t *old)
{
	return fails("sigaltstack") ? -run->error : real.sigaltstack(ss, old);
}

static int f_sigaction(int sig, const struct sigaction *act,
		       struct sigaction *old)
{
	return fails("sigaction") ? -run->error : real.sigaction(sig, act, old);
}

static void *f_calloc(size_t n, size_t size)
{
	return fails("calloc") ? NULL : real.calloc(n, size);
}

static int f_thread_create(void *(*fn)(void *), void *arg)
{
	return fails("thread_create") ? -run->error
				      : real.thread_create(fn, arg);
}

static const struct mf_sys failing = {
	.mmap = f_mmap,
	.munmap = f_munmap,
	.mprotect = f_mprotect,
	.madvise = f_madvise,
	.memfd_create = f_memfd_create,
	.ftruncate = f_ftruncate,
	.seal = f_seal,
	.fallocate = f_fallocate,
	.open = f_open,
	.close = f_close,
	.dup_above = f_dup_above,
	.keep_only = f_keep_only,
	.fstat = f_fstat,
	.ioctl = f_ioctl,
	.pread = f_pread,
	.pwrite = f_pwrite,
	.read = f_read,
	.write = f_write,
	.userfaultfd = f_userfaultfd,
	.eventfd = f_eventfd,
	.sigaltstack = f_sigaltstack,
	.sigaction = f_sigaction,
	.calloc = f_calloc,
	.thread_create = f_thread_create,
};

/* The table stays: threads that the setup made may be reading it. */
static void run_in_child(int (*setup)(void))
{
	struct mf_holdings before;

	mf_holdings_take(&before);
	real = mf_sys;
	mf_sys = failing;
	run->result = setup();
	mf_store_relaxed(&run->over, 1);
	if (mf_holdings_same(&before, run->leak, sizeof(run->leak)))
		run->leak[0] = '\0';
	/* Not _exit: a leak checker runs at exit. */
	exit(0);
}

/* What is wrong with the run just done, or NULL. */
static const char *verdict(int status)
{
	static char text[80];

	if (WIFSIGNALED(status)) {
		snprintf(text, sizeof(text), "died by signal %d",
			 WTERMSIG(status));
		return text;
	}
	if (WEXITSTATUS(status) != 0)
		return "ended the process, or leaked memory";
	if (run->leak[0])
		return run->leak;
	if (run->result > 0)
		return "returned something else than 0 or -errno";
	if (run->result < 0 && !run->failed)
		return "failed although no call did";
	return NULL;
}

static void run_once(int (*setup)(void), const char *name, const char *file,
		     int line)
{
	const char *wrong;
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		run_in_child(setup);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	wrong = verdict(status);
	if (wrong)
		_ck_assert_failed(
			file, line, "FAULTS", "%s, %s %u (%s)%s: %s", name,
			run->failed ? "call" : "no failure at", run->fail_at,
			run->failed ? run->failed : "none",
			run->go_on ? " and all later ones" : "", wrong);
}

unsigned mf_faults(int error, int (*setup)(void), const char *name,
		   const char *file, int line)
{
	unsigned n = 0, calls = 0;
	int go_on;

	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(run != MAP_FAILED);
	for (go_on = 0; go_on <= 1; go_on++) {
		n = 0;
		do {
			n++;
			ck_assert_uint_lt(n, MAX_CALLS);
			*run = (struct run){ .fail_at = n,
					     .go_on = go_on,
					     .error = error };
			run_once(setup, name, file, line);
		} while (run->failed);
		calls = run->calls;
	}
	munmap(run, sizeof(*run));
	return calls;
}
