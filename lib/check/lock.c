/* SPDX-License-Identifier: MIT */
/*
 * lock.c - a table of addresses, and what class is at each.
 *
 * Promise: see lock.h.
 * Context: any, signal handlers included.
 *
 * Which class a lock is of:
 *
 *	shared by processes	itself, by where it is in what file or memory:
 *				the others call it the same
 *	a static variable	itself, as in lockdep
 *	made by …_init()	who called that, and who called them
 *	else			who locked it first, and who called them
 *
 * Who called: programs make and take their locks by functions of their own,
 * C++'s std::mutex::lock() is one. A lock of each kind would be of one class.
 */
#include "check/lock.h"

#include <string.h>
#include <sys/mman.h>

#include "base/sync.h"
#include "base/sys.h"
#include "check/callers.h"
#include "check/place.h"

#define LOCKS  65536
#define PROBES 32
#define GONE   1

static struct mf_check_lock *locks;
static struct mf_check_table *the_table;
static uint64_t serial;

/*
 * A bit for each page that has had a lock, by a hash of its address: most
 * memory that is freed has not.
 */
#define PAGE_SHIFT 12
#define PAGE_BITS  65536

static uint8_t *pages;

static uint32_t page_bit(uint64_t address)
{
	return (uint32_t)((address >> PAGE_SHIFT) * 0x9e3779b1U) % PAGE_BITS;
}

static void note_page(uint64_t address)
{
	uint32_t bit = page_bit(address);

	mf_fetch_or(&pages[bit / 8], (uint8_t)(1U << bit % 8));
}

static bool had_lock(uint64_t address)
{
	uint32_t bit = page_bit(address);

	return mf_load_relaxed(&pages[bit / 8]) >> bit % 8 & 1;
}

int mf_check_locks_begin(struct mf_check_table *table)
{
	void *addr;
	int r = mf_sys.mmap(NULL, LOCKS * sizeof(*locks) + PAGE_BITS / 8,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0,
			    &addr);

	if (r < 0)
		return r;
	locks = addr;
	pages = (uint8_t *)(locks + LOCKS);
	the_table = table;
	return 0;
}

static struct mf_check_lock *probe(uint64_t address, uint32_t i)
{
	/* Locks are at least four bytes; neighbours are used together. */
	return &locks[((address >> 2) * 0x9e3779b1U + i) % LOCKS];
}

struct mf_check_lock *mf_check_lock_find(const void *address)
{
	uint64_t wanted = (uintptr_t)address;

	for (uint32_t i = 0; i < PROBES; i++) {
		struct mf_check_lock *lock = probe(wanted, i);
		uint64_t seen = mf_load_acquire(&lock->address);

		if (seen == wanted)
			return lock;
		if (seen == 0)
			break;
	}
	return NULL;
}

static struct mf_check_lock *insert(uint64_t address)
{
	for (uint32_t i = 0; i < PROBES; i++) {
		struct mf_check_lock *lock = probe(address, i);
		uint64_t seen = mf_load_relaxed(&lock->address);

		if (seen <= GONE && mf_cas(&lock->address, &seen, address))
			return lock;
	}
	mf_add_relaxed(&the_table->no_lock, 1);
	return NULL;
}

/* Whether the code is in a library of mfill's own. */
static bool is_ours(mf_check_site site)
{
	uint32_t module = mf_check_site_module(site);
	const char *name;

	if (!module)
		return false;
	name = strrchr(the_table->module[module - 1].path, '/');
	return name && strncmp(name, "/libmfill", 9) == 0;
}

static uint64_t key_of(const struct mf_check_class *class)
{
	uint64_t kind = class->flags & (MF_CHECK_SELF | MF_CHECK_WQ |
					MF_CHECK_STATIC | MF_CHECK_MADE);

	uint64_t key = mf_check_mix(class->site, kind << 8 | class->what);

	for (int i = 0; i < MF_CHECK_FRAMES; i++)
		key = mf_check_mix(key, class->from[i]);
	return key;
}

static void classify(struct mf_check_lock *lock, enum mf_check_what what,
		     uint32_t flags, const void *pc)
{
	mf_check_site code = mf_check_place(the_table, (uintptr_t)pc);
	mf_check_site data = mf_check_place_known((uintptr_t)lock->address);
	struct mf_check_class class = { .site = code, .what = what };
	uint64_t shared = 0, key;

	lock->flags = flags;
	if (is_ours(code)) {
		lock->flags |= MF_CHECK_IGNORED;
		return;
	}
	if (flags & MF_CHECK_PSHARED)
		shared = mf_check_place_shared((uintptr_t)lock->address);
	if (mf_check_site_module(data)) {
		class.site = data;
		flags = (flags & ~MF_CHECK_MADE) | MF_CHECK_STATIC;
	} else {
		mf_check_callers(the_table, pc, class.from);
		note_page(lock->address);
	}
	class.flags = flags & 0xffffU;
	key = shared ? shared : key_of(&class);
	if (!shared) {
		lock->flags &= ~MF_CHECK_PSHARED;
		shared = mf_check_mix(lock->address, mf_fetch_add(&serial, 1));
	}
	lock->id = shared;
	mf_store_release(&lock->class,
			 mf_check_class_get(the_table, key, &class) + 1);
}

struct mf_check_lock *mf_check_lock_get(const void *address,
					enum mf_check_what what, uint32_t flags,
					const void *pc)
{
	struct mf_check_lock *lock = mf_check_lock_find(address);

	if (lock)
		return lock;
	lock = insert((uintptr_t)address);
	if (lock)
		classify(lock, what, flags, pc);
	return lock;
}

void mf_check_lock_made(const void *address, enum mf_check_what what,
			uint32_t flags, const void *pc)
{
	mf_check_lock_gone(address);
	(void)mf_check_lock_get(address, what, flags | MF_CHECK_MADE, pc);
}

void mf_check_lock_gone(const void *address)
{
	struct mf_check_lock *lock = mf_check_lock_find(address);

	if (!lock)
		return;
	lock->class = 0;
	mf_store_release(&lock->address, GONE);
}

bool mf_check_memory_has(const void *memory)
{
	return had_lock((uintptr_t)memory);
}

void mf_check_memory_gone(const void *memory, size_t len)
{
	uint64_t at = ((uintptr_t)memory + 7) & ~UINT64_C(7);
	uint64_t end = (uintptr_t)memory + len;

	while (at < end) {
		uint64_t next = ((at >> PAGE_SHIFT) + 1) << PAGE_SHIFT;

		/* What needs no more alignment than that was made, not found */
		for (; had_lock(at) && at < end && at < next; at += 8)
			mf_check_lock_gone((const void *)(uintptr_t)at);
		at = next;
	}
}
