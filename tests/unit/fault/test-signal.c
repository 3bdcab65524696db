/* SPDX-License-Identifier: MIT */
/*
 * test-signal.c - a fault that is not ours, as if we were not there.
 *
 * Each crash is done twice, with and without a map, and must look the same.
 */
#include "fault/signal.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/sigaction.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "harness/pattern.h"

#define PAGE ((size_t)4096)

static struct mf_pattern pattern = { .size = 64 * 4096,
				     .flags = MFILL_SOURCE_INLINE };

/* The bug is meant. */
#define BUG __attribute__((no_sanitize("undefined")))

BUG static void crash_null(void)
{
	*(volatile int *)NULL = 1;
}

BUG static void crash_wild(void)
{
	/* No address the processor could translate. */
	*(volatile int *)(uintptr_t)UINT64_C(0xdead000000000000) = 1;
}

BUG static void crash_jump(void)
{
	((void (*)(void))(uintptr_t)16)();
}

static void crash_kill(void)
{
	kill(getpid(), SIGSEGV);
	pause();
}

static void crash_raise_bus(void)
{
	raise(SIGBUS);
}

static void crash_behind_end_of_file(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);
	char *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	(void)*(volatile char *)map;
}

static void crash_while_blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigprocmask(SIG_BLOCK, &set, NULL);
	crash_null();
}

static void crash_while_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	crash_null();
}

static void survive_ignored_kill(void)
{
	signal(SIGSEGV, SIG_IGN);
	kill(getpid(), SIGSEGV);
	_exit(3);
}

static volatile int deepest = 1 << 30; /* no compiler knows that it ends */

__attribute__((noinline)) static int recurse(int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	if (depth >= deepest)
		return 0;
	return recurse(depth + 1) + frame[0];
}

static void crash_stack_overflow(void)
{
	(void)recurse(0);
}

static void exit_in_handler(int sig)
{
	(void)sig;
	_exit(4);
}

