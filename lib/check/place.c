/* SPDX-License-Identifier: MIT */
/*
 * place.c - read /proc/self/maps, and remember where modules are.
 *
 * Promise: see place.h.
 * Context: any, signal handlers included.
 *
 * A module's extent comes from its program headers, which are in memory: its
 * .bss is in no file, and most locks are there.
 */
#include "check/place.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sync.h"
#include "base/sys.h"

/* One line of /proc/self/maps. */
struct mapping {
	uintptr_t start, end;
	bool exec, shared;
	uint64_t offset, dev, ino;
	char path[512];
};

typedef bool mapping_fn(const struct mapping *mapping, void *arg);

static const char *hex(const char *at, uint64_t *ret)
{
	uint64_t value = 0;

	for (;; at++) {
		if (*at >= '0' && *at <= '9')
			value = value << 4 | (uint64_t)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			value = value << 4 | (uint64_t)(*at - 'a' + 10);
		else
			break;
	}
	*ret = value;
	return at;
}

static const char *skip(const char *at, char what)
{
	while (*at == what)
		at++;
	return at;
}

/* "55d0-55d1 r-xp 00001000 fe:00 1234    /usr/bin/x" */
static void parse(const char *line, struct mapping *ret)
{
	uint64_t start, end, major, minor;
	const char *at = hex(line, &start);

	at = hex(skip(at, '-'), &end);
	at = skip(at, ' ');
	ret->start = (uintptr_t)start;
	ret->end = (uintptr_t)end;
	ret->exec = strlen(at) > 4 && at[2] == 'x';
	ret->shared = strlen(at) > 4 && at[3] == 's';
	at = strchr(at, ' ');
	at = hex(skip(at ? at : "", ' '), &ret->offset);
	at = hex(skip(at, ' '), &major);
	at = hex(skip(at, ':'), &minor);
	ret->dev = major << 32 | minor;
	ret->ino = 0;
	for (at = skip(at, ' '); *at >= '0' && *at <= '9'; at++)
		ret->ino = ret->ino * 10 + (uint64_t)(*at - '0');
	at = skip(at, ' ');
	(void)strncpy(ret->path, at, sizeof(ret->path) - 1);
	ret->path[sizeof(ret->path) - 1] = '\0';
}

/* Until fn says true. A line that is too long loses its end. */
static void each_mapping(mapping_fn *fn, void *arg)
{
	_cleanup_close_ int fd = mf_sys.open("/proc/self/maps",
					     O_RDONLY | O_CLOEXEC, 0);
	struct mapping mapping;
	char line[640], buf[2048];
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && (n = mf_sys.read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] != '\n') {
				if (len < sizeof(line) - 1)
					line[len++] = buf[i];
				continue;
			}
			line[len] = '\0';
			len = 0;
			parse(line, &mapping);
			if (fn(&mapping, arg))
				return;
		}
	}
}

/* What modules of this process are known; only ever added to. */
#define RANGES_MAX 1024

static struct range {
	uintptr_t start, end;
	uintptr_t bias;
	uint32_t module;
} ranges[RANGES_MAX];

static uint32_t n_ranges; /* written under looking; release */
static uint32_t looking;  /* the process that adds to ranges; 0: none; futex */
static uint32_t looker;	  /* its thread */
static uint32_t
	in_vain; /* scans that found nothing, of code made at run time */

#define IN_VAIN_MAX 64

static const struct range *find(uintptr_t addr)
{
	/* The youngest first: it may lie where an unloaded one lay. */
	for (uint32_t i = mf_load_acquire(&n_ranges); i-- > 0;)
		if (addr >= ranges[i].start && addr < ranges[i].end)
			return &ranges[i];
	return NULL;
}

/* The mappings of one file, one after the other. */
struct group {
	struct mf_check_table *table;
	uintptr_t base; /* of its first byte; 0: not seen */
	bool exec;
	char path[512];
};

