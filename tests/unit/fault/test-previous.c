/* SPDX-License-Identifier: MIT */
/*
 * test-previous.c - who stands behind us can be told and changed, and held
 * back, while signals come.
 */
#include "fault/previous.h"

#include <elf.h>
#include <pthread.h>
#include <setjmp.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/sync.h"
#include "fault/signal.h"
#include "harness/harness.h"
#include "harness/needs.h"

static void install(void)
{
	ck_assert_int_eq(mf_signal_install(), 0);
	mf_signal_emulate_masks();
}

static void set_behind(void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | flags };

	ck_assert_int_eq(mf_signal_set_previous(SIGSEGV, &action), 0);
}

static volatile sig_atomic_t seen;

static void count(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	seen = seen + 1;
}

TEST(what_was_set_is_told_and_called_and_we_stay_in_front)
{
	struct sigaction told, real;

	install();
	mf_signal_get_previous(SIGSEGV, &told);
	ck_assert_ptr_eq(told.sa_handler, SIG_DFL);
	set_behind(count, SA_NODEFER | (int)SA_RESETHAND);
	mf_signal_get_previous(SIGSEGV, &told);
	ck_assert_ptr_eq(told.sa_sigaction, count);
	ck_assert_int_eq(told.sa_flags & (SA_NODEFER | (int)SA_RESETHAND),
			 SA_NODEFER | (int)SA_RESETHAND);
	ck_assert_int_eq(mf_sys.sigaction(SIGSEGV, NULL, &real), 0);
	ck_assert_ptr_ne(real.sa_sigaction, count);
	raise(SIGSEGV);
	ck_assert_int_eq(seen, 1);
	mf_signal_get_previous(SIGSEGV, &told);
	ck_assert_ptr_eq(told.sa_handler, SIG_DFL);
}

/* Actions that can be told apart from any mixture of them. */
static void other_count(int sig, siginfo_t *info, void *context)
{
	count(sig, info, context);
}

static void *change_for_ever(void *stop)
{
	struct sigaction one = { .sa_sigaction = count,
				 .sa_flags = SA_SIGINFO };
	struct sigaction two = { .sa_sigaction = other_count,
				 .sa_flags = SA_SIGINFO | SA_RESTART };

	sigfillset(&two.sa_mask);
	while (!mf_load_relaxed((uint32_t *)stop)) {
		(void)mf_signal_set_previous(SIGBUS, &one);
		(void)mf_signal_set_previous(SIGBUS, &two);
	}
	return NULL;
}

TEST(an_action_that_is_changed_meanwhile_is_told_whole)
{
	struct sigaction told;
	pthread_t threads[2];
	uint32_t stop = 0;
	sigset_t full;

	install();
	sigfillset(&full);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, change_for_ever, &stop);
	for (int i = 0; i < 100000; i++) {
		bool two;

		mf_signal_get_previous(SIGBUS, &told);
		if (told.sa_handler == SIG_DFL)
			continue;
		two = told.sa_sigaction == other_count;
		ck_assert(two || told.sa_sigaction == count);
		ck_assert_int_eq((told.sa_flags & SA_RESTART) != 0, two);
		ck_assert_int_eq(sigismember(&told.sa_mask, SIGHUP), two);
	}
	mf_store_relaxed(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

TEST(what_is_sent_while_held_back_waits)
{
	siginfo_t info;

	install();
	set_behind(count, 0);
	mf_signal_hold(MF_SIGNAL_BIT(SIGSEGV));
	raise(SIGSEGV);
	raise(SIGSEGV);
	ck_assert_int_eq(seen, 0);
	ck_assert_uint_eq(mf_signal_waiting(), MF_SIGNAL_BIT(SIGSEGV));
	mf_signal_hold(0);
	ck_assert_int_eq(seen, 1);
	ck_assert_uint_eq(mf_signal_waiting(), 0);
	mf_signal_hold(MF_SIGNAL_BIT(SIGSEGV));
	raise(SIGSEGV);
	ck_assert_int_eq(mf_signal_take_waiting(MF_SIGNAL_BIT(SIGBUS), &info),
			 0);
	ck_assert_int_eq(mf_signal_take_waiting(MF_SIGNALS_OURS, &info),
			 SIGSEGV);
	ck_assert_int_eq(info.si_pid, getpid());
	mf_signal_hold(0);
	ck_assert_int_eq(seen, 1);
}

static void set_mark(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, MF_SIGNAL_MARK);
	sigprocmask(how, &set, NULL);
}

