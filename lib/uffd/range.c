/* SPDX-License-Identifier: MIT */
/*
 * range.c - memory of the program's own whose missing pages are announced.
 *
 * Promise: as in range.h.
 * Context: as in range.h.
 *
 * The table is changed under the write lock of the process's mmap_lock, and
 * read under the read lock. What is put into a page nests in that: one page
 * at a time, under install_mutex, because a private page has no access while
 * its bytes come.
 */
#include "uffd/range.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "base/userfaultfd.h"
#include "uffd/proc.h"

#define RANGES_MAX 1024

#define BASIC_IOCTLS                                   \
	(1ULL << _UFFDIO_WAKE | 1ULL << _UFFDIO_COPY | \
	 1ULL << _UFFDIO_ZEROPAGE | 1ULL << _UFFDIO_POISON)

static struct mf_range ranges[RANGES_MAX]; /* mmap_lock */
static unsigned n_ranges;		   /* mmap_lock; used ones are below */
static uint64_t generation;		   /* mmap_lock */
static struct mf_mutex install_mutex;
static struct mf_mutex change_mutex; /* one who changes ranges at a time */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void write_lock(void)
{
	/* In a child the first call makes both, and locks for that. */
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();

	mf_signals_block();
	mf_mutex_lock(&change_mutex, MF_RANK_API);
	(void)mf_mmap_write_lock(mm->lock, me);
}

static void write_unlock(void)
{
	mf_mmap_lock_consistent(mf_mm_self()->lock);
	mf_mmap_write_unlock(mf_mm_self()->lock, mf_slot_self());
	mf_mutex_unlock(&change_mutex, MF_RANK_API);
	mf_signals_restore();
}

int mf_ranges_start(void)
{
	if (!mf_slot_self() || !mf_mm_self())
		return -ENOMEM;
	return mf_proc_open();
}

struct mf_range *mf_range_find(uintptr_t addr)
{
	for (unsigned i = 0; i < n_ranges; i++)
		if (addr - ranges[i].start < ranges[i].len)
			return &ranges[i];
	return NULL;
}

bool mf_range_has(uintptr_t start, size_t len)
{
	const struct mf_range *first = mf_range_find(start), *range = first;
	uintptr_t end = start + len;

	if (!first || !first->owner || first->epoch != mf_fork_generation())
		return false;
	while (range && range->start + range->len < end) {
		range = mf_range_find(range->start + range->len);
		if (range && (range->owner != first->owner ||
			      range->mode != first->mode ||
			      range->shared != first->shared))
			return false;
	}
	return range;
}

/* Poison */

static uint8_t *poison_of(const struct mf_range *range, uintptr_t addr,
			  uint8_t *ret_bit)
{
	size_t page = (addr - range->poison_base) / page_size();

	*ret_bit = (uint8_t)(1U << page % 8);
	return &range->poison[page / 8];
}

static bool is_poisoned(const struct mf_range *range, uintptr_t addr)
{
	uint8_t bit, *byte = poison_of(range, addr, &bit);

	return mf_load_acquire(byte) & bit;
}

/* Under install_mutex. */
static void set_poison(struct mf_range *range, uintptr_t addr, bool set)
{
	uint8_t bit, *byte = poison_of(range, addr, &bit);

	if (set)
		(void)mf_fetch_or(byte, bit);
	else if (*byte & bit)
		(void)mf_fetch_and(byte, (uint8_t)~bit);
}

static int new_poison(struct mf_range *range)
{
	void *bits;
	int r;

	range->poison_base = range->start;
	range->poison_size = range->len / page_size() / 8 + 1;
	r = mf_sys.mmap(NULL, range->poison_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0,
			&bits);
	if (r == 0)
		range->poison = bits;
	return r;
}

/* Hide and show */

/* Hide what is missing of [start, start + len), run by run. */
static int hide_missing(const struct mf_range *range, uintptr_t start,
			size_t len)
{
	uintptr_t run = 0, end = start + len;
	int r = 0;

	for (uintptr_t at = start; at <= end && r == 0; at += page_size()) {
		bool missing = at < end && mf_proc_page(at) == MF_PROC_NONE &&
			       !(range->shared &&
				 !(range->mode & UFFDIO_REGISTER_MODE_MINOR) &&
				 mf_proc_cached(range->alias +
						(at - range->start)));

		if (missing && !run)
			run = at;
		if (missing || !run)
			continue;
		r = mf_sys.madvise((void *)run, at - run, MADV_GUARD_INSTALL);
		run = 0;
	}
	return r;
}

