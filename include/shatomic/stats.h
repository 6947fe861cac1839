/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has run on a region: batches and rows, as the kernel counts them.
 */
#ifndef SHATOMIC_STATS_H
#define SHATOMIC_STATS_H

#include <linux/shatomic.h>
#include <stdint.h>

#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct shatomic_stats - What shatomic_stats() tells of a region
 * @counting: Zero when the kernel does not count now, which the module
 *	parameter stats says: /sys/module/shatomic/parameters/stats.
 * @batches: Batches that have ended, well or not.
 * @errors: Those of them that failed.
 * @in_flight: Batches that have begun and not ended.
 * @rows: Rows that ran.
 * @op_rows: The same by operation, enum shatomic_op.
 */
struct shatomic_stats {
	int counting;
	uint64_t batches;
	uint64_t errors;
	uint64_t in_flight;
	uint64_t rows;
	uint64_t op_rows[SHATOMIC_OP_SLOTS];
};

/**
 * shatomic_stats() - What has run on a region since it was created
 * @region: The region.
 * @stats: [out] Filled in.
 *
 * Counted are batches that the kernel ran, whoever gave them: those of
 * shatomic_batch_run(), of queues and of functions that are made of them, but
 * neither shatomic_batch_run_local() nor single operations. The memfd backend
 * has no kernel to count.
 *
 * Return: 0; -EOPNOTSUPP (the memfd backend, or a module that has no
 * statistics); -EINVAL (a NULL).
 */
int shatomic_stats(const struct shatomic_region *region,
		   struct shatomic_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_STATS_H */
