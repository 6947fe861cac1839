// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Batches whose values are rows of bytes: turned into columns of integers, run,
 * and their results turned back.
 */
#include "backend.h"
#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/**
 * struct columns - A batch's values as columns of integers
 * @operands: Column, or NULL.
 * @comparands: Column, or NULL.
 * @results: Column, or NULL.
 */
struct columns {
	uint64_t *operands;
	uint64_t *comparands;
	uint64_t *results;
};

/* Width of a row, 0 for one that can't be, which the batch is refused for. */
static unsigned int width_of(const struct shatomic_byte_batch *batch,
			     uint64_t row)
{
	unsigned int width = batch->widths ? batch->widths[row] : batch->width;

	if (shatomic_width_is_supported(width) ||
	    (width == SHATOMIC_DOUBLE_WIDTH && !batch->widths))
		return width;
	return 0;
}

static unsigned int largest_width(const struct shatomic_byte_batch *batch)
{
	unsigned int largest = 0, width;
	uint64_t row;

	if (!batch->widths)
		return batch->rows ? width_of(batch, 0) : 0;
	for (row = 0; row < batch->rows; row++) {
		width = width_of(batch, row);
		if (width > largest)
			largest = width;
	}
	return largest;
}

static int fail_field(struct shatomic_byte_batch *batch, unsigned int field,
		      const char *name)
{
	batch->error_field = field;
	return shatomic_fail(EINVAL, "%s is needed, but NULL", name);
}

/* What is about bytes; the rest is checked when the columns are run. */
static int check(struct shatomic_byte_batch *batch, int needs, bool is_get,
		 size_t *stride)
{
	unsigned int largest = largest_width(batch);

	if (!batch->rows)
		return 0;
	if (needs & SHATOMIC_NEEDS_OPERAND && !batch->values)
		return fail_field(batch, SHATOMIC_FIELD_OPERANDS, "values");
	if (needs & SHATOMIC_NEEDS_COMPARAND && !batch->comparands)
		return fail_field(batch, SHATOMIC_FIELD_COMPARANDS,
				  "comparands");
	if (is_get && !batch->results)
		return fail_field(batch, SHATOMIC_FIELD_RESULTS, "results");
	if (batch->stride && batch->stride < largest)
		return shatomic_fail(EINVAL,
				     "stride %zu is less than the largest width %u",
				     batch->stride, largest);
	*stride = batch->stride ? batch->stride : largest;
	return 0;
}

static uint64_t *load_column(const struct shatomic_byte_batch *batch,
			     const void *values, size_t stride)
{
	unsigned int entries = shatomic_value_entries(batch->width);
	const unsigned char *bytes = values;
	uint64_t *column, value[2], row;

	column = reallocarray(NULL, batch->rows, entries * sizeof(*column));
	for (row = 0; column && row < batch->rows; row++) {
		shatomic_value_load_any(bytes + row * stride,
					width_of(batch, row), value);
		memcpy(&column[row * entries], value,
		       entries * sizeof(*column));
	}
	return column;
}

static void free_columns(struct columns *columns)
{
	free(columns->operands);
	free(columns->comparands);
	free(columns->results);
}

static int load_columns(struct shatomic_byte_batch *batch, int needs,
			size_t stride, struct columns *columns)
{
	unsigned int entries = shatomic_value_entries(batch->width);

	if (!batch->rows)
		return 0;
	if (needs & SHATOMIC_NEEDS_OPERAND) {
		columns->operands = load_column(batch, batch->values, stride);
		if (!columns->operands)
			goto no_memory;
	}
	if (needs & SHATOMIC_NEEDS_COMPARAND) {
		columns->comparands =
			load_column(batch, batch->comparands, stride);
		if (!columns->comparands)
			goto no_memory;
	}
	if (batch->results) {
		columns->results = reallocarray(NULL, batch->rows,
						entries * sizeof(uint64_t));
		if (!columns->results)
			goto no_memory;
	}
	return 0;

no_memory:
	batch->limit = SHATOMIC_LIMIT_MEMORY;
	return shatomic_fail(ENOMEM, "no memory for the columns of %llu rows",
			     (unsigned long long)batch->rows);
}

