/* SPDX-License-Identifier: MIT */
/*
 * test-mmap_lock.c - many may read or one may write, nobody waits for ever,
 * and the dead hold nobody up.
 *
 * What is fair is counted in acquisitions and phases, not in time: others
 * may keep the machine busy.
 */
#include "mm/mmap_lock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/needs.h"

/* As in mmap_lock.c: what an entry and the writer word look like. */
#define ENTRY_WANT  0x80000000U
#define ENTRY_WRITE 0x40000000U
#define WORD_SLOT   0xfffU

#define ANY_LENGTH_OF_TIME UINT64_C(1000000000000) /* ns */

/*
 * Check's assertions belong to the main thread of a test: each leaves a note
 * in a file, also when it holds.
 */
#define MUST(is_so)              \
	do {                     \
		if (!(is_so))    \
			abort(); \
	} while (0)

static struct mf_mmap_lock *lock;

/* Shared with forked children. */
static struct {
	uint32_t ready[16];
	uint32_t stop;
	uint32_t order[16], n_order;
	uint64_t first, second; /* equal, but to a writer */
	uint64_t reads, writes, repairs;
} * shared;

static void make_lock(unsigned policy)
{
	/* No test passes because somebody looked again after a while. */
	mf_slot_patience_ns = ANY_LENGTH_OF_TIME;
	lock = mf_mmap_lock_new(mf_world(), policy);
	ck_assert_ptr_nonnull(lock);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
}

static pthread_t start(void *(*fn)(void *), uintptr_t arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, (void *)arg), 0);
	return thread;
}

static void until(bool (*is_so)(uintptr_t), uintptr_t arg)
{
	while (!is_so(arg))
		sched_yield();
}

static bool is_ready(uintptr_t i)
{
	return mf_load_acquire(&shared->ready[i]);
}

/* How many slots have an entry with these bits. */
static unsigned count_entries(uint32_t bits)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < mf_world_slots(mf_world()); i++) {
		struct mf_slot *slot = mf_world_slot(mf_world(), i);

		for (int k = 0; k < MF_SLOT_HOLDS; k++) {
			uint32_t entry = mf_load_acquire(&slot->hold[k]);

			if ((entry & (ENTRY_WANT | ENTRY_WRITE)) == bits &&
			    (entry & 0x1ff) == lock->id)
				n++;
		}
	}
	return n;
}

static bool readers_wait(uintptr_t n)
{
	return count_entries(ENTRY_WANT) == n;
}

static bool writers_queue(uintptr_t n)
{
	return count_entries(ENTRY_WANT | ENTRY_WRITE) == n;
}

/* One who has the word, and no other. */
static bool writer_is_named(uintptr_t unused)
{
	(void)unused;
	return mf_load_acquire(&lock->writer) & WORD_SLOT;
}

static void *read_once(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	mf_mmap_read_lock(lock, me);
	shared->order[mf_fetch_add(&shared->n_order, 1)] =
		(uint32_t)(uintptr_t)arg;
	mf_mmap_read_unlock(lock, me);
	return NULL;
}

static void *write_once(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	MUST(mf_mmap_write_lock(lock, me) == 0);
	shared->order[mf_fetch_add(&shared->n_order, 1)] =
		(uint32_t)(uintptr_t)arg;
	mf_mmap_write_unlock(lock, me);
	return NULL;
}

/* For one who is not the thread that holds. */
static void *try_to_read(void *ret)
{
	struct mf_slot *me = mf_slot_self();

	*(bool *)ret = mf_mmap_read_trylock(lock, me);
	if (*(bool *)ret)
		mf_mmap_read_unlock(lock, me);
	return NULL;
}

static bool another_may_read(void)
{
	bool may = false;

	pthread_join(start(try_to_read, (uintptr_t)&may), NULL);
	return may;
}

TEST(readers_share)
{
	struct mf_slot *me = mf_slot_self();

	make_lock(MF_LOCK_PHASE_FAIR);
	mf_mmap_read_lock(lock, me);
	ck_assert(another_may_read());
	mf_mmap_read_unlock(lock, me);
	ck_assert(another_may_read());
}

