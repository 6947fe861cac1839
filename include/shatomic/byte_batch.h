/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Batch forms of the single operations whose values are bytes, row after row.
 * Columns of integers are more direct and cost less: see batch.h.
 */
#ifndef SHATOMIC_BYTE_BATCH_H
#define SHATOMIC_BYTE_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "region.h"

struct shatomic_object;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct shatomic_byte_batch - Rows whose values are bytes
 * @flags: enum shatomic_batch_flags
 * @parallelism: Most CPUs to use, 0 to choose.
 * @rows: Number of rows.
 * @width: Width of all rows in bytes, 1 to 8 or 16; must be 0 when @widths is
 *	given. At 16 neither region nor peer may be open read-only, not even
 *	to load from (-EACCES).
 * @stride: Bytes from a row of @values, @comparands and @results to the next,
 *	at least the largest width; 0 for the largest width.
 * @widths: Each row's width in bytes, 1 to 8, or NULL.
 * @offsets: Each row's offset in bytes. Its word lies inside one aligned 8-byte
 *	word, or is one of 16.
 * @values: Rows of @stride bytes, of which each operation uses as many as its
 *	row is wide: its value or operand.
 * @comparands: Rows in the same form.
 * @results: [out] Rows in the same form, what a row does not fill being zero on
 *	the right; or NULL. May be @values or @comparands.
 * @statuses: [out] Each row's enum shatomic_row_status, or NULL.
 * @peers: Table of regions that rows take their operand from, all of the same
 *	backend as the batch's region when that is the device.
 * @peer_indexes: Each row's place in @peers, or NULL: the first for all.
 * @peer_offsets: Each row's offset in its peer region in bytes.
 * @peer_count: Number of entries in @peers, 0 to SHATOMIC_MAX_PEERS.
 * @objects: Each row's object, for the functions that take them; see object.h.
 * @rows_done: [out] How many rows ran.
 * @error_row: [out] The row that an error is about, or UINT64_MAX.
 * @error_field: [out] enum shatomic_field: which field or column, @values being
 *	SHATOMIC_FIELD_OPERANDS.
 * @limit: [out] On -EPERM and -ENOMEM, enum shatomic_limit: which limit.
 *
 * Zero what is not used: a column that the function does not need is not looked
 * at. The batch is checked whole before its first row runs, then runs on the
 * region's backend as shatomic_batch_run() does, and fails as that does; also
 * with -EINVAL for a stride that is less than the largest width. When it
 * fails in the middle, @statuses tells which rows ran, and @results stays as it
 * was. Row order is as struct shatomic_ioc_batch describes. The columns must
 * stay as they are until the call returns.
 */
struct shatomic_byte_batch {
	unsigned int flags;
	unsigned int parallelism;
	uint64_t rows;
	unsigned int width;
	size_t stride;
	const uint8_t *widths;
	const uint64_t *offsets;
	const void *values;
	const void *comparands;
	void *results;
	uint8_t *statuses;
	struct shatomic_region *const *peers;
	const uint32_t *peer_indexes;
	const uint64_t *peer_offsets;
	uint32_t peer_count;
	const struct shatomic_object *objects;
	uint64_t rows_done;
	uint64_t error_row;
	unsigned int error_field;
	unsigned int limit;
};

/**
 * shatomic_gets() - Load words
 * @region: The region.
 * @batch: The batch; results is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_gets(struct shatomic_region *region,
		  struct shatomic_byte_batch *batch);

/**
 * shatomic_sets() - Store values in words
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_sets(struct shatomic_region *region,
		  struct shatomic_byte_batch *batch);

/**
 * shatomic_get_and_sets() - Exchange words for values
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_get_and_sets(struct shatomic_region *region,
			  struct shatomic_byte_batch *batch);

/**
 * shatomic_stores() - Store words of other regions
 * @region: The region.
 * @batch: The batch; peers and peer_offsets are needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_stores(struct shatomic_region *region,
		    struct shatomic_byte_batch *batch);

/**
 * shatomic_compare_and_sets() - Set words that equal those of other regions
 * @region: The region.
 * @batch: The batch; values, peers and peer_offsets are needed.
 *
 * As shatomic_compare_and_set() in each row. The results are a bool a row, one
 * byte whatever the stride: 1 where the word was set, 0 where not.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_compare_and_sets(struct shatomic_region *region,
			      struct shatomic_byte_batch *batch);

/**
 * shatomic_compare_and_set_values() - Set words that equal values
 * @region: The region.
 * @batch: The batch; values and comparands are needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_compare_and_set_values(struct shatomic_region *region,
				    struct shatomic_byte_batch *batch);

/**
 * shatomic_fetch_and_adds() - Add to words, giving what they were
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_fetch_and_adds(struct shatomic_region *region,
			    struct shatomic_byte_batch *batch);

/**
 * shatomic_fetch_and_subs() - Subtract from words, giving what they were
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_fetch_and_subs(struct shatomic_region *region,
			    struct shatomic_byte_batch *batch);

/**
 * shatomic_fetch_and_ands() - AND into words, giving what they were
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_fetch_and_ands(struct shatomic_region *region,
			    struct shatomic_byte_batch *batch);

/**
 * shatomic_fetch_and_ors() - OR into words, giving what they were
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_fetch_and_ors(struct shatomic_region *region,
			   struct shatomic_byte_batch *batch);

/**
 * shatomic_fetch_and_xors() - XOR into words, giving what they were
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_fetch_and_xors(struct shatomic_region *region,
			    struct shatomic_byte_batch *batch);

/**
 * shatomic_fetch_and_nands() - NAND into words, giving what they were
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_fetch_and_nands(struct shatomic_region *region,
			     struct shatomic_byte_batch *batch);

/**
 * shatomic_add_and_fetches() - Add to words, giving what they become
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_add_and_fetches(struct shatomic_region *region,
			     struct shatomic_byte_batch *batch);

/**
 * shatomic_sub_and_fetches() - Subtract from words, giving what they become
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_sub_and_fetches(struct shatomic_region *region,
			     struct shatomic_byte_batch *batch);

/**
 * shatomic_and_and_fetches() - AND into words, giving what they become
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_and_and_fetches(struct shatomic_region *region,
			     struct shatomic_byte_batch *batch);

/**
 * shatomic_or_and_fetches() - OR into words, giving what they become
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_or_and_fetches(struct shatomic_region *region,
			    struct shatomic_byte_batch *batch);

/**
 * shatomic_xor_and_fetches() - XOR into words, giving what they become
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_xor_and_fetches(struct shatomic_region *region,
			     struct shatomic_byte_batch *batch);

/**
 * shatomic_nand_and_fetches() - NAND into words, giving what they become
 * @region: The region.
 * @batch: The batch; values is needed.
 *
 * Return: 0, or as struct shatomic_byte_batch says.
 */
int shatomic_nand_and_fetches(struct shatomic_region *region,
			      struct shatomic_byte_batch *batch);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_BYTE_BATCH_H */
