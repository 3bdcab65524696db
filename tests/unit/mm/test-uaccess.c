/* SPDX-License-Identifier: MIT */
/*
 * test-uaccess.c - a copy stops at the exact byte, whatever is in its way.
 *
 * Every copy this machine has is tried, also those that mf_copy_nofault()
 * would not choose on it.
 */
#include "mm/uaccess.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/sys.h"
#include "harness/harness.h"
#include "harness/needs.h"

/* The portable one is not in a build that has assembly: one more, then. */
size_t portable_copy(void *dst, const void *src, size_t len);
bool portable_fixup(uintptr_t ip, uintptr_t *ret_ip);
void portable_disable(void);
void portable_enable(void);
bool portable_disabled(void);

#ifndef MF_PORTABLE_UACCESS
#define ADDED_PORTABLE
#define MF_PORTABLE_UACCESS
#endif
#define mf_copy_nofault	      portable_copy
#define mf_uaccess_fixup      portable_fixup
#define mf_pagefault_disable  portable_disable
#define mf_pagefault_enable   portable_enable
#define mf_pagefault_disabled portable_disabled
#include "mm/uaccess.c"
#undef mf_copy_nofault
#undef mf_uaccess_fixup
#undef mf_pagefault_disable
#undef mf_pagefault_enable
#undef mf_pagefault_disabled

#if defined(__x86_64__) && defined(__LP64__)
#define FAULT_IP(context) ((context)->uc_mcontext.gregs[REG_RIP])
#elif defined(__i386__)
#define FAULT_IP(context) ((context)->uc_mcontext.gregs[REG_EIP])
#elif defined(__aarch64__)
#define FAULT_IP(context) ((context)->uc_mcontext.pc)
#endif

#if defined(ADDED_PORTABLE) && defined(__x86_64__) && defined(__LP64__)
size_t mf_copy_sse2(void *dst, const void *src, size_t len, size_t min_rep);
size_t mf_copy_avx(void *dst, const void *src, size_t len, size_t min_rep);
size_t mf_copy_rep(void *dst, const void *src, size_t len, size_t min_rep);

static size_t sse2_loop(void *dst, const void *src, size_t len)
{
	return mf_copy_sse2(dst, src, len, SIZE_MAX);
}

static size_t sse2_rep(void *dst, const void *src, size_t len)
{
	return mf_copy_sse2(dst, src, len, 300);
}

static size_t avx_loop(void *dst, const void *src, size_t len)
{
	return mf_copy_avx(dst, src, len, SIZE_MAX);
}

static size_t avx_rep(void *dst, const void *src, size_t len)
{
	return mf_copy_avx(dst, src, len, 300);
}

static size_t only_rep(void *dst, const void *src, size_t len)
{
	return mf_copy_rep(dst, src, len, 0);
}
#endif

static const struct {
	const char *name;
	size_t (*copy)(void *dst, const void *src, size_t len);
	bool avx;
} copies[] = {
	{ "the chosen one", mf_copy_nofault, false },
	{ "portable", portable_copy, false },
#if defined(ADDED_PORTABLE) && defined(__x86_64__) && defined(__LP64__)
	{ "SSE2 loop", sse2_loop, false },
	{ "SSE2 and rep movsb", sse2_rep, false },
	{ "AVX loop", avx_loop, true },
	{ "AVX and rep movsb", avx_rep, true },
	{ "rep movsb", only_rep, false },
#endif
};

#define N_COPIES (sizeof(copies) / sizeof(copies[0]))

static bool works_here(size_t i)
{
	char from = 1, to = 0;

#ifdef __x86_64__
	if (copies[i].avx && !__builtin_cpu_supports("avx"))
		return false;
#endif
	/* process_vm_readv(): an emulator may not know it. */
	return copies[i].copy(&to, &from, 1) == 0;
}

static uint32_t n_fixups;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t ip;

	(void)info;
	if (!mf_uaccess_fixup((uintptr_t)FAULT_IP(uc), &ip)) {
		(void)signal(sig, SIG_DFL);
		return;
	}
	n_fixups++;
	FAULT_IP(uc) = (__typeof__(FAULT_IP(uc)))ip;
}

static void install_handler(void)
{
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO };

	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
}

/*
 * Memory that ends: [start, end) can be used, what follows cannot.
 */
struct ground {
	unsigned char *start, *end;
};

static size_t page;

