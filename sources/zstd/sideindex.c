/* SPDX-License-Identifier: MIT */
/*
 * sideindex.c - a table of frames kept beside a zstd file that has none.
 *
 * Context: not in a signal handler.
 */
#include "sources/zstd/sideindex.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "sources/quote.h"
#include "sources/zstd/hash.h"
#include "sources/zstd/scan.h"

#define VERSION 1U
#define SAMPLE	(64U << 10)

static int hash_range(int fd, uint64_t offset, size_t len, uint64_t *ret)
{
	uint8_t *buf = mf_sys.calloc(1, SAMPLE);
	int r;

	if (!buf)
		return -ENOMEM;
	r = mf_pread_full(fd, buf, len, offset);
	if (r == 0)
		*ret = mf_hash64(buf, len);
	free(buf);
	return r;
}

int mf_identity_read(const struct mf_backing *file, struct mf_identity *ret)
{
	size_t len = file->size < SAMPLE ? (size_t)file->size : SAMPLE;
	struct mf_identity id = { file->size, file->mtime_ns, 0, 0 };
	int r = hash_range(file->fd, 0, len, &id.head);

	if (r == 0)
		r = hash_range(file->fd, file->size - len, len, &id.tail);
	if (r == 0)
		*ret = id;
	return r;
}

void mf_sideindex_seal(uint8_t *bytes, uint32_t n,
		       const struct mf_identity *identity)
{
	size_t len = (size_t)mf_sideindex_size(n) - MF_SIDEINDEX_FOOTER;

	memcpy(bytes, MF_SIDEINDEX_MAGIC, 8);
	mf_put_le32(bytes + 8, VERSION);
	mf_put_le32(bytes + 12, n);
	mf_put_le64(bytes + 16, identity->size);
	mf_put_le64(bytes + 24, (uint64_t)identity->mtime_ns);
	mf_put_le64(bytes + 32, identity->head);
	mf_put_le64(bytes + 40, identity->tail);
	mf_put_le64(bytes + len, mf_hash64(bytes, len));
}

static int check_form(const uint8_t *bytes, size_t len, struct mf_why *why)
{
	if (len < mf_sideindex_size(0) ||
	    memcmp(bytes, MF_SIDEINDEX_MAGIC, 8) != 0) {
		mf_why(why, "is no index of mfill's");
		return -EBADMSG;
	}
	if (mf_le32(bytes + 8) != VERSION) {
		mf_why(why,
		       "is an index of version %u, and this mfill knows "
		       "version %u",
		       mf_le32(bytes + 8), VERSION);
		return -EBADMSG;
	}
	if (mf_sideindex_size(mf_le32(bytes + 12)) != len ||
	    mf_le32(bytes + 12) > MF_FRAMES_MAX ||
	    mf_le64(bytes + len - 8) != mf_hash64(bytes, len - 8)) {
		mf_why(why, "is corrupt or cut off");
		return -EBADMSG;
	}
	return 0;
}

int mf_sideindex_parse(const uint8_t *bytes, size_t len,
		       struct mf_identity *ret_identity,
		       struct mf_frames *ret_frames, struct mf_why *why)
{
	struct mf_identity id;
	int r = check_form(bytes, len, why);

	if (r < 0)
		return r;
	id.size = mf_le64(bytes + 16);
	id.mtime_ns = (int64_t)mf_le64(bytes + 24);
	id.head = mf_le64(bytes + 32);
	id.tail = mf_le64(bytes + 40);
	r = mf_frames_parse(bytes + MF_SIDEINDEX_HEADER, mf_le32(bytes + 12),
			    true, id.size, ret_frames, why);
	if (r < 0)
		return r;
	ret_frames->sealed = true;
	*ret_identity = id;
	return 0;
}

/*
 * The index and the file may have been copied together, which keeps their
 * bytes but not their times. So another time alone makes us look harder: is
 * there a frame wherever the index says so? What is inside the frames is
 * checked against the index when they are read.
 */
static int check_starts(const struct mf_backing *file,
			const struct mf_frames *frames)
{
	for (size_t i = 0; i < frames->n; i++) {
		uint8_t magic[4];
		int r = mf_pread_full(file->fd, magic, sizeof(magic),
				      frames->frame[i].at);

		if (r < 0)
			return r;
		if (!mf_zscan_is_start(mf_le32(magic)))
			return -ESTALE;
	}
	return 0;
}

static int check_identity(const struct mf_backing *file,
			  const struct mf_identity *was,
			  const struct mf_frames *frames)
{
	struct mf_identity is;
	int r = mf_identity_read(file, &is);

	if (r < 0)
		return r;
	if (is.size != was->size || is.head != was->head ||
	    is.tail != was->tail)
		return -ESTALE;
	return is.mtime_ns == was->mtime_ns ? 0 : check_starts(file, frames);
}

static int read_index(const struct mf_backing *index,
		      struct mf_identity *ret_identity,
		      struct mf_frames *ret_frames, struct mf_why *why)
{
	uint8_t *bytes;
	int r;

	if (index->size > mf_sideindex_size(MF_FRAMES_MAX)) {
		mf_why(why, "is no index of mfill's");
		return -EBADMSG;
	}
	bytes = mf_sys.calloc(1, (size_t)index->size + 1);
	if (!bytes)
		return -ENOMEM;
	r = mf_pread_full(index->fd, bytes, (size_t)index->size, 0);
	if (r == 0)
		r = mf_sideindex_parse(bytes, (size_t)index->size, ret_identity,
				       ret_frames, why);
	free(bytes);
	return r;
}

static int load(const struct mf_backing *index, const struct mf_backing *file,
		struct mf_frames *ret, struct mf_why *why)
{
	struct mf_identity was;
	struct mf_frames frames;
	int r = read_index(index, &was, &frames, why);

	if (r < 0)
		return r;
	r = check_identity(file, &was, &frames);
	if (r < 0) {
		mf_frames_free(&frames);
		return r;
	}
	*ret = frames;
	return 0;
}

static void explain(int error, const char *path, const char *index_path,
		    const char *sentence, struct mf_why *why)
{
	struct mf_quoted quoted;
	const char *name = mf_quote(path, &quoted);

	if (error == -ESTALE)
		mf_why(why,
		       "%s: was made before %s changed; make it anew: "
		       "mfill index --force %s",
		       index_path, path, name);
	else if (*sentence)
		mf_why(why, "%s: %s; make it anew: mfill index --force %s",
		       index_path, sentence, name);
	else
		mf_why(why, "%s: %s", index_path, strerrordesc_np(-error));
}

int mf_sideindex_load(const char *path, const struct mf_backing *file,
		      struct mf_frames *ret, struct mf_why *why)
{
	char name[PATH_MAX + sizeof(MF_SIDEINDEX_SUFFIX)];
	char text[128] = "";
	struct mf_why inner = { text, sizeof(text) };
	struct mf_backing index;
	int n = snprintf(name, sizeof(name), "%s" MF_SIDEINDEX_SUFFIX, path);
	int r;

	if (n < 0 || (size_t)n >= sizeof(name))
		return -ENOENT;
	r = mf_backing_open(name, &index, why);
	if (r < 0)
		return r;
	r = load(&index, file, ret, &inner);
	(void)mf_sys.close(index.fd);
	if (r < 0)
		explain(r, path, name, text, why);
	return r;
}
