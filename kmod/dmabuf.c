// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions as DMA buffers, for devices and other drivers. A DMA buffer has a file
 * of its own on the region, so that it keeps the region, and with it what the
 * region is charged for, as a descriptor does.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "shatomic.h"

COMPAT_IMPORT_DMA_BUF;

/**
 * struct export - What a DMA buffer is of
 * @file: A file of the region.
 * @charge: It counts as a region, as the kernel charges nobody for a buffer.
 * @lock: Protects @attachments and what they have.
 * @attachments: The devices that are attached.
 */
struct export {
	struct file *file;
	struct shatomic_charge charge;
	struct mutex lock; /* of attachments */
	struct list_head attachments;
};

/**
 * struct attached - A device that is attached
 * @node: Its place in the list.
 * @device: The device.
 * @table: Where its mapping of the region is, NULL when it has none.
 */
struct attached {
	struct list_head node;
	struct device *device;
	struct sg_table *table;
};

/* All pages, in order; to be freed by kvfree(). */
static struct page **pages_of(const struct export *export, unsigned long *count)
{
	const struct shatomic_region *region = shatomic_region_of(export->file);
	struct page **pages;
	unsigned long i;

	*count = region->pages.count;
	pages = kvmalloc_array(*count, sizeof(*pages),
			       GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL |
				       __GFP_NOWARN);
	if (!pages)
		return NULL;
	for (i = 0; i < *count; i++)
		pages[i] = shatomic_page_at(&region->pages, i);
	return pages;
}

static int export_attach(struct dma_buf *buffer,
			 struct dma_buf_attachment *attachment)
{
	struct export *export = buffer->priv;
	struct attached *attached = kzalloc(sizeof(*attached), GFP_KERNEL_ACCOUNT);

	if (!attached)
		return -ENOMEM;
	attached->device = attachment->dev;
	attachment->priv = attached;
	mutex_lock(&export->lock);
	list_add(&attached->node, &export->attachments);
	mutex_unlock(&export->lock);
	return 0;
}

static void export_detach(struct dma_buf *buffer,
			  struct dma_buf_attachment *attachment)
{
	struct export *export = buffer->priv;
	struct attached *attached = attachment->priv;

	mutex_lock(&export->lock);
	list_del(&attached->node);
	mutex_unlock(&export->lock);
	kfree(attached);
}

/* Pieces of the region, of a size that the device can do. */
static struct sg_table *new_table(const struct export *export,
				  struct device *device)
{
	size_t most = max_t(size_t, dma_get_max_seg_size(device), PAGE_SIZE);
	struct sg_table *table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	unsigned long count;
	struct page **pages;
	int ret;

	if (!table)
		return ERR_PTR(-ENOMEM);
	pages = pages_of(export, &count);
	ret = pages ? sg_alloc_table_from_pages_segment(table, pages, count, 0,
							count << PAGE_SHIFT,
							most, GFP_KERNEL_ACCOUNT) :
		      -ENOMEM;
	kvfree(pages);
	if (ret) {
		kfree(table);
		return ERR_PTR(ret);
	}
	return table;
}

static void free_table(struct sg_table *table)
{
	sg_free_table(table);
	kfree(table);
}

static struct sg_table *export_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction direction)
{
	struct export *export = attachment->dmabuf->priv;
	struct attached *attached = attachment->priv;
	struct sg_table *table = new_table(export, attachment->dev);
	int ret;

	if (IS_ERR(table))
		return table;
	ret = dma_map_sgtable(attachment->dev, table, direction, 0);
	if (ret) {
		free_table(table);
		return ERR_PTR(ret);
	}
	mutex_lock(&export->lock);
	attached->table = table;
	mutex_unlock(&export->lock);
	return table;
}

static void export_unmap(struct dma_buf_attachment *attachment,
			 struct sg_table *table,
			 enum dma_data_direction direction)
{
	struct export *export = attachment->dmabuf->priv;
	struct attached *attached = attachment->priv;

	mutex_lock(&export->lock);
	attached->table = NULL;
	mutex_unlock(&export->lock);
	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	free_table(table);
}

/* For each device that the region is mapped for. */
static int sync_devices(struct dma_buf *buffer,
			enum dma_data_direction direction,
			void (*sync)(struct device *device,
				     struct sg_table *table,
				     enum dma_data_direction direction))
{
	struct export *export = buffer->priv;
	struct attached *attached;

