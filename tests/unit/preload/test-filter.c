/* SPDX-License-Identifier: MIT */
/*
 * test-filter.c - the filter catches what it should and nothing else.
 *
 * Its program is run here, by an interpreter of the few instructions that it
 * consists of; and once by the kernel.
 */
#include "preload/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness/harness.h"

#define FIRST 0x4400U
#define COUNT 0x1000U
#define TRAP  (SECCOMP_RET_TRAP | PL_FILTER_TAG)

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

static struct sock_filter program[PL_FILTER_LENGTH];
static size_t length;
static bool looked_at_arguments; /* by the last run */

static uint32_t run(const struct seccomp_data *data)
{
	uint32_t a = 0;

	looked_at_arguments = false;
	for (size_t pc = 0; pc < length; pc++) {
		const struct sock_filter *i = &program[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			ck_assert_uint_lt(i->k, sizeof(*data));
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			if (i->k >= offsetof(struct seccomp_data, args))
				looked_at_arguments = true;
			break;
		case BPF_ALU | BPF_SUB | BPF_K:
			a -= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			ck_abort_msg("instruction %#x", i->code);
		}
	}
	ck_abort_msg("ran out of the program");
	return 0;
}

static void make(enum pl_filter what)
{
	length = pl_filter_make(what, FIRST, COUNT, program);
}

static struct seccomp_data call(long nr)
{
	struct seccomp_data data = { .nr = (int)nr, .arch = ARCH };

	for (int i = 0; i < 6; i++)
		data.args[i] = UINT64_C(0x7ffc00001000) + (unsigned)i;
	return data;
}

static bool is_pointer(long nr, int at)
{
	const struct pl_call *row = &pl_calls[nr];

	for (int i = 0; i < PL_CALL_ARGS; i++) {
		if (!row->args[i].what)
			continue;
		if (row->args[i].at == at)
			return true;
		if (row->args[i].what == PL_ADDRESS && row->args[i].len == at)
			return true;
	}
	return false;
}

static bool has_array(long nr)
{
	const struct pl_call *row = &pl_calls[nr];

	for (int i = 0; i < PL_CALL_ARGS; i++)
		if (pl_is_array(row->args[i].what))
			return true;
	return false;
}

TEST(a_pointer_into_the_arena_is_caught_and_nothing_else_is)
{
	static const uint64_t inside[] = {
		(uint64_t)FIRST << 32,
		((uint64_t)FIRST << 32) + 0x123456789,
		((uint64_t)(FIRST + COUNT) << 32) - 1,
	};
	static const uint64_t outside[] = {
		0,
		4096,
		((uint64_t)FIRST << 32) - 1,
		(uint64_t)(FIRST + COUNT) << 32,
		~UINT64_C(0),
	};

	make(PL_FILTER_ARENA);
	for (long nr = 0; nr < 2 * PL_CALLS; nr++) {
		for (int at = 0; at < 6; at++) {
			bool caught = nr < PL_CALLS && is_pointer(nr, at);
			struct seccomp_data data = call(nr);

			for (int i = 0; i < 3; i++) {
				data.args[at] = inside[i];
				ck_assert_msg(
					run(&data) ==
						(caught ? TRAP
							: SECCOMP_RET_ALLOW),
					"call %ld, argument %d", nr, at);
			}
			for (int i = 0; i < 5; i++) {
				data.args[at] = outside[i];
				ck_assert_uint_eq(run(&data),
						  SECCOMP_RET_ALLOW);
			}
		}
	}
}

TEST(a_marked_call_is_let_through)
{
	make(PL_FILTER_ALL);
	for (long nr = 0; nr < PL_CALLS; nr++) {
		struct seccomp_data data = call(nr);
		unsigned long args[6];

		for (int i = 0; i < 6; i++)
			args[i] = data.args[i] = (uint64_t)FIRST << 32 |
						 SIGSEGV;
		if (pl_marked_arg(nr) < 0)
			continue;
		ck_assert_uint_eq(run(&data), TRAP);
		pl_mark(nr, args);
		for (int i = 0; i < 6; i++)
			data.args[i] = args[i];
		ck_assert_uint_eq(run(&data), SECCOMP_RET_ALLOW);
	}
}