TEST(a_writer_keeps_readers_out)
{
	static const unsigned policies[] = {
		MF_LOCK_PHASE_FAIR,
		MF_LOCK_RECURSIVE,
		MF_LOCK_PREFER_READER,
		MF_LOCK_PREFER_READER | MF_LOCK_RECURSIVE,
		MF_LOCK_PREFER_WRITER,
	};
	struct mf_slot *me = mf_slot_self();

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		make_lock(policies[i]);
		ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
		ck_assert(!another_may_read());
		mf_mmap_write_unlock(lock, me);
		ck_assert(another_may_read());
	}
}

TEST(a_reader_keeps_a_writer_out)
{
	struct mf_slot *me = mf_slot_self();
	pthread_t writer;

	make_lock(MF_LOCK_PHASE_FAIR);
	mf_mmap_read_lock(lock, me);
	writer = start(write_once, 1);
	until(writer_is_named, 0);
	usleep(20000); /* long enough to go wrong */
	ck_assert_uint_eq(mf_load_acquire(&shared->n_order), 0);
	mf_mmap_read_unlock(lock, me);
	pthread_join(writer, NULL);
	ck_assert_uint_eq(shared->n_order, 1);
}

TEST(writers_come_one_by_one_in_the_order_they_came)
{
	struct mf_slot *me = mf_slot_self();
	pthread_t writers[5];

	make_lock(MF_LOCK_PHASE_FAIR);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	for (uintptr_t i = 0; i < 5; i++) {
		writers[i] = start(write_once, i);
		until(writers_queue, i + 1);
	}
	mf_mmap_write_unlock(lock, me);
	for (unsigned i = 0; i < 5; i++)
		pthread_join(writers[i], NULL);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(shared->order[i], i);
}

/*
 * Policies
 */

/* A writer queues behind our read lock: does that stop another reader? */
static bool a_queued_writer_stops_readers(unsigned policy)
{
	struct mf_slot *me = mf_slot_self();
	pthread_t writer;
	bool stopped;

	make_lock(policy);
	mf_mmap_read_lock(lock, me);
	writer = start(write_once, 1);
	until(writer_is_named, 0);
	usleep(2000); /* so that it looks at us at least once */
	stopped = !another_may_read();
	mf_mmap_read_unlock(lock, me);
	pthread_join(writer, NULL);
	return stopped;
}

TEST(a_queued_writer_stops_new_readers)
{
	ck_assert(a_queued_writer_stops_readers(MF_LOCK_PHASE_FAIR));
	ck_assert(a_queued_writer_stops_readers(MF_LOCK_RECURSIVE));
	ck_assert(a_queued_writer_stops_readers(MF_LOCK_PREFER_WRITER));
}

TEST(where_readers_are_preferred_it_does_not)
{
	ck_assert(!a_queued_writer_stops_readers(MF_LOCK_PREFER_READER));
	ck_assert(!a_queued_writer_stops_readers(MF_LOCK_PREFER_READER |
						 MF_LOCK_RECURSIVE));
}

/* We read, a writer queues: may we read once more? */
static bool may_take_again(unsigned policy)
{
	struct mf_slot *me = mf_slot_self();
	pthread_t writer;
	bool may;

	make_lock(policy);
	mf_mmap_read_lock(lock, me);
	writer = start(write_once, 1);
	until(writer_is_named, 0);
	may = mf_mmap_read_trylock(lock, me);
	if (may)
		mf_mmap_read_unlock(lock, me);
	ck_assert_uint_eq(mf_load_acquire(&shared->n_order), 0);
	mf_mmap_read_unlock(lock, me);
	pthread_join(writer, NULL);
	return may;
}

TEST(a_recursive_lock_may_be_taken_again_past_a_writer)
{
	ck_assert(may_take_again(MF_LOCK_RECURSIVE));
	ck_assert(may_take_again(MF_LOCK_RECURSIVE | MF_LOCK_PREFER_WRITER));
}

TEST(any_other_may_not)
{
	ck_assert(!may_take_again(MF_LOCK_PHASE_FAIR));
	ck_assert(!may_take_again(MF_LOCK_PREFER_WRITER));
}

/* A holder, then a reader and a writer that wait: who is next? */
static uint32_t next_after_a_writer(unsigned policy)
{
	struct mf_slot *me = mf_slot_self();
	pthread_t reader, writer;

	make_lock(policy);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	writer = start(write_once, 'w');
	until(writers_queue, 1);
	reader = start(read_once, 'r');
	until(readers_wait, 1);
	mf_mmap_write_unlock(lock, me);
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
	return shared->order[0];
}

