/* SPDX-License-Identifier: MIT */
/*
 * program.c - what the threads of a scenario can do.
 *
 * Promise: see program.h.
 *
 * The SIGSEGV handler of lib/fault/signal.c needs real faults, so its decisions
 * are made here once more, in serve_fault(). All else is the engine's.
 */
#include "sched/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "fault/fault.h"
#include "mm/uaccess.h"
#include "sched/engine.h"
#include "sched/kernel.h"
#include "sched/lock-model.h"
#include "sched/sched.h"

enum mfx_engine mfx_engine;
const char *const mfx_engine_names[MFX_ENGINES] = {
	[MFX_REAL] = "real",
	[MFX_NAIVE] = "naive",
	[MFX_EARLY] = "early",
};

#define STORES	   9
#define ACCEPTED   3
#define FAULTS_MAX 200 /* of one load; more is called a livelock */

/* What is known of a store besides what the engine knows. */
static struct known {
	struct mf_store *store;
	struct mfill_source *source;
	char name[8];
	unsigned pages;
	uint64_t tag;
	uint64_t accepted[ACCEPTED];
	int (*read)(uint64_t *ret_value, unsigned unit);
} known[STORES];
static unsigned n_known;

/*
 * Sources
 */

static int source_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	struct known *k = ctx;
	uint64_t value = k->tag;
	int r = 0;

	mfx_say("reads page %u of %s from its source",
		(unsigned)(offset / MFX_PAGE), k->name);
	if (k->read)
		r = k->read(&value, (unsigned)(offset / MFX_PAGE));
	if (r < 0)
		return r;
	*(uint64_t *)buf = value;
	*(uint64_t *)((char *)buf + len - 8) = value;
	return 0;
}

struct mf_store *mfx_store_new(const char *name, unsigned pages, uint64_t tag,
			       int (*read)(uint64_t *ret_value, unsigned unit))
{
	struct known *k = &known[n_known++];
	struct mfill_source *source = NULL;
	int r;

	memset(k, 0, sizeof(*k));
	(void)snprintf(k->name, sizeof(k->name), "%s", name);
	k->pages = pages;
	k->tag = tag;
	k->accepted[0] = tag;
	k->read = read;
	if (tag || read) {
		source = mfx_alloc(sizeof(*source));
		source->refs = 1;
		source->size = (uint64_t)pages * MFX_PAGE;
		source->ops.read = source_read;
		source->ctx = k;
	}
	k->source = source;
	r = mf_store_new(source, 0, (uint64_t)pages * MFX_PAGE, MFX_PAGE,
			 &k->store);
	if (r < 0) {
		fprintf(stderr, "no store for a scenario: %d\n", r);
		abort();
	}
	for (unsigned i = 0; i < pages; i++)
		mfx_name(&k->store->words[i], 4, "the state of %s's page %u",
			 name, i);
	mfx_name(k->store, sizeof(*k->store), "%s", name);
	return k->store;
}

static struct known *find_known(const struct mf_store *store)
{
	for (unsigned i = 0; i < n_known; i++)
		if (known[i].store == store)
			return &known[i];
	return NULL;
}

void mfx_store_accepts(struct mf_store *store, uint64_t tag)
{
	struct known *k = find_known(store);

	for (int i = 0; i < ACCEPTED; i++)
		if (!k->accepted[i]) {
			k->accepted[i] = tag;
			return;
		}
}

/*
 * The backend
 */

static int backend_reserve(struct mf_view *view, const struct mf_view *like)
{
	(void)view;
	(void)like;
	return 0;
}

static void backend_release(struct mf_view *view)
{
	(void)view;
}

