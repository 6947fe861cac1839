// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: the module parameters, and what regions and batches are charged.
 */
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/stringify.h>
#include <linux/uidgid.h>
#include <linux/xarray.h>

#include "shatomic.h"

static unsigned long max_pinned_bytes;
module_param(max_pinned_bytes, ulong, 0644);
MODULE_PARM_DESC(max_pinned_bytes,
		 "Most bytes in all regions together (default, and 0 when loading: half of the memory)");

static unsigned int max_regions = 4096;
module_param(max_regions, uint, 0644);
MODULE_PARM_DESC(max_regions, "Most regions at a time (default 4096)");

/* A quarter of them: regions of one page are cheap for who may lock memory. */
static unsigned int max_user_regions = 1024;
module_param(max_user_regions, uint, 0644);
MODULE_PARM_DESC(max_user_regions,
		 "Most of them of one user without CAP_IPC_LOCK, by real user ID (default 1024)");

static unsigned long max_batch_rows = 1UL << 26;
module_param(max_batch_rows, ulong, 0644);
MODULE_PARM_DESC(max_batch_rows,
		 "Most rows in a batch, at most 2147483647 (default 67108864)");

static unsigned int max_batches = 4096;
module_param(max_batches, uint, 0644);
MODULE_PARM_DESC(max_batches,
		 "Most batches in flight that a CPU has no memory ready for (default 4096)");

static unsigned int max_user_batches = 1024;
module_param(max_user_batches, uint, 0644);
MODULE_PARM_DESC(max_user_batches,
		 "Most of them of one user, by real user ID (default 1024)");

/*
 * A cap for each descriptor would bind nobody, since each can be opened again.
 * More than one user's, so that none can keep the others from a region alone.
 */
static unsigned int max_region_batches = 2048;
module_param(max_region_batches, uint, 0644);
MODULE_PARM_DESC(max_region_batches,
		 "Most of them on one region (default 2048)");

/* Of what confines a caller, its CPUs alone bind the workers that help it. */
static unsigned int max_parallelism;
module_param(max_parallelism, uint, 0644);
MODULE_PARM_DESC(max_parallelism,
		 "Most CPUs that share a batch: 1 to have each run on its caller's alone, 0 for no limit (default 0)");

static unsigned int slice_rows = SHATOMIC_SLICE_ROWS;
module_param(slice_rows, uint, 0644);
MODULE_PARM_DESC(slice_rows,
		 "Rows above which a batch is shared between CPUs, at least "
		 __stringify(SHATOMIC_CHUNK_ROWS) " (default "
		 __stringify(SHATOMIC_SLICE_ROWS) ")");

static atomic_long_t pinned_bytes = ATOMIC_LONG_INIT(0);
static atomic_t regions = ATOMIC_INIT(0);
static atomic_t batches = ATOMIC_INIT(0);
/* By user ID, those that are not 0. */
static DEFINE_XARRAY(user_regions);
static DEFINE_XARRAY(user_batches);
static DEFINE_XARRAY(user_shared_batches);

static u64 pinned_bytes_limit(void)
{
	return read_foreign(max_pinned_bytes);
}

/* The default that depends on the machine; so the parameter reads as it is. */
void __init shatomic_limits_init(void)
{
	if (!max_pinned_bytes)
		max_pinned_bytes = totalram_pages() / 2 << PAGE_SHIFT;
}

/*
 * Add to a sum if it stays within a limit. To add first and look then would be
 * in the way of others, for as long as it takes to find that it was too much.
 */
static bool add_within(atomic_long_t *sum, unsigned long more,
		       unsigned long limit)
{
	long old = atomic_long_read(sum);

	do {
		/* A limit may have been lowered to less than there is. */
		if (old > limit || more > limit - old)
			return false;
	} while (!atomic_long_try_cmpxchg(sum, &old, old + more));
	return true;
}

/*
 * Add @change, 1 or -1, to what a user has; -EPERM when there would be more
 * than @most. What does not add takes no memory, and so can't fail.
 */
