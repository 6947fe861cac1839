// SPDX-License-Identifier: GPL-2.0-only
/*
 * A batch's columns, which are in user memory or in a region, and the chunk
 * that some of their rows are in. The columns by which rows are checked (keys)
 * and those with values are loaded apart, so that the check of a big batch
 * reads no more than it needs.
 *
 * Whoever has the memory that columns are in can change it at any time. Keys are
 * therefore copied first, wherever they are, and then checked and used as they
 * are in the copy. Values in user memory are copied too; those in a region are
 * used in place, where the kernel has them in one stretch. The engine may read
 * such a value twice and find another, but all that it does with one is to
 * compute what goes into words and results: where those are, and for how long
 * it runs, depends on keys only.
 */
#include <linux/file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "shatomic.h"

/*
 * Of @bytes from @offset on, how many lie in one stretch: extents that adjoin
 * have the same to be added to an offset.
 */
static size_t stretch_at(const struct shatomic_memory *memory, u64 offset,
			 size_t bytes)
{
	u64 extent = offset >> memory->extent_shift;
	u64 last = (offset + bytes - 1) >> memory->extent_shift;
	uintptr_t origin = memory->extents[extent];

	while (extent < last) {
		extent++;
		if (memory->extents[extent] != origin)
			return (extent << memory->extent_shift) - offset;
	}
	return bytes;
}

/* Where entries are in the region; they begin with @column, a member. */
static u64 region_offset(const struct shatomic_columns *columns, u64 column)
{
	return column - columns->args->columns_base;
}

static noinline void load_from_region(const struct shatomic_columns *columns,
				      void *to, u64 column, size_t bytes)
{
	const struct shatomic_memory *memory = &columns->memory;
	u64 offset = region_offset(columns, column);
	size_t stretch;

	for (; bytes; bytes -= stretch) {
		stretch = stretch_at(memory, offset, bytes);
		memcpy(to, shatomic_memory_at(memory, offset), stretch);
		to += stretch;
		offset += stretch;
	}
	/* What is checked and used from here on is the copy. */
	barrier();
}

static noinline void save_to_region(const struct shatomic_columns *columns,
				    u64 column, const void *from, size_t bytes)
{
	const struct shatomic_memory *memory = &columns->memory;
	u64 offset = region_offset(columns, column);
	size_t stretch;

	for (; bytes; bytes -= stretch) {
		stretch = stretch_at(memory, offset, bytes);
		memcpy(shatomic_memory_at(memory, offset), from, stretch);
		from += stretch;
		offset += stretch;
	}
}

/*
 * Most entries of 8 bytes that are copied one by one. The functions for copies
 * of any size take as many instructions before they begin as some 30 of these.
 */
#define FEW_ENTRIES 32

static noinline bool load_few(u64 *to, const u64 __user *from, u32 count)
{
	u32 i;

	if (!user_read_access_begin(from, count * sizeof(*from)))
		return false;
	for (i = 0; i < count; i++)
		unsafe_get_user(to[i], &from[i], fault);
	user_read_access_end();
	return true;

fault:
	user_read_access_end();
	return false;
}

static noinline bool save_few(u64 __user *to, const u64 *from, u32 count)
{
	u32 i;

	if (!user_write_access_begin(to, count * sizeof(*to)))
		return false;
	for (i = 0; i < count; i++)
		unsafe_put_user(from[i], &to[i], fault);
	user_write_access_end();
	return true;

fault:
	user_write_access_end();
	return false;
}

static bool load_from_user(void *to, u64 column, size_t entry_size, u32 count)
{
	if (entry_size == sizeof(u64) && count <= FEW_ENTRIES)
		return load_few(to, u64_to_user_ptr(column), count);
	return !copy_from_user(to, u64_to_user_ptr(column), count * entry_size);
}

static bool save_to_user(u64 column, const void *from, size_t entry_size,
			 u32 count)
{
	if (entry_size == sizeof(u64) && count <= FEW_ENTRIES)
		return save_few(u64_to_user_ptr(column), from, count);
	return !copy_to_user(u64_to_user_ptr(column), from, count * entry_size);
}

