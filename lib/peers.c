// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Room for the table of a batch's peers, which each backend fills in its own way.
 */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>

void *shatomic_peer_table(const struct shatomic_region *region,
			  struct shatomic_batch *batch, void *few, size_t size)
{
	void *table;

	if (few && batch->peer_count <= SHATOMIC_FEW_PEERS)
		return few;
	table = malloc(batch->peer_count * size);
	if (!table) {
		batch->limit = SHATOMIC_LIMIT_MEMORY;
		shatomic_fail_batch(ENOMEM, region, batch);
	}
	return table;
}
