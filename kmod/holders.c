// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who keeps a region, and who of them pays for it.
 *
 * Each opened file keeps its region, mappings and DMA buffers with it, and so
 * does the region's name. With the last of them the region ends. A path opened
 * by O_PATH keeps nothing: it takes no right to open one.
 *
 * Whoever creates a region pays for it, as long as he has a file of it open or it
 * has a name, which he can remove. Else one of those pays who still have it open,
 * even beyond their limits: nobody's limits are used up by what others keep.
 *
 * All of it is under the region's lock, a leaf but for the accounts'.
 */
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "shatomic.h"

/**
 * struct shatomic_holder - A user who has files of a region open
 * @node: Its place in the region's list.
 * @account: The user's, NULL for those with CAP_IPC_LOCK, who are one.
 * @files: How many files; 0 for one who pays for a name.
 */
struct shatomic_holder {
	struct list_head node;
	struct shatomic_account *account;
	unsigned int files;
};

static struct shatomic_holder *holder_new(struct shatomic_account *account)
{
	struct shatomic_holder *holder;

	holder = kzalloc(sizeof(*holder), GFP_KERNEL_ACCOUNT);
	if (!holder)
		return NULL;
	if (account)
		shatomic_account_share(account);
	holder->account = account;
	return holder;
}

static void holder_free(struct shatomic_holder *holder)
{
	if (!holder)
		return;
	shatomic_account_put(holder->account);
	kfree(holder);
}

/**
 * shatomic_holders_init() - Have the caller be who keeps and pays
 * @region: The region, which has no file yet; this counts as one.
 * @limit: [out] On failure, which limit refused.
 *
 * Return: The caller, as of shatomic_hold_file(), or an error pointer: -EPERM,
 * -ENOMEM.
 */
struct shatomic_holder *shatomic_holders_init(struct shatomic_region *region,
					      u32 *limit)
{
	struct shatomic_account *account = shatomic_account_get();
	u64 bytes = round_up(region->size, PAGE_SIZE);
	struct shatomic_holder *holder;
	int ret;

	if (IS_ERR(account))
		return ERR_CAST(account);
	holder = holder_new(account);
	ret = holder ? shatomic_charge_region(&region->charge, account, bytes,
					      limit) : -ENOMEM;
	shatomic_account_put(account);
	if (ret) {
		holder_free(holder);
		return ERR_PTR(ret);
	}
	holder->files = 1;
	list_add(&holder->node, &region->holders);
	region->payer = holder;
	region->holds = 1;
	return holder;
}

/**
 * shatomic_holders_exit() - Forget who kept a region
 * @region: The region, which has ended.
 */
void shatomic_holders_exit(struct shatomic_region *region)
{
	struct shatomic_holder *holder, *next;

	list_for_each_entry_safe(holder, next, &region->holders, node) {
		list_del(&holder->node);
		holder_free(holder);
	}
}

/* Count a file more for @account's user, or for @fresh, who then is one. */
static struct shatomic_holder *add_file(struct shatomic_region *region,
					struct shatomic_account *account,
					struct shatomic_holder *fresh)
{
	struct shatomic_holder *holder;

	lockdep_assert_held(&region->lock);
	if (!region->holds)
		return ERR_PTR(-ENXIO);
	list_for_each_entry(holder, &region->holders, node) {
		if (holder->account == account)
			goto found;
	}
	if (!fresh)
		return NULL;
	holder = fresh;
	list_add_tail(&holder->node, &region->holders);
	region->shared = true;
found:
	holder->files++;
	region->holds++;
	return holder;
}

/**
 * shatomic_hold_file() - Have the caller keep a region by a file
 * @region: The region.
 *
 * Return: The caller, for shatomic_release_file(), or an error pointer: -ENXIO
 * when the region has ended, -ENOMEM.
 */
struct shatomic_holder *shatomic_hold_file(struct shatomic_region *region)
{
	struct shatomic_account *account = shatomic_account_get();
	struct shatomic_holder *holder, *fresh;

	if (IS_ERR(account))
		return ERR_CAST(account);
	spin_lock(&region->lock);
	holder = add_file(region, account, NULL);
	spin_unlock(&region->lock);
	if (holder)
		goto out;

	holder = ERR_PTR(-ENOMEM);
	fresh = holder_new(account);
	if (!fresh)
		goto out;
	spin_lock(&region->lock);
	holder = add_file(region, account, fresh);
	spin_unlock(&region->lock);
	if (holder != fresh)
		holder_free(fresh);
out:
	shatomic_account_put(account);
	return holder;
}

/* Whoever pays has gone: the first who is left does. Returns who went. */
static struct shatomic_holder *move_charge(struct shatomic_region *region)
{
	struct shatomic_holder *gone = region->payer;

	list_del(&gone->node);
	region->payer = list_first_entry(&region->holders,
					 struct shatomic_holder, node);
	shatomic_move_charge(&region->charge, region->payer->account);
	return gone;
}

/**
 * shatomic_release_file() - Undo shatomic_hold_file()
 * @region: The region.
 * @holder: What that returned.
 *
 * Return: Whether it was the last that kept the region, which is to be ended.
 */
bool shatomic_release_file(struct shatomic_region *region,
			   struct shatomic_holder *holder)
{
	struct shatomic_holder *gone = NULL;
	bool is_last;

	spin_lock(&region->lock);
	is_last = !--region->holds;
	if (!--holder->files) {
		if (holder != region->payer) {
			list_del(&holder->node);
			gone = holder;
		} else if (!is_last && !region->name[0]) {
			gone = move_charge(region);
		}
	}
	spin_unlock(&region->lock);
	holder_free(gone);
	return is_last;
}

/**
 * shatomic_hold_name() - Have a region's name keep it
 * @region: The region, which has no name.
 * @name: The name, checked.
 *
 * Return: 0, or -ENXIO when the region has ended.
 */
int shatomic_hold_name(struct shatomic_region *region, const char *name)
{
	int ret = 0;

	spin_lock(&region->lock);
	if (region->holds) {
		region->holds++;
		strscpy(region->name, name, sizeof(region->name));
	} else {
		ret = -ENXIO;
	}
	spin_unlock(&region->lock);
	return ret;
}

/**
 * shatomic_release_name() - Undo shatomic_hold_name()
 * @region: The region.
 *
 * Return: Whether it was the last that kept the region, which is to be ended.
 */
bool shatomic_release_name(struct shatomic_region *region)
{
	struct shatomic_holder *gone = NULL;
	bool is_last;

	spin_lock(&region->lock);
	is_last = !--region->holds;
	memset(region->name, 0, sizeof(region->name));
	if (!is_last && !region->payer->files)
		gone = move_charge(region);
	spin_unlock(&region->lock);
	holder_free(gone);
	return is_last;
}

/**
 * shatomic_rename() - Another name for a region that has one
 * @region: The region.
 * @name: The name, checked.
 */
void shatomic_rename(struct shatomic_region *region, const char *name)
{
	spin_lock(&region->lock);
	memset(region->name, 0, sizeof(region->name));
	strscpy(region->name, name, sizeof(region->name));
	spin_unlock(&region->lock);
}

/**
 * shatomic_copy_name() - The name of a region
 * @region: The region.
 * @name: [out] SHATOMIC_NAME_SIZE bytes; all 0 when it has none.
 */
void shatomic_copy_name(struct shatomic_region *region, u8 *name)
{
	spin_lock(&region->lock);
	memcpy(name, region->name, sizeof(region->name));
	spin_unlock(&region->lock);
}
