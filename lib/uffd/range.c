/* SPDX-License-Identifier: MIT */
/*
 * range.c - memory of the program's own whose missing pages are announced.
 *
 * Promise: as in range.h.
 * Context: as in range.h.
 */
#include "uffd/range.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "base/userfaultfd.h"
#include "mm/mm.h"
#include "uffd/hide.h"
#include "uffd/proc.h"
#include "uffd/settle.h"
#include "uffd/window.h"

#define RANGES_MAX 1024

#define BASIC_IOCTLS                                       \
	(1ULL << _UFFDIO_WAKE | 1ULL << _UFFDIO_COPY |     \
	 1ULL << _UFFDIO_ZEROPAGE | 1ULL << _UFFDIO_MOVE | \
	 1ULL << _UFFDIO_POISON)

static struct mf_range ranges[RANGES_MAX]; /* mmap_lock */
static unsigned n_ranges;		   /* mmap_lock; used ones are below */
static uint64_t generation;		   /* mmap_lock */
static struct mf_mutex change_mutex; /* one who changes ranges at a time */
static struct mf_mutex page_mutex;

static void write_lock(void)
{
	/* In a child the first call makes both, and locks for that. */
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();

	mf_signals_block();
	mf_mutex_lock(&change_mutex, MF_RANK_API);
	(void)mf_mmap_write_lock(mm->lock, me);
	mf_window_close_all();
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
	int r;

	if (!mf_slot_self() || !mf_mm_self())
		return -ENOMEM;
	mf_ranges_freeze();
	r = mf_proc_open();
	if (r == 0)
		mf_hide_start();
	mf_ranges_thaw();
	return r;
}

void mf_range_lock_pages(void)
{
	mf_mutex_lock(&page_mutex, MF_RANK_CHUNK);
}

void mf_range_unlock_pages(void)
{
	mf_mutex_unlock(&page_mutex, MF_RANK_CHUNK);
}

struct mf_range *mf_range_find(uintptr_t addr)
{
	for (unsigned i = 0; i < n_ranges; i++)
		if (addr - ranges[i].start < ranges[i].len)
			return &ranges[i];
	return NULL;
}

bool mf_range_touches(uintptr_t start, size_t len)
{
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].len && ranges[i].owner &&
		    ranges[i].start < start + len &&
		    start < ranges[i].start + ranges[i].len)
			return true;
	return false;
}

/* The kernel has neighbours like these as one mapping. */
static bool is_one_mapping(const struct mf_range *left,
			   const struct mf_range *right)
{
	return left->owner == right->owner && left->mode == right->mode &&
	       left->prot == right->prot && left->shared == right->shared &&
	       (!left->shared || (left->inode == right->inode &&
				  left->offset + left->len == right->offset));
}

uintptr_t mf_range_reach(const struct mf_range *range, uintptr_t end)
{
	uintptr_t at = range->start + range->len;

	while (at < end) {
		const struct mf_range *next = mf_range_find(at);

		if (!next || !is_one_mapping(range, next))
			break;
		range = next;
		at = range->start + range->len;
	}
	return at < end ? at : end;
}

bool mf_range_has(uintptr_t start, size_t len)
{
	const struct mf_range *range = mf_range_find(start);

	return range && range->owner && range->epoch == mf_fork_generation() &&
	       mf_range_reach(range, start + len) == start + len;
}

/* Register */

static int make_alias(struct mf_range *range)
{
	/* Not libc's, which may ask us what is registered there. */
	long alias = mf_syscall(SYS_mremap, (long)range->start, 0,
				(long)range->len, MREMAP_MAYMOVE, 0, 0);

	/* Where addresses have 32 bits, half of them look negative. */
	if ((unsigned long)alias > -4096UL)
		return (int)alias;
	range->alias = (uintptr_t)alias;
	/* A huge page would have the file have what nobody has filled. */
	(void)mf_sys.madvise((void *)alias, range->len, MADV_NOHUGEPAGE);
	if (mf_sys.mprotect((void *)alias, range->len,
			    PROT_READ | PROT_WRITE) == 0)
		return 0;
	(void)mf_sys.munmap((void *)alias, range->len);
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
	void *states = range->states;

	if (range->alias)
		(void)mf_sys.munmap((void *)range->alias, range->len);
	range->len = 0;
	range->states = NULL;
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].states == states)
			return; /* another piece still has it */
	(void)mf_sys.munmap(states, range->states_size);
}

/*
 * Poison outlives its registration, but not its page: when the kernel has
 * nothing or something else there, it is no more. Whether any is left.
 */
static bool keep_poison(struct mf_range *range)
{
	bool left = false;

	for (uintptr_t at = range->start; at < range->start + range->len;
	     at += mf_page_size()) {
		uint8_t *state = mf_range_state(range, at);

		if (!(*state & MF_STATE_POISON))
			continue;
		if (mf_hide_is_gone(range, at))
			*state = 0;
		else
			left = true;
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
		if (ranges[i].owner || keep_poison(&ranges[i]))
			continue;
		forget(&ranges[i]);
		return &ranges[i];
	}
	return NULL;
}

