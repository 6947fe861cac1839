/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rows that contenders run, and what must come of them.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <shatomic.h>
#include <stdbool.h>

/**
 * enum pattern - Which words rows are on
 * @RANDOM_WORDS: Any, each as likely.
 * @ONE_WORD: All on one.
 * @RUNS: Any, but eight rows on each before the next.
 * @ZIPF: Few often, many seldom: the rank r with likelihood 1 / r^0.99.
 * @MIXED: Any, of 1, 2, 4 or 8 bytes, by any operation that a switch has.
 */
enum pattern {
	RANDOM_WORDS,
	ONE_WORD,
	RUNS,
	ZIPF,
	MIXED,
};

/**
 * struct rows - Rows as columns, and what comes of them run in order
 * @count: Number of rows.
 * @ops: Each row's operation; NULL for fetch_and_add.
 * @widths: Each row's width; NULL for 8.
 * @offsets: Each row's offset.
 * @operands: Each row's operand.
 * @comparands: Each row's comparand, or NULL.
 * @results: Where results go.
 * @expected_results: What they must be.
 * @expected_words: What each row's word must be at last.
 */
struct rows {
	uint64_t count;
	uint8_t *ops;
	uint8_t *widths;
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *comparands;
	uint64_t *results;
	uint64_t *expected_results;
	uint64_t *expected_words;
};

/* Rows for a region of @size bytes; ends the program when memory lacks. */
struct rows *rows_new(enum pattern pattern, uint64_t count, uint64_t size);
void rows_free(struct rows *rows);

/* The batch of @count rows from @first on, which the caller may add to. */
struct shatomic_batch rows_batch(const struct rows *rows, uint64_t first,
				 uint64_t count);

/* Give each row's word the value that it begins with. */
void rows_reset(const struct rows *rows, unsigned char *base);

/* Take what is there as what is expected. */
void rows_expect(struct rows *rows, const unsigned char *base);

/* Whether it is what is expected. */
bool rows_words_are_right(const struct rows *rows, const unsigned char *base);
bool rows_results_are_right(const struct rows *rows);

#endif /* BENCH_ROWS_H */
