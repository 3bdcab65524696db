/* SPDX-License-Identifier: MIT */
/*
 * region.c - the sorted array of regions, replaced as a whole.
 *
 * Context: with and without: not in a signal handler. find: any.
 */
#include "mm/region.h"

#include <string.h>

#include "base/sys.h"

static struct mf_region_table *table_new(size_t n)
{
	struct mf_region_table *table = mf_sys.calloc(
		1, sizeof(*table) + n * sizeof(table->regions[0]));

	if (table)
		table->n = n;
	return table;
}

/* How many regions start at or below addr. */
static size_t count_upto(const struct mf_region_table *table, uintptr_t addr)
{
	size_t low = 0, high = table->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (table->regions[mid]->start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct mf_region_table *mf_table_with(const struct mf_region_table *table,
				      struct mf_region *region)
{
	size_t n = table ? table->n : 0;
	size_t at = table ? count_upto(table, region->start) : 0;
	struct mf_region_table *copy = table_new(n + 1);

	if (!copy)
		return NULL;
	if (at > 0)
		memcpy(copy->regions, table->regions,
		       at * sizeof(copy->regions[0]));
	copy->regions[at] = region;
	if (n > at)
		memcpy(copy->regions + at + 1, table->regions + at,
		       (n - at) * sizeof(copy->regions[0]));
	return copy;
}

struct mf_region_table *mf_table_without(const struct mf_region_table *table,
					 const struct mf_region *region)
{
	struct mf_region_table *copy = table_new(table->n - 1);
	size_t to = 0;

	if (!copy)
		return NULL;
	for (size_t i = 0; i < table->n; i++)
		if (table->regions[i] != region)
			copy->regions[to++] = table->regions[i];
	return copy;
}

struct mf_region *mf_table_find(const struct mf_region_table *table,
				uintptr_t addr)
{
	size_t at = table ? count_upto(table, addr) : 0;
	struct mf_region *region;

	if (at == 0)
		return NULL;
	region = table->regions[at - 1];
	return addr - region->start < region->len ? region : NULL;
}
