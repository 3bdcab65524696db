/* SPDX-License-Identifier: MIT */
/*
 * test-zstd.c - any part of a zstd file, right or refused, never made up.
 */
#include <errno.h>
#include <signal.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include "base/sys.h"
#include "mm/source.h"
#include "unit/sources/zfile.h"

#define LEN 50000
static char text[LEN];
static char got[LEN];

/* Write it where a path leads, and forget the bytes. */
static struct scratch put(struct zfile *z)
{
	struct scratch s = scratch_of(z->bytes, z->len);

	zfile_free(z);
	return s;
}

static struct mfill_source *open_text(size_t frame_size, bool checksums)
{
	struct zfile z;
	struct scratch s;
	struct mfill_source *src;

	zfile_text(text, LEN);
	z = zfile_of(text, LEN, frame_size, checksums);
	s = put(&z);
	src = must_open("zstd", s.path);
	close(s.fd);
	return src;
}

static void reads_right(struct mfill_source *src, uint64_t offset, size_t len)
{
	memset(got, 0, len);
	ck_assert_int_eq(mf_source_read(src, got, len, offset), 0);
	ck_assert_mem_eq(got, text + offset, len);
}

TEST(all_of_it_is_there)
{
	for (int checksums = 0; checksums <= 1; checksums++) {
		struct mfill_source *src = open_text(4096, checksums);
		uint64_t size;

		ck_assert_int_eq(mfill_source_size(src, &size), 0);
		ck_assert_uint_eq(size, LEN);
		ck_assert(mf_source_is_inline(src));
		reads_right(src, 0, LEN);
		mfill_source_put(src);
	}
}

TEST(any_part_of_it_is_there)
{
	struct mf_random random = { mf_test_seed() };

	for (size_t frame = 1000; frame < 10000; frame += 3333) {
		struct mfill_source *src = open_text(frame, true);

		for (int i = 0; i < 300; i++) {
			uint64_t at = mf_random_below(&random, LEN);
			size_t len = mf_random_below(&random, LEN - at + 1);

			reads_right(src, at, len);
		}
		mfill_source_put(src);
	}
}

static int preads;
static ssize_t (*real_pread)(int fd, void *buf, size_t len, uint64_t offset);

static ssize_t counting_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	preads++;
	return real_pread(fd, buf, len, offset);
}

TEST(small_reads_in_a_row_unpack_a_frame_once)
{
	struct mfill_source *src = open_text(10000, true);

	real_pread = mf_sys.pread;
	mf_sys.pread = counting_pread;
	for (uint64_t at = 0; at + 100 <= LEN; at += 100)
		reads_right(src, at, 100);
	ck_assert_int_eq(preads, LEN / 10000);
	mfill_source_put(src);
}

TEST(a_range_reads_the_frames_it_needs_and_no_other)
{
	struct mfill_source *src = open_text(1000, true);

	real_pread = mf_sys.pread;
	mf_sys.pread = counting_pread;
	reads_right(src, 10000, 5000);
	ck_assert_int_eq(preads, 5);
	reads_right(src, 20500, 1);
	ck_assert_int_eq(preads, 6);
	mfill_source_put(src);
}

TEST(frames_need_not_tell_their_size)
{
	struct zfile z = { 0 };
	struct scratch s;
	struct mfill_source *src;

	zfile_text(text, LEN);
	zfile_frame(&z, text, 20000, false);
	zfile_frame(&z, text + 20000, LEN - 20000, false);
	zfile_table(&z, true);
	s = put(&z);
	src = must_open("zstd", s.path);
	reads_right(src, 0, LEN);
	reads_right(src, 19999, 2);
	mfill_source_put(src);
	close(s.fd);
}