/*
 * Show what was hidden, but for poison, which outlives its registration. The
 * program may have unmapped it: a page of something else has no marker, and is
 * left alone. Returns whether there is poison.
 */
static bool show_all(const struct mf_range *range)
{
	bool poison = false;

	for (uintptr_t at = range->start; at < range->start + range->len;
	     at += page_size()) {
		if (mf_proc_page(at) != MF_PROC_GUARD)
			continue;
		if (is_poisoned(range, at))
			poison = true;
		else
			(void)mf_sys.madvise((void *)at, page_size(),
					     MADV_GUARD_REMOVE);
	}
	return poison;
}

static int show_page(struct mf_range *range, uintptr_t addr)
{
	int r = mf_sys.madvise((void *)addr, page_size(), MADV_GUARD_REMOVE);

	if (r == 0)
		set_poison(range, addr, false);
	/* So that the kernel says it is there, as it would have done. */
	if (r == 0)
		(void)mf_sys.madvise((void *)addr, page_size(),
				     MADV_POPULATE_READ);
	return r;
}

/* Register */

static int make_alias(struct mf_range *range)
{
	void *alias = mremap((void *)range->start, 0, range->len,
			     MREMAP_MAYMOVE);

	if (alias == MAP_FAILED)
		return -errno;
	range->alias = (uintptr_t)alias;
	if (mf_sys.mprotect(alias, range->len, PROT_READ | PROT_WRITE) == 0)
		return 0;
	(void)mf_sys.munmap(alias, range->len);
	return -EPERM; /* opened for reading only, as the kernel says */
}

static bool compatible(const struct mf_proc_vma *vma, uint64_t mode)
{
	if (vma->kind == MF_PROC_OTHER)
		return false;
	return vma->kind == MF_PROC_SHARED ||
	       !(mode & UFFDIO_REGISTER_MODE_MINOR);
}

/* Nothing is changed yet: may all of it be registered? */
static int check(uint32_t owner, uintptr_t start, size_t len, uint64_t mode)
{
	struct mf_proc_vma vma;
	uintptr_t at = start;
	bool any = false;

	while (at < start + len && mf_proc_vma(at, &vma) == 0 &&
	       vma.start < start + len) {
		if (!compatible(&vma, mode))
			return -EINVAL;
		any = true;
		at = vma.end;
	}
	if (!any)
		return -EINVAL;
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].len && ranges[i].start < start + len &&
		    start < ranges[i].start + ranges[i].len &&
		    ranges[i].owner && ranges[i].owner != owner)
			return -EBUSY;
	return 0;
}

/* All traces of a range, but for what is hidden. */
static void forget(struct mf_range *range)
{
	uint8_t *poison = range->poison;

	if (range->alias)
		(void)mf_sys.munmap((void *)range->alias, range->len);
	range->len = 0;
	range->poison = NULL;
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].poison == poison)
			return; /* another piece still has it */
	(void)mf_sys.munmap(poison, range->poison_size);
}

/* Poison is where there is a marker; else somebody has dropped the page. */
static bool drop_stale_poison(struct mf_range *range)
{
	bool left = false;

	for (uintptr_t at = range->start; at < range->start + range->len;
	     at += page_size()) {
		if (!is_poisoned(range, at))
			continue;
		if (mf_proc_page(at) == MF_PROC_GUARD)
			left = true;
		else
			set_poison(range, at, false);
	}
	return left;
}

static struct mf_range *free_entry(void)
{
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].len == 0)
			return &ranges[i];
	if (n_ranges < RANGES_MAX)
		return &ranges[n_ranges++];
	for (unsigned i = 0; i < n_ranges; i++) {
		if (ranges[i].owner || drop_stale_poison(&ranges[i]))
			continue;
		forget(&ranges[i]);
		return &ranges[i];
	}
	return NULL;
}

