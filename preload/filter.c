/* SPDX-License-Identifier: MIT */
/*
 * filter.c - make the seccomp filter from the table of calls.
 *
 * Promise: as in filter.h.
 * Context: not in a signal handler.
 *
 * The number comes first and by itself: for a call that is allowed by its
 * number alone the kernel (since 5.11) keeps a bit and does not run the
 * program at all. The rest is a binary search over ranges of numbers that are
 * treated alike, and then one comparison for each argument that is a pointer.
 *
 *	    A = arch; not ours: allow
 *	    A = nr
 *	    A >= 45 ? … : …                      search
 *	    goto how
 *	how:
 *	    A = high half of args[i] - first      for each pointer
 *	    A >= n ? next : caught
 *	    allow
 *	caught:
 *	    A = high half of the marked argument
 *	    A == mark ? allow : trap
 */
#include "preload/filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "map/map.h"
#include "preload/sigsys.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

/* How a call is treated: bits of its pointer arguments, and these. */
enum {
	HOW_ALLOW = 0,
	HOW_SIX = 1 << 6,    /* the mark is in the first argument */
	HOW_ARRAY = 1 << 7,  /* caught whatever the pointers are */
	HOW_SIGNAL = 1 << 8, /* caught when it is one of our signals */
	HOW_END = 1 << 9,
};

struct range {
	uint32_t start; /* to the next one's */
	uint16_t how;
};

struct maker {
	struct sock_filter *program;
	size_t n;
	uint32_t first, count; /* the arena */
	struct range ranges[PL_CALLS + 1];
	size_t n_ranges;
	uint16_t at[HOW_END]; /* where the code for a how begins */
};

/* Little endian, as both processors run it. */
#define LOW(arg)  ((uint32_t)offsetof(struct seccomp_data, args[arg]))
#define HIGH(arg) (LOW(arg) + 4)

static void emit(struct maker *maker, unsigned code, uint32_t k, size_t jt,
		 size_t jf)
{
	assert(maker->n < PL_FILTER_LENGTH && jt < 256 && jf < 256);
	maker->program[maker->n++] = (struct sock_filter){ (uint16_t)code,
							   (uint8_t)jt,
							   (uint8_t)jf, k };
}

