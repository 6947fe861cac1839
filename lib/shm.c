// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Named regions of the memfd backend: files in /dev/shm, as shm_open(3) makes
 * them, called "shatomic." and the name of the region. The size of the file is
 * that of the region. Who may write to one can also truncate it, which an
 * unnamed region is sealed against and a file in a file system cannot be.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DIRECTORY "/dev/shm"
#define PREFIX "shatomic."
#define PREFIX_LENGTH (sizeof(PREFIX) - 1)

/* Room for DIRECTORY, a slash, and any of our file names. */
#define PATH_SIZE (sizeof(DIRECTORY) + 1 + SHATOMIC_SHM_NAME_SIZE)

static void path_of(const char *name, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s%s", DIRECTORY, PREFIX, name);
}

static void path_of_hidden(const char *hidden, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s", DIRECTORY, hidden);
}

static bool is_region(const struct stat *stat)
{
	return S_ISREG(stat->st_mode) && stat->st_size > 0;
}

/*
 * A region must appear whole, so its file is filled under a hidden name and
 * then renamed. It is not an O_TMPFILE that is linked when ready: the
 * descriptor of one never learns its name, see shatomic_shm_name_of().
 */
int shatomic_shm_create(const char *name, mode_t mode,
			char hidden[SHATOMIC_SHM_NAME_SIZE], int *fd)
{
	static unsigned int counter;
	char path[PATH_SIZE];
	struct stat stat;

	/* Those who lose a race for a name should not fill memory first. */
	path_of(name, path);
	if (!lstat(path, &stat))
		return shatomic_fail(EEXIST, "the name '%s' is taken", name);
	do {
		snprintf(hidden, SHATOMIC_SHM_NAME_SIZE, ".shatomic.%lld.%u",
			 (long long)getpid(),
			 __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED));
		path_of_hidden(hidden, path);
		*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		/* One of a process that died, or of another PID namespace. */
	} while (*fd < 0 && errno == EEXIST);
	if (*fd < 0) {
		int err = errno;

		/* The file system's limit is one on memory to our callers. */
		return shatomic_fail(err == ENOSPC ? ENOMEM : err,
				     "creating a file in " DIRECTORY ": %s",
				     strerror(err));
	}
	return 0;
}

int shatomic_shm_publish(const char *hidden, const char *name)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	int err;

	path_of_hidden(hidden, from);
	path_of(name, to);
	if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
		return 0;
	err = errno;
	if (err == EEXIST)
		return shatomic_fail(err, "the name '%s' is taken", name);
	return shatomic_fail(err, "%s: %s", to, strerror(err));
}

void shatomic_shm_discard(const char *hidden)
{
	char path[PATH_SIZE];

	path_of_hidden(hidden, path);
	unlink(path);
}

void shatomic_shm_withdraw(const char *name)
{
	char path[PATH_SIZE];

	path_of(name, path);
	unlink(path);
}

static int fail_with_path(int err, const char *path, const char *name)
{
	switch (err) {
	case ENOENT:
		return shatomic_fail(err, "no region is named '%s'", name);
	case EACCES:
		return shatomic_fail(err, "the mode of '%s' (%s) forbids it",
				     name, path);
	default:
		return shatomic_fail(err, "%s: %s", path, strerror(err));
	}
}

int shatomic_shm_open(const char *name, bool writable, int *fd)
{
	char path[PATH_SIZE];
	struct stat stat;

	path_of(name, path);
	/* O_NONBLOCK: what has our name may be a pipe, and is then refused. */
	*fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC |
			 O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0)
		return fail_with_path(errno, path, name);
	if (fstat(*fd, &stat) || !is_region(&stat))
		return shatomic_fail(ENOENT, "%s is not a region", path);
	return 0;
}

int shatomic_shm_unlink(const char *name)
{
	char path[PATH_SIZE];
	int err;

	path_of(name, path);
	if (!unlink(path))
		return 0;
	err = errno;
	/* The sticky bit of the directory answers EPERM. */
	if (err == EPERM || err == EACCES)
		return shatomic_fail(EACCES, "'%s' (%s) belongs to another user",
				     name, path);
	return fail_with_path(err, path, name);
}

/*
 * Make @entry of a file in the directory; false when it is not a region.
 * huge_bytes stays 0: it takes a mapping to see them.
 */
static bool fill_entry(int directory, const char *file,
		       struct shatomic_listed *entry)
{
	const char *name = file + PREFIX_LENGTH;
	struct stat stat;

	if (strncmp(file, PREFIX, PREFIX_LENGTH) ||
	    !shatomic_name_is_valid(name) ||
	    fstatat(directory, file, &stat, AT_SYMLINK_NOFOLLOW) ||
	    !is_region(&stat))
		return false;
	memset(entry, 0, sizeof(*entry));
	entry->size = stat.st_size;
	entry->uid = stat.st_uid;
	entry->gid = stat.st_gid;
	entry->mode = stat.st_mode & 0777;
	memcpy(entry->name, name, strlen(name));
	return true;
}

int shatomic_shm_list(struct shatomic_listed **entries, size_t *count)
{
	int fd = open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd >= 0)
		return shatomic_list_directory(fd, fill_entry, entries, count);
	err = errno;
	if (err != ENOENT)
		return shatomic_fail(err, DIRECTORY ": %s", strerror(err));
	*entries = NULL;
	*count = 0;
	return 0;
}

/*
 * The path that a descriptor was opened by may look otherwise from another
 * mount namespace, so only the file system and the last component count. An
 * unlinked one reads "NAME (deleted)"; no name has a space.
 */
int shatomic_shm_name_of(int fd, char name[SHATOMIC_NAME_SIZE])
{
	char link[64], path[4096];
	struct statfs statfs;
	struct stat stat;
	ssize_t length;
	char *base;

	if (fstat(fd, &stat) || !is_region(&stat) || fstatfs(fd, &statfs) ||
	    statfs.f_type != TMPFS_MAGIC)
		return -EBADF;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return -EBADF;
	path[length] = '\0';
	base = strrchr(path, '/');
	if (!base || strncmp(base + 1, PREFIX, PREFIX_LENGTH))
		return -EBADF;
	base += 1 + PREFIX_LENGTH;
	base[strcspn(base, " ")] = '\0';
	if (!shatomic_name_is_valid(base))
		return -EBADF;
	strcpy(name, base);
	return 0;
}
