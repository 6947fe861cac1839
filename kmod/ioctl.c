// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables of commands, and the handling that all commands share: the
 * extensible structures, and descriptors that are installed last.
 */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mount.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "shatomic.h"

/**
 * struct call - One command under way
 * @file: What it was called on.
 * @args: The caller's structure.
 * @new_file: A file for the caller, installed as @new_fd once nothing can fail
 *	any more; NULL when the command opens none.
 * @new_fd: Its descriptor.
 */
struct call {
	struct file *file;
	union {
		struct {
			u32 size;
			u32 flags;
		} head;
		struct shatomic_ioc_info info;
		struct shatomic_ioc_create create;
		struct shatomic_ioc_region_info region_info;
		struct shatomic_ioc_stats stats;
		struct shatomic_ioc_export_dmabuf export_dmabuf;
	} args;
	struct file *new_file;
	int new_fd;
};

/**
 * struct command - A command's row in a table
 * @number: The ioctl number.
 * @size: Bytes of its structure that this kernel knows.
 * @min_size: Bytes of it that a caller must have.
 * @run: Does it.
 */
struct command {
	unsigned int number;
	u32 size;
	u32 min_size;
	int (*run)(struct call *call);
};

#define COMMAND(ioc, type, last, fn)                                          \
	{ .number = (ioc), .size = sizeof(struct type),                       \
	  .min_size = offsetofend(struct type, last), .run = (fn) }

static int new_descriptor(struct call *call, struct file *file, s32 *fd)
{
	if (IS_ERR(file))
		return PTR_ERR(file);

	call->new_fd = get_unused_fd_flags(O_CLOEXEC);
	if (call->new_fd < 0) {
		fput(file);
		return call->new_fd;
	}
	call->new_file = file;
	*fd = call->new_fd;
	return 0;
}

/* Give the caller what the command made, or undo that when it failed. */
static void finish_call(struct call *call, int ret)
{
	if (!call->new_file)
		return;
	if (!ret) {
		fd_install(call->new_fd, call->new_file);
		return;
	}
	put_unused_fd(call->new_fd);
	fput(call->new_file);
}

static int run_info(struct call *call)
{
	struct shatomic_ioc_info *info = &call->args.info;
	u32 op;

	if (info->flags)
		return -EOPNOTSUPP;

	info->abi_version = SHATOMIC_ABI_VERSION;
	info->op_count = SHATOMIC_OP_COUNT;
	/* So that it is not told of what has just gone. */
	shatomic_remains_drop();
	shatomic_limits_info(info);
	/* Those that are no operations have none. */
	for (op = 0; op < SHATOMIC_OP_SLOTS; op++)
		info->op_widths[op] = shatomic_op_widths(op);
	return 0;
}

static int check_create(struct shatomic_ioc_create *create)
{
	bool in_directory = create->flags & SHATOMIC_CREATE_IN_DIRECTORY;

	create->error_field = SHATOMIC_FIELD_FLAGS;
	if (create->flags & ~(SHATOMIC_CREATE_HUGE | SHATOMIC_CREATE_ASYNC_FREE |
			      SHATOMIC_CREATE_IN_DIRECTORY))
		return -EOPNOTSUPP;

	create->error_field = SHATOMIC_FIELD_REGION_SIZE;
	if (!create->region_size || create->region_size > SHATOMIC_MAX_REGION_BYTES)
		return -EINVAL;

	create->error_field = SHATOMIC_FIELD_MODE;
	if (create->mode & ~0777U || (create->mode && !in_directory))
		return -EINVAL;

	create->error_field = SHATOMIC_FIELD_DIRECTORY;
	if (create->directory && !in_directory)
		return -EINVAL;

	create->error_field = SHATOMIC_FIELD_RESERVED;
	if (create->reserved)
		return -EINVAL;
	create->error_field = SHATOMIC_FIELD_NONE;
	return 0;
}

