// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Why a batch failed, in words: made from the errno value and the [out] fields
 * alone, so that it is the same whoever ran the batch.
 */
#include "backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const field_names[] = {
	[SHATOMIC_FIELD_NONE] = "batch",
	[SHATOMIC_FIELD_FLAGS] = "flags",
	[SHATOMIC_FIELD_OP] = "op",
	[SHATOMIC_FIELD_WIDTH] = "width",
	[SHATOMIC_FIELD_PARALLELISM] = "parallelism",
	[SHATOMIC_FIELD_ROWS] = "rows",
	[SHATOMIC_FIELD_OFFSETS] = "offsets",
	[SHATOMIC_FIELD_OPERANDS] = "operands",
	[SHATOMIC_FIELD_COMPARANDS] = "comparands",
	[SHATOMIC_FIELD_RESULTS] = "results",
	[SHATOMIC_FIELD_STATUSES] = "statuses",
	[SHATOMIC_FIELD_PEERS] = "peers",
	[SHATOMIC_FIELD_PEER_INDEXES] = "peer_indexes",
	[SHATOMIC_FIELD_PEER_OFFSETS] = "peer_offsets",
	[SHATOMIC_FIELD_REGION_SIZE] = "region_size",
	[SHATOMIC_FIELD_MODE] = "mode",
	[SHATOMIC_FIELD_DIRECTORY] = "directory",
	[SHATOMIC_FIELD_RESERVED] = "reserved",
	[SHATOMIC_FIELD_MASKS] = "masks",
	[SHATOMIC_FIELD_COMPARAND_MASKS] = "comparand_masks",
	[SHATOMIC_FIELD_COLUMNS] = "columns",
};

/* Room for "row 18446744073709551615: ". */
#define PREFIX_SIZE 32

/*
 * What is said of one row, as far as its columns are there. The prefix tells
 * which row it is, and is empty when there can only be one.
 */
struct row {
	unsigned long long index;
	char prefix[PREFIX_SIZE];
	unsigned long long offset;
	unsigned long long peer_offset;
	const struct shatomic_region *peer;
	unsigned int peer_index;
	unsigned int op;
	unsigned int width;
	const char *op_name;
};

static const char *field_name(unsigned int field)
{
	if (field >= sizeof(field_names) / sizeof(field_names[0]))
		return "a field that this library does not know";
	return field_names[field];
}

static struct row read_row(const struct shatomic_batch *batch)
{
	uint64_t i = batch->error_row;
	struct row row = {
		.index = i,
		.op = batch->ops ? batch->ops[i] : batch->op,
		.width = batch->widths ? batch->widths[i] : batch->width,
		.op_name = "the operation",
	};

	if (row.op < SHATOMIC_OP_COUNT)
		row.op_name = shatomic_op_name(row.op);
	if (batch->offsets)
		row.offset = batch->offsets[i];
	if (batch->peer_offsets)
		row.peer_offset = batch->peer_offsets[i];
	if (batch->peer_indexes)
		row.peer_index = batch->peer_indexes[i];
	if (row.peer_index < batch->peer_count)
		row.peer = batch->peers[row.peer_index];
	return row;
}

/* A row's offset in its region or in that of its peer. */
static int fail_offset(int err, const struct row *row, const char *what,
		       unsigned long long offset, const char *where,
		       const struct shatomic_region *region)
{
	if (err == ERANGE && region)
		return shatomic_fail(err,
				     "%s%s %llu with width %u lies outside %s (%llu bytes)",
				     row->prefix, what, offset, row->width,
				     where, region->memory.size);
	return shatomic_fail(err,
			     "%s%s %llu with width %u is not %s", row->prefix,
			     what, offset, row->width,
			     row->width == SHATOMIC_DOUBLE_WIDTH ?
				     "a multiple of it" :
				     "inside one aligned 8-byte word");
}

static int fail_access(const struct row *row, unsigned int field)
{
	if (field == SHATOMIC_FIELD_OFFSETS ||
	    field == SHATOMIC_FIELD_PEER_OFFSETS)
		return shatomic_fail(EACCES,
				     "%s%s: a word of width %u can't be loaded from a region that is open read-only",
				     row->prefix, row->op_name, row->width);
	if (field >= SHATOMIC_FIELD_PEERS &&
	    field <= SHATOMIC_FIELD_PEER_OFFSETS)
		return shatomic_fail(EACCES,
				     "%s%s writes to peer %u, which is open read-only",
				     row->prefix, row->op_name,
				     row->peer_index);
	return shatomic_fail(EACCES,
			     "%s%s writes to the region, which is open read-only",
			     row->prefix, row->op_name);
}

static int fail_width(int err, const char *prefix, unsigned int width)
{
	if (width != SHATOMIC_DOUBLE_WIDTH)
		return shatomic_fail(err, "%swidth %u is not 1 to 8, or 16",
				     prefix, width);
	return shatomic_fail(err, "%swidth %u %s", prefix, width,
			     err == EOPNOTSUPP ?
				     "is not what this machine has" :
				     "can only be that of all rows");
}

