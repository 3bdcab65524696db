/* SPDX-License-Identifier: MIT */
/*
 * zstd.c - any bytes as a zstd file: opened, and read in two ways.
 *
 * A read gives the same whether it is made of whole frames or of pieces, or
 * it is an error both times.
 */
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "fuzz/memfile.h"
#include "mm/source.h"

#define MAX (1U << 20)

static uint8_t whole[MAX], pieces[MAX];

static void read_all(struct mfill_source *src)
{
	size_t size = (size_t)src->size;
	int r = mf_source_read(src, whole, size, 0);
	int r_piece = 0;

	for (size_t at = 0; r_piece == 0 && at < size; at += 777) {
		size_t n = size - at < 777 ? size - at : 777;

		r_piece = mf_source_read(src, pieces + at, n, at);
	}
	MUST(r <= 0 && r == r_piece);
	MUST(r < 0 || !memcmp(whole, pieces, size));
}

/* A few bytes here and there, each of which may unpack 64 MiB. */
static void read_some(struct mfill_source *src)
{
	for (int i = 0; i < 4; i++) {
		uint64_t at = src->size / 4 * (unsigned)i;

		MUST(mf_source_read(src, whole, 100, at) <= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[64], why[300];
	struct mfill_source *src;
	int r;

	snprintf(name, sizeof(name), "zstd:/proc/self/fd/%d",
		 memfile_of(data, size));
	r = mfill_source_open_why(name, &src, why, sizeof(why));
	MUST(r <= 0);
	MUST((r < 0) == (*why != '\0'));
	if (r < 0)
		return 0;
	if (src->size <= MAX)
		read_all(src);
	else
		read_some(src);
	MUST(mf_source_read(src, whole, 1, src->size) == -EIO);
	mfill_source_put(src);
	return 0;
}