TEST(empty_and_skippable_frames_may_stand_between)
{
	struct zfile z = { 0 };
	struct scratch s;
	struct mfill_source *src;

	zfile_text(text, LEN);
	zfile_skippable(&z, 0);
	zfile_frame(&z, text, 0, true);
	zfile_frame(&z, text, 1000, true);
	zfile_skippable(&z, 200000);
	zfile_frame(&z, text, 0, true);
	zfile_frame(&z, text + 1000, LEN - 1000, true);
	zfile_skippable(&z, 4);
	zfile_table(&z, true);
	s = put(&z);
	src = must_open("zstd", s.path);
	reads_right(src, 0, LEN);
	reads_right(src, 999, 2);
	reads_right(src, 1000, 1);
	reads_right(src, LEN - 1, 1);
	mfill_source_put(src);
	close(s.fd);
}

TEST(a_file_of_nothing_is_a_source_of_no_bytes)
{
	struct zfile z = { 0 };
	struct scratch s;
	struct mfill_source *src;
	uint64_t size = 1;

	zfile_table(&z, false);
	s = put(&z);
	src = must_open("zstd", s.path);
	ck_assert_int_eq(mfill_source_size(src, &size), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_int_eq(mf_source_read(src, got, 0, 0), 0);
	mfill_source_put(src);
	close(s.fd);
}

/* Where reading shows it: the size is as usual, the checksum cannot be. */
TEST(a_frame_that_is_not_what_the_table_says_is_an_error)
{
	struct zfile z = { 0 };
	struct scratch s;
	struct mfill_source *src;

	zfile_text(text, LEN);
	zfile_frame(&z, text, 1000, true);
	zfile_frame(&z, text + 1000, 999, true);
	zfile_frame(&z, text + 2000, 1000, true);
	zfile_frame(&z, text + 3000, 1000, true);
	zfile_frame(&z, text + 4000, 1000, true);
	z.entry[1].out = 1000;
	z.entry[3].checksum ^= 1;
	zfile_table(&z, true);
	s = put(&z);
	src = must_open("zstd", s.path);
	ck_assert_int_eq(mf_source_read(src, got, 1, 1000), -EIO);
	reads_right(src, 2000, 1000);
	ck_assert_int_eq(mf_source_read(src, got, 1000, 3000), -EIO);
	ck_assert_int_eq(mf_source_read(src, got, 1, 3500), -EIO);
	reads_right(src, 4000, 1000);
	mfill_source_put(src);
	close(s.fd);
}

static void lies(size_t frame, int by, bool said)
{
	struct zfile z = { 0 };
	struct scratch s;

	zfile_text(text, LEN);
	for (int i = 0; i < 5; i++)
		zfile_frame(&z, text + 1000 * i, 1000, said);
	z.entry[frame].out += (uint32_t)by;
	zfile_table(&z, true);
	s = put(&z);
	must_refuse("zstd", s.path, -EBADMSG, "does not give the");
	close(s.fd);
}

/* It would move all bytes behind. */
TEST(a_wrong_size_in_the_table_is_found_when_the_file_is_opened)
{
	for (int said = 0; said <= 1; said++) {
		lies(0, 1, said);
		lies(2, -1, said);
		lies(4, -1, said);
	}
}

/* What is kept for who reads on is not what failed in between. */
TEST(after_an_error_other_frames_are_still_right)
{
	struct zfile z = { 0 };
	struct scratch s;
	struct mfill_source *src;

	zfile_text(text, LEN);
	for (int i = 0; i < 3; i++)
		zfile_frame(&z, text + 1000 * i, 1000, true);
	z.entry[1].checksum ^= 1;
	zfile_table(&z, true);
	s = put(&z);
	src = must_open("zstd", s.path);
	reads_right(src, 10, 100);
	ck_assert_int_eq(mf_source_read(src, got, 100, 1010), -EIO);
	reads_right(src, 10, 100);
	ck_assert_int_eq(mf_source_read(src, got, 100, 1010), -EIO);
	mfill_source_put(src);
	close(s.fd);
}

TEST(a_file_that_became_shorter_is_an_error)
{
	struct zfile z;
	struct scratch s;
	struct mfill_source *src;

	zfile_text(text, LEN);
	z = zfile_of(text, LEN, 1000, false);
	s = put(&z);
	src = must_open("zstd", s.path);
	ck_assert_int_eq(ftruncate(s.fd, 1000), 0);
	ck_assert_int_eq(mf_source_read(src, got, 1000, LEN - 1000), -EIO);
	reads_right(src, 0, 1000);
	mfill_source_put(src);
	close(s.fd);
}

/* Where the wish of a source ends up as the size of a fill. */
static size_t wish(size_t frame_size)
{
	struct mfill_source *src = open_text(frame_size, true);
	size_t size = src->preferred_fill;

	mfill_source_put(src);
	return size;
}

TEST(whole_frames_are_wished_for_when_they_are_whole_pages)
{
	ck_assert_uint_eq(wish(4096), 4096);
	ck_assert_uint_eq(wish(16384), 16384);
	/* 5 frames of 10000 bytes: three pages each, about */
	ck_assert_uint_eq(wish(10000), 12288);
}

#define THREADS 40

/* More threads than there are contexts in the pool, all at once. */
static void *read_a_lot(void *arg)
{
	struct mfill_source *src = arg;
	struct mf_random random = { (uintptr_t)&random };
	char mine[3000];

	for (int i = 0; i < 200; i++) {
		uint64_t at = mf_random_below(&random, LEN - sizeof(mine));

		if (mf_source_read(src, mine, sizeof(mine), at) != 0 ||
		    memcmp(mine, text + at, sizeof(mine)) != 0)
			return "wrong";
	}
	return NULL;
}

TEST_WITHIN(many_threads_read_at_once, 60)
{
	struct mfill_source *src = open_text(2000, true);
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&thread[i], NULL, read_a_lot, src), 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		ck_assert_int_eq(pthread_join(thread[i], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
	mfill_source_put(src);
}

/* What a read may use of the stack of a signal handler. */
#define STACK (64U << 10)
static char stack[STACK] __attribute__((aligned(64)));
static struct mfill_source *on_stack;
static int on_stack_result;

static void read_on_stack(int sig)
{
	(void)sig;
	on_stack_result = mf_source_read(on_stack, got, LEN, 0);
}

TEST(a_read_fits_a_small_signal_stack)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = STACK };
	struct sigaction sa = { .sa_handler = read_on_stack,
				.sa_flags = SA_ONSTACK };
	size_t unused = 0;

	on_stack = open_text(20000, true);
	memset(stack, 0x5a, STACK);
	ck_assert_int_eq(sigaltstack(&alternate, NULL), 0);
	ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
	raise(SIGUSR1);
	ck_assert_int_eq(on_stack_result, 0);
	ck_assert_mem_eq(got, text, LEN);
	while (unused < STACK && stack[unused] == 0x5a)
		unused++;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* Half of it: the rest is for whoever called. */
	ck_assert_uint_ge(unused, STACK / 2);
#endif
	mfill_source_put(on_stack);
}

