// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has run: batches and rows, by region. Each CPU counts in memory of its
 * own, so that counting takes a few instructions and no cache line from others;
 * who reads adds up. A region that is freed leaves its counts to the module's.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>

#include "shatomic.h"

DEFINE_STATIC_KEY_TRUE(shatomic_counting);

static bool stats_on = true;

static int set_stats(const char *value, const struct kernel_param *param)
{
	int ret = param_set_bool(value, param);

	if (ret)
		return ret;
	if (stats_on)
		static_branch_enable(&shatomic_counting);
	else
		static_branch_disable(&shatomic_counting);
	return 0;
}

static const struct kernel_param_ops stats_ops = {
	.flags	= KERNEL_PARAM_OPS_FL_NOARG,
	.set	= set_stats,
	.get	= param_get_bool,
};

module_param_cb(stats, &stats_ops, &stats_on, 0644);
__MODULE_PARM_TYPE(stats, "bool");
MODULE_PARM_DESC(stats, "Count batches and rows (default Y)");

LIST_HEAD(shatomic_regions);
/* For the list, and for what regions that are no more have left. */
DEFINE_MUTEX(shatomic_regions_lock);
static struct shatomic_ioc_stats retired;

/**
 * shatomic_stats_alloc() - Give a region that is being made its counters
 * @region: The region.
 *
 * Return: 0 or -ENOMEM.
 */
int shatomic_stats_alloc(struct shatomic_region *region)
{
	region->counters = alloc_percpu_gfp(struct shatomic_counters,
					    GFP_KERNEL_ACCOUNT);
	return region->counters ? 0 : -ENOMEM;
}

/**
 * shatomic_stats_free() - Free what shatomic_stats_alloc() allocated
 * @region: The region.
 */
void shatomic_stats_free(struct shatomic_region *region)
{
	free_percpu(region->counters);
	region->counters = NULL;
}

/**
 * shatomic_stats_add() - Make a region one of those that can be seen
 * @region: The region, whole.
 */
void shatomic_stats_add(struct shatomic_region *region)
{
	mutex_lock(&shatomic_regions_lock);
	list_add_tail(&region->node, &shatomic_regions);
	mutex_unlock(&shatomic_regions_lock);
}

/**
 * shatomic_stats_add_up() - Add what has been counted of a region
 * @region: The region.
 * @sum: What to add to.
 */
void shatomic_stats_add_up(const struct shatomic_region *region,
			   struct shatomic_ioc_stats *sum)
{
	const struct shatomic_counters *counters;
	u64 begun = 0, ended = 0;
	u32 op;
	int cpu;

	for_each_possible_cpu(cpu)
		ended += READ_ONCE(per_cpu_ptr(region->counters, cpu)->ended);
	/*
	 * After these, so that no batch has ended that has not begun. Pairs with
	 * the barrier in shatomic_submit(); a thread that goes to another CPU in
	 * between passes a full one.
	 */
	smp_rmb();
	for_each_possible_cpu(cpu) {
		counters = per_cpu_ptr(region->counters, cpu);
		begun += READ_ONCE(counters->begun);
		sum->errors += READ_ONCE(counters->errors);
		for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
			u64 rows = READ_ONCE(counters->op_rows[op]);

			sum->op_rows[op] += rows;
			sum->rows += rows;
		}
	}
	sum->batches += ended;
	sum->in_flight += begun - ended;
}

/**
 * shatomic_stats_retire() - Undo shatomic_stats_add()
 * @region: The region, on which nothing runs any more. What has been counted of
 *	it stays in the sum over all.
 */
void shatomic_stats_retire(struct shatomic_region *region)
{
	mutex_lock(&shatomic_regions_lock);
	list_del_init(&region->node);
	shatomic_stats_add_up(region, &retired);
	mutex_unlock(&shatomic_regions_lock);
}

/**
 * shatomic_stats() - What has run on a region
 * @region: The region.
 * @stats: [out] What; the caller's structure.
 *
 * Return: 0, -EOPNOTSUPP or -EINVAL.
 */
int shatomic_stats(struct shatomic_region *region,
		   struct shatomic_ioc_stats *stats)
{
	u32 size = stats->size;

	if (stats->flags)
		return -EOPNOTSUPP;
	if (stats->reserved)
		return -EINVAL;

	*stats = (struct shatomic_ioc_stats) { .size = size };
	stats->counting = static_key_enabled(&shatomic_counting);
	shatomic_stats_add_up(region, stats);
	return 0;
}

/**
 * shatomic_stats_total() - What has run since the module was loaded
 * @sum: [out] What, on regions that are no more too.
 */
void shatomic_stats_total(struct shatomic_ioc_stats *sum)
{
	const struct shatomic_region *region;

	mutex_lock(&shatomic_regions_lock);
	*sum = retired;
	list_for_each_entry(region, &shatomic_regions, node)
		shatomic_stats_add_up(region, sum);
	mutex_unlock(&shatomic_regions_lock);
	sum->counting = static_key_enabled(&shatomic_counting);
}

/**
 * shatomic_stats_count_rows() - Count rows that have run, where that is wanted
 * @counters: Those of their region.
 * @rows: The rows, for shatomic_count_rows().
 */
void shatomic_stats_count_rows(struct shatomic_counters __percpu *counters,
			       const struct shatomic_rows *rows)
{
	const u8 *op = rows->ops, *end = op + rows->count;

	if (!op) {
		this_cpu_add(counters->op_rows[rows->op], rows->count);
		return;
	}
	for (; op < end; op++)
		this_cpu_inc(counters->op_rows[*op]);
}
