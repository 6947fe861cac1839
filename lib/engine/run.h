/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The ways to run rows that run.c chooses from. What they are given has been
 * checked; all run in row order.
 */
#ifndef SHATOMIC_ENGINE_RUN_H
#define SHATOMIC_ENGINE_RUN_H

#include "engine.h"

/* Rows of one operation and width, all of them integers of the machine. */
void shatomic_run_integers(const struct shatomic_memory *self,
			   const struct shatomic_rows *rows);

/*
 * Runs the rows from @i on that are on one word as one operation, and puts their
 * results, and their statuses when these may differ. Returns how many they were,
 * 0 when there is only one, which has not been run.
 */
typedef __u32 shatomic_fold_fn(const struct shatomic_memory *self,
			       const struct shatomic_rows *rows, __u64 i);

/* The one for rows of an operation without a peer, and of a width. */
shatomic_fold_fn *shatomic_fold_of(__u32 op, __u32 width);

/* A row whose word is any field of an aligned 8-byte word. */
void shatomic_run_field(const struct shatomic_memory *self,
			const struct shatomic_rows *rows, __u64 i, __u32 op,
			__u32 width);

/* Rows of several operations or widths, in a region that can be written to. */
void shatomic_run_mixed(const struct shatomic_memory *self,
			const struct shatomic_rows *rows);

/* Rows that are doubles. */
void shatomic_run_doubles(const struct shatomic_memory *self,
			  const struct shatomic_rows *rows);

#endif /* SHATOMIC_ENGINE_RUN_H */
