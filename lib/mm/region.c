/* SPDX-License-Identifier: MIT */
/*
 * region.c - the sorted array of regions, replaced as a whole.
 *
 * Context: new: not in a signal handler. find: any.
 */
#include "mm/region.h"

#include <assert.h>
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

struct mf_region_table *mf_table_new(size_t capacity)
{
	struct mf_region_table *table = mf_sys.calloc(
		1, sizeof(*table) + capacity * sizeof(table->regions[0]));

	if (table)
		table->capacity = capacity;
	return table;
}

void mf_table_copy(struct mf_region_table *to,
		   const struct mf_region_table *table, uintptr_t start,
		   size_t len)
{
	for (size_t i = 0; table && i < table->n; i++)
		if (!mf_region_touches(table->regions[i], start, len))
			to->regions[to->n++] = table->regions[i];
}

void mf_table_add(struct mf_region_table *table, struct mf_region *region)
{
	size_t at = count_upto(table, region->start);

	assert(table->n < table->capacity);
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

uintptr_t mf_region_of_unit(const struct mf_region *region, uint32_t unit,
			    size_t *ret_len)
{
	uint64_t low = mf_region_offset(region, region->start);
	uint64_t high = low + region->len;
	uint64_t start;
	uint64_t end = mf_store_unit_range(region->view->store, unit, &start);

	if (start < low)
		start = low;
	if (end > high)
		end = high;
	*ret_len = (size_t)(end - start);
	return region->start + (uintptr_t)(start - low);
}
