// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The device backend: regions and batches of the kernel module. Named regions
 * are files, see directory.c.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/shatomic"

/* What opening it answers when there is none. */
static bool is_absence(int err)
{
	return err == ENOENT || err == ENXIO || err == ENODEV;
}

static int fail_device(int err)
{
	if (is_absence(err))
		return shatomic_fail(ENOENT,
				     DEVICE ": %s: load the kernel module (modprobe shatomic) or use the memfd backend",
				     strerror(err));
	if (err == EACCES || err == EPERM)
		return shatomic_fail(EACCES,
				     DEVICE ": %s: join the group that it belongs to, or set SHATOMIC_BACKEND=memfd",
				     strerror(err));
	return shatomic_fail(err, DEVICE ": %s", strerror(err));
}

int shatomic_device_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? fail_device(errno) : fd;
}

int shatomic_device_probe(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return is_absence(errno) ? -ENOENT : fail_device(errno);
	close(fd);
	return 0;
}

static int fail_create(int err, const struct shatomic_create_options *options,
		       const struct shatomic_ioc_create *arg)
{
	unsigned long long size = options->size;
	char text[SHATOMIC_LIMIT_TEXT_SIZE];

	if (arg->error_field == SHATOMIC_FIELD_DIRECTORY)
		return shatomic_directory_fail_create(err);
	if (err == EINVAL && arg->error_field == SHATOMIC_FIELD_REGION_SIZE)
		return shatomic_fail(err,
				     "size %llu is more than any region can have",
				     size);
	if ((err == EPERM || err == ENOMEM) && arg->limit) {
		shatomic_limit_text(arg->limit, text);
		return shatomic_fail(err,
				     "size %llu%s is refused by a limit: %s",
				     size,
				     options->flags & SHATOMIC_CREATE_HUGE ?
					     " in huge pages" :
					     "",
				     text);
	}
	return shatomic_fail(err, DEVICE ": creating a region of %llu bytes: %s",
			     size, strerror(err));
}

/* What the kernel knows of the region @fd; a positive errno value. */
static int region_info(int fd, struct shatomic_ioc_region_info *info)
{
	*info = (struct shatomic_ioc_region_info){ .size = sizeof(*info) };
	return ioctl(fd, SHATOMIC_IOC_REGION_INFO, info) ? errno : 0;
}

/* Fill in and map the region that @region->fd is. */
static int attach(struct shatomic_region *region)
{
	struct shatomic_ioc_region_info info;
	int err;

	err = region_info(region->fd, &info);
	if (err)
		return shatomic_fail(EBADF,
				     "the descriptor is not that of a region: %s",
				     strerror(err));
	region->memory.size = info.region_size;
	region->memory.writable = !(info.open_flags & SHATOMIC_OPEN_READ_ONLY);
	region->async_free = info.create_flags & SHATOMIC_CREATE_ASYNC_FREE;
	memcpy(region->name, info.name, sizeof(region->name));
	return shatomic_map_region(region);
}

/* The command on the device; 0, or a negative errno value and a sentence. */
static int create_by_device(const struct shatomic_create_options *options,
			    struct shatomic_ioc_create *arg)
{
	int device = shatomic_device_open();
	int err;

	if (device < 0)
		return device;
	err = ioctl(device, SHATOMIC_IOC_CREATE, arg) ? errno : 0;
	close(device);
	return err ? fail_create(err, options, arg) : 0;
}

static int create_named(const struct shatomic_create_options *options,
			struct shatomic_ioc_create *arg)
{
	int directory = shatomic_directory_open(options->name);
	int err;

	if (directory < 0)
		return directory;
	arg->flags |= SHATOMIC_CREATE_IN_DIRECTORY;
	arg->directory = directory;
	err = create_by_device(options, arg);
	close(directory);
	return err;
}

static int create(const struct shatomic_create_options *options,
		  struct shatomic_region *region)
{
	struct shatomic_ioc_create arg = {
		.size = sizeof(arg),
		/* The rest is the library's; the device always pins. */
		.flags = options->flags &
			 (SHATOMIC_CREATE_HUGE | SHATOMIC_CREATE_ASYNC_FREE),
		.region_size = options->size,
		.fd = -1,
		.mode = options->mode,
	};
	int err;

	err = options->name ? create_named(options, &arg) :
			      create_by_device(options, &arg);
	if (err)
		return err;
	region->fd = arg.fd;
	err = attach(region);
	/* Which it will have when it has been published. */
	if (!err && options->name)
		strcpy(region->name, options->name);
	return err;
}

static int publish(struct shatomic_region *region)
{
	return shatomic_directory_publish(region->fd, region->name);
}

static void discard(struct shatomic_region *region)
{
	if (region->published)
		shatomic_directory_withdraw(region->name);
}

static int open_named(const char *name, unsigned int flags,
		      struct shatomic_region *region)
{
	int err;

	err = shatomic_directory_open_region(name,
					     !(flags & SHATOMIC_OPEN_READ_ONLY),
					     &region->fd);
	return err ? err : attach(region);
}

static int import(struct shatomic_region *region)
{
	struct shatomic_ioc_region_info info;

	/* No failure yet: it may be one of the other backend. */
	return region_info(region->fd, &info) ? -EBADF : attach(region);
}

static int get_info(const struct shatomic_region *region,
		    struct shatomic_info *info)
{
	struct shatomic_ioc_region_info arg;
	int err;

