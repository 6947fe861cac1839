// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: how they are created and end, and what is told of them.
 *
 * The structure of a region lives as long as its inode. Its memory may end before:
 * with the last opened file and the name (see holders.c). From then on whoever
 * still has a path to the inode can't open it any more.
 */
#include <linux/cpumask.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/path.h>
#include <linux/pgtable.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "shatomic.h"
#include "trace.h"

static struct workqueue_struct *free_queue;
/* In bytes; 0 where that is not known. */
static u64 l2_cache_size;

/**
 * shatomic_region_as_memory() - A region as the engine sees it
 * @file: A file of the region, which keeps the memory; whether it may be written
 *	to is the file's.
 * @memory: [out] Its memory.
 */
void shatomic_region_as_memory(struct file *file,
			       struct shatomic_memory *memory)
{
	struct shatomic_region *region = shatomic_region_of(file);

	memory->extents = region->pages.extents;
	memory->extent_shift = region->pages.extent_shift;
	memory->size = region->size;
	memory->writable = file->f_mode & FMODE_WRITE;
	memory->prefetch = shatomic_prefetch_pays(region->size, l2_cache_size);
}

static void end_work(struct work_struct *work);
static void close_work(struct work_struct *work);

/* Not yet charged for. */
static struct shatomic_region *region_alloc(const struct shatomic_ioc_create *create)
{
	struct shatomic_region *region;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return NULL;
	region->remains = kzalloc(sizeof(*region->remains), GFP_KERNEL_ACCOUNT);
	if (!region->remains || shatomic_stats_alloc(region)) {
		kfree(region->remains);
		kfree(region);
		return NULL;
	}
	spin_lock_init(&region->lock);
	INIT_LIST_HEAD(&region->holders);
	INIT_LIST_HEAD(&region->node);
	INIT_WORK(&region->end_work, end_work);
	region->size = create->region_size;
	region->create_flags = create->flags;
	region->cpu = raw_smp_processor_id();
	return region;
}

/**
 * shatomic_region_free() - Free the structure of a region
 * @region: The region, whose memory has ended or never was; or NULL.
 */
void shatomic_region_free(struct shatomic_region *region)
{
	if (!region)
		return;
	shatomic_holders_exit(region);
	shatomic_stats_free(region);
	kfree(region->remains);
	kfree(region);
}

/*
 * End what was created, wholly or in part. Nobody has a file of it any more, and
 * so neither a mapping nor a batch.
 */
static void end_region(struct shatomic_region *region)
{
	struct inode *inode = region->inode;

	/* Else its creation failed. */
	if (!list_empty(&region->node)) {
		trace_shatomic_region_free(region);
		shatomic_stats_retire(region);
	}
	i_size_write(inode, 0);
	inode->i_blocks = 0;
	truncate_inode_pages(inode->i_mapping, 0);
	*region->remains = (struct shatomic_remains) {
		.pages = region->pages,
		.charge = region->charge,
		/* Of others who had it nobody can tell who keeps pages. */
		.is_users = !region->shared,
	};
	shatomic_pages_drop(region->remains);
	region->remains = NULL;
	/* A path that keeps the inode keeps no more of it. */
	shatomic_holders_exit(region);
	shatomic_stats_free(region);
	/* Pairs with shatomic_region_evict(), which may free the region now. */
	smp_store_release(&region->ended, true);
}

static void end_work(struct work_struct *work)
{
	end_region(container_of(work, struct shatomic_region, end_work));
}

/* The same with a path that keeps the inode. */
static void close_work(struct work_struct *work)
{
	struct shatomic_region *region =
		container_of(work, struct shatomic_region, close_work);
	struct path path = region->path;

	end_region(region);
	path_put(&path);
}

/* Work goes where the caller may be, or was when the region was created. */
static void queue_free(struct shatomic_region *region, struct work_struct *work)
{
	int cpu = current->flags & PF_KTHREAD ? region->cpu :
						raw_smp_processor_id();

	queue_work_on(cpu_online(cpu) ? cpu : WORK_CPU_UNBOUND, free_queue,
		      work);
}

/**
 * shatomic_region_close() - End a region whose last keeper was a file
 * @region: The region.
 * @path: The file's path.
 */
void shatomic_region_close(struct shatomic_region *region,
			   const struct path *path)
{
	/* A kernel thread may run where the region's users may not. */
	if (!(region->create_flags & SHATOMIC_CREATE_ASYNC_FREE) &&
	    !(current->flags & PF_KTHREAD)) {
		end_region(region);
		return;
	}
	region->path = *path;
	path_get(&region->path);
	INIT_WORK(&region->close_work, close_work);
	queue_free(region, &region->close_work);
}

/**
 * shatomic_region_end_later() - End a region whose last keeper was its name
 * @region: The region.
 *
 * The caller has locked the directory, and nobody is to wait for that. When the
 * inode is evicted before, as it is unless a path keeps it, it ends then.
 */
void shatomic_region_end_later(struct shatomic_region *region)
{
	queue_free(region, &region->end_work);
}

/**
 * shatomic_region_evict() - End a region with its inode, unless it has ended
 * @region: The region.
 */