TEST(after_a_writer_those_who_wait_to_read_go_first)
{
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(next_after_a_writer(MF_LOCK_PHASE_FAIR), 'r');
}

TEST(unless_the_next_writer_is_preferred)
{
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(next_after_a_writer(MF_LOCK_PREFER_WRITER),
				 'w');
}

/*
 * Starvation
 */

static uint32_t stop_threads;
static uint64_t entered; /* reads begun */

static void *read_without_end(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	mf_store_release(&shared->ready[(uintptr_t)arg], 1);
	while (!mf_load_relaxed(&stop_threads)) {
		mf_mmap_read_lock(lock, me);
		mf_fetch_add(&entered, 1);
		mf_mmap_read_unlock(lock, me);
	}
	return NULL;
}

static uint64_t entered_when_writing;

static void *write_and_look(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	MUST(mf_mmap_write_lock(lock, me) == 0);
	entered_when_writing = mf_load_seq_cst(&entered);
	mf_mmap_write_unlock(lock, me);
	return arg;
}

/*
 * Once the word names the writer, each reader gets in at most once more: when
 * it had looked at the word before.
 */
TEST_WITHIN(readers_do_not_starve_a_writer, 30)
{
	pthread_t readers[3], writer;

	make_lock(MF_LOCK_PHASE_FAIR);
	for (uintptr_t i = 0; i < 3; i++)
		readers[i] = start(read_without_end, i);
	for (uintptr_t i = 0; i < 3; i++)
		until(is_ready, i);
	for (int i = 0; i < 100; i++) {
		uint64_t before = UINT64_MAX - 3;
		uint32_t phase = mf_load_acquire(&lock->phase);

		writer = start(write_and_look, 0);
		while (mf_load_seq_cst(&lock->phase) == phase) {
			if (!writer_is_named(0))
				continue;
			before = mf_load_seq_cst(&entered);
			break;
		}
		pthread_join(writer, NULL);
		ck_assert_uint_le(entered_when_writing, before + 3);
	}
	mf_store_relaxed(&stop_threads, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
}

static void *write_without_end(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	while (!mf_load_relaxed(&stop_threads)) {
		MUST(mf_mmap_write_lock(lock, me) == 0);
		mf_mmap_write_unlock(lock, me);
	}
	return arg;
}

static uint32_t phase_when_reading;

static void *read_and_look(void *arg)
{
	struct mf_slot *me = mf_slot_self();

	mf_mmap_read_lock(lock, me);
	mf_store_seq_cst(&phase_when_reading, mf_load_seq_cst(&lock->phase));
	mf_mmap_read_unlock(lock, me);
	return arg;
}

/* Seen to wait in one phase, a reader is in two phases later at most. */
TEST_WITHIN(writers_do_not_starve_a_reader, 30)
{
	pthread_t writers[3], reader;

	make_lock(MF_LOCK_PHASE_FAIR);
	for (int i = 0; i < 3; i++)
		writers[i] = start(write_without_end, 0);
	for (int i = 0; i < 100; i++) {
		uint32_t before = 0;
		bool waited = false;

		mf_store_seq_cst(&phase_when_reading, 0);
		reader = start(read_and_look, 0);
		while (!waited && !mf_load_seq_cst(&phase_when_reading))
			waited = readers_wait(1);
		if (waited)
			before = mf_load_seq_cst(&lock->phase);
		pthread_join(reader, NULL);
		if (waited)
			ck_assert_int_le((int32_t)(phase_when_reading - before),
					 3);
	}
	mf_store_relaxed(&stop_threads, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(writers[i], NULL);
}

/*
 * The dead
 */

enum death { READING, WRITING, QUEUED, WAITING_TO_READ };

/* A child that gets that far and stays there. */
static pid_t child_that_is(enum death death)
{
	pid_t child;
	struct mf_slot *me;

	mf_slot_patience_ns = 1000000;
	child = fork();
	if (child > 0)
		return child;
	me = mf_slot_self();
	if (death == READING || death == WAITING_TO_READ)
		mf_mmap_read_lock(lock, me);
	else
		(void)mf_mmap_write_lock(lock, me);
	mf_store_release(&shared->ready[0], 1);
	for (;;)
		pause();
}

static void kill_child(pid_t child)
{
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

TEST(a_dead_reader_does_not_hold_up_a_writer)
{
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	child = child_that_is(READING);
	until(is_ready, 0);
	kill_child(child);
	ck_assert_int_eq(mf_mmap_write_lock(lock, mf_slot_self()), 0);
	mf_mmap_write_unlock(lock, mf_slot_self());
}

/* The writer sleeps on the entry of one who is killed only then. */
TEST(a_writer_goes_on_when_a_reader_dies_before_its_eyes)
{
	pthread_t writer;
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	child = child_that_is(READING);
	until(is_ready, 0);
	writer = start(write_once, 1);
	until(writer_is_named, 0);
	usleep(10000);
	ck_assert_uint_eq(mf_load_acquire(&shared->n_order), 0);
	kill_child(child);
	pthread_join(writer, NULL);
	ck_assert_uint_eq(shared->n_order, 1);
}

TEST(a_dead_writer_is_told_of_until_all_is_repaired)
{
	struct mf_slot *me = mf_slot_self();
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	ck_assert(!mf_mmap_lock_broken(lock));
	child = child_that_is(WRITING);
	until(is_ready, 0);
	kill_child(child);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(mf_mmap_write_lock(lock, me), -EOWNERDEAD);
		mf_mmap_write_unlock(lock, me);
	}
	ck_assert(mf_mmap_lock_broken(lock));
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), -EOWNERDEAD);
	mf_mmap_lock_consistent(lock);
	mf_mmap_write_unlock(lock, me);
	ck_assert(!mf_mmap_lock_broken(lock));
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	mf_mmap_write_unlock(lock, me);
}

