/* SPDX-License-Identifier: MIT */
/* test-page.c - claims on fill units, and what a store is made of. */
#include "mm/page.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "harness/harness.h"
#include "harness/pattern.h"

static struct mf_store *store_of(uint64_t length, uint64_t unit)
{
	struct mf_store *store;

	ck_assert_int_eq(mf_store_new(NULL, 0, length, unit, &store), 0);
	return store;
}

static void drop(struct mf_store *store)
{
	ck_assert(mf_store_unref(store));
	mf_store_free(store);
}

TEST(a_fresh_unit_is_claimed_once)
{
	struct mf_store *store = store_of(65536, 4096);
	struct mf_slot *me = mf_slot_self();
	uint32_t word = 0;

	ck_assert_int_eq(mf_page_claim(store, 3, me, &word), MF_CLAIM_MINE);
	ck_assert_int_eq(mf_page_claim(store, 3, me, &word), MF_CLAIM_BUSY);
	ck_assert_uint_eq(mf_page_owner(word), mf_slot_index(me));
	ck_assert_int_eq(mf_page_claim(store, 4, me, &word), MF_CLAIM_MINE);
	mf_page_publish(store, 3, me);
	mf_page_abandon(store, 4, me);
	ck_assert_int_eq(mf_page_claim(store, 3, me, &word), MF_CLAIM_FILLED);
	ck_assert_int_eq(mf_page_claim(store, 4, me, &word), MF_CLAIM_MINE);
	mf_page_poison(store, 4, me);
	ck_assert_int_eq(mf_page_claim(store, 4, me, &word), MF_CLAIM_POISONED);
	drop(store);
}

TEST(a_thread_has_so_many_claims_and_no_more)
{
	struct mf_store *store = store_of(65536 * 2, 4096);
	struct mf_slot *me = mf_slot_self();
	uint32_t word;

	for (uint32_t i = 0; i < MF_SLOT_DEPTH; i++)
		ck_assert_int_eq(mf_page_claim(store, i, me, &word),
				 MF_CLAIM_MINE);
	ck_assert_int_eq(mf_page_claim(store, 20, me, &word), MF_CLAIM_DEPTH);
	for (uint32_t i = 0; i < MF_SLOT_DEPTH; i++)
		mf_page_abandon(store, i, me);
	ck_assert_int_eq(mf_page_claim(store, 20, me, &word), MF_CLAIM_MINE);
	mf_page_abandon(store, 20, me);
	drop(store);
}

TEST(every_claim_is_another_generation)
{
	struct mf_store *store = store_of(4096, 4096);
	struct mf_slot *me = mf_slot_self();
	uint32_t first, second, word;

	ck_assert_int_eq(mf_page_claim(store, 0, me, &word), MF_CLAIM_MINE);
	first = mf_page_word(store, 0);
	mf_page_abandon(store, 0, me);
	ck_assert_int_eq(mf_page_claim(store, 0, me, &word), MF_CLAIM_MINE);
	second = mf_page_word(store, 0);
	mf_page_abandon(store, 0, me);
	ck_assert_uint_ne(first, second);
	drop(store);
}

TEST(a_claim_of_the_living_is_not_taken_over)
{
	struct mf_store *store = store_of(4096, 4096);
	struct mf_slot *me = mf_slot_self();
	uint32_t word;

	ck_assert_int_eq(mf_page_claim(store, 0, me, &word), MF_CLAIM_MINE);
	word = mf_page_word(store, 0);
	ck_assert(!mf_page_take_over(store, 0, word));
	ck_assert_uint_eq(mf_page_word(store, 0), word);
	mf_page_abandon(store, 0, me);
	drop(store);
}