/* A new range of what is not registered yet of one mapping. */
static int add(uint32_t owner, uintptr_t start, size_t len, uint64_t mode,
	       const struct mf_proc_vma *vma)
{
	struct mf_range *entry = free_entry();
	struct mf_range range = {
		.start = start,
		.len = len,
		.owner = owner,
		.epoch = mf_fork_generation(),
		.mode = mode,
		.shared = vma->kind == MF_PROC_SHARED,
		.inode = vma->inode,
		.offset = vma->offset + (start - vma->start),
		.generation = ++generation,
	};
	int r = entry ? new_poison(&range) : -ENOMEM;

	if (r < 0)
		return r;
	r = range.shared ? make_alias(&range) : 0;
	if (r == 0)
		r = hide_missing(&range, start, len);
	if (r == 0) {
		*entry = range;
		return 0;
	}
	/* Locked memory, huge pages, and others that take no markers. */
	(void)show_all(&range);
	if (range.alias)
		(void)mf_sys.munmap((void *)range.alias, len);
	(void)mf_sys.munmap(range.poison, range.poison_size);
	return r;
}

/* The program may have mapped something else there since. */
static bool is_same(const struct mf_range *range, const struct mf_proc_vma *vma)
{
	if (range->shared != (vma->kind == MF_PROC_SHARED))
		return false;
	return !range->shared ||
	       (range->inode == vma->inode &&
		range->offset + vma->start == vma->offset + range->start);
}

/* A range is there already: all of these modes, or these instead. */
static int change_mode(struct mf_range *range, uint32_t owner, uint64_t mode)
{
	(void)drop_stale_poison(range);
	range->owner = owner;
	if ((range->mode & mode) == mode)
		return hide_missing(range, range->start, range->len);
	range->mode = mode;
	range->generation = ++generation;
	(void)show_all(range);
	return hide_missing(range, range->start, range->len);
}

static int register_vma(uint32_t owner, uintptr_t start, uintptr_t end,
			uint64_t mode, const struct mf_proc_vma *vma)
{
	int r = 0;

	while (start < end && r == 0) {
		struct mf_range *range = mf_range_find(start);
		uintptr_t next = end;

		if (range && !is_same(range, vma)) {
			forget(range);
			continue;
		}
		if (range) {
			next = range->start + range->len;
			r = change_mode(range, owner, mode);
		} else {
			for (unsigned i = 0; i < n_ranges; i++)
				if (ranges[i].len && ranges[i].start > start &&
				    ranges[i].start < next)
					next = ranges[i].start;
			r = add(owner, start, next - start, mode, vma);
		}
		start = next;
	}
	return r;
}

/* Cut what is registered at start and at end, so that modes can differ. */
static void forget_ghosts(uintptr_t start, size_t len);
static int split_at(uintptr_t addr);

int mf_range_register(uint32_t owner, uintptr_t start, size_t len,
		      uint64_t mode, uint64_t *ret_ioctls)
{
	struct mf_proc_vma vma;
	uintptr_t at = start, end = start + len;
	int r;

	write_lock();
	forget_ghosts(start, len);
	r = check(owner, start, len, mode);
	if (r == 0)
		r = split_at(start);
	if (r == 0)
		r = split_at(end);
	while (r == 0 && at < end && mf_proc_vma(at, &vma) == 0 &&
	       vma.start < end) {
		r = register_vma(owner, vma.start > at ? vma.start : at,
				 vma.end < end ? vma.end : end, mode, &vma);
		at = vma.end;
	}
	write_unlock();
	if (r < 0)
		return r;
	*ret_ioctls = BASIC_IOCTLS;
	if (mode & UFFDIO_REGISTER_MODE_MINOR)
		*ret_ioctls |= 1ULL << _UFFDIO_CONTINUE;
	return 0;
}

/* Unregister */

static int split_at(uintptr_t addr)
{
	struct mf_range *range = mf_range_find(addr), *right;

	if (!range || range->start == addr)
		return 0;
	right = free_entry();
	if (!right)
		return -ENOMEM;
	*right = *range;
	right->start = addr;
	right->len = range->start + range->len - addr;
	right->offset = range->offset + (addr - range->start);
	if (range->alias)
		right->alias = range->alias + (addr - range->start);
	range->len = addr - range->start;
	return 0;
}

static void remove_range(struct mf_range *range)
{
	if (range->epoch == mf_fork_generation() && show_all(range)) {
		range->owner = 0;
		range->mode = 0;
	} else {
		forget(range);
	}
}