static int backend_open(struct mf_region *region, uintptr_t start, size_t len)
{
	for (size_t at = 0; at < len; at += MFX_PAGE) {
		uint32_t unit = mf_region_unit(region, start + at);

		/* Promise 1 of page.h, and of the backend's caller. */
		if (mf_page_state(region->view->store->words[unit]) !=
		    MF_PAGE_FILLED)
			mfx_bug(MFX_TORN,
				"a page is opened that is not filled");
		mfx_kernel_show(start + at);
	}
	return 0;
}

static int backend_protect(struct mf_region *region)
{
	(void)region;
	return 0;
}

static const struct mf_backend backend = {
	.name = "explored",
	.reserve = backend_reserve,
	.release = backend_release,
	.open = backend_open,
	.protect = backend_protect,
};

/*
 * Calls
 */

static struct mf_view *view_new(struct mf_store *store, uintptr_t start)
{
	struct mf_view *view = mf_sys.calloc(1, sizeof(*view));

	view->start = start;
	view->len = find_known(store)->pages * (size_t)MFX_PAGE;
	view->prot = PROT_READ | PROT_WRITE;
	view->shared = true;
	view->delivery = MFILL_DELIVER_INLINE;
	view->store = mf_store_get(store);
	view->backend = &backend;
	return view;
}

/* As lib/map/map.c: first the mapping, hidden, then the region. */
int mfx_map(struct mf_store *store, unsigned page)
{
	uintptr_t start = mfx_address(page);
	struct known *k = find_known(store);
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();
	int r = mf_mm_cut(mm, me, start, k->pages * (size_t)MFX_PAGE,
			  MF_CUT_KEEP);

	if (r < 0)
		return r;
	mfx_say("maps %s at page %u", k->name, page);
	for (unsigned i = 0; i < k->pages; i++)
		mfx_kernel_map(mfx_address(page + i), store->fd,
			       i * (uint64_t)MFX_PAGE);
	return mf_mm_insert(mm, me, view_new(store, start));
}

int mfx_unmap(unsigned page, unsigned n)
{
	int r;

	mfx_say("unmaps page %u", page);
	r = mf_mm_cut(mf_mm_self(), mf_slot_self(), mfx_address(page),
		      n * (size_t)MFX_PAGE, MF_CUT_OURS);
	mf_mm_reap();
	return r;
}

int mfx_protect(unsigned page, unsigned n)
{
	mfx_say("changes the protection of page %u", page);
	return mf_mm_protect(mf_mm_self(), mf_slot_self(), mfx_address(page),
			     n * (size_t)MFX_PAGE, PROT_READ);
}

/* A fault in the next process's memory is served there. */
static int fault_next(uintptr_t addr)
{
	unsigned before = mfx_enter(mfx_next_process());
	int r = mf_fault(addr - MFX_WINDOW * MFX_PAGE, MF_ACCESS_READ);

	(void)mfx_enter(before);
	return r;
}

/* signal.c's on_signal() and serve_fault(), without the processor. */
static int serve_fault(uintptr_t addr)
{
	unsigned before;
	int r = -ENOENT;

	if (mf_pagefault_disabled())
		return -EFAULT;
	if (mfx_is_window(addr))
		return fault_next(addr);
	before = mf_signals_enter_handler();
	if (mf_mm_has(addr))
		r = mf_fault(addr, MF_ACCESS_READ);
	mf_signals_leave_handler(before);
	return r;
}

/*
 * One load instruction, and the faults it takes. At the end of a run nobody
 * counts steps, so these are counted here.
 */
static int load(uintptr_t addr, uint64_t *ret_value, uint64_t *ret_entry)
{
	bool late = false;

	for (unsigned faults = 0;; faults++) {
		bool masked = mfx_masked();
		int r;

		if (faults == FAULTS_MAX)
			mfx_bug(MFX_LIVELOCK, "the same fault %u times",
				faults);

		if (mfx_kernel_load(addr, ret_value, ret_entry))
			return 0;
		mfx_say("takes a page fault at page %u",
			(unsigned)(addr / MFX_PAGE) - 1);
		mfx_set_masked(true); /* by the handler's sa_mask */
		r = serve_fault(addr);
		mfx_set_masked(masked);
		if (r == -ENOENT) {
			if (late || !mf_mm_is_ghost(addr))
				return -EFAULT;
			late = true;
			continue;
		}
		if (r < 0 && r != -EAGAIN)
			return r;
	}
}

