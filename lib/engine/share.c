// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Sharing a batch between CPUs: which way keeps the order that rows may be
 * seen in, and the pieces that each CPU then runs.
 */
#include "engine.h"

enum shatomic_plan shatomic_plan_rows(const struct shatomic_rows *rows,
				      __u32 flags, bool has_fields)
{
	__u32 traits;

	/*
	 * A peer word may be another row's own word, which would need an order
	 * over pairs of words.
	 */
	if (rows->peer_count)
		return SHATOMIC_PLAN_SERIAL;
	if (flags & SHATOMIC_BATCH_UNORDERED)
		return SHATOMIC_PLAN_SLICES;
	/* Words of several widths overlap, but never across 8 bytes. */
	if (rows->ops || rows->widths)
		return SHATOMIC_PLAN_LANES;

	if (rows->results || rows->statuses)
		return SHATOMIC_PLAN_LANES;
	/* Fields may overlap in part. */
	traits = shatomic_op_traits(rows->op);
	return traits & (has_fields ? SHATOMIC_OP_IS_BITWISE :
				      SHATOMIC_OP_COMMUTES) ?
		       SHATOMIC_PLAN_SLICES : SHATOMIC_PLAN_LANES;
}

__u32 shatomic_count_workers(__u64 rows, __u32 slice_rows, __u32 cpus,
			     __u32 parallelism)
{
	__u32 workers = cpus;

	if (parallelism && parallelism < workers)
		workers = parallelism;
	if (workers > SHATOMIC_MAX_WORKERS)
		workers = SHATOMIC_MAX_WORKERS;
	/* The last one would have no slice. */
	while (workers > 1 && (__u64)(workers - 1) * slice_rows >= rows)
		workers--;
	return workers;
}

/* log2 of the bits in which lines that were seen are noted. */
#define SEEN_SHIFT 12

bool shatomic_rows_are_hot(const struct shatomic_rows *rows)
{
	__u64 seen[(1 << SEEN_SHIFT) / 64] = { 0 };
	__u64 step = rows->count / SHATOMIC_SAMPLE_ROWS, i;
	__u32 again = 0, bit;

	if (!step)
		return false;
	for (i = 0; i < SHATOMIC_SAMPLE_ROWS; i++) {
		bit = shatomic_lane_of(rows->offsets[i * step],
				       1U << SEEN_SHIFT);
		again += seen[bit / 64] >> bit % 64 & 1;
		seen[bit / 64] |= 1ULL << bit % 64;
	}
	return again >= SHATOMIC_SAMPLE_HOT;
}

struct shatomic_rows shatomic_rows_slice(const struct shatomic_rows *rows,
					 __u64 first, __u64 count)
{
	__u32 entries = shatomic_value_entries(rows->width);
	struct shatomic_rows slice = *rows;

	slice.count = count;
	slice.ahead = rows->count - first - count + rows->ahead;
	slice.offsets += first;
	if (slice.ops)
		slice.ops += first;
	if (slice.widths)
		slice.widths += first;
	if (slice.operands)
		slice.operands += first * entries;
	if (slice.comparands)
		slice.comparands += first * entries;
	if (slice.masks)
		slice.masks += first * entries;
	if (slice.comparand_masks)
		slice.comparand_masks += first * entries;
	if (slice.results)
		slice.results += first * entries;
	if (slice.statuses)
		slice.statuses += first;
	if (slice.peer_indexes)
		slice.peer_indexes += first;
	if (slice.peer_offsets)
		slice.peer_offsets += first;
	return slice;
}

struct shatomic_rows shatomic_chunk_rows(struct shatomic_chunk *chunk,
					 const struct shatomic_rows *shape,
					 __u32 count)
{
	struct shatomic_rows rows = *shape;

	rows.count = count;
	rows.ahead = 0;
	rows.offsets = chunk->offsets;
	rows.ops = shape->ops ? chunk->ops : NULL;
	rows.widths = shape->widths ? chunk->widths : NULL;
	rows.operands = shape->operands ? chunk->operands : NULL;
	rows.comparands = shape->comparands ? chunk->comparands : NULL;
	rows.masks = shape->masks ? chunk->masks : NULL;
	rows.comparand_masks =
		shape->comparand_masks ? chunk->comparand_masks : NULL;
	rows.results = shape->results ? chunk->results : NULL;
	rows.statuses = shape->statuses ? chunk->statuses : NULL;
	rows.peer_indexes = shape->peer_indexes ? chunk->peer_indexes : NULL;
	rows.peer_offsets = shape->peer_offsets ? chunk->peer_offsets : NULL;
	return rows;
}

/* Put a row's value, of so many entries, to where the row is kept. */
static inline void keep_value(__u64 *kept, const __u64 *column, __u32 to,
			      __u32 from, __u32 entries)
{
	__u32 i;

	for (i = 0; column && i < entries; i++)
		kept[to * entries + i] =
			in_place(column[from * entries + i]);
}

void shatomic_chunk_keep_lane(struct shatomic_chunk *chunk,
			      struct shatomic_rows *rows, __u32 lane,
			      __u32 lanes)
{
	__u32 entries = shatomic_value_entries(rows->width);
	__u32 kept = 0, i;

	for (i = 0; i < rows->count; i++) {
		if (shatomic_lane_of(chunk->offsets[i], lanes) != lane)
			continue;
		chunk->row_of[kept] = i;
		chunk->offsets[kept] = chunk->offsets[i];
		if (rows->ops)
			chunk->ops[kept] = chunk->ops[i];
		if (rows->widths)
			chunk->widths[kept] = chunk->widths[i];
		keep_value(chunk->operands, rows->operands, kept, i, entries);
		keep_value(chunk->comparands, rows->comparands, kept, i,
			   entries);
		keep_value(chunk->masks, rows->masks, kept, i, entries);
		keep_value(chunk->comparand_masks, rows->comparand_masks, kept,
			   i, entries);
		kept++;
	}
	*rows = shatomic_chunk_rows(chunk, rows, kept);
}
