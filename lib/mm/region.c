/* SPDX-License-Identifier: MIT */
/*
 * region.c - the sorted array of regions, replaced as a whole.
 *
 * Context: copy: not in a signal handler. find: any.
 */
#include "mm/region.h"

#include <string.h>

#include "base/sys.h"

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

struct mf_region_table *mf_table_copy(const struct mf_region_table *table,
				      uintptr_t start, size_t len, size_t extra)
{
	size_t n = table ? table->n : 0;
	struct mf_region_table *copy = mf_sys.calloc(
		1, sizeof(*copy) + (n + extra) * sizeof(copy->regions[0]));

	if (!copy)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!mf_region_touches(table->regions[i], start, len))
			copy->regions[copy->n++] = table->regions[i];
	return copy;
}

void mf_table_add(struct mf_region_table *table, struct mf_region *region)
{
	size_t at = count_upto(table, region->start);

	memmove(table->regions + at + 1, table->regions + at,
		(table->n - at) * sizeof(table->regions[0]));
	table->regions[at] = region;
	table->n++;
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
