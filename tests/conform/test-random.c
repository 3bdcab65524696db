/* SPDX-License-Identifier: MIT */
/*
 * test-random.c - random operations, faults and writes, done to the kernel's
 * userfaultfd and to mfill's: all that is said of them must be the same.
 *
 * Faults are SIGBUS here, so that a sequence needs no second thread and comes
 * out the same each time. What fails is made as short as it can be.
 *
 * Pages are dropped, too: of a file only by holes in it, since what the file
 * has would be mapped again in passing (see below).
 *
 * Then the same without SIGBUS, and with threads that wait. What they are told,
 * by whom they are woken and what they see then is compared, too; messages that
 * are read together are sorted, since who is woken together asks in any order.
 *
 * Which pages that the file has are mapped already, though nobody touched
 * them, the kernel decides by what is around them. So there are two kinds of
 * sequences: with one registration for minor faults, and bytes that come from
 * elsewhere; or with registrations that come and go, and no such bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "conform/change.h"
#include "conform/conform.h"
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
	KINDS
};

struct step {
	enum kind kind;
	int page, n;
	unsigned mode;
	unsigned features; /* of the whole sequence */
};

static void do_step(struct run *run, const struct step *step)
{
	switch (step->kind) {
	case REGISTER:
		/* Minor faults are not for private memory: EINVAL. */
		do_register(run, step->page, step->n, step->mode % 9);
		break;
	case UNREGISTER:
		do_unregister(run, step->page, step->n);
		break;
	case WAKE:
		do_wake(run, step->page, step->n);
		break;
	case COPY:
		do_copy(run, step->page, step->n, step->mode % 5);
		break;
	case ZERO:
		do_zero(run, step->page, step->n, step->mode % 3);
		break;
	case CONTINUE:
		do_continue(run, step->page, step->n, step->mode % 5);
		break;
	case POISON:
		do_poison(run, step->page, step->n, step->mode % 3);
		break;
	case WRITEPROTECT:
		do_protect(run, step->page, step->n, step->mode % 5);
		do_marks(run);
		break;
	case MOVE_IN:
		do_move(run, (int)(step->mode % PAGES), step->page, step->n,
			step->mode % 4);
		break;
	case MOVE_WITHIN:
		do_move_within(run, (int)(step->mode % PAGES), step->page,
			       step->n, step->mode % 4);
		break;
	case DROP:
		do_change(run, ADVISE, step->page, step->n,
			  run->memory == ANON ? MADV_DONTNEED : MADV_REMOVE);
		break;
	case SOURCE:
		do_source(run, step->page, step->mode % 2);
		break;
	case TOUCH:
		do_touch(run, step->page, step->mode % 2);
		break;
	default:
		do_other(run, step->page, step->mode % 2);
	}
}

/* Sequences differ in what they may have in them. */
struct rules {
	bool minor;   /* one registration, bytes that come from elsewhere */
	bool threads; /* who touches may wait */
};

static bool is_allowed(const struct step *step, const struct rules *rules)
{
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
	default:
		return true;
	}
}

static struct step random_step(struct mf_random *random,
			       const struct rules *rules)
{
	struct step step = { .features = 0 };

	do {
		step.kind = (enum kind)mf_random_below(random, KINDS + 8);
		/* The same few pages again and again. */
		if (step.kind >= KINDS)
			step.kind = step.kind % 2    ? COPY
				    : rules->threads ? START
						     : TOUCH;
		step.page = (int)mf_random_below(random, PAGES);
		step.n = 1 + (int)mf_random_below(
				     random, (uint64_t)(PAGES - step.page));
		if (mf_random_below(random, 2))
			step.n = 1;
		step.mode = (unsigned)mf_random_below(random, 360);
	} while (!is_allowed(&step, rules));
	return step;
}

static struct run by_kernel, by_mfill;

