/* SPDX-License-Identifier: MIT */
/*
 * stress.c - threads x maps x unmap x fork x prefetch x require, at random.
 *
 * Four threads touch, write, require and prefetch pages of a few maps, replace
 * the maps, and fork children that touch on, some of which are killed. Each
 * word read is compared with what the source must have given, or with a
 * shadow copy where the map was written to. A watchdog ends the test when a
 * thread makes no progress; at the end nothing may be left.
 *
 * MF_STRESS_FAULTS sets how many faults to take.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sync.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "mfill.h"
#include "stress/content.h"

#define THREADS	     4
#define SLOTS	     6
#define PAGE	     4096
#define WORDS	     (PAGE / sizeof(uint64_t))
#define MAX_PAGES    1024
#define BASE_PAGES   2048 /* the map that others are filled from */
#define SHADOW_PAGES 64	  /* of a writable map */
#define PATIENCE     60	  /* seconds without progress */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#define FAULTS_WANTED 20000
#else
#define SANITIZED 0
#define FAULTS_WANTED 200000
#endif

/* A map that comes and goes. Fields change under the lock, held to write. */
struct slot {
	pthread_rwlock_t lock;
	char *addr;
	struct content content;
	uint64_t offset;  /* of the map in the source */
	size_t length;	  /* bytes; a multiple of eight */
	uint64_t *shadow; /* of a writable map: what it should hold */
};

struct thread {
	pthread_t id;
	struct mf_random random;
	unsigned number;
	uint32_t progress; /* counts operations; the watchdog looks at it */
	uint32_t ended;
};

static struct slot slots[SLOTS];
static struct thread threads[THREADS];
static char *base; /* filled once, never unmapped before the end */
static const struct content base_content = {
	.seed = 77, .size = (uint64_t)BASE_PAGES * PAGE, .is_inline = true
};
/* Not in qemu-user, which dies of it and knows nothing of deaths. */
static bool may_fork;
static uint64_t faults, wanted, forks, kills, maps_made;

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (MF_TEST_SEED=%#llx)\n",
		(unsigned long long)mf_test_seed());
	/* Also in a forked child, whose parent must see that it failed. */
	_exit(99);
}

static size_t pages_of(const struct slot *slot)
{
	return (slot->length + PAGE - 1) / PAGE;
}

static uint64_t expected(const struct slot *slot, size_t at)
{
	if (at >= slot->length)
		return 0;
	if (slot->shadow)
		return slot->shadow[at / sizeof(uint64_t)];
	return content_word(slot->content.seed, slot->offset + at);
}

/* A page of a writable map belongs to one thread, which also keeps shadow. */
static bool is_mine(const struct slot *slot, const struct thread *me,
		    size_t page)
{
	return !slot->shadow || page % THREADS == me->number;
}

/* Read a whole page, and compare each word of it. */
static void check_page(const struct slot *slot, size_t page)
{
	const volatile uint64_t *words = (const uint64_t *)(slot->addr +
							    page * PAGE);
	size_t i, at;

	for (i = 0; i < WORDS; i++) {
		at = page * PAGE + i * sizeof(uint64_t);
		if (words[i] != expected(slot, at))
			give_up("byte %zu of %zu is %llx, not %llx", at,
				slot->length, (unsigned long long)words[i],
				(unsigned long long)expected(slot, at));
	}
}

/* A source that may fail is asked first: a touch would raise SIGBUS. */
static void require_page(const struct slot *slot, size_t page)
{
	int r;

	if (!slot->content.fails)
		return;
	while ((r = mfill_require(slot->addr + page * PAGE, 1)) == -EIO)
		;
	if (r != 0)
		give_up("require: %s", strerror(-r));
}

static void touch(struct thread *me, const struct slot *slot, size_t run)
{
	size_t page = mf_random_below(&me->random, pages_of(slot));

	for (; run > 0 && page < pages_of(slot); run--, page++) {
		if (!is_mine(slot, me, page))
			continue;
		require_page(slot, page);
		check_page(slot, page);
	}
}

static void write_page(struct thread *me, const struct slot *slot)
{
	size_t page = mf_random_below(&me->random, pages_of(slot));
	size_t i = page * WORDS + mf_random_below(&me->random, WORDS);
	uint64_t value = mf_random_next(&me->random);

	if (!slot->shadow || !is_mine(slot, me, page) ||
	    i * sizeof(uint64_t) >= slot->length)
		return;
	require_page(slot, page);
	((volatile uint64_t *)slot->addr)[i] = value;
	slot->shadow[i] = value;
}

