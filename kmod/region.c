// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions, and the operations of their files. A region's descriptor is a file
 * on the region's own shared-memory inode, with shared memory's operations
 * except where a region differs. So a region is read, written, mapped, sent
 * and stat'ed as a file is, and mode and owner are the inode's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cache.h>
#include <linux/file.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "shatomic.h"
#include "trace.h"

static struct file_operations region_fops __ro_after_init;
/* What shared memory does, where ours does more. */
static const struct file_operations *shmem_fops __ro_after_init;
static struct workqueue_struct *free_queue;
/* In bytes; 0 where that is not known. */
static u64 l2_cache_size;

/**
 * shatomic_region_of() - The region that a file is of
 * @file: Any file.
 *
 * Return: The region, NULL when the file is not that of a region.
 */
struct shatomic_region *shatomic_region_of(struct file *file)
{
	return file->f_op == &region_fops ? file_inode(file)->i_private : NULL;
}

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

static void region_dealloc(struct shatomic_region *region)
{
	shatomic_stats_free(region);
	kfree(region);
}

/*
 * A path opened with O_PATH, or one on its way through /proc, can keep the
 * inode when no file counts any more. It keeps an empty file of fixed size 0:
 * no memory that nobody is charged for.
 */
static void region_free(struct shatomic_region *region, struct inode *inode)
{
	trace_shatomic_region_free(region);
	shatomic_stats_retire(region);
	shatomic_pages_drop(&region->pages);
	shmem_truncate_range(inode, 0, (loff_t)-1);
	shatomic_uncharge_region(&region->charge);
	region_dealloc(region);
}

/*
 * Count one file less. The last one ends the region: it is returned, to be
 * freed, and who opens the inode from then on finds neither it nor us.
 */
static struct shatomic_region *region_put(struct inode *inode)
{
	struct shatomic_region *region = inode->i_private;

	spin_lock(&inode->i_lock);
	if (--region->files) {
		region = NULL;
	} else {
		inode->i_private = NULL;
		/* Who opens it now goes by either, and finds no region. */
		data_race(inode->i_fop = shmem_fops);
		i_size_write(inode, 0);
	}
	spin_unlock(&inode->i_lock);
	return region;
}

static void region_free_work(struct work_struct *work)
{
	struct shatomic_region *region =
		container_of(work, struct shatomic_region, free_work);
	struct path path = region->path;

	region_free(region, d_inode(path.dentry));
	path_put(&path);
}

static int region_file_open(struct inode *inode, struct file *file)
{
	struct shatomic_region *region;
	int ret;

	spin_lock(&inode->i_lock);
	region = inode->i_private;
	if (region)
		region->files++;
	spin_unlock(&inode->i_lock);
	if (!region)
		return -ENXIO;

	ret = shmem_fops->open ? shmem_fops->open(inode, file) : 0;
	/* A file that did not open is not released. */
	if (ret) {
		region = region_put(inode);
		if (region)
			region_free(region, inode);
	}
	return ret;
}

static int region_file_release(struct inode *inode, struct file *file)
{
	struct shatomic_region *region = region_put(inode);

	if (!region)
		return 0;

	if (region->create_flags & SHATOMIC_CREATE_ASYNC_FREE) {
		region->path = file->f_path;
		path_get(&region->path);
		queue_work(free_queue, &region->free_work);
	} else {
		region_free(region, inode);
	}
	return 0;
}

static int region_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct shatomic_region *region = shatomic_region_of(file);
	unsigned long end = DIV_ROUND_UP_ULL(region->size, PAGE_SIZE);

	/* Atomic operations on a private copy would be nobody else's. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_pgoff > end || vma_pages(vma) > end - vma->vm_pgoff)
		return -EINVAL;
	return shmem_fops->mmap(file, vma);
}

static ssize_t region_file_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct shatomic_region *region = shatomic_region_of(iocb->ki_filp);

	if (!iov_iter_count(from))
		return 0;
	if ((iocb->ki_flags & IOCB_APPEND) || iocb->ki_pos >= region->size)
		return -ENOSPC;
	iov_iter_truncate(from, region->size - iocb->ki_pos);
	return shmem_fops->write_iter(iocb, from);
}

static struct shatomic_region *region_alloc(const struct shatomic_ioc_create *create,
					    u32 *limit)
{
	struct shatomic_region *region;
	int ret;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	if (shatomic_stats_alloc(region)) {
		kfree(region);
		return ERR_PTR(-ENOMEM);
	}

	/* This one is that of shatomic_region_create(). */
	region->files = 1;
	region->size = create->region_size;
	region->create_flags = create->flags;
	strscpy(region->name, create->name, sizeof(region->name));
	INIT_WORK(&region->free_work, region_free_work);

	ret = shatomic_charge_region(&region->charge,
				     round_up(region->size, PAGE_SIZE), limit);
	if (ret) {
		region_dealloc(region);
		return ERR_PTR(ret);
	}
	return region;
}

