/* SPDX-License-Identifier: MIT */
/*
 * frames.c - which frames a zstd file consists of, and where they are.
 *
 * Context: find: any. The rest: not in a signal handler.
 */
#include "sources/zstd/frames.h"

#include <errno.h>
#include <stdlib.h>

#include "base/sys.h"

#define MAX_PREFERRED (1U << 20)

static int alloc_frames(struct mf_frames *f, size_t n, bool checksums)
{
	*f = (struct mf_frames){ .n = n };
	f->frame = mf_sys.calloc(n + 1, sizeof(*f->frame));
	if (!f->frame)
		return -ENOMEM;
	if (checksums)
		/* One more: calloc(0) may be NULL without being a failure. */
		f->checksum = mf_sys.calloc(n + 1, sizeof(*f->checksum));
	if (checksums && !f->checksum) {
		mf_frames_free(f);
		return -ENOMEM;
	}
	return 0;
}

void mf_frames_free(struct mf_frames *frames)
{
	free(frames->frame);
	free(frames->checksum);
	*frames = (struct mf_frames){ 0 };
}

/* in and out are 32 bits and n is below 2^27: the sums cannot wrap. */
static int add_frame(struct mf_frames *f, size_t i, uint32_t in, uint32_t out,
		     struct mf_why *why)
{
	f->frame[i + 1].at = f->frame[i].at + in;
	f->frame[i + 1].start = f->frame[i].start + out;
	/* A skippable frame, or an empty one: never read. */
	if (out == 0)
		return 0;
	if (out > MF_FRAME_MAX || in > MF_FRAME_MAX_IN) {
		mf_why(why,
		       "frame %zu is larger than 64 MiB (%u bytes made "
		       "of %u)",
		       i, out, in);
		return -EFBIG;
	}
	if (in == 0) {
		mf_why(why, "frame %zu would be %u bytes made of nothing", i,
		       out);
		return -EBADMSG;
	}
	if (in > f->max_in)
		f->max_in = in;
	if (out > f->max_out)
		f->max_out = out;
	return 0;
}

int mf_frames_parse(const uint8_t *entries, size_t n, bool checksums,
		    uint64_t data_size, struct mf_frames *ret,
		    struct mf_why *why)
{
	size_t entry_size = checksums ? 12 : 8;
	struct mf_frames f;
	int r = alloc_frames(&f, n, checksums);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const uint8_t *entry = entries + i * entry_size;

		r = add_frame(&f, i, mf_le32(entry), mf_le32(entry + 4), why);
		if (checksums)
			f.checksum[i] = mf_le32(entry + 8);
	}
	if (r == 0 && f.frame[n].at != data_size) {
		mf_why(why,
		       "the frames of its table take %llu bytes, but the file "
		       "has %llu for them",
		       (unsigned long long)f.frame[n].at,
		       (unsigned long long)data_size);
		r = -EBADMSG;
	}
	if (r < 0) {
		mf_frames_free(&f);
		return r;
	}
	*ret = f;
	return 0;
}

/*
 * The last frame that starts at or before offset. Of several that start
 * there all but the last are empty, so this one is not.
 */
size_t mf_frames_find(const struct mf_frames *frames, uint64_t offset)
{
	size_t low = 0;
	size_t high = frames->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (frames->frame[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The size of all frames that hold bytes but the last; 0: they differ. */
static size_t common_size(const struct mf_frames *frames)
{
	size_t common = 0;
	bool ended = false;

	for (size_t i = 0; i < frames->n; i++) {
		size_t out = mf_frame_out(frames, i);

		if (out == 0)
			continue;
		if (ended || (common && out > common))
			return 0;
		if (!common)
			common = out;
		ended = out < common;
	}
	return common;
}

static size_t average_size(const struct mf_frames *frames)
{
	size_t n = 0;

	for (size_t i = 0; i < frames->n; i++)
		n += mf_frame_out(frames, i) > 0;
	return n ? (size_t)(mf_frames_size(frames) / n) : 0;
}

size_t mf_frames_preferred(const struct mf_frames *frames, size_t page_size)
{
	size_t size = common_size(frames);

	if (size && size % page_size == 0)
		return size;
	size = average_size(frames);
	if (size > MAX_PREFERRED)
		size = MAX_PREFERRED;
	return (size + page_size - 1) / page_size * page_size;
}
