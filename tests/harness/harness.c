/* SPDX-License-Identifier: MIT */
/*
 * harness.c - run the registered tests with Check, print TAP.
 *
 * Each test is a suite of its own, so that its result is printed at once.
 * Check does the forking, the time limit and the assertions.
 */
#include "base/sys.h"
#include "harness/harness.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/leaks.h"

/*
 * Tests of crashes look at the signal a process died by, so a sanitizer must
 * not answer for it. What it finds itself is fatal.
 */
#define FOR_SANITIZER __attribute__((visibility("default")))
FOR_SANITIZER const char *__asan_default_options(void);
FOR_SANITIZER const char *__ubsan_default_options(void);
FOR_SANITIZER const char *__tsan_default_options(void);
FOR_SANITIZER int __lsan_is_turned_off(void);

#define SIGNALS_ARE_OURS                                                \
	"handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:" \
	"handle_sigfpe=0:allow_user_segv_handler=1:use_sigaltstack=0:"

const char *__asan_default_options(void)
{
	return SIGNALS_ARE_OURS "detect_stack_use_after_return=0:"
				"allocator_may_return_null=1";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:halt_on_error=1";
}

const char *__tsan_default_options(void)
{
	/* A second for each process that ends with threads: hundreds do. */
	return SIGNALS_ARE_OURS "halt_on_error=1:die_after_fork=0:"
				"atexit_sleep_ms=0";
}

static bool main_thread_leaves;

int __lsan_is_turned_off(void)
{
	return main_thread_leaves;
}

void mf_test_main_thread_leaves(void)
{
	main_thread_leaves = true;
}

static struct mf_test *tests, **tests_end = &tests;

/* What the process of a test tells the one that prints. */
struct report {
	bool done;	/* the body came to its end, or skipped */
	char skip[256]; /* what is missing, or "" */
	bool seed_used;
	uint64_t seed;
};

static struct report *report;
static const struct mf_test *current;

void mf_test_register(struct mf_test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

void SKIP(const char *missing, ...)
{
	va_list args;

	va_start(args, missing);
	vsnprintf(report->skip, sizeof(report->skip), missing, args);
	va_end(args);
	report->done = true;
	exit(0);
}

pid_t mf_test_fork(void)
{
	struct rlimit none = { 0, 0 };
	pid_t child;

	fflush(NULL);
	child = fork();
	/* No assertion in the child: another thread may have Check's lock. */
	if (child < 0)
		ck_abort_msg("fork: %s", strerror(errno));
	if (child == 0)
		setrlimit(RLIMIT_CORE, &none);
	return child;
}

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	return status;
}

static void describe(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "died by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "exited with %d", WEXITSTATUS(status));
}

void mf_test_died_by(pid_t child, int sig, const char *code, const char *file,
		     int line)
{
	int status = wait_for(child);
	char text[40];

	if (WIFSIGNALED(status) && WTERMSIG(status) == sig)
		return;
	describe(status, text, sizeof(text));
	_ck_assert_failed(file, line, "ASSERT_DIES_BY",
			  "should die by signal %d, but %s: %s", sig, text,
			  code);
}

void mf_test_exited(pid_t child, int status, const char *code, const char *file,
		    int line)
{
	int got = wait_for(child);
	char text[40];

	if (WIFEXITED(got) && WEXITSTATUS(got) == status)
		return;
	describe(got, text, sizeof(text));
	_ck_assert_failed(file, line, "ASSERT_EXITS_WITH",
			  "should exit with %d, but %s: %s", status, text,
			  code);
}

uint64_t mf_test_seed(void)
{
	const char *given = getenv("MF_TEST_SEED");

	if (report->seed_used)
		return report->seed;
	if (given)
		report->seed = strtoull(given, NULL, 0);
	else if (getrandom(&report->seed, sizeof(report->seed), 0) < 0)
		abort();
	report->seed_used = true;
	return report->seed;
}

uint64_t mf_random_next(struct mf_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

uint64_t mf_random_below(struct mf_random *random, uint64_t below)
{
	return mf_random_next(random) % below;
}

/* The one test function Check sees; current says which body it is. */
START_TEST(run_body)
{
	struct mf_holdings before;
	char why[256];

	/* Check's handlers are for the process that runs the tests. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	mf_holdings_take(&before);
	current->run();
	report->done = true;
	if (!mf_holdings_same(&before, why, sizeof(why)))
		ck_abort_msg("%s", why);
}
END_TEST

static void print_indented(const char *text)
{
	fputs("#   ", stdout);
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n')
			fputs("#   ", stdout);
	}
	putchar('\n');
}

static bool print_result(int number, TestResult *result)
{
	bool passed = tr_rtype(result) == CK_PASS && report->done;

	printf("%sok %d - %s", passed ? "" : "not ", number, current->name);
	if (passed && report->skip[0])
		printf(" # SKIP needs %s", report->skip);
	putchar('\n');
	if (report->seed_used)
		printf("# seed: MF_TEST_SEED=%#llx\n",
		       (unsigned long long)report->seed);
	if (!passed) {
		printf("# %s:%d\n", tr_lfile(result), tr_lno(result));
		print_indented(tr_rtype(result) == CK_PASS
				       ? "ended its process early"
				       : tr_msg(result));
	}
	fflush(stdout);
	return passed;
}

static bool run_test(const struct mf_test *test, int number)
{
	Suite *suite = suite_create(test->name);
	TCase *tcase = tcase_create(test->name);
	SRunner *runner = srunner_create(suite);
	TestResult **results;
	bool passed;

	current = test;
	memset(report, 0, sizeof(*report));
	tcase_set_timeout(tcase, test->seconds);
	tcase_add_test(tcase, run_body);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_SILENT);
	results = srunner_results(runner);
	passed = print_result(number, results[0]);
	free(results);
	srunner_free(runner);
	return passed;
}

static bool is_wanted(const struct mf_test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strstr(test->name, *names))
			return true;
	return false;
}

static int (*real_madvise)(void *addr, size_t len, int advice);
static int (*real_open)(const char *path, int flags, mode_t mode);

static int madvise_without_guards(void *addr, size_t len, int advice)
{
	if (advice == MADV_GUARD_INSTALL || advice == MADV_GUARD_REMOVE)
		return -EINVAL;
	return real_madvise(addr, len, advice);
}

static int refuse_userfaultfd(int flags)
{
	(void)flags;
	return -EPERM;
}

static int open_but_userfaultfd(const char *path, int flags, mode_t mode)
{
	if (strcmp(path, "/dev/userfaultfd") == 0)
		return -ENOENT;
	return real_open(path, flags, mode);
}

/* MF_TEST_WITHOUT="guards userfaultfd": a kernel that lacks these. */
static void take_away(void)
{
	const char *without = getenv("MF_TEST_WITHOUT");

	if (without && strstr(without, "guards")) {
		real_madvise = mf_sys.madvise;
		mf_sys.madvise = madvise_without_guards;
	}
	if (without && strstr(without, "userfaultfd")) {
		real_open = mf_sys.open;
		mf_sys.open = open_but_userfaultfd;
		mf_sys.userfaultfd = refuse_userfaultfd;
	}
}

int main(int argc, char **argv)
{
	struct mf_test *test;
	int number = 0, wanted = 0, failed = 0;

	(void)argc;
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		abort();
	for (test = tests; test; test = test->next)
		wanted += is_wanted(test, argv + 1);
	take_away();
	printf("1..%d\n", wanted);
	fflush(stdout);
	for (test = tests; test; test = test->next)
		if (is_wanted(test, argv + 1))
			failed += !run_test(test, ++number);
	return failed || !wanted;
}
