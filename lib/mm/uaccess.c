/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c - choose a copy for this machine, and find the way out of it.
 *
 * Promise: see uaccess.h.
 * Context: any, signal handlers included; errno untouched.
 */
#include "mm/uaccess.h"

#include <assert.h>
#include <sys/uio.h>

#include "base/sync.h"

static __thread uint32_t disabled;

/* Not moved by the compiler across the access that it is about. */
void mf_pagefault_disable(void)
{
	disabled++;
	mf_barrier();
}

void mf_pagefault_enable(void)
{
	mf_barrier();
	assert(disabled);
	disabled--;
}

bool mf_pagefault_disabled(void)
{
	return disabled;
}

#if defined(MF_PORTABLE_UACCESS) || \
	!((defined(__x86_64__) && defined(__LP64__)) || defined(__aarch64__))

/*
 * The kernel copies, and says how far it came. It needs no handler of ours,
 * and costs a system call of about a microsecond for each 4 KiB, where the
 * assembly takes a tenth of that. The whole address space of the process is
 * within reach, so nothing is allowed that was not before. Where a filter
 * refuses the call there is no copy without faults: nothing is copied then,
 * and callers go their slow way.
 *
 * One call never crosses a page of the source: with more, a border inside the
 * destination would be reported no closer than the kernel pleases.
 */
size_t mf_copy_nofault(void *dst, const void *src, size_t len)
{
	uint32_t pid = (uint32_t)mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);

	while (len > 0) {
		size_t step = 4096 - ((uintptr_t)src & 4095);
		struct iovec to = { .iov_base = dst, .iov_len = len };
		struct iovec from = { .iov_base = (void *)src, .iov_len = len };
		long n;

		if (step > len)
			step = len;
		to.iov_len = step;
		from.iov_len = step;
		n = mf_syscall(SYS_process_vm_readv, (long)pid, (long)&to, 1,
			       (long)&from, 1, 0);
		if (n <= 0)
			break;
		dst = (char *)dst + n;
		src = (const char *)src + n;
		len -= (size_t)n;
	}
	return len;
}

bool mf_uaccess_fixup(uintptr_t ip, uintptr_t *ret_ip)
{
	(void)ip;
	(void)ret_ip;
	return false;
}

#else

/* In the assembly; each number is a distance from where it stands. */
extern const struct {
	int32_t first, end, fixup;
} mf_uaccess_table[] __attribute__((visibility("hidden")));

static uintptr_t target(const int32_t *distance)
{
	return (uintptr_t)distance + (uintptr_t)(intptr_t)*distance;
}

bool mf_uaccess_fixup(uintptr_t ip, uintptr_t *ret_ip)
{
	for (int i = 0; mf_uaccess_table[i].first; i++) {
		if (ip < target(&mf_uaccess_table[i].first) ||
		    ip >= target(&mf_uaccess_table[i].end))
			continue;
		*ret_ip = target(&mf_uaccess_table[i].fixup);
		return true;
	}
	return false;
}

#ifdef __aarch64__

size_t mf_copy_aarch64(void *dst, const void *src, size_t len);

size_t mf_copy_nofault(void *dst, const void *src, size_t len)
{
	return mf_copy_aarch64(dst, src, len);
}

#else

#include <cpuid.h>

size_t mf_copy_sse2(void *dst, const void *src, size_t len, size_t min_rep);
size_t mf_copy_avx(void *dst, const void *src, size_t len, size_t min_rep);
size_t mf_copy_rep(void *dst, const void *src, size_t len, size_t min_rep);

/* Good everywhere; choose_copy() knows better before main(). */
static size_t (*copy)(void *, const void *, size_t, size_t) = mf_copy_sse2;
static size_t min_rep = SIZE_MAX;

/* Leaf 7 of cpuid: rep movsb is fast, and fast for short ones too. */
#define ERMS_IN_EBX  (1U << 9)
#define FSRM_IN_EDX  (1U << 4)

/* With ERMS alone, rep movsb beats a loop from about here on. */
#define MIN_REP_ERMS 4096

/*
 * The fast rep movsb is believed on Intel's word only: on Zen 3 it crawls at
 * some alignments (glibc bug 30994), and a loop is as good there. Chosen before
 * what the preload library does at its start.
 */
__attribute__((constructor(101))) static void choose_copy(void)
{
	unsigned a, b = 0, c, d = 0;

	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx"))
		copy = mf_copy_avx;
	if (!__builtin_cpu_is("intel") ||
	    !__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return;
	if (b & ERMS_IN_EBX)
		min_rep = MIN_REP_ERMS;
	if (d & FSRM_IN_EDX)
		copy = mf_copy_rep;
}

size_t mf_copy_nofault(void *dst, const void *src, size_t len)
{
	return copy(dst, src, len, min_rep);
}

#endif
#endif
