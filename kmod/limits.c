// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: the module parameters, and what regions and batches are charged.
 */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
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
/* By user ID. */
static DEFINE_XARRAY_FLAGS(accounts, XA_FLAGS_ACCOUNT);
/* By user ID, those that are not 0. */
static DEFINE_XARRAY_FLAGS(user_batches, XA_FLAGS_ACCOUNT);
static DEFINE_XARRAY_FLAGS(user_shared_batches, XA_FLAGS_ACCOUNT);

/**
 * struct shatomic_account - What a user has of regions
 * @references: How many there are to it; under the lock of all accounts.
 * @cred: Keeps the user whose locked memory it is, which modules can't do by
 *	itself on all kernels.
 * @regions: How many regions are charged to it.
 */
struct shatomic_account {
	unsigned int references;
	const struct cred *cred;
	atomic_t regions;
};

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

/* The same with a count. */
static bool count_one(atomic_t *count, unsigned int most)
{
	int old = atomic_read(count);

	do {
		if ((unsigned int)old >= most)
			return false;
	} while (!atomic_try_cmpxchg(count, &old, old + 1));
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
				  GFP_KERNEL_ACCOUNT);
		if (xa_is_err(seen))
			return xa_err(seen);
	} while (seen != old);
	return 0;
}

static unsigned long account_id(const struct shatomic_account *account)
{
	return __kuid_val(account->cred->user->uid);
}

static struct shatomic_account *account_find(unsigned long id)
{
	struct shatomic_account *account;

	xa_lock(&accounts);
	account = xa_load(&accounts, id);
	if (account)
		account->references++;
	xa_unlock(&accounts);
	return account;
}

/* Make @fresh the account of its user, unless there is one by now. */
static struct shatomic_account *account_add(struct shatomic_account *fresh)
{
	struct shatomic_account *account;

	xa_lock(&accounts);
	account = __xa_cmpxchg(&accounts, account_id(fresh), NULL, fresh,
			       GFP_KERNEL_ACCOUNT);
	if (!account)
		account = fresh;
	else if (!xa_is_err(account))
		account->references++;
	xa_unlock(&accounts);
	return account;
}

static void account_free(struct shatomic_account *account)
{
	put_cred(account->cred);
	kfree(account);
}

/**
 * shatomic_account_get() - The account of the caller, by real user ID
 *
 * Return: The account, for shatomic_account_put(), NULL for whoever has
 * CAP_IPC_LOCK, or an error pointer: -ENOMEM.
 */
struct shatomic_account *shatomic_account_get(void)
{
	struct shatomic_account *account, *fresh;

	if (ns_capable_noaudit(&init_user_ns, CAP_IPC_LOCK))
		return NULL;
	account = account_find(__kuid_val(current_user()->uid));
	if (account)
		return account;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->references = 1;
	fresh->cred = get_current_cred();
	account = account_add(fresh);
	if (account != fresh)
		account_free(fresh);
	return xa_is_err(account) ? ERR_PTR(xa_err(account)) : account;
}

/**
 * shatomic_account_share() - Take one more reference to an account
 * @account: The account.
 */
void shatomic_account_share(struct shatomic_account *account)
{
	xa_lock(&accounts);
	account->references++;
	xa_unlock(&accounts);
}

/**
 * shatomic_account_put() - Give back a reference to an account
 * @account: The account, or NULL.
 */
void shatomic_account_put(struct shatomic_account *account)
{
	bool is_last;

	if (!account)
		return;
	xa_lock(&accounts);
	is_last = !--account->references;
	if (is_last)
		__xa_erase(&accounts, account_id(account));
	xa_unlock(&accounts);
	if (is_last)
		account_free(account);
}

static atomic_long_t *locked_pages(const struct shatomic_account *account)
{
	return &account->cred->user->locked_vm;
}

static int charge_account(struct shatomic_account *account, u64 bytes,
			  u32 *limit)
{
	unsigned long locked_limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long pages = bytes >> PAGE_SHIFT;

	if (!account)
		return 0;
	*limit = SHATOMIC_LIMIT_MEMLOCK;
	if (!add_within(locked_pages(account), pages, locked_limit))
		return -EPERM;
	*limit = SHATOMIC_LIMIT_USER_REGIONS;
	if (!count_one(&account->regions, read_foreign(max_user_regions))) {
		atomic_long_sub(pages, locked_pages(account));
		return -EPERM;
	}
	shatomic_account_share(account);
	return 0;
}

