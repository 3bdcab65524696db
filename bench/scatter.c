/* SPDX-License-Identifier: MIT */
/*
 * scatter.c - does a gigabyte touched at random pages stay within the kernel's
 * limit on mappings, on each backend?
 */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE  ((size_t)1 << 30)
#define PAGES (SIZE / BENCH_PAGE)

static unsigned long mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long lines = 0;
	int c;

	while (maps && (c = getc(maps)) != EOF)
		lines += c == '\n';
	if (maps)
		fclose(maps);
	return lines;
}

static unsigned long limit(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long count = 0;

	if (!file || fscanf(file, "%lu", &count) != 1)
		count = 65530;
	if (file)
		fclose(file);
	return count;
}

static void scatter(const char *name, int backend)
{
	const struct mfill_map_options options = {
		.struct_size = sizeof(options),
		.backend = backend,
		.fill_size = BENCH_PAGE,
		.readahead = MFILL_READAHEAD_OFF,
	};
	struct mfill_source *source = bench_source(SIZE);
	uint32_t *order = bench_shuffled(PAGES);
	unsigned long most = 0, wrong = 0, now;
	struct mfill_stats stats;
	const volatile char *view;
	uint64_t start;
	char expected;
	void *addr;
	size_t i;
	int r;

	printf("1 GiB at random 4 KiB pages, %s\n", name);
	r = mfill_map(source, 0, SIZE, &options, &addr);
	if (r < 0) {
		printf("  did not work here: %s\n", strerror(-r));
		return;
	}
	view = addr;
	start = bench_now();
	for (i = 0; i < PAGES; i++) {
		bench_read(NULL, &expected, 1, (uint64_t)order[i] * BENCH_PAGE);
		wrong += view[(size_t)order[i] * BENCH_PAGE] != expected;
		if (i % 8192 == 8191 && (now = mappings()) > most)
			most = now;
	}
	start = bench_now() - start;
	mfill_stats(addr, &stats, sizeof(stats));
	bench_value("seconds", (double)start / 1e9, "s", 0);
	bench_value("faults", (double)stats.faults, "", 0);
	bench_value("mappings at most", (double)most, "", (double)limit());
	bench_value("page tables", (double)bench_status("VmPTE:"), "KiB", 0);
	bench_value("wrong bytes", (double)wrong, "", 0.5);
	mfill_unmap(addr);
	mfill_source_put(source);
	free(order);
}

int main(void)
{
	scatter("guard", MFILL_BACKEND_GUARD);
	scatter("mprotect", MFILL_BACKEND_MPROTECT);
	return 0;
}