static int new_states(struct mf_range *range)
{
	int r;

	range->states_size = range->len / mf_page_size();
	r = mf_sys.mmap(NULL, range->states_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0,
			&range->states);
	if (r == 0)
		range->state = range->states;
	return r;
}

/* Locked memory and some others take no markers. */
static int settle_new(struct mf_range *range)
{
	int r;

	range->hider = mf_hide_best(range->shared);
	r = mf_settle(range, range->start, range->len);
	if (r == -EINVAL && range->hider == &mf_hide_guard) {
		(void)mf_hide_end(range);
		range->hider = &mf_hide_mprotect;
		r = mf_settle(range, range->start, range->len);
	}
	if (r == 0)
		return 0;
	(void)mf_hide_end(range);
	(void)mf_sys.mprotect((void *)range->start, range->len, range->prot);
	return r;
}

/* A new range of what is not registered yet of one mapping. */
static int add(const struct mf_range *like, uintptr_t start, size_t len,
	       const struct mf_proc_vma *vma)
{
	struct mf_range *entry = free_entry();
	struct mf_range range = *like;
	int r;

	if (!entry)
		return -ENOMEM;
	range.start = start;
	range.len = len;
	range.prot = vma->prot;
	range.shared = vma->kind == MF_PROC_SHARED;
	range.inode = vma->inode;
	range.offset = vma->offset + (start - vma->start);
	range.generation = ++generation;
	r = new_states(&range);
	if (r < 0)
		return r;
	r = range.shared ? make_alias(&range) : 0;
	if (r == 0)
		r = settle_new(&range);
	if (r == 0) {
		*entry = range;
		return 0;
	}
	if (range.alias)
		(void)mf_sys.munmap((void *)range.alias, len);
	(void)mf_sys.munmap(range.states, range.states_size);
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

/* Then what is opened next may be written to. */
static void drop_marks(struct mf_range *range)
{
	for (size_t i = 0; i < range->len / mf_page_size(); i++)
		range->state[i] &= (uint8_t)~MF_STATE_WP;
}

/* A range is there already: all of these modes, or these instead. */
static int change_mode(struct mf_range *range, const struct mf_range *like)
{
	range->owner = like->owner;
	range->features = like->features;
	if ((range->mode & like->mode) != like->mode) {
		range->mode = like->mode;
		range->generation = ++generation;
	}
	if (!(range->mode & UFFDIO_REGISTER_MODE_WP))
		drop_marks(range);
	return mf_settle(range, range->start, range->len);
}

/* *ret_end: how far it came; a range there may be longer than the mapping. */
static int register_vma(const struct mf_range *like, uintptr_t start,
			uintptr_t end, const struct mf_proc_vma *vma,
			uintptr_t *ret_end)
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
			r = change_mode(range, like);
		} else {
			for (unsigned i = 0; i < n_ranges; i++)
				if (ranges[i].len && ranges[i].start > start &&
				    ranges[i].start < next)
					next = ranges[i].start;
			r = add(like, start, next - start, vma);
		}
		start = next;
	}
	*ret_end = start;
	return r;
}

/* Cut what is registered at start and at end, so that modes can differ. */
static void forget_ghosts(uintptr_t start, size_t len);
static int split_at(uintptr_t addr);

int mf_range_register(uint32_t owner, uint64_t features, uintptr_t start,
		      size_t len, uint64_t mode, uint64_t *ret_ioctls)
{
	const struct mf_range like = {
		.owner = owner,
		.epoch = mf_fork_generation(),
		.mode = mode,
		.features = features,
	};
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
		r = register_vma(&like, vma.start > at ? vma.start : at,
				 vma.end < end ? vma.end : end, &vma, &at);
	}
	write_unlock();
	if (r < 0)
		return r;
	*ret_ioctls = BASIC_IOCTLS;
	if (mode & UFFDIO_REGISTER_MODE_MINOR)
		*ret_ioctls |= 1ULL << _UFFDIO_CONTINUE;
	if (mode & UFFDIO_REGISTER_MODE_WP)
		*ret_ioctls |= 1ULL << _UFFDIO_WRITEPROTECT;
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
	right->state = mf_range_state(range, addr);
	if (range->alias)
		right->alias = range->alias + (addr - range->start);
	range->len = addr - range->start;
	return 0;
}

static void remove_range(struct mf_range *range)
{
	if (range->epoch == mf_fork_generation() && mf_hide_end(range)) {
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
		else
			(void)keep_poison(range);
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

bool mf_range_is_owner(uint32_t owner)
{
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].len && ranges[i].owner == owner)
			return true;
	return false;
}

/*
 * Of a file the kernel copies what is mapped only where writes are announced;
 * for us it may not, and then only our note says so.
 */
