// SPDX-License-Identifier: GPL-2.0-only
/*
 * A generation of the hash table: an open-addressing table in a region without
 * a name. Slots are claimed by compare-and-set and never given back, and a
 * token is written before its slot is claimed, so that nobody ever waits for
 * anybody, were he killed too.
 */
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "count.h"

#define SLOTS_OFFSET 4096
_Static_assert(sizeof(struct count_header) <= SLOTS_OFFSET,
	       "the header must end before the slots");

/* What a worker takes from the arena at a time; less from a small one. */
#define ARENA_PIECE_BYTES (64ULL << 10)
#define ARENA_PIECES_LEAST 64

struct count_token count_token_make(const unsigned char *bytes, size_t length)
{
	return (struct count_token){
		.bytes = bytes,
		.length = length,
		.hash = XXH3_64bits(bytes, length),
	};
}

uint64_t count_record_bytes(size_t length)
{
	return (sizeof(struct count_record) + length + 7) & ~7ULL;
}

static void attach(struct count_table *table, struct shatomic_region *region)
{
	unsigned char *base = shatomic_buf(region, NULL);

	table->region = region;
	table->header = (struct count_header *)base;
	table->slots = (struct count_slot *)(base + SLOTS_OFFSET);
}

int count_table_create(struct count_table *table,
		       enum shatomic_backend backend, uint64_t slots,
		       uint64_t arena_bytes)
{
	uint64_t arena_begin = SLOTS_OFFSET + slots * sizeof(struct count_slot);
	struct shatomic_create_options options = {
		.backend = backend,
		.size = arena_begin + arena_bytes,
	};
	struct shatomic_region *region;
	int error = shatomic_create(&options, &region);

	if (error)
		return error;
	attach(table, region);
	table->header->slots = slots;
	table->header->arena_begin = arena_begin;
	table->header->arena_end = options.size;
	shatomic_set_u64(&table->header->arena_next.value, arena_begin);
	return 0;
}

int count_table_import(struct count_table *table, int fd)
{
	struct shatomic_region *region;
	int error = shatomic_import(fd, &region);

	if (!error)
		attach(table, region);
	return error;
}

void count_table_close(struct count_table *table)
{
	shatomic_close(table->region);
}

static uint64_t tag_of(const struct count_token *token)
{
	return token->hash >> COUNT_TAG_SHIFT;
}

static struct count_record *record_at(const struct count_table *table,
				      uint64_t offset)
{
	return (struct count_record *)((unsigned char *)table->header + offset);
}

static struct count_record *
referred_record(const struct count_table *table, uint64_t reference)
{
	return record_at(table, reference & ((1ULL << COUNT_TAG_SHIFT) - 1));
}

const struct count_record *count_table_record(const struct count_table *table,
					      const struct count_slot *slot)
{
	uint64_t reference = shatomic_get_u64(&slot->reference);

	return reference ? referred_record(table, reference) : NULL;
}

static bool refers_to(const struct count_table *table, uint64_t reference,
		      const struct count_token *token)
{
	const struct count_record *record;

	if (reference >> COUNT_TAG_SHIFT != tag_of(token))
		return false;
	record = referred_record(table, reference);
	return record->length == token->length &&
	       !memcmp(record->bytes, token->bytes, token->length);
}

/*
 * The slot that has @token, or else the first empty one where it would go;
 * @reference is what was seen there. There is always an empty slot, see
 * is_full().
 */
static struct count_slot *probe(const struct count_table *table,
				const struct count_token *token,
				uint64_t *reference)
{
	uint64_t mask = table->header->slots - 1;
	uint64_t index = token->hash & mask;

	for (;;) {
		struct count_slot *slot = &table->slots[index];

		*reference = shatomic_get_u64(&slot->reference);
		if (!*reference || refers_to(table, *reference, token))
			return slot;
		index = (index + 1) & mask;
	}
}

struct count_slot *count_table_find(const struct count_table *table,
				    const struct count_token *token)
{
	uint64_t reference;
	struct count_slot *slot = probe(table, token, &reference);

	return reference ? slot : NULL;
}

/*
 * At 3/4, where probes become long. Workers who look at the same time may pass
 * it by one slot each, for which COUNT_SLOTS_LEAST leaves room.
 */
static bool is_full(const struct count_table *table)
{
	struct count_header *header = table->header;

	return shatomic_get_u64(&header->slots_used.value) >=
	       header->slots / 4 * 3;
}

/* Have room for a record in @arena; false when the table has none left. */
static bool reserve(const struct count_table *table, struct count_arena *arena,
		    uint64_t bytes)
{
	struct count_header *header = table->header;
	uint64_t total = header->arena_end - header->arena_begin;
	uint64_t piece = ARENA_PIECE_BYTES;
	uint64_t next;

	if (arena->end - arena->next >= bytes)
		return true;
	if (bytes > total)
		return false;
	if (piece > total / ARENA_PIECES_LEAST)
		piece = total / ARENA_PIECES_LEAST & ~7ULL;
	if (piece < bytes)
		piece = bytes;
	next = shatomic_fetch_and_add_u64(&header->arena_next.value, piece);
	if (next > header->arena_end || header->arena_end - next < piece)
		return false;
	arena->next = next;
	arena->end = next + piece;
	return true;
}

/* A reference to a copy of the token, or 0 when the table takes no more. */
static uint64_t write_record(const struct count_table *table,
			     struct count_arena *arena,
			     const struct count_token *token)
{
	struct count_record *record;

	if (shatomic_get_u64(&table->header->closed.value))
		return 0;
	if (is_full(table) ||
	    !reserve(table, arena, count_record_bytes(token->length))) {
		shatomic_set_u64(&table->header->closed.value, 1);
		return 0;
	}
	record = record_at(table, arena->next);
	record->length = token->length;
	memcpy(record->bytes, token->bytes, token->length);
	return arena->next | tag_of(token) << COUNT_TAG_SHIFT;
}

struct count_slot *count_table_insert(const struct count_table *table,
				      struct count_arena *arena,
				      const struct count_token *token)
{
	uint64_t mine = 0;

	for (;;) {
		uint64_t seen;
		struct count_slot *slot = probe(table, token, &seen);

		if (seen)
			return slot;
		if (!mine)
			mine = write_record(table, arena, token);
		if (!mine)
			return NULL;
		if (shatomic_compare_and_set_value_u64(&slot->reference,
						       mine, 0) == 0) {
			arena->next += count_record_bytes(token->length);
			shatomic_fetch_and_add_u64(
				&table->header->slots_used.value, 1);
			return slot;
		}
		/* Another was first, perhaps with this very token: look again. */
	}
}
