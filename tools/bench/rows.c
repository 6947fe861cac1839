// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rows that contenders run, and what must come of them.
 */
#include "rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_ROWS 8
#define ZIPF_EXPONENT 0.99

static uint64_t random_state;

/* xorshift64*: good enough to choose rows by, and the same everywhere. */
static uint64_t next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 2685821657736338717ULL;
}

/* Spreads what is near; no two of fewer than 2^k are alike in k bits. */
static uint64_t scramble(uint64_t value)
{
	return value * 0x9E3779B97F4A7C15ULL;
}

/* Memory that has been touched, so that no page is brought in under a clock. */
static void *allocate(uint64_t count, size_t size)
{
	void *memory = malloc(count * size);

	if (!memory) {
		fprintf(stderr, "bench: no memory for %llu rows\n",
			(unsigned long long)count);
		exit(1);
	}
	memset(memory, 0, count * size);
	return memory;
}

/* How likely it is that a rank or one before it is chosen, for each rank. */
static double *zipf_sums(uint64_t ranks)
{
	double *sums = allocate(ranks, sizeof(*sums)), sum = 0.0;
	uint64_t i;

	for (i = 0; i < ranks; i++) {
		sum += pow((double)i + 1.0, -ZIPF_EXPONENT);
		sums[i] = sum;
	}
	return sums;
}

static uint64_t zipf_rank(const double *sums, uint64_t ranks)
{
	double at = (double)(next_random() >> 11) * 0x1p-53 * sums[ranks - 1];
	uint64_t low = 0, high = ranks - 1, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (sums[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Words of a region are 8 bytes; a power of two of them. */
static void choose_words(struct rows *rows, enum pattern pattern,
			 uint64_t words)
{
	double *sums = pattern == ZIPF ? zipf_sums(words) : NULL;
	uint64_t i, word = 0;

	for (i = 0; i < rows->count; i++) {
		if (pattern == ZIPF)
			word = scramble(zipf_rank(sums, words)) & (words - 1);
		else if (pattern != ONE_WORD &&
			 (pattern != RUNS || i % RUN_ROWS == 0))
			word = next_random() & (words - 1);
		rows->offsets[i] = word * 8;
		rows->operands[i] = next_random();
	}
	free(sums);
}

static void choose_mix(struct rows *rows)
{
	static const uint8_t ops[] = {
		SHATOMIC_OP_GET, SHATOMIC_OP_SET, SHATOMIC_OP_GET_AND_SET,
		SHATOMIC_OP_COMPARE_AND_SET_VALUE,
		SHATOMIC_OP_FETCH_AND_ADD, SHATOMIC_OP_ADD_AND_FETCH,
		SHATOMIC_OP_FETCH_AND_SUB, SHATOMIC_OP_SUB_AND_FETCH,
		SHATOMIC_OP_FETCH_AND_AND, SHATOMIC_OP_AND_AND_FETCH,
		SHATOMIC_OP_FETCH_AND_OR, SHATOMIC_OP_OR_AND_FETCH,
		SHATOMIC_OP_FETCH_AND_XOR, SHATOMIC_OP_XOR_AND_FETCH,
		SHATOMIC_OP_FETCH_AND_NAND, SHATOMIC_OP_NAND_AND_FETCH,
	};
	uint64_t i;

	rows->ops = allocate(rows->count, sizeof(*rows->ops));
	rows->widths = allocate(rows->count, sizeof(*rows->widths));
	rows->comparands = allocate(rows->count, sizeof(*rows->comparands));
	for (i = 0; i < rows->count; i++) {
		rows->ops[i] = ops[next_random() % sizeof(ops)];
		rows->widths[i] = 1 << next_random() % 4;
		rows->offsets[i] += next_random() % (8 / rows->widths[i]) *
				    rows->widths[i];
		/* What a byte is now and then. */
		rows->comparands[i] = next_random() % 16;
	}
}

struct rows *rows_new(enum pattern pattern, uint64_t count, uint64_t size)
{
	struct rows *rows = allocate(1, sizeof(*rows));

	random_state = 0x243F6A8885A308D3ULL;
	rows->count = count;
	rows->offsets = allocate(count, sizeof(*rows->offsets));
	rows->operands = allocate(count, sizeof(*rows->operands));
	rows->results = allocate(count, sizeof(*rows->results));
	rows->expected_results =
		allocate(count, sizeof(*rows->expected_results));
	rows->expected_words = allocate(count, sizeof(*rows->expected_words));
	choose_words(rows, pattern, size / 8);
	if (pattern == MIXED)
		choose_mix(rows);
	return rows;
}

void rows_free(struct rows *rows)
{
	free(rows->ops);
	free(rows->widths);
	free(rows->offsets);
	free(rows->operands);
	free(rows->comparands);
	free(rows->results);
	free(rows->expected_results);
	free(rows->expected_words);
	free(rows);
}

struct shatomic_batch rows_batch(const struct rows *rows, uint64_t first,
				 uint64_t count)
{
	struct shatomic_batch batch = {
		.rows = count,
		.offsets = rows->offsets + first,
		.operands = rows->operands + first,
		.results = rows->results + first,
	};

	if (rows->ops) {
		batch.ops = rows->ops + first;
		batch.widths = rows->widths + first;
		batch.comparands = rows->comparands + first;
	} else {
		batch.op = SHATOMIC_OP_FETCH_AND_ADD;
		batch.width = 8;
	}
	return batch;
}

static uint64_t word_of(const struct rows *rows, const unsigned char *base,
			uint64_t i)
{
	return *(const uint64_t *)(base + (rows->offsets[i] & ~7ULL));
}

void rows_reset(const struct rows *rows, unsigned char *base)
{
	uint64_t i, at;

	for (i = 0; i < rows->count; i++) {
		at = rows->offsets[i] & ~7ULL;
		*(uint64_t *)(base + at) = at * 0x9E3779B97F4A7C15ULL;
	}
}

void rows_expect(struct rows *rows, const unsigned char *base)
{
	uint64_t i;

	for (i = 0; i < rows->count; i++) {
		rows->expected_words[i] = word_of(rows, base, i);
		rows->expected_results[i] = rows->results[i];
	}
}

bool rows_words_are_right(const struct rows *rows, const unsigned char *base)
{
	uint64_t i;

	for (i = 0; i < rows->count; i++) {
		if (word_of(rows, base, i) != rows->expected_words[i])
			return false;
	}
	return true;
}

bool rows_results_are_right(const struct rows *rows)
{
	return !memcmp(rows->results, rows->expected_results,
		       rows->count * sizeof(*rows->results));
}