TEST(a_frame_too_large_is_refused_with_the_way_out)
{
	struct zfile z = { 0 };
	struct scratch s;

	zfile_frame(&z, "x", 1, true);
	z.entry[0].out = MF_FRAME_MAX + 1;
	zfile_table(&z, false);
	s = put(&z);
	must_refuse("zstd", s.path, -EFBIG, "zstd -dc /proc/self/fd/");
	close(s.fd);
}

TEST(a_file_of_one_frame_is_refused_with_the_way_out)
{
	struct zfile z = { 0 };
	struct scratch s;

	zfile_text(text, LEN);
	zfile_skippable(&z, 4);
	zfile_frame(&z, text, LEN, true);
	s = put(&z);
	must_refuse("zstd", s.path, -EBADMSG, "| mfill pack - /proc/self/fd/");
	close(s.fd);
}

TEST(a_file_of_many_frames_without_a_table_is_refused_with_the_way_out)
{
	struct zfile z = { 0 };
	struct scratch s;

	zfile_text(text, LEN);
	zfile_frame(&z, text, 100, true);
	zfile_frame(&z, text, 100, true);
	s = put(&z);
	must_refuse("zstd", s.path, -EBADMSG, "mfill index /proc/self/fd/");
	close(s.fd);
}

TEST(what_is_no_zstd_file_is_refused)
{
	struct scratch s = scratch_of("SQLite format 3", 16);

	must_refuse("zstd", s.path, -EBADMSG, "starts with the bytes 53 51");
	ck_assert_int_eq(ftruncate(s.fd, 0), 0);
	must_refuse("zstd", s.path, -EBADMSG, "is empty");
	ck_assert_int_eq(pwrite(s.fd, "(", 1, 0), 1);
	must_refuse("zstd", s.path, -EBADMSG, "no zstd file");
	must_refuse("zstd", "/usr", -EISDIR, "directory");
	must_refuse("zstd", "/nowhere", -ENOENT, "No such file");
	close(s.fd);
}