static int count_of_user(struct xarray *counts, kuid_t user, int change,
			 unsigned int most)
{
	unsigned long count;
	void *old, *seen;

	do {
		old = xa_load(counts, __kuid_val(user));
		count = old ? xa_to_value(old) : 0;
		if (change > 0 && count >= most)
			return -EPERM;
		count += change;
		seen = xa_cmpxchg(counts, __kuid_val(user), old,
				  count ? xa_mk_value(count) : NULL,
				  GFP_KERNEL);
		if (xa_is_err(seen))
			return xa_err(seen);
	} while (seen != old);
	return 0;
}

static int charge_user(struct shatomic_charge *charge, u32 *limit)
{
	unsigned long pages = charge->bytes >> PAGE_SHIFT;
	unsigned long locked_limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *user = current_user();
	int ret;

	charge->cred = NULL;
	if (capable(CAP_IPC_LOCK))
		return 0;

	*limit = SHATOMIC_LIMIT_MEMLOCK;
	if (!add_within(&user->locked_vm, pages, locked_limit))
		return -EPERM;

	ret = count_of_user(&user_regions, user->uid, 1,
			    read_foreign(max_user_regions));
	if (ret) {
		*limit = ret == -EPERM ? SHATOMIC_LIMIT_USER_REGIONS :
					 SHATOMIC_LIMIT_MEMORY;
		atomic_long_sub(pages, &user->locked_vm);
		return ret;
	}
	charge->cred = get_current_cred();
	return 0;
}

static void uncharge_user(struct shatomic_charge *charge)
{
	struct user_struct *user;

	if (!charge->cred)
		return;
	user = charge->cred->user;
	count_of_user(&user_regions, user->uid, -1, 0);
	atomic_long_sub(charge->bytes >> PAGE_SHIFT, &user->locked_vm);
	put_cred(charge->cred);
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
	int ret;

	charge->bytes = bytes;

	*limit = SHATOMIC_LIMIT_PINNED_BYTES;
	/* What nobody can have is told so, whatever the user's own limit. */
	if (bytes > pinned_bytes_limit())
		return -ENOMEM;

	/* The user's own limits first: who is over them is in nobody's way. */
	ret = charge_user(charge, limit);
	if (ret)
		return ret;

	*limit = SHATOMIC_LIMIT_PINNED_BYTES;
	ret = -ENOMEM;
	if (!add_within(&pinned_bytes, bytes, pinned_bytes_limit()))
		goto err_user;

	*limit = SHATOMIC_LIMIT_REGIONS;
	ret = -EPERM;
	if (atomic_inc_return(&regions) > read_foreign(max_regions))
		goto err_regions;

	*limit = SHATOMIC_LIMIT_NONE;
	return 0;

err_regions:
	atomic_dec(&regions);
	atomic_long_sub(bytes, &pinned_bytes);
err_user:
	uncharge_user(charge);
	return ret;
}

/**
 * shatomic_uncharge_region() - Give back what a region was charged
 * @charge: As shatomic_charge_region() left it.
 */
void shatomic_uncharge_region(struct shatomic_charge *charge)
{
	atomic_dec(&regions);
	atomic_long_sub(charge->bytes, &pinned_bytes);
	uncharge_user(charge);
}

static bool count_batch(atomic_t *count, unsigned int most)
{
	if ((unsigned int)atomic_inc_return(count) <= most)
		return true;
	atomic_dec(count);
	return false;
}

/**
 * shatomic_charge_batch() - Count a batch that is about to be in flight
 * @region: The region that it is on.
 * @user: Whose it is.
 * @limit: [out] On failure, which limit refused.
 *
 * Return: 0, -EPERM or -ENOMEM.
 */
