/* SPDX-License-Identifier: MIT */
/*
 * seektable.c - any bytes as the end of a file with a seek table.
 */
#include "sources/zstd/seektable.h"

#include <errno.h>

#include "fuzz/memfile.h"

/* What parts of the program rely on. */
static void check(const struct mf_frames *f, uint64_t file_size)
{
	uint64_t size = mf_frames_size(f);

	MUST(f->frame[0].start == 0 && f->frame[0].at == 0);
	MUST(f->frame[f->n].at <= file_size);
	MUST(f->max_out <= MF_FRAME_MAX);
	for (size_t i = 0; i < f->n; i++) {
		MUST(f->frame[i].at <= f->frame[i + 1].at);
		MUST(f->frame[i].start <= f->frame[i + 1].start);
		MUST(mf_frame_out(f, i) <= f->max_out);
		MUST(!mf_frame_out(f, i) || mf_frame_in(f, i) <= f->max_in);
	}
	for (uint64_t at = 0; at < size; at += size / 16 + 1) {
		size_t i = mf_frames_find(f, at);

		MUST(f->frame[i].start <= at && at < f->frame[i + 1].start);
	}
	MUST(mf_frames_preferred(f, 4096) % 4096 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[200] = "";
	struct mf_why why = { text, sizeof(text) };
	struct mf_backing file = { .fd = memfile_of(data, size), .size = size };
	struct mf_frames f;
	int r = mf_seektable_read(&file, &f, &why);

	MUST(r == 0 || r == -ENODATA || r == -EBADMSG || r == -EFBIG);
	/* A refusal has a sentence; that there is no table is no refusal. */
	MUST((r == -EBADMSG || r == -EFBIG) == (*text != '\0'));
	if (r < 0)
		return 0;
	check(&f, size);
	mf_frames_free(&f);
	return 0;
}