/* The copy of an engine that leaves page faults on: it never comes short. */
size_t mfx_copy_faulting(void *dst, const void *src, size_t len)
{
	uint64_t value, entry;

	for (size_t at = 0; at < len; at += len - 8) {
		if (mfx_is_address((uintptr_t)src)) {
			if (load((uintptr_t)src + at, &value, &entry) < 0)
				return len;
		} else {
			memcpy(&value, (const char *)src + at, 8);
		}
		mf_store_relaxed((uint64_t *)((char *)dst + at), value);
		if (at)
			break;
	}
	return 0;
}

static struct known *known_by_entry(uint64_t entry)
{
	for (unsigned i = 0; i < n_known; i++)
		if ((unsigned)known[i].store->fd - 100 == (entry >> 16 & 0xff))
			return &known[i];
	return NULL;
}

static void check_value(uint64_t entry, uint64_t first, uint64_t last)
{
	struct known *k = known_by_entry(entry);
	bool good = false;

	for (int i = 0; i < ACCEPTED; i++)
		good = good || (k->accepted[i] && k->accepted[i] == first);
	if (first != last)
		mfx_bug(MFX_TORN, "half of a page of %s is %#llx, half %#llx",
			k->name, (unsigned long long)first,
			(unsigned long long)last);
	if (!good)
		mfx_bug(MFX_TORN, "a page of %s reads %#llx", k->name,
			(unsigned long long)first);
}

int mfx_touch(unsigned page, uint64_t *ret_value)
{
	uintptr_t addr = mfx_address(page);
	uint64_t first, last, entry, entry2;
	int r;

	mfx_say("touches page %u", page);
	r = load(addr, &first, &entry);
	if (r == 0)
		r = load(addr + MFX_PAGE - 8, &last, &entry2);
	if (r < 0) {
		mfx_say("gets error %d for it", -r);
		return r;
	}
	if (entry == entry2)
		check_value(entry, first, last);
	*ret_value = first;
	return 0;
}

int mfx_touch_in(unsigned process, unsigned page, uint64_t *ret_value)
{
	unsigned before = mfx_enter(process);
	int r = mfx_touch(page, ret_value);

	(void)mfx_enter(before);
	return r;
}

static int fault_in(uintptr_t addr)
{
	if (mfx_is_window(addr))
		return fault_next(addr);
	return mf_fault(addr, MF_ACCESS_READ);
}

int mfx_copy(unsigned dst, unsigned src)
{
	static int64_t (*const copies[])(struct mf_mm *, struct mf_slot *,
					 uintptr_t, uintptr_t, size_t,
					 mf_fault_in_fn *) = {
		[MFX_REAL] = mf_fill_copy,
		[MFX_NAIVE] = mfx_naive_copy,
		[MFX_EARLY] = mfx_early_copy,
	};
	int64_t n;

	mfx_say("begins to copy page %u to page %u", src, dst);
	n = copies[mfx_engine](mf_mm_self(), mf_slot_self(), mfx_address(dst),
			       mfx_address(src), MFX_PAGE, fault_in);
	mfx_say("is done copying: %lld", (long long)n);
	return n < 0 ? (int)n : 0;
}

int mfx_require(unsigned page)
{
	uintptr_t addr = mfx_address(page);
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();
	uint64_t generation;
	struct mf_region *region = mf_mm_get(mm, me, addr, &generation);
	int r;

	if (!region)
		return -ENOENT;
	r = mf_fault_require(mm, me, region, generation, addr, MFX_PAGE);
	mf_region_put(region);
	mf_mm_reap();
	return r;
}

