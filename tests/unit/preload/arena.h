/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory in the arena that is not filled yet, and bare calls.
 *
 * Context: a TEST() body.
 */
#ifndef MF_TEST_ARENA_H
#define MF_TEST_ARENA_H

#include <string.h>

#include "harness/harness.h"
#include "mfill.h"
#include "preload/catch.h"

#define PAGE  ((size_t)4096)
#define PAGES ((size_t)16)

/* A system call by its own instruction, as Go makes them. */
#define RAW(name, ...) RAW_ARGS(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define RAW_ARGS(nr, a, b, c, d, e, f, ...)                          \
	mf_syscall((nr), (long)(a), (long)(b), (long)(c), (long)(d), \
		   (long)(e), (long)(f))

/* Handlers, arena and filter, as in a program under mfill run. */
static inline void start(enum pl_filter filter)
{
	pl_catch_start(filter);
	if (pl_filter_install(filter) < 0)
		SKIP("seccomp filters");
}

static inline int arena_size(void *ctx, uint64_t *ret_size)
{
	(void)ctx;
	*ret_size = PAGES * PAGE;
	return 0;
}

/* Every byte is that of ctx, but a page whose first byte is there fails. */
static inline int arena_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	const char *wish = ctx;

	if (wish[1] && offset + len > (uint64_t)wish[1] * PAGE)
		return -EIO;
	memset(buf, wish[0], len);
	return 0;
}

/* PAGES pages of a byte, writable, filled one by one. From page bad on: EIO */
static inline char *arena_map(char byte, char bad)
{
	static char wishes[64][2];
	static int n;
	const struct mfill_source_ops ops = {
		.struct_size = sizeof(ops),
		.flags = MFILL_SOURCE_INLINE,
		.read = arena_read,
		.get_size = arena_size,
	};
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.flags = MFILL_MAP_WRITE,
		.fill_size = PAGE,
		.readahead = MFILL_READAHEAD_OFF,
	};
	char *wish = wishes[n++ % 64];
	struct mfill_source *source;
	void *map;

	wish[0] = byte;
	wish[1] = bad;
	ck_assert_int_eq(mfill_source_new(&ops, wish, &source), 0);
	ck_assert_int_eq(mfill_map(source, 0, PAGES * PAGE, &options, &map), 0);
	mfill_source_put(source);
	return map;
}

static inline void arena_unmap(char *map)
{
	ck_assert_int_eq(mfill_unmap(map), 0);
}

#endif
