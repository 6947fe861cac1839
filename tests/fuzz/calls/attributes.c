// SPDX-License-Identifier: GPL-2.0-only
/*
 * What else may be asked of any file: attributes, links, handles, watches.
 */
#include "calls.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Open a file by what its filesystem calls it, if it has such names. */
static long open_by_handle(struct world *world, int fd)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount, opened;

	if (name_to_handle_at(fd, "", &file.handle, &mount, AT_EMPTY_PATH))
		return -1;
	opened = open_by_handle_at(fd, &file.handle, O_RDWR | O_CLOEXEC);
	world_add_fd(world, opened, 0);
	return opened;
}

/* Give it a name where others have theirs, which is another filesystem. */
static long link_elsewhere(int fd, bool by_descriptor)
{
	char path[40];
	long ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = by_descriptor ?
		linkat(fd, "", AT_FDCWD, "/tmp/linked", AT_EMPTY_PATH) :
		linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/linked",
		       AT_SYMLINK_FOLLOW);
	unlink("/tmp/linked");
	return ret;
}

/* Calls that take a path, which leads to the descriptor. */
static long use_path(int fd, uint8_t which)
{
	struct timespec times[2] = { { .tv_sec = which },
				     { .tv_nsec = UTIME_OMIT } };
	char path[40];
	int opened;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	switch (which % 6) {
	case 0:
		return truncate(path, which * 64);
	case 1:
		opened = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (opened >= 0)
			close(opened);
		return opened;
	case 2:
		return utimensat(AT_FDCWD, path, times, 0);
	case 3:
		return chmod(path, which * 2);
	case 4:
		return access(path, which % 8);
	default:
		return rename(path, "/tmp/renamed");
	}
}

static long use_xattr(int fd, uint8_t which)
{
	static const char *const names[] = {
		"user.x", "trusted.x", "security.x", "system.x",
		"system.posix_acl_access", "security.capability",
	};
	const char *name = names[which / 4 % COUNT_OF(names)];
	char text[64] = "text";

	switch (which % 4) {
	case 0:
		return fsetxattr(fd, name, text, which % 64, 0);
	case 1:
		return fgetxattr(fd, name, text, sizeof(text));
	case 2:
		return flistxattr(fd, text, sizeof(text));
	default:
		return fremovexattr(fd, name);
	}
}

/* Those that most filesystems have, or the kernel for all of them. */
static long use_ioctl(int fd, uint8_t which)
{
	static const unsigned long numbers[] = {
		FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR,
		FS_IOC_FSSETXATTR, FS_IOC_FIEMAP, FIGETBSZ, FIBMAP, FICLONE,
		FICLONERANGE, FIDEDUPERANGE, FS_IOC_GETVERSION,
		FS_IOC_GETFSLABEL, FIONREAD, FIOQSIZE, FIOASYNC, FITRIM,
	};
	uint64_t args[16] = { which };

	return ioctl(fd, numbers[which % COUNT_OF(numbers)], args);
}

/* To be told of what happens to it. */
static long watch(int fd)
{
	char path[40];
	int queue = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	long ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = inotify_add_watch(queue, path, IN_ALL_EVENTS);
	/* Another descriptor's end is one such. */
	close(open(path, O_RDONLY | O_CLOEXEC));
	close(queue);
	return ret;
}

static long use_attribute(struct world *world, const uint8_t *bytes)
{
	int fd = world_fd(world, bytes[1]);
	struct statfs filesystem;
	struct statx status;

	switch (bytes[2] % 14) {
	case 0:
		return use_xattr(fd, bytes[3]);
	case 1:
		return link_elsewhere(fd, bytes[3] % 2);
	case 2:
		return use_path(fd, bytes[3]);
	case 3:
		return open_by_handle(world, fd);
	case 4:
		return use_ioctl(fd, bytes[3]);
	case 5:
		return watch(fd);
	case 6:
		return fstatfs(fd, &filesystem);
	case 7:
		return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
			     bytes[3] * 16, &status);
	case 8:
		return fchownat(fd, "", bytes[3] % 2 ? NOBODY : 0, 0,
				AT_EMPTY_PATH);
	case 9:
		return syncfs(fd);
	case 10:
		return fcntl(fd, F_NOTIFY, DN_MODIFY);
	case 11:
		return fcntl(fd, F_SETFL, O_NONBLOCK | bytes[3] * 64);
	case 12:
		return readahead(fd, bytes[3] * 4096L, 65536);
	default:
		return sync_file_range(fd, bytes[3] * 4096L, 65536,
				       bytes[4] % 8);
	}
}

void run_attributes(struct actor *actor, const uint8_t *bytes)
{
	CALL(actor, ATTRIBUTES, use_attribute(actor->world, bytes));
}
