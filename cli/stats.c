/* SPDX-License-Identifier: MIT */
/*
 * stats.c - what a map did, in a line for people or as JSON.
 */
#include "cli/stats.h"

#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

static const char *const backends[] = { "auto", "guard", "mprotect", "uffd" };
static const char *const deliveries[] = { "auto", "inline", "thread" };

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

static int find(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

const char *mf_backend_name(int backend)
{
	return backend >= 0 && backend < N(backends) ? backends[backend] : "?";
}

const char *mf_delivery_name(int delivery)
{
	return delivery >= 0 && delivery < N(deliveries) ? deliveries[delivery]
							 : "?";
}

int mf_backend_of(const char *name)
{
	return find(backends, N(backends), name);
}

int mf_delivery_of(const char *name)
{
	return find(deliveries, N(deliveries), name);
}

static uint64_t measured(const struct mfill_stats *stats)
{
	uint64_t n = 0;

	for (int i = 0; i < MFILL_LATENCY_BUCKETS; i++)
		n += stats->latency[i];
	return n;
}

/*
 * The time in ns that a share of the faults stayed below. Inside a bucket,
 * which spans a factor of two, they are taken to be spread evenly.
 */
static double percentile(const struct mfill_stats *stats, double share)
{
	double wanted = share * (double)measured(stats);
	double before = 0;

	for (int i = 0; i < MFILL_LATENCY_BUCKETS; i++) {
		double here = (double)stats->latency[i];
		double low = i ? (double)(1ULL << (i - 1)) : 0;
		double high = (double)(1ULL << i);

		if (here > 0 && before + here >= wanted)
			return low + (high - low) * (wanted - before) / here;
		before += here;
	}
	return 0;
}

struct span {
	char text[24];
};

static const char *time_of(double ns, struct span *storage)
{
	if (ns < 1e6)
		snprintf(storage->text, sizeof(storage->text), "%.*f µs",
			 ns < 1e4 ? 1 : 0, ns / 1e3);
	else
		snprintf(storage->text, sizeof(storage->text), "%.*f ms",
			 ns < 1e7 ? 1 : 0, ns / 1e6);
	return storage->text;
}

/* Pieces of the whole source, not only of the part that was mapped. */
static uint64_t pieces(uint64_t size, const struct mfill_stats *stats)
{
	return stats->fill_size
		       ? (size + stats->fill_size - 1) / stats->fill_size
		       : 0;
}

/* ", p50 92 µs, p99 180 µs", or nothing when nothing was measured. */
static void print_times(char *to, size_t size, const struct mfill_stats *stats)
{
	struct span p50, p99;

	*to = '\0';
	if (measured(stats) > 0)
		snprintf(to, size, ", p50 %s, p99 %s",
			 time_of(percentile(stats, 0.5), &p50),
			 time_of(percentile(stats, 0.99), &p99));
}

void mf_stats_print(const char *name, uint64_t size,
		    const struct mfill_stats *stats)
{
	uint64_t all = pieces(size, stats);
	struct mf_human filled, whole;
	char times[64];

	print_times(times, sizeof(times), stats);
	mf_say("%s: %llu of %llu frames read (%.1f %%), %s of %s, %llu faults"
	       "%s%s",
	       name, (unsigned long long)stats->fills, (unsigned long long)all,
	       all ? 100.0 * (double)stats->fills / (double)all : 0,
	       mf_human(stats->filled_bytes, &filled), mf_human(size, &whole),
	       (unsigned long long)stats->faults, times,
	       stats->errors ? ", with errors" : "");
}

static json_t *latency_json(const struct mfill_stats *stats)
{
	json_t *array = json_array();

	for (int i = 0; array && i < MFILL_LATENCY_BUCKETS; i++)
		json_array_append_new(
			array, json_integer((json_int_t)stats->latency[i]));
	return array;
}

json_t *mf_stats_json(const char *name, uint64_t size,
		      const struct mfill_stats *stats)
{
	return json_pack(
		"{s:s%, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:f, s:f, s:o}",
		"source", name, strlen(name), "size", (json_int_t)size,
		"frames", (json_int_t)pieces(size, stats), "backend",
		mf_backend_name(stats->backend), "delivery",
		mf_delivery_name(stats->delivery), "fill_size",
		(json_int_t)stats->fill_size, "fills", (json_int_t)stats->fills,
		"filled_bytes", (json_int_t)stats->filled_bytes, "faults",
		(json_int_t)stats->faults, "waits", (json_int_t)stats->waits,
		"errors", (json_int_t)stats->errors, "readahead",
		(json_int_t)stats->readahead, "p50_us",
		percentile(stats, 0.5) / 1e3, "p99_us",
		percentile(stats, 0.99) / 1e3, "latency_log2_ns",
		latency_json(stats));
}
