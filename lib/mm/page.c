/* SPDX-License-Identifier: MIT */
/*
 * page.c - the page store and the claims on its units.
 *
 * Promise: as in page.h.
 * Context: new and free: not in a signal handler. The rest: any.
 */
#include "mm/page.h"

#include <assert.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "mm/memfd.h"

/* A unit's number plus one fits 32 bits. */
#define UNITS_MAX (UINT32_MAX - 1)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t count_units(const struct mf_store_description *what)
{
	uint64_t size = round_up(what->length, page_size());
	uint64_t lead = what->source_offset % what->unit;

	return (size + lead + what->unit - 1) / what->unit;
}

static size_t meta_size(uint64_t n_units)
{
	return (size_t)round_up(sizeof(struct mf_store_header) +
					n_units * sizeof(uint32_t),
				page_size());
}

/*
 * A handle on the store in fd, which has the right size, and is the handle's
 * on success.
 */
static int open_store(int fd, const struct mf_store_description *what,
		      struct mf_store **ret)
{
	_cleanup_free_ struct mf_store *store = mf_sys.calloc(1,
							      sizeof(*store));
	uint64_t size = round_up(what->length, page_size());
	size_t meta_len = meta_size(count_units(what));
	struct stat st;
	void *meta;
	int r;

	if (!store)
		return -ENOMEM;
	r = mf_sys.fstat(fd, &st);
	if (r < 0)
		return r;
	if ((uint64_t)st.st_size != size + meta_len)
		return -EPROTO;
	r = mf_sys.mmap(NULL, meta_len, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, fd, size, &meta);
	if (r < 0)
		return r;
	(void)mf_sys.madvise(meta, meta_len, MADV_DONTDUMP);
	store->refs = 1;
	store->fd = fd;
	store->fd_ino = st.st_ino;
	store->id = what->id;
	store->length = what->length;
	store->size = size;
	store->unit = what->unit;
	store->lead = what->source_offset % what->unit;
	store->source_offset = what->source_offset;
	store->n_units = (uint32_t)count_units(what);
	store->header = meta;
	store->words = (uint32_t *)(store->header + 1);
	mf_kmap_init(&store->kmap, fd, size);
	*ret = TAKE_PTR(store);
	return 0;
}

int mf_store_new(struct mfill_source *source, uint64_t offset, uint64_t length,
		 uint64_t unit, struct mf_store **ret)
{
	struct mf_store_description what = {
		.length = length,
		.unit = unit,
		.source_offset = offset,
	};
	struct mf_world *world = mf_world();
	_cleanup_close_ int fd = -1;
	int r;

	if (count_units(&what) > UNITS_MAX)
		return -EFBIG;
	if (!world)
		return -ENOMEM;
	fd = mf_memfd_new("mfill", round_up(length, page_size()) +
					   meta_size(count_units(&what)));
	if (fd < 0)
		return fd;
	what.id = mf_world_next_store(world);
	r = open_store(fd, &what, ret);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	(*ret)->header->given = length;
	mf_store_set_source(*ret, source);
	return 0;
}

int mf_store_attach(int fd, const struct mf_store_description *what,
		    struct mf_store **ret)
{
	if (what->id == 0 || what->unit == 0 || what->unit % page_size() ||
	    count_units(what) > UNITS_MAX)
		return -EPROTO;
	return open_store(fd, what, ret);
}

void mf_store_describe(const struct mf_store *store,
		       struct mf_store_description *ret)
{
	*ret = (struct mf_store_description){
		.id = store->id,
		.length = store->length,
		.unit = store->unit,
		.source_offset = store->source_offset,
	};
}

bool mf_store_set_source(struct mf_store *store, struct mfill_source *source)
{
	struct mfill_source *none = NULL;

	if (!source)
		return false;
	(void)mf_source_get(source);
	/* pairs with the acquire in fill.c: the source, then what it is */
	if (mf_cas(&store->source, &none, source))
		return true;
	mfill_source_put(source);
	return false;
}

void mf_store_limit(struct mf_store *store, uint64_t given)
{
	uint64_t now = mf_load_relaxed(&store->header->given);

	/* pairs with the acquire in fill.c */
	while (given < now && !mf_cas(&store->header->given, &now, given))
		;
}

struct mf_store *mf_store_get(struct mf_store *store)
{
	mf_fetch_add(&store->refs, 1);
	return store;
}

bool mf_store_unref(struct mf_store *store)
{
	return mf_fetch_sub(&store->refs, 1) == 1;
}

void mf_store_free(struct mf_store *store)
{
	if (!store)
		return;
	mf_kmap_destroy(&store->kmap);
	(void)mf_sys.munmap(store->header, meta_size(store->n_units));
	(void)mf_sys.close(store->fd);
	mfill_source_put(store->source);
	free(store);
}

uint32_t mf_store_unit_at(const struct mf_store *store, uint64_t offset)
{
	return (uint32_t)((offset + store->lead) / store->unit);
}

uint64_t mf_store_unit_range(const struct mf_store *store, uint32_t unit,
			     uint64_t *ret_start)
{
	uint64_t end = (unit + UINT64_C(1)) * store->unit - store->lead;

	*ret_start = unit ? unit * store->unit - store->lead : 0;
	return end < store->size ? end : store->size;
}

