/* SPDX-License-Identifier: MIT */
/*
 * memfile.h - the input of a fuzz target as a file.
 */
#ifndef MF_TESTS_FUZZ_MEMFILE_H
#define MF_TESTS_FUZZ_MEMFILE_H

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

/* One file for all inputs: making one takes longer than most runs. */
static inline int memfile_of(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	MUST(fd >= 0);
	MUST(ftruncate(fd, 0) == 0);
	MUST(pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

#endif
