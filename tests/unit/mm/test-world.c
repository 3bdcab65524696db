/* SPDX-License-Identifier: MIT */
/*
 * test-world.c - worlds and stores that several programs share.
 *
 * Another program is a child that was forked before its parent had a world,
 * and is handed descriptors later, as the preload library is by the broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault/fault.h"
#include "harness/harness.h"
#include "harness/needs.h"
#include "mm/memfd.h"
#include "mm/page.h"
#include "mm/slot.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

struct letter {
	int world_fd, store_fd;
	struct mf_store_description store;
};

struct program {
	pid_t pid;
	int to;
};

/* A descriptor of the parent's, under a number of our own. */
static int get_fd(int number)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getppid(), number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Run fn in another program when it gets a letter. */
static struct program start(int (*fn)(const struct letter *letter))
{
	struct program program;
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	program.pid = mf_test_fork();
	if (program.pid == 0) {
		struct letter letter;

		if (read(ends[0], &letter, sizeof(letter)) != sizeof(letter))
			_exit(99);
		_exit(fn(&letter));
	}
	close(ends[0]);
	program.to = ends[1];
	return program;
}

static int finish(struct program *program, const struct letter *letter)
{
	int status;

	ck_assert_int_eq(write(program->to, letter, sizeof(*letter)),
			 sizeof(*letter));
	close(program->to);
	ck_assert_int_eq(waitpid(program->pid, &status, 0), program->pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int take_a_slot(const struct letter *letter)
{
	int fd = get_fd(letter->world_fd);

	if (mf_world_adopt(fd) < 0)
		return 1;
	close(fd);
	return mf_slot_index(mf_slot_self()) == 1 ? 0 : 2;
}

TEST(two_programs_have_different_slots_in_one_world)
{
	struct program other;
	struct letter letter;

	other = start(take_a_slot);
	letter = (struct letter){ .world_fd = mf_world_fd() };
	ck_assert_int_ge(letter.world_fd, 0);
	ck_assert_uint_eq(mf_slot_index(mf_slot_self()), 0);
	ck_assert_int_eq(finish(&other, &letter), 0);
	ck_assert_uint_eq(mf_world_slots(mf_world()), 2);
	/* It ended, and that is known here. */
	ck_assert(!mf_slot_alive(1));
	ck_assert(mf_slot_alive(0));
	close(letter.world_fd);
}

TEST(a_world_is_not_replaced)
{
	ck_assert_ptr_nonnull(mf_world());
	ck_assert_int_eq(mf_world_fd(), -EBUSY);
	ck_assert_int_eq(mf_world_adopt(0), -EBUSY);
}

static int adopt(const struct letter *letter)
{
	return -mf_world_adopt(get_fd(letter->world_fd));
}

TEST(a_world_of_another_build_is_refused)
{
	struct program other = start(adopt);
	struct letter letter = { .world_fd = mf_world_fd() };
	uint64_t magic = 1;

	ck_assert_int_ge(letter.world_fd, 0);
	ck_assert_int_eq(pwrite(letter.world_fd, &magic, sizeof(magic), 0), 8);
	ck_assert_int_eq(finish(&other, &letter), EPROTO);
	close(letter.world_fd);
}

TEST(what_is_no_world_is_refused)
{
	int fd = mf_memfd_new("small", PAGE);

	ck_assert_int_eq(mf_world_adopt(fd), -EPROTO);
	close(fd);
	ck_assert_int_eq(mf_world_adopt(fd), -EBADF);
}

static int make_world(void)
{
	int fd = mf_world_fd();

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

TEST(making_a_world_survives_failing_calls)
{
	/* memfd, moving it up, size, seal, mapping */
	ck_assert_uint_ge(FAULTS(ENOMEM, make_world), 5);
}

static void describe(struct mf_store *store, struct letter *ret)
{
	ret->store_fd = store->fd;
	mf_store_describe(store, &ret->store);
}

static struct mf_store *attach(const struct letter *letter)
{
	struct mf_store *store;
	int fd = get_fd(letter->world_fd);

	if (mf_world_adopt(fd) < 0)
		return NULL;
	close(fd);
	fd = get_fd(letter->store_fd);
	if (mf_store_attach(fd, &letter->store, &store) < 0)
		return NULL;
	return store;
}

static int fill_unit_one(const struct letter *letter)
{
	struct mf_store *store = attach(letter);
	struct mf_slot *me = mf_slot_self();
	uint32_t word;

	if (!store || mf_page_word(store, 0) != MF_PAGE_MISSING)
		return 1;
	if (mf_page_claim(store, 1, me, &word) != MF_CLAIM_MINE)
		return 2;
	if (mf_store_write(store, "hello", 5, PAGE) < 0)
		return 3;
	mf_page_publish(store, 1, me);
	return 0;
}

TEST(what_one_program_fills_the_other_has)
{
	struct program other = start(fill_unit_one);
	struct letter letter = { .world_fd = mf_world_fd() };
	struct mf_store *store;
	char text[6] = "";

	ck_assert_int_eq(mf_store_new(NULL, 0, 3 * PAGE, PAGE, &store), 0);
	describe(store, &letter);
	ck_assert_int_eq(finish(&other, &letter), 0);
	ck_assert_uint_eq(mf_page_state(mf_page_word(store, 1)),
			  MF_PAGE_FILLED);
	ck_assert_int_eq(pread(store->fd, text, 5, (off_t)PAGE), 5);
	ck_assert_str_eq(text, "hello");
	mf_store_free(store);
	close(letter.world_fd);
}

static int die_filling(const struct letter *letter)
{
	struct mf_store *store = attach(letter);
	uint32_t word;

	if (!store ||
	    mf_page_claim(store, 2, mf_slot_self(), &word) != MF_CLAIM_MINE)
		return 1;
	return 0;
}

TEST(a_claim_of_a_program_that_ended_is_taken_over)
{
	struct program other;
	struct letter letter;
	struct mf_store *store;
	uint32_t word;

	other = start(die_filling);
	letter = (struct letter){ .world_fd = mf_world_fd() };
	ck_assert_int_eq(mf_store_new(NULL, 0, 3 * PAGE, PAGE, &store), 0);
	describe(store, &letter);
	ck_assert_int_eq(finish(&other, &letter), 0);
	word = mf_page_word(store, 2);
	ck_assert_uint_eq(mf_page_state(word), MF_PAGE_FILLING);
	ck_assert(mf_page_take_over(store, 2, word));
	mf_store_free(store);
	close(letter.world_fd);
}

TEST(both_handles_say_the_same_of_the_grid)
{
	struct mf_store_description what;
	struct mf_store *store, *again;

	/* A grid that begins before the store does. */
	ck_assert_int_eq(
		mf_store_new(NULL, 5 * PAGE, 9 * PAGE + 7, 4 * PAGE, &store),
		0);
	mf_store_describe(store, &what);
	ck_assert_int_eq(mf_store_attach(dup(store->fd), &what, &again), 0);
	ck_assert_uint_eq(again->id, store->id);
	ck_assert_uint_eq(again->length, store->length);
	ck_assert_uint_eq(again->size, store->size);
	ck_assert_uint_eq(again->lead, store->lead);
	ck_assert_uint_eq(again->n_units, store->n_units);
	ck_assert_uint_eq(again->source_offset, store->source_offset);
	ck_assert_uint_eq(mf_store_unit_at(again, 3 * PAGE),
			  mf_store_unit_at(store, 3 * PAGE));
	mf_store_free(again);
	mf_store_free(store);
}

/* attach() refuses what, and leaves the descriptor alone. */
static void refuses(const struct mf_store *store,
		    const struct mf_store_description *what)
{
	struct mf_store *again = NULL;

	ck_assert_int_eq(mf_store_attach(store->fd, what, &again), -EPROTO);
	ck_assert_ptr_null(again);
}

TEST(a_description_of_something_else_is_refused)
{
	struct mf_store_description right, what;
	struct mf_store *store;

	ck_assert_int_eq(mf_store_new(NULL, 0, 9 * PAGE, PAGE, &store), 0);
	mf_store_describe(store, &right);
	what = right;
	what.length += PAGE;
	refuses(store, &what);
	what = right;
	what.length = 0;
	refuses(store, &what);
	what = right;
	what.unit = 0;
	refuses(store, &what);
	what = right;
	what.unit = 100;
	refuses(store, &what);
	what = right;
	what.id = 0;
	refuses(store, &what);
	mf_store_free(store);
}

static struct mf_store_description attach_what;
static int attach_from;

static int attach_once(void)
{
	int fd = dup(attach_from);
	struct mf_store *store;
	int r = mf_store_attach(fd, &attach_what, &store);

	if (r < 0)
		close(fd);
	else
		mf_store_free(store);
	return r;
}

TEST(attaching_survives_failing_calls)
{
	struct mf_store *store;

	ck_assert_int_eq(mf_store_new(NULL, 0, 9 * PAGE, PAGE, &store), 0);
	mf_store_describe(store, &attach_what);
	attach_from = store->fd;
	ck_assert_uint_ge(FAULTS(ENOMEM, attach_once), 3);
	mf_store_free(store);
}

/* A source of two pages, of which the second cannot be read. */
static int first_page_only(void *ctx, void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	memset(buf, 1, len);
	return offset ? -ENXIO : 0;
}

static int two_pages(void *ctx, uint64_t *ret_size)
{
	(void)ctx;
	*ret_size = 2 * PAGE;
	return 0;
}

static struct mfill_source *new_source(void)
{
	struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.read = first_page_only,
		.get_size = two_pages,
	};
	struct mfill_source *source;

	ck_assert_int_eq(mfill_source_new(&ops, NULL, &source), 0);
	return source;
}

TEST(a_store_gets_its_source_once)
{
	struct mfill_source *first = new_source(), *second = new_source();
	struct mf_store *store;

	ck_assert_int_eq(mf_store_new(NULL, 0, PAGE, PAGE, &store), 0);
	ck_assert(mf_store_set_source(store, first));
	ck_assert(!mf_store_set_source(store, second));
	ck_assert_ptr_eq(store->source, first);
	ck_assert_uint_eq(first->refs, 2);
	ck_assert_uint_eq(second->refs, 1);
	mfill_source_put(first);
	mfill_source_put(second);
	mf_store_free(store);
}

static struct {
	int calls, error;
	uint64_t offset;
} told;

static void note(const struct mf_store *store, uint64_t offset, int error)
{
	(void)store;
	told.calls++;
	told.offset = offset;
	told.error = error;
}

TEST(who_wants_to_know_is_told_what_failed_and_where)
{
	struct mfill_source *source = new_source();
	struct mf_store *store;
	struct mf_mm *mm = mf_mm_self();
	struct mf_slot *me = mf_slot_self();

	ck_assert_int_eq(mf_store_new(source, 0, 2 * PAGE, PAGE, &store), 0);
	store->failed = note;
	ck_assert_int_eq(mf_fault_store(mm, me, store, 0), 0);
	ck_assert_int_eq(told.calls, 0);
	ck_assert_int_eq(mf_fault_store(mm, me, store, 1), -ENXIO);
	ck_assert_int_eq(told.calls, 1);
	ck_assert_int_eq(told.error, -ENXIO);
	ck_assert_uint_eq(told.offset, PAGE);
	mfill_source_put(source);
	mf_store_free(store);
}

TEST(only_what_was_missing_counts_as_a_fault)
{
	struct mfill_source *source = new_source();
	struct mf_store *store;

	ck_assert_int_eq(mf_store_new(source, 0, 2 * PAGE, PAGE, &store), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(
			mf_fault_store(mf_mm_self(), mf_slot_self(), store, 0),
			0);
	ck_assert_uint_eq(store->header->faults, 1);
	ck_assert_uint_eq(store->header->fills, 1);
	mfill_source_put(source);
	mf_store_free(store);
}

TEST(behind_its_limit_a_store_is_zeros_whatever_the_source_says)
{
	struct mfill_source *source = new_source();
	struct mf_store *store;
	char buf[1];

	ck_assert_int_eq(mf_store_new(source, 0, 4 * PAGE, PAGE, &store), 0);
	mf_store_limit(store, PAGE / 2);
	mf_store_limit(store, 3 * PAGE); /* only lowers */
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_int_eq(
			mf_fault_store(mf_mm_self(), mf_slot_self(), store, i),
			0);
	/* The source has ones, and cannot be asked for the second page. */
	ck_assert_int_eq(pread(store->fd, buf, 1, (off_t)PAGE / 2 - 1), 1);
	ck_assert_int_eq(buf[0], 1);
	ck_assert_int_eq(pread(store->fd, buf, 1, (off_t)PAGE / 2), 1);
	ck_assert_int_eq(buf[0], 0);
	ck_assert_uint_eq(store->header->fills, 1);
	ck_assert_uint_eq(store->header->filled_bytes, PAGE / 2);
	mfill_source_put(source);
	mf_store_free(store);
}

TEST(how_much_is_filled_without_a_gap_is_known)
{
	struct mfill_source *source = new_source();
	struct mf_store *store;

	ck_assert_int_eq(mf_store_new(source, 0, 2 * PAGE, PAGE, &store), 0);
	ck_assert_uint_eq(mf_store_filled(store, 0, 2 * PAGE), 0);
	ck_assert_int_eq(mf_fault_store(mf_mm_self(), mf_slot_self(), store, 0),
			 0);
	ck_assert_uint_eq(mf_store_filled(store, 0, 2 * PAGE), PAGE);
	ck_assert_uint_eq(mf_store_filled(store, 10, 2 * PAGE - 10), PAGE - 10);
	ck_assert_uint_eq(mf_store_filled(store, 10, 20), 20);
	ck_assert_uint_eq(mf_store_filled(store, PAGE, PAGE), 0);
	ck_assert_uint_eq(mf_store_filled(store, 0, 0), 0);
	mfill_source_put(source);
	mf_store_free(store);
}