enum ending { UNMAPPED, NO_ACCESS, GUARD, BEYOND_EOF, READ_ONLY };

static void end_by_file(unsigned char *start, size_t room)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)room), 0);
	ck_assert(mmap(start, room + page, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, fd, 0) == start);
	close(fd);
}

static struct ground make_ground(enum ending ending)
{
	struct ground g;
	size_t room;

	page = (size_t)sysconf(_SC_PAGESIZE);
	room = 4 * page;
	g.start = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(g.start != MAP_FAILED);
	g.end = g.start + room;
	switch (ending) {
	case UNMAPPED:
		munmap(g.end, page);
		break;
	case NO_ACCESS:
		mprotect(g.end, page, PROT_NONE);
		break;
	case READ_ONLY:
		mprotect(g.end, page, PROT_READ);
		break;
	case GUARD:
		mf_test_needs_guards();
		ck_assert_int_eq(
			mf_sys.madvise(g.end, page, MADV_GUARD_INSTALL), 0);
		break;
	case BEYOND_EOF:
		end_by_file(g.start, room);
		break;
	}
	for (size_t i = 0; i < room; i++)
		g.start[i] = (unsigned char)(i * 7 + i / 251);
	return g;
}

static void check_copy(size_t i, struct ground dst, size_t to,
		       struct ground src, size_t from, size_t len)
{
	size_t dst_room = (size_t)(dst.end - dst.start) - to;
	size_t src_room = (size_t)(src.end - src.start) - from;
	size_t good = dst_room < src_room ? dst_room : src_room;
	size_t before = to < 64 ? to : 64;
	size_t left;

	if (good > len)
		good = len;
	memset(dst.start, 0xee, (size_t)(dst.end - dst.start));
	left = copies[i].copy(dst.start + to, src.start + from, len);
	ck_assert_msg(left == len - good,
		      "%s: to %zu from %zu len %zu: %zu left instead of %zu",
		      copies[i].name, to, from, len, left, len - good);
	ck_assert_mem_eq(dst.start + to, src.start + from, good);
	for (size_t k = 0; k < before; k++)
		ck_assert_uint_eq(dst.start[to - 1 - k], 0xee);
	for (size_t k = good; k < dst_room && k < good + 300; k++)
		ck_assert_msg(dst.start[to + k] == 0xee,
			      "%s: to %zu from %zu len %zu: wrote at %zu",
			      copies[i].name, to, from, len, k);
}

/* Both sides at random, often near the end. */
static void check_at_random(enum ending dst_ending, enum ending src_ending,
			    int rounds)
{
	struct mf_random random = { mf_test_seed() };
	struct ground src = make_ground(src_ending);
	struct ground dst = make_ground(dst_ending);
	size_t room = 4 * page;

	install_handler();
	for (size_t i = 0; i < N_COPIES; i++) {
		if (!works_here(i))
			continue;
		for (int k = 0; k < rounds; k++) {
			uint64_t r = mf_random_next(&random);
			size_t near_to = r & 1 ? 300 : room;
			size_t near_from = r & 2 ? 300 : room;
			size_t len = r & 4 ? room + 100 : 300;

			check_copy(i, dst,
				   room - mf_random_below(&random, near_to) - 1,
				   src,
				   room - mf_random_below(&random, near_from) -
					   1,
				   mf_random_below(&random, len));
		}
	}
}

TEST(nothing_is_left_where_nothing_faults)
{
	struct ground g = make_ground(NO_ACCESS);
	static unsigned char to[4096 + 64];

	for (size_t i = 0; i < N_COPIES; i++) {
		if (!works_here(i))
			continue;
		for (size_t len = 0; len <= 600; len++) {
			memset(to, 0, sizeof(to));
			ck_assert_uint_eq(copies[i].copy(to + len % 33,
							 g.start + len % 17,
							 len),
					  0);
			ck_assert_mem_eq(to + len % 33, g.start + len % 17,
					 len);
			ck_assert_uint_eq(to[len % 33 + len], 0);
		}
	}
}

TEST_WITHIN(a_source_that_is_not_mapped_stops_it_at_the_byte, 30)
{
	check_at_random(NO_ACCESS, UNMAPPED, 300);
}

TEST_WITHIN(a_source_without_access_stops_it_at_the_byte, 30)
{
	check_at_random(UNMAPPED, NO_ACCESS, 300);
}

