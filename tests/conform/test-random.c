/* SPDX-License-Identifier: MIT */
/*
 * test-random.c - random operations, faults and writes, done to the kernel's
 * userfaultfd and to mfill's: all that is said of them must be the same.
 *
 * Faults are SIGBUS here, so that a sequence needs no second thread and comes
 * out the same each time. What fails is made as short as it can be.
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

#include "conform/conform.h"
#include "harness/harness.h"

#define STEPS 40

enum kind {
	REGISTER,
	UNREGISTER,
	WAKE,
	COPY,
	ZERO,
	CONTINUE,
	POISON,
	TOUCH,
	OTHER,
	KINDS
};

struct step {
	enum kind kind;
	int page, n;
	unsigned mode;
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
		/* Mode 2 is write protection. */
		do_continue(run, step->page, step->n, step->mode % 2);
		break;
	case POISON:
		do_poison(run, step->page, step->n, step->mode % 3);
		break;
	case TOUCH:
		do_touch(run, step->page, step->mode % 2);
		break;
	default:
		do_other(run, step->page, step->mode % 2);
	}
}

/* Modes with WP are what mfill does not have. */
static bool is_compared(const struct step *step, bool minor)
{
	if (minor ? step->kind == REGISTER || step->kind == UNREGISTER
		  : step->kind == OTHER)
		return false;
	if (step->kind == REGISTER)
		return !(step->mode % 9 & UFFDIO_REGISTER_MODE_WP);
	if (step->kind == COPY)
		return !(step->mode % 5 & UFFDIO_COPY_MODE_WP);
	return true;
}

static struct step random_step(struct mf_random *random, bool minor)
{
	struct step step;

	do {
		step.kind = (enum kind)mf_random_below(random, KINDS + 4);
		/* The same few pages again and again. */
		if (step.kind >= KINDS)
			step.kind = step.kind % 2 ? COPY : TOUCH;
		step.page = (int)mf_random_below(random, PAGES);
		step.n = 1 + (int)mf_random_below(
				     random, (uint64_t)(PAGES - step.page));
		if (mf_random_below(random, 2))
			step.n = 1;
		step.mode = (unsigned)mf_random_below(random, 360);
	} while (!is_compared(&step, minor));
	return step;
}

static struct run by_kernel, by_mfill;

static void play(struct run *run, const struct step *steps, unsigned n)
{
	do_api(run, UFFD_FEATURE_SIGBUS);
	for (unsigned i = 0; i < n; i++)
		do_step(run, &steps[i]);
	for (int page = 0; page < PAGES; page++)
		do_touch(run, page, false);
	run_end(run);
}

static bool same(enum memory memory, const struct step *steps, unsigned n)
{
	if (!run_start(&by_kernel, &kernel, memory, O_NONBLOCK))
		SKIP("the kernel's userfaultfd, to compare with");
	play(&by_kernel, steps, n);
	if (!run_start(&by_mfill, &mfill, memory, O_NONBLOCK))
		SKIP("Linux 6.15 and /proc");
	play(&by_mfill, steps, n);
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

TEST_WITHIN(random_sequences_are_as_the_kernel_s, 250)
{
	const char *text = getenv("MF_TEST_SEQUENCES");
	unsigned long sequences = text ? strtoul(text, NULL, 10) : 1000;
	struct mf_random random = { mf_test_seed() };
	struct step steps[STEPS];

	for (unsigned long i = 0; i < sequences; i++) {
		enum memory memory = (enum memory)mf_random_below(&random,
								  MEMORIES);
		unsigned n = 1 + (unsigned)mf_random_below(&random, STEPS);

		bool minor = memory != ANON && mf_random_below(&random, 2);

		for (unsigned j = 0; j < n; j++)
			steps[j] = random_step(&random, minor);
		if (minor)
			steps[0] = (struct step){ REGISTER, 0, PAGES,
						  n % 2 ? 4 : 5 };
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