static void handled_stack_overflow(void)
{
	static char bytes[65536];
	stack_t stack = { .ss_sp = bytes, .ss_size = sizeof(bytes) };
	struct sigaction action = { .sa_handler = exit_in_handler,
				    .sa_flags = SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	crash_stack_overflow();
}

static int status_of(void (*crash)(void), bool with_map)
{
	pid_t child = mf_test_fork();
	int status;

	if (child == 0) {
		char *map = with_map ? mf_pattern_map(&pattern, NULL) : NULL;

		if (map)
			(void)*(volatile char *)map;
		crash();
		_exit(99);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

#define CRASH_TEST(crash)                                        \
	TEST(crash##_is_the_same_with_a_map)                     \
	{                                                        \
		int plain = status_of(crash, false);             \
		mf_test_needs_crashes();                         \
                                                                 \
		ck_assert_int_ne(plain, 99 << 8);                \
		ck_assert_int_eq(status_of(crash, true), plain); \
	}

CRASH_TEST(crash_null)
CRASH_TEST(crash_wild)
CRASH_TEST(crash_jump)
CRASH_TEST(crash_kill)
CRASH_TEST(crash_raise_bus)
CRASH_TEST(crash_behind_end_of_file)
CRASH_TEST(crash_while_blocked)
CRASH_TEST(crash_stack_overflow)

/* What a program sets before its first map is behind us, and still holds. */
static void map_and_touch(void)
{
	(void)*(volatile char *)mf_pattern_map(&pattern, NULL);
}

TEST(an_ignored_fault_kills_and_an_ignored_kill_does_not)
{
	ASSERT_DIES_BY(SIGSEGV, (signal(SIGSEGV, SIG_IGN), map_and_touch(),
				 crash_while_ignored()));
	ASSERT_EXITS_WITH(3, (signal(SIGSEGV, SIG_IGN), map_and_touch(),
			      kill(getpid(), SIGSEGV), _exit(3)));
	ASSERT_EXITS_WITH(3, survive_ignored_kill());
}

TEST(a_handler_for_stack_overflows_still_gets_them)
{
	ASSERT_EXITS_WITH(4, handled_stack_overflow());
	ASSERT_EXITS_WITH(4, ({
				  static char bytes[65536];
				  stack_t stack = { .ss_sp = bytes,
						    .ss_size = sizeof(bytes) };
				  struct sigaction action = {
					  .sa_handler = exit_in_handler,
					  .sa_flags = SA_ONSTACK
				  };

				  sigaltstack(&stack, NULL);
				  sigaction(SIGSEGV, &action, NULL);
				  map_and_touch();
				  crash_stack_overflow();
			  }));
}

static sigjmp_buf back;
static siginfo_t got;
static sigset_t mask_inside;
static volatile sig_atomic_t times;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	got = *info;
	times++;
	sigprocmask(SIG_BLOCK, NULL, &mask_inside);
	siglongjmp(back, 1);
}

TEST(the_previous_handler_is_called_as_the_kernel_would)
{
	struct sigaction action = { .sa_sigaction = jump_out,
				    .sa_flags = SA_SIGINFO };
	struct sigaction real;
	volatile char *wild = mmap(NULL, PAGE, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *map;

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR2);
	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	/* What the kernel was told: a sanitizer may have added to the mask. */
	ck_assert_int_eq(mf_raw_sigaction(SIGSEGV, NULL, &real), 0);
	map = mf_pattern_map(&pattern, NULL);
	/* Many times: it leaves by longjmp, and from the same depth. */
	for (int i = 0; i < 100; i++) {
		if (sigsetjmp(back, 1) == 0)
			(void)wild[5];
		ck_assert_ptr_eq(got.si_addr, (void *)(wild + 5));
		ck_assert_int_eq(got.si_code, SEGV_ACCERR);
		ck_assert_int_eq(sigismember(&mask_inside, SIGUSR2), 1);
		ck_assert_int_eq(sigismember(&mask_inside, SIGSEGV), 1);
		ck_assert_int_eq(sigismember(&mask_inside, SIGUSR1),
				 sigismember(&real.sa_mask, SIGUSR1));
		ck_assert(mf_pattern_matches(map, 0, (i % 64) * PAGE));
	}
	ck_assert_int_eq(times, 100);
	munmap((void *)wild, PAGE);
	ck_assert_int_eq(mfill_unmap(map), 0);
}

TEST(a_handler_for_one_signal_only_gets_one)
{
	struct sigaction action = { .sa_sigaction = jump_out,
				    .sa_flags = SA_SIGINFO | SA_RESETHAND };

	mf_test_needs_crashes();
	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	ASSERT_DIES_BY(SIGSEGV, {
		map_and_touch();
		if (sigsetjmp(back, 1) == 0)
			crash_null();
		if (times != 1)
			_exit(1);
		crash_null();
	});
}

static struct sigaction replaced;

static void chain_on(int sig, siginfo_t *info, void *context)
{
	if (++times > 10)
		_exit(8);
	replaced.sa_sigaction(sig, info, context);
}

TEST(who_came_after_us_and_chains_to_us_makes_no_loop)
{
	struct sigaction action = { .sa_sigaction = chain_on,
				    .sa_flags = SA_SIGINFO };

	mf_test_needs_crashes();
	ASSERT_DIES_BY(SIGSEGV, {
		map_and_touch();
		sigaction(SIGSEGV, &action, &replaced);
		/* The next map puts us in front again. */
		map_and_touch();
		crash_null();
	});
	ASSERT_EXITS_WITH(5, {
		char *first = mf_pattern_map(&pattern, NULL);

		sigaction(SIGSEGV, &action, &replaced);
		_exit(mf_pattern_matches(first, 0, 9 * PAGE) ? 5 : 1);
	});
}

static void *fault_on_small_stack(void *arg)
{
	stack_t stack = { .ss_sp = arg, .ss_size = 8192 };
	char *map = mf_pattern_map(&pattern, NULL);
	bool right;

	sigaltstack(&stack, NULL);
	right = mf_pattern_matches(map, 0, 64 * PAGE);
	ck_assert_int_eq(sigaltstack(NULL, &stack), 0);
	/* It is on, and is the thread's own, as before. */
	right = right && stack.ss_sp == arg && stack.ss_flags == 0;
	return mfill_unmap(map) == 0 && right ? NULL : arg;
}

static int use_stack(void *arg, uint64_t offset, size_t len)
{
	volatile char deep[48 << 10];

	(void)arg;
	(void)len;
	for (size_t i = 0; i < sizeof(deep); i += 64)
		deep[i] = (char)offset;
	return 0;
}

TEST(a_small_alternate_stack_is_enough)
{
	static char stack[8192];
	pthread_t thread;
	void *wrong;

	pattern.hook = use_stack;
	ck_assert_int_eq(
		pthread_create(&thread, NULL, fault_on_small_stack, stack), 0);
	ck_assert_int_eq(pthread_join(thread, &wrong), 0);
	ck_assert_ptr_null(wrong);
}

/* A source that reads another map, on a thread with an alternate stack. */
static char *inner_map;

static int read_inner(void *arg, uint64_t offset, size_t len)
{
	(void)arg;
	return mf_pattern_matches(inner_map + offset, offset, len) ? 0 : -EIO;
}

TEST(a_nested_fault_does_not_overwrite_the_outer_handler)
{
	static char stack[16384];
	struct mf_pattern inner = { .size = 64 * PAGE,
				    .flags = MFILL_SOURCE_INLINE };
	pthread_t thread;
	void *wrong;

	inner_map = mf_pattern_map(&inner, NULL);
	pattern.hook = read_inner;
	ck_assert_int_eq(
		pthread_create(&thread, NULL, fault_on_small_stack, stack), 0);
	ck_assert_int_eq(pthread_join(thread, &wrong), 0);
	ck_assert_ptr_null(wrong);
	ck_assert_int_eq(mfill_unmap(inner_map), 0);
}

TEST(the_signal_mask_is_as_it_was)
{
	char *map = mf_pattern_map(&pattern, NULL);
	sigset_t before, after;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	(void)*(volatile char *)map;
	(void)mfill_require(map, 64 * PAGE);
	sigprocmask(SIG_SETMASK, NULL, &after);
	ck_assert_int_eq(memcmp(&before, &after, 8), 0);
	ck_assert_int_eq(mfill_unmap(map), 0);
}