int shatomic_charge_batch(struct shatomic_region *region, kuid_t user,
			  u32 *limit)
{
	int ret;

	/* The user's own first: who is over it is in nobody's way. */
	ret = count_of_user(&user_batches, user, 1,
			    read_foreign(max_user_batches));
	if (ret) {
		*limit = ret == -EPERM ? SHATOMIC_LIMIT_USER_BATCHES :
					 SHATOMIC_LIMIT_MEMORY;
		return ret;
	}
	*limit = SHATOMIC_LIMIT_REGION_BATCHES;
	if (!count_batch(&region->batches,
			 read_foreign(max_region_batches)))
		goto err_user;
	*limit = SHATOMIC_LIMIT_BATCHES;
	if (!count_batch(&batches, read_foreign(max_batches)))
		goto err_region;
	*limit = SHATOMIC_LIMIT_NONE;
	return 0;

err_region:
	atomic_dec(&region->batches);
err_user:
	count_of_user(&user_batches, user, -1, 0);
	return -EPERM;
}

/**
 * shatomic_uncharge_batch() - Count a batch that all have left
 * @region: The region that it was on.
 * @user: Whose it was.
 */
void shatomic_uncharge_batch(struct shatomic_region *region, kuid_t user)
{
	atomic_dec(&batches);
	atomic_dec(&region->batches);
	count_of_user(&user_batches, user, -1, 0);
}

/**
 * shatomic_charge_shared() - Count a batch that is about to be shared
 * @user: Whose it is.
 *
 * A user shares as many at once as there are CPUs. More would win nothing, and
 * may be stuck, with workers that others then can't have.
 *
 * Return: Whether it may be shared.
 */
bool shatomic_charge_shared(kuid_t user)
{
	return !count_of_user(&user_shared_batches, user, 1,
			      num_online_cpus());
}

/**
 * shatomic_uncharge_shared() - Count a shared batch that all have left
 * @user: Whose it was.
 */
void shatomic_uncharge_shared(kuid_t user)
{
	count_of_user(&user_shared_batches, user, -1, 0);
}

/**
 * shatomic_max_batch_rows() - How many rows a batch may have
 *
 * Return: As many as the parameter says, but no more than a completion of
 * io_uring can tell.
 */
u64 shatomic_max_batch_rows(void)
{
	return min_t(u64, read_foreign(max_batch_rows), INT_MAX);
}

/**
 * shatomic_slice_rows() - How many rows a slice of a batch has
 *
 * Return: As many as the parameter says, but no fewer than a chunk.
 */
u32 shatomic_slice_rows(void)
{
	return max_t(u32, read_foreign(slice_rows), SHATOMIC_CHUNK_ROWS);
}

/**
 * shatomic_parallelism() - How many CPUs may share a batch
 * @asked: The most that it asks for, 0 to choose.
 *
 * Return: The most that it may have, 0 for as many as there are.
 */
u32 shatomic_parallelism(u32 asked)
{
	return min_not_zero(asked, read_foreign(max_parallelism));
}

static u32 regions_of_user(kuid_t user)
{
	void *count = xa_load(&user_regions, __kuid_val(user));

	return count ? xa_to_value(count) : 0;
}

/**
 * shatomic_limits_info() - Tell what limits there are, and what is used of them
 * @info: [out] What INFO answers; other fields stay.
 */
void shatomic_limits_info(struct shatomic_ioc_info *info)
{
	info->max_pinned_bytes = pinned_bytes_limit();
	info->max_region_bytes = min(info->max_pinned_bytes & PAGE_MASK,
				     SHATOMIC_MAX_REGION_BYTES);
	info->pinned_bytes = atomic_long_read(&pinned_bytes);
	info->max_regions = read_foreign(max_regions);
	info->regions = atomic_read(&regions);
	info->max_batch_rows = shatomic_max_batch_rows();
	info->slice_rows = shatomic_slice_rows();
	info->max_batches = read_foreign(max_batches);
	info->max_user_batches = read_foreign(max_user_batches);
	info->max_region_batches = read_foreign(max_region_batches);
	info->batches = atomic_read(&batches);
	info->max_user_regions = read_foreign(max_user_regions);
	info->user_regions = regions_of_user(current_uid());
}
