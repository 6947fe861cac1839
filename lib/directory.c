// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Named regions of the device backend: files in the one directory of a
 * filesystem of type shatomic. It is mounted at /run/shatomic, or where the
 * environment variable SHATOMIC_DIRECTORY says.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

const char *shatomic_directory_path(void)
{
	const char *value = secure_getenv("SHATOMIC_DIRECTORY");

	return value ? value : "/run/shatomic";
}

static bool is_of_regions(int fd)
{
	struct statfs statfs;

	return !fstatfs(fd, &statfs) && statfs.f_type == SHATOMIC_SUPER_MAGIC;
}

/* Where there is no device either, its sentence says what to do first. */
static int fail_not_mounted(void)
{
	const char *path = shatomic_directory_path();
	int device = shatomic_device_open();

	if (device < 0)
		return device;
	close(device);
	return shatomic_fail(ENOENT,
			     "no filesystem of type shatomic is mounted at %s: mount -t shatomic shatomic %s, or set SHATOMIC_DIRECTORY",
			     path, path);
}

static int fail_permission(int err)
{
	return shatomic_fail(err,
			     "%s: %s: join the group that it belongs to, or set SHATOMIC_DIRECTORY",
			     shatomic_directory_path(), strerror(err));
}

/* Open it with @flags besides those that all want. */
static int open_directory(int flags)
{
	const char *path = shatomic_directory_path();
	int fd = open(path, flags | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0) {
		err = errno;
		if (err == ENOENT)
			return fail_not_mounted();
		if (err == EACCES)
			return fail_permission(err);
		return shatomic_fail(err, "%s: %s", path, strerror(err));
	}
	if (!is_of_regions(fd)) {
		close(fd);
		return fail_not_mounted();
	}
	return fd;
}

static int fail_taken(const char *name)
{
	return shatomic_fail(EEXIST, "the name '%s' is taken", name);
}

int shatomic_directory_open(const char *name)
{
	struct stat stat;
	int fd = open_directory(O_PATH);

	/* Those who lose a race for a name should not fill memory first. */
	if (fd >= 0 && !fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW)) {
		close(fd);
		return fail_taken(name);
	}
	return fd;
}

int shatomic_directory_fail_create(int err)
{
	const char *path = shatomic_directory_path();

	switch (err) {
	case EACCES:
		return fail_permission(err);
	case EROFS:
		return shatomic_fail(err, "%s is mounted read-only", path);
	case EOVERFLOW:
		return shatomic_fail(err,
				     "the filesystem at %s has no number for the user or group of this process",
				     path);
	default:
		return shatomic_fail(err, "creating a region in %s: %s", path,
				     strerror(err));
	}
}

/* Give the file @region a name; 0 or a positive errno value. */
static int link_region(int region, int directory, const char *name)
{
	char path[64];

	/* Needs no /proc, but a privilege, on kernels before 6.10. */
	if (!linkat(region, "", directory, name, AT_EMPTY_PATH))
		return 0;
	if (errno != ENOENT)
		return errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
	if (!linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW))
		return 0;
	return errno;
}

static int fail_publish(int err, const char *name)
{
	const char *path = shatomic_directory_path();

	if (err == ENOENT && access("/proc/self/fd", F_OK))
		return shatomic_fail(err,
				     "naming '%s': /proc is not mounted, by which it is done without CAP_DAC_READ_SEARCH",
				     name);
	switch (err) {
	case EEXIST:
		return fail_taken(name);
	case EACCES:
		return fail_permission(err);
	case EROFS:
		return shatomic_fail(err, "%s is mounted read-only", path);
	case EXDEV:
		return shatomic_fail(err,
				     "naming '%s': another filesystem has been mounted at %s meanwhile",
				     name, path);
	default:
		return shatomic_fail(err, "naming '%s' in %s: %s", name, path,
				     strerror(err));
	}
}

int shatomic_directory_publish(int region, const char *name)
{
	int directory = open_directory(O_PATH);
	int err;

	if (directory < 0)
		return directory;
	err = link_region(region, directory, name);
	close(directory);
	return err ? fail_publish(err, name) : 0;
}

void shatomic_directory_withdraw(const char *name)
{
	int directory = open(shatomic_directory_path(),
			     O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return;
	if (is_of_regions(directory))
		unlinkat(directory, name, 0);
	close(directory);
}

/* Why a file in @directory can't be opened or removed. */
static int fail_named(int err, int directory, const char *name)
{
	switch (err) {
	/* It was unlinked, and so ended, between finding and opening it. */
	case ENXIO:
	case ENOENT:
		return shatomic_fail(ENOENT, "no region is named '%s'", name);
	/* That of a sticky directory. */
	case EPERM:
	case EACCES:
		if (faccessat(directory, ".", X_OK, AT_EACCESS))
			return fail_permission(EACCES);
		return shatomic_fail(EACCES,
				     "the mode or owner of '%s' forbids it",
				     name);
	case EROFS:
		return shatomic_fail(err, "%s is mounted read-only",
				     shatomic_directory_path());
	default:
		return shatomic_fail(err, "%s/%s: %s",
				     shatomic_directory_path(), name,
				     strerror(err));
	}
}

int shatomic_directory_open_region(const char *name, bool writable, int *fd)
{
	int directory = open_directory(O_PATH);
	int err = 0;

	if (directory < 0)
		return directory;
	*fd = openat(directory, name, (writable ? O_RDWR : O_RDONLY) |
				      O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0)
		err = fail_named(errno, directory, name);
	close(directory);
	return err;
}

int shatomic_directory_unlink(const char *name)
{
	int directory = open_directory(O_PATH);
	int err = 0;

	if (directory < 0)
		return directory;
	if (unlinkat(directory, name, 0))
		err = fail_named(errno, directory, name);
	close(directory);
	return err;
}

/* How many bytes lie in huge pages: 0 when the caller may not read them. */
static uint64_t huge_bytes_of(int directory, const char *name)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return 0;
	if (ioctl(fd, SHATOMIC_IOC_REGION_INFO, &info))
		info.huge_bytes = 0;
	close(fd);
	return info.huge_bytes;
}

/* Make @entry of a file; false when it is none, or has gone meanwhile. */
static bool fill_entry(int directory, const char *file,
		       struct shatomic_listed *entry)
{
	struct stat stat;

	if (!shatomic_name_is_valid(file) ||
	    fstatat(directory, file, &stat, AT_SYMLINK_NOFOLLOW))
		return false;
	*entry = (struct shatomic_listed){
		.size = stat.st_size,
		.huge_bytes = huge_bytes_of(directory, file),
		.mode = stat.st_mode & 0777,
		.uid = stat.st_uid,
		.gid = stat.st_gid,
	};
	strcpy(entry->name, file);
	return true;
}

int shatomic_directory_list(struct shatomic_listed **entries, size_t *count)
{
	int fd = open_directory(O_RDONLY);

	if (fd < 0)
		return fd;
	return shatomic_list_directory(fd, fill_entry, entries, count);
}
