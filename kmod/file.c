// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of regions: opened, mapped, read and written as files are, but of
 * fixed size, and never waiting for one another. Reading and writing takes no
 * lock, since rows take none either: whoever reads sees each byte as it was or
 * as it is. What is copied may lie in memory that another process serves, and
 * then only the caller waits.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "shatomic.h"

static int region_file_open(struct inode *inode, struct file *file)
{
	struct shatomic_holder *holder = shatomic_hold_file(inode->i_private);

	if (IS_ERR(holder))
		return PTR_ERR(holder);
	file->private_data = holder;
	/*
	 * Else a write(2) that waits for its source would hold up whoever shares
	 * the description, to seek for instance.
	 */
	file->f_mode &= ~FMODE_ATOMIC_POS;
	return 0;
}

static int region_file_release(struct inode *inode, struct file *file)
{
	struct shatomic_region *region = inode->i_private;

	if (shatomic_release_file(region, file->private_data))
		shatomic_region_close(region, &file->f_path);
	return 0;
}

/* From the region's own table, which has no lock and nothing to look up. */
static vm_fault_t region_fault(struct vm_fault *vmf)
{
	struct shatomic_region *region =
		file_inode(vmf->vma->vm_file)->i_private;

	if (vmf->pgoff >= region->pages.count)
		return VM_FAULT_SIGBUS;
	vmf->page = shatomic_page_at(&region->pages, vmf->pgoff);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct region_vm_ops = {
	.fault		= region_fault,
	/* Those around it, and huge ones whole. */
	.map_pages	= filemap_map_pages,
};

static int check_range(const struct shatomic_region *region,
		       unsigned long first, unsigned long pages)
{
	unsigned long end = region->pages.count;

	return first > end || pages > end - first ? -EINVAL : 0;
}

/**
 * shatomic_region_map() - Have a mapping be one of a region
 * @region: The region.
 * @vma: The mapping, whose file is one of the region.
 *
 * Return: 0 or -EINVAL.
 */
int shatomic_region_map(const struct shatomic_region *region,
			struct vm_area_struct *vma)
{
	/* Atomic operations on a private copy would be nobody else's. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	vma->vm_ops = &region_vm_ops;
	return check_range(region, vma->vm_pgoff, vma_pages(vma));
}

#ifdef HAVE_MMAP_PREPARE
static int region_file_mmap_prepare(struct vm_area_desc *desc)
{
	const struct shatomic_region *region =
		file_inode(desc->file)->i_private;

	if (!vma_desc_test(desc, VMA_MAYSHARE_BIT))
		return -EINVAL;
	desc->vm_ops = &region_vm_ops;
	return check_range(region, desc->pgoff, vma_desc_pages(desc));
}
#else
static int region_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	return shatomic_region_map(file_inode(file)->i_private, vma);
}
#endif

/* Of what is to be copied at a position, how much lies in its page. */
static size_t in_page(loff_t pos, const struct iov_iter *iter)
{
	return min_t(size_t, PAGE_SIZE - offset_in_page(pos),
		     iov_iter_count(iter));
}

/* Copied, for pipes too: a page in one would outlive the region. */
static ssize_t region_file_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct shatomic_region *region = file_inode(iocb->ki_filp)->i_private;
	ssize_t done = 0;
	size_t n, copied;
	struct page *page;

	if (!iov_iter_count(to) || iocb->ki_pos >= region->size)
		return 0;
	iov_iter_truncate(to, region->size - iocb->ki_pos);
	while (iov_iter_count(to)) {
		n = in_page(iocb->ki_pos, to);
		page = shatomic_page_at(&region->pages,
					iocb->ki_pos >> PAGE_SHIFT);
		if (PageHWPoison(page)) {
			done = done ? done : -EIO;
			break;
		}
		copied = copy_to_iter(page_address(page) +
				      offset_in_page(iocb->ki_pos), n, to);
		iocb->ki_pos += copied;
		done += copied;
		if (copied < n) {
			/* A pipe that is full takes no more. */
			done = done ? done : -EFAULT;
			break;
		}
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	file_accessed(iocb->ki_filp);
	return done;
}

static ssize_t region_file_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct shatomic_region *region = file_inode(iocb->ki_filp)->i_private;
	ssize_t done = 0;
	size_t n, copied;
	struct page *page;

	if (!iov_iter_count(from))
		return 0;
	if ((iocb->ki_flags & IOCB_APPEND) || iocb->ki_pos >= region->size)
		return -ENOSPC;
	iov_iter_truncate(from, region->size - iocb->ki_pos);
	file_update_time(iocb->ki_filp);
	while (iov_iter_count(from)) {
		n = in_page(iocb->ki_pos, from);
		page = shatomic_page_at(&region->pages,
					iocb->ki_pos >> PAGE_SHIFT);
		if (PageHWPoison(page)) {
			done = done ? done : -EIO;
			break;
		}
		copied = copy_from_iter(page_address(page) +
					offset_in_page(iocb->ki_pos), n, from);
		iocb->ki_pos += copied;
		done += copied;
		if (copied < n) {
			done = done ? done : -EFAULT;
			break;
		}
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return done;
}

const struct file_operations shatomic_region_fops = {
	.owner			= THIS_MODULE,
	.open			= region_file_open,
	.release		= region_file_release,
	.llseek			= generic_file_llseek,
	.read_iter		= region_file_read_iter,
	.write_iter		= region_file_write_iter,
	.fsync			= noop_fsync,
	.splice_read		= compat_splice_read,
	.splice_write		= iter_file_splice_write,
	.get_unmapped_area	= thp_get_unmapped_area,
#ifdef HAVE_MMAP_PREPARE
	.mmap_prepare		= region_file_mmap_prepare,
#else
	.mmap			= region_file_mmap,
#endif
	.unlocked_ioctl		= shatomic_region_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.uring_cmd		= shatomic_uring_cmd,
#ifdef HAVE_SIMPLE_NOSETLEASE
	/* A lease would let its holder keep others from opening the region. */
	.setlease		= simple_nosetlease,
#endif
};
