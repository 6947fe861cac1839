/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The constants that the engine's speed depends on, and why they have their
 * values. Figures are ns a row, medians of tools/bench/native or its like, on
 * two CPUs of an AMD Zen 5, where a locked instruction takes 4.7.
 */
#ifndef SHATOMIC_ENGINE_TUNE_H
#define SHATOMIC_ENGINE_TUNE_H

/*
 * Rows that a loop over integers takes at a time: it looks once whether to
 * prefetch, to fold, to store results. 1 MiB: 4.8, the plain loop 4.8.
 */
#define SHATOMIC_BLOCK_ROWS 4

/*
 * How many rows ahead a word is brought in, first to the L2 cache and then, to
 * be written, to L1. Words of a region that fits L2 are not.
 *
 * 1 GiB: none 8.5; 64 and 8 5.3; 32 to 128 and 4 to 32 are all within 5 %.
 */
#define SHATOMIC_PREFETCH_FAR 64
#define SHATOMIC_PREFETCH_NEAR 8

/*
 * How many of them are brought in at a time: a CPU can wait for some 10 to 16
 * lines at once. A multiple of SHATOMIC_BLOCK_ROWS.
 */
#define SHATOMIC_PREFETCH_ROWS 8

/* The size of an L2 cache where the machine does not tell. */
#define SHATOMIC_USUAL_L2_SIZE (1U << 20)

/*
 * Most adjacent rows on one word that become one atomic operation whose results
 * are kept on the stack until it has succeeded.
 */
#define SHATOMIC_FOLD_ROWS 64

/*
 * The same where they are not: rows whose operands fit a quarter of an L1 cache.
 * One hot word: 64 rows 0.47, 1024 rows 0.41.
 */
#define SHATOMIC_JOIN_ROWS 1024

/*
 * Rows that are handled at a time where columns have to be copied: words are
 * brought in while the rows before them run, which the first ones of a chunk
 * have none of. Rows of one operation fill 24 KiB, which an L1 cache holds.
 *
 * 64 MiB, two lanes, ns a row: 256 rows 8.2, 512 7.0, 1024 6.0, 2048 6.0.
 */
#define SHATOMIC_CHUNK_ROWS 1024

/*
 * Rows above which a batch is worth sharing between CPUs, and rows in a slice:
 * smaller batches end before a second CPU has begun. The module's parameter
 * slice_rows starts from it. A plain number, as it is quoted there.
 */
#define SHATOMIC_SLICE_ROWS 16384

/*
 * CPUs from which on lanes are worth it. To look at all rows and to copy its
 * own costs a lane 1.9 ns a row, to run them 5 ns divided by the lanes.
 *
 * 1 MiB, 1M rows, ns a row: one CPU 5.3, two lanes 4.5 (5.4 with results).
 */
#define SHATOMIC_LANES_WORTH 3

/* More CPUs than these share no batch: a lane each costs a pass over it. */
#define SHATOMIC_MAX_WORKERS 64

/* log2 of the bytes in a cache line. */
#define SHATOMIC_LINE_SHIFT 6

/*
 * Rows that are looked at to tell whether lines are hot, and how many of them
 * must be on lines seen before: 27 % are with zipf 0.99 over 1M words, 6 % by
 * chance of the 4096 bits in which lines are noted.
 */
#define SHATOMIC_SAMPLE_ROWS 512
#define SHATOMIC_SAMPLE_HOT 96

#endif /* SHATOMIC_ENGINE_TUNE_H */
