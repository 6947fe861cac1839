// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches as they come, by ioctl or io_uring: each is counted, traced and run in
 * the way that suits it.
 */
#include <linux/fs.h>
#include <linux/percpu.h>

#include "shatomic.h"
#include "trace.h"

static __always_inline int run_any(struct file *file,
				   struct shatomic_ioc_batch *args)
{
	u32 cpus = 1;
	int ret;

	trace_shatomic_batch_submit(file, args);
	args->rows_done = 0;
	args->error_row = SHATOMIC_NO_ROW;
	args->error_field = SHATOMIC_FIELD_NONE;
	args->limit = SHATOMIC_LIMIT_NONE;
	if (!shatomic_solo_run(file, args, &ret))
		ret = shatomic_batch_run(file, args, &cpus);
	trace_shatomic_batch_complete(file, args, ret, cpus);
	return ret;
}

/**
 * shatomic_submit() - Check and run a batch, and count it
 * @file: A file of the region.
 * @args: What to run; its [out] fields are set.
 *
 * Return: 0 or a negative errno value, see struct shatomic_ioc_batch.
 */
int shatomic_submit(struct file *file, struct shatomic_ioc_batch *args)
{
	struct shatomic_counters __percpu *counters;
	int ret;

	if (!static_branch_likely(&shatomic_counting))
		return run_any(file, args);

	/* One that has begun ends, whatever becomes of the key meanwhile. */
	counters = shatomic_counters_of(file);
	this_cpu_inc(counters->begun);
	ret = run_any(file, args);
	if (ret)
		this_cpu_inc(counters->errors);
	/* Who sees that it has ended sees that it began: shatomic_stats_add_up(). */
	smp_wmb();
	this_cpu_inc(counters->ended);
	return ret;
}
