/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rows of a batch as columns, made from text.
 */
#ifndef SHATOMIC_BATCH_ROWS_H
#define SHATOMIC_BATCH_ROWS_H

#include <shatomic.h>
#include <stdbool.h>

#include "batch_input.h"

/**
 * struct batch_defaults - What rows have that do not say
 * @backend: Where regions are.
 * @op: Operation, or -1 for none.
 * @width: Width in bytes; 16 is that of all rows or of none.
 * @peer: Name of the peer region, or NULL for none.
 */
struct batch_defaults {
	enum shatomic_backend backend;
	int op;
	unsigned int width;
	const char *peer;
};

struct batch_peer;

/**
 * struct batch_rows - Rows as columns
 * @count: Number of rows.
 * @defaults: What rows have that do not say.
 * @peers: Peer regions by name.
 * @peer_regions: The same by index.
 * @peer_count: Number of them.
 * @lines: Which line each row is from.
 * @ops: The batch's column of that name, see struct shatomic_batch.
 * @widths: The same.
 * @offsets: The same.
 * @operands: The same.
 * @comparands: The same.
 * @masks: The same.
 * @comparand_masks: The same.
 * @peer_indexes: The same.
 * @peer_offsets: The same.
 * @results: The same.
 * @statuses: The same.
 */
struct batch_rows {
	uint64_t count;
	const struct batch_defaults *defaults;
	struct batch_peer *peers;
	struct shatomic_region *peer_regions[SHATOMIC_MAX_PEERS];
	uint32_t peer_count;
	uint64_t *lines;
	uint8_t *ops;
	uint8_t *widths;
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *comparands;
	uint64_t *masks;
	uint64_t *comparand_masks;
	uint32_t *peer_indexes;
	uint64_t *peer_offsets;
	uint64_t *results;
	uint8_t *statuses;
};

/* No rows, and room for @most of them. */
void batch_rows_init(struct batch_rows *rows,
		     const struct batch_defaults *defaults, uint64_t most);
void batch_rows_free(struct batch_rows *rows);

/* Add the row that was read last; false when it is wrong, as it then says. */
bool batch_rows_add(struct batch_rows *rows, struct batch_input *input);

/*
 * Open a region for writing where its mode allows it, else for reading: then
 * rows that write are refused. An errno value as of shatomic_open().
 */
int batch_open(enum shatomic_backend backend, const char *name,
	       struct shatomic_region **region);

#endif /* SHATOMIC_BATCH_ROWS_H */
