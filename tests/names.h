/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Named regions by the ABI alone: files in the directory of a filesystem of type
 * shatomic. Tests have an instance of their own, which is mounted nowhere and
 * goes with its descriptor.
 */
#ifndef TESTS_NAMES_H
#define TESTS_NAMES_H

#include "basics.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

/* FSCONFIG_CMD_CREATE of <linux/mount.h>, which clashes with <sys/mount.h>. */
#define NAMES_CREATE 6

/* A new instance: a descriptor of its directory, or -errno. */
static inline int new_names(void)
{
	int context = syscall(SYS_fsopen, "shatomic", 0);
	int names;

	if (context < 0)
		return -errno;
	names = syscall(SYS_fsconfig, context, NAMES_CREATE, NULL, NULL, 0);
	if (!names)
		names = syscall(SYS_fsmount, context, 0, 0);
	if (names < 0)
		names = -errno;
	close(context);
	return names;
}

/* A region that can be given a name in @names; its descriptor, or -errno. */
static inline int create_nameless(int device, int names, uint64_t size,
				  uint32_t flags, mode_t mode)
{
	struct shatomic_ioc_create create = {
		.size = sizeof(create), .region_size = size,
		.flags = flags | SHATOMIC_CREATE_IN_DIRECTORY, .mode = mode,
		.directory = names,
	};

	return ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -errno : create.fd;
}

/* Give it one; 0 or -errno. */
static inline int name_region(int region, int names, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", region);
	return linkat(AT_FDCWD, path, names, name, AT_SYMLINK_FOLLOW) ? -errno :
									0;
}

/* Both; its descriptor, or -errno. */
static inline int create_named(int device, int names, const char *name,
			       uint64_t size, uint32_t flags, mode_t mode)
{
	int region = create_nameless(device, names, size, flags, mode);
	int err;

	if (region < 0)
		return region;
	err = name_region(region, names, name);
	if (!err)
		return region;
	close(region);
	return err;
}

/* Open it with the flags of open(2); its descriptor, or -errno. */
static inline int open_named(int names, const char *name, int flags)
{
	int region = openat(names, name, flags | O_CLOEXEC);

	return region < 0 ? -errno : region;
}

/* 0 or -errno. */
static inline int remove_name(int names, const char *name)
{
	return unlinkat(names, name, 0) ? -errno : 0;
}

/* Where guests have an instance mounted (tests/vm/init). */
#define MOUNTED_NAMES "/run/shatomic"

/* A mount keeps the module, whatever else does. Returns whether there was one. */
static inline bool unmount_names(void)
{
	return !umount(MOUNTED_NAMES);
}

/* As guests have it. */
static inline bool mount_names(void)
{
	return !mount("shatomic", MOUNTED_NAMES, "shatomic", 0, "mode=1777");
}

/* Whether the module is used otherwise than by that, and so refuses to go. */
static inline bool module_is_used(void)
{
	bool was_mounted = unmount_names();
	bool used = syscall(SYS_delete_module, "shatomic", O_NONBLOCK) &&
		    errno == EAGAIN;

	return (!was_mounted || mount_names()) && used;
}

#endif /* TESTS_NAMES_H */
