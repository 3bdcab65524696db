/* SPDX-License-Identifier: MIT */
/*
 * test-random.c - random operations, faults and writes, done to the kernel's
 * userfaultfd and to mfill's: all that is said of them must be the same.
 *
 * Faults are SIGBUS here, so that a sequence needs no second thread and comes
 * out the same each time. What fails is made as short as it can be.
 *
 * Pages are dropped, too: of a file only by holes in it, since what the file
 * has would be mapped again in passing (see below). In half of the sequences
 * mappings change, and the process forks, with events or without: world.h.
 *
 * Then the same without SIGBUS, and with threads that wait. What they are told,
 * by whom they are woken and what they see then is compared, too; messages that
 * are read together are sorted, since who is woken together asks in any order.
 *
 * Which pages that the file has are mapped already, though nobody touched
 * them, the kernel decides by what is around them. So there are two kinds of
 * sequences: with one registration for minor faults, and bytes that come from
 * elsewhere; or with registrations that come and go, and no such bytes. What a
 * child writes are such bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/conform.h"
#include "conform/world.h"
#include "harness/harness.h"
#include "uffd/window.h"

#define STEPS 40

enum kind {
	REGISTER,
	UNREGISTER,
	WAKE,
	COPY,
	ZERO,
	CONTINUE,
	POISON,
	WRITEPROTECT,
	MOVE_IN,
	MOVE_WITHIN,
	TOUCH,
	SOURCE,
	START,
	MESSAGES,
	OTHER,
	DROP, /* pages that are there */
	FIRST_CHANGE,
	NEW_ACCESS = FIRST_CHANGE,
	UNMAPPING,
	NEW_MAPPING,
	REMAPPING,
	RESIZING,
	LEAVING, /* MREMAP_DONTUNMAP */
	FORKING,
	KINDS
};

struct step {
	enum kind kind;
	int page, n;
	unsigned mode;
};

/* Sequences differ in what they may have in them. */
struct rules {
	bool minor;   /* one registration, bytes that come from elsewhere */
	bool threads; /* who touches may wait */
	bool changes; /* of mappings */
	bool forks; /* and no moves of private pages, which a child has, too */
};

struct sequence {
	struct rules rules;
	enum memory memory;
	uint64_t features;
	unsigned n;
	struct step steps[STEPS];
};

static struct world world;

/* Fills are of one mapping. */
static int cut(const struct step *step)
{
	return world_cut(&world, step->page, step->n);
}

static void do_change_step(const struct step *step)
{
	static const enum change changes[] = {
		[NEW_ACCESS - FIRST_CHANGE] = PROTECT,
		[UNMAPPING - FIRST_CHANGE] = UNMAP,
		[NEW_MAPPING - FIRST_CHANGE] = MAP_OVER,
		[REMAPPING - FIRST_CHANGE] = MOVE,
		[RESIZING - FIRST_CHANGE] = RESIZE,
		[LEAVING - FIRST_CHANGE] = LEAVE,
	};

	world_change(&world, changes[step->kind - FIRST_CHANGE], step->page,
		     step->n, step->mode, step->mode / 18);
}

/* From where to where may both be of several. */
static void do_move_step(struct run *run, const struct step *step)
{
	int from = (int)(step->mode % PAGES), n = cut(step);

	if (step->kind == MOVE_IN) {
		do_move(run, from, step->page, n, step->mode % 4);
		return;
	}
	n = world_cut(&world, from, n);
	do_move_within(run, from, step->page, n, step->mode % 4);
}