static bool load_column(const struct shatomic_columns *columns, void *to,
			u64 column, size_t entry_size, u64 first, u32 count)
{
	if (!column)
		return true;
	column += first * entry_size;
	if (!columns->file)
		return load_from_user(to, column, entry_size, count);
	load_from_region(columns, to, column, count * entry_size);
	return true;
}

static bool save_column(const struct shatomic_columns *columns, u64 column,
			const void *from, size_t entry_size, u64 first,
			u32 count)
{
	column += first * entry_size;
	if (!columns->file)
		return save_to_user(column, from, entry_size, count);
	save_to_region(columns, column, from, count * entry_size);
	return true;
}

static noinline void *place_in_region(const struct shatomic_columns *columns,
				      u64 column, size_t bytes)
{
	u64 offset = region_offset(columns, column);

	if (stretch_at(&columns->memory, offset, bytes) < bytes)
		return NULL;
	return shatomic_memory_at(&columns->memory, offset);
}

/* The entries themselves, or @copy where they can only be copied. */
static __always_inline void *place_of(const struct shatomic_columns *columns,
				      void *copy, u64 column, size_t entry_size,
				      u64 first, u32 count)
{
	void *place = columns->file ?
			      place_in_region(columns,
					      column + first * entry_size,
					      count * entry_size) : NULL;

	return place ? place : copy;
}

/* Bytes of a row's operand, comparand, mask or result. */
static size_t value_size(const struct shatomic_ioc_batch *args)
{
	return sizeof(u64) * shatomic_value_entries(args->width);
}

/* Have the values of some rows in place, or else in @copy. */
static bool load_values(const struct shatomic_columns *columns, u64 *copy,
			const u64 **values, u64 column, u64 first, u32 count)
{
	size_t size = value_size(columns->args);

	if (!column)
		return true;
	*values = place_of(columns, copy, column, size, first, count);
	return *values != copy ||
	       load_column(columns, copy, column, size, first, count);
}

/**
 * shatomic_columns_open_region() - Find out which region columns are in
 * @columns: [out] Where they are, as shatomic_columns_open() began it.
 * @field: [out] On failure, which field.
 *
 * Return: 0, -EINVAL, -EBADF, -EACCES or -ERANGE.
 */
int shatomic_columns_open_region(struct shatomic_columns *columns, u32 *field)
{
	const struct shatomic_ioc_batch *args = columns->args;
	const struct shatomic_rows shape = shatomic_columns_shape(args);
	struct shatomic_row_error error;
	struct file *file;
	int ret;

	*field = SHATOMIC_FIELD_RESERVED;
	if (args->reserved)
		return -EINVAL;
	*field = SHATOMIC_FIELD_COLUMNS;
	if (!(args->flags & SHATOMIC_BATCH_COLUMNS_IN_REGION))
		return -EINVAL;
	file = fget(args->columns);
	if (!file)
		return -EBADF;
	ret = -EBADF;
	if (!shatomic_region_of(file))
		goto err;
	ret = -EACCES;
	if (!(file->f_mode & FMODE_READ))
		goto err;

	shatomic_region_as_memory(file, &columns->memory);
	ret = shatomic_check_columns(&shape, args->columns_base,
				     columns->memory.size,
				     columns->memory.writable, &error);
	if (ret) {
		*field = error.field;
		goto err;
	}
	columns->file = file;
	*field = SHATOMIC_FIELD_NONE;
	return 0;

err:
	fput(file);
	return ret;
}

/**
 * shatomic_columns_shape() - A batch's rows as the engine's shape
 * @args: The batch.
 *
 * Return: Which columns there are. They are the caller's addresses, which are not
 * to be followed.
 */
struct shatomic_rows
shatomic_columns_shape(const struct shatomic_ioc_batch *args)
{
	return (struct shatomic_rows) {
		.op = args->op,
		.width = args->width,
		.count = args->rows,
		.ops = (void *)(uintptr_t)args->ops,
		.widths = (void *)(uintptr_t)args->widths,
		.offsets = (void *)(uintptr_t)args->offsets,
		.operands = (void *)(uintptr_t)args->operands,
		.comparands = (void *)(uintptr_t)args->comparands,
		.masks = (void *)(uintptr_t)args->masks,
		.comparand_masks = (void *)(uintptr_t)args->comparand_masks,
		.results = (void *)(uintptr_t)args->results,
		.statuses = (void *)(uintptr_t)args->statuses,
		.peer_indexes = (void *)(uintptr_t)args->peer_indexes,
		.peer_offsets = (void *)(uintptr_t)args->peer_offsets,
		.peer_count = args->peer_count,
	};
}