static int check_huge(const struct shatomic_region *region)
{
	if (!(region->create_flags & SHATOMIC_CREATE_HUGE))
		return 0;
	return region->pages.huge_bytes >=
		       round_down(region->charge.bytes, PMD_SIZE) ? 0 : -ENOMEM;
}

/**
 * shatomic_region_create() - Create a region
 * @create: What the caller asked for, checked.
 * @limit: [in,out] SHATOMIC_LIMIT_NONE; the limit that refused it, if one did.
 *
 * Return: Its first file, or an error pointer.
 */
struct file *shatomic_region_create(const struct shatomic_ioc_create *create,
				    u32 *limit)
{
	struct shatomic_region *region;
	char label[sizeof("shatomic:") + SHATOMIC_NAME_SIZE];
	struct file *file, *opened;
	int ret;

	region = region_alloc(create, limit);
	if (IS_ERR(region))
		return ERR_CAST(region);

	snprintf(label, sizeof(label), "shatomic:%s", region->name);
	file = shatomic_memory_file(label, region->size);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_region;
	}

	ret = shatomic_pages_hold(&region->pages, file, region->size);
	if (ret)
		goto err_file;
	ret = check_huge(region);
	if (ret)
		goto err_pages;

	file_inode(file)->i_mode = S_IFREG |
		(region->name[0] ? create->mode & ~current_umask() : 0600);
	region->inode = file_inode(file);
	BUILD_BUG_ON(offsetof(struct shatomic_region, not_falloc));
	file_inode(file)->i_private = region;
	file_inode(file)->i_fop = &region_fops;
	shatomic_stats_add(region);
	trace_shatomic_region_create(region);

	/* As every later one, the first descriptor is an opened file. */
	opened = dentry_open(&file->f_path, O_RDWR | O_LARGEFILE,
			     current_cred());
	region = region_put(file_inode(file));
	if (region)
		region_free(region, file_inode(file));
	fput(file);
	return opened;

err_pages:
	shatomic_pages_drop(&region->pages);
err_file:
	fput(file);
err_region:
	shatomic_uncharge_region(&region->charge);
	region_dealloc(region);
	return ERR_PTR(ret);
}

/**
 * shatomic_region_open() - Another file on a region
 * @file: A file of the region.
 * @flags: enum shatomic_open_flags
 *
 * Return: The file, or an error pointer: -EACCES when the mode forbids it.
 */
struct file *shatomic_region_open(struct file *file, unsigned int flags)
{
	bool read_only = flags & SHATOMIC_OPEN_READ_ONLY;
	int ret;

	ret = file_permission(file,
			      read_only ? MAY_READ : MAY_READ | MAY_WRITE);
	if (ret)
		return ERR_PTR(ret);
	return dentry_open(&file->f_path,
			   (read_only ? O_RDONLY : O_RDWR) | O_LARGEFILE,
			   current_cred());
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
	memcpy(info->name, region->name, sizeof(info->name));
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
	struct file *file;

	find_l2_cache_size();
	free_queue = alloc_workqueue("shatomic_free", WQ_UNBOUND, 0);
	if (!free_queue)
		return -ENOMEM;

	/* Shared memory's operations are not exported; a file has them. */
	file = shatomic_memory_file("shatomic", PAGE_SIZE);
	if (IS_ERR(file)) {
		destroy_workqueue(free_queue);
		return PTR_ERR(file);
	}
	shmem_fops = file->f_op;
	fput(file);
	/* Later kernels have mmap_prepare instead, which we don't know. */
	if (!shmem_fops->mmap) {
		pr_err("this kernel maps shared memory in another way\n");
		destroy_workqueue(free_queue);
		return -EOPNOTSUPP;
	}

	region_fops = *shmem_fops;
	region_fops.owner = THIS_MODULE;
	region_fops.open = region_file_open;
	region_fops.release = region_file_release;
	region_fops.mmap = region_file_mmap;
	/* Shared memory's own insists that the file has its operations. */
	region_fops.get_unmapped_area = thp_get_unmapped_area;
	region_fops.write_iter = region_file_write_iter;
	region_fops.unlocked_ioctl = shatomic_region_ioctl;
	region_fops.compat_ioctl = compat_ptr_ioctl;
	region_fops.uring_cmd = shatomic_uring_cmd;
	/* A lease would let its holder keep others from opening the region. */
	region_fops.setlease = simple_nosetlease;
	/* Without it holes can't be punched into what batches write to. */
	region_fops.fallocate = NULL;
	return 0;
}

void shatomic_region_exit(void)
{
	destroy_workqueue(free_queue);
}
