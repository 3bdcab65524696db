/* SPDX-License-Identifier: MIT */
/*
 * huge.c - what does a map of a terabyte cost before and while it is touched?
 */
#include "bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE ((uint64_t)1 << 40)

static const struct mfill_map_options options = {
	.struct_size = sizeof(options),
	.delivery = MFILL_DELIVER_INLINE,
	.fill_size = BENCH_PAGE,
	.readahead = MFILL_READAHEAD_OFF,
};

/* KiB that the memfds of mfill's take. */
static uint64_t memfd_kib(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	uint64_t blocks = 0;
	char name[64];
	struct stat st;
	ssize_t n;

	while (dir && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, name,
			       sizeof(name) - 1);
		name[n < 0 ? 0 : n] = '\0';
		if (strncmp(name, "/memfd:mfill", 12) == 0 &&
		    fstat(atoi(entry->d_name), &st) == 0)
			blocks += (uint64_t)st.st_blocks;
	}
	if (dir)
		closedir(dir);
	return blocks / 2;
}

/* µs for a map, and for its end */
static double map_and_unmap(const void *timed_unmap)
{
	struct mfill_source *source = bench_source(SIZE);
	void *addr;
	uint64_t start;

	/* The first one also sets up the library. */
	bench_must(mfill_map(source, 0, BENCH_PAGE, NULL, &addr), "mfill_map");
	start = bench_now();
	bench_must(mfill_map(source, 0, SIZE, &options, &addr), "mfill_map");
	if (timed_unmap) {
		(void)*(volatile char *)addr;
		start = bench_now();
		bench_must(mfill_unmap(addr), "mfill_unmap");
	}
	return (double)(bench_now() - start) / 1000;
}

static void touch_and_tell(volatile char *view, uint32_t pages)
{
	static uint64_t state = 1;
	uint64_t tables = bench_status("VmPTE:"), store = memfd_kib();
	char name[64];
	uint32_t i;

	for (i = 0; i < pages; i++) {
		state = state * 6364136223846793005U + 1442695040888963407U;
		(void)view[state >> 24];
	}
	snprintf(name, sizeof(name), "page tables after %u more pages", pages);
	bench_value(name, (double)(bench_status("VmPTE:") - tables) / pages,
		    "KiB per page touched", 16);
	snprintf(name, sizeof(name), "store after %u more pages", pages);
	bench_value(name, (double)(memfd_kib() - store) / pages,
		    "KiB per page touched", 16);
}

int main(void)
{
	static const struct bench_row rows[] = {
		{ "mfill_map", map_and_unmap, NULL, -1, 0 },
		{ "mfill_unmap, one page touched", map_and_unmap, "unmap", -1,
		  0 },
	};
	struct mfill_source *source;
	uint64_t tables, store;
	void *addr;

	bench_table("1 TiB, mapped and unmapped (target: < 1000)", "µs", rows,
		    sizeof(rows) / sizeof(rows[0]));
	puts("memory of a map of 1 TiB, touched at random");
	source = bench_source(SIZE);
	bench_must(mfill_map(source, 0, BENCH_PAGE, NULL, &addr), "mfill_map");
	tables = bench_status("VmPTE:");
	store = memfd_kib();
	bench_must(mfill_map(source, 0, SIZE, &options, &addr), "mfill_map");
	bench_value("page tables, mapped",
		    (double)(bench_status("VmPTE:") - tables), "KiB", 64);
	bench_value("store, mapped", (double)(memfd_kib() - store), "KiB", 64);
	touch_and_tell(addr, 1000);
	touch_and_tell(addr, 1000);
	touch_and_tell(addr, 8000);
	return 0;
}
