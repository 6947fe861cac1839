/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The constants that the engine's speed depends on, and why they have their
 * values.
 */
#ifndef SHATOMIC_ENGINE_TUNE_H
#define SHATOMIC_ENGINE_TUNE_H

/*
 * Rows that a loop over integers takes at a time: it looks once whether to
 * prefetch, to fold, to store results.
 */
#define SHATOMIC_BLOCK_ROWS 4

/*
 * How many rows ahead a word is brought in, first to the L2 cache and then, to
 * be written, to L1. Words of a region that fits L2 are not.
 */
#define SHATOMIC_PREFETCH_FAR 64
#define SHATOMIC_PREFETCH_NEAR 8

/* The size of an L2 cache where the machine does not tell. */
#define SHATOMIC_USUAL_L2_SIZE (1U << 20)

/*
 * Most adjacent rows on one word that become one atomic operation. Their
 * results are kept on the stack until it has succeeded.
 */
#define SHATOMIC_FOLD_ROWS 64

/* The same where they are not: rows whose operands fit half of an L1 cache. */
#define SHATOMIC_JOIN_ROWS 1024

#endif /* SHATOMIC_ENGINE_TUNE_H */
