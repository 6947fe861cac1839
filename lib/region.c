// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The public calls on regions: they check arguments, choose the backend and
 * own the handle.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CREATE_FLAGS                                        \
	(SHATOMIC_CREATE_HUGE | SHATOMIC_CREATE_ASYNC_FREE | \
	 SHATOMIC_CREATE_PINNED | SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE)

static int choose_by_environment(const char *value,
				 const struct shatomic_backend_ops **ops)
{
	if (!strcmp(value, "device"))
		*ops = &shatomic_device_ops;
	else if (!strcmp(value, "memfd"))
		*ops = &shatomic_memfd_ops;
	else
		return shatomic_fail(EINVAL,
				     "the environment variable SHATOMIC_BACKEND is '%s', not device or memfd",
				     value);
	return 0;
}

static int choose_automatically(const struct shatomic_backend_ops **ops)
{
	const char *value = secure_getenv("SHATOMIC_BACKEND");
	int err;

	if (value)
		return choose_by_environment(value, ops);
	err = shatomic_device_probe();
	/*
	 * Only an absent device: who may not open it should learn that, and
	 * not find two halves of a program on two backends.
	 */
	if (err && err != -ENOENT)
		return err;
	*ops = err ? &shatomic_memfd_ops : &shatomic_device_ops;
	return 0;
}

static int choose_backend(enum shatomic_backend backend,
			  const struct shatomic_backend_ops **ops)
{
	/* Compilers don't see that failing never returns 0. */
	*ops = NULL;
	switch (backend) {
	case SHATOMIC_BACKEND_AUTO:
		return choose_automatically(ops);
	case SHATOMIC_BACKEND_DEVICE:
		*ops = &shatomic_device_ops;
		return 0;
	case SHATOMIC_BACKEND_MEMFD:
		*ops = &shatomic_memfd_ops;
		return 0;
	}
	return shatomic_fail(EOPNOTSUPP, "there is no backend %d",
			     (int)backend);
}

static int check_name(const char *name)
{
	if (!name)
		return shatomic_fail(EINVAL, "name is NULL");
	/* It is not quoted: it may hold what a terminal should not see. */
	if (!shatomic_name_is_valid(name))
		return shatomic_fail(EINVAL,
				     "name is not 1 to %d printable ASCII characters without '/', space or a leading '.'",
				     SHATOMIC_NAME_SIZE - 1);
	return 0;
}

static struct shatomic_region *
new_region(const struct shatomic_backend_ops *ops)
{
	struct shatomic_region *region = calloc(1, sizeof(*region));

	if (!region) {
		shatomic_fail(ENOMEM, "no memory for a handle");
		return NULL;
	}
	region->ops = ops;
	region->fd = -1;
	region->file.fd = -1;
	region->file.directory = -1;
	return region;
}

static void close_descriptors(struct shatomic_region *region)
{
	if (region->fd >= 0)
		close(region->fd);
	shatomic_file_close(&region->file);
}

static void release_memory(struct shatomic_region *region)
{
	if (region->memory.base)
		munmap(region->memory.base, region->memory.size);
	free(region);
}

static void *release_memory_thread(void *region)
{
	release_memory(region);
	return NULL;
}

static void release_region(struct shatomic_region *region)
{
	close_descriptors(region);
	release_memory(region);
}

/* Hand a finished region out, or release one that failed with @err. */
static int finish(int err, struct shatomic_region *made,
		  struct shatomic_region **region)
{
	if (err)
		release_region(made);
	else
		*region = made;
	return err;
}

static int check_create(const struct shatomic_create_options *options)
{
	int err;

	if (options->flags & ~CREATE_FLAGS)
		return shatomic_fail(EOPNOTSUPP, "flags has unknown bits 0x%x",
				     options->flags & ~CREATE_FLAGS);
	err = shatomic_numa_check(options);
	if (err)
		return err;
	if (!options->name)
		return options->mode ? shatomic_fail(EINVAL,
						     "mode is given without a name") :
				       0;
	if (options->mode > 0777)
		return shatomic_fail(EINVAL, "mode 0%o exceeds 0777",
				     (unsigned int)options->mode);
	return check_name(options->name);
}