TEST(a_marked_sigaction_is_let_through)
{
	static const int ours[] = { SIGSEGV, SIGBUS, SIGSYS };

	make(PL_FILTER_ALL);
	for (int i = 0; i < 3; i++) {
		struct seccomp_data data = call(SYS_rt_sigaction);

		data.args[0] = (unsigned)ours[i];
		ck_assert_uint_eq(run(&data), TRAP);
		data.args[5] = MF_SYSCALL_MARK;
		ck_assert_uint_eq(run(&data), SECCOMP_RET_ALLOW);
	}
}

TEST(a_mark_does_not_change_what_the_kernel_sees)
{
	for (long nr = 0; nr < PL_CALLS; nr++) {
		unsigned long args[6] = { 1, 2, 3, 4, 5, 6 };
		int at = pl_marked_arg(nr);

		pl_mark(nr, args);
		if (at < 0)
			at = 6;
		for (int i = 0; i < 6; i++) {
			ck_assert_uint_eq((uint32_t)args[i], (unsigned)i + 1);
			ck_assert(i == at || args[i] == (unsigned)i + 1);
		}
		ck_assert(at == 6 || !is_pointer(nr, at));
	}
}

/* The kernel keeps a bit for these and runs no program. */
TEST(other_calls_are_allowed_by_their_number_alone)
{
	make(PL_FILTER_ARENA);
	for (long nr = 0; nr < 2 * PL_CALLS; nr++) {
		struct seccomp_data data = call(nr);
		bool known = nr < PL_CALLS && pl_calls[nr].args[0].what;

		ck_assert_uint_eq(run(&data), SECCOMP_RET_ALLOW);
		ck_assert_int_eq(looked_at_arguments, known);
	}
}

TEST(calls_of_another_architecture_are_allowed)
{
	make(PL_FILTER_ALL);
	for (long nr = 0; nr < PL_CALLS; nr++) {
		struct seccomp_data data = call(nr);

		data.arch = AUDIT_ARCH_I386;
		for (int i = 0; i < 6; i++)
			data.args[i] = (uint64_t)FIRST << 32;
		ck_assert_uint_eq(run(&data), SECCOMP_RET_ALLOW);
	}
}

TEST(arrays_and_handlers_are_caught_on_demand_only)
{
	static const int ours[] = { SIGSEGV, SIGBUS, SIGSYS };

	for (int all = 0; all < 2; all++) {
		uint32_t wanted = all ? TRAP : SECCOMP_RET_ALLOW;

		make(all ? PL_FILTER_ALL : PL_FILTER_ARENA);
		for (long nr = 0; nr < PL_CALLS; nr++) {
			struct seccomp_data data = call(nr);

			if (has_array(nr))
				ck_assert_uint_eq(run(&data), wanted);
		}
		for (int sig = 1; sig < NSIG; sig++) {
			struct seccomp_data data = call(SYS_rt_sigaction);
			bool is_ours = false;

			for (int i = 0; i < 3; i++)
				is_ours |= sig == ours[i];
			data.args[0] = (unsigned)sig;
			ck_assert_uint_eq(run(&data),
					  is_ours ? wanted : SECCOMP_RET_ALLOW);
		}
	}
}

static volatile siginfo_t seen;

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	memcpy((void *)&seen, info, sizeof(seen));
}

TEST(the_kernel_takes_the_program_and_says_which_call_it_caught)
{
	struct sigaction action = { .sa_sigaction = on_sigsys,
				    .sa_flags = SA_SIGINFO };
	struct sock_fprog fprog = { .filter = program };

	make(PL_FILTER_ARENA);
	fprog.len = (unsigned short)length;
	ck_assert_int_eq(sigaction(SIGSYS, &action, NULL), 0);
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) < 0)
		SKIP("seccomp filters: %s", strerror(errno));
	ck_assert_int_gt(mf_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0), 0);
	ck_assert_int_eq(mf_syscall(SYS_write, -1, 0, 0, 0, 0, 0), -EBADF);
	ck_assert_int_eq(seen.si_errno == PL_FILTER_TAG, 0);
	(void)mf_syscall(SYS_getrandom, (long)((uint64_t)FIRST << 32), 0, 0, 0,
			 0, 0);
	ck_assert_int_eq(seen.si_errno, PL_FILTER_TAG);
	ck_assert_int_eq(seen.si_syscall, SYS_getrandom);
}
