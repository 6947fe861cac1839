// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A region and files: the file that a standalone region stands on, dumps, and
 * copying in and out.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Bytes on their way from a region to a file. */
#define BOUNCE_SIZE ((__u64)1 << 20)

/* The name of a dump that is not finished is that of the dump and these. */
#define SUFFIX_LENGTH 6

/* How many names are tried; each is one of 10^10. */
#define SUFFIX_TRIES 100

static int check_regular(const char *field, const char *path,
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
		err = check_regular(field, path, stat);
	}
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Open the directory that @path is in; a descriptor. */
static int open_directory(const char *field, const char *path)
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

/* A file's name lasts only once its directory is on disk. */
static int sync_directory(int directory, const char *path)
{
	int err;

	/* EINVAL: the file system knows no such thing. */
	if (!fsync(directory) || errno == EINVAL)
		return 0;
	err = errno;
	return shatomic_fail(err, "fsync of the directory of '%s': %s", path,
			     strerror(err));
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
	err = open_directory("standalone_path", options->standalone_path);
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

/* The bytes before the first whole word of a copy, or all of it. */
static __u64 head_of(__u64 offset, __u64 length)
{
	__u64 head = -offset % 8;

	return head < length ? head : length;
}

static void bytes_out(const struct shatomic_memory *memory, __u64 offset,
		      unsigned char *buffer, __u64 length)
{
	const unsigned char *from = shatomic_memory_at(memory, offset);
	__u64 i;

	for (i = 0; i < length; i++)
		buffer[i] = __atomic_load_n(from + i, __ATOMIC_SEQ_CST);
}

static void bytes_in(const struct shatomic_memory *memory, __u64 offset,
		     const unsigned char *buffer, __u64 length)
{
	unsigned char *to = shatomic_memory_at(memory, offset);
	__u64 i;

	for (i = 0; i < length; i++)
		__atomic_store_n(to + i, buffer[i], __ATOMIC_SEQ_CST);
}

static void copy_out(const struct shatomic_memory *memory, __u64 offset,
		     unsigned char *buffer, __u64 length)
{
	__u64 head = head_of(offset, length);
	__u64 at, end = head + (length - head) / 8 * 8;
	__u64 word;

	bytes_out(memory, offset, buffer, head);
	for (at = head; at < end; at += 8) {
		const __u64 *from = shatomic_memory_at(memory, offset + at);

		word = __atomic_load_n(from, __ATOMIC_SEQ_CST);
		memcpy(buffer + at, &word, 8);
	}
	bytes_out(memory, offset + end, buffer + end, length - end);
}

static void copy_in(const struct shatomic_memory *memory, __u64 offset,
		    const unsigned char *buffer, __u64 length)
{
	__u64 head = head_of(offset, length);
	__u64 at, end = head + (length - head) / 8 * 8;
	__u64 word;

	bytes_in(memory, offset, buffer, head);
	for (at = head; at < end; at += 8) {
		__u64 *to = shatomic_memory_at(memory, offset + at);

		memcpy(&word, buffer + at, 8);
		__atomic_store_n(to, word, __ATOMIC_SEQ_CST);
	}
	bytes_in(memory, offset + end, buffer + end, length - end);
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

/*
 * Write bytes of a region to their place in a file whose first byte is that at
 * @origin. Pieces end where words do, so that no word is loaded in halves.
 */
static int write_bytes(const struct shatomic_memory *memory, int fd,
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
		copy_out(memory, at, buffer, step);
		err = write_all(fd, path, buffer, step, at - origin);
		at += step;
	}
	free(buffer);
	return err;
}

/* Check a range of which @length 0 means all from @start on, and resolve it. */
static int check_range(const struct shatomic_region *region, __u64 start,
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
	err = sync_directory(file->directory, STANDALONE_FILE);
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
	err = check_range(region, start, &bytes);
	if (err)
		return err;
	while (ftruncate(region->file.fd, region->memory.size)) {
		err = errno;
		if (err != EINTR)
			return shatomic_fail(err,
					     "giving " STANDALONE_FILE " the region's size: %s",
					     strerror(err));
	}
	err = write_bytes(&region->memory, region->file.fd, STANDALONE_FILE,
			  start, bytes, 0);
	if (err)
		return err;
	if (flags & SHATOMIC_SYNC_ASYNC)
		return start_writing(region->file.fd, start, bytes);
	return finish_writing(&region->file);
}

/**
 * struct dump - A file that is being made
 * @target: Where it goes, without a symbolic link at the end.
 * @temporary: Where it is until it is whole.
 * @exists: Whether @target is there already.
 * @mode: Its mode then.
 * @fd: The temporary file.
 * @directory: The directory of both.
 */
struct dump {
	char target[PATH_MAX];
	char temporary[PATH_MAX + SUFFIX_LENGTH];
	bool exists;
	mode_t mode;
	int fd;
	int directory;
};

static int fail_path(int err, const char *path)
{
	return shatomic_fail(err, "path '%s': %s", path, strerror(err));
}

static int find_new(const char *path, struct dump *dump)
{
	size_t length = strlen(path);
	struct stat stat;

	if (!length)
		return shatomic_fail(ENOENT, "path is empty");
	if (path[length - 1] == '/')
		return shatomic_fail(EISDIR, "path '%s' is that of a directory",
				     path);
	if (!lstat(path, &stat))
		return shatomic_fail(ENOENT,
				     "path '%s' is a symbolic link that leads nowhere",
				     path);
	if (length >= sizeof(dump->target))
		return fail_path(ENAMETOOLONG, path);
	memcpy(dump->target, path, length + 1);
	dump->exists = false;
	dump->mode = 0666;
	return 0;
}

/* Where the dump goes, and what is there. */
static int find_target(const char *path, struct dump *dump)
{
	struct stat stat;
	int err;

	if (!realpath(path, dump->target)) {
		err = errno;
		return err == ENOENT ? find_new(path, dump) :
				       fail_path(err, path);
	}
	if (lstat(dump->target, &stat))
		return fail_path(errno, path);
	dump->exists = true;
	/* Without set-user-ID and the like: the file may get another owner. */
	dump->mode = stat.st_mode & 0777;
	return check_regular("path", path, &stat);
}

static int choose_suffix(char suffix[SUFFIX_LENGTH + 1])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned char random[SUFFIX_LENGTH];
	int i;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -errno;
	for (i = 0; i < SUFFIX_LENGTH; i++)
		suffix[i] = letters[random[i] % (sizeof(letters) - 1)];
	suffix[i] = '\0';
	return 0;
}

