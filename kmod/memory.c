// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where regions have their memory: files on a tmpfs mount of our own, whose
 * pages are brought in and held. Shared-memory pages are the one backing where
 * process-shared futexes, O_DIRECT, io_uring fixed buffers and huge mappings
 * all work.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>

#include "shatomic.h"

#ifndef CONFIG_64BIT
#error "shatomic needs all memory in the kernel's direct map: 64-bit only"
#endif

/* Else its inodes are others', or its files can't be read and written. */
#if !defined(CONFIG_SHMEM) || !defined(CONFIG_TMPFS)
#error "shatomic needs CONFIG_SHMEM and CONFIG_TMPFS"
#endif

static struct vfsmount *memory_mount;

int shatomic_memory_init(void)
{
	static char huge_option[] = "huge=within_size";
	/* Built in, so that the reference this takes is to nothing. */
	struct file_system_type *type = get_fs_type("tmpfs");
	char *options = NULL;

	if (!type)
		return -ENODEV;

	/* Which tmpfs refuses where the machine has none. */
	if (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) &&
	    has_transparent_hugepage())
		options = huge_option;
	memory_mount = vfs_kern_mount(type, SB_KERNMOUNT, "shatomic", options);
	if (IS_ERR(memory_mount))
		return PTR_ERR(memory_mount);

	/* Regions have words. Code in one could be changed while it runs. */
	memory_mount->mnt_flags |= MNT_NOEXEC | MNT_NOSUID | MNT_NODEV;
	return 0;
}

void shatomic_memory_exit(void)
{
	kern_unmount(memory_mount);
}

/**
 * shatomic_memory_file() - A new file on our mount
 * @name: What /proc/PID/maps shows.
 * @size: Its size in bytes, fixed for life.
 *
 * Return: The file or an error pointer.
 */
struct file *shatomic_memory_file(const char *name, u64 size)
{
	struct file *file;

	/* VM_NORESERVE: each page is accounted for when it is brought in. */
	file = shmem_file_setup_with_mnt(memory_mount, name, size,
					 VM_NORESERVE);
	/* When there is no memory for an inode it answers -ENOSPC. */
	if (IS_ERR(file))
		return PTR_ERR(file) == -ENOSPC ? ERR_PTR(-ENOMEM) : file;

	/* truncate(2) and write(2) past the end are refused by these. */
	SHMEM_I(file_inode(file))->seals |= F_SEAL_SEAL | F_SEAL_SHRINK |
					    F_SEAL_GROW;
	mapping_set_unevictable(file->f_mapping);
	/*
	 * Held pages can't move, so they must not lie in movable zones. Else they
	 * are user memory, of which KASAN must not tag what PROT_MTE tags anew.
	 */
	mapping_set_gfp_mask(file->f_mapping, GFP_HIGHUSER_MOVABLE &
			     ~(__GFP_HIGHMEM | __GFP_MOVABLE));
	return file;
}

/* A table of extents of 1 << @shift bytes, for so many pages. */
static uintptr_t *new_extents(unsigned long pages, unsigned int shift)
{
	unsigned int order = shift - PAGE_SHIFT;

	/* Gigabytes, for a region of many: failing is nothing to warn of. */
	return kvmalloc_array(((pages - 1) >> order) + 1, sizeof(uintptr_t),
			      GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL |
				      __GFP_NOWARN);
}

/* Where not all is huge, each page has its own entry. */
static int use_small_extents(struct shatomic_pages *pages, unsigned long end)
{
	uintptr_t *extents = new_extents(end, PAGE_SHIFT);
	unsigned long i;

	if (!extents)
		return -ENOMEM;
	for (i = 0; i < pages->count; i++)
		extents[i] = pages->extents[i >> (PMD_SHIFT - PAGE_SHIFT)];
	kvfree(pages->extents);
	pages->extents = extents;
	pages->extent_shift = PAGE_SHIFT;
	return 0;
}

