// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What has to do with regular files: opening them, writing bytes of a region to
 * them, making their names last.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes on their way from a region to a file. */
#define BOUNCE_SIZE ((__u64)1 << 20)

int shatomic_check_regular(const char *field, const char *path,
			   const struct stat *stat)
{
	if (S_ISDIR(stat->st_mode))
		return shatomic_fail(EISDIR, "%s '%s' is a directory", field,
				     path);
	if (!S_ISREG(stat->st_mode))
		return shatomic_fail(EINVAL, "%s '%s' is not a regular file",
				     field, path);
	return 0;
}

static int fail_open(int err, const char *field, const char *path)
{
	/* What a socket answers, and a device without a driver. */
	if (err == ENXIO || err == ENODEV)
		return shatomic_fail(EINVAL, "%s '%s' is not a regular file",
				     field, path);
	return shatomic_fail(err, "%s '%s': %s", field, path, strerror(err));
}

int shatomic_open_regular(const char *field, const char *path, int flags,
			  struct stat *stat)
{
	int fd, err;

	/* O_NONBLOCK: a pipe is refused, not waited for. */
	fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (fd < 0)
		return fail_open(errno, field, path);
	if (fstat(fd, stat)) {
		err = errno;
		err = shatomic_fail(err, "%s '%s': fstat: %s", field, path,
				    strerror(err));
	} else {
		err = shatomic_check_regular(field, path, stat);
	}
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int shatomic_open_directory(const char *field, const char *path)
{
	char *copy = strdup(path);
	int fd, err = 0;

	if (!copy)
		return shatomic_fail(ENOMEM, "no memory for the path in %s",
				     field);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = errno;
		shatomic_fail(err, "the directory of %s '%s': %s", field, path,
			      strerror(err));
	}
	free(copy);
	return err ? -err : fd;
}

int shatomic_sync_directory(int directory, const char *path)
{
	int err;

	/* EINVAL: the file system knows no such thing. */
	if (!fsync(directory) || errno == EINVAL)
		return 0;
	err = errno;
	return shatomic_fail(err, "fsync of the directory of '%s': %s", path,
			     strerror(err));
}

static int write_all(int fd, const char *path, const unsigned char *buffer,
		     __u64 length, __u64 at)
{
	ssize_t put;
	int err;

	while (length) {
		put = pwrite(fd, buffer, length, at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			err = errno;
			return shatomic_fail(err, "writing '%s': %s", path,
					     strerror(err));
		}
		buffer += put;
		length -= put;
		at += put;
	}
	return 0;
}

/* Pieces end where words do, so that no word is loaded in halves. */
int shatomic_write_bytes(const struct shatomic_memory *memory, int fd,
			 const char *path, __u64 start, __u64 length,
			 __u64 origin)
{
	__u64 at = start, end = start + length, step;
	unsigned char *buffer = malloc(BOUNCE_SIZE);
	int err = 0;

	if (!buffer)
		return shatomic_fail(ENOMEM, "no memory to write '%s'", path);
	while (at < end && !err) {
		step = BOUNCE_SIZE - at % 8;
		if (step > end - at)
			step = end - at;
		shatomic_copy_out(memory, at, buffer, step);
		err = write_all(fd, path, buffer, step, at - origin);
		at += step;
	}
	free(buffer);
	return err;
}

int shatomic_resolve_range(const struct shatomic_region *region, __u64 start,
			   __u64 *length)
{
	unsigned long long size = region->memory.size, first = start;

	if (start >= size)
		return shatomic_fail(ERANGE,
				     "start %llu lies outside the region (%llu bytes)",
				     first, size);
	if (*length > size - start)
		return shatomic_fail(ERANGE,
				     "length %llu from %llu on exceeds the region (%llu bytes)",
				     *length, first, size);
	if (!*length)
		*length = size - start;
	return 0;
}