/*
 * Not mkostemp(3), whose files take neither the umask nor a directory's
 * default ACL: the umask cannot be asked for without changing it for all
 * threads.
 */
static int make_temporary(struct dump *dump)
{
	char suffix[SUFFIX_LENGTH + 1];
	int tries, err;

	for (tries = 0; tries < SUFFIX_TRIES; tries++) {
		err = choose_suffix(suffix);
		if (err)
			return fail_path(-err, dump->target);
		snprintf(dump->temporary, sizeof(dump->temporary), "%s%s",
			 dump->target, suffix);
		dump->fd = open(dump->temporary,
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				dump->mode);
		if (dump->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return fail_path(errno, dump->temporary);
}

/* Make the temporary file whole, and then the target of it. */
static int fill_and_rename(const struct shatomic_memory *memory,
			   const struct dump *dump, __u64 start, __u64 length)
{
	int err;

	if (dump->exists && fchmod(dump->fd, dump->mode))
		return fail_path(errno, dump->temporary);
	err = write_bytes(memory, dump->fd, dump->target, start, length, start);
	if (err)
		return err;
	if (fsync(dump->fd)) {
		err = errno;
		return shatomic_fail(err, "fsync of '%s': %s", dump->temporary,
				     strerror(err));
	}
	if (rename(dump->temporary, dump->target)) {
		err = errno;
		return shatomic_fail(err, "renaming '%s' to '%s': %s",
				     dump->temporary, dump->target,
				     strerror(err));
	}
	return 0;
}

static int write_dump(const struct shatomic_memory *memory, struct dump *dump,
		      __u64 start, __u64 length)
{
	int err;

	err = make_temporary(dump);
	if (err)
		return err;
	err = fill_and_rename(memory, dump, start, length);
	close(dump->fd);
	if (err) {
		unlink(dump->temporary);
		return err;
	}
	return sync_directory(dump->directory, dump->target);
}

ssize_t shatomic_memdump(const struct shatomic_region *region,
			 const char *path, uint64_t start, uint64_t length)
{
	__u64 bytes = length;
	struct dump dump;
	int err;

	if (!region || !path)
		return shatomic_fail(EINVAL, "region or path is NULL");
	err = check_range(region, start, &bytes);
	if (err)
		return err;
	err = find_target(path, &dump);
	if (err)
		return err;
	dump.directory = open_directory("path", dump.target);
	if (dump.directory < 0)
		return dump.directory;
	err = write_dump(&region->memory, &dump, start, bytes);
	close(dump.directory);
	return err ? err : (ssize_t)bytes;
}

static int check_move(const struct shatomic_region *region, const void *buffer,
		      __u64 offset, __u64 length,
		      enum shatomic_memmove_direction direction)
{
	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	if (direction != SHATOMIC_MEMMOVE_OUT &&
	    direction != SHATOMIC_MEMMOVE_IN)
		return shatomic_fail(EINVAL, "direction has the unknown value %d",
				     (int)direction);
	if (!buffer && length)
		return shatomic_fail(EINVAL, "buffer is NULL");
	if (offset > region->memory.size ||
	    length > region->memory.size - offset)
		return shatomic_fail(ERANGE,
				     "length %llu from offset %llu on exceeds the region (%llu bytes)",
				     length, offset, region->memory.size);
	if (direction == SHATOMIC_MEMMOVE_IN && !region->memory.writable)
		return shatomic_fail(EACCES, "the region is open read-only");
	return 0;
}

int shatomic_memmove(struct shatomic_region *region, void *buffer,
		     uint64_t offset, size_t length,
		     enum shatomic_memmove_direction direction)
{
	int err;

	err = check_move(region, buffer, offset, length, direction);
	if (err)
		return err;
	if (direction == SHATOMIC_MEMMOVE_IN)
		copy_in(&region->memory, offset, buffer, length);
	else
		copy_out(&region->memory, offset, buffer, length);
	return 0;
}
