// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Standalone regions: the file that a region stands on.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Open the file or make it, which *@made then tells; a descriptor. */
static int open_or_make(const char *path, struct stat *stat, bool *made)
{
	int fd;

	fd = shatomic_open_regular("standalone_path", path,
				   O_RDWR | O_CREAT | O_EXCL, stat);
	*made = fd >= 0;
	if (fd == -EEXIST)
		fd = shatomic_open_regular("standalone_path", path, O_RDWR,
					   stat);
	return fd;
}

/* What may keep @stat from being the file of a standalone region. */
static int check_file(const struct shatomic_create_options *options,
		      const struct shatomic_content *content,
		      const struct stat *stat)
{
	if (options->flags & SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE &&
	    is_same_file(&content->stat, stat))
		return shatomic_fail(EINVAL,
				     "standalone_path '%s' is previous_path, which flags says to remove",
				     options->standalone_path);
	return 0;
}

int shatomic_file_attach(const struct shatomic_create_options *options,
			 const struct shatomic_content *content,
			 struct shatomic_file *file)
{
	struct stat stat;
	int err;

	file->fd = open_or_make(options->standalone_path, &stat, &file->made);
	if (file->fd < 0)
		return file->fd;
	if (!file->made)
		return check_file(options, content, &stat);
	/* Now, since a path may lead elsewhere when the file is synced. */
	err = shatomic_open_directory("standalone_path", options->standalone_path);
	if (err < 0)
		return err;
	file->directory = err;
	return 0;
}

void shatomic_file_remove(const struct shatomic_create_options *options,
			  const struct shatomic_file *file)
{
	if (file->made)
		unlink(options->standalone_path);
}

void shatomic_file_close(struct shatomic_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	if (file->directory >= 0)
		close(file->directory);
}

static int fail_standalone(void)
{
	return shatomic_fail(EINVAL, "the region is not standalone");
}

static bool is_standalone(const struct shatomic_region *region)
{
	return region && region->file.fd >= 0;
}

void *shatomic_standalone(const struct shatomic_region *region)
{
	if (!is_standalone(region)) {
		fail_standalone();
		return NULL;
	}
	return region->memory.base;
}

int shatomic_f(const struct shatomic_region *region)
{
	return is_standalone(region) ? region->file.fd : fail_standalone();
}

/* The file itself in words, as its path may lead elsewhere by now. */
#define STANDALONE_FILE "the standalone file"

static int start_writing(int fd, __u64 start, __u64 length)
{
	int err;

	/* Where it is not known, writing starts when the kernel likes. */
	if (!sync_file_range(fd, start, length, SYNC_FILE_RANGE_WRITE) ||
	    errno == ENOSYS || errno == EINVAL || errno == ESPIPE)
		return 0;
	err = errno;
	return shatomic_fail(err, "sync_file_range of " STANDALONE_FILE ": %s",
			     strerror(err));
}

static int finish_writing(struct shatomic_file *file)
{
	int err;

	if (fdatasync(file->fd)) {
		err = errno;
		return shatomic_fail(err, "fdatasync of " STANDALONE_FILE ": %s",
				     strerror(err));
	}
	if (file->directory < 0 ||
	    __atomic_load_n(&file->named_on_disk, __ATOMIC_ACQUIRE))
		return 0;
	err = shatomic_sync_directory(file->directory, STANDALONE_FILE);
	if (!err)
		__atomic_store_n(&file->named_on_disk, true, __ATOMIC_RELEASE);
	return err;
}

int shatomic_file_sync(struct shatomic_region *region, unsigned int flags,
		       uint64_t start, uint64_t length)
{
	__u64 bytes = length;
	int err;

	if (!is_standalone(region))
		return fail_standalone();
	if (flags & ~SHATOMIC_SYNC_ASYNC)
		return shatomic_fail(EOPNOTSUPP, "flags has unknown bits 0x%x",
				     flags & ~SHATOMIC_SYNC_ASYNC);
	err = shatomic_resolve_range(region, start, &bytes);
	if (err)
		return err;
	while (ftruncate(region->file.fd, region->memory.size)) {
		err = errno;
		if (err != EINTR)
			return shatomic_fail(err,
					     "giving " STANDALONE_FILE " the region's size: %s",
					     strerror(err));
	}
	err = shatomic_write_bytes(&region->memory, region->file.fd,
				   STANDALONE_FILE, start, bytes, 0);
	if (err)
		return err;
	if (flags & SHATOMIC_SYNC_ASYNC)
		return start_writing(region->file.fd, start, bytes);
	return finish_writing(&region->file);
}
