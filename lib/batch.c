// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The public calls on batches, and running one in this process: from struct
 * shatomic_batch to the rows that the engine knows.
 */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>

static int fail_field(int err, const struct shatomic_region *region,
		      struct shatomic_batch *batch, unsigned int field)
{
	batch->error_field = field;
	return shatomic_fail_batch(err, region, batch);
}

/* What a backend may rely on before it looks into the table of peers. */
static int check_peers(const struct shatomic_region *region,
		       struct shatomic_batch *batch)
{
	uint32_t i;

	if (batch->peer_count > SHATOMIC_MAX_PEERS ||
	    (batch->peer_count && !batch->peers))
		return fail_field(EINVAL, region, batch, SHATOMIC_FIELD_PEERS);
	for (i = 0; i < batch->peer_count; i++) {
		if (!batch->peers[i])
			return fail_field(EINVAL, region, batch,
					  SHATOMIC_FIELD_PEERS);
	}
	return 0;
}

int shatomic_prepare_batch(const struct shatomic_region *region,
			   struct shatomic_batch *batch)
{
	if (!batch)
		return shatomic_fail(EINVAL, "batch is NULL");
	batch->rows_done = 0;
	batch->error_row = UINT64_MAX;
	batch->error_field = SHATOMIC_FIELD_NONE;
	batch->limit = SHATOMIC_LIMIT_NONE;
	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	/* It is the backend's, who knows a descriptor. */
	if (batch->flags & SHATOMIC_BATCH_COLUMNS_IN_REGION)
		return fail_field(EOPNOTSUPP, region, batch,
				  SHATOMIC_FIELD_FLAGS);
	return check_peers(region, batch);
}

static int run(const struct shatomic_region *region,
	       const struct shatomic_batch *batch,
	       const struct shatomic_rows *rows, bool has_fields)
{
	/* So few rows that nobody shares them. */
	if (batch->flags & SHATOMIC_BATCH_SNAPSHOT)
		return shatomic_run_flagged(&region->memory, rows, batch->flags,
					    has_fields);
	shatomic_run_parallel(&region->memory, rows, batch->flags, has_fields,
			      batch->parallelism);
	return 0;
}

static int check_rows(const struct shatomic_region *region,
		      const struct shatomic_batch *batch,
		      const struct shatomic_rows *rows, bool *has_fields,
		      struct shatomic_row_error *error)
{
	const struct shatomic_memory *columns;
	int err;

	err = shatomic_check_shape(rows, batch->flags, error);
	if (!err && batch->columns) {
		columns = &batch->columns->memory;
		err = shatomic_check_columns(rows, (uintptr_t)columns->base,
					     columns->size, columns->writable,
					     error);
	}
	return err ? err : shatomic_check_rows(&region->memory, rows,
					       has_fields, error);
}

static int check_and_run(const struct shatomic_region *region,
			 struct shatomic_batch *batch,
			 const struct shatomic_memory *const *peers)
{
	const struct shatomic_rows rows = {
		.op = batch->op,
		.width = batch->width,
		.count = batch->rows,
		.ops = batch->ops,
		.widths = batch->widths,
		.offsets = (const __u64 *)batch->offsets,
		.operands = (const __u64 *)batch->operands,
		.comparands = (const __u64 *)batch->comparands,
		.masks = (const __u64 *)batch->masks,
		.comparand_masks = (const __u64 *)batch->comparand_masks,
		.results = (__u64 *)batch->results,
		.statuses = batch->statuses,
		.peers = peers,
		.peer_indexes = batch->peer_indexes,
		.peer_offsets = (const __u64 *)batch->peer_offsets,
		.peer_count = batch->peer_count,
	};
	struct shatomic_row_error error = { .row = SHATOMIC_NO_ROW };
	bool has_fields = false;
	int err;

	err = check_rows(region, batch, &rows, &has_fields, &error);
	if (err) {
		batch->error_row = error.row;
		batch->error_field = error.field;
		return shatomic_fail_batch(-err, region, batch);
	}
	err = run(region, batch, &rows, has_fields);
	if (err)
		return shatomic_fail_batch(-err, region, batch);
	batch->rows_done = batch->rows;
	return 0;
}

int shatomic_run_mapped(const struct shatomic_region *region,
			struct shatomic_batch *batch)
{
	const struct shatomic_memory *few[SHATOMIC_FEW_PEERS], **peers;
	uint32_t i;
	int err;

	peers = shatomic_peer_table(region, batch, few, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	for (i = 0; i < batch->peer_count; i++)
		peers[i] = &batch->peers[i]->memory;
	err = check_and_run(region, batch, peers);
	if (peers != few)
		free(peers);
	return err;
}

int shatomic_batch_run(struct shatomic_region *region,
		       struct shatomic_batch *batch)
{
	int err = shatomic_prepare_batch(region, batch);

	return err ? err : region->ops->run_batch(region, batch);
}

int shatomic_batch_run_local(struct shatomic_region *region,
			     struct shatomic_batch *batch)
{
	int err = shatomic_prepare_batch(region, batch);

	return err ? err : shatomic_run_mapped(region, batch);
}

int shatomic_columns_create(const struct shatomic_region *region, size_t size,
			    struct shatomic_region **columns)
{
	if (!region || !columns)
		return shatomic_fail(EINVAL, "region or columns is NULL");
	/* To shatomic_create() it would be something else. */
	if (!size)
		return shatomic_fail(EINVAL, "size is 0");
	return shatomic_create(&(struct shatomic_create_options) {
		.backend = region->ops->backend,
		.size = size,
	}, columns);
}