void shatomic_region_evict(struct shatomic_region *region)
{
	/*
	 * When it has, this may be work that evicts, and must not wait for it.
	 * Pairs with end_region().
	 */
	if (smp_load_acquire(&region->ended))
		return;
	cancel_work_sync(&region->end_work);
	/* That has waited for the work, if there was any. */
	if (!region->ended)
		end_region(region);
}

static int check_huge(const struct shatomic_region *region)
{
	if (!(region->create_flags & SHATOMIC_CREATE_HUGE))
		return 0;
	return region->pages.huge_bytes >= round_down(region->size, PMD_SIZE) ?
		       0 : -ENOMEM;
}

/* Bring in its memory; whatever fails, the inode's end undoes. */
static int fill_region(struct shatomic_region *region)
{
	int ret = shatomic_pages_fill(&region->pages, region->inode->i_mapping,
				      region->size);

	return ret ? ret : check_huge(region);
}

/*
 * Whom nobody's limits refuse pays for it. What is left of regions before may be
 * in the way.
 */
static struct shatomic_holder *charge_region(struct shatomic_region *region,
					     u32 *limit)
{
	struct shatomic_holder *holder = shatomic_holders_init(region, limit);

	if (IS_ERR(holder) && shatomic_remains_drop())
		holder = shatomic_holders_init(region, limit);
	return holder;
}

/* A region with all that it has but files. */
static struct shatomic_region *
region_new(const struct shatomic_ioc_create *create, struct file *directory,
	   struct vfsmount *mount, struct shatomic_holder **holder, u32 *limit)
{
	umode_t mode = directory ? create->mode & ~current_umask() : 0600;
	struct shatomic_region *region = region_alloc(create);
	int ret;

	if (!region)
		return ERR_PTR(-ENOMEM);
	*holder = charge_region(region, limit);
	if (IS_ERR(*holder)) {
		shatomic_region_free(region);
		return ERR_CAST(*holder);
	}
	region->inode = shatomic_fs_new_inode(mount, directory, mode, region);
	if (!region->inode) {
		shatomic_end_charge(&region->charge, 0, false);
		shatomic_region_free(region);
		return ERR_PTR(-ENOMEM);
	}
	ret = fill_region(region);
	if (ret) {
		iput(region->inode);
		return ERR_PTR(ret);
	}
	return region;
}

/**
 * shatomic_region_create() - Create a region
 * @create: What the caller asked for, checked.
 * @directory: Where it can have a name, NULL for nowhere.
 * @mount: The mount that it is to be on.
 * @limit: [in,out] SHATOMIC_LIMIT_NONE; the limit that refused it, if one did.
 *
 * Return: Its first file, or an error pointer.
 */
struct file *shatomic_region_create(const struct shatomic_ioc_create *create,
				    struct file *directory,
				    struct vfsmount *mount, u32 *limit)
{
	struct shatomic_holder *holder;
	struct shatomic_region *region;
	struct file *file;

	region = region_new(create, directory, mount, &holder, limit);
	if (IS_ERR(region))
		return ERR_CAST(region);
	shatomic_stats_add(region);
	trace_shatomic_region_create(region);

	/* Should it fail, the region goes with what then is the last of its inode. */
	ihold(region->inode);
	file = shatomic_fs_open_new(region->inode, mount);
	if (shatomic_release_file(region, holder))
		end_region(region);
	iput(region->inode);
	return file;
}

/**
 * shatomic_region_info() - What a region is
 * @file: A file of the region.
 * @info: The arguments.
 *
 * Return: 0, -EOPNOTSUPP or -EINVAL.
 */
int shatomic_region_info(struct file *file,
			 struct shatomic_ioc_region_info *info)
{
	struct shatomic_region *region = shatomic_region_of(file);
	struct inode *inode = file_inode(file);

	if (info->flags)
		return -EOPNOTSUPP;
	if (info->reserved)
		return -EINVAL;

	info->region_size = region->size;
	info->huge_bytes = region->pages.huge_bytes;
	info->create_flags = region->create_flags;
	info->mode = read_foreign(inode->i_mode) & 0777;
	info->uid = from_kuid_munged(current_user_ns(),
				     read_foreign(inode->i_uid));
	info->gid = from_kgid_munged(current_user_ns(),
				     read_foreign(inode->i_gid));
	info->open_flags = file->f_mode & FMODE_WRITE ? 0 :
			   SHATOMIC_OPEN_READ_ONLY;
	shatomic_copy_name(region, info->name);
	return 0;
}

static void find_l2_cache_size(void)
{
#ifdef CONFIG_X86
	if (boot_cpu_data.extended_cpuid_level >= 0x80000006)
		l2_cache_size = (u64)(cpuid_ecx(0x80000006) >> 16) << 10;
#endif
}

int shatomic_region_init(void)
{
	find_l2_cache_size();
	/* Bound, so that it runs where it is queued. */
	free_queue = alloc_workqueue("shatomic_free",
				     WQ_PERCPU | WQ_CPU_INTENSIVE, 0);
	return free_queue ? 0 : -ENOMEM;
}

void shatomic_region_exit(void)
{
	destroy_workqueue(free_queue);
}