/* What a parent registered, or what is not mapped any more. */
static void forget_ghosts(uintptr_t start, size_t len)
{
	struct mf_proc_vma vma;

	for (unsigned i = 0; i < n_ranges; i++) {
		struct mf_range *range = &ranges[i];

		if (range->len == 0 || range->start >= start + len ||
		    start >= range->start + range->len)
			continue;
		if (range->epoch != mf_fork_generation() ||
		    mf_proc_vma(range->start, &vma) < 0 ||
		    vma.start >= range->start + range->len)
			remove_range(range);
	}
}

int mf_range_unregister(uint32_t owner, uintptr_t start, size_t len)
{
	int r;

	write_lock();
	forget_ghosts(start, len);
	r = check(owner, start, len, 0);
	if (r == -EBUSY)
		r = -EINVAL;
	if (r == 0)
		r = split_at(start);
	if (r == 0)
		r = split_at(start + len);
	for (unsigned i = 0; r == 0 && i < n_ranges; i++)
		if (ranges[i].len && ranges[i].start >= start &&
		    ranges[i].start < start + len)
			remove_range(&ranges[i]);
	write_unlock();
	return r;
}

void mf_range_drop(uint32_t owner)
{
	write_lock();
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].len && ranges[i].owner == owner)
			remove_range(&ranges[i]);
	write_unlock();
}

/* Forks */

void mf_ranges_freeze(void)
{
	mf_signals_block();
	mf_mutex_lock(&change_mutex, MF_RANK_API);
}

void mf_ranges_thaw(void)
{
	mf_mutex_unlock(&change_mutex, MF_RANK_API);
	mf_signals_restore();
}

void mf_ranges_enter_child(uint32_t (*child_of)(uint32_t owner))
{
	(void)mf_proc_open();
	write_lock();
	for (unsigned i = 0; i < n_ranges; i++) {
		struct mf_range *range = &ranges[i];

		if (range->len == 0)
			continue;
		range->owner = child_of(range->owner);
		range->epoch = mf_fork_generation();
		range->generation = ++generation;
		if (!range->owner)
			remove_range(range);
	}
	write_unlock();
}

/* Faults */

static bool allowed(const struct mf_proc_vma *vma, enum mf_access access)
{
	int want = access == MF_ACCESS_WRITE  ? PROT_WRITE
		   : access == MF_ACCESS_EXEC ? PROT_EXEC
					      : PROT_READ;

	return vma->prot & want;
}

/* A child of fork() has markers and no registration: as the kernel's. */
static enum mf_range_fault look_in_child(struct mf_range *range, uintptr_t addr)
{
	if (is_poisoned(range, addr))
		return MF_RANGE_POISON;
	return mf_sys.madvise((void *)addr, page_size(), MADV_GUARD_REMOVE) == 0
		       ? MF_RANGE_RETRY
		       : MF_RANGE_FOREIGN;
}

/*
 * Under install_mutex: a private page that is being put in has no access, and
 * a shared one is in the file before its bytes are.
 */
static enum mf_range_fault look(struct mf_range *range, uintptr_t addr,
				enum mf_access access, bool hidden)
{
	uintptr_t page = addr & ~(page_size() - 1);
	struct mf_proc_vma vma;
	bool cached;

	if (!hidden || mf_proc_page(page) != MF_PROC_GUARD)
		return mf_proc_vma(addr, &vma) == 0 && vma.start <= addr &&
				       allowed(&vma, access)
			       ? MF_RANGE_RETRY
			       : MF_RANGE_FOREIGN;
	if (is_poisoned(range, page))
		return MF_RANGE_POISON;
	cached = range->shared &&
		 mf_proc_cached(range->alias + (page - range->start));
	if (!cached && range->mode & UFFDIO_REGISTER_MODE_MISSING)
		return MF_RANGE_MISSING;
	if (cached && range->mode & UFFDIO_REGISTER_MODE_MINOR)
		return MF_RANGE_MINOR;
	/* The file has it by now, or nobody wants to hear of it. */
	return show_page(range, page) == 0 ? MF_RANGE_RETRY : MF_RANGE_FOREIGN;
}