/* Create what has been checked, on a mount, in @directory or nowhere. */
static int create_on(struct call *call, struct shatomic_ioc_create *create,
		     struct vfsmount *mount, struct file *directory)
{
	if (IS_ERR(mount))
		return PTR_ERR(mount);
	return new_descriptor(call,
			      shatomic_region_create(create, directory, mount,
						     &create->limit),
			      &create->fd);
}

static int create_in(struct call *call, struct shatomic_ioc_create *create,
		     struct file *directory)
{
	int ret = directory ? shatomic_fs_check(directory) : -EBADF;

	if (ret) {
		create->error_field = SHATOMIC_FIELD_DIRECTORY;
		return ret;
	}
	return create_on(call, create, directory->f_path.mnt, directory);
}

static int create_region(struct call *call, struct shatomic_ioc_create *create)
{
	struct file *directory;
	int ret;

	if (!(create->flags & SHATOMIC_CREATE_IN_DIRECTORY))
		return create_on(call, create,
				 shatomic_fs_mount_own(call->file), NULL);

	/* By O_PATH, too, as is enough for those calls that end in at. */
	directory = fget_raw(create->directory);
	ret = create_in(call, create, directory);
	if (directory)
		fput(directory);
	return ret;
}

static int run_create(struct call *call)
{
	struct shatomic_ioc_create *create = &call->args.create;
	int ret;

	ret = check_create(create);
	if (ret)
		return ret;

	create->limit = SHATOMIC_LIMIT_NONE;
	create->fd = -1;
	ret = create_region(call, create);
	/* For whatever it was: pages, a file, a descriptor. */
	if (ret == -ENOMEM && create->limit == SHATOMIC_LIMIT_NONE)
		create->limit = SHATOMIC_LIMIT_MEMORY;
	return ret;
}

static int run_region_info(struct call *call)
{
	return shatomic_region_info(call->file, &call->args.region_info);
}

static int run_stats(struct call *call)
{
	return shatomic_stats(shatomic_region_of(call->file),
			      &call->args.stats);
}

static int run_export_dmabuf(struct call *call)
{
	struct shatomic_ioc_export_dmabuf *export = &call->args.export_dmabuf;
	int ret;

	export->error_field = SHATOMIC_FIELD_FLAGS;
	if (export->flags)
		return -EOPNOTSUPP;
	export->error_field = SHATOMIC_FIELD_RESERVED;
	if (export->reserved)
		return -EINVAL;
	export->error_field = SHATOMIC_FIELD_NONE;
	export->limit = SHATOMIC_LIMIT_NONE;
	export->fd = -1;
	/* Whoever has the buffer may do both. */
	if (~call->file->f_mode & (FMODE_READ | FMODE_WRITE))
		return -EACCES;
	ret = new_descriptor(call, shatomic_dmabuf(call->file, &export->limit),
			     &export->fd);
	if (ret == -ENOMEM && export->limit == SHATOMIC_LIMIT_NONE)
		export->limit = SHATOMIC_LIMIT_MEMORY;
	return ret;
}

static const struct command device_commands[] = {
	COMMAND(SHATOMIC_IOC_INFO, shatomic_ioc_info, flags, run_info),
	COMMAND(SHATOMIC_IOC_CREATE, shatomic_ioc_create, mode, run_create),
};

static const struct command region_commands[] = {
	COMMAND(SHATOMIC_IOC_REGION_INFO, shatomic_ioc_region_info, flags,
		run_region_info),
	COMMAND(SHATOMIC_IOC_STATS, shatomic_ioc_stats, flags, run_stats),
	COMMAND(SHATOMIC_IOC_EXPORT_DMABUF, shatomic_ioc_export_dmabuf,
		error_field, run_export_dmabuf),
};

/* @size is the caller's; what the structure says is taken for no more. */
static int load_args(void *args, const struct command *command,
		     void __user *user, u32 size)
{
	if (size < command->min_size)
		return -EINVAL;
	if (size > SHATOMIC_MAX_ARGS_SIZE)
		return -E2BIG;
	return copy_struct_from_user(args, command->size, user, size);
}