int mf_store_check(const struct mf_store *store)
{
	struct stat st;
	int r = mf_sys.fstat(store->fd, &st);

	if (r < 0)
		return r;
	return st.st_ino == store->fd_ino ? 0 : -EBADF;
}

int mf_store_write(struct mf_store *store, const void *buf, size_t len,
		   uint64_t offset)
{
	int r = mf_store_check(store);

	if (r < 0)
		return r;
	return mf_pwrite_full(store->fd, buf, len, offset);
}

uint32_t mf_page_word(struct mf_store *store, uint32_t unit)
{
	/* pairs with the exchange in settle(): FILLED, then the bytes */
	return mf_load_acquire(&store->words[unit]);
}

uint64_t mf_store_filled(struct mf_store *store, uint64_t offset, uint64_t len)
{
	uint64_t at = offset, end = offset + len, ignored;

	while (at < end) {
		uint32_t unit = mf_store_unit_at(store, at);

		if (mf_page_state(mf_page_word(store, unit)) != MF_PAGE_FILLED)
			break;
		at = mf_store_unit_range(store, unit, &ignored);
	}
	return (at < end ? at : end) - offset;
}

uint64_t mf_page_ref(const struct mf_store *store, uint32_t unit)
{
	return (uint64_t)store->id << 32 | unit;
}

static uint32_t next_gen(uint32_t word)
{
	return (word & ~((1U << MF_PAGE_GEN_SHIFT) - 1)) +
	       (1U << MF_PAGE_GEN_SHIFT);
}

/* An entry of filling[] that holds what, or NULL. */
static uint64_t *slot_filling(struct mf_slot *slot, uint64_t what)
{
	for (int i = 0; i < MF_SLOT_DEPTH; i++)
		if (mf_load_seq_cst(&slot->filling[i]) == what)
			return &slot->filling[i];
	return NULL;
}

/*
 * The slot lists the page before the word names the slot, and until the word
 * no longer does. So a word that names a slot which does not list the page is
 * nobody's, and a waiter may take it over.
 */
enum mf_claim mf_page_claim(struct mf_store *store, uint32_t unit,
			    struct mf_slot *me, uint32_t *ret_word)
{
	uint32_t word = mf_page_word(store, unit);
	uint64_t *entry = slot_filling(me, 0);

	for (;;) {
		switch (mf_page_state(word)) {
		case MF_PAGE_FILLED:
			return MF_CLAIM_FILLED;
		case MF_PAGE_POISONED:
			return MF_CLAIM_POISONED;
		case MF_PAGE_FILLING:
			*ret_word = word;
			return MF_CLAIM_BUSY;
		}
		if (!entry)
			return MF_CLAIM_DEPTH;
		mf_store_seq_cst(entry, mf_page_ref(store, unit));
		if (mf_cas(&store->words[unit], &word,
			   next_gen(word) | (word & MF_PAGE_WP) |
				   mf_slot_index(me) << MF_PAGE_OWNER_SHIFT |
				   MF_PAGE_FILLING))
			return MF_CLAIM_MINE;
		mf_store_seq_cst(entry, 0);
	}
}

/* My claim ends in this state. */
static void settle(struct mf_store *store, uint32_t unit, struct mf_slot *me,
		   uint32_t state)
{
	uint64_t *entry = slot_filling(me, mf_page_ref(store, unit));
	uint32_t word = mf_page_word(store, unit);
	uint32_t keep = ~(uint32_t)(MF_PAGE_STATE | MF_PAGE_WAITERS |
				    MF_PAGE_OWNER_MASK);

	assert(entry);
	/* Only WAITERS can come in between, so this loop is short. */
	while (!mf_cas(&store->words[unit], &word, (word & keep) | state))
		;
	assert(mf_page_state(word) == MF_PAGE_FILLING);
	mf_store_seq_cst(entry, 0);
	if (word & MF_PAGE_WAITERS)
		mf_futex_wake(&store->words[unit], INT_MAX, MF_FUTEX_SHARED);
}

void mf_page_publish(struct mf_store *store, uint32_t unit, struct mf_slot *me)
{
	settle(store, unit, me, MF_PAGE_FILLED);
}

void mf_page_abandon(struct mf_store *store, uint32_t unit, struct mf_slot *me)
{
	settle(store, unit, me, MF_PAGE_MISSING);
}

void mf_page_poison(struct mf_store *store, uint32_t unit, struct mf_slot *me)
{
	settle(store, unit, me, MF_PAGE_POISONED);
}

bool mf_page_take_over(struct mf_store *store, uint32_t unit, uint32_t word)
{
	uint32_t owner = mf_page_owner(word);

	/*
	 * 1. The owner lists the page: it is at work. 2. It does not: it died,
	 * or never came back from a vfork child. 3. It was done in between: the
	 * word is another by now, and the exchange fails.
	 */
	if (mf_slot_alive(owner) &&
	    slot_filling(mf_world_slot(mf_world(), owner),
			 mf_page_ref(store, unit)))
		return false;
	if (!mf_cas(&store->words[unit], &word,
		    next_gen(word) | (word & MF_PAGE_WP) | MF_PAGE_MISSING))
		return false;
	mf_futex_wake(&store->words[unit], INT_MAX, MF_FUTEX_SHARED);
	return true;
}
