// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Loading words as of one instant: all are loaded twice, and when both times
 * gave the same, all of them were so at any instant between the two, but for a
 * word that was changed and changed back meanwhile. No writer has to know.
 */
#include "engine.h"

/* Whether both loads gave the same; the second becomes the first of the next. */
static bool is_same(__u64 *first, const __u64 *second, __u64 count)
{
	__u64 different = 0, i;

	for (i = 0; i < count; i++) {
		different |= in_place(first[i]) ^ second[i];
		in_place(first[i] = second[i]);
	}
	return !different;
}

/* Few enough for the kernel's stack. */
#define AGAIN_ROWS 32

/* Load all words once more; returns whether they were what @rows has. */
static bool load_again(const struct shatomic_memory *self,
		       const struct shatomic_rows *rows, bool has_fields)
{
	__u64 results[AGAIN_ROWS], first, count;
	struct shatomic_rows again;
	bool same = true;

	for (first = 0; first < rows->count; first += count) {
		count = rows->count - first;
		if (count > AGAIN_ROWS)
			count = AGAIN_ROWS;
		again = shatomic_rows_slice(rows, first, count);
		again.results = results;
		shatomic_run_rows(self, &again, has_fields);
		if (!is_same(rows->results + first, results, count))
			same = false;
	}
	return same;
}

static int run_snapshot(const struct shatomic_memory *self,
			const struct shatomic_rows *rows, bool has_fields)
{
	__u32 tries;

	shatomic_run_rows(self, rows, has_fields);
	for (tries = 0; tries < SHATOMIC_SNAPSHOT_TRIES; tries++) {
		if (load_again(self, rows, has_fields))
			return 0;
	}
	return -EBUSY;
}

int shatomic_run_flagged(const struct shatomic_memory *self,
			 const struct shatomic_rows *rows, __u32 flags,
			 bool has_fields)
{
	if (flags & SHATOMIC_BATCH_SNAPSHOT)
		return run_snapshot(self, rows, has_fields);
	shatomic_run_rows(self, rows, has_fields);
	return 0;
}
