/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - files, address spaces, robust mutexes: what Linux has.
 *
 * Promise: see kernel.h.
 */
#include "sched/kernel.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/forkgen.h"
#include "base/sys.h"
#include "mm/page.h"
#include "mm/uaccess.h"
#include "sched/sched.h"

#define FILES	   9
#define FILE_PAGES 2 /* one, and one for what mfill knows of it */
#define FD_FIRST   100
#define EVENTS	   2
#define DEEP	   4 /* fills in fills */
#define BUFFERS	   (DEEP * (MFX_THREADS + 1))

/* What an address space has for a page: 0, or this and a file's page. */
#define MAPPED	   UINT64_C(0x100)
#define OPEN	   UINT64_C(0x200)
#define FILE_SHIFT 16
#define PAGE_SHIFT 24

static char files[FILES][FILE_PAGES][MFX_PAGE] __attribute__((aligned(4096)));
static uint64_t tables[MFX_PROCESSES][MFX_PAGES];
static struct {
	uint32_t n_files;
	uint32_t sizes[FILES];
} kept;

static uint64_t events[EVENTS];
static int polled[MFX_THREADS]; /* a sleeping thread's eventfd */

/* Bounce buffers: nobody else looks at them, and they begin unknown. */
static char buffers[BUFFERS][MFX_PAGE] __attribute__((aligned(4096)));
static uint8_t n_buffers[MFX_THREADS + 1];

/* What of a file is part of the state: its pages' words, and page states. */
void mfx_kernel_reset(void)
{
	for (int i = 0; i < FILES; i++) {
		mfx_state(files[i][0], 8);
		mfx_state(files[i][0] + MFX_PAGE - 8, 8);
		mfx_state(files[i][1] + sizeof(struct mf_store_header), 8);
	}
	mfx_state(tables, sizeof(tables));
	mfx_state(&kept, sizeof(kept));
	mfx_state(events, sizeof(events));
	mfx_state(polled, sizeof(polled));
	mfx_name(events, sizeof(events), "the eventfd");
	mfx_state(n_buffers, sizeof(n_buffers));
	for (int p = 0; p < MFX_PROCESSES; p++)
		for (unsigned i = 0; i < MFX_PAGES; i++)
			mfx_name(&tables[p][i], 8, "%c's mapping of page %u",
				 'A' + p, i);
}

/*
 * Address spaces
 */

unsigned mfx_next_process(void)
{
	return (mfx_process() + 1) % mfx_run.scenario->n_processes;
}

static uint64_t *entry_of(uintptr_t addr)
{
	unsigned page = (unsigned)(addr / MFX_PAGE) - 1;

	if (page >= MFX_WINDOW)
		return &tables[mfx_next_process()][page - MFX_WINDOW];
	return &tables[mfx_process()][page];
}

static void set_entry(uintptr_t addr, uint64_t value)
{
	mf_store_seq_cst(entry_of(addr), value);
}

void mfx_kernel_map(uintptr_t addr, int fd, uint64_t offset)
{
	set_entry(addr,
		  MAPPED | (uint64_t)(unsigned)(fd - FD_FIRST) << FILE_SHIFT |
			  offset / MFX_PAGE << PAGE_SHIFT);
}

void mfx_kernel_show(uintptr_t addr)
{
	uint64_t *entry = entry_of(addr);

	mfx_point(entry, true);
	mfx_also(entry, *entry && !(*entry & OPEN), MFX_WORD);
	if (*entry)
		*entry |= OPEN;
}

bool mfx_kernel_is_open(uintptr_t addr)
{
	return *entry_of(addr) & OPEN;
}

static uint64_t *word_of(uint64_t entry, uintptr_t addr)
{
	unsigned file = entry >> FILE_SHIFT & 0xff;
	unsigned page = entry >> PAGE_SHIFT & 0xff;

	return (uint64_t *)(files[file][page] + addr % MFX_PAGE);
}

bool mfx_kernel_load(uintptr_t addr, uint64_t *ret_value, uint64_t *ret_entry)
{
	uint64_t entry = mf_load_relaxed(entry_of(addr));

	*ret_entry = entry;
	if (!(entry & OPEN))
		return false;
	*ret_value = mf_load_relaxed(word_of(entry, addr));
	return true;
}

/*
 * Copies
 */