TEST(readers_go_on_after_a_dead_writer_and_can_see_it)
{
	struct mf_slot *me = mf_slot_self();
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	child = child_that_is(WRITING);
	until(is_ready, 0);
	kill_child(child);
	mf_mmap_read_lock(lock, me);
	ck_assert(mf_mmap_lock_broken(lock));
	ck_assert(another_may_read());
	mf_mmap_read_unlock(lock, me);
}

/* Both sleep already when the holder is killed. */
TEST(those_who_wait_go_on_when_the_writer_dies)
{
	pthread_t reader, repairer;
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	child = child_that_is(WRITING);
	until(is_ready, 0);
	reader = start(read_once, 1);
	until(readers_wait, 1);
	kill_child(child);
	pthread_join(reader, NULL);
	ck_assert_int_eq(mf_mmap_write_lock(lock, mf_slot_self()), -EOWNERDEAD);
	mf_mmap_lock_consistent(lock);
	repairer = start(write_once, 2);
	until(writers_queue, 1);
	mf_mmap_write_unlock(lock, mf_slot_self());
	pthread_join(repairer, NULL);
	ck_assert_uint_eq(shared->n_order, 2);
}

/* It changed nothing, so nobody has to hear of it. */
TEST(a_writer_that_died_waiting_for_readers_is_forgotten)
{
	struct mf_slot *me = mf_slot_self();
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	mf_mmap_read_lock(lock, me);
	child = child_that_is(QUEUED);
	until(writer_is_named, 0);
	kill_child(child);
	pthread_join(start(read_once, 1), NULL);
	mf_mmap_read_unlock(lock, me);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	mf_mmap_write_unlock(lock, me);
}

TEST(a_dead_writer_in_the_queue_does_not_get_its_turn)
{
	struct mf_slot *me = mf_slot_self();
	pthread_t writer;
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	child = child_that_is(QUEUED);
	until(writers_queue, 1);
	mf_slot_patience_ns = ANY_LENGTH_OF_TIME;
	writer = start(write_once, 1);
	until(writers_queue, 2);
	kill_child(child);
	mf_mmap_write_unlock(lock, me);
	pthread_join(writer, NULL);
	ck_assert(another_may_read());
}

/* The lock was handed on to somebody who never got to know. */
TEST(an_heir_that_died_is_passed_over)
{
	struct mf_slot *me = mf_slot_self();
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	child = child_that_is(QUEUED);
	until(writers_queue, 1);
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(child, NULL, WUNTRACED), child);
	mf_mmap_write_unlock(lock, me);
	ck_assert(writer_is_named(0));
	kill_child(child);
	pthread_join(start(read_once, 1), NULL);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	mf_mmap_write_unlock(lock, me);
}

