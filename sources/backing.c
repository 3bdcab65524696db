/* SPDX-License-Identifier: MIT */
/*
 * backing.c - open the file that a source reads from.
 *
 * Context: not in a signal handler.
 */
#include "sources/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"

/*
 * Programs count on the low numbers being theirs: shells put files on 3 to
 * 19, daemons close a few dozen. Ours stay out of the way where the limit on
 * descriptors leaves room.
 */
#define LOWEST_FD 512

static const char *kind_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISFIFO(mode))
		return "a pipe";
	if (S_ISSOCK(mode))
		return "a socket";
	return "a character device";
}

/*
 * Files of /proc and their like say they are empty and are not. Taken at
 * their word they would be read as nothing at all.
 */
static int check_empty(const char *path, int fd, struct mf_why *why)
{
	char byte;
	ssize_t n = mf_sys.pread(fd, &byte, 1, 0);

	if (n == 0)
		return 0;
	if (n < 0) {
		mf_why(why, "%s: cannot be read: %s", path,
		       strerrordesc_np((int)-n));
		return (int)n;
	}
	mf_why(why,
	       "%s: says it is 0 bytes long but has data, so its size "
	       "cannot be known; copy it to a file",
	       path);
	return -EINVAL;
}

static int get_size(const char *path, int fd, const struct stat *st,
		    uint64_t *ret, struct mf_why *why)
{
	uint64_t size = (uint64_t)st->st_size;
	int r = 0;

	if (S_ISBLK(st->st_mode)) {
		r = mf_sys.ioctl(fd, BLKGETSIZE64, &size);
		if (r < 0)
			mf_why(why, "%s: its size cannot be read: %s", path,
			       strerrordesc_np(-r));
	} else if (!S_ISREG(st->st_mode)) {
		mf_why(why,
		       "%s: is %s; only a regular file or a block device "
		       "can be read at any offset",
		       path, kind_of(st->st_mode));
		r = S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
	} else if (size == 0) {
		r = check_empty(path, fd, why);
	}
	if (r == 0)
		*ret = size;
	return r;
}

static int fill_in(const char *path, int fd, struct mf_backing *ret,
		   struct mf_why *why)
{
	struct stat st;
	uint64_t size = 0;
	int r = mf_sys.fstat(fd, &st);

	if (r < 0) {
		mf_why(why, "%s: %s", path, strerrordesc_np(-r));
		return r;
	}
	r = get_size(path, fd, &st, &size, why);
	if (r < 0)
		return r;
	*ret = (struct mf_backing){
		.fd = fd,
		.size = size,
		.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 +
			    st.st_mtim.tv_nsec,
	};
	return 0;
}

/* O_NONBLOCK: opening a pipe must fail by its kind, not wait for a writer. */
static int open_high(const char *path)
{
	int fd = mf_sys.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			     0);
	int high;

	if (fd < 0)
		return fd;
	high = mf_sys.dup_above(fd, LOWEST_FD);
	if (high < 0)
		return fd;
	(void)mf_sys.close(fd);
	return high;
}

int mf_backing_open(const char *path, struct mf_backing *ret,
		    struct mf_why *why)
{
	int fd;
	int r;

	if (!*path) {
		mf_why(why, "the path of the file is missing");
		return -EINVAL;
	}
	fd = open_high(path);
	if (fd < 0) {
		mf_why(why, "%s: cannot be opened: %s", path,
		       strerrordesc_np(-fd));
		return fd;
	}
	r = fill_in(path, fd, ret, why);
	if (r < 0)
		(void)mf_sys.close(fd);
	return r;
}