/* On whatever range was mapped once: the answer only has to be a known one. */
static void require_blindly(struct thread *me, char *addr)
{
	size_t at = mf_random_below(&me->random, MAX_PAGES) * PAGE;
	size_t len = 1 + mf_random_below(&me->random, 16 * PAGE);
	int r = mfill_require(addr + at, len);

	if (r != 0 && r != -EINVAL && r != -EAGAIN && r != -EIO)
		give_up("require: %s", strerror(-r));
	r = mfill_prefetch(addr + at, len);
	if (r != 0 && r != -EINVAL && r != -EAGAIN)
		give_up("prefetch: %s", strerror(-r));
}

static void count_faults(const struct slot *slot)
{
	struct mfill_stats stats;

	if (mfill_stats(slot->addr, &stats, sizeof(stats)) < 0)
		give_up("no statistics of a map");
	if (stats.faults + stats.readahead < stats.fills / 2 &&
	    stats.errors > stats.fills)
		give_up("statistics that cannot be");
	mf_fetch_add(&faults, stats.faults);
}

static void drop_map(struct slot *slot)
{
	if (!slot->addr)
		return;
	count_faults(slot);
	if (mfill_unmap(slot->addr) < 0)
		give_up("unmap failed");
	slot->addr = NULL;
	free(slot->shadow);
	slot->shadow = NULL;
}

static void make_shadow(struct slot *slot)
{
	size_t at;

	slot->shadow = malloc(slot->length);
	if (!slot->shadow)
		give_up("no memory");
	for (at = 0; at < slot->length; at += sizeof(uint64_t))
		slot->shadow[at / sizeof(uint64_t)] = content_word(
			slot->content.seed, slot->offset + at);
}

static void choose_content(struct thread *me, struct slot *slot, bool writable)
{
	struct mf_random *random = &me->random;
	size_t most = writable ? SHADOW_PAGES : MAX_PAGES;

	slot->length = (1 + mf_random_below(random, most * WORDS)) * 8;
	slot->offset = mf_random_below(random, 16) * PAGE;
	slot->content = (struct content){
		.seed = mf_random_next(random),
		.size = slot->offset + slot->length,
		.is_inline = mf_random_below(random, 4) > 0,
		.fails = mf_random_below(random, 4) ? 0 : 5,
	};
	if (mf_random_below(random, 4) == 0) {
		slot->content.seed = base_content.seed;
		slot->content.through = base;
	}
}

static void make_map(struct thread *me, struct slot *slot)
{
	bool writable = mf_random_below(&me->random, 4) == 0;
	struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.flags = writable ? MFILL_MAP_WRITE : 0,
		.backend = (int)mf_random_below(&me->random, 3),
		.fill_size = mf_random_below(&me->random, 3) * 4 * PAGE,
		.readahead = mf_random_below(&me->random, 2)
				     ? 0
				     : MFILL_READAHEAD_OFF,
	};
	struct mfill_source *source;
	void *addr;
	int r;

	choose_content(me, slot, writable);
	source = content_source(&slot->content);
	r = mfill_map(source, slot->offset, slot->length, &options, &addr);
	if (r == -EOPNOTSUPP) { /* a kernel without guards */
		options.backend = MFILL_BACKEND_AUTO;
		r = mfill_map(source, slot->offset, slot->length, &options,
			      &addr);
	}
	mfill_source_put(source);
	if (r < 0)
		give_up("map: %s", strerror(-r));
	slot->addr = addr;
	mf_fetch_add(&maps_made, 1);
	if (writable)
		make_shadow(slot);
}

static void replace_map(struct thread *me, struct slot *slot)
{
	pthread_rwlock_wrlock(&slot->lock);
	drop_map(slot);
	make_map(me, slot);
	pthread_rwlock_unlock(&slot->lock);
}

/* In the child: this thread only, and the maps as they were. */
static void child(struct thread *me)
{
	int i;

	alarm(PATIENCE);
	for (i = 0; i < 100; i++)
		touch(me, &slots[mf_random_below(&me->random, SLOTS)],
		      1 + mf_random_below(&me->random, 8));
	_exit(0);
}

