// SPDX-License-Identifier: GPL-2.0-only
/*
 * A batch's columns between user memory and a chunk. The columns by which rows
 * are checked (keys) and those with values are loaded apart, so that the check
 * of a big batch reads no more than it needs.
 */
#include <linux/uaccess.h>

#include "shatomic.h"

static bool load(void *to, u64 column, size_t entry_size, u64 first, u32 count)
{
	return !column ||
	       !copy_from_user(to, u64_to_user_ptr(column + first * entry_size),
			       count * entry_size);
}

static bool save(u64 column, const void *from, size_t entry_size, u64 first,
		 u32 count)
{
	return !column ||
	       !copy_to_user(u64_to_user_ptr(column + first * entry_size), from,
			     count * entry_size);
}

/* Bytes of a row's operand, comparand, mask or result. */
static size_t value_size(const struct shatomic_ioc_batch *args)
{
	return sizeof(u64) * shatomic_value_entries(args->width);
}

static bool load_values(const struct shatomic_ioc_batch *args, void *to,
			u64 column, u64 first, u32 count)
{
	return load(to, column, value_size(args), first, count);
}

/* Whether a row's operand may be one that it is checked by. */
static bool operands_are_keys(const struct shatomic_ioc_batch *args)
{
	return args->ops || shatomic_op_traits(args->op) & SHATOMIC_OP_HAS_BIT;
}

/* Whether the offsets are all that rows are checked by. */
bool shatomic_columns_offsets_are_keys(const struct shatomic_ioc_batch *args)
{
	return !args->widths && !args->peer_offsets && !args->peer_indexes &&
	       !operands_are_keys(args);
}

/* Those keys that most batches have not, but for the operands. */
static noinline int load_rare_keys(const struct shatomic_ioc_batch *args,
				   struct shatomic_chunk *chunk, u64 first,
				   u32 count, u32 *field)
{
	*field = SHATOMIC_FIELD_OP;
	if (!load(chunk->ops, args->ops, sizeof(*chunk->ops), first, count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_WIDTH;
	if (!load(chunk->widths, args->widths, sizeof(*chunk->widths), first,
		  count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_PEER_INDEXES;
	if (!load(chunk->peer_indexes, args->peer_indexes,
		  sizeof(*chunk->peer_indexes), first, count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_PEER_OFFSETS;
	if (!load(chunk->peer_offsets, args->peer_offsets,
		  sizeof(*chunk->peer_offsets), first, count))
		return -EFAULT;
	return 0;
}

/**
 * shatomic_columns_load_keys() - Load what rows are checked by
 * @args: The batch.
 * @chunk: [out] Where to.
 * @offsets: [out] Where to with the offsets, in the chunk or elsewhere.
 * @first: First row.
 * @count: Number of rows, at most shatomic_chunk_capacity() unless
 *	shatomic_columns_offsets_are_keys().
 * @field: [out] On failure, which column.
 *
 * Return: 0 or -EFAULT.
 */
int shatomic_columns_load_keys(const struct shatomic_ioc_batch *args,
			       struct shatomic_chunk *chunk, u64 *offsets,
			       u64 first, u32 count, u32 *field)
{
	if ((args->ops | args->widths | args->peer_indexes |
	     args->peer_offsets) &&
	    load_rare_keys(args, chunk, first, count, field))
		return -EFAULT;
	if (!load(offsets, args->offsets, sizeof(*offsets), first, count)) {
		*field = SHATOMIC_FIELD_OFFSETS;
		return -EFAULT;
	}
	if (operands_are_keys(args) &&
	    !load_values(args, chunk->operands, args->operands, first, count)) {
		*field = SHATOMIC_FIELD_OPERANDS;
		return -EFAULT;
	}
	return 0;
}

static noinline int load_rare_values(const struct shatomic_ioc_batch *args,
				     struct shatomic_chunk *chunk, u64 first,
				     u32 count, u32 *field)
{
	*field = SHATOMIC_FIELD_COMPARANDS;
	if (!load_values(args, chunk->comparands, args->comparands, first,
			 count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_MASKS;
	if (!load_values(args, chunk->masks, args->masks, first, count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_COMPARAND_MASKS;
	if (!load_values(args, chunk->comparand_masks, args->comparand_masks,
			 first, count))
		return -EFAULT;
	return 0;
}

/* As shatomic_columns_load_keys(), for the other values. */
int shatomic_columns_load_values(const struct shatomic_ioc_batch *args,
				 struct shatomic_chunk *chunk, u64 first,
				 u32 count, u32 *field)
{
	/* What was checked is not read again. */
	if (args->operands && !operands_are_keys(args) &&
	    !load_values(args, chunk->operands, args->operands, first, count)) {
		*field = SHATOMIC_FIELD_OPERANDS;
		return -EFAULT;
	}
	return args->comparands | args->masks | args->comparand_masks ?
		       load_rare_values(args, chunk, first, count, field) : 0;
}

/* Write results and statuses of @count rows back to rows @first and on. */
int shatomic_columns_save(const struct shatomic_ioc_batch *args,
			  const struct shatomic_chunk *chunk, u64 first,
			  u32 count, u32 *field)
{
	size_t size = value_size(args);

	if (!save(args->results, chunk->results, size, first, count)) {
		*field = SHATOMIC_FIELD_RESULTS;
		return -EFAULT;
	}
	if (!save(args->statuses, chunk->statuses, sizeof(*chunk->statuses),
		  first, count)) {
		*field = SHATOMIC_FIELD_STATUSES;
		return -EFAULT;
	}
	return 0;
}

/* The same for the rows of a lane, which are not side by side. */
int shatomic_columns_save_lane(const struct shatomic_ioc_batch *args,
			       const struct shatomic_chunk *chunk, u64 first,
			       u32 count, u32 *field)
{
	size_t size = value_size(args);
	u32 i;

	for (i = 0; i < count; i++) {
		u64 row = first + chunk->row_of[i];

		*field = SHATOMIC_FIELD_RESULTS;
		if (!save(args->results, (u8 *)chunk->results + i * size, size,
			  row, 1))
			return -EFAULT;
		*field = SHATOMIC_FIELD_STATUSES;
		if (!save(args->statuses, &chunk->statuses[i],
			  sizeof(*chunk->statuses), row, 1))
			return -EFAULT;
	}
	return 0;
}
