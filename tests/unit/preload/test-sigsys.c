/* SPDX-License-Identifier: MIT */
/*
 * test-sigsys.c - calls that were caught do what they would have done, as if
 * nobody had been in between.
 */
#include "preload/sigsys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "unit/preload/arena.h"

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms = alarms + 1;
}

static void alarm_soon(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct itimerval soon = { { 0, 20000 }, { 0, 20000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

TEST(a_signal_interrupts_a_call)
{
	int fds[2];
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	alarm_soon(on_alarm, 0);
	ck_assert_int_eq(RAW(read, fds[0], map, 10), -EINTR);
	ck_assert_int_eq(alarms, 1);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

static void *write_later(void *fd)
{
	while (alarms < 3)
		usleep(1000);
	ck_assert_int_eq(write(*(int *)fd, "late", 4), 4);
	return NULL;
}

TEST(a_call_is_restarted_after_signals)
{
	pthread_t thread;
	int fds[2];
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	alarm_soon(on_alarm, SA_RESTART);
	pthread_create(&thread, NULL, write_later, &fds[1]);
	ck_assert_int_eq(RAW(read, fds[0], map, 10), 4);
	ck_assert_int_ge(alarms, 3);
	ck_assert_mem_eq(map, "late", 5);
	pthread_join(thread, NULL);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

static sigjmp_buf jump;

static void on_alarm_jump(int sig)
{
	siglongjmp(jump, sig);
}

TEST(a_handler_may_jump_out_of_a_call)
{
	static char room[16384];
	stack_t stack = { .ss_sp = room, .ss_size = sizeof(room) }, now;
	volatile int round = 0;
	int fds[2];
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	sigaltstack(&stack, NULL);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	signal(SIGALRM, on_alarm_jump);
	while (round < 3) {
		ualarm(10000, 0);
		if (sigsetjmp(jump, 1) == 0)
			(void)RAW(read, fds[0], map + PAGE * (size_t)round, 10);
		round++;
	}
	sigaltstack(NULL, &now);
	ck_assert_ptr_eq(now.ss_sp, room);
	ck_assert_int_eq(now.ss_flags, 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(RAW(read, fds[0], map + 4 * PAGE, 10), 1);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

static void set_flag(void *flag)
{
	*(bool *)flag = true;
}

struct reader {
	int fd;
	char *buf;
	bool cleaned;
};

static void *read_for_ever(void *arg)
{
	struct reader *reader = arg;

	pthread_cleanup_push(set_flag, &reader->cleaned);
	(void)!read(reader->fd, reader->buf, 10);
	pthread_cleanup_pop(0);
	return NULL;
}

TEST(a_thread_is_cancelled_in_a_call)
{
	struct reader reader = { 0 };
	pthread_t thread;
	void *result;
	int fds[2];
	uint64_t before;
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	before = pl_sigsys_count();
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	reader.fd = fds[0];
	reader.buf = map;
	pthread_create(&thread, NULL, read_for_ever, &reader);
	while (pl_sigsys_count() == before)
		usleep(1000);
	usleep(20000);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert(reader.cleaned);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

static uint64_t real_mask(void)
{
	uint64_t mask;

	RAW(rt_sigprocmask, SIG_BLOCK, 0, &mask, 8);
	return mask;
}

static volatile uint64_t mask_seen;

static void on_alarm_mask(int sig)
{
	(void)sig;
	mask_seen = real_mask();
}

TEST(the_mask_is_the_programs_during_a_call)
{
	sigset_t set;
	uint64_t before;
	int fds[2];
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	before = real_mask();
	alarm_soon(on_alarm_mask, 0);
	ck_assert_int_eq(RAW(read, fds[0], map, 10), -EINTR);
	ck_assert_uint_eq(mask_seen, before | UINT64_C(1) << (SIGALRM - 1));
	ck_assert_uint_eq(real_mask(), before);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

#ifdef __x86_64__
TEST(registers_and_the_red_zone_are_kept)
{
	static uint64_t kept[16];
	register uint64_t *after __asm__("r15") = kept;
	uint64_t before;
	long result;
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	before = pl_sigsys_count();
	/* getrandom(map, 8, 0): every register but rax, rcx and r11 stays. */
	__asm__ volatile(
		"	push	%%rbx\n"
		"	push	%%rbp\n"
		"	mov	%[map], %%rdi\n"
		"	mov	$8, %%rsi\n"
		"	mov	$0, %%rdx\n"
		"	mov	$101, %%rbx\n"
		"	mov	$102, %%rbp\n"
		"	mov	$103, %%r8\n"
		"	mov	$104, %%r9\n"
		"	mov	$105, %%r10\n"
		"	mov	$106, %%r12\n"
		"	mov	$107, %%r13\n"
		"	mov	$108, %%r14\n"
		"	movq	$109, -8(%%rsp)\n"
		"	movq	$110, -128(%%rsp)\n"
		"	mov	%[nr], %%eax\n"
		"	syscall\n"
		"	mov	%%rdi, 0(%[after])\n"
		"	mov	%%rsi, 8(%[after])\n"
		"	mov	%%rdx, 16(%[after])\n"
		"	mov	%%rbx, 24(%[after])\n"
		"	mov	%%rbp, 32(%[after])\n"
		"	mov	%%r8, 40(%[after])\n"
		"	mov	%%r9, 48(%[after])\n"
		"	mov	%%r10, 56(%[after])\n"
		"	mov	%%r12, 64(%[after])\n"
		"	mov	%%r13, 72(%[after])\n"
		"	mov	%%r14, 80(%[after])\n"
		"	mov	-8(%%rsp), %%rdi\n"
		"	mov	%%rdi, 88(%[after])\n"
		"	mov	-128(%%rsp), %%rdi\n"
		"	mov	%%rdi, 96(%[after])\n"
		"	pop	%%rbp\n"
		"	pop	%%rbx\n"
		: "=&a"(result)
		: [map] "r"(map), [nr] "i"(SYS_getrandom), [after] "r"(after)
		: "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11", "r12",
		  "r13", "r14", "memory", "cc");
	ck_assert_int_eq(result, 8);
	ck_assert_uint_eq(pl_sigsys_count(), before + 1);
	ck_assert_uint_eq(kept[0], (uintptr_t)map);
	ck_assert_uint_eq(kept[1], 8);
	ck_assert_uint_eq(kept[2], 0);
	for (uint64_t i = 0; i < 10; i++)
		ck_assert_uint_eq(kept[3 + i], 101 + i);
	arena_unmap(map);
}
#endif

#ifdef __aarch64__
/* Here the handler makes the call itself; qemu has no filters to call it. */
TEST(a_call_is_made_in_the_handler)
{
	ucontext_t uc;
	int fds[2];
	char *map;

	pl_catch_start(PL_FILTER_OFF);
	map = arena_map('x', 1);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(write(fds[1], "bytes", 5), 5);
	ck_assert_int_eq(getcontext(&uc), 0);
	sigaltstack(NULL, &uc.uc_stack);
	uc.uc_mcontext.regs[0] = (uint64_t)fds[0];
	uc.uc_mcontext.regs[1] = (uintptr_t)map;
	uc.uc_mcontext.regs[2] = 5;
	pl_sigsys_serve(&uc, SYS_read);
	ck_assert_int_eq((long)uc.uc_mcontext.regs[0], 5);
	ck_assert_mem_eq(map, "bytesx", 6);
	/* What cannot be filled: nothing is taken. */
	uc.uc_mcontext.regs[0] = (uint64_t)fds[0];
	uc.uc_mcontext.regs[1] = (uintptr_t)map + PAGE;
	pl_sigsys_serve(&uc, SYS_read);
	ck_assert_int_eq((long)uc.uc_mcontext.regs[0], -EFAULT);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}
#endif

/* Children */

/* Not inline: in a function that calls vfork() no register is safe. */
__attribute__((noinline)) static bool writes_a_page(int fd, const char *page)
{
	return RAW(write, fd, page, PAGE) == PAGE;
}

TEST(a_forked_and_a_vforked_child_make_calls)
{
	int fds[2], status;
	char buf[2 * PAGE];
	pid_t child;
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map('x', 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	child = vfork();
	if (child == 0)
		_exit(!writes_a_page(fds[1], map));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	child = fork();
	if (child == 0)
		_exit(!writes_a_page(fds[1], map + PAGE));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(fds[0], buf, sizeof(buf)), (int)sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_int_eq(buf[i], 'x');
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

static int filters(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	int n = -1;

	while (fgets(line, sizeof(line), status))
		(void)sscanf(line, "Seccomp_filters: %d", &n);
	fclose(status);
	return n;
}

TEST(a_filter_that_is_there_is_not_put_on_it_again)
{
	int before;

	start(PL_FILTER_OFF);
	before = filters();
	if (before < 0)
		SKIP("Seccomp_filters in /proc/self/status (Linux 5.9)");
	start(PL_FILTER_ARENA);
	start(PL_FILTER_ARENA);
	ck_assert_int_eq(filters(), before + 1);
	start(PL_FILTER_ALL);
	start(PL_FILTER_ALL);
	start(PL_FILTER_ARENA);
	ck_assert_int_eq(filters(), before + 2);
}

/* Their SIGSYS */

TEST(a_sigsys_of_others_kills_as_it_would)
{
	start(PL_FILTER_ARENA);
	ASSERT_DIES_BY(SIGSYS, kill(getpid(), SIGSYS); pause());
}
