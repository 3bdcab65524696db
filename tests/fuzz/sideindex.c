/* SPDX-License-Identifier: MIT */
/*
 * sideindex.c - any bytes as a side index, with and without a right checksum.
 */
#include "sources/zstd/sideindex.h"

#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "sources/zstd/hash.h"

static int parse(const uint8_t *data, size_t size)
{
	char text[200] = "";
	struct mf_why why = { text, sizeof(text) };
	struct mf_identity identity;
	struct mf_frames f;
	int r = mf_sideindex_parse(data, size, &identity, &f, &why);

	MUST(r == 0 || r == -EBADMSG || r == -EFBIG);
	MUST((r != 0) == (*text != '\0'));
	if (r < 0)
		return r;
	MUST(f.sealed && f.checksum);
	MUST(f.frame[f.n].at == identity.size);
	MUST(mf_sideindex_size(f.n) == size);
	mf_frames_free(&f);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	(void)parse(data, size);
	if (size < mf_sideindex_size(0))
		return 0;
	/* Again with what no fuzzer would guess. */
	copy = malloc(size);
	MUST(copy);
	memcpy(copy, data, size);
	memcpy(copy, MF_SIDEINDEX_MAGIC, 8);
	mf_put_le64(copy + size - 8, mf_hash64(copy, size - 8));
	(void)parse(copy, size);
	free(copy);
	return 0;
}