static int fail_missing(int err, const struct row *row, unsigned int field)
{
	return shatomic_fail(err, "%s%s needs %s", row->prefix,
			     row->op_name, field_name(field));
}

static int fail_bit(int err, const struct row *row, unsigned long long bit)
{
	return shatomic_fail(err, "%s%s: a word of width %u has no bit %llu",
			     row->prefix, row->op_name, row->width, bit);
}

static int fail_row(int err, const struct shatomic_region *region,
		    const struct shatomic_batch *batch, bool is_single)
{
	struct row row = read_row(batch);
	unsigned int field = batch->error_field;

	if (!is_single)
		snprintf(row.prefix, sizeof(row.prefix), "row %llu: ",
			 row.index);
	if (err == EACCES)
		return fail_access(&row, field);
	switch (field) {
	case SHATOMIC_FIELD_OP:
		return shatomic_fail(err,
				     "%sthere is no operation %u",
				     row.prefix, row.op);
	case SHATOMIC_FIELD_WIDTH:
		return fail_width(err, row.prefix, row.width);
	case SHATOMIC_FIELD_OFFSETS:
		return fail_offset(err, &row, "offset", row.offset,
				   "the region", region);
	case SHATOMIC_FIELD_PEER_OFFSETS:
		if (!batch->peer_offsets)
			return fail_missing(err, &row, field);
		return fail_offset(err, &row, "peer offset", row.peer_offset,
				   "the peer region", row.peer);
	case SHATOMIC_FIELD_PEER_INDEXES:
		if (!batch->peer_indexes)
			return fail_missing(err, &row, field);
		return shatomic_fail(err,
				     "%speer index %u, but peer_count is %u",
				     row.prefix, row.peer_index,
				     batch->peer_count);
	case SHATOMIC_FIELD_OPERANDS:
		if (!batch->operands)
			return fail_missing(err, &row, field);
		return fail_bit(err, &row,
				batch->operands[row.index *
						shatomic_value_entries(row.width)]);
	case SHATOMIC_FIELD_COMPARANDS:
	case SHATOMIC_FIELD_MASKS:
	case SHATOMIC_FIELD_COMPARAND_MASKS:
	case SHATOMIC_FIELD_PEERS:
		return fail_missing(err, &row, field);
	default:
		return shatomic_fail(err, "%s%s: %s", row.prefix,
				     field_name(field), strerror(err));
	}
}

static int fail_peers(int err, const struct shatomic_batch *batch)
{
	uint32_t i;

	if (err == EBADF)
		return shatomic_fail(err,
				     "peers: one is not a region of the device backend");
	if (batch->peer_count > SHATOMIC_MAX_PEERS)
		return shatomic_fail(err, "peer_count %u exceeds %u",
				     batch->peer_count, SHATOMIC_MAX_PEERS);
	if (batch->peer_count && !batch->peers)
		return shatomic_fail(err, "peers is NULL, but peer_count is %u",
				     batch->peer_count);
	for (i = 0; i < batch->peer_count; i++) {
		if (!batch->peers[i])
			return shatomic_fail(err, "peers: entry %u is NULL", i);
	}
	return shatomic_fail(err, "peers: %s",
			     batch->peer_count ? strerror(err) :
						 "the operation needs one");
}

/* A column whose entries may be misaligned, NULL when it is missing. */
static const void *column_of(const struct shatomic_batch *batch)
{
	switch (batch->error_field) {
	case SHATOMIC_FIELD_OFFSETS:
		return batch->offsets;
	case SHATOMIC_FIELD_OPERANDS:
		return batch->operands;
	case SHATOMIC_FIELD_COMPARANDS:
		return batch->comparands;
	case SHATOMIC_FIELD_MASKS:
		return batch->masks;
	case SHATOMIC_FIELD_COMPARAND_MASKS:
		return batch->comparand_masks;
	case SHATOMIC_FIELD_RESULTS:
		return batch->results;
	case SHATOMIC_FIELD_PEER_INDEXES:
		return batch->peer_indexes;
	case SHATOMIC_FIELD_PEER_OFFSETS:
		return batch->peer_offsets;
	default:
		return NULL;
	}
}

/* Whether it is about where in the region a column is that columns are in. */
static bool is_misplaced(int err, const struct shatomic_batch *batch)
{
	return batch->columns && (err == ERANGE || err == EACCES ||
				  (err == EINVAL && column_of(batch)));
}

static int fail_misplaced(int err, const struct shatomic_batch *batch)
{
	const char *name = field_name(batch->error_field);

	switch (err) {
	case ERANGE:
		return shatomic_fail(err,
				     "%s is not all inside the region of columns",
				     name);
	case EACCES:
		return shatomic_fail(err,
				     "%s is in the region of columns, which is open read-only",
				     name);
	default:
		return shatomic_fail(err, "%s is not aligned to its entries",
				     name);
	}
}