/* Whether a row's operand may be one that it is checked by. */
static bool operands_are_keys(const struct shatomic_ioc_batch *args)
{
	return args->ops || shatomic_op_traits(args->op) & SHATOMIC_OP_HAS_BIT;
}

/**
 * shatomic_columns_offsets_are_keys() - Whether rows are checked by offsets alone
 * @args: The batch, whose operation is one if it is for all rows.
 *
 * Return: Whether so.
 */
bool shatomic_columns_offsets_are_keys(const struct shatomic_ioc_batch *args)
{
	return !args->widths && !args->peer_offsets && !args->peer_indexes &&
	       !operands_are_keys(args);
}

/* Those keys that most batches have not, but for the operands. */
static noinline int load_rare_keys(const struct shatomic_columns *columns,
				   struct shatomic_chunk *chunk, u64 first,
				   u32 count, u32 *field)
{
	const struct shatomic_ioc_batch *args = columns->args;

	*field = SHATOMIC_FIELD_OP;
	if (!load_column(columns, chunk->ops, args->ops, sizeof(*chunk->ops),
			 first, count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_WIDTH;
	if (!load_column(columns, chunk->widths, args->widths,
			 sizeof(*chunk->widths), first, count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_PEER_INDEXES;
	if (!load_column(columns, chunk->peer_indexes, args->peer_indexes,
			 sizeof(*chunk->peer_indexes), first, count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_PEER_OFFSETS;
	if (!load_column(columns, chunk->peer_offsets, args->peer_offsets,
			 sizeof(*chunk->peer_offsets), first, count))
		return -EFAULT;
	return 0;
}

/**
 * shatomic_columns_load_keys() - Load what rows are checked by
 * @columns: Where the columns are.
 * @chunk: [out] Where to.
 * @offsets: [out] Where to with the offsets, in the chunk or elsewhere.
 * @first: First row.
 * @count: Number of rows, at most shatomic_chunk_capacity() unless
 *	shatomic_columns_offsets_are_keys().
 * @field: [out] On failure, which column.
 *
 * Return: 0 or -EFAULT.
 */
int shatomic_columns_load_keys(const struct shatomic_columns *columns,
			       struct shatomic_chunk *chunk, u64 *offsets,
			       u64 first, u32 count, u32 *field)
{
	const struct shatomic_ioc_batch *args = columns->args;

	if ((args->ops | args->widths | args->peer_indexes |
	     args->peer_offsets) &&
	    load_rare_keys(columns, chunk, first, count, field))
		return -EFAULT;
	if (!load_column(columns, offsets, args->offsets, sizeof(*offsets),
			 first, count)) {
		*field = SHATOMIC_FIELD_OFFSETS;
		return -EFAULT;
	}
	if (operands_are_keys(args) &&
	    !load_column(columns, chunk->operands, args->operands,
			 value_size(args), first, count)) {
		*field = SHATOMIC_FIELD_OPERANDS;
		return -EFAULT;
	}
	return 0;
}

static noinline int load_rare_values(const struct shatomic_columns *columns,
				     struct shatomic_chunk *chunk,
				     struct shatomic_rows *rows, u64 first,
				     u32 *field)
{
	const struct shatomic_ioc_batch *args = columns->args;

	*field = SHATOMIC_FIELD_COMPARANDS;
	if (!load_values(columns, chunk->comparands, &rows->comparands,
			 args->comparands, first, rows->count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_MASKS;
	if (!load_values(columns, chunk->masks, &rows->masks, args->masks,
			 first, rows->count))
		return -EFAULT;
	*field = SHATOMIC_FIELD_COMPARAND_MASKS;
	if (!load_values(columns, chunk->comparand_masks,
			 &rows->comparand_masks, args->comparand_masks, first,
			 rows->count))
		return -EFAULT;
	return 0;
}

/* Where results and statuses go: in place, or else to the chunk. */
static void find_outputs(const struct shatomic_columns *columns,
			 struct shatomic_chunk *chunk,
			 struct shatomic_rows *rows, u64 first)
{
	const struct shatomic_ioc_batch *args = columns->args;

	if (args->results)
		rows->results = place_of(columns, chunk->results,
					 args->results, value_size(args),
					 first, rows->count);
	if (args->statuses)
		rows->statuses = place_of(columns, chunk->statuses,
					  args->statuses,
					  sizeof(*chunk->statuses), first,
					  rows->count);
}

/**
 * shatomic_columns_load_values() - Load the rest of rows, to be run
 * @columns: Where the columns are.
 * @chunk: [out] Where to, as far as they are copied.
 * @rows: [out] The rows, whose keys are loaded: their values, and where their
 *	results and statuses go.
 * @first: First row.
 * @field: [out] On failure, which column.
 *
 * Return: 0 or -EFAULT.
 */
int shatomic_columns_load_values(const struct shatomic_columns *columns,
				 struct shatomic_chunk *chunk,
				 struct shatomic_rows *rows, u64 first,
				 u32 *field)
{
	const struct shatomic_ioc_batch *args = columns->args;

	/* What was checked is not read again. */
	if (!operands_are_keys(args) &&
	    !load_values(columns, chunk->operands, &rows->operands,
			 args->operands, first, rows->count)) {
		*field = SHATOMIC_FIELD_OPERANDS;
		return -EFAULT;
	}
	find_outputs(columns, chunk, rows, first);
	return args->comparands | args->masks | args->comparand_masks ?
		       load_rare_values(columns, chunk, rows, first, field) : 0;
}

/**
 * shatomic_columns_save() - Write back what came of rows
 * @columns: Where the columns are.
 * @chunk: Their results and statuses, as far as they are not in place.
 * @rows: The rows, as shatomic_columns_load_values() left them.
 * @first: First row.
 * @field: [out] On failure, which column.
 *
 * Return: 0 or -EFAULT.
 */
int shatomic_columns_save(const struct shatomic_columns *columns,
			  const struct shatomic_chunk *chunk,
			  const struct shatomic_rows *rows, u64 first,
			  u32 *field)
{
	const struct shatomic_ioc_batch *args = columns->args;

	if (rows->results == chunk->results &&
	    !save_column(columns, args->results, chunk->results,
			 value_size(args), first, rows->count)) {
		*field = SHATOMIC_FIELD_RESULTS;
		return -EFAULT;
	}
	if (rows->statuses == chunk->statuses &&
	    !save_column(columns, args->statuses, chunk->statuses,
			 sizeof(*chunk->statuses), first, rows->count)) {
		*field = SHATOMIC_FIELD_STATUSES;
		return -EFAULT;
	}
	return 0;
}

/**
 * shatomic_columns_save_lane() - Write back what came of rows not side by side
 * @columns: Where the columns are.
 * @chunk: Their results and statuses, and which rows they are.
 * @first: The row that those of the chunk are counted from.
 * @count: How many.
 * @field: [out] On failure, which column.
 *
 * Return: 0 or -EFAULT.
 */
int shatomic_columns_save_lane(const struct shatomic_columns *columns,
			       const struct shatomic_chunk *chunk, u64 first,
			       u32 count, u32 *field)
{
	const struct shatomic_ioc_batch *args = columns->args;
	size_t size = value_size(args);
	u32 i;

	for (i = 0; i < count; i++) {
		u64 row = first + chunk->row_of[i];

		*field = SHATOMIC_FIELD_RESULTS;
		if (args->results &&
		    !save_column(columns, args->results,
				 (u8 *)chunk->results + i * size, size, row, 1))
			return -EFAULT;
		*field = SHATOMIC_FIELD_STATUSES;
		if (args->statuses &&
		    !save_column(columns, args->statuses, &chunk->statuses[i],
				 sizeof(*chunk->statuses), row, 1))
			return -EFAULT;
	}
	return 0;
}