static void do_step(struct run *run, const struct step *step)
{
	int n;

	switch (step->kind) {
	case REGISTER:
		/* Minor faults are not for private memory: EINVAL. */
		world_register(&world, step->page, step->n, step->mode % 9);
		break;
	case UNREGISTER:
		world_unregister(&world, step->page, step->n);
		break;
	case WAKE:
		do_wake(run, step->page, step->n);
		break;
	case COPY:
		do_copy(run, step->page, cut(step), step->mode % 5);
		break;
	case ZERO:
		do_zero(run, step->page, cut(step), step->mode % 3);
		break;
	case CONTINUE:
		n = world_cut_certain(&world, step->page, step->n);
		if (n > 0)
			do_continue(run, step->page, n, step->mode % 5);
		break;
	case POISON:
		n = world_cut_certain(&world, step->page, step->n);
		if (n > 0)
			do_poison(run, step->page, n, step->mode % 3);
		break;
	case WRITEPROTECT:
		do_protect(run, step->page, step->n, step->mode % 5);
		do_marks(run);
		break;
	case MOVE_IN:
	case MOVE_WITHIN:
		do_move_step(run, step);
		break;
	case DROP:
		world_drop(&world, step->page, step->n);
		break;
	case SOURCE:
		do_source(run, step->page % PAGES, step->mode % 2);
		break;
	case TOUCH:
		do_touch(run, step->page, step->mode % 2);
		break;
	case OTHER:
		if (step->page < PAGES)
			do_other(run, step->page, step->mode % 2);
		break;
	case FORKING:
		world_fork(&world, step->page, step->n, step->mode);
		do_marks(run);
		break;
	default:
		do_change_step(step);
		do_marks(run);
	}
}

static bool is_allowed(const struct step *step, const struct sequence *sequence)
{
	const struct rules *rules = &sequence->rules;

	switch (step->kind) {
	case REGISTER:
	case UNREGISTER:
		return !rules->minor;
	case OTHER:
		return rules->minor;
	case TOUCH:
		return !rules->threads;
	case START:
	case MESSAGES:
		return rules->threads;
	case MOVE_IN:
	case MOVE_WITHIN:
		return !rules->forks;
	case FORKING:
		return rules->forks;
	default:
		return step->kind < FIRST_CHANGE || rules->changes;
	}
}

static struct step random_step(struct mf_random *random,
			       const struct sequence *sequence)
{
	bool threads = sequence->rules.threads;
	struct step step = { .page = 0 };

	do {
		int pages = sequence->rules.changes &&
					    mf_random_below(random, 4) == 0
				    ? WORLD
				    : PAGES;

		step.kind = (enum kind)mf_random_below(random, KINDS + 8);
		/* The same few pages again and again. */
		if (step.kind >= KINDS)
			step.kind = step.kind % 2 ? COPY
				    : threads	  ? START
						  : TOUCH;
		step.page = (int)mf_random_below(random, (uint64_t)pages);
		step.n = 1 + (int)mf_random_below(
				     random, (uint64_t)(pages - step.page));
		if (mf_random_below(random, 2))
			step.n = 1;
		step.mode = (unsigned)mf_random_below(random, 360);
	} while (!is_allowed(&step, sequence));
	return step;
}

static struct run by_kernel, by_mfill;

static void begin(struct run *run, const struct sequence *sequence)
{
	const struct rules *rules = &sequence->rules;

	do_api(run, sequence->features);
	world_start(&world, run, sequence->features, rules->threads,
		    !rules->minor);
}

static void play(struct run *run, const struct sequence *sequence)
{
	begin(run, sequence);
	for (unsigned i = 0; i < sequence->n; i++)
		do_step(run, &sequence->steps[i]);
	for (int page = 0; page < run->pages; page++)
		do_contents(run, page);
	for (int page = 0; page < PAGES; page++)
		do_source(run, page, false);
	do_marks(run);
	run_end(run);
}

/* Threads */

#define TOUCHERS 3

static struct toucher touchers[TOUCHERS];
static bool is_busy[TOUCHERS];

static void do_thread(struct run *run, unsigned which, int page, bool write)
{
	if (is_busy[which])
		return;
	is_busy[which] = true;
	do_start(&touchers[which], run, page, write);
}

static int compare_messages(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uffd_msg));
}

static void do_messages(struct run *run)
{
	struct uffd_msg messages[2 * TOUCHERS];
	size_t n = 0;

	while (n < 2 * TOUCHERS &&
	       run->who->read(run->fd, &messages[n], sizeof(messages[n])) > 0)
		n++;
	qsort(messages, n, sizeof(messages[0]), compare_messages);
	for (size_t i = 0; i < n; i++)
		say(run, "message: flags %llx at %lld\n",
		    (unsigned long long)messages[i].arg.pagefault.flags,
		    (long long)(messages[i].arg.pagefault.address -
				(uintptr_t)run->area));
}