static void emit_load(struct maker *maker, uint32_t offset)
{
	emit(maker, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void emit_return(struct maker *maker, uint32_t value)
{
	emit(maker, BPF_RET | BPF_K, value, 0, 0);
}

static uint16_t how_of(long nr, enum pl_filter what)
{
	const struct pl_call *call = &pl_calls[nr];
	unsigned how = 0;

	if (nr == SYS_rt_sigaction && what == PL_FILTER_ALL)
		return HOW_SIGNAL;
	for (int i = 0; i < PL_CALL_ARGS && call->args[i].what; i++) {
		const struct pl_arg *arg = &call->args[i];

		how |= 1U << arg->at;
		if (arg->what == PL_ADDRESS)
			how |= 1U << arg->len;
		if (pl_is_array(arg->what) && what == PL_FILTER_ALL)
			how |= HOW_ARRAY;
	}
	if (call->six)
		how |= HOW_SIX;
	/* One block for all of them. */
	return (uint16_t)(how & HOW_ARRAY ? how & (HOW_ARRAY | HOW_SIX) : how);
}

static void make_ranges(struct maker *maker, enum pl_filter what)
{
	struct range *last = NULL;

	/* One past the end: what is not in the table at all. */
	for (uint32_t nr = 0; nr <= PL_CALLS; nr++) {
		uint16_t how = nr < PL_CALLS ? how_of(nr, what) : HOW_ALLOW;

		if (last && last->how == how)
			continue;
		last = &maker->ranges[maker->n_ranges++];
		*last = (struct range){ nr, how };
	}
}

/* Find the range of the number; jumps get their targets in link(). */
static void emit_search(struct maker *maker, size_t low, size_t high)
{
	size_t middle = (low + high + 1) / 2, at = maker->n;

	if (low == high && maker->ranges[low].how == HOW_ALLOW) {
		emit_return(maker, SECCOMP_RET_ALLOW);
	} else if (low == high) {
		emit(maker, BPF_JMP | BPF_JA, maker->ranges[low].how, 0, 0);
	} else {
		emit(maker, BPF_JMP | BPF_JGE | BPF_K,
		     maker->ranges[middle].start, 0, 0);
		emit_search(maker, low, middle - 1);
		assert(maker->n - at - 1 < 256);
		maker->program[at].jt = (uint8_t)(maker->n - at - 1);
		emit_search(maker, middle, high);
	}
}

/* Jump to what is behind the next n instructions unless A is a signal of ours.
 */
static void emit_signals(struct maker *maker)
{
	emit_load(maker, LOW(0));
	emit(maker, BPF_JMP | BPF_JEQ | BPF_K, SIGSEGV, 3, 0);
	emit(maker, BPF_JMP | BPF_JEQ | BPF_K, SIGBUS, 2, 0);
	emit(maker, BPF_JMP | BPF_JEQ | BPF_K, SIGSYS, 1, 0);
	emit_return(maker, SECCOMP_RET_ALLOW);
}

static void emit_pointers(struct maker *maker, unsigned how)
{
	/* Instructions from behind the test of the last one to "caught". */
	size_t left = (size_t)__builtin_popcount(how & 63) * 3 - 3;

	for (unsigned i = 0; i < 6; i++) {
		if (!(how & 1U << i))
			continue;
		emit_load(maker, HIGH(i));
		emit(maker, BPF_ALU | BPF_SUB | BPF_K, maker->first, 0, 0);
		emit(maker, BPF_JMP | BPF_JGE | BPF_K, maker->count, 0,
		     left + 1);
		left -= 3;
	}
	emit_return(maker, SECCOMP_RET_ALLOW);
}

static void emit_block(struct maker *maker, unsigned how)
{
	if (how & HOW_SIGNAL)
		emit_signals(maker);
	else if (!(how & HOW_ARRAY))
		emit_pointers(maker, how);
	emit_load(maker, HIGH(how & HOW_SIX ? 0 : 5));
	emit(maker, BPF_JMP | BPF_JEQ | BPF_K,
	     (uint32_t)(MF_SYSCALL_MARK >> 32), 1, 0);
	emit_return(maker, SECCOMP_RET_TRAP | PL_FILTER_TAG);
	emit_return(maker, SECCOMP_RET_ALLOW);
}

static void link_blocks(struct maker *maker, size_t search)
{
	size_t end = maker->n;

	for (size_t i = search; i < end; i++) {
		struct sock_filter *jump = &maker->program[i];
		uint32_t how = jump->k;

		if (jump->code != (BPF_JMP | BPF_JA))
			continue;
		if (!maker->at[how]) {
			maker->at[how] = (uint16_t)maker->n;
			emit_block(maker, how);
		}
		jump->k = (uint32_t)(maker->at[how] - i - 1);
	}
}

size_t pl_filter_make(enum pl_filter what, uint32_t first, uint32_t n,
		      struct sock_filter program[PL_FILTER_LENGTH])
{
	struct maker maker = {
		.program = program,
		.first = first,
		.count = n,
	};
	size_t search;

	make_ranges(&maker, what);
	emit_load(&maker, offsetof(struct seccomp_data, arch));
	emit(&maker, BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0);
	emit_return(&maker, SECCOMP_RET_ALLOW);
	emit_load(&maker, offsetof(struct seccomp_data, nr));
	search = maker.n;
	emit_search(&maker, 0, maker.n_ranges - 1);
	link_blocks(&maker, search);
	return maker.n;
}

/* Calls that do nothing, and are caught if there is such a filter. */
static bool is_there(enum pl_filter what)
{
	uint64_t before = pl_sigsys_count();

	if (what == PL_FILTER_ALL)
		(void)mf_syscall(SYS_writev, -1, 0, 0, 0, 0, 0);
	else
		(void)mf_syscall(SYS_getrandom, (long)mf_arena_start(), 0, 0, 0,
				 0, 0);
	return pl_sigsys_count() != before;
}

static int load(const struct sock_fprog *program)
{
	static const unsigned long flags[] = {
		/* All threads; and no slower for fear of Spectre. */
		SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		SECCOMP_FILTER_FLAG_TSYNC, /* before 4.17 */
		0, /* a thread has a filter of its own already */
	};
	long r = -EINVAL;

	for (size_t i = 0; r != 0 && r != -EACCES && i < 3; i++)
		r = mf_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			       (long)flags[i], (long)program, 0, 0, 0);
	return (int)(r > 0 ? -EBUSY : r);
}

/* With CAP_SYS_ADMIN it works as it is, and sudo goes on to in a child. */
static int install(const struct sock_fprog *program)
{
	int r = load(program);

	if (r != -EACCES ||
	    mf_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) < 0)
		return r;
	return load(program);
}

bool pl_filter_catches_arrays;

int pl_filter_install(enum pl_filter what)
{
	struct sock_filter code[PL_FILTER_LENGTH];
	struct sock_fprog program = { .filter = code };
	uintptr_t start = mf_arena_start(), end = mf_arena_end();
	int r;

	/* It may be inherited from a run around this one, whatever is asked. */
	pl_filter_catches_arrays = is_there(PL_FILTER_ALL);
	if (what == PL_FILTER_OFF || !start || is_there(what))
		return 0;
	program.len = (unsigned short)pl_filter_make(
		what, (uint32_t)((uint64_t)start >> 32),
		(uint32_t)((uint64_t)(end - start) >> 32), code);
	r = install(&program);
	if (r == 0)
		pl_filter_catches_arrays = is_there(PL_FILTER_ALL);
	return r;
}