static void fork_child(struct thread *me)
{
	bool kills_it = mf_random_below(&me->random, 2);
	int status, i;
	pid_t pid;

	/* No map comes or goes while the child takes its copy. */
	for (i = 0; i < SLOTS; i++)
		pthread_rwlock_rdlock(&slots[i].lock);
	pid = fork();
	if (pid == 0)
		child(me);
	for (i = 0; i < SLOTS; i++)
		pthread_rwlock_unlock(&slots[i].lock);
	if (pid < 0)
		give_up("fork: %s", strerror(errno));
	mf_fetch_add(&forks, 1);
	if (kills_it) {
		usleep((useconds_t)mf_random_below(&me->random, 3000));
		kill(pid, SIGKILL);
		mf_fetch_add(&kills, 1);
	}
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid: %s", strerror(errno));
	if (status != 0 &&
	    !(kills_it && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		give_up("a child ended with status %#x", (unsigned)status);
}

static void step(struct thread *me)
{
	struct slot *slot = &slots[mf_random_below(&me->random, SLOTS)];
	uint64_t dice = mf_random_below(&me->random, 1000);
	char *addr;

	if (dice < 4) {
		replace_map(me, slot);
		return;
	}
	if (dice < 5 && may_fork) {
		fork_child(me);
		return;
	}
	pthread_rwlock_rdlock(&slot->lock);
	addr = slot->addr;
	if (dice < 100)
		touch(me, slot, 16);
	else if (dice < 200)
		write_page(me, slot);
	else if (dice >= 250)
		touch(me, slot, 1);
	pthread_rwlock_unlock(&slot->lock);
	if (dice >= 200 && dice < 250)
		require_blindly(me, addr);
}

static void *run_thread(void *arg)
{
	struct thread *me = arg;

	while (mf_load_relaxed(&faults) < wanted) {
		step(me);
		mf_add_relaxed(&me->progress, 1);
	}
	mf_store_release(&me->ended, 1);
	return NULL;
}

/* True when all threads have ended; a thread that stands still is the end. */
static bool watch(uint32_t *last, unsigned *still)
{
	bool all_ended = true;
	uint32_t now;
	int i;

	for (i = 0; i < THREADS; i++) {
		if (mf_load_acquire(&threads[i].ended))
			continue;
		all_ended = false;
		now = mf_load_relaxed(&threads[i].progress);
		still[i] = now == last[i] ? still[i] + 1 : 0;
		last[i] = now;
		if (still[i] > PATIENCE * 10)
			give_up("thread %d waits for ever", i);
	}
	return all_ended;
}

static void run_threads(void)
{
	uint32_t last[THREADS] = { 0 };
	unsigned still[THREADS] = { 0 };
	int i;

	for (i = 0; i < THREADS; i++)
		threads[i].ended = 0;
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i].id, NULL,
						run_thread, &threads[i]),
				 0);
	while (!watch(last, still))
		usleep(100000);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
}

static void map_base(void)
{
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.fill_size = PAGE,
	};
	struct mfill_source *source = content_source(&base_content);
	void *addr;

	ck_assert_int_eq(
		mfill_map(source, 0, base_content.size, &options, &addr), 0);
	mfill_source_put(source);
	base = addr;
}

/* All that a run needs, and its end; what is left is somebody's leak. */
static void run(uint64_t target)
{
	int i;

	faults = 0;
	wanted = target;
	map_base();
	for (i = 0; i < SLOTS; i++) {
		pthread_rwlock_init(&slots[i].lock, NULL);
		make_map(&threads[0], &slots[i]);
	}
	run_threads();
	for (i = 0; i < SLOTS; i++) {
		drop_map(&slots[i]);
		pthread_rwlock_destroy(&slots[i].lock);
	}
	ck_assert_int_eq(mfill_unmap(base), 0);
}

static unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned lines = 0;
	int c;

	ck_assert_ptr_nonnull(maps);
	while ((c = getc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

/* Background fills may hold the last reference for a moment longer. */
static void wait_for_sources_to_close(void)
{
	int tries;

	for (tries = 0; content_alive() > 0 && tries < 100; tries++) {
		(void)mfill_unmap(NULL); /* every call frees what it can */
		usleep(50000);
	}
	ck_assert_uint_eq(content_alive(), 0);
}

TEST_WITHIN(every_byte_is_right_whatever_happens_at_once, 1200)
{
	const char *given = getenv("MF_STRESS_FAULTS");
	struct mf_random random = { mf_test_seed() };
	unsigned mappings;
	size_t heap;
	unsigned i;

	may_fork = mf_test_has_robust_mutexes();
	for (i = 0; i < THREADS; i++)
		threads[i] = (struct thread){
			.random = { mf_random_next(&random) }, .number = i
		};
	/* What the library and libc keep for ever is there after this. */
	run(2000);
	wait_for_sources_to_close();
	heap = mallinfo2().uordblks;
	mappings = count_mappings();
	run(given ? strtoull(given, NULL, 0) : FAULTS_WANTED);
	wait_for_sources_to_close();
	printf("# %llu faults, %llu maps, %llu forks, %llu of them killed\n",
	       (unsigned long long)faults, (unsigned long long)maps_made,
	       (unsigned long long)forks, (unsigned long long)kills);
	fflush(stdout);
	/*
	 * More would be a leak in each map. A sanitizer maps memory of its own
	 * as it goes, and asan looks for leaks itself.
	 */
	if (!SANITIZED) {
		ck_assert_uint_lt(mallinfo2().uordblks, heap + 100000);
		ck_assert_uint_lt(count_mappings(), mappings + 100);
	}
}
