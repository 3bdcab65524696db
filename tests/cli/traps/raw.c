/* SPDX-License-Identifier: MIT */
/*
 * raw.c - raw FILE: write FILE to stdout from a mapping, by a bare system
 * call instruction: write(), or writev() with a second argument.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/syscall.h"

int main(int argc, char **argv)
{
	int fd = argc >= 2 ? open(argv[1], O_RDONLY) : -1;
	struct iovec iov;
	struct stat st;
	char *map;
	long n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return perror("open"), 1;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return perror("mmap"), 1;
	for (long at = 0; at < st.st_size; at += n) {
		n = st.st_size - at < 100000 ? st.st_size - at : 100000;
		iov = (struct iovec){ map + at, (size_t)n };
		if (argc > 2)
			n = mf_syscall(SYS_writev, 1, (long)&iov, 1, 0, 0, 0);
		else
			n = mf_syscall(SYS_write, 1, (long)iov.iov_base, n, 0,
				       0, 0);
		if (n < 0)
			return fprintf(stderr, "write: %ld\n", n), 1;
	}
	return 0;
}
