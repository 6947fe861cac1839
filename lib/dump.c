// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Dumping a region to a file that appears whole or not at all.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* The name of a dump that is not finished is that of the dump and these. */
#define SUFFIX_LENGTH 6

/* Bytes of a dump's name that its temporary file's name begins with. */
#define MAX_STEM_LENGTH (NAME_MAX - SUFFIX_LENGTH)

/* How many names are tried; each is one of 10^10. */
#define SUFFIX_TRIES 100

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
	return shatomic_check_regular("path", path, &stat);
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

/* How many bytes of @target the temporary file's name begins with. */
static int stem_length(const char *target)
{
	const char *slash = strrchr(target, '/');
	size_t start = slash ? slash - target + 1 : 0;
	size_t length = strlen(target + start);

	return start + (length < MAX_STEM_LENGTH ? length : MAX_STEM_LENGTH);
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
		snprintf(dump->temporary, sizeof(dump->temporary), "%.*s%s",
			 stem_length(dump->target), dump->target, suffix);
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
	err = shatomic_write_bytes(memory, dump->fd, dump->target, start, length, start);
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
	return shatomic_sync_directory(dump->directory, dump->target);
}

ssize_t shatomic_memdump(const struct shatomic_region *region,
			 const char *path, uint64_t start, uint64_t length)
{
	__u64 bytes = length;
	struct dump dump;
	int err;

	if (!region || !path)
		return shatomic_fail(EINVAL, "region or path is NULL");
	err = shatomic_resolve_range(region, start, &bytes);
	if (err)
		return err;
	err = find_target(path, &dump);
	if (err)
		return err;
	dump.directory = shatomic_open_directory("path", dump.target);
	if (dump.directory < 0)
		return dump.directory;
	err = write_dump(&region->memory, &dump, start, bytes);
	close(dump.directory);
	return err ? err : (ssize_t)bytes;
}