/* Who is done, after each step. */
static void settle(struct run *run)
{
	for (unsigned i = 0; i < TOUCHERS; i++) {
		if (!is_busy[i] || !do_settle(&touchers[i]))
			continue;
		is_busy[i] = false;
		say(run, "%u: ", i);
		do_finish(&touchers[i], run);
	}
}

static void do_thread_step(struct run *run, const struct step *step)
{
	switch (step->kind) {
	case START:
		do_thread(run, step->mode % TOUCHERS, step->page,
			  step->mode % 2);
		break;
	case MESSAGES:
		do_messages(run);
		break;
	default:
		/* Who waits where something goes may be told of, or not. */
		if (step->kind >= DROP)
			do_messages(run);
		do_step(run, step);
		/* The kernel wakes only those who wait for missing pages. */
		if (step->kind == UNREGISTER)
			do_wake(run, step->page, step->n);
	}
	settle(run);
}

static void play_threads(struct run *run, const struct sequence *sequence)
{
	begin(run, sequence);
	for (unsigned i = 0; i < sequence->n; i++)
		do_thread_step(run, &sequence->steps[i]);
	do_messages(run);
	do_marks(run);
	say(run, "close: %d\n", run->who->close(run->fd));
	run->fd = -1;
	for (unsigned i = 0; i < TOUCHERS; i++)
		if (is_busy[i])
			do_finish(&touchers[i], run);
	memset(is_busy, 0, sizeof(is_busy));
	for (int page = 0; page < run->pages; page++)
		do_contents(run, page);
	run_end(run);
}

static void play_on(struct run *run, const struct implementation *who,
		    const struct sequence *sequence, const char *needs)
{
	int pages = sequence->rules.changes ? WORLD : PAGES;

	if (!run_start_at(run, who, sequence->memory, O_NONBLOCK, WORLD_START,
			  pages))
		SKIP("%s", needs);
	if (sequence->rules.threads)
		play_threads(run, sequence);
	else
		play(run, sequence);
}

static bool same(const struct sequence *sequence)
{
	play_on(&by_kernel, &kernel, sequence,
		"the kernel's userfaultfd, to compare with");
	play_on(&by_mfill, &mfill, sequence, "/proc");
	return strcmp(by_kernel.log, by_mfill.log) == 0;
}

/* Leave out what the difference does not need. */
static void minimise(struct sequence *sequence)
{
	unsigned i = 0;

	while (i < sequence->n) {
		struct sequence fewer = *sequence;

		fewer.n--;
		memmove(fewer.steps + i, fewer.steps + i + 1,
			(fewer.n - i) * sizeof(fewer.steps[0]));
		if (same(&fewer)) {
			i++;
			continue;
		}
		*sequence = fewer;
		i = 0;
	}
}

/* The kernel has it only for the privileged. */
static bool has_event_fork(void)
{
	static int has = -1;
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_FORK };
	int fd;

	if (has >= 0)
		return has;
	fd = kernel.open(O_CLOEXEC | UFFD_USER_MODE_ONLY);
	has = fd >= 0 && kernel.ioctl(fd, UFFDIO_API, &api) == 0;
	if (fd >= 0)
		(void)kernel.close(fd);
	return has;
}

static uint64_t random_features(struct mf_random *random,
				const struct rules *rules)
{
	static const uint64_t kinds[] = { 0, UFFD_FEATURE_WP_UNPOPULATED,
					  UFFD_FEATURE_WP_ASYNC };
	static const uint64_t events[] = { UFFD_FEATURE_EVENT_FORK,
					   UFFD_FEATURE_EVENT_REMAP,
					   UFFD_FEATURE_EVENT_REMOVE,
					   UFFD_FEATURE_EVENT_UNMAP };
	uint64_t all = rules->threads
			       ? kinds[mf_random_below(random, 2)]
			       : UFFD_FEATURE_SIGBUS |
					 kinds[mf_random_below(random, 3)];
	bool any = mf_random_below(random, 2);

	for (int i = 0; i < 4; i++)
		if (mf_random_below(random, 2) && any && rules->changes)
			all |= events[i];
	if (!has_event_fork())
		all &= ~(uint64_t)UFFD_FEATURE_EVENT_FORK;
	return all;
}