int mfx_prefetch(unsigned page)
{
	uintptr_t addr = mfx_address(page);
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();
	uint64_t generation;
	struct mf_region *region = mf_mm_get(mm, me, addr, &generation);
	int r;

	if (!region)
		return -ENOENT;
	mfx_say("prefetches page %u", page);
	r = mf_fault_unit(mm, me, region->view->store, region, generation,
			  mf_region_unit(region, addr), true);
	mf_region_put(region);
	mf_mm_reap();
	return r;
}

bool mfx_is_open(unsigned page)
{
	return mfx_kernel_is_open(mfx_address(page));
}

void mfx_expect(const char *call, int r, int good, int also)
{
	if (r != good && r != also)
		mfx_bug(MFX_INVARIANT, "%s ends with %d", call, r);
}

/*
 * Beginning and end
 */

static void name_slot(uint32_t index, const char *who)
{
	struct mf_slot *slot = mf_world_slot(mf_world(), index);

	mfx_name(slot, sizeof(*slot), "%s's slot", who);
	for (int i = 0; i < MF_SLOT_HOLDS; i++)
		mfx_name(&slot->hold[i], 4, "%s.hold[%d]", who, i);
	mfx_name(&slot->waits, 8, "%s.waits", who);
	mfx_name(&slot->waits_owner, 4, "%s.waits_owner", who);
	mfx_name(&slot->ticket, 4, "%s.ticket", who);
	mfx_name(&slot->life, sizeof(slot->life), "%s's life", who);
	mfx_name(slot->filling, sizeof(slot->filling), "%s.filling", who);
}

static void enter_engine(void)
{
	if (!mf_slot_self() || !mf_mm_self()) {
		fprintf(stderr, "the engine does not start\n");
		abort();
	}
}

void mfx_program_start(const struct mfx_scenario *scenario)
{
	n_known = 0;
	mfx_mm_reset();
	mfx_slot_reset();
	mfx_buffer_reset();
	mfx_queue_reset();
	mfx_locks_reset();
	for (unsigned p = 0; p < scenario->n_processes; p++) {
		(void)mfx_enter(p);
		enter_engine();
	}
	(void)mfx_enter(0);
	for (int i = 0; i < MFX_THREADS && scenario->thread[i].name; i++) {
		mfx_as_thread(i, enter_engine);
		name_slot((uint32_t)i + 1, scenario->thread[i].name);
	}
}

void mfx_program_end(void)
{
	(void)mfx_enter(0);
}

void mfx_check_quiet(void)
{
	struct mf_world *world = mf_world();

	mfx_locks_check_free();
	for (uint32_t i = 0; i < mf_world_slots(world); i++) {
		struct mf_slot *slot = mf_world_slot(world, i);

		(void)mf_slot_alive(i); /* cleans up after a dead one */
		for (int k = 0; k < MF_SLOT_HOLDS; k++)
			if (slot->hold[k])
				mfx_bug(MFX_LEAK, "%s is %#x at the end",
					mfx_name_of(&slot->hold[k]),
					slot->hold[k]);
		if (slot->waits)
			mfx_bug(MFX_LEAK, "%s is set at the end",
				mfx_name_of(&slot->waits));
		for (int k = 0; k < MF_SLOT_DEPTH; k++)
			if (slot->filling[k])
				mfx_bug(MFX_LEAK, "%s is set at the end",
					mfx_name_of(slot->filling));
	}
	for (unsigned i = 0; i < n_known; i++)
		for (unsigned k = 0; k < known[i].pages; k++) {
			uint32_t word = known[i].store->words[k];

			if (mf_page_state(word) == MF_PAGE_FILLING &&
			    !mf_page_take_over(known[i].store, k, word))
				mfx_bug(MFX_LEAK,
					"page %u of %s is claimed for ever", k,
					known[i].name);
		}
}