TEST(a_dead_reader_that_waited_does_not_hold_up_a_writer)
{
	struct mf_slot *me = mf_slot_self();
	pid_t child;

	make_lock(MF_LOCK_PHASE_FAIR);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	child = child_that_is(WAITING_TO_READ);
	until(readers_wait, 1);
	kill_child(child);
	mf_mmap_write_unlock(lock, me);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	mf_mmap_write_unlock(lock, me);
}

/*
 * Storms
 */

static void write_one(struct mf_slot *me, uint64_t r)
{
	if (mf_mmap_write_lock(lock, me) == -EOWNERDEAD) {
		shared->second = shared->first;
		shared->repairs++;
		mf_mmap_lock_consistent(lock);
	}
	MUST(shared->first == shared->second);
	shared->first++;
	if ((r >> 8) % 8 == 0)
		sched_yield();
	shared->second++;
	shared->writes++;
	mf_mmap_write_unlock(lock, me);
}

static void read_one(struct mf_slot *me, uint64_t r)
{
	if ((r >> 16) % 4 == 0) {
		if (!mf_mmap_read_trylock(lock, me))
			return;
	} else {
		mf_mmap_read_lock(lock, me);
	}
	if (!mf_mmap_lock_broken(lock)) {
		uint64_t first = shared->first;

		if ((r >> 8) % 32 == 0)
			sched_yield();
		MUST(first == shared->second);
	}
	mf_mmap_read_unlock(lock, me);
	mf_add_relaxed(&shared->reads, 1);
}

static void read_and_write(uint64_t seed, unsigned rounds)
{
	struct mf_random random = { seed };
	struct mf_slot *me = mf_slot_self();

	for (unsigned i = 0; i < rounds && !mf_load_relaxed(&shared->stop);
	     i++) {
		uint64_t r = mf_random_next(&random);

		if (r % 16 == 0)
			write_one(me, r);
		else
			read_one(me, r);
	}
}

static void *storm(void *seed)
{
	read_and_write((uintptr_t)seed, 20000);
	return NULL;
}

static void storm_of_threads(unsigned policy)
{
	uint64_t seed = mf_test_seed();
	pthread_t threads[4];

	make_lock(policy);
	for (unsigned i = 0; i < 4; i++)
		threads[i] = start(storm, (uintptr_t)(seed + i));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(shared->first, shared->writes);
	ck_assert_uint_eq(shared->second, shared->writes);
}

TEST_WITHIN(a_storm_of_threads_phase_fair, 30)
{
	storm_of_threads(MF_LOCK_PHASE_FAIR);
}

TEST_WITHIN(a_storm_of_threads_that_prefers_readers, 30)
{
	storm_of_threads(MF_LOCK_PREFER_READER);
}

TEST_WITHIN(a_storm_of_threads_that_prefers_writers, 30)
{
	storm_of_threads(MF_LOCK_PREFER_WRITER);
}

TEST_WITHIN(a_storm_of_threads_recursive, 30)
{
	storm_of_threads(MF_LOCK_RECURSIVE);
}

static pid_t storm_child(uint64_t seed)
{
	pid_t child = fork();

	if (child == 0) {
		read_and_write(seed, UINT_MAX);
		_exit(0);
	}
	ck_assert_int_gt(child, 0);
	return child;
}

