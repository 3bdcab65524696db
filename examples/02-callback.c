/* SPDX-License-Identifier: MIT */
/*
 * 02-callback.c - a table of a terabyte that nobody has to store.
 *
 * A source is a read() and a get_size(). This one computes: entry n of the
 * table is n * n. Only the pages that are touched are ever computed.
 */
#include <mfill.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES (UINT64_C(1) << 37) /* of eight bytes each: 1 TiB */

/* Maps start and end at pages, so both ends are whole entries. */
static int read_squares(void *ctx, void *buf, size_t len, uint64_t offset)
{
	uint64_t *entry = buf;
	uint64_t n = offset / sizeof(*entry);
	size_t i;

	(void)ctx;
	for (i = 0; i < len / sizeof(*entry); i++, n++)
		entry[i] = n * n;
	return 0;
}

static int size_of_squares(void *ctx, uint64_t *ret_size)
{
	(void)ctx;
	*ret_size = ENTRIES * sizeof(uint64_t);
	return 0;
}

int main(void)
{
	static const struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		/* It calls nothing, so it may run inside a signal handler. */
		.flags = MFILL_SOURCE_INLINE,
		.read = read_squares,
		.get_size = size_of_squares,
	};
	static const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.readahead = MFILL_READAHEAD_OFF,
	};
	struct mfill_source *source;
	struct mfill_stats stats;
	const uint64_t *square;
	void *addr;
	int r;

	r = mfill_source_new(&ops, NULL, &source);
	if (r == 0) {
		r = mfill_map(source, 0, ENTRIES * sizeof(*square), &options,
			      &addr);
		mfill_source_put(source);
	}
	if (r < 0) {
		fprintf(stderr, "no table: %s\n", strerror(-r));
		return 1;
	}
	square = addr;
	printf("12 * 12 = %" PRIu64 "\n", square[12]);
	printf("13 * 13 = %" PRIu64 "\n", square[13]);
	printf("3000000000 * 3000000000 = %" PRIu64 "\n", square[3000000000]);

	mfill_stats(addr, &stats, sizeof(stats));
	printf("pages computed: %" PRIu64 " of %" PRIu64 "\n", stats.fills,
	       stats.units);
	mfill_unmap(addr);
	return 0;
}