static __u64 size_of(const struct shatomic_create_options *options,
		     const struct shatomic_content *content)
{
	if (options->size)
		return options->size;
	return content->size ? content->size : 1;
}

static int make_empty(const struct shatomic_create_options *options,
		      const struct shatomic_content *content,
		      struct shatomic_region *made)
{
	struct shatomic_create_options wanted = *options;
	struct shatomic_numa_policy before;
	int err;

	wanted.size = size_of(options, content);
	if (wanted.name && !wanted.mode)
		wanted.mode = 0600;
	err = shatomic_numa_enter(options, &before);
	if (err)
		return err;
	err = made->ops->create(&wanted, made);
	shatomic_numa_leave(options, &before);
	return err;
}

static int remove_previous_file(const struct shatomic_create_options *options,
				const struct shatomic_content *content)
{
	int err;

	if (!(options->flags & SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE))
		return 0;
	err = shatomic_content_check_unchanged(options, content);
	if (err || !unlink(options->previous_path))
		return err;
	err = errno;
	return shatomic_fail(err, "removing previous_path '%s': %s",
			     options->previous_path, strerror(err));
}

/*
 * What can be taken back comes first, and removing a file, which cannot, last.
 * The name comes before the standalone file: of those who race for both, only
 * the one that has the name makes the file, and so may take it back. It is rare
 * that a creation fails after the name was given: who opened the region by it
 * meanwhile then has one without a name.
 */
static int make(const struct shatomic_create_options *options,
		const struct shatomic_content *content,
		struct shatomic_region *made)
{
	int err;

	err = make_empty(options, content, made);
	if (!err)
		err = shatomic_content_fill(options, content, &made->memory);
	if (!err && options->name) {
		err = made->ops->publish(made);
		made->published = !err;
	}
	if (!err && options->standalone_path)
		err = shatomic_file_attach(options, content, &made->file);
	if (!err)
		err = remove_previous_file(options, content);
	if (err) {
		made->ops->discard(made);
		shatomic_file_remove(options, &made->file);
	}
	return err;
}

static int create(const struct shatomic_create_options *options,
		  const struct shatomic_content *content,
		  struct shatomic_region **region)
{
	const struct shatomic_backend_ops *ops;
	struct shatomic_region *made;
	int err;

	err = choose_backend(options->backend, &ops);
	if (err)
		return err;
	made = new_region(ops);
	if (!made)
		return -ENOMEM;
	return finish(make(options, content, made), made, region);
}

int shatomic_create(const struct shatomic_create_options *options,
		    struct shatomic_region **region)
{
	struct shatomic_content content;
	int err;

	if (!options || !region)
		return shatomic_fail(EINVAL, "options or region is NULL");
	err = check_create(options);
	if (err)
		return err;
	err = shatomic_content_open(options, &content);
	if (err)
		return err;
	err = create(options, &content, region);
	shatomic_content_close(&content);
	return err;
}

int shatomic_open(enum shatomic_backend backend, const char *name,
		  unsigned int flags, struct shatomic_region **region)
{
	const struct shatomic_backend_ops *ops;
	struct shatomic_region *made;
	int err;

	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	if (flags & ~SHATOMIC_OPEN_READ_ONLY)
		return shatomic_fail(EOPNOTSUPP, "flags has unknown bits 0x%x",
				     flags & ~SHATOMIC_OPEN_READ_ONLY);
	err = check_name(name);
	if (err)
		return err;
	err = choose_backend(backend, &ops);
	if (err)
		return err;
	made = new_region(ops);
	if (!made)
		return -ENOMEM;
	return finish(ops->open(name, flags, made), made, region);
}

static int import_either(struct shatomic_region *region)
{
	int err;

	region->ops = &shatomic_device_ops;
	err = region->ops->import(region);
	if (err != -EBADF)
		return err;
	region->ops = &shatomic_memfd_ops;
	return region->ops->import(region);
}

int shatomic_import(int fd, struct shatomic_region **region)
{
	struct shatomic_region *made;

	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	made = new_region(NULL);
	if (!made)
		return -ENOMEM;
	made->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (made->fd < 0) {
		int err = errno;

		shatomic_fail(err, "descriptor %d: %s", fd, strerror(err));
		return finish(-err, made, region);
	}
	return finish(import_either(made), made, region);
}

