/* SPDX-License-Identifier: MIT */
/*
 * crash.c - crash KIND FILE: end in one of many ways, with FILE mapped and
 * part of it touched. What the exit status is, and what is printed, must not
 * depend on whether FILE is there.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static char *map;
static size_t size;

static void say(const char *text)
{
	(void)!write(1, text, strlen(text));
}

static void null(void)
{
	*(volatile int *)NULL = 1;
}

static void wild(void)
{
	*(volatile int *)(uintptr_t)0x123456789000 = 1;
}

/* No address that the processor could translate. */
static void no_address(void)
{
	*(volatile int *)(uintptr_t)0xdead000000000000 = 1;
}

static void jump_nowhere(void)
{
	((void (*)(void))(uintptr_t)16)();
}

static void jump_into_map(void)
{
	((void (*)(void))(void *)(map + 4096))();
}

static void write_read_only(void)
{
	map[3 * 4096] = 1;
}

static void touch_unmapped(void)
{
	munmap(map, size);
	(void)*(volatile char *)map;
}

static void behind_end(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *end = mmap(NULL, 1 << 30, PROT_READ, MAP_PRIVATE, fd, 0);

	(void)*(volatile char *)(end + (1 << 29));
}

static void kill_segv(void)
{
	kill(getpid(), SIGSEGV);
	pause();
}

static void kill_bus(void)
{
	kill(getpid(), SIGBUS);
	pause();
}

static void kill_sys(void)
{
	kill(getpid(), SIGSYS);
	pause();
}

static void raise_segv(void)
{
	raise(SIGSEGV);
}

static void divide(void)
{
#if defined(__x86_64__)
	__asm__ volatile("xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx", "edx");
#else
	raise(SIGFPE);
#endif
}

static void illegal(void)
{
	__builtin_trap();
}

static int deep(volatile int *above)
{
	volatile int here[256];

	here[0] = *above + 1;
	if (here[0] == 0)
		return 0;
	return deep(here) + here[0];
}

static void overflow(void)
{
	struct rlimit small = { 1 << 20, 1 << 20 };
	volatile int start = 1;

	setrlimit(RLIMIT_STACK, &small);
	deep(&start);
}

static void use_alternate_stack(void)
{
	static char room[65536];
	stack_t stack = { .ss_sp = room, .ss_size = sizeof(room) };

	sigaltstack(&stack, NULL);
}

static void overflow_alternate(void)
{
	use_alternate_stack();
	overflow();
}

static void exit_7(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	say("handled\n");
	_exit(sig == SIGSEGV ? 7 : 8);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *),
		   int flags)
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &action, NULL);
}

static void overflow_handled(void)
{
	use_alternate_stack();
	handle(SIGSEGV, exit_7, SA_ONSTACK);
	overflow();
}

static void handled(void)
{
	handle(SIGSEGV, exit_7, 0);
	null();
}

static void handled_bus(void)
{
	handle(SIGBUS, exit_7, 0);
	behind_end();
}

static void back_to_default(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	say("once\n");
	signal(sig, SIG_DFL);
}

static void handler_resets(void)
{
	handle(SIGSEGV, back_to_default, 0);
	null();
}

static void on_segv_once(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	say("once\n");
}

static void reset_by_flag(void)
{
	handle(SIGSEGV, on_segv_once, (int)SA_RESETHAND);
	null();
}

static void crash_again(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	say("once\n");
	null();
}

static void handler_crashes(void)
{
	handle(SIGSEGV, crash_again, 0);
	null();
}

static void blocked(void)
{
	sigset_t set;

	handle(SIGSEGV, exit_7, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* Not a crash: this is ours. */
	if (map[5 * 4096] == 0 || map[6 * 4096] == 0)
		say("zero\n");
	null();
}

/* A fault while all is blocked for another signal's handler. */
static void blocked_in_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	say(map[7 * 4096] ? "in handler\n" : "zero\n");
	null();
}

static void blocked_by_handler(void)
{
	struct sigaction action = { .sa_sigaction = blocked_in_handler,
				    .sa_flags = SA_SIGINFO };

	handle(SIGSEGV, exit_7, 0);
	sigfillset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
}

static void ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
	say("ignored\n");
	null();
}

static void pending(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGSEGV);
	sigpending(&set);
	say(sigismember(&set, SIGSEGV) == 1 ? "pending\n" : "gone\n");
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	say("not reached\n");
}

static void waited_for(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGBUS);
	sigwait(&set, &sig);
	say(sig == SIGBUS ? "bus\n" : "other\n");
	raise(SIGSEGV);
	say(sigwaitinfo(&set, NULL) == SIGSEGV ? "segv\n" : "other\n");
	_exit(9);
}

/* Leave handlers by a jump, many times, from touches of pages of ours, too. */
static sigjmp_buf jump;

static void jump_out(int sig)
{
	siglongjmp(jump, sig);
}

static void jumps(void)
{
	volatile int n = 0;

	signal(SIGSEGV, jump_out);
	while (n < 1000) {
		char byte = map[n % 16 * 4096];

		if (sigsetjmp(jump, 1) == 0)
			*(volatile char *)(uintptr_t)n = byte;
		n++;
	}
	say("a thousand jumps\n");
	signal(SIGSEGV, SIG_DFL);
	null();
}

