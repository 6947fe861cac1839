/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one would write without batches: loops over the same columns, of the
 * compiler's atomic builtins.
 */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include <shatomic.h>

/* fetch_and_add of 8-byte words; results may be NULL. */
void plain_fetch_and_add(unsigned char *base, const uint64_t *offsets,
			 const uint64_t *operands, uint64_t *results,
			 uint64_t rows);

/* Any operation without peer and mask, at widths 1, 2, 4 and 8: a switch. */
void plain_switch(unsigned char *base, const uint8_t *ops,
		  const uint8_t *widths, const uint64_t *offsets,
		  const uint64_t *operands, const uint64_t *comparands,
		  uint64_t *results, uint64_t rows);

/* Only bring the words in, to be written to: what memory can do at best. */
void plain_prefetch(const unsigned char *base, const uint64_t *offsets,
		    uint64_t rows);

#endif /* BENCH_PLAIN_H */