TEST_WITHIN(a_guarded_source_stops_it_at_the_byte, 30)
{
	check_at_random(NO_ACCESS, GUARD, 300);
}

TEST_WITHIN(a_guarded_destination_stops_it_at_the_byte, 30)
{
	check_at_random(GUARD, NO_ACCESS, 300);
}

/* SIGBUS instead of SIGSEGV. */
TEST_WITHIN(a_source_beyond_its_file_stops_it_at_the_byte, 30)
{
	check_at_random(NO_ACCESS, BEYOND_EOF, 300);
}

TEST_WITHIN(a_destination_beyond_its_file_stops_it_at_the_byte, 30)
{
	check_at_random(BEYOND_EOF, NO_ACCESS, 300);
}

TEST_WITHIN(a_read_only_destination_stops_it_at_the_byte, 30)
{
	check_at_random(READ_ONLY, NO_ACCESS, 300);
}

TEST(every_distance_from_the_border_is_exact)
{
	struct ground src = make_ground(NO_ACCESS);
	struct ground dst = make_ground(NO_ACCESS);
	size_t room = 4 * page;

	install_handler();
	for (size_t i = 0; i < N_COPIES; i++) {
		if (!works_here(i))
			continue;
		for (size_t d = 0; d < 400; d++) {
			check_copy(i, dst, d % 67, src, room - d, 1000);
			check_copy(i, dst, room - d, src, d % 67, 1000);
		}
	}
}

TEST(memory_never_touched_is_brought_in)
{
	char *src = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	char *dst = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	install_handler();
	ck_assert_uint_eq(mf_copy_nofault(dst, src, 65536), 0);
	ck_assert_uint_eq(n_fixups, 0);
}

TEST(errno_stays)
{
	struct ground g = make_ground(NO_ACCESS);
	char byte;

	install_handler();
	errno = ENOTTY;
	for (size_t i = 0; i < N_COPIES; i++)
		(void)copies[i].copy(&byte, g.end, 1);
	ck_assert_int_eq(errno, ENOTTY);
}

TEST(a_crash_elsewhere_stays_a_crash)
{
	struct ground g = make_ground(NO_ACCESS);
	uintptr_t ip = 1;

	ck_assert(!mf_uaccess_fixup((uintptr_t)install_handler, &ip));
	ck_assert(!mf_uaccess_fixup((uintptr_t)memcpy, &ip));
	ck_assert(!mf_uaccess_fixup(0, &ip));
	ck_assert_uint_eq(ip, 1);
	install_handler();
	ASSERT_DIES_BY(SIGSEGV, *(volatile char *)g.end = 1);
}

static void *frames[64];
static int n_frames;

static void note_frames(int sig, siginfo_t *info, void *context)
{
	n_frames = backtrace(frames, 64);
	on_fault(sig, info, context);
}

/*
 * A debugger, or an exception thrown from a handler, gets from the middle of
 * a copy to its caller.
 */
TEST(a_fault_in_a_copy_can_be_unwound)
{
	struct ground g = make_ground(NO_ACCESS);
	struct sigaction action = { .sa_sigaction = note_frames,
				    .sa_flags = SA_SIGINFO };
	void *caller = __builtin_return_address(0);
	char buf[1000];
	bool found = false;

	ck_assert_int_gt(backtrace(frames, 64), 2); /* loads what it needs */
	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	for (size_t i = 0; i < N_COPIES; i++) {
		n_frames = 0;
		if (!works_here(i) ||
		    copies[i].copy(buf, g.end - 500, 1000) != 500 || !n_frames)
			continue; /* the portable one does not fault */
		found = false;
		for (int k = 0; k < n_frames; k++)
			found |= frames[k] == caller;
		ck_assert_msg(found, "%s", copies[i].name);
	}
}

static void *ask_disabled(void *ret)
{
	*(bool *)ret = mf_pagefault_disabled();
	return NULL;
}

TEST(disabling_faults_nests_and_is_the_threads_own)
{
	bool others = true;
	pthread_t thread;

	ck_assert(!mf_pagefault_disabled());
	mf_pagefault_disable();
	mf_pagefault_disable();
	mf_pagefault_enable();
	ck_assert(mf_pagefault_disabled());
	ck_assert_int_eq(pthread_create(&thread, NULL, ask_disabled, &others),
			 0);
	pthread_join(thread, NULL);
	ck_assert(!others);
	mf_pagefault_enable();
	ck_assert(!mf_pagefault_disabled());
}