static void exit_3(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	_exit(3);
}

/* The bug is meant: a sanitizer has nothing to say. */
__attribute__((no_sanitize("undefined"))) static void crash(void)
{
	*(volatile int *)NULL = 1;
}

TEST(a_fault_that_is_held_back_kills)
{
	mf_test_needs_crashes();
	install();
	set_behind(exit_3, 0);
	ASSERT_EXITS_WITH(3, crash());
	ASSERT_DIES_BY(SIGSEGV, set_mark(SIG_BLOCK); crash());
	ASSERT_EXITS_WITH(3, set_mark(SIG_BLOCK); set_mark(SIG_UNBLOCK);
			  crash());
}

static sigjmp_buf jump;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	siglongjmp(jump, sig);
}

TEST(a_handler_is_held_back_from_itself_until_it_is_left)
{
	volatile int n = 0;

	mf_test_needs_crashes();
	install();
	set_behind(jump_out, 0);
	while (n++ < 10)
		if (sigsetjmp(jump, 1) == 0)
			crash();
	set_behind(exit_3, SA_NODEFER);
	ck_assert_int_eq(n, 11);
	/* Without the mask it stays so, as after longjmp() it always did. */
	set_behind(jump_out, 0);
	ASSERT_DIES_BY(SIGSEGV, for (;;) if (sigsetjmp(jump, 0) == 0) crash());
}

/* Where the stopped child is, and which signal it is about to get. */
static uintptr_t stopped_at(pid_t child, int *ret_sig)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSTOPPED(status));
	*ret_sig = WSTOPSIG(status);
	if (ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &iov) < 0)
		return 0;
#if defined(__x86_64__)
	return regs.rip;
#elif defined(__i386__)
	return (uintptr_t)regs.eip;
#else
	return regs.pc;
#endif
}

/* As a core dump shows it: the crash, and none of our frames above. */
TEST(a_crash_is_found_at_its_own_instruction)
{
	uintptr_t first, last;
	int sig;
	pid_t child;

	mf_test_needs_crashes();
	install();
	child = mf_test_fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			raise(SIGSTOP);
		crash();
	}
	first = stopped_at(child, &sig);
	if (sig == SIGSTOP || !first) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		SKIP("ptrace");
	}
	ck_assert_int_eq(sig, SIGSEGV);
	/* The handler runs, and hands it on. */
	ck_assert_int_eq(ptrace(PTRACE_CONT, child, NULL, (void *)SIGSEGV), 0);
	last = stopped_at(child, &sig);
	ck_assert_int_eq(sig, SIGSEGV);
	ck_assert_uint_eq(last, first);
	ck_assert_int_eq(ptrace(PTRACE_CONT, child, NULL, (void *)SIGSEGV), 0);
	mf_test_died_by(child, SIGSEGV, "crash()", __FILE__, __LINE__);
}

TEST(a_vforked_child_changes_its_own_handlers_only)
{
	struct sigaction none = { .sa_handler = SIG_IGN }, told;
	int status;
	pid_t child;

	install();
	set_behind(count, 0);
	child = vfork();
	if (child == 0)
		_exit(mf_signal_set_previous(SIGSEGV, &none));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	mf_signal_get_previous(SIGSEGV, &told);
	ck_assert_ptr_eq(told.sa_sigaction, count);
	raise(SIGSEGV);
	ck_assert_int_eq(seen, 1);
}

/* Nobody of the forked child's has asked before. */
static void vfork_first(void)
{
	struct sigaction none = { .sa_handler = SIG_IGN };
	pid_t child = vfork();

	if (child == 0)
		_exit(mf_signal_set_previous(SIGSEGV, &none));
	(void)waitpid(child, NULL, 0);
}

TEST(a_vforked_child_of_a_forked_one_is_known_for_what_it_is)
{
	install();
	set_behind(exit_3, 0);
	ASSERT_EXITS_WITH(3, vfork_first(); raise(SIGSEGV));
}

TEST(a_forked_child_changes_its_own_handlers)
{
	install();
	set_behind(count, 0);
	ASSERT_EXITS_WITH(3, set_behind(exit_3, 0); raise(SIGSEGV));
	raise(SIGSEGV);
	ck_assert_int_eq(seen, 1);
}
