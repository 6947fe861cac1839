/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Batches: many operations as columns. The library uses these where they are;
 * the kernel copies them, unless they lie in a region.
 */
#ifndef SHATOMIC_BATCH_H
#define SHATOMIC_BATCH_H

#include <linux/shatomic.h>
#include <stdint.h>

#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct shatomic_batch - Many operations on one region
 * @op: Operation for all rows; must be 0 when @ops is given.
 * @width: Width for all rows in bytes, 1 to 8 or 16; must be 0 when @widths is
 *	given. At 16, which not every machine has, offsets are multiples of 16,
 *	operands, comparands, masks and results are two entries a row, the
 *	lower half first, and neither region nor peer may be open read-only,
 *	not even to load from (-EACCES).
 * @flags: enum shatomic_batch_flags without SHATOMIC_BATCH_COLUMNS_IN_REGION.
 * @parallelism: Most CPUs to use, 0 to choose.
 * @rows: Number of rows.
 * @ops: Each row's operation, or NULL.
 * @widths: Each row's width in bytes, 1 to 8, or NULL.
 * @offsets: Each row's offset in bytes. Its word lies inside one aligned 8-byte
 *	word.
 * @operands: Each row's operand; needed when any row has one.
 * @comparands: Each row's comparand; needed when any row has one.
 * @masks: Each row's mask; needed when any row has one.
 * @comparand_masks: Each row's mask of the comparand; needed when any row has
 *	one.
 * @results: [out] Each row's result, zero extended, or NULL. May be @operands,
 *	@comparands, @masks or @comparand_masks.
 * @statuses: [out] Each row's enum shatomic_row_status, or NULL.
 * @peers: Table of regions that rows take their operand from, all of the same
 *	backend as the batch's region when that is the device.
 * @peer_indexes: Each row's place in @peers, or NULL: the first for all.
 * @peer_offsets: Each row's offset in its peer region in bytes; needed when any
 *	row has a peer.
 * @columns: Region whose mapping, that of this handle, all columns lie in, or
 *	NULL; of the device's when the batch's region is. It may be the batch's
 *	region. See shatomic_columns_create().
 * @peer_count: Number of entries in @peers, 0 to SHATOMIC_MAX_PEERS.
 * @rows_done: [out] How many rows ran.
 * @error_row: [out] The row that an error is about, or UINT64_MAX.
 * @error_field: [out] enum shatomic_field: which field or column.
 * @limit: [out] On -EPERM and -ENOMEM, enum shatomic_limit: which limit.
 *
 * Zero what is not used. Checks, row order and partial failure are as struct
 * shatomic_ioc_batch describes, on both backends. The columns must stay as
 * they are until the call returns.
 */
struct shatomic_batch {
	unsigned int op;
	unsigned int width;
	unsigned int flags;
	unsigned int parallelism;
	uint64_t rows;
	const uint8_t *ops;
	const uint8_t *widths;
	const uint64_t *offsets;
	const uint64_t *operands;
	const uint64_t *comparands;
	const uint64_t *masks;
	const uint64_t *comparand_masks;
	uint64_t *results;
	uint8_t *statuses;
	struct shatomic_region *const *peers;
	const uint32_t *peer_indexes;
	const uint64_t *peer_offsets;
	const struct shatomic_region *columns;
	uint32_t peer_count;
	unsigned int error_field;
	uint64_t rows_done;
	uint64_t error_row;
	unsigned int limit;
};

/**
 * shatomic_batch_run() - Run a batch on the region's backend
 * @region: The region.
 * @batch: The batch; its [out] fields are set on success and failure.
 *
 * The device backend runs it in the kernel, the memfd backend in the calling
 * process. Each row is sequentially consistent. A thread that runs batches, in
 * whatever form, needs a stack of 128 KiB.
 *
 * Return: 0 when all rows ran, or a negative errno value: -EINVAL, -EOPNOTSUPP,
 * -ERANGE or -EACCES with error_row and error_field set and nothing changed;
 * -EBADF with error_field SHATOMIC_FIELD_PEERS or SHATOMIC_FIELD_COLUMNS when
 * the region is the device's and a peer or the columns' is not; -ERANGE, -EINVAL
 * or -EACCES with the column in error_field and no row, when that is not all in
 * the columns' region, not aligned there, or to be written to it though it is
 * open read-only; -EPERM or -ENOMEM with limit set and nothing changed;
 * -EFAULT or -EINTR in the middle, with rows_done rows run.
 */
int shatomic_batch_run(struct shatomic_region *region,
		       struct shatomic_batch *batch);

/**
 * shatomic_batch_run_local() - Run a batch in the calling process
 * @region: The region, of any backend.
 * @batch: The batch; its [out] fields are set on success and failure.
 *
 * The same as shatomic_batch_run() without entering the kernel, which wins
 * for small batches.
 *
 * Return: As shatomic_batch_run().
 */
int shatomic_batch_run_local(struct shatomic_region *region,
			     struct shatomic_batch *batch);

/**
 * shatomic_columns_create() - Memory for the columns of a region's batches
 * @region: The region.
 * @size: Size of all columns together in bytes.
 * @columns: [out] A region of the same backend, of that size and without a
 *	name; shatomic_close() ends it.
 *
 * Put the columns where shatomic_buf() tells that it is, each aligned to its
 * entries, and the handle into the batch's columns: the kernel then uses values,
 * results and statuses where they are, and copies only what rows are checked
 * by. Any other region of the device will do as well. On the memfd backend,
 * where nothing is copied anyway, it is the same program.
 *
 * Return: 0; -EINVAL (@region or @columns is NULL, @size is 0), or what
 * shatomic_create() answers.
 */
int shatomic_columns_create(const struct shatomic_region *region, size_t size,
			    struct shatomic_region **columns);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_BATCH_H */