/* Right bytes or an error: whatever opens must read right where it can. */
static void right_or_error(const struct scratch *s, bool *ret_opened)
{
	char uri[64];
	struct mfill_source *src;
	uint64_t size;

	snprintf(uri, sizeof(uri), "zstd:%s", s->path);
	*ret_opened = mfill_source_open(uri, &src) == 0;
	if (!*ret_opened)
		return;
	ck_assert_int_eq(mfill_source_size(src, &size), 0);
	for (uint64_t at = 0; at < size && at < 1000; at += 100) {
		size_t n = size - at < 100 ? (size_t)(size - at) : 100;

		if (mf_source_read(src, got, n, at) == 0)
			ck_assert_mem_eq(got, text + at, n);
	}
	mfill_source_put(src);
}

TEST_WITHIN(cut_off_at_any_byte_it_is_an_error, 60)
{
	struct zfile z;
	size_t len;
	struct scratch s;
	bool opened;

	zfile_text(text, LEN);
	z = zfile_of(text, 1000, 100, true);
	len = z.len;
	s = put(&z);
	while (len-- > 0) {
		ck_assert_int_eq(ftruncate(s.fd, (off_t)len), 0);
		right_or_error(&s, &opened);
		ck_assert(!opened);
	}
	close(s.fd);
}

TEST_WITHIN(with_any_bit_wrong_it_is_right_or_an_error, 120)
{
	struct zfile z;
	size_t len;
	struct scratch s;
	bool opened;

	zfile_text(text, LEN);
	z = zfile_of(text, 1000, 100, true);
	len = z.len;
	s = put(&z);
	for (size_t bit = 0; bit < len * 8; bit++) {
		uint8_t byte, wrong;

		ck_assert_int_eq(pread(s.fd, &byte, 1, (off_t)bit / 8), 1);
		wrong = byte ^ (uint8_t)(1U << bit % 8);
		ck_assert_int_eq(pwrite(s.fd, &wrong, 1, (off_t)bit / 8), 1);
		right_or_error(&s, &opened);
		ck_assert_int_eq(pwrite(s.fd, &byte, 1, (off_t)bit / 8), 1);
	}
	right_or_error(&s, &opened);
	ck_assert(opened);
	close(s.fd);
}

static struct scratch faulty;

static int open_read_and_put(void)
{
	char uri[64];
	struct mfill_source *src;
	int r;

	snprintf(uri, sizeof(uri), "zstd:%s", faulty.path);
	r = mfill_source_open(uri, &src);
	if (r < 0)
		return r;
	r = mf_source_read(src, got, 5000, 500);
	if (r == 0)
		ck_assert_mem_eq(got, text + 500, 5000);
	mfill_source_put(src);
	return r;
}

TEST_WITHIN(opening_and_reading_survive_any_failure, 60)
{
	struct zfile z;

	zfile_text(text, LEN);
	z = zfile_of(text, LEN, 1000, true);
	faulty = put(&z);
	ck_assert_uint_gt(FAULTS(ENOMEM, open_read_and_put), 10);
	FAULTS(EMFILE, open_read_and_put);
	FAULTS(EIO, open_read_and_put);
	close(faulty.fd);
}
