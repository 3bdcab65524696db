/* SPDX-License-Identifier: MIT */
/*
 * samples.h - programs that take locks, for tools that look at the order.
 *
 * Each sample ends: where it has a deadlock in it, its threads run one after
 * the other, so that nothing hangs. A tool that says something has predicted
 * it.
 */
#ifndef MF_TESTS_SAMPLES_H
#define MF_TESTS_SAMPLES_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sample {
	const char *name;
	void (*run)(void);
};

/* Runs the one that argv names; its exit status. */
static inline int run_sample(const struct sample *samples, size_t n, int argc,
			     char **argv)
{
	for (size_t i = 0; i < n && argc == 2; i++) {
		if (strcmp(argv[1], samples[i].name) != 0)
			continue;
		samples[i].run();
		puts("done");
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		puts(samples[i].name);
	return 2;
}

static inline void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(1);
}

static inline void one_after_the_other(void *(*first)(void *),
				       void *(*second)(void *))
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, first, NULL), "pthread_create");
	must(pthread_join(thread, NULL), "pthread_join");
	must(pthread_create(&thread, NULL, second, NULL), "pthread_create");
	must(pthread_join(thread, NULL), "pthread_join");
}

static inline void both_at_once(void *(*first)(void *), void *(*second)(void *))
{
	pthread_t threads[2];

	must(pthread_create(&threads[0], NULL, first, NULL), "pthread_create");
	must(pthread_create(&threads[1], NULL, second, NULL), "pthread_create");
	must(pthread_join(threads[0], NULL), "pthread_join");
	must(pthread_join(threads[1], NULL), "pthread_join");
}

#define FAIR PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP

static inline void make_rwlock(pthread_rwlock_t *lock, int kind, int shared)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, kind);
	pthread_rwlockattr_setpshared(&attr, shared);
	must(pthread_rwlock_init(lock, &attr), "pthread_rwlock_init");
	pthread_rwlockattr_destroy(&attr);
}

#endif
