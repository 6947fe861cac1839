// SPDX-License-Identifier: GPL-2.0-only
/*
 * Brings the generations together: adds up what one token has in each, and
 * sorts.
 */
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "tool.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_FUNCTION(key, length, hash) ((hash) = XXH3_64bits(key, length))
#define uthash_fatal(message) tool_die("no memory to merge the counts")
#include <uthash.h>

/* A total on its place in the array, with what the hash table needs. */
struct merged {
	struct count_total *total;
	UT_hash_handle hh;
};

static size_t most_distinct(const struct count_result *result)
{
	size_t most = 0;

	for (size_t i = 0; i < result->table_count; i++)
		most += result->tables[i].header->slots_used.value;
	return most;
}

static void append_total(struct count_totals *totals,
			 const struct count_record *record, uint64_t count)
{
	totals->totals[totals->distinct++] = (struct count_total){
		.bytes = record->bytes,
		.length = record->length,
		.count = count,
	};
}

static int by_count_then_bytes(const void *left, const void *right)
{
	const struct count_total *a = left;
	const struct count_total *b = right;
	size_t common = a->length < b->length ? a->length : b->length;
	int order;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	order = memcmp(a->bytes, b->bytes, common);
	if (order)
		return order;
	return a->length < b->length ? -1 : a->length > b->length;
}

void count_merge(const struct count_result *result, struct count_totals *totals)
{
	size_t most = most_distinct(result);
	struct merged *merged = tool_realloc(NULL, most, sizeof(*merged));
	struct merged *by_token = NULL;
	struct merged *found;

	*totals = (struct count_totals){
		.totals = tool_realloc(NULL, most, sizeof(*totals->totals)),
	};
	for (size_t i = 0; i < result->table_count; i++) {
		const struct count_table *table = &result->tables[i];

		for (uint64_t j = 0; j < table->header->slots; j++) {
			const struct count_slot *slot = &table->slots[j];
			const struct count_record *record =
				count_table_record(table, slot);

			if (!record)
				continue;
			totals->tokens += slot->count;
			HASH_FIND(hh, by_token, record->bytes, record->length,
				  found);
			if (found) {
				found->total->count += slot->count;
				continue;
			}
			found = &merged[totals->distinct];
			found->total = &totals->totals[totals->distinct];
			append_total(totals, record, slot->count);
			HASH_ADD_KEYPTR(hh, by_token, record->bytes,
					record->length, found);
		}
	}
	HASH_CLEAR(hh, by_token);
	free(merged);
	if (totals->distinct)
		qsort(totals->totals, totals->distinct,
		      sizeof(*totals->totals), by_count_then_bytes);
}