/*
 * Only unmapping takes long. A child that is forked meanwhile has no thread that
 * goes on with it, and so must not inherit the mapping.
 */
static int release_by_thread(struct shatomic_region *region)
{
	madvise(region->memory.base, region->memory.size, MADV_DONTFORK);
	return shatomic_thread_start(NULL, release_memory_thread, region);
}

void shatomic_close(struct shatomic_region *region)
{
	if (!region)
		return;
	close_descriptors(region);
	if (!region->close_by_thread || release_by_thread(region))
		release_memory(region);
}

int shatomic_unlink(enum shatomic_backend backend, const char *name)
{
	const struct shatomic_backend_ops *ops;
	int err;

	err = check_name(name);
	if (err)
		return err;
	err = choose_backend(backend, &ops);
	if (err)
		return err;
	return ops->unlink(name);
}

int shatomic_list(enum shatomic_backend backend,
		  struct shatomic_listed **entries, size_t *count)
{
	const struct shatomic_backend_ops *ops;
	int err;

	if (!entries || !count)
		return shatomic_fail(EINVAL, "entries or count is NULL");
	err = choose_backend(backend, &ops);
	if (err)
		return err;
	return ops->list(entries, count);
}

void *shatomic_buf(const struct shatomic_region *region, size_t *size)
{
	if (!region) {
		shatomic_fail(EINVAL, "region is NULL");
		return NULL;
	}
	if (size)
		*size = region->memory.size;
	return region->memory.base;
}

size_t shatomic_size(const struct shatomic_region *region)
{
	if (!region) {
		shatomic_fail(EINVAL, "region is NULL");
		return 0;
	}
	return region->memory.size;
}

int shatomic_dealloc_async(const struct shatomic_region *region)
{
	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	return region->async_free;
}

static int check_word(const struct shatomic_region *region, uint64_t offset,
		      unsigned int width)
{
	unsigned long long at = offset;

	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	if (!shatomic_width_is_supported(width) || width & (width - 1))
		return shatomic_fail(EINVAL, "width %u is not 1, 2, 4 or 8",
				     width);
	if (offset % width)
		return shatomic_fail(EINVAL,
				     "offset %llu is not a multiple of its width %u",
				     at, width);
	if (width > region->memory.size ||
	    offset > region->memory.size - width)
		return shatomic_fail(ERANGE,
				     "offset %llu with width %u lies outside the region (%llu bytes)",
				     at, width, region->memory.size);
	return 0;
}

void *shatomic_at(const struct shatomic_region *region, uint64_t offset,
		  unsigned int width)
{
	if (check_word(region, offset, width))
		return NULL;
	return shatomic_memory_at(&region->memory, offset);
}

int shatomic_fd(const struct shatomic_region *region)
{
	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	return region->fd;
}

int shatomic_get_info(const struct shatomic_region *region,
		      struct shatomic_info *info)
{
	struct shatomic_info found = { 0 };
	int err;

	if (!region || !info)
		return shatomic_fail(EINVAL, "region or info is NULL");
	found.backend = region->ops->backend;
	found.size = region->memory.size;
	found.writable = region->memory.writable;
	strcpy(found.name, region->name);
	err = region->ops->get_info(region, &found);
	if (!err)
		*info = found;
	return err;
}

int shatomic_stats(const struct shatomic_region *region,
		   struct shatomic_stats *stats)
{
	if (!region || !stats)
		return shatomic_fail(EINVAL, "region or stats is NULL");
	return region->ops->get_stats(region, stats);
}

int shatomic_export_dmabuf(const struct shatomic_region *region,
			   unsigned int flags, int *fd)
{
	if (!region || !fd)
		return shatomic_fail(EINVAL, "region or fd is NULL");
	if (flags)
		return shatomic_fail(EOPNOTSUPP, "flags has unknown bits 0x%x",
				     flags);
	if (region->ops != &shatomic_device_ops)
		return shatomic_fail(EOPNOTSUPP,
				     "only a region of the device backend can be a DMA buffer, and this is one of memfd");
	if (!region->memory.writable)
		return shatomic_fail(EACCES,
				     "a region that is open read-only can't be a DMA buffer, which devices may write to");
	return shatomic_device_export_dmabuf(region, fd);
}
