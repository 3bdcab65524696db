/* SPDX-License-Identifier: MIT */
/*
 * harness.h - a thin layer over Check: what one test file needs.
 *
 * Promise: each TEST() registers itself, runs in a process of its own with a
 * time limit, and fails when it leaves a file descriptor or a mapping of
 * mfill's behind, or ends the process early. Results are printed as TAP.
 * Context: TEST() bodies run in the main thread of their process.
 *
 * A test program takes names of tests, or parts of names, as arguments.
 * CK_TIMEOUT_MULTIPLIER stretches all time limits; CK_FORK=no keeps
 * everything in one process, for a debugger.
 */
#ifndef MF_HARNESS_H
#define MF_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/faults.h"

struct mf_test {
	const char *name;
	void (*run)(void);
	double seconds; /* time limit */
	struct mf_test *next;
};

void mf_test_register(struct mf_test *test);

/* TEST(is_a_sentence) { body with ck_assert…() of Check } */
#define TEST(name) TEST_WITHIN(name, 10)
#define TEST_WITHIN(name, limit)                                           \
	static void name(void);                                            \
	__attribute__((constructor)) static void register_##name(void)     \
	{                                                                  \
		static struct mf_test test = { #name, name, limit, NULL }; \
		mf_test_register(&test);                                   \
	}                                                                  \
	static void name(void)

/*
 * End the test here, counted as skipped. The sentence says what is missing,
 * as in "a kernel with MADV_GUARD_INSTALL (6.15)".
 */
__attribute__((format(printf, 1, 2), noreturn)) void SKIP(const char *missing,
							  ...);

/* The code must end its process by that signal. It runs in a child. */
#define ASSERT_DIES_BY(sig, ...)                                     \
	do {                                                         \
		pid_t child_ = mf_test_fork();                       \
		if (child_ == 0) {                                   \
			__VA_ARGS__;                                 \
			_exit(0);                                    \
		}                                                    \
		mf_test_died_by(child_, sig, #__VA_ARGS__, __FILE__, \
				__LINE__);                           \
	} while (0)
/* The code must end its process by _exit(status). */
#define ASSERT_EXITS_WITH(status, ...)                                 \
	do {                                                           \
		pid_t child_ = mf_test_fork();                         \
		if (child_ == 0) {                                     \
			__VA_ARGS__;                                   \
			_exit(0);                                      \
		}                                                      \
		mf_test_exited(child_, status, #__VA_ARGS__, __FILE__, \
			       __LINE__);                              \
	} while (0)

/* fork() without a core dump in the child. */
pid_t mf_test_fork(void);
/* What only the stack of the main thread has is no leak in this process. */
void mf_test_main_thread_leaves(void);
void mf_test_died_by(pid_t child, int sig, const char *code, const char *file,
		     int line);
void mf_test_exited(pid_t child, int status, const char *code, const char *file,
		    int line);

/*
 * A random test starts from this. The number is printed with the result, and
 * MF_TEST_SEED in the environment sets it.
 */
uint64_t mf_test_seed(void);

/* splitmix64: any state is good, and the same one gives the same numbers. */
struct mf_random {
	uint64_t state;
};
uint64_t mf_random_next(struct mf_random *random);
/* From 0 to below - 1. */
uint64_t mf_random_below(struct mf_random *random, uint64_t below);

#endif