static int fail_flags(int err, unsigned int flags)
{
	const unsigned int callers = SHATOMIC_BATCH_UNORDERED |
				     SHATOMIC_BATCH_SNAPSHOT;

	if (err == EINVAL)
		return shatomic_fail(err,
				     "flags: a snapshot can't be unordered");
	if (flags & SHATOMIC_BATCH_COLUMNS_IN_REGION)
		return shatomic_fail(err,
				     "flags: SHATOMIC_BATCH_COLUMNS_IN_REGION is not the caller's to set: columns says it");
	return shatomic_fail(err, "flags has unknown bits 0x%x",
			     flags & ~callers);
}

/* An error about a field that all rows share, or a column that is missing. */
static int fail_whole(int err, const struct shatomic_batch *batch)
{
	const char *name = field_name(batch->error_field);
	unsigned long long rows = batch->rows;

	switch (batch->error_field) {
	case SHATOMIC_FIELD_FLAGS:
		return fail_flags(err, batch->flags);
	case SHATOMIC_FIELD_OP:
		if (batch->flags & SHATOMIC_BATCH_SNAPSHOT && err == EINVAL)
			return shatomic_fail(err,
					     "op: a snapshot is a batch of gets");
		if (batch->ops && batch->op)
			return shatomic_fail(err,
					     "op must be 0 when ops is given");
		return shatomic_fail(err, "there is no operation %u",
				     batch->op);
	case SHATOMIC_FIELD_WIDTH:
		if (batch->widths && batch->width)
			return shatomic_fail(err,
					     "width must be 0 when widths is given");
		if (batch->flags & SHATOMIC_BATCH_SNAPSHOT &&
		    batch->width == SHATOMIC_DOUBLE_WIDTH)
			return shatomic_fail(err,
					     "width %u: a snapshot has words of up to 8 bytes",
					     batch->width);
		return fail_width(err, "", batch->width);
	case SHATOMIC_FIELD_ROWS:
		if (batch->flags & SHATOMIC_BATCH_SNAPSHOT)
			return shatomic_fail(err,
					     "rows %llu: a snapshot has %u at most",
					     rows, SHATOMIC_SNAPSHOT_ROWS);
		return shatomic_fail(err, "rows %llu: %s", rows, strerror(err));
	case SHATOMIC_FIELD_OFFSETS:
	case SHATOMIC_FIELD_OPERANDS:
	case SHATOMIC_FIELD_COMPARANDS:
	case SHATOMIC_FIELD_MASKS:
	case SHATOMIC_FIELD_COMPARAND_MASKS:
	case SHATOMIC_FIELD_PEER_INDEXES:
	case SHATOMIC_FIELD_PEER_OFFSETS:
	case SHATOMIC_FIELD_RESULTS:
		if (err == EINVAL)
			return shatomic_fail(err, "%s is needed, but NULL",
					     name);
		break;
	case SHATOMIC_FIELD_PEERS:
		return fail_peers(err, batch);
	case SHATOMIC_FIELD_COLUMNS:
		return shatomic_fail(err,
				     "columns is not a region of the device backend");
	}
	return shatomic_fail(err, "%s: %s", name, strerror(err));
}

static int fail_limit(int err, const struct shatomic_batch *batch)
{
	unsigned long long rows = batch->rows;
	char text[SHATOMIC_LIMIT_TEXT_SIZE];

	shatomic_limit_text(batch->limit, text);
	return shatomic_fail(err, "%llu rows are refused by a limit: %s", rows,
			     text);
}

static int fail_midway(int err, const struct shatomic_batch *batch)
{
	unsigned long long done = batch->rows_done, rows = batch->rows;

	return shatomic_fail(err, "%s after %llu of %llu rows",
			     err == EFAULT ?
				     "a column does not lead to memory that can be used" :
				     "a fatal signal arrived",
			     done, rows);
}

int shatomic_fail_batch(int err, const struct shatomic_region *region,
			const struct shatomic_batch *batch)
{
	if (batch->limit && (err == EPERM || err == ENOMEM))
		return fail_limit(err, batch);
	if (err == EFAULT || err == EINTR)
		return fail_midway(err, batch);
	if (err == EBUSY)
		return shatomic_fail(err,
				     "the words changed all the time while a snapshot was wanted");
	if (batch->error_row < batch->rows)
		return fail_row(err, region, batch, false);
	if (is_misplaced(err, batch))
		return fail_misplaced(err, batch);
	return fail_whole(err, batch);
}

int shatomic_fail_single(int err, const struct shatomic_region *region,
			 const struct shatomic_batch *batch)
{
	return fail_row(err, region, batch, true);
}
