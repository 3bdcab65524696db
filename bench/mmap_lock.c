/* SPDX-License-Identifier: MIT */
/*
 * mmap_lock.c - what does a lock that survives its holders cost, next to
 * pthread's that does not?
 *
 * A row is one thread alone or two at a time, each taking the lock and giving
 * it back; the value is the time of one such pair, in picoseconds. Two threads
 * on one processor only take turns: then those rows say little.
 */
#include "mm/mmap_lock.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"

#define PAIRS 2000000
#define MANY  200 /* slots in use, for the writer that looks at them all */

static pthread_rwlock_t rwlock;
static struct mf_mmap_lock *lock;

static void pthread_reads(int n)
{
	for (int i = 0; i < n; i++) {
		pthread_rwlock_rdlock(&rwlock);
		pthread_rwlock_unlock(&rwlock);
	}
}

static void pthread_writes(int n)
{
	for (int i = 0; i < n; i++) {
		pthread_rwlock_wrlock(&rwlock);
		pthread_rwlock_unlock(&rwlock);
	}
}

static void pthread_mixes(int n)
{
	for (int i = 0; i < n; i += 100) {
		pthread_reads(99);
		pthread_writes(1);
	}
}

static void mf_reads(int n)
{
	struct mf_slot *me = mf_slot_self();

	for (int i = 0; i < n; i++) {
		mf_mmap_read_lock(lock, me);
		mf_mmap_read_unlock(lock, me);
	}
}

static void mf_writes(int n)
{
	struct mf_slot *me = mf_slot_self();

	for (int i = 0; i < n; i++) {
		(void)mf_mmap_write_lock(lock, me);
		mf_mmap_write_unlock(lock, me);
	}
}

static void mf_mixes(int n)
{
	for (int i = 0; i < n; i += 100) {
		mf_reads(99);
		mf_writes(1);
	}
}

struct run {
	void (*pairs)(int n);
	int threads;
	int kind;  /* of pthread's */
	int slots; /* taken by others who do nothing */
};

static pthread_barrier_t start;

static void *work(void *arg)
{
	const struct run *run = arg;

	run->pairs(1000);
	pthread_barrier_wait(&start);
	run->pairs(PAIRS);
	return NULL;
}

static void *idle(void *arg)
{
	(void)mf_slot_self();
	pthread_barrier_wait(arg);
	pause(); /* until the process ends */
	return NULL;
}

static void take_slots(int n)
{
	pthread_barrier_t ready;
	pthread_attr_t attr;

	pthread_barrier_init(&ready, NULL, (unsigned)n + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < n; i++) {
		pthread_t thread;

		bench_must(-pthread_create(&thread, &attr, idle, &ready),
			   "pthread_create");
	}
	pthread_barrier_wait(&ready);
}

static double measure(const void *arg)
{
	struct run *run = (struct run *)arg;
	pthread_t threads[2];
	pthread_rwlockattr_t attr;
	uint64_t time;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_rwlockattr_setkind_np(&attr, run->kind);
	pthread_rwlock_init(&rwlock, &attr);
	lock = mf_mmap_lock_new(mf_world(), MF_LOCK_PHASE_FAIR);
	take_slots(run->slots);
	pthread_barrier_init(&start, NULL, (unsigned)run->threads + 1);
	for (int i = 0; i < run->threads; i++)
		pthread_create(&threads[i], NULL, work, run);
	pthread_barrier_wait(&start);
	time = bench_now();
	for (int i = 0; i < run->threads; i++)
		pthread_join(threads[i], NULL);
	return (double)(bench_now() - time) * 1000 / PAIRS;
}

#define PLAIN PTHREAD_RWLOCK_DEFAULT_NP
#define FAIR  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP

int main(void)
{
	static const struct run runs[] = {
		{ pthread_reads, 1, PLAIN, 0 },	 { pthread_reads, 1, FAIR, 0 },
		{ mf_reads, 1, 0, 0 },		 { pthread_reads, 2, PLAIN, 0 },
		{ pthread_reads, 2, FAIR, 0 },	 { mf_reads, 2, 0, 0 },
		{ pthread_writes, 1, PLAIN, 0 }, { mf_writes, 1, 0, 0 },
		{ mf_writes, 1, 0, MANY },	 { pthread_mixes, 2, PLAIN, 0 },
		{ mf_mixes, 2, 0, 0 },
	};
	static const struct bench_row rows[] = {
		{ "read, 1 thread: pthread_rwlock", measure, &runs[0], -1, 0 },
		{ "read, 1 thread: pthread_rwlock, writers first", measure,
		  &runs[1], 0, 0 },
		{ "read, 1 thread: mmap_lock", measure, &runs[2], 0, 0 },
		{ "read, 2 threads: pthread_rwlock", measure, &runs[3], -1, 0 },
		{ "read, 2 threads: pthread_rwlock, writers first", measure,
		  &runs[4], 3, 0 },
		{ "read, 2 threads: mmap_lock", measure, &runs[5], 3, 1 },
		{ "write, 1 thread: pthread_rwlock", measure, &runs[6], -1, 0 },
		{ "write, 1 thread: mmap_lock", measure, &runs[7], 6, 0 },
		{ "write, 1 thread: mmap_lock, 200 slots in use", measure,
		  &runs[8], 6, 0 },
		{ "1 % writes, 2 threads: pthread_rwlock", measure, &runs[9],
		  -1, 0 },
		{ "1 % writes, 2 threads: mmap_lock", measure, &runs[10], 9,
		  0 },
	};

	bench_table("lock and unlock", "ps per pair", rows,
		    sizeof(rows) / sizeof(rows[0]));
	return 0;
}
