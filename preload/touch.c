/* SPDX-License-Identifier: MIT */
/*
 * touch.c - have memory filled before a system call uses it.
 *
 * Promise: as in touch.h. What a pointer leads to is read without faults: a
 * wild one is the kernel's to refuse.
 * Context: any, signal handlers included.
 */
#include "preload/touch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "map/map.h"
#include "mm/uaccess.h"

/*
 * Where neither kernel nor program put anything by themselves. On x86-64,
 * whatever vm.mmap_rnd_bits is, mappings grow down from above 0x6fff_…, up
 * from 0x2aaa_…, programs lie at 0x5555_… to 0x6555_…; runtimes that choose
 * addresses at random stay below 0x4000_…. The end of what is left has room
 * for most programs, and the thread and memory sanitizers take it for memory
 * of the program, not for their own. On aarch64 the same thirds and quarters
 * of what it has: 48 bits, or 39.
 */
static const struct {
	uint64_t start;
	uint64_t end;
	uint64_t first;
} places[] = {
#if defined(__x86_64__)
	{ 0x4500ULL << 32, 0x5555ULL << 32, 0x5500ULL << 32 },
#elif defined(__aarch64__)
	{ 0x8400ULL << 32, 0x9400ULL << 32, 0x8400ULL << 32 },
	{ 0x0040ULL << 32, 0x0050ULL << 32, 0x0040ULL << 32 },
#else
#error "mfill does not know the address space of this processor"
#endif
};

struct pl_arena pl_arena;

/* Whether addresses are as long as that. */
static bool is_address(uint64_t addr)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *got;
	int r = mf_sys.mmap((void *)(uintptr_t)addr, page, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				    MAP_FIXED_NOREPLACE,
			    -1, 0, &got);

	if (r == -EEXIST)
		return true;
	if (r < 0)
		return false;
	(void)mf_sys.munmap(got, page);
	return (uintptr_t)got == addr;
}

int pl_arena_open(void)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint64_t start = places[i].start;
		uint64_t size = places[i].end - start;
		int r;

		if (!is_address(start + size / 2))
			continue;
		r = mf_arena_reserve((uintptr_t)start, (size_t)size,
				     (uintptr_t)places[i].first);
		if (r < 0)
			return r;
		pl_arena.first = (uint32_t)(start >> 32);
		pl_arena.n = (uint32_t)(size >> 32);
		return 0;
	}
	return -ENOMEM;
}

void pl_touch_everywhere(void)
{
	/* n first: between the two, what was in the arena still is. */
	pl_arena.n = UINT32_MAX;
	pl_arena.first = 0;
}

/* Start of the page after the one p is in. */
static uintptr_t next_page(uintptr_t p)
{
	return (p | 4095) + 1;
}

/* A byte of each page: what is open already costs no lock and no call. */
static uintptr_t skip_open(uintptr_t at, uintptr_t end)
{
	char byte;

	while (at < end && mf_copy_nofault(&byte, (const void *)at, 1) == 0)
		at = next_page(at);
	return at;
}

int pl_touch_view(const void *buf, size_t len, bool for_write)
{
	uintptr_t start = (uintptr_t)buf, end = start + len;

	if (end < start)
		end = UINTPTR_MAX;
	start = skip_open(start, end);
	if (start >= end)
		return 0;
	if (mf_require((const void *)start, end - start) == 0)
		return 0;
	return for_write ? -EFAULT : 0;
}

/* True when all of it could be read. */
static bool read_user(void *to, const void *from, size_t len)
{
	(void)pl_touch(from, len, false);
	return mf_copy_nofault(to, from, len) == 0;
}

int pl_touch_iov(const struct iovec *iov, size_t n, bool for_write)
{
	struct iovec piece[8];
	int r = 0;

	if (n > IOV_MAX)
		return 0;
	for (size_t i = 0; r == 0 && i < n; i += 8) {
		size_t some = n - i < 8 ? n - i : 8;

		if (!read_user(piece, &iov[i], some * sizeof(*iov)))
			return 0;
		for (size_t j = 0; r == 0 && j < some; j++)
			r = pl_touch(piece[j].iov_base, piece[j].iov_len,
				     for_write);
	}
	return r;
}

static int touch_parts(const struct msghdr *msg, bool for_write)
{
	int r = pl_touch(msg->msg_name, msg->msg_namelen, for_write);

	if (r == 0)
		r = pl_touch(msg->msg_control, msg->msg_controllen, for_write);
	if (r == 0)
		r = pl_touch_iov(msg->msg_iov, msg->msg_iovlen, for_write);
	return r;
}

int pl_touch_msg(const struct msghdr *msg, bool for_write)
{
	struct msghdr copy;
	int r = pl_touch(msg, sizeof(*msg), for_write);

	if (r < 0 || !read_user(&copy, msg, sizeof(copy)))
		return r;
	return touch_parts(&copy, for_write);
}

int pl_touch_mmsg(const struct mmsghdr *msgs, size_t n, bool for_write)
{
	int r = 0;

	if (n > IOV_MAX)
		n = IOV_MAX;
	/* Lengths are written into the array, also by a call that sends. */
	if (pl_touch(msgs, n * sizeof(*msgs), true) < 0)
		return -EFAULT;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = pl_touch_msg(&msgs[i].msg_hdr, for_write);
	return r;
}

/* The longest one that any call takes: an argument of a program. */
#define STRING_MAX (128 << 10)

void pl_touch_string(const char *string)
{
	const char *end = string + STRING_MAX;
	char piece[256];

	if (!pl_in_arena(string) && !mf_uffd_is_near(string, STRING_MAX))
		return;
	while (string < end) {
		uintptr_t page = next_page((uintptr_t)string);
		size_t len = page - (uintptr_t)string;

		if (len > sizeof(piece))
			len = sizeof(piece);
		if (!read_user(piece, string, len) || memchr(piece, '\0', len))
			return;
		string += len;
	}
}

void pl_touch_strings(char *const *strings)
{
	char *string;

	while (strings && read_user(&string, strings++, sizeof(string)) &&
	       string)
		pl_touch_string(string);
}

int pl_touch_address(const void *addr, const socklen_t *len)
{
	socklen_t n;
	int r = pl_touch(len, sizeof(*len), true);

	if (r < 0 || !addr || !read_user(&n, len, sizeof(n)))
		return r;
	if (n > 4096)
		n = 4096; /* nothing that is returned like this is longer */
	return pl_touch(addr, n, true);
}
