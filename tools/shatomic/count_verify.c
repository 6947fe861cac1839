// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second count: one process, one byte at a time, a private table. It shares
 * no code with the workers' way on purpose, or it would share their mistakes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "tool.h"

#define uthash_fatal(message) tool_die("no memory to verify the counts")
#include <uthash.h>

/* Differences that are printed. */
#define MOST_DIFFERENCES 10

struct seen {
	UT_hash_handle hh;
	uint64_t count;
	bool compared;
	size_t length;
	unsigned char bytes[];
};

/**
 * struct recount - The state of the second count
 * @unit: What is counted.
 * @table: The tokens.
 * @tokens: How many there were.
 * @token: The token that is being read.
 * @length: Its length so far.
 * @capacity: Room in @token.
 * @inside: Whether a token has begun.
 */
struct recount {
	enum count_unit unit;
	struct seen *table;
	uint64_t tokens;
	unsigned char *token;
	size_t length;
	size_t capacity;
	bool inside;
};

static void end_token(struct recount *recount)
{
	struct seen *seen;

	HASH_FIND(hh, recount->table, recount->token, recount->length, seen);
	if (!seen) {
		seen = tool_realloc(NULL, 1, sizeof(*seen) + recount->length);
		seen->count = 0;
		seen->compared = false;
		seen->length = recount->length;
		memcpy(seen->bytes, recount->token, recount->length);
		HASH_ADD_KEYPTR(hh, recount->table, seen->bytes, seen->length,
				seen);
	}
	seen->count++;
	recount->tokens++;
	recount->length = 0;
	recount->inside = false;
}

static void append_byte(struct recount *recount, int byte)
{
	if (recount->length == recount->capacity) {
		recount->capacity = 2 * recount->capacity;
		recount->token = tool_realloc(recount->token,
					      recount->capacity, 1);
	}
	recount->token[recount->length++] = byte;
}

static bool separates(enum count_unit unit, int byte)
{
	return unit == COUNT_LINES ? byte == '\n' :
				     byte != '\0' && strchr(" \t\n\v\f\r", byte);
}

static void take_byte(struct recount *recount, int byte)
{
	if (recount->unit == COUNT_BYTES) {
		append_byte(recount, byte);
		end_token(recount);
	} else if (!separates(recount->unit, byte)) {
		append_byte(recount, byte);
		recount->inside = true;
	} else if (recount->inside || recount->unit == COUNT_LINES) {
		end_token(recount);
	}
}

static void recount_file(struct recount *recount, const struct count_file *file)
{
	FILE *stream = fopen(file->name, "re");
	uint64_t left = file->stream ? UINT64_MAX : file->size;
	int byte;

	if (!stream)
		tool_die("%s: %s", file->name, strerror(errno));
	while (left-- && (byte = getc_unlocked(stream)) != EOF)
		take_byte(recount, byte);
	if (ferror(stream))
		tool_die("%s: %s", file->name, strerror(errno));
	if (recount->inside)
		end_token(recount);
	fclose(stream);
}

static void tell_difference(FILE *stream, const unsigned char *bytes,
			    size_t length, uint64_t workers, uint64_t recount,
			    uint64_t *differences)
{
	if ((*differences)++ >= MOST_DIFFERENCES)
		return;
	fprintf(stream, "differs: workers %" PRIu64 ", recount %" PRIu64 ": ",
		workers, recount);
	count_print_token(stream, bytes, length);
	putc('\n', stream);
}

/* Both ways: what the workers have, then what only the recount has. */
static uint64_t compare(FILE *stream, const struct recount *recount,
			const struct count_totals *totals)
{
	uint64_t differences = 0;
	struct seen *seen;

	for (size_t i = 0; i < totals->distinct; i++) {
		const struct count_total *total = &totals->totals[i];

		HASH_FIND(hh, recount->table, total->bytes, total->length,
			  seen);
		if (seen)
			seen->compared = true;
		if (!seen || seen->count != total->count)
			tell_difference(stream, total->bytes, total->length,
					total->count, seen ? seen->count : 0,
					&differences);
	}
	for (seen = recount->table; seen; seen = seen->hh.next) {
		if (!seen->compared)
			tell_difference(stream, seen->bytes, seen->length, 0,
					seen->count, &differences);
	}
	return differences;
}

static void free_table(struct recount *recount)
{
	struct seen *seen, *next;

	HASH_ITER(hh, recount->table, seen, next) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it has next. */
		HASH_DEL(recount->table, seen);
		free(seen);
	}
	free(recount->token);
}

int count_verify(const struct count_options *options,
		 const struct count_input *input,
		 const struct count_totals *totals)
{
	struct recount recount = {
		.unit = options->unit,
		.token = tool_realloc(NULL, 64, 1),
		.capacity = 64,
	};
	FILE *stream = options->tsv || options->json ? stderr : stdout;
	uint64_t differences;

	for (size_t i = 0; i < input->file_count; i++)
		recount_file(&recount, &input->files[i]);
	differences = compare(stream, &recount, totals);
	if (differences)
		fprintf(stream, "not verified: %" PRIu64 " tokens differ\n",
			differences);
	else
		fprintf(stream,
			"verified: %u distinct, %" PRIu64 " tokens\n",
			HASH_COUNT(recount.table), recount.tokens);
	free_table(&recount);
	return differences ? TOOL_DIFFERED : TOOL_OK;
}