static bool extent(uintptr_t base, struct range *ret)
{
	const ElfW(Ehdr) *header = (const void *)base;
	const ElfW(Phdr) * program;
	uintptr_t low = UINTPTR_MAX, high = 0;

	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_phentsize != sizeof(*program) ||
	    header->e_phoff > 0x1000 - sizeof(*program))
		return false;
	program = (const void *)(base + header->e_phoff);
	for (unsigned i = 0; i < header->e_phnum && i < 32; i++) {
		if (program[i].p_type != PT_LOAD)
			continue;
		if (program[i].p_vaddr < low)
			low = program[i].p_vaddr & ~(uintptr_t)0xfff;
		if (program[i].p_vaddr + program[i].p_memsz > high)
			high = program[i].p_vaddr + program[i].p_memsz;
	}
	ret->bias = base - low;
	ret->start = base;
	ret->end = ret->bias + high;
	return high > low;
}

static void end_group(struct group *group)
{
	uint32_t n = n_ranges;
	struct range range;

	if (!group->base || !group->exec || n == RANGES_MAX ||
	    !extent(group->base, &range))
		return;
	for (uint32_t i = 0; i < n; i++)
		if (ranges[i].start == range.start &&
		    ranges[i].end == range.end)
			return;
	range.module = mf_check_module_get(group->table, group->path);
	ranges[n] = range;
	mf_store_release(&n_ranges, n + 1); /* pairs with find() */
}

static bool add_to_group(const struct mapping *mapping, void *arg)
{
	struct group *group = arg;

	if (strcmp(group->path, mapping->path) != 0 || mapping->offset == 0) {
		end_group(group);
		group->base = 0;
		group->exec = false;
		memcpy(group->path, mapping->path, sizeof(group->path));
		if (mapping->path[0] == '/' && mapping->offset == 0 &&
		    !mapping->shared)
			group->base = mapping->start;
	}
	group->exec |= mapping->exec;
	return false;
}

/* Another thread may take its time, but who waits may hold what it wants. */
#define WAIT_NS	  UINT64_C(5000000)
#define WAITS_MAX 10

/*
 * Whoever finds another thread at it waits a while; whoever finds itself, in a
 * signal handler, goes without. A child of fork() does not wait for its parent.
 */
static void look_around(struct mf_check_table *table, uintptr_t addr)
{
	uint32_t me = (uint32_t)mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
	uint32_t thread = (uint32_t)mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
	struct group group = { .table = table };
	uint32_t who = mf_load_acquire(&looking);

	for (int waits = 0; who == me || !mf_cas(&looking, &who, me);) {
		if (who == me && (mf_load_relaxed(&looker) == thread ||
				  waits++ == WAITS_MAX))
			return;
		if (who == me)
			(void)mf_futex_wait(&looking, me, WAIT_NS,
					    MF_FUTEX_LOCAL);
		if (find(addr))
			return;
		who = mf_load_acquire(&looking);
	}
	mf_store_relaxed(&looker, thread);
	each_mapping(add_to_group, &group);
	end_group(&group);
	mf_store_relaxed(&looker, 0U);
	mf_store_release(&looking, 0);
	mf_futex_wake(&looking, INT_MAX, MF_FUTEX_LOCAL);
}

static mf_check_site site_in(const struct range *range, uintptr_t addr)
{
	if (!range)
		return MF_CHECK_SITE(0, addr);
	return MF_CHECK_SITE(range->module, addr - range->bias);
}

mf_check_site mf_check_place(struct mf_check_table *table, uintptr_t addr)
{
	const struct range *range = find(addr);

	if (addr == 0)
		return 0;
	if (!range && mf_load_relaxed(&in_vain) < IN_VAIN_MAX) {
		look_around(table, addr);
		range = find(addr);
		if (!range)
			mf_add_relaxed(&in_vain, 1);
	}
	return site_in(range, addr);
}

mf_check_site mf_check_place_known(uintptr_t addr)
{
	return site_in(find(addr), addr);
}

struct wanted {
	uintptr_t addr;
	uint64_t key;
};

static bool is_wanted(const struct mapping *mapping, void *arg)
{
	struct wanted *wanted = arg;

	if (wanted->addr < mapping->start || wanted->addr >= mapping->end)
		return false;
	if (mapping->shared)
		wanted->key = mf_check_mix(
			mf_check_mix(mapping->dev, mapping->ino),
			wanted->addr - mapping->start + mapping->offset);
	return true;
}

uint64_t mf_check_place_shared(uintptr_t addr)
{
	struct wanted wanted = { .addr = addr };

	each_mapping(is_wanted, &wanted);
	return wanted.key;
}
