/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The batch engine: checks rows, plans who runs them, runs them. One source,
 * compiled into shatomic.ko and into libshatomic. It touches only memory that
 * its caller hands it: getting columns from where they are, threads and
 * errors in the middle are the caller's business.
 */
#ifndef SHATOMIC_ENGINE_H
#define SHATOMIC_ENGINE_H

#include "ops.h"
#include "shim.h"
#include "tune.h"

/**
 * struct shatomic_memory - A region as the engine reaches it
 * @extents: Kernel: for each of its extents of 1 << @extent_shift bytes, in
 *	order, what to add to an offset in the region for its address; the
 *	kernel has no contiguous mapping of a region.
 * @extent_shift: Kernel: log2 of the bytes in an extent.
 * @base: Userspace: address of its first byte.
 * @size: Its size in bytes.
 * @writable: Whether rows may change it.
 * @prefetch: Whether to bring words in before their rows run: it does not fit
 *	a CPU's L2 cache.
 */
struct shatomic_memory {
#ifdef __KERNEL__
	const uintptr_t *extents;
	unsigned int extent_shift;
#else
	unsigned char *base;
#endif
	__u64 size;
	bool writable;
	bool prefetch;
};

/* The address of @offset, which must have been checked. */
static inline void *shatomic_memory_at(const struct shatomic_memory *memory,
				       __u64 offset)
{
#ifdef __KERNEL__
	return (void *)(memory->extents[offset >> memory->extent_shift] +
			offset);
#else
	return memory->base + offset;
#endif
}

/**
 * struct shatomic_rows - Rows whose columns can be read and written in place
 * @op: Operation of all rows when @ops is NULL.
 * @width: Width of all rows in bytes when @widths is NULL.
 * @count: Number of rows.
 * @ahead: Number of rows after these whose offsets are in @offsets, checked,
 *	too: their words may be brought in.
 * @ops: Each row's operation, or NULL.
 * @widths: Each row's width, or NULL.
 * @offsets: Each row's offset.
 * @operands: Each row's operand, or NULL.
 * @comparands: Each row's comparand, or NULL.
 * @masks: Each row's mask, or NULL.
 * @comparand_masks: Each row's mask of the comparand, or NULL.
 * @results: Where results go, or NULL.
 * @statuses: Where statuses go, or NULL.
 * @peers: The peer regions.
 * @peer_indexes: Each row's place in @peers, or NULL for the first.
 * @peer_offsets: Each row's offset in its peer, or NULL.
 * @peer_count: Number of @peers.
 *
 * The fields mean what they mean in struct shatomic_ioc_batch.
 */
struct shatomic_rows {
	__u32 op;
	__u32 width;
	__u64 count;
	__u64 ahead;
	const __u8 *ops;
	const __u8 *widths;
	const __u64 *offsets;
	const __u64 *operands;
	const __u64 *comparands;
	const __u64 *masks;
	const __u64 *comparand_masks;
	__u64 *results;
	__u8 *statuses;
	const struct shatomic_memory *const *peers;
	const __u32 *peer_indexes;
	const __u64 *peer_offsets;
	__u32 peer_count;
};

/*
 * Rows of this width, which all rows of a batch have or none, are doubles:
 * their operands, comparands, masks and results are two entries each, the
 * lower half first.
 */
#define SHATOMIC_DOUBLE_WIDTH 16

/* Entries of a column of values for one row. */
static inline __u32 shatomic_value_entries(__u32 width)
{
	return width == SHATOMIC_DOUBLE_WIDTH ? 2 : 1;
}

/* What is wrong with a row, or (row == SHATOMIC_NO_ROW) with the whole. */
#define SHATOMIC_NO_ROW (~0ULL)

struct shatomic_row_error {
	__u64 row;
	__u32 field;
};

/* The traits of a valid operation: SHATOMIC_OP_HAS_OPERAND and so on. */
__u32 shatomic_op_traits(__u32 op);

/* The widths that an operation supports: bit w - 1 for w bytes. */
__u16 shatomic_op_widths(__u32 op);