void mf_range_note_mapped(uint32_t owner)
{
	mf_range_lock_pages();
	for (unsigned i = 0; i < n_ranges; i++) {
		struct mf_range *range = &ranges[i];

		if (!range->len || range->owner != owner || !range->shared ||
		    !(range->mode & UFFDIO_REGISTER_MODE_WP))
			continue;
		for (uintptr_t at = range->start;
		     at < range->start + range->len; at += mf_page_size()) {
			uint8_t *state = mf_range_state(range, at);

			if (!(*state & MF_STATE_HIDDEN) && mf_proc_present(at))
				*state |= MF_STATE_INSTALLED;
		}
	}
	mf_range_unlock_pages();
}

void mf_ranges_thaw(void)
{
	mf_mutex_unlock(&change_mutex, MF_RANK_API);
	mf_signals_restore();
}

static bool has_mode_wp(const struct mf_range *range)
{
	return range->mode & UFFDIO_REGISTER_MODE_WP;
}

/*
 * The kernel copies what it has in the place of pages only where a child's page
 * cannot be found again. Of other memory nothing is mapped in the child at
 * first, and minor faults are announced for all that the file has.
 */
static void start_anew(struct mf_range *range)
{
	const uint8_t gone = MF_STATE_POISON | MF_STATE_WP | MF_STATE_INSTALLED;

	for (size_t i = 0; i < range->len / mf_page_size(); i++)
		range->state[i] &= (uint8_t)~gone;
	if (!range->owner)
		return;
	(void)mf_sys.madvise((void *)range->start, range->len, MADV_DONTNEED);
	(void)mf_settle(range, range->start, range->len);
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
		(void)mf_hide_repair(range);
		if (range->shared && !(range->owner && has_mode_wp(range)))
			start_anew(range);
		if (!range->owner)
			remove_range(range);
	}
	write_unlock();
}

/* Changes of mappings */

void mf_ranges_write_lock(void)
{
	write_lock();
}

void mf_ranges_write_unlock(void)
{
	write_unlock();
}

/* The first that touches [start, end), from that address on. */
static struct mf_range *first_in(uintptr_t start, uintptr_t end, uintptr_t from)
{
	struct mf_range *found = NULL;

	for (unsigned i = 0; i < n_ranges; i++) {
		struct mf_range *range = &ranges[i];

		if (range->len == 0 || range->start >= end ||
		    range->start + range->len <= start || range->start < from ||
		    (found && found->start < range->start))
			continue;
		found = range;
	}
	return found;
}

struct mf_range *mf_range_next(uintptr_t start, size_t len)
{
	return first_in(start, start + len, 0);
}

struct mf_range *mf_range_after(const struct mf_range *range, uintptr_t start,
				size_t len)
{
	return first_in(start, start + len, range->start + range->len);
}

int mf_range_split(uintptr_t addr)
{
	return split_at(addr);
}

void mf_range_forget(struct mf_range *range)
{
	forget(range);
}

void mf_range_end(struct mf_range *range)
{
	remove_range(range);
}

void mf_range_move(struct mf_range *range, uintptr_t start)
{
	range->start = start;
	range->generation = ++generation;
}

void mf_range_stay(const struct mf_range *moved)
{
	struct mf_proc_vma vma;
	int r = mf_proc_vma(moved->start, &vma);

	vma.prot = moved->prot; /* now it is closed */
	if (r == 0)
		r = add(moved, moved->start, moved->len, &vma);
	/* No room for one more range: no access is better than zeros. */
	if (r < 0)
		(void)mf_sys.mprotect((void *)moved->start, moved->len,
				      PROT_NONE);
}

/* Two pieces of what was one range are alike again. */
static bool joins(const struct mf_range *left, const struct mf_range *right)
{
	return left->len && right->len &&
	       left->start + left->len == right->start &&
	       left->owner == right->owner && left->epoch == right->epoch &&
	       left->mode == right->mode && left->prot == right->prot &&
	       left->hider == right->hider && left->states == right->states &&
	       left->state + left->len / mf_page_size() == right->state &&
	       (!left->shared || left->alias + left->len == right->alias);
}

void mf_ranges_join(void)
{
	for (unsigned i = 0; i < n_ranges; i++)
		for (unsigned j = 0; j < n_ranges; j++) {
			if (!joins(&ranges[i], &ranges[j]))
				continue;
			ranges[i].len += ranges[j].len;
			ranges[i].generation = ++generation;
			ranges[j].len = 0;
			ranges[j].states = NULL;
			j = 0;
		}
}

void mf_range_grow(uintptr_t start, size_t old_len, size_t new_len)
{
	uintptr_t at = start + old_len, end = start + new_len;
	const struct mf_range *last = mf_range_find(at - 1);
	struct mf_proc_vma vma;

	if (!last || !last->owner || mf_proc_vma(at, &vma) < 0 ||
	    vma.start > at)
		return;
	(void)add(last, at, end - at, &vma);
}
