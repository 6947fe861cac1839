// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that imports DMA buffers, for tests: /dev/importer attaches to one
 * and reads and writes its words as told. There is no device behind it; guests
 * have no IOMMU, so that an address for devices is one of memory.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "importer.h"

/* What MODULE_IMPORT_NS() comes to, whose argument kernels differ in. */
MODULE_INFO(import_ns, "DMA_BUF");

static struct miscdevice importer;

struct import {
	struct dma_buf *buffer;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
};

static int import_open(struct inode *inode, struct file *file)
{
	struct import *import = kzalloc(sizeof(*import), GFP_KERNEL);

	file->private_data = import;
	return import ? 0 : -ENOMEM;
}

static int attach(struct import *import, int fd)
{
	int ret;

	if (import->buffer)
		return -EBUSY;
	import->buffer = dma_buf_get(fd);
	if (IS_ERR(import->buffer)) {
		ret = PTR_ERR(import->buffer);
		goto err;
	}
	import->attachment = dma_buf_attach(import->buffer,
					    importer.this_device);
	if (IS_ERR(import->attachment)) {
		ret = PTR_ERR(import->attachment);
		goto err_buffer;
	}
	import->table = dma_buf_map_attachment_unlocked(import->attachment,
							DMA_BIDIRECTIONAL);
	if (IS_ERR(import->table)) {
		ret = PTR_ERR(import->table);
		goto err_attachment;
	}
	return 0;

err_attachment:
	dma_buf_detach(import->buffer, import->attachment);
err_buffer:
	dma_buf_put(import->buffer);
err:
	import->buffer = NULL;
	return ret;
}

static void detach(struct import *import)
{
	if (!import->buffer)
		return;
	dma_buf_unmap_attachment_unlocked(import->attachment, import->table,
					  DMA_BIDIRECTIONAL);
	dma_buf_detach(import->buffer, import->attachment);
	dma_buf_put(import->buffer);
	import->buffer = NULL;
}

static u64 bytes_of(struct import *import)
{
	struct scatterlist *piece;
	u64 bytes = 0;
	int i;

	for_each_sgtable_dma_sg(import->table, piece, i)
		bytes += sg_dma_len(piece);
	return bytes;
}

static void *by_page(struct import *import, u64 offset)
{
	struct scatterlist *piece;
	int i;

	for_each_sgtable_sg(import->table, piece, i) {
		if (offset < piece->length)
			return sg_virt(piece) + offset;
		offset -= piece->length;
	}
	return NULL;
}

static void *by_dma_address(struct import *import, u64 offset)
{
	struct scatterlist *piece;
	int i;

	for_each_sgtable_dma_sg(import->table, piece, i) {
		if (offset < sg_dma_len(piece))
			return phys_to_virt(dma_to_phys(importer.this_device,
							sg_dma_address(piece))) +
			       offset;
		offset -= sg_dma_len(piece);
	}
	return NULL;
}

static int exchange(struct import *import, struct importer_exchange *args)
{
	struct iosys_map map = {};
	u64 *word = NULL;
	int ret;

	if (!import->buffer || args->offset % 8 ||
	    args->offset >= import->buffer->size)
		return -EINVAL;
	ret = dma_buf_begin_cpu_access(import->buffer, DMA_BIDIRECTIONAL);
	if (ret)
		return ret;
	dma_resv_lock(import->buffer->resv, NULL);
	switch (args->way) {
	case IMPORTER_BY_PAGE:
		word = by_page(import, args->offset);
		break;
	case IMPORTER_BY_DMA_ADDRESS:
		word = by_dma_address(import, args->offset);
		break;
	case IMPORTER_BY_VMAP:
		ret = dma_buf_vmap(import->buffer, &map);
		if (!ret)
			word = map.vaddr + args->offset;
		break;
	}
	if (word)
		args->old = xchg(word, args->value);
	if (iosys_map_is_set(&map))
		dma_buf_vunmap(import->buffer, &map);
	dma_resv_unlock(import->buffer->resv);
	dma_buf_end_cpu_access(import->buffer, DMA_BIDIRECTIONAL);
	return word || ret ? ret : -ERANGE;
}

static long import_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct import *import = file->private_data;
	void __user *user = (void __user *)arg;
	struct importer_exchange args;
	u64 bytes;
	int ret;

	switch (cmd) {
	case IMPORTER_ATTACH:
		return attach(import, arg);
	case IMPORTER_DETACH:
		detach(import);
		return 0;
	case IMPORTER_BYTES:
		if (!import->buffer)
			return -EINVAL;
		bytes = bytes_of(import);
		return copy_to_user(user, &bytes, sizeof(bytes)) ? -EFAULT : 0;
	case IMPORTER_EXCHANGE:
		if (copy_from_user(&args, user, sizeof(args)))
			return -EFAULT;
		ret = exchange(import, &args);
		if (ret)
			return ret;
		return copy_to_user(user, &args, sizeof(args)) ? -EFAULT : 0;
	}
	return -ENOTTY;
}

static int import_release(struct inode *inode, struct file *file)
{
	detach(file->private_data);
	kfree(file->private_data);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = import_open,
	.release = import_release,
	.unlocked_ioctl = import_ioctl,
};

static struct miscdevice importer = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "importer",
	.fops = &importer_fops,
};

static int __init importer_init(void)
{
	int ret = misc_register(&importer);

	if (ret)
		return ret;
	ret = dma_coerce_mask_and_coherent(importer.this_device,
					   DMA_BIT_MASK(64));
	if (ret)
		misc_deregister(&importer);
	return ret;
}

static void __exit importer_exit(void)
{
	misc_deregister(&importer);
}

module_init(importer_init);
module_exit(importer_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Imports DMA buffers, for tests");
