// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: the module parameters, and what regions and batches are charged.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/stringify.h>

#include "shatomic.h"

static unsigned long max_pinned_bytes;
module_param(max_pinned_bytes, ulong, 0644);
MODULE_PARM_DESC(max_pinned_bytes,
		 "Most bytes in all regions together (default: half of the memory)");

static unsigned int max_regions = 4096;
module_param(max_regions, uint, 0644);
MODULE_PARM_DESC(max_regions, "Most regions at a time (default 4096)");

static unsigned long max_batch_rows = 1UL << 26;
module_param(max_batch_rows, ulong, 0644);
MODULE_PARM_DESC(max_batch_rows,
		 "Most rows in a batch, at most 2147483647 (default 67108864)");

static unsigned int max_batches = 4096;
module_param(max_batches, uint, 0644);
MODULE_PARM_DESC(max_batches, "Most batches in flight (default 4096)");

static unsigned int slice_rows = SHATOMIC_SLICE_ROWS;
module_param(slice_rows, uint, 0644);
MODULE_PARM_DESC(slice_rows,
		 "Rows above which a batch is shared between CPUs, at least "
		 __stringify(SHATOMIC_CHUNK_ROWS) " (default "
		 __stringify(SHATOMIC_SLICE_ROWS) ")");

static atomic64_t pinned_bytes = ATOMIC64_INIT(0);
static atomic_t regions = ATOMIC_INIT(0);
static atomic_t batches = ATOMIC_INIT(0);

static u64 pinned_bytes_limit(void)
{
	return READ_ONCE(max_pinned_bytes);
}

/* The default that depends on the machine; so the parameter reads as it is. */
void __init shatomic_limits_init(void)
{
	if (!max_pinned_bytes)
		max_pinned_bytes = totalram_pages() / 2 << PAGE_SHIFT;
}

static int charge_locked_vm(struct shatomic_charge *charge)
{
	unsigned long pages = charge->bytes >> PAGE_SHIFT;
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *user;

	charge->user = NULL;
	if (capable(CAP_IPC_LOCK))
		return 0;

	user = get_uid(current_user());
	if (atomic_long_add_return(pages, &user->locked_vm) > limit) {
		atomic_long_sub(pages, &user->locked_vm);
		free_uid(user);
		return -EPERM;
	}
	charge->user = user;
	return 0;
}

static void uncharge_locked_vm(struct shatomic_charge *charge)
{
	if (!charge->user)
		return;
	atomic_long_sub(charge->bytes >> PAGE_SHIFT, &charge->user->locked_vm);
	free_uid(charge->user);
}

/**
 * shatomic_charge_region() - Charge a region that is about to be created
 * @charge: [out] What was charged.
 * @bytes: Size of the region, whole pages.
 * @limit: [out] On failure, which limit refused.
 *
 * Return: 0, -EPERM or -ENOMEM.
 */
int shatomic_charge_region(struct shatomic_charge *charge, u64 bytes,
			   u32 *limit)
{
	int ret = -ENOMEM;

	charge->bytes = bytes;

	*limit = SHATOMIC_LIMIT_PINNED_BYTES;
	/* Before adding, so that the sum cannot overflow. */
	if (bytes > pinned_bytes_limit())
		return ret;

	/* The user's own limit first: who is over it is in nobody's way. */
	*limit = SHATOMIC_LIMIT_MEMLOCK;
	if (charge_locked_vm(charge))
		return -EPERM;

	*limit = SHATOMIC_LIMIT_PINNED_BYTES;
	if (atomic64_add_return(bytes, &pinned_bytes) > pinned_bytes_limit())
		goto err_bytes;

	*limit = SHATOMIC_LIMIT_REGIONS;
	ret = -EPERM;
	if (atomic_inc_return(&regions) > READ_ONCE(max_regions))
		goto err_regions;

	*limit = SHATOMIC_LIMIT_NONE;
	return 0;

err_regions:
	atomic_dec(&regions);
err_bytes:
	atomic64_sub(bytes, &pinned_bytes);
	uncharge_locked_vm(charge);
	return ret;
}

void shatomic_uncharge_region(struct shatomic_charge *charge)
{
	atomic_dec(&regions);
	atomic64_sub(charge->bytes, &pinned_bytes);
	uncharge_locked_vm(charge);
}

/* Whether one more batch may be in flight; then it is counted. */
bool shatomic_charge_batch(void)
{
	if (atomic_inc_return(&batches) <= READ_ONCE(max_batches))
		return true;
	atomic_dec(&batches);
	return false;
}

void shatomic_uncharge_batch(void)
{
	atomic_dec(&batches);
}

/* Not more than a completion of io_uring can tell. */
u64 shatomic_max_batch_rows(void)
{
	return min_t(u64, READ_ONCE(max_batch_rows), INT_MAX);
}

u32 shatomic_slice_rows(void)
{
	return max_t(u32, READ_ONCE(slice_rows), SHATOMIC_CHUNK_ROWS);
}

void shatomic_limits_info(struct shatomic_ioc_info *info)
{
	info->max_pinned_bytes = pinned_bytes_limit();
	info->max_region_bytes = min(info->max_pinned_bytes & PAGE_MASK,
				     SHATOMIC_MAX_REGION_BYTES);
	info->pinned_bytes = atomic64_read(&pinned_bytes);
	info->max_regions = READ_ONCE(max_regions);
	info->regions = atomic_read(&regions);
	info->max_batch_rows = shatomic_max_batch_rows();
	info->slice_rows = shatomic_slice_rows();
}