/* A program that finds its own way on: the next instruction. */
static void skip_instruction(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	say(info->si_addr == NULL ? "address 0\n" : "other address\n");
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RIP] += 3;
#else
	uc->uc_mcontext.pc += 4;
#endif
}

static void goes_on(void)
{
	handle(SIGSEGV, skip_instruction, 0);
#if defined(__x86_64__)
	/* mov (%rax), %rcx: three bytes */
	__asm__ volatile("xor %%eax, %%eax; mov (%%rax), %%rcx" ::
				 : "rax", "rcx");
#else
	__asm__ volatile("mov x0, 0; ldr x1, [x0]" ::: "x0", "x1");
#endif
	say("went on\n");
	_exit(10);
}

static void *in_thread(void *crash)
{
	((void (*)(void))crash)();
	return NULL;
}

static void thread_null(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, in_thread, (void *)null);
	pthread_join(thread, NULL);
}

static void told_what_it_set(void)
{
	struct sigaction old;

	handle(SIGSEGV, exit_7, SA_NODEFER);
	sigaction(SIGSEGV, NULL, &old);
	say(old.sa_sigaction == exit_7 ? "mine\n" : "other\n");
	say(old.sa_flags & SA_NODEFER ? "flags\n" : "no flags\n");
	say(signal(SIGSEGV, SIG_DFL) == (sighandler_t)(void *)exit_7
		    ? "mine\n"
		    : "other\n");
	say(signal(SIGBUS, SIG_IGN) == SIG_DFL ? "default\n" : "other\n");
	say(signal(SIGBUS, SIG_DFL) == SIG_IGN ? "ignored\n" : "other\n");
	null();
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void old_functions(void)
{
	say(sigset(SIGSEGV, jump_out) == SIG_DFL ? "default\n" : "other\n");
	say(sigset(SIGSEGV, SIG_HOLD) == jump_out ? "mine\n" : "other\n");
	say(sigset(SIGSEGV, SIG_DFL) == SIG_HOLD ? "held\n" : "other\n");
	sigignore(SIGSEGV);
	raise(SIGSEGV);
	sighold(SIGSEGV);
	sigrelse(SIGSEGV);
	siginterrupt(SIGSEGV, 0);
	signal(SIGSEGV, SIG_DFL);
	sighold(SIGSEGV);
	say("held\n");
	raise(SIGSEGV);
	sigrelse(SIGSEGV);
	say("not reached\n");
}

/* As Go and others do it, past libc's functions. */
static void by_number(void)
{
	struct {
		void (*handler)(int, siginfo_t *, void *);
		unsigned long flags;
		void *restorer;
		uint64_t mask;
		/* The handler never returns, so nobody goes there. */
	} action = { exit_7, SA_SIGINFO | 0x04000000, exit_7, 0 }, old;
	uint64_t segv = UINT64_C(1) << (SIGSEGV - 1), before;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &segv, NULL, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &before, 8);
	say(before & segv ? "blocked\n" : "not blocked\n");
	say(map[9 * 4096] ? "touched\n" : "zero\n");
	raise(SIGSEGV);
	syscall(SYS_rt_sigaction, SIGSEGV, &action, &old, 8);
	say(old.handler ? "other\n" : "default\n");
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &segv, NULL, 8);
	say("not reached\n");
}

#define KIND(name)          \
	{                   \
#name, name \
	}

static const struct {
	const char *name;
	void (*crash)(void);
} kinds[] = {
	KIND(null),
	KIND(wild),
	KIND(no_address),
	KIND(jump_nowhere),
	KIND(jump_into_map),
	KIND(write_read_only),
	KIND(touch_unmapped),
	KIND(behind_end),
	KIND(kill_segv),
	KIND(kill_bus),
	KIND(kill_sys),
	KIND(raise_segv),
	KIND(divide),
	KIND(illegal),
	KIND(abort),
	KIND(overflow),
	KIND(overflow_alternate),
	KIND(overflow_handled),
	KIND(handled),
	KIND(handled_bus),
	KIND(handler_resets),
	KIND(reset_by_flag),
	KIND(handler_crashes),
	KIND(blocked),
	KIND(blocked_by_handler),
	KIND(ignored),
	KIND(pending),
	KIND(waited_for),
	KIND(jumps),
	KIND(goes_on),
	KIND(thread_null),
	KIND(told_what_it_set),
	KIND(old_functions),
	KIND(by_number),
};

int main(int argc, char **argv)
{
	const size_t n = sizeof(kinds) / sizeof(kinds[0]);
	struct stat st;
	int fd;

	if (argc == 1)
		for (size_t i = 0; i < n; i++)
			puts(kinds[i].name);
	if (argc != 3)
		return 0;
	fd = open(argv[2], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return perror(argv[2]), 1;
	size = (size_t)st.st_size;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return perror("mmap"), 1;
	(void)*(volatile char *)map;
	for (size_t i = 0; i < n; i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			kinds[i].crash();
	return 99;
}