/* Whatever they were at when killed, the rest goes on. */
static void storm_of_killed_processes(unsigned policy)
{
	struct mf_random random = { mf_test_seed() };
	pid_t children[4];
	uint64_t reads, writes;
	int status;

	make_lock(policy);
	mf_slot_patience_ns = 1000000;
	for (unsigned i = 0; i < 4; i++)
		children[i] = storm_child(mf_random_next(&random));
	for (unsigned i = 0; i < 200; i++) {
		pid_t *victim = &children[mf_random_below(&random, 4)];

		usleep((useconds_t)mf_random_below(&random, 2000));
		ck_assert_int_eq(kill(*victim, SIGKILL), 0);
		ck_assert_int_eq(waitpid(*victim, &status, 0), *victim);
		/* Not by an assertion of its own. */
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		*victim = storm_child(mf_random_next(&random));
	}
	reads = mf_load_relaxed(&shared->reads);
	writes = mf_load_relaxed(&shared->writes);
	while (mf_load_relaxed(&shared->reads) < reads + 100 ||
	       mf_load_relaxed(&shared->writes) < writes + 100)
		sched_yield();
	mf_store_relaxed(&shared->stop, 1);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

TEST_WITHIN(a_storm_of_killed_processes_phase_fair, 30)
{
	storm_of_killed_processes(MF_LOCK_PHASE_FAIR);
}

TEST_WITHIN(a_storm_of_killed_processes_that_prefers_readers, 30)
{
	storm_of_killed_processes(MF_LOCK_PREFER_READER);
}

TEST_WITHIN(a_storm_of_killed_processes_that_prefers_writers, 30)
{
	storm_of_killed_processes(MF_LOCK_PREFER_WRITER);
}

/*
 * Making
 */

TEST(locks_are_different_and_given_back)
{
	struct mf_mmap_lock *one = mf_mmap_lock_new(mf_world(), 0);
	struct mf_mmap_lock *two = mf_mmap_lock_new(mf_world(), 0);

	ck_assert_ptr_ne(one, two);
	ck_assert_uint_ne(one->id, two->id);
	mf_mmap_lock_put(one);
	mf_mmap_lock_put(two);
	mf_mmap_lock_put(NULL);
	for (int i = 0; i < 10 * MF_WORLD_LOCKS; i++) {
		one = mf_mmap_lock_new(mf_world(), (unsigned)i % 2);
		ck_assert_uint_eq(one->policy, (unsigned)i % 2);
		mf_mmap_lock_put(one);
	}
}

TEST(when_all_are_used_they_are_shared_by_policy)
{
	struct mf_mmap_lock *other = mf_mmap_lock_new(mf_world(),
						      MF_LOCK_PREFER_READER);

	for (int i = 0; i < 2 * MF_WORLD_LOCKS; i++) {
		lock = mf_mmap_lock_new(mf_world(), MF_LOCK_PHASE_FAIR);
		ck_assert_ptr_nonnull(lock);
		ck_assert_ptr_ne(lock, other);
	}
	ck_assert_ptr_eq(mf_mmap_lock_new(mf_world(), MF_LOCK_PREFER_READER),
			 other);
	ck_assert_ptr_null(mf_mmap_lock_new(mf_world(), MF_LOCK_PREFER_WRITER));
}

TEST(a_killed_process_does_not_keep_its_lock_for_itself)
{
	struct mf_mmap_lock *dead;
	pid_t child;

	for (int i = 0; i < MF_WORLD_LOCKS - 1; i++)
		(void)mf_mmap_lock_new(mf_world(), MF_LOCK_PHASE_FAIR);
	child = fork();
	if (child == 0) {
		(void)mf_mmap_lock_new(mf_world(), MF_LOCK_PHASE_FAIR);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	dead = mf_mmap_lock_new(mf_world(), MF_LOCK_PHASE_FAIR);
	ck_assert_ptr_nonnull(dead);
	ck_assert_uint_eq(dead->users, 2);
	lock = mf_mmap_lock_new(mf_world(), MF_LOCK_PHASE_FAIR);
	ck_assert_ptr_nonnull(lock);
}

TEST(who_looks_on_can_read_the_entries)
{
	struct mf_slot *me;
	mf_lock_id id;

	make_lock(MF_LOCK_PHASE_FAIR);
	me = mf_slot_self();
	ck_assert_int_eq(mf_mmap_lock_use(me->hold[0], &id), MF_LOCK_UNUSED);
	mf_mmap_read_lock(lock, me);
	ck_assert_int_eq(mf_mmap_lock_use(me->hold[0], &id), MF_LOCK_READS);
	ck_assert_uint_eq(id, lock->id);
	mf_mmap_read_unlock(lock, me);
	ck_assert_int_eq(mf_mmap_write_lock(lock, me), 0);
	ck_assert_int_eq(mf_mmap_lock_use(me->hold[0], &id), MF_LOCK_WRITES);
	mf_mmap_write_unlock(lock, me);
	ck_assert_int_eq(mf_mmap_lock_use(5 | ENTRY_WANT, &id),
			 MF_LOCK_WAITS_TO_READ);
	ck_assert_uint_eq(id, 5);
	ck_assert_int_eq(mf_mmap_lock_use(5 | ENTRY_WANT | ENTRY_WRITE, &id),
			 MF_LOCK_WAITS_TO_WRITE);
}
