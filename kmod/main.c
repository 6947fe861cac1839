// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/shatomic: the device node, and starting and stopping the module.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "shatomic.h"

/* Which misc_open() sets to the device: ours is what it has mounted. */
static int device_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	shatomic_fs_unmount_own(file);
	return 0;
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.open		= device_open,
	.release	= device_release,
	.unlocked_ioctl	= shatomic_device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "shatomic",
	.fops	= &device_fops,
	/* A udev rule widens it to group shatomic; never to everybody. */
	.mode	= 0600,
};

static int __init shatomic_init(void)
{
	int ret;

	shatomic_limits_init();
	ret = shatomic_memory_init();
	if (ret)
		return ret;

	ret = shatomic_region_init();
	if (ret)
		goto err_memory;

	ret = shatomic_batch_init();
	if (ret)
		goto err_region;

	ret = shatomic_solo_init();
	if (ret)
		goto err_batch;

	ret = shatomic_fs_init();
	if (ret)
		goto err_solo;

	ret = misc_register(&device);
	if (ret)
		goto err_fs;
	shatomic_debugfs_init();
	return 0;

err_fs:
	shatomic_fs_exit();
err_solo:
	shatomic_solo_exit();
err_batch:
	shatomic_batch_exit();
err_region:
	shatomic_region_exit();
err_memory:
	shatomic_memory_exit();
	return ret;
}

static void __exit shatomic_exit(void)
{
	shatomic_debugfs_exit();
	misc_deregister(&device);
	shatomic_fs_exit();
	shatomic_solo_exit();
	shatomic_batch_exit();
	shatomic_region_exit();
	shatomic_memory_exit();
}

module_init(shatomic_init);
module_exit(shatomic_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The shatomic authors");
MODULE_DESCRIPTION("Atomic operations on pinned shared memory");