/* A comparison's result is a bool, else a row of bytes. */
static void store_results(const struct shatomic_byte_batch *batch,
			  const uint64_t *results, bool are_bools,
			  size_t stride)
{
	unsigned int entries = shatomic_value_entries(batch->width);
	unsigned char *bytes = batch->results;
	uint64_t row;

	for (row = 0; results && row < batch->rows; row++) {
		if (are_bools) {
			bytes[row] = results[row * entries];
			continue;
		}
		memset(bytes + row * stride, 0, stride);
		shatomic_value_store_any(bytes + row * stride,
					 width_of(batch, row),
					 &results[row * entries]);
	}
}

static int run_columns(struct shatomic_region *region,
		       struct shatomic_byte_batch *batch, unsigned int op,
		       int needs, const struct columns *columns)
{
	struct shatomic_batch run = {
		.op = op,
		.width = batch->width,
		.flags = batch->flags,
		.parallelism = batch->parallelism,
		.rows = batch->rows,
		.widths = batch->widths,
		.offsets = batch->offsets,
		.operands = columns->operands,
		.comparands = columns->comparands,
		.results = columns->results,
		.statuses = batch->statuses,
	};
	int err;

	if (needs & SHATOMIC_NEEDS_PEER) {
		run.peers = batch->peers;
		run.peer_indexes = batch->peer_indexes;
		run.peer_offsets = batch->peer_offsets;
		run.peer_count = batch->peer_count;
	}
	err = shatomic_batch_run(region, &run);
	batch->rows_done = run.rows_done;
	batch->error_row = run.error_row;
	batch->error_field = run.error_field;
	batch->limit = run.limit;
	return err;
}

int shatomic_byte_batch_begin(const struct shatomic_region *region,
			      struct shatomic_byte_batch *batch)
{
	if (!batch)
		return shatomic_fail(EINVAL, "batch is NULL");
	batch->rows_done = 0;
	batch->error_row = UINT64_MAX;
	batch->error_field = SHATOMIC_FIELD_NONE;
	batch->limit = SHATOMIC_LIMIT_NONE;
	return region ? 0 : shatomic_fail(EINVAL, "region is NULL");
}

static int run_form(struct shatomic_region *region,
		    struct shatomic_byte_batch *batch, unsigned int op)
{
	int needs = shatomic_op_needs(op);
	struct columns columns = { .operands = NULL };
	size_t stride = 0;
	int err;

	err = shatomic_byte_batch_begin(region, batch);
	if (err)
		return err;
	err = check(batch, needs, op == SHATOMIC_OP_GET, &stride);
	if (err)
		return err;
	err = load_columns(batch, needs, stride, &columns);
	if (!err)
		err = run_columns(region, batch, op, needs, &columns);
	if (!err)
		store_results(batch, columns.results,
			      op == SHATOMIC_OP_COMPARE_AND_SET, stride);
	free_columns(&columns);
	return err;
}

#define DEFINE_FORM(name, constant)                                           \
	int shatomic_##name(struct shatomic_region *region,                   \
			    struct shatomic_byte_batch *batch)                \
	{                                                                     \
		return run_form(region, batch, SHATOMIC_OP_##constant);       \
	}

DEFINE_FORM(gets, GET)
DEFINE_FORM(sets, SET)
DEFINE_FORM(get_and_sets, GET_AND_SET)
DEFINE_FORM(stores, STORE)
DEFINE_FORM(compare_and_sets, COMPARE_AND_SET)
DEFINE_FORM(compare_and_set_values, COMPARE_AND_SET_VALUE)
DEFINE_FORM(fetch_and_adds, FETCH_AND_ADD)
DEFINE_FORM(fetch_and_subs, FETCH_AND_SUB)
DEFINE_FORM(fetch_and_ands, FETCH_AND_AND)
DEFINE_FORM(fetch_and_ors, FETCH_AND_OR)
DEFINE_FORM(fetch_and_xors, FETCH_AND_XOR)
DEFINE_FORM(fetch_and_nands, FETCH_AND_NAND)
DEFINE_FORM(add_and_fetches, ADD_AND_FETCH)
DEFINE_FORM(sub_and_fetches, SUB_AND_FETCH)
DEFINE_FORM(and_and_fetches, AND_AND_FETCH)
DEFINE_FORM(or_and_fetches, OR_AND_FETCH)
DEFINE_FORM(xor_and_fetches, XOR_AND_FETCH)
DEFINE_FORM(nand_and_fetches, NAND_AND_FETCH)
