/* SPDX-License-Identifier: MIT */
/*
 * test-file.c - files are read as they are, or refused with a sentence.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "mm/source.h"
#include "unit/sources/scratch.h"

TEST(a_file_gives_its_bytes_at_any_offset)
{
	struct scratch s = scratch_of("0123456789", 10);
	struct mfill_source *src = must_open("file", s.path);
	char got[4] = "";
	uint64_t size;

	ck_assert_int_eq(mfill_source_size(src, &size), 0);
	ck_assert_uint_eq(size, 10);
	ck_assert_int_eq(mf_source_read(src, got, 3, 6), 0);
	ck_assert_str_eq(got, "678");
	mfill_source_put(src);
	close(s.fd);
}

TEST(a_file_may_be_read_in_a_signal_handler)
{
	struct scratch s = scratch_of("x", 1);
	struct mfill_source *src = must_open("file", s.path);

	ck_assert(mf_source_is_inline(src));
	mfill_source_put(src);
	close(s.fd);
}

TEST(reading_past_the_end_of_a_file_is_an_error)
{
	struct scratch s = scratch_of("0123456789", 10);
	struct mfill_source *src = must_open("file", s.path);
	char got[4];

	ck_assert_int_eq(mf_source_read(src, got, 2, 9), -EIO);
	ck_assert_int_eq(mf_source_read(src, got, 1, UINT64_MAX), -EIO);
	mfill_source_put(src);
	close(s.fd);
}

TEST(a_file_that_became_shorter_is_an_error_and_not_zeros)
{
	struct scratch s = scratch_of("0123456789", 10);
	struct mfill_source *src = must_open("file", s.path);
	char got[8];

	ck_assert_int_eq(ftruncate(s.fd, 5), 0);
	ck_assert_int_eq(mf_source_read(src, got, 8, 2), -EIO);
	ck_assert_int_eq(mf_source_read(src, got, 1, 7), -EIO);
	ck_assert_int_eq(mf_source_read(src, got, 3, 2), 0);
	mfill_source_put(src);
	close(s.fd);
}

TEST(an_empty_file_is_a_source_of_no_bytes)
{
	struct scratch s = scratch_of("", 0);
	struct mfill_source *src = must_open("file", s.path);
	uint64_t size = 1;

	ck_assert_int_eq(mfill_source_size(src, &size), 0);
	ck_assert_uint_eq(size, 0);
	mfill_source_put(src);
	close(s.fd);
}

TEST(a_file_that_lies_about_being_empty_is_refused)
{
	must_refuse("file", "/proc/self/status", -EINVAL, "has data");
}

TEST(what_is_no_file_is_refused_by_its_kind)
{
	must_refuse("file", "/usr", -EISDIR, "is a directory");
	must_refuse("file", "/dev/null", -EINVAL, "is a character device");
	must_refuse("file", "", -EINVAL, "missing");
	must_refuse("file", "/nowhere/at/all", -ENOENT,
		    "No such file or directory");
}

TEST(a_pipe_is_refused_and_not_waited_for)
{
	char path[] = "/tmp/mfill-test-XXXXXX";
	char fifo[64];

	ck_assert_ptr_nonnull(mkdtemp(path));
	snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	must_refuse("file", fifo, -EINVAL, "is a pipe");
	unlink(fifo);
	rmdir(path);
}

TEST(a_file_that_may_not_be_read_is_refused)
{
	char path[] = "/tmp/mfill-test-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0), 0);
	/* root may read anything, nobody may not */
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	must_refuse("file", path, -EACCES, "Permission denied");
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	unlink(path);
	close(fd);
}

static const char *some_disk(void)
{
	static const char *const disks[] = { "/dev/vda", "/dev/sda", "/dev/sr0",
					     "/dev/nvme0n1", "/dev/loop0" };

	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		int fd = open(disks[i], O_RDONLY | O_CLOEXEC);
		off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;

		if (fd >= 0)
			close(fd);
		if (size > 0)
			return disks[i];
	}
	return NULL;
}

TEST(a_block_device_has_the_size_of_the_device)
{
	const char *disk = some_disk();
	struct mfill_source *src;
	uint64_t size;
	int fd;

	if (!disk)
		SKIP("a block device that may be read");
	src = must_open("file", disk);
	ck_assert_int_eq(mfill_source_size(src, &size), 0);
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)size);
	close(fd);
	mfill_source_put(src);
}

/* Shells and daemons think the low descriptors are theirs. */
TEST(the_descriptor_is_out_of_the_way)
{
	struct scratch s = scratch_of("x", 1);
	int lowest = dup(s.fd);
	struct mfill_source *src;

	close(lowest);
	src = must_open("file", s.path);
	ck_assert_int_eq(dup(s.fd), lowest);
	close(lowest);
	mfill_source_put(src);
	close(s.fd);
}

static struct scratch faulty;

static int open_and_put(void)
{
	char uri[64];
	struct mfill_source *src;
	int r;

	snprintf(uri, sizeof(uri), "file:%s", faulty.path);
	r = mfill_source_open(uri, &src);
	if (r == 0)
		mfill_source_put(src);
	return r;
}

TEST(opening_a_file_survives_any_failure)
{
	faulty = scratch_of("x", 1);
	ck_assert_uint_gt(FAULTS(ENOMEM, open_and_put), 4);
	FAULTS(EMFILE, open_and_put);
	ck_assert_int_eq(ftruncate(faulty.fd, 0), 0);
	FAULTS(EIO, open_and_put);
	close(faulty.fd);
}