/* One of the two words of a page. True: it could be read. */
static bool read_word(uintptr_t addr, uint64_t *ret)
{
	uint64_t entry;

	if (mfx_is_address(addr))
		return mfx_kernel_load(addr, ret, &entry);
	*ret = mf_load_relaxed((uint64_t *)addr);
	return true;
}

size_t mf_copy_nofault(void *dst, const void *src, size_t len)
{
	uintptr_t from = (uintptr_t)src;
	uint64_t first, last;

	if (!read_word(from, &first))
		return len;
	mf_store_relaxed((uint64_t *)dst, first);
	if (!read_word(from + len - 8, &last))
		return len / 2;
	mf_store_relaxed((uint64_t *)((char *)dst + len - 8), last);
	return 0;
}

static __thread uint32_t disabled;

void mf_pagefault_disable(void)
{
	disabled++;
}

void mf_pagefault_enable(void)
{
	if (disabled-- == 0)
		mfx_bug(MFX_INVARIANT, "page faults are enabled twice");
}

bool mf_pagefault_disabled(void)
{
	return disabled;
}

/*
 * System calls
 */

static int sys_memfd_create(const char *name, unsigned flags)
{
	(void)name;
	(void)flags;
	if (kept.n_files == FILES)
		return -EMFILE;
	return FD_FIRST + (int)kept.n_files++;
}

static int sys_ftruncate(int fd, uint64_t size)
{
	if (size > sizeof(files[0]))
		return -EFBIG;
	kept.sizes[fd - FD_FIRST] = (uint32_t)size;
	return 0;
}

static int sys_seal(int fd, int seals)
{
	(void)fd;
	(void)seals;
	return 0;
}

static int sys_dup_above(int fd, int min)
{
	(void)fd;
	(void)min;
	return -EINVAL; /* the limit of descriptors is lower: stay there */
}

static int sys_close(int fd)
{
	(void)fd;
	return 0;
}

/*
 * Eventfds. A blocking one that holds nothing must not be read: whoever does
 * that holds a lock.
 */

static uint64_t *event_of(int fd)
{
	return &events[fd - MFX_EVENT_FD];
}

static ssize_t sys_write(int fd, const void *buf, size_t len)
{
	mfx_point(event_of(fd), true);
	mfx_also(event_of(fd), true, MFX_WORD);
	*event_of(fd) += *(const uint64_t *)buf;
	mfx_say("writes to the eventfd");
	return (ssize_t)len;
}

static ssize_t sys_read(int fd, void *buf, size_t len)
{
	mfx_point(event_of(fd), true);
	mfx_also(event_of(fd), true, MFX_WORD);
	if (!*event_of(fd))
		mfx_bug(MFX_DEADLOCK, "an eventfd is read that holds nothing");
	*(uint64_t *)buf = *event_of(fd);
	*event_of(fd) = 0;
	mfx_say("empties the eventfd");
	return (ssize_t)len;
}

bool mfx_kernel_readable(int fd)
{
	return *event_of(fd);
}

static bool polled_ready(int thread)
{
	return mfx_kernel_readable(polled[thread]);
}

void mfx_kernel_poll(int fd)
{
	mfx_point(event_of(fd), false);
	mfx_also(event_of(fd), false, MFX_WORD);
	if (mfx_kernel_readable(fd))
		return;
	mfx_say("polls the eventfd");
	polled[mfx_self()] = fd;
	mfx_sleep("polls an eventfd", polled_ready);
	mfx_also(event_of(fd), false, MFX_WORD);
}

static int sys_fstat(int fd, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = (ino_t)fd;
	st->st_size = kept.sizes[fd - FD_FIRST];
	return 0;
}

static int sys_madvise(void *addr, size_t len, int advice)
{
	(void)addr;
	(void)len;
	(void)advice;
	return 0;
}

static int new_buffer(void **ret)
{
	int i = mfx_self() + 1;

	if (n_buffers[i] == DEEP)
		return -ENOMEM;
	*ret = buffers[DEEP * i + n_buffers[i]++];
	return 0;
}

