/* SPDX-License-Identifier: MIT */
/*
 * locks.c - what does the lock checker cost, on and off?
 *
 * The same program alone, under mfill run (where nobody looks at locks), and
 * under mfill doctor. The value is the time of one lock and unlock that nobody
 * else wants, in picoseconds of the processor's: the shortest of many rounds,
 * and the orders have all been seen in the first.
 */
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"

#define PAIRS  100000
#define ROUNDS 20

extern char **environ;

static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t outer[4] = {
	PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER,
};
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static uint64_t cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void take_pairs(char what)
{
	for (int i = 0; i < PAIRS; i++) {
		if (what == 'm') {
			pthread_mutex_lock(&inner);
			pthread_mutex_unlock(&inner);
		} else {
			pthread_rwlock_rdlock(&rwlock);
			pthread_rwlock_unlock(&rwlock);
		}
	}
}

/* The measured program: n locks are held around the pairs. */
static int measured(const char *what, int n)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < n; i++)
		pthread_mutex_lock(&outer[i]);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begun = cpu_now(), took;

		take_pairs(*what);
		took = cpu_now() - begun;
		if (took < least)
			least = took;
	}
	printf("%llu\n", (unsigned long long)(least * 1000 / PAIRS));
	return 0;
}

struct run {
	const char *under; /* a subcommand of mfill; NULL: none */
	const char *what;
	const char *held;
};

static char self[4096];

static double measure(const void *arg)
{
	const struct run *run = arg;
	char *argv[] = { (char *)MFILL,
			 (char *)run->under,
			 (char *)"-q",
			 (char *)"--",
			 self,
			 (char *)"measured",
			 (char *)run->what,
			 (char *)run->held,
			 NULL };
	char **from = run->under ? argv : argv + 4;
	posix_spawn_file_actions_t actions;
	char text[64] = "";
	int ends[2];
	pid_t pid;

	bench_must(pipe(ends) < 0 ? -errno : 0, "pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	bench_must(-posix_spawn(&pid, from[0], &actions, NULL, from, environ),
		   from[0]);
	(void)close(ends[1]);
	bench_must(read(ends[0], text, sizeof(text) - 1) <= 0 ? -EIO : 0,
		   "the measured program");
	(void)close(ends[0]);
	(void)waitpid(pid, NULL, 0);
	posix_spawn_file_actions_destroy(&actions);
	return atof(text);
}

int main(int argc, char **argv)
{
	static const struct run runs[] = {
		{ NULL, "mutex", "0" },	     { "run", "mutex", "0" },
		{ "doctor", "mutex", "0" },  { "doctor", "mutex", "1" },
		{ "doctor", "mutex", "4" },  { NULL, "rwlock", "0" },
		{ "run", "rwlock", "0" },    { "doctor", "rwlock", "0" },
		{ "doctor", "rwlock", "1" },
	};
	static const struct bench_row rows[] = {
		{ "mutex", measure, &runs[0], -1, 0 },
		{ "mutex, mfill run", measure, &runs[1], 0, 1.1 },
		{ "mutex, mfill doctor", measure, &runs[2], 0, 0 },
		{ "mutex, mfill doctor, one held", measure, &runs[3], 0, 0 },
		{ "mutex, mfill doctor, four held", measure, &runs[4], 0, 0 },
		{ "rwlock, reading", measure, &runs[5], -1, 0 },
		{ "rwlock, mfill run", measure, &runs[6], 5, 1.1 },
		{ "rwlock, mfill doctor", measure, &runs[7], 5, 0 },
		{ "rwlock, mfill doctor, one held", measure, &runs[8], 5, 0 },
	};

	if (argc == 4)
		return measured(argv[2], atoi(argv[3]));
	bench_must(readlink("/proc/self/exe", self, sizeof(self) - 1) < 0
			   ? -errno
			   : 0,
		   "/proc/self/exe");
	bench_table("the lock checker", "ps per pair", rows,
		    sizeof(rows) / sizeof(rows[0]));
	return 0;
}
