/* SPDX-License-Identifier: MIT */
/*
 * last.c - a process ends with its last thread, as if ours were not there.
 *
 * Promise: as in last.h.
 * Context: as in last.h; the destructor: normal.
 *
 * Nothing is done, and no thread made, before the main thread ends: a
 * destructor of thread-specific data tells. From then on one more thread
 * looks, every now and then, whether all others are ours. Where another thread
 * has loaded the library, and the main one starts no thread of ours, nothing
 * tells: there that thread looks from the first on, but once a second.
 *
 * Ours are known by two marks that /proc shows: one of the names below, and
 * that a signal is blocked which libc lets nobody block. A list of our own
 * would not do, for a process may have two copies of mfill: the library, and
 * what mfill run brings along.
 *
 * The list of threads that /proc gives is not of one moment. It is right all
 * the same:
 *
 *	1. new threads are put at its end, and each of the program's is made
 *	   by one that lives. So who reads on to the end meets one of them,
 *	   if there is any when the end is reached;
 *	2. one call reads all of it, or it is not believed;
 *	3. the kernel ends the list early at a thread that has just ended. Its
 *	   marks cannot be read afterwards, so it counts as the program's.
 */
#include "base/last.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/forkgen.h"
#include "base/syscall.h"

/* libc's own, for pthread_cancel(). */
#define MARK 32

#define MS	      UINT64_C(1000000)
#define LOOK_FIRST_NS (1 * MS)
#define LOOK_LAST_NS  (100 * MS)
#define LOOK_BLIND_NS (1000 * MS)
#define LIST_SIZE     16384
#define STATUS_SIZE   4096

#define LAST_NAME "mfill-last"

static const char *const names[] = { "mfill", "mfill-uffd", "mfill-keeper",
				     "mfill-agent", LAST_NAME };

/* These three are numbers of forkgen.h: in a child they are of no process. */
static uint32_t main_ended;
static uint32_t have_threads;
static uint32_t watched;

static pthread_key_t key;  /* set in the main thread: its end calls us */
static sigset_t last_mask; /* the main thread's; ordered by main_ended */
static uint32_t unnoticed; /* the main thread's end would be */

void mf_last_mark_thread(void)
{
	uint64_t set = UINT64_C(1) << (MARK - 1);

	(void)mf_syscall(SYS_rt_sigprocmask, SIG_BLOCK, (long)&set, 0,
			 sizeof(set), 0, 0);
}

/* What stands behind the name of a line, up to its end; "": no such line. */
static const char *field(const char *status, const char *name, char *ret,
			 size_t size)
{
	const char *at = strstr(status, name);
	size_t len;

	ret[0] = '\0';
	if (!at)
		return ret;
	at += strlen(name);
	len = strcspn(at, "\n");
	if (len < size) {
		memcpy(ret, at, len);
		ret[len] = '\0';
	}
	return ret;
}

static bool has_our_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

enum kind { THEIRS, OURS, ENDED, BETTER };

/* What a thread is by its status in /proc; tid: mine, to see who is first. */
static enum kind kind_of(const char *status, const char *its_tid, long tid)
{
	char text[64];
	uint64_t blocked;

