/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests/torture.c knows of updates: journals in memory that outlives the
 * process that writes them, so that it can be told what a killed one has done.
 *
 * A journal is of one batch at a time. It is even while none is in flight, and
 * odd from before one is submitted until all of it is in the sums. There are
 * two sets of sums, which take turns: the set of an even number is right until
 * the next one is, whenever its process is killed. Of a batch that was in flight
 * then the statuses tell which rows ran.
 */
#ifndef TESTS_TORTURE_JOURNAL_H
#define TESTS_TORTURE_JOURNAL_H

#include "common.h"

#define REGIONS 3
#define WORDS 64	/* of a region that are updated, each in its own place */
#define MAX_ROWS 24576
#define LONG_ROWS (1 << 18)	/* of a batch that is to take long */
#define PATTERN_ROWS (2 * LONG_ROWS)

/**
 * struct sums - What has been added, and by how many rows
 * @words: To each word of each region.
 * @rows: Number of rows.
 * @batches: Number of batches.
 */
struct sums {
	uint64_t words[REGIONS][WORDS];
	uint64_t rows;
	uint64_t batches;
};

/**
 * struct journal - What one process has done with one batch after the other
 * @number: Even or odd, see above.
 * @sums: In turn.
 * @region: Which region the batch in flight is on.
 * @first: Where in the pattern its rows begin.
 * @rows: How many they are.
 * @statuses: Of its rows; as many as the longest of its batches has.
 */
struct journal {
	uint64_t number;
	struct sums sums[2];
	uint32_t region;
	uint32_t first;
	uint32_t rows;
	uint8_t *statuses;
};

/* What rows are: the same for all processes. */
static uint64_t pattern_offsets[PATTERN_ROWS], pattern_operands[PATTERN_ROWS];

static inline void fill_pattern(void)
{
	unsigned int i;

	for (i = 0; i < PATTERN_ROWS; i++) {
		/* Runs on one word, which are folded, as well as others. */
		pattern_offsets[i] = i % 8 < 4 && i ? pattern_offsets[i - 1] :
						      next_random() % WORDS * 64;
		pattern_operands[i] = 1 + next_random() % 7;
	}
}

static inline void add_row(struct sums *sums, unsigned int region,
			   unsigned int row)
{
	sums->words[region][pattern_offsets[row] / 64] += pattern_operands[row];
	sums->rows++;
}

/* Before a batch is submitted. */
static inline void journal_begin(struct journal *journal, uint32_t region,
				 uint32_t first, uint32_t rows)
{
	journal->region = region;
	journal->first = first;
	journal->rows = rows;
	memset(journal->statuses, SHATOMIC_ROW_NOT_RUN, rows);
	__atomic_store_n(&journal->number, journal->number + 1,
			 __ATOMIC_SEQ_CST);
}

/* Those rows of the batch in flight that ran. */
static inline uint32_t add_rows_that_ran(const struct journal *journal,
					 struct sums *sums)
{
	uint32_t i, ran = 0;

	for (i = 0; i < journal->rows; i++) {
		if (journal->statuses[i] == SHATOMIC_ROW_NOT_RUN)
			continue;
		add_row(sums, journal->region, journal->first + i);
		ran++;
	}
	return ran;
}

/* When it has ended, well or not; how many of its rows ran. */
static inline uint32_t journal_end(struct journal *journal)
{
	struct sums *next = &journal->sums[(journal->number / 2 + 1) % 2];
	uint32_t ran;

	*next = journal->sums[journal->number / 2 % 2];
	ran = add_rows_that_ran(journal, next);
	next->batches++;
	__atomic_store_n(&journal->number, journal->number + 1,
			 __ATOMIC_SEQ_CST);
	return ran;
}

/* Add all that its process did, once nothing of it is in flight in the kernel. */
static inline void journal_read(const struct journal *journal,
				struct sums *total, uint64_t *cut_off)
{
	const struct sums *sums = &journal->sums[journal->number / 2 % 2];
	unsigned int region, word;

	for (region = 0; region < REGIONS; region++) {
		for (word = 0; word < WORDS; word++)
			total->words[region][word] +=
				sums->words[region][word];
	}
	total->rows += sums->rows;
	total->batches += sums->batches;
	if (journal->number % 2) {
		add_rows_that_ran(journal, total);
		++*cut_off;
	}
}

#endif /* TESTS_TORTURE_JOURNAL_H */