/* On failure too: the structure tells why. */
static int save_args(const void *args, const struct command *command,
		     void __user *user, u32 size, int ret)
{
	unsigned long left = copy_to_user(user, args,
					  min(size, command->size));

	return left && !ret ? -EFAULT : ret;
}

static long run_command(struct file *file, const struct command *commands,
			size_t count, unsigned int number, void __user *user)
{
	const struct command *command = commands;
	const struct command *end = commands + count;
	struct call call __uninitialized;
	int ret;
	u32 size;

	while (command->number != number) {
		if (++command == end)
			return -ENOTTY;
	}

	/* Not zeroed as a whole: of the arguments, what is used is loaded. */
	call.file = file;
	call.new_file = NULL;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	ret = load_args(&call.args, command, user, size);
	if (ret)
		return ret;
	/* It was read twice; what counts is what was checked. */
	call.args.head.size = size;

	ret = save_args(&call.args, command, user, size, command->run(&call));
	finish_call(&call, ret);
	return ret;
}

/**
 * shatomic_device_ioctl() - Run a command on /dev/shatomic
 * @file: What it was opened as.
 * @cmd: The ioctl number.
 * @arg: Address of the caller's structure.
 *
 * Return: 0 or a negative errno value, as the ABI header says.
 */
long shatomic_device_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	return run_command(file, device_commands, ARRAY_SIZE(device_commands),
			   cmd, (void __user *)arg);
}

/* Not among the others, which have time. */
static const struct command batch_command =
	COMMAND(SHATOMIC_IOC_BATCH, shatomic_ioc_batch, offsets, NULL);

/* A copy whose size the compiler knows takes a quarter of the instructions. */
static int load_batch(struct shatomic_ioc_batch *args, void __user *user,
		      u32 size)
{
	if (size != sizeof(*args))
		return load_args(args, &batch_command, user, size);
	return copy_from_user(args, user, sizeof(*args)) ? -EFAULT : 0;
}

static int save_batch(const struct shatomic_ioc_batch *args, void __user *user,
		      u32 size, int ret)
{
	if (size != sizeof(*args))
		return save_args(args, &batch_command, user, size, ret);
	return copy_to_user(user, args, sizeof(*args)) && !ret ? -EFAULT : ret;
}

static int batch_ioctl(struct file *file, void __user *user)
{
	/* All of it is loaded: zeroing it before would be seen in small ones. */
	struct shatomic_ioc_batch args __uninitialized;
	u32 size;
	int ret;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	ret = load_batch(&args, user, size);
	if (ret)
		return ret;
	/* It was read twice; what counts is what was checked. */
	args.size = size;
	return save_batch(&args, user, size, shatomic_submit(file, &args));
}

/**
 * shatomic_region_ioctl() - Run a command on a region
 * @file: A file of the region.
 * @cmd: The ioctl number.
 * @arg: Address of the caller's structure.
 *
 * Return: 0 or a negative errno value, as the ABI header says.
 */
long shatomic_region_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	if (cmd == SHATOMIC_IOC_BATCH)
		return batch_ioctl(file, (void __user *)arg);
	return run_command(file, region_commands, ARRAY_SIZE(region_commands),
			   cmd, (void __user *)arg);
}

/**
 * shatomic_batch_command() - Run a batch that was not asked for by ioctl
 * @file: A file of the region.
 * @user: The caller's struct shatomic_ioc_batch.
 * @size: Its size.
 * @inline_only: Whether to run only what takes no time to speak of.
 *
 * Return: How many rows ran, -EAGAIN when it would take longer, with nothing
 * done, or another negative errno value.
 */
int shatomic_batch_command(struct file *file, void __user *user, u32 size,
			   bool inline_only)
{
	struct shatomic_ioc_batch args __uninitialized;
	int ret;

	ret = load_batch(&args, user, size);
	if (ret)
		return ret;
	if (args.size != size)
		return -EINVAL;
	if (inline_only && args.rows > shatomic_chunk_capacity(args.width))
		return -EAGAIN;

	ret = save_batch(&args, user, size, shatomic_submit(file, &args));
	return ret ? ret : args.rows_done;
}