static void choose_mode(const struct sequence *sequence, struct step *step,
			unsigned wp)
{
	const struct rules *rules = &sequence->rules;
	unsigned mode = step->mode % 9;

	/* Marks that outlive their mode are a difference. */
	if (mode < 8)
		mode = (mode & ~2U) | wp;
	/* So are pages of a child's that are mapped in passing. */
	if (rules->forks && !rules->minor)
		mode &= ~4U;
	step->mode = mode;
}

static void make_sequence(struct mf_random *random, bool threads,
			  struct sequence *ret)
{
	unsigned wp;

	ret->memory = (enum memory)mf_random_below(random, MEMORIES);
	ret->n = 1 + (unsigned)mf_random_below(random, STEPS);
	ret->rules.threads = threads;
	ret->rules.minor = ret->memory != ANON && mf_random_below(random, 2);
	ret->rules.changes = mf_random_below(random, 2);
	ret->rules.forks = ret->rules.changes &&
			   mf_random_below(random, 3) == 0;
	ret->features = random_features(random, &ret->rules);
	wp = mf_random_below(random, 3) ? UFFDIO_REGISTER_MODE_WP : 0;
	for (unsigned i = 0; i < ret->n; i++)
		ret->steps[i] = random_step(random, ret);
	if (ret->rules.minor)
		ret->steps[0] = (struct step){ REGISTER, 0, PAGES,
					       4 + ret->n % 4 };
	for (unsigned i = 0; i < ret->n; i++)
		if (ret->steps[i].kind == REGISTER)
			choose_mode(ret, &ret->steps[i], wp);
}

#define BEFORE 1500
#define SHOWN  3500 /* of each: there is a limit to messages of Check's */

static void tell_difference(unsigned long i, const struct sequence *sequence)
{
	size_t from = 0;

	while (by_kernel.log[from] && by_kernel.log[from] == by_mfill.log[from])
		from++;
	from = from > BEFORE ? from - BEFORE : 0;
	ck_abort_msg("sequence %lu, %s memory, %u steps\n"
		     "-- kernel:\n%.*s-- mfill:\n%.*s",
		     i, memory_names[sequence->memory], sequence->n, SHOWN,
		     by_kernel.log + from, SHOWN, by_mfill.log + from);
}

static void compare(unsigned long sequences, bool threads)
{
	static struct run kernel_before, mfill_before;
	struct mf_random random = { mf_test_seed() };
	struct sequence sequence, shorter;

	for (unsigned long i = 0; i < sequences; i++) {
		/* Some have windows from the first page on. */
		mf_window_after = mf_random_below(&random, 3) > 0 ? 4 : 0;
		make_sequence(&random, threads, &sequence);
		if (same(&sequence))
			continue;
		kernel_before = by_kernel;
		mfill_before = by_mfill;
		shorter = sequence;
		minimise(&shorter);
		/* What comes and goes is told as it was seen. */
		if (same(&shorter)) {
			shorter = sequence;
			by_kernel = kernel_before;
			by_mfill = mfill_before;
		}
		tell_difference(i, &shorter);
	}
}

static unsigned long sequences(void)
{
	const char *text = getenv("MF_TEST_SEQUENCES");

	return text ? strtoul(text, NULL, 10) : 1000;
}

TEST_WITHIN(random_sequences_are_as_the_kernel_s, 900)
{
	compare(sequences() / 2, false);
}

TEST_WITHIN(on_an_old_kernel_they_are_as_this_kernel_s, 900)
{
	force_old_kernel();
	compare(sequences() / 2, false);
}

/* These take many times as long. */
TEST_WITHIN(with_threads_they_are_as_the_kernel_s, 900)
{
	compare(sequences() / 25, true);
}

TEST_WITHIN(with_threads_on_an_old_kernel_they_are_as_this_kernel_s, 900)
{
	force_old_kernel();
	compare(sequences() / 25, true);
}