/* Hold the next page and the rest of its folio, as one. */
static int hold_folio(struct shatomic_pages *pages, struct file *file,
		      unsigned long end)
{
	/*
	 * __GFP_RETRY_MAYFAIL: over the limit of a memory cgroup the caller
	 * gets ENOMEM instead of the OOM killer's visit.
	 */
	gfp_t gfp = mapping_gfp_mask(file->f_mapping) | __GFP_RETRY_MAYFAIL |
		    __GFP_NOWARN;
	unsigned long index = pages->count, n, i;
	struct page *page;
	struct folio *folio;
	uintptr_t origin;

	page = shmem_read_mapping_page_gfp(file->f_mapping, index, gfp);
	/* With strict overcommit -ENOSPC, too, says that there is no memory. */
	if (IS_ERR(page))
		return PTR_ERR(page) == -ENOSPC ? -ENOMEM : PTR_ERR(page);

	folio = page_folio(page);
	if (pages->extent_shift != PAGE_SHIFT && !folio_test_pmd_mappable(folio) &&
	    use_small_extents(pages, end)) {
		folio_put(folio);
		return -ENOMEM;
	}

	/* The last page may be huge and reach past the end of the region. */
	n = min_t(unsigned long, end - index,
		  folio_nr_pages(folio) - folio_page_idx(folio, page));
	origin = (uintptr_t)page_address(page) - (index << PAGE_SHIFT);
	if (pages->extent_shift == PAGE_SHIFT) {
		for (i = 0; i < n; i++)
			pages->extents[index + i] = origin;
	} else {
		pages->extents[index >> (PMD_SHIFT - PAGE_SHIFT)] = origin;
	}
	if (folio_test_pmd_mappable(folio))
		pages->huge_bytes += n * PAGE_SIZE;
	pages->count += n;
	return 0;
}

/**
 * shatomic_pages_hold() - Bring in and hold all pages of a file
 * @pages: [out] The pages; shatomic_pages_drop() lets go of them.
 * @file: The file, from shatomic_memory_file().
 * @size: Its size in bytes.
 *
 * Return: 0, -ENOMEM or -EINTR, with nothing held.
 */
int shatomic_pages_hold(struct shatomic_pages *pages, struct file *file,
			u64 size)
{
	unsigned long end = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	int ret;

	pages->count = 0;
	pages->huge_bytes = 0;
	/* As long as all is huge, a table that stays in the cache. */
	pages->extent_shift = size < PMD_SIZE ? PAGE_SHIFT : PMD_SHIFT;
	pages->extents = new_extents(end, pages->extent_shift);
	if (!pages->extents)
		return -ENOMEM;

	while (pages->count < end) {
		ret = fatal_signal_pending(current) ? -EINTR :
			hold_folio(pages, file, end);
		if (ret) {
			shatomic_pages_drop(pages);
			return ret;
		}
		cond_resched();
	}
	return 0;
}

/**
 * shatomic_page_at() - One of a region's pages
 * @pages: The pages.
 * @index: Which, less than @pages->count.
 *
 * Return: The page, of PAGE_SIZE.
 */
struct page *shatomic_page_at(const struct shatomic_pages *pages,
			      unsigned long index)
{
	unsigned int order = pages->extent_shift - PAGE_SHIFT;

	return virt_to_page((void *)(pages->extents[index >> order] +
				     (index << PAGE_SHIFT)));
}

/**
 * shatomic_pages_drop() - Let go of what shatomic_pages_hold() held
 * @pages: The pages, all that were to be held or the first of them.
 */
void shatomic_pages_drop(struct shatomic_pages *pages)
{
	unsigned long index = 0;

	while (index < pages->count) {
		struct folio *folio =
			page_folio(shatomic_page_at(pages, index));

		/*
		 * Rows write through the direct map, which marks nothing dirty;
		 * a clean page could be dropped with what is in it.
		 */
		folio_mark_dirty(folio);
		index += folio_nr_pages(folio);
		folio_put(folio);
		cond_resched();
	}
	kvfree(pages->extents);
}