	mutex_lock(&export->lock);
	list_for_each_entry(attached, &export->attachments, node) {
		if (attached->table)
			sync(attached->device, attached->table, direction);
	}
	mutex_unlock(&export->lock);
	return 0;
}

static int export_begin_cpu_access(struct dma_buf *buffer,
				   enum dma_data_direction direction)
{
	return sync_devices(buffer, direction, dma_sync_sgtable_for_cpu);
}

static int export_end_cpu_access(struct dma_buf *buffer,
				 enum dma_data_direction direction)
{
	return sync_devices(buffer, direction, dma_sync_sgtable_for_device);
}

/* It becomes a mapping of the region, as one made by a descriptor is. */
static int export_mmap(struct dma_buf *buffer, struct vm_area_struct *vma)
{
	struct export *export = buffer->priv;

	/* What a region's own file has its filesystem for. */
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;
	compat_vm_flags_clear(vma, VM_MAYEXEC);

	vma_set_file(vma, export->file);
	return shatomic_region_map(shatomic_region_of(export->file), vma);
}

static int export_vmap(struct dma_buf *buffer, struct iosys_map *map)
{
	unsigned long count;
	struct page **pages = pages_of(buffer->priv, &count);
	void *address;

	if (!pages)
		return -ENOMEM;
	address = vmap(pages, count, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	if (!address)
		return -ENOMEM;
	iosys_map_set_vaddr(map, address);
	return 0;
}

static void export_vunmap(struct dma_buf *buffer, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void export_free(struct export *export)
{
	shatomic_end_charge(&export->charge, 0, false);
	mutex_destroy(&export->lock);
	kfree(export);
}

static void export_release(struct dma_buf *buffer)
{
	struct export *export = buffer->priv;

	fput(export->file);
	export_free(export);
}

static const struct dma_buf_ops export_ops = {
	.attach = export_attach,
	.detach = export_detach,
	.map_dma_buf = export_map,
	.unmap_dma_buf = export_unmap,
	.begin_cpu_access = export_begin_cpu_access,
	.end_cpu_access = export_end_cpu_access,
	.mmap = export_mmap,
	.vmap = export_vmap,
	.vunmap = export_vunmap,
	.release = export_release,
};

static int charge_export(struct shatomic_charge *charge, u32 *limit)
{
	struct shatomic_account *account = shatomic_account_get();
	int ret;

	if (IS_ERR(account))
		return PTR_ERR(account);
	ret = shatomic_charge_region(charge, account, 0, limit);
	shatomic_account_put(account);
	return ret;
}

static struct export *export_new(u32 *limit)
{
	struct export *export = kzalloc(sizeof(*export), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!export)
		return ERR_PTR(-ENOMEM);
	ret = charge_export(&export->charge, limit);
	if (ret) {
		kfree(export);
		return ERR_PTR(ret);
	}
	mutex_init(&export->lock);
	INIT_LIST_HEAD(&export->attachments);
	return export;
}

/**
 * shatomic_dmabuf() - A DMA buffer that is a region
 * @file: A file of the region, open for reading and writing.
 * @limit: [in,out] SHATOMIC_LIMIT_NONE; the limit that refused it, if one did.
 *
 * Return: The DMA buffer's file, or an error pointer.
 */
struct file *shatomic_dmabuf(struct file *file, u32 *limit)
{
	struct shatomic_region *region = shatomic_region_of(file);
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct export *export;
	struct dma_buf *buffer;

	export = export_new(limit);
	if (IS_ERR(export))
		return ERR_CAST(export);
	/* Its own, since locks and flags are those of the caller's. */
	export->file = dentry_open(&file->f_path, O_RDWR | O_LARGEFILE,
				   current_cred());
	if (IS_ERR(export->file)) {
		buffer = ERR_CAST(export->file);
		goto err_export;
	}

	info.ops = &export_ops;
	info.size = round_up(region->size, PAGE_SIZE);
	info.flags = O_RDWR;
	info.priv = export;
	buffer = dma_buf_export(&info);
	if (!IS_ERR(buffer))
		return buffer->file;

	fput(export->file);
err_export:
	export_free(export);
	return ERR_CAST(buffer);
}