static int sys_mmap(void *addr, size_t len, int prot, int flags, int fd,
		    uint64_t offset, void **ret_addr)
{
	(void)addr;
	(void)prot;
	if (fd >= 0) {
		*ret_addr = files[fd - FD_FIRST][offset / MFX_PAGE];
		return 0;
	}
	if (flags & MAP_PRIVATE)
		return new_buffer(ret_addr);
	*ret_addr = mfx_alloc(len);
	return 0;
}

static int sys_munmap(void *addr, size_t len)
{
	if (!mfx_is_address((uintptr_t)addr))
		return 0;
	for (size_t at = 0; at < len; at += MFX_PAGE)
		set_entry((uintptr_t)addr + at, 0);
	return 0;
}

static void *sys_calloc(size_t n, size_t size)
{
	return mfx_alloc(n * size);
}

static ssize_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	char *to = files[fd - FD_FIRST][0] + offset;

	mf_store_relaxed((uint64_t *)to, *(const uint64_t *)buf);
	mf_store_relaxed((uint64_t *)(to + len - 8),
			 *(const uint64_t *)((const char *)buf + len - 8));
	mfx_say("has written to file %d", fd - FD_FIRST);
	return (ssize_t)len;
}

int mf_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset)
{
	return sys_pwrite(fd, buf, len, offset) < 0 ? -EIO : 0;
}

struct mf_sys mf_sys = {
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.madvise = sys_madvise,
	.memfd_create = sys_memfd_create,
	.ftruncate = sys_ftruncate,
	.seal = sys_seal,
	.close = sys_close,
	.read = sys_read,
	.write = sys_write,
	.dup_above = sys_dup_above,
	.fstat = sys_fstat,
	.pwrite = sys_pwrite,
	.calloc = sys_calloc,
};

/* Of what base/ has in files that are not here. */
static uint32_t fork_word = 1;
uint32_t *mf_fork_word = &fork_word;

uint32_t mf_fork_renew(void)
{
	return 1; /* nobody forks */
}

static bool change_mask(long how, const uint64_t *set, uint64_t *old)
{
	uint64_t bit = UINT64_C(1) << (SIGUSR1 - 1);

	if (old)
		*old = mfx_masked() ? bit : 0;
	if (set)
		mfx_set_masked(how == SIG_BLOCK ? mfx_masked() || (*set & bit)
						: !!(*set & bit));
	return true;
}

long mfx_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	(void)d;
	(void)e;
	(void)f;
	switch (nr) {
	case SYS_rt_sigprocmask:
		(void)change_mask(a, (const uint64_t *)b, (uint64_t *)c);
		return 0;
	case SYS_get_robust_list:
		return 0;
	case SYS_gettid:
		return mfx_tid();
	case SYS_getpid:
		return 1 + (long)mfx_process();
	case SYS_kill:
		return a && mfx_process_lives((unsigned)a - 1) ? 0 : -ESRCH;
	default:
		return -ENOSYS;
	}
}

/*
 * Robust mutexes: the first word has the owner's thread id, as in glibc's.
 */

static uint32_t *life_word(pthread_mutex_t *life)
{
	return (uint32_t *)life;
}

int mfx_life_trylock(pthread_mutex_t *life)
{
	uint32_t *word = life_word(life);
	uint32_t seen = mf_load_seq_cst(word);
	uint32_t tid = (uint32_t)mfx_tid();

	if (seen & FUTEX_TID_MASK)
		return EBUSY;
	/* One point is enough for the failure; the taking is another. */
	if (!mf_cas(word, &seen, tid | (seen & FUTEX_OWNER_DIED)))
		return EBUSY;
	return seen & FUTEX_OWNER_DIED ? EOWNERDEAD : 0;
}

int mfx_life_consistent(pthread_mutex_t *life)
{
	(void)mf_fetch_and(life_word(life), FUTEX_TID_MASK);
	return 0;
}

int mfx_life_unlock(pthread_mutex_t *life)
{
	mf_store_seq_cst(life_word(life), 0);
	return 0;
}

/* As the kernel walks the list of robust mutexes of a thread that ended. */
void mfx_kernel_thread_ended(int thread)
{
	struct mf_world *world = mf_world();

	for (uint32_t i = 0; i < mf_world_slots(world); i++) {
		uint32_t *word = life_word(
			&mf_world_slot(world, i)->life.mutex);

		if (*word == (uint32_t)thread + 1)
			mf_store_seq_cst(word, FUTEX_OWNER_DIED);
	}
}