enum mf_range_fault mf_range_look(struct mf_range *range, uintptr_t addr,
				  enum mf_access access, bool hidden)
{
	enum mf_range_fault found;

	if (range->epoch != mf_fork_generation())
		return hidden ? look_in_child(range, addr & ~(page_size() - 1))
			      : MF_RANGE_FOREIGN;
	mf_mutex_lock(&install_mutex, MF_RANK_CHUNK);
	found = look(range, addr, access, hidden);
	mf_mutex_unlock(&install_mutex, MF_RANK_CHUNK);
	return found;
}

/* Put in */

/*
 * Private memory has no second mapping. So nobody has access while it is
 * filled through /proc, which needs none; the kernel joins the mapping again
 * afterwards.
 */
static int put_private(uintptr_t addr, const void *bytes)
{
	struct mf_proc_vma vma;
	int r, back;

	if (mf_proc_vma(addr, &vma) < 0 || vma.start > addr)
		return -ENOENT;
	r = mf_sys.mprotect((void *)addr, page_size(), PROT_NONE);
	if (r < 0)
		return r;
	r = mf_sys.madvise((void *)addr, page_size(), MADV_GUARD_REMOVE);
	if (r == 0)
		r = mf_proc_write(addr, bytes, page_size());
	if (r < 0)
		(void)mf_sys.madvise((void *)addr, page_size(),
				     MADV_GUARD_INSTALL);
	back = mf_sys.mprotect((void *)addr, page_size(), vma.prot);
	return r < 0 ? r : back;
}

int mf_range_put(struct mf_range *range, uintptr_t addr, const void *bytes)
{
	uintptr_t alias = range->alias + (addr - range->start);
	int r = 0;

	mf_mutex_lock(&install_mutex, MF_RANK_CHUNK);
	if (range->shared ? mf_proc_cached(alias)
			  : mf_proc_page(addr) == MF_PROC_PRESENT)
		r = -EEXIST;
	if (r == 0 && range->shared) {
		memcpy((void *)alias, bytes, page_size());
		r = show_page(range, addr);
	} else if (r == 0) {
		r = put_private(addr, bytes);
		if (r == 0)
			set_poison(range, addr, false);
	}
	mf_mutex_unlock(&install_mutex, MF_RANK_CHUNK);
	return r;
}

int mf_range_zero(struct mf_range *range, uintptr_t addr)
{
	uintptr_t alias = range->alias + (addr - range->start);
	int r = 0;

	mf_mutex_lock(&install_mutex, MF_RANK_CHUNK);
	/* Private memory gets the page of zeros, but not in a poisoned place */
	if (range->shared ? mf_proc_cached(alias)
			  : mf_proc_page(addr) == MF_PROC_PRESENT ||
				    is_poisoned(range, addr))
		r = -EEXIST;
	if (r == 0 && range->shared)
		r = mf_sys.madvise((void *)alias, page_size(),
				   MADV_POPULATE_WRITE);
	if (r == 0)
		r = show_page(range, addr);
	mf_mutex_unlock(&install_mutex, MF_RANK_CHUNK);
	return r;
}

int mf_range_continue(struct mf_range *range, uintptr_t addr)
{
	int r = 0;

	if (!range->shared)
		return -EINVAL;
	mf_mutex_lock(&install_mutex, MF_RANK_CHUNK);
	if (!mf_proc_cached(range->alias + (addr - range->start)))
		r = -EFAULT;
	else if (mf_proc_page(addr) == MF_PROC_PRESENT)
		r = -EEXIST;
	if (r == 0)
		r = show_page(range, addr);
	mf_mutex_unlock(&install_mutex, MF_RANK_CHUNK);
	return r;
}

int mf_range_poison(struct mf_range *range, uintptr_t addr)
{
	int r = 0;

	mf_mutex_lock(&install_mutex, MF_RANK_CHUNK);
	if (mf_proc_page(addr) == MF_PROC_PRESENT || is_poisoned(range, addr))
		r = -EEXIST;
	if (r == 0)
		r = mf_sys.madvise((void *)addr, page_size(),
				   MADV_GUARD_INSTALL);
	if (r == 0)
		set_poison(range, addr, true);
	mf_mutex_unlock(&install_mutex, MF_RANK_CHUNK);
	return r;
}