static void play(struct run *run, const struct step *steps, unsigned n)
{
	static const uint64_t features[] = {
		UFFD_FEATURE_SIGBUS,
		UFFD_FEATURE_SIGBUS | UFFD_FEATURE_WP_UNPOPULATED,
		UFFD_FEATURE_SIGBUS | UFFD_FEATURE_WP_ASYNC,
	};

	do_api(run, features[steps[0].features]);
	for (unsigned i = 0; i < n; i++)
		do_step(run, &steps[i]);
	for (int page = 0; page < PAGES; page++) {
		do_touch(run, page, false);
		do_source(run, page, false);
	}
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

static void play_threads(struct run *run, const struct step *steps, unsigned n)
{
	do_api(run, steps[0].features % 2 ? UFFD_FEATURE_WP_UNPOPULATED : 0);
	for (unsigned i = 0; i < n; i++) {
		if (steps[i].kind == START)
			do_thread(run, steps[i].mode % TOUCHERS, steps[i].page,
				  steps[i].mode % 2);
		else if (steps[i].kind == MESSAGES)
			do_messages(run);
		else
			do_step(run, &steps[i]);
		/* The kernel wakes only those who wait for missing pages. */
		if (steps[i].kind == UNREGISTER)
			do_wake(run, steps[i].page, steps[i].n);
		settle(run);
	}
	do_messages(run);
	do_marks(run);
	say(run, "close: %d\n", run->who->close(run->fd));
	run->fd = -1;
	for (unsigned i = 0; i < TOUCHERS; i++)
		if (is_busy[i])
			do_finish(&touchers[i], run);
	memset(is_busy, 0, sizeof(is_busy));
	for (int page = 0; page < PAGES; page++)
		do_touch(run, page, false);
	run_end(run);
}

static void (*player)(struct run *run, const struct step *steps, unsigned n);

static bool same(enum memory memory, const struct step *steps, unsigned n)
{
	if (!run_start(&by_kernel, &kernel, memory, O_NONBLOCK))
		SKIP("the kernel's userfaultfd, to compare with");
	player(&by_kernel, steps, n);
	if (!run_start(&by_mfill, &mfill, memory, O_NONBLOCK))
		SKIP("/proc");
	player(&by_mfill, steps, n);
	return strcmp(by_kernel.log, by_mfill.log) == 0;
}

/* Leave out what the difference does not need. */
static unsigned minimise(enum memory memory, struct step *steps, unsigned n)
{
	struct step fewer[STEPS];
	unsigned i = 0;

	while (i < n) {
		memcpy(fewer, steps, n * sizeof(fewer[0]));
		memmove(fewer + i, fewer + i + 1,
			(n - i - 1) * sizeof(fewer[0]));
		if (same(memory, fewer, n - 1)) {
			i++;
			continue;
		}
		memcpy(steps, fewer, --n * sizeof(fewer[0]));
		i = 0;
	}
	return n;
}

static void make_sequence(struct mf_random *random, const struct rules *rules,
			  struct step *steps, unsigned n)
{
	unsigned features = (unsigned)mf_random_below(random, 3);
	unsigned wp = mf_random_below(random, 3) ? UFFDIO_REGISTER_MODE_WP : 0;

	for (unsigned i = 0; i < n; i++)
		steps[i] = random_step(random, rules);
	if (rules->minor)
		steps[0] = (struct step){ REGISTER, 0, PAGES, 4 + n % 4, 0 };
	for (unsigned i = 0; i < n; i++) {
		steps[i].features = features;
		/* Marks that outlive their mode are a difference. */
		if (steps[i].kind == REGISTER && steps[i].mode % 9 < 8)
			steps[i].mode = (steps[i].mode % 9 & ~2U) | wp;
	}
}

static void compare(unsigned long sequences, bool threads)
{
	struct mf_random random = { mf_test_seed() };
	struct step steps[STEPS];

	player = threads ? play_threads : play;
	for (unsigned long i = 0; i < sequences; i++) {
		enum memory memory = (enum memory)mf_random_below(&random,
								  MEMORIES);
		unsigned n = 1 + (unsigned)mf_random_below(&random, STEPS);
		unsigned after = (unsigned)mf_random_below(&random, 3);
		const struct rules rules = {
			.minor = memory != ANON && mf_random_below(&random, 2),
			.threads = threads,
		};

		/* Some have windows from the first page on. */
		mf_window_after = after > 0 ? 4 : 0;
		make_sequence(&random, &rules, steps, n);
		if (same(memory, steps, n))
			continue;
		n = minimise(memory, steps, n);
		(void)same(memory, steps, n);
		ck_abort_msg("sequence %lu, %s memory, %u steps\n"
			     "-- kernel:\n%s-- mfill:\n%s",
			     i, memory_names[memory], n, by_kernel.log,
			     by_mfill.log);
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