/* Whether words of @width bytes, 1 to 8, are: by every operation, everywhere. */
bool shatomic_width_is_supported(__u32 width);

/* Whether this machine has doubles. */
bool shatomic_has_doubles(void);

/* Whether such a word at @offset is an integer of the machine. */
static inline bool shatomic_is_integer(__u64 offset, __u32 width)
{
	return !((offset | width) & (width - 1));
}

/**
 * shatomic_check_shape() - Check what concerns the whole batch
 * @rows: The rows; of the columns only their presence is looked at.
 * @flags: enum shatomic_batch_flags
 * @error: [out] What is wrong.
 *
 * Return: 0, -EINVAL or -EOPNOTSUPP.
 */
int shatomic_check_shape(const struct shatomic_rows *rows, __u32 flags,
			 struct shatomic_row_error *error);

/**
 * shatomic_check_columns() - Check that columns lie in one piece of memory
 * @rows: The rows, whose shape has been checked; of the columns only the
 *	addresses are looked at, which may be any numbers.
 * @base: The address of its first byte, in the same numbers.
 * @size: Its size in bytes.
 * @writable: Whether it may be written to.
 * @error: [out] What is wrong.
 *
 * Return: 0, -ERANGE, -EINVAL for entries that are not aligned, or -EACCES.
 */
int shatomic_check_columns(const struct shatomic_rows *rows, __u64 base,
			   __u64 size, bool writable,
			   struct shatomic_row_error *error);

/**
 * shatomic_check_rows() - Check each row
 * @self: The region they are for.
 * @rows: The rows, whose shape has been checked.
 * @has_fields: [out] Set when rows of one operation and width have a word, or a
 *	peer's, that is not an integer of the machine, 1, 2, 4 or 8 bytes wide
 *	and aligned; else left as it is.
 * @error: [out] The first row that is wrong, counted from 0 in @rows.
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP, -ERANGE or -EACCES.
 */
int shatomic_check_rows(const struct shatomic_memory *self,
			const struct shatomic_rows *rows, bool *has_fields,
			struct shatomic_row_error *error);

/**
 * shatomic_run_rows() - Run rows in row order
 * @self: The region they are for.
 * @rows: The rows, which have been checked.
 * @has_fields: What shatomic_check_rows() found.
 */
void shatomic_run_rows(const struct shatomic_memory *self,
		       const struct shatomic_rows *rows, bool has_fields);

/*
 * As shatomic_run_rows(), but as @flags say: enum shatomic_batch_flags. Returns
 * 0, or -EBUSY when a snapshot could not be had.
 */
int shatomic_run_flagged(const struct shatomic_memory *self,
			 const struct shatomic_rows *rows, __u32 flags,
			 bool has_fields);

/* Whether to prefetch in a region of @size bytes; the cache's size may be 0. */
static inline bool shatomic_prefetch_pays(__u64 size, __u64 l2_cache_size)
{
	return size > (l2_cache_size ? l2_cache_size : SHATOMIC_USUAL_L2_SIZE);
}

/* @count rows from @first on, as rows of their own. */
struct shatomic_rows shatomic_rows_slice(const struct shatomic_rows *rows,
					 __u64 first, __u64 count);

/**
 * enum shatomic_plan - How several CPUs may share a batch
 * @SHATOMIC_PLAN_SERIAL: They may not: one runs all rows in order.
 * @SHATOMIC_PLAN_SLICES: Each takes a range of rows: the order can't be seen
 *	or does not matter.
 * @SHATOMIC_PLAN_LANES: Each goes through all rows and runs those whose cache
 *	line is in its lane, so that rows on one word stay in order.
 */
enum shatomic_plan {
	SHATOMIC_PLAN_SERIAL,
	SHATOMIC_PLAN_SLICES,
	SHATOMIC_PLAN_LANES,
};

/**
 * shatomic_plan_rows() - Decide how several CPUs may share a batch
 * @rows: The rows; of the columns only their presence is looked at.
 * @flags: enum shatomic_batch_flags
 * @has_fields: What shatomic_check_rows() found.
 *
 * Return: The plan.
 */