	err = region_info(region->fd, &arg);
	if (err)
		return shatomic_fail(err, "asking for a region's information: %s",
				     strerror(err));
	info->huge_bytes = arg.huge_bytes;
	info->pinned = 1;
	info->mode = arg.mode;
	info->uid = arg.uid;
	info->gid = arg.gid;
	memcpy(info->name, arg.name, sizeof(info->name));
	return 0;
}

static int get_stats(const struct shatomic_region *region,
		     struct shatomic_stats *stats)
{
	struct shatomic_ioc_stats arg = { .size = sizeof(arg) };
	uint32_t op;
	int err;

	if (ioctl(region->fd, SHATOMIC_IOC_STATS, &arg)) {
		err = errno;
		if (err == ENOTTY)
			return shatomic_fail(EOPNOTSUPP, DEVICE
					     ": the module that is loaded has no statistics");
		return shatomic_fail(err, "asking for a region's statistics: %s",
				     strerror(err));
	}
	stats->counting = arg.counting;
	stats->batches = arg.batches;
	stats->errors = arg.errors;
	stats->in_flight = arg.in_flight;
	stats->rows = arg.rows;
	for (op = 0; op < SHATOMIC_OP_SLOTS; op++)
		stats->op_rows[op] = arg.op_rows[op];
	return 0;
}

int shatomic_device_export_dmabuf(const struct shatomic_region *region,
				  int *fd)
{
	struct shatomic_ioc_export_dmabuf arg = { .size = sizeof(arg) };
	char text[SHATOMIC_LIMIT_TEXT_SIZE];
	int err;

	if (ioctl(region->fd, SHATOMIC_IOC_EXPORT_DMABUF, &arg)) {
		err = errno;
		if ((err == EPERM || err == ENOMEM) && arg.limit) {
			shatomic_limit_text(arg.limit, text);
			return shatomic_fail(err,
					     "a DMA buffer is refused by a limit: %s",
					     text);
		}
		return shatomic_fail(err, "making a DMA buffer: %s",
				     err == EOPNOTSUPP || err == ENOTTY ?
				     "this kernel has none of regions" :
				     strerror(err));
	}
	*fd = arg.fd;
	return 0;
}

int shatomic_device_check_peers(const struct shatomic_region *region,
				struct shatomic_batch *batch)
{
	uint32_t i;

	for (i = 0; i < batch->peer_count; i++) {
		if (batch->peers[i]->ops != &shatomic_device_ops) {
			batch->error_field = SHATOMIC_FIELD_PEERS;
			return shatomic_fail_batch(EBADF, region, batch);
		}
	}
	return 0;
}

void shatomic_device_begin(const struct shatomic_batch *batch, __s32 *fds,
			   struct shatomic_ioc_batch *arg)
{
	uint32_t i;

	for (i = 0; i < batch->peer_count; i++)
		fds[i] = batch->peers[i]->fd;
	*arg = (struct shatomic_ioc_batch){
		.size = sizeof(*arg),
		.flags = batch->flags,
		.op = batch->op,
		.width = batch->width,
		.parallelism = batch->parallelism,
		.peer_count = batch->peer_count,
		.rows = batch->rows,
		.ops = (uintptr_t)batch->ops,
		.widths = (uintptr_t)batch->widths,
		.offsets = (uintptr_t)batch->offsets,
		.operands = (uintptr_t)batch->operands,
		.comparands = (uintptr_t)batch->comparands,
		.masks = (uintptr_t)batch->masks,
		.comparand_masks = (uintptr_t)batch->comparand_masks,
		.results = (uintptr_t)batch->results,
		.statuses = (uintptr_t)batch->statuses,
		.peers = (uintptr_t)fds,
		.peer_indexes = (uintptr_t)batch->peer_indexes,
		.peer_offsets = (uintptr_t)batch->peer_offsets,
		/* For when the kernel refuses before it writes anything. */
		.error_row = UINT64_MAX,
	};
	if (batch->columns) {
		arg->flags |= SHATOMIC_BATCH_COLUMNS_IN_REGION;
		arg->columns = batch->columns->fd;
		arg->columns_base = (uintptr_t)batch->columns->memory.base;
	}
}

void shatomic_device_end(struct shatomic_batch *batch,
			 const struct shatomic_ioc_batch *arg)
{
	batch->rows_done = arg->rows_done;
	batch->error_row = arg->error_row;
	batch->error_field = arg->error_field;
	batch->limit = arg->limit;
}

static int run_with_fds(const struct shatomic_region *region,
			struct shatomic_batch *batch, __s32 *fds)
{
	struct shatomic_ioc_batch arg;
	int err;

	shatomic_device_begin(batch, fds, &arg);
	err = ioctl(region->fd, SHATOMIC_IOC_BATCH, &arg) ? errno : 0;
	shatomic_device_end(batch, &arg);
	return err ? shatomic_fail_batch(err, region, batch) : 0;
}

static int run_batch(const struct shatomic_region *region,
		     struct shatomic_batch *batch)
{
	__s32 few[SHATOMIC_FEW_PEERS], *fds;
	int err;

	err = shatomic_device_check_peers(region, batch);
	if (err)
		return err;
	fds = shatomic_peer_table(region, batch, few, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	err = run_with_fds(region, batch, fds);
	if (fds != few)
		free(fds);
	return err;
}

const struct shatomic_backend_ops shatomic_device_ops = {
	.backend = SHATOMIC_BACKEND_DEVICE,
	.create = create,
	.publish = publish,
	.discard = discard,
	.open = open_named,
	.import = import,
	.unlink = shatomic_directory_unlink,
	.list = shatomic_directory_list,
	.get_info = get_info,
	.get_stats = get_stats,
	.run_batch = run_batch,
};