TEST(a_claim_of_the_dead_is_taken_over_once)
{
	struct mf_store *store = store_of(4096, 4096);
	uint32_t word, ignored;
	pid_t child = mf_test_fork();

	if (child == 0) {
		(void)mf_page_claim(store, 0, mf_slot_self(), &ignored);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	word = mf_page_word(store, 0);
	ck_assert_uint_eq(mf_page_state(word), MF_PAGE_FILLING);
	ck_assert(mf_page_take_over(store, 0, word));
	ck_assert(!mf_page_take_over(store, 0, word));
	ck_assert_uint_eq(mf_page_state(mf_page_word(store, 0)),
			  MF_PAGE_MISSING);
	drop(store);
}

TEST(a_claim_its_owner_does_not_list_is_taken_over)
{
	struct mf_store *store = store_of(4096, 4096);
	struct mf_slot *me = mf_slot_self();
	uint32_t word;

	ck_assert_int_eq(mf_page_claim(store, 0, me, &word), MF_CLAIM_MINE);
	/* As a slot looks whose owner died and which is somebody else's now. */
	for (int i = 0; i < MF_SLOT_DEPTH; i++)
		me->filling[i] = 0;
	ck_assert(mf_page_take_over(store, 0, mf_page_word(store, 0)));
	drop(store);
}

TEST(units_cover_the_store_without_gap_or_overlap)
{
	static const struct {
		uint64_t offset, length, unit;
	} cases[] = {
		{ 0, 1, 4096 },
		{ 0, 4096 * 5, 8192 },
		{ 4096, 4096 * 5, 8192 },
		{ 12288, 4096 * 100 + 1, 65536 },
		{ 65536 * 3 + 4096, 65536 * 2, 65536 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mf_store *store;
		uint64_t next = 0;

		ck_assert_int_eq(mf_store_new(NULL, cases[i].offset,
					      cases[i].length, cases[i].unit,
					      &store),
				 0);
		for (uint32_t unit = 0; unit < store->n_units; unit++) {
			uint64_t start;
			uint64_t end = mf_store_unit_range(store, unit, &start);

			ck_assert_uint_eq(start, next);
			ck_assert_uint_gt(end, start);
			ck_assert_uint_eq(mf_store_unit_at(store, start), unit);
			ck_assert_uint_eq(mf_store_unit_at(store, end - 1),
					  unit);
			/* The grid is the source's. */
			if (unit > 0)
				ck_assert_uint_eq((cases[i].offset + start) %
							  cases[i].unit,
						  0);
			next = end;
		}
		ck_assert_uint_eq(next, store->size);
		drop(store);
	}
}

TEST(bytes_never_go_to_a_descriptor_that_is_not_ours_any_more)
{
	struct mf_store *store = store_of(4096, 4096);
	int other = memfd_create("other", MFD_CLOEXEC);
	int fd = dup(store->fd);
	struct stat st;

	/* What closefrom() and the next open() do to a library. */
	ck_assert_int_eq(dup2(other, store->fd), store->fd);
	ck_assert_int_eq(mf_store_write(store, "x", 1, 0), -EBADF);
	ck_assert_int_eq(fstat(other, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(dup2(fd, store->fd), store->fd);
	ck_assert_int_eq(mf_store_write(store, "x", 1, 0), 0);
	close(fd);
	close(other);
	drop(store);
}

static int make_store(void)
{
	struct mf_store *store;
	int r = mf_store_new(NULL, 0, 1 << 20, 4096, &store);

	if (r == 0)
		drop(store);
	return r;
}

TEST(a_store_that_cannot_be_made_leaves_nothing_behind)
{
	ck_assert_uint_gt(FAULTS(ENOMEM, make_store), 3);
	ck_assert_uint_gt(FAULTS(EMFILE, make_store), 3);
}

TEST(more_units_than_can_be_counted_are_refused)
{
	struct mf_store *store;

	if (sizeof(size_t) < 8)
		SKIP("64-bit sizes");
	ck_assert_int_eq(mf_store_new(NULL, 0, UINT64_C(1) << 45, 4096, &store),
			 -EFBIG);
}