static void uncharge_account(struct shatomic_account *account, u64 bytes)
{
	if (!account)
		return;
	atomic_long_sub(bytes >> PAGE_SHIFT, locked_pages(account));
	atomic_dec(&account->regions);
	shatomic_account_put(account);
}

/**
 * shatomic_charge_region() - Charge what is about to be created
 * @charge: [out] What was charged.
 * @account: Whom, NULL for nobody.
 * @bytes: Size, whole pages.
 * @limit: [out] On failure, which limit refused.
 *
 * Return: 0, -EPERM or -ENOMEM.
 */
int shatomic_charge_region(struct shatomic_charge *charge,
			   struct shatomic_account *account, u64 bytes,
			   u32 *limit)
{
	int ret;

	*limit = SHATOMIC_LIMIT_PINNED_BYTES;
	/* What nobody can have is told so, whatever the user's own limit. */
	if (bytes > pinned_bytes_limit())
		return -ENOMEM;

	/* The user's own limits first: who is over them is in nobody's way. */
	ret = charge_account(account, bytes, limit);
	if (ret)
		return ret;

	*limit = SHATOMIC_LIMIT_PINNED_BYTES;
	ret = -ENOMEM;
	if (!add_within(&pinned_bytes, bytes, pinned_bytes_limit()))
		goto err_account;

	*limit = SHATOMIC_LIMIT_REGIONS;
	ret = -EPERM;
	if (!count_one(&regions, read_foreign(max_regions)))
		goto err_bytes;

	*limit = SHATOMIC_LIMIT_NONE;
	charge->account = account;
	charge->bytes = bytes;
	return 0;

err_bytes:
	atomic_long_sub(bytes, &pinned_bytes);
err_account:
	uncharge_account(account, bytes);
	return ret;
}

/**
 * shatomic_move_charge() - Have somebody else pay
 * @charge: What is charged.
 * @account: To whom from now on, NULL for nobody. His limits are not asked.
 */
void shatomic_move_charge(struct shatomic_charge *charge,
			  struct shatomic_account *account)
{
	uncharge_account(charge->account, charge->bytes);
	charge->account = account;
	if (!account)
		return;
	atomic_long_add(charge->bytes >> PAGE_SHIFT, locked_pages(account));
	atomic_inc(&account->regions);
	shatomic_account_share(account);
}

/**
 * shatomic_end_charge() - Give back what a region was charged that has ended
 * @charge: As shatomic_charge_region() left it.
 * @left: How many bytes remain, for shatomic_shrink_charge().
 * @is_users: Whether these remain charged to the user.
 */
void shatomic_end_charge(struct shatomic_charge *charge, u64 left,
			 bool is_users)
{
	atomic_dec(&regions);
	if (!left || !is_users)
		shatomic_move_charge(charge, NULL);
	else if (charge->account)
		atomic_dec(&charge->account->regions);
	shatomic_shrink_charge(charge, left);
}

/**
 * shatomic_shrink_charge() - Give back what is no longer there
 * @charge: As shatomic_end_charge() left it.
 * @left: How many bytes remain.
 */
void shatomic_shrink_charge(struct shatomic_charge *charge, u64 left)
{
	u64 freed = charge->bytes - left;

	atomic_long_sub(freed, &pinned_bytes);
	charge->bytes = left;
	if (!charge->account)
		return;
	atomic_long_sub(freed >> PAGE_SHIFT, locked_pages(charge->account));
	if (!left) {
		shatomic_account_put(charge->account);
		charge->account = NULL;
	}
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
	if (!count_one(&region->batches, read_foreign(max_region_batches)))
		goto err_user;
	*limit = SHATOMIC_LIMIT_BATCHES;
	if (!count_one(&batches, read_foreign(max_batches)))
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

static u32 regions_of_caller(void)
{
	struct shatomic_account *account =
		account_find(__kuid_val(current_user()->uid));
	u32 count = account ? atomic_read(&account->regions) : 0;

	shatomic_account_put(account);
	return count;
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
	info->user_regions = regions_of_caller();
}