enum shatomic_plan shatomic_plan_rows(const struct shatomic_rows *rows,
				      __u32 flags, bool has_fields);

/**
 * shatomic_count_workers() - Decide how many CPUs may share a batch
 * @rows: Number of rows.
 * @slice_rows: Rows that are worth one more CPU.
 * @cpus: CPUs that may be used.
 * @parallelism: Most of them to use, 0 to choose.
 *
 * Return: How many, at least 1.
 */
__u32 shatomic_count_workers(__u64 rows, __u32 slice_rows, __u32 cpus,
			     __u32 parallelism);

/* Whether so many workers are to go in lanes; more than 1 asked for always. */
static inline bool shatomic_lanes_pay(__u32 workers, __u32 parallelism)
{
	return workers >= SHATOMIC_LANES_WORTH || parallelism;
}

/* How many rows of @width bytes a chunk has room for. */
static inline __u32 shatomic_chunk_capacity(__u32 width)
{
	return SHATOMIC_CHUNK_ROWS / shatomic_value_entries(width);
}

/*
 * The lane, of @lanes, of the cache line that @offset lies in, so that no two
 * CPUs take turns with a line. The multiplication spreads neighbouring lines
 * over lanes.
 */
static inline __u32 shatomic_lane_of(__u64 offset, __u32 lanes)
{
	__u64 spread = ((offset >> SHATOMIC_LINE_SHIFT) *
			0x9E3779B97F4A7C15ULL) >> 32;

	return (spread * lanes) >> 32;
}

/*
 * Whether so many rows are on few cache lines that CPUs which take ranges of
 * rows would wait for each other's.
 */
bool shatomic_rows_are_hot(const struct shatomic_rows *rows);

/**
 * struct shatomic_chunk - Room for a copy of some rows
 * @offsets: Column.
 * @operands: Column.
 * @comparands: Column.
 * @masks: Column.
 * @comparand_masks: Column.
 * @results: Column.
 * @peer_offsets: Column.
 * @peer_indexes: Column.
 * @row_of: After shatomic_chunk_keep_lane(): where each row stood before.
 * @ops: Column.
 * @widths: Column.
 * @statuses: Column.
 */
struct shatomic_chunk {
	__u64 offsets[SHATOMIC_CHUNK_ROWS];
	__u64 operands[SHATOMIC_CHUNK_ROWS];
	__u64 comparands[SHATOMIC_CHUNK_ROWS];
	__u64 masks[SHATOMIC_CHUNK_ROWS];
	__u64 comparand_masks[SHATOMIC_CHUNK_ROWS];
	__u64 results[SHATOMIC_CHUNK_ROWS];
	__u64 peer_offsets[SHATOMIC_CHUNK_ROWS];
	__u32 peer_indexes[SHATOMIC_CHUNK_ROWS];
	__u16 row_of[SHATOMIC_CHUNK_ROWS];
	__u8 ops[SHATOMIC_CHUNK_ROWS];
	__u8 widths[SHATOMIC_CHUNK_ROWS];
	__u8 statuses[SHATOMIC_CHUNK_ROWS];
};

/* The rows of @chunk, with those columns that @shape has. */
struct shatomic_rows shatomic_chunk_rows(struct shatomic_chunk *chunk,
					 const struct shatomic_rows *shape,
					 __u32 count);

/**
 * shatomic_chunk_keep_lane() - Keep only the rows of one lane
 * @chunk: The chunk; the rows kept come to its front, in order.
 * @rows: The rows, whose values may be in the chunk or elsewhere and whose
 *	other columns are in it; they become those kept, all in the chunk.
 * @lane: The lane, 0 to @lanes - 1.
 * @lanes: Number of lanes.
 */
void shatomic_chunk_keep_lane(struct shatomic_chunk *chunk,
			      struct shatomic_rows *rows, __u32 lane,
			      __u32 lanes);

#endif /* SHATOMIC_ENGINE_H */