	field(status, "\nState:\t", text, sizeof(text));
	if (text[0] == 'Z' || text[0] == 'X')
		return ENDED;
	blocked = strtoull(field(status, "\nSigBlk:\t", text, sizeof(text)),
			   NULL, 16);
	if (!(blocked >> (MARK - 1) & 1) ||
	    !has_our_name(field(status, "Name:\t", text, sizeof(text))))
		return THEIRS;
	return strcmp(text, LAST_NAME) == 0 && atol(its_tid) < tid ? BETTER
								   : OURS;
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = mf_sys.open(path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd < 0 ? fd : mf_sys.read(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

static enum kind look_at(const char *its_tid, long tid)
{
	char path[64], status[STATUS_SIZE];

	(void)snprintf(path, sizeof(path), "/proc/self/task/%s/status",
		       its_tid);
	if (read_file(path, status, sizeof(status)) < 0)
		return THEIRS;
	return kind_of(status, its_tid, tid);
}

struct entry {
	uint64_t ino;
	int64_t next;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* All entries, by one call; or -errno. */
static long list_threads(char *buf, size_t size)
{
	_cleanup_close_ int fd = mf_sys.open(
		"/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	char more[sizeof(struct entry) + 16];
	long n;

	if (fd < 0)
		return fd;
	n = mf_syscall(SYS_getdents64, fd, (long)buf, (long)size, 0, 0, 0);
	if (n > 0 && mf_syscall(SYS_getdents64, fd, (long)more, sizeof(more), 0,
				0, 0) != 0)
		return -EAGAIN;
	return n;
}

/* ENDED: nobody is left but ours. */
static enum kind look_around(long tid)
{
	char list[LIST_SIZE] __attribute__((aligned(8)));
	long n = list_threads(list, sizeof(list));
	bool better = false;

	if (n <= 0)
		return THEIRS;
	for (long at = 0; at < n;) {
		const struct entry *entry = (const void *)(list + at);
		enum kind kind;

		at += entry->len;
		if (entry->name[0] == '.')
			continue;
		kind = look_at(entry->name, tid);
		if (kind == THEIRS)
			return THEIRS;
		better |= kind == BETTER;
	}
	return better ? BETTER : ENDED;
}

/* Of two copies of mfill the one whose thread is older ends the process. */
static void *watch(void *arg)
{
	long tid = mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
	uint64_t pause_ns = LOOK_FIRST_NS;
	enum kind kind;
	uint32_t word = 0;

	(void)pthread_setname_np(pthread_self(), LAST_NAME);
	while ((kind = look_around(tid)) == THEIRS) {
		(void)mf_futex_wait(&word, 0, pause_ns, MF_FUTEX_LOCAL);
		if (pause_ns < LOOK_LAST_NS)
			pause_ns *= 2;
		else if (mf_load_relaxed(&unnoticed))
			pause_ns = LOOK_BLIND_NS;
	}
	if (kind == BETTER)
		return arg;
	/* What the program has for its end runs here, with its signals. */
	(void)pthread_sigmask(SIG_SETMASK, &last_mask, NULL);
	exit(0);
}

static void watch_if_needed(void)
{
	uint32_t now = mf_fork_generation(), before = mf_load_seq_cst(&watched);
	sigset_t all, old;
	int r;

	if ((mf_load_seq_cst(&main_ended) != now &&
	     !mf_load_relaxed(&unnoticed)) ||
	    mf_load_seq_cst(&have_threads) != now || before == now ||
	    !mf_cas(&watched, &before, now))
		return;
	/* Its signals are for the program's threads. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	r = mf_sys.thread_create(watch, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		mf_store_seq_cst(&watched, 0); /* the next thread tries again */
}

/* Either we see that there are threads, or who makes one sees that we ended. */
static void main_ends(void *value)
{
	(void)value;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &last_mask);
	mf_store_seq_cst(&main_ended, mf_fork_generation());
	watch_if_needed();
}

static bool is_main(void)
{
	return mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0) ==
	       mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

/* Whoever forks is the main thread of the child. */
static void be_main(void)
{
	if (pthread_setspecific(key, &key) == 0)
		mf_store_relaxed(&unnoticed, 0);
}

void mf_last_have_threads(void)
{
	if (mf_load_relaxed(&unnoticed) && is_main())
		be_main();
	mf_store_seq_cst(&have_threads, mf_fork_generation());
	watch_if_needed();
}

__attribute__((constructor)) static void find_main(void)
{
	if (pthread_key_create(&key, main_ends) != 0)
		return;
	(void)pthread_atfork(NULL, NULL, be_main);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &last_mask);
	mf_store_relaxed(&unnoticed, 1);
	if (is_main())
		be_main();
}
