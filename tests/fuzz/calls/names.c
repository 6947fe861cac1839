// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of regions, which are files: in an instance that all workers share and in
 * one of the worker's own, which comes and goes. Nothing of either outlives an
 * input.
 */
#include "calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Where guests have it mounted. */
#define SHARED "/run/shatomic"
#define TYPE "shatomic"

/* Where the worker's own instance is mounted. */
static const char *own_path(const struct world *world)
{
	static __thread char path[40];

	snprintf(path, sizeof(path), "/tmp/own-%u", world->number);
	return path;
}

static const char *directory_path(const struct world *world, uint8_t which)
{
	return which % 4 == 1 ? own_path(world) : SHARED;
}

static void name_path(const struct world *world, uint8_t directory,
		      uint8_t which, char path[128])
{
	uint8_t name[SHATOMIC_NAME_SIZE + 1] = { 0 };

	world_name(world, which, name);
	snprintf(path, 128, "%s/%s", directory_path(world, directory),
		 (char *)name);
}

/* For all workers, where it is not yet; it keeps the module until names_end(). */
bool names_begin(void)
{
	struct statfs filesystem;

	if (!statfs(SHARED, &filesystem) &&
	    filesystem.f_type == SHATOMIC_SUPER_MAGIC)
		return true;
	mkdir(SHARED, 0755);
	return !mount(TYPE, SHARED, TYPE, 0, "mode=1777");
}

bool names_end(void)
{
	return !umount2(SHARED, 0);
}

/* Mounts of a worker are seen by no other, and end with it. */
bool names_set_up(struct world *world)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	mkdir(own_path(world), 0755);
	world->directory = open(SHARED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	world->path_directory = open(SHARED, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return world->directory >= 0 && world->path_directory >= 0;
}

void names_reset(struct world *world)
{
	/* Those of world_name() that are good. */
	static const uint8_t good[] = { 1, 2, 3, 4, 11 };
	char path[128];
	unsigned int i;

	for (i = 0; i < COUNT_OF(good); i++) {
		name_path(world, 0, good[i], path);
		unlink(path);
	}
	while (!umount2(own_path(world), MNT_DETACH))
		;
	chmod(SHARED, 01777);
	chown(SHARED, 0, 0);
	world->has_names = false;
}

/*
 * What CREATE is given for a directory, open for as long as it takes; -1 and some
 * others are none.
 */
int names_directory(const struct world *world, uint8_t which)
{
	switch (which % 8) {
	case 0:
		return dup(world->directory);
	case 1:
		return dup(world->path_directory);
	case 2:
	case 3:
		return open(own_path(world), O_PATH | O_CLOEXEC);
	case 4:
		return open("/tmp", O_PATH | O_CLOEXEC);
	case 5:
		return dup(world->bases[0].fd);
	case 6:
		return dup(world_fd(world, which / 8));
	default:
		return -1;
	}
}

void run_open(struct actor *actor, const uint8_t *bytes)
{
	static const int flags[] = {
		O_RDWR, O_RDONLY, O_WRONLY, O_PATH, O_RDWR | O_CREAT,
		O_RDWR | O_TRUNC, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_DIRECT,
		O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY,
		O_RDWR | O_APPEND, O_RDWR | O_NOATIME,
	};
	struct world *world = actor->world;
	char path[128];

	world->has_names = true;
	name_path(world, bytes[8], bytes[6], path);
	world_add_fd(world,
		     CALL(actor, OPEN,
			  open(path, flags[bytes[3] % COUNT_OF(flags)] |
					     O_CLOEXEC, 0666)), 0);
}

/* A name goes, changes, or takes another's place. */
void run_unlink(struct actor *actor, const uint8_t *bytes)
{
	static const unsigned int flags[] = { 0, RENAME_NOREPLACE,
					      RENAME_EXCHANGE, RENAME_WHITEOUT };
	struct world *world = actor->world;
	char from[128], to[128];

	world->has_names = true;
	name_path(world, bytes[8], bytes[6], from);
	name_path(world, bytes[8] / 4, bytes[5], to);
	if (bytes[3] % 2)
		CALL(actor, UNLINK,
		     syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to,
			     flags[bytes[4] % COUNT_OF(flags)]));
	else
		CALL(actor, UNLINK,
		     unlinkat(AT_FDCWD, from,
			      bytes[4] % 8 == 7 ? AT_REMOVEDIR : 0));
}

/* What is in a directory, all of it or piece by piece. */
void run_list(struct actor *actor, const uint8_t *bytes)
{
	static const size_t rooms[] = { 4096, 32, 0, 24, 100, PIECE_BYTES };
	struct world *world = actor->world;
	int fd = open(directory_path(world, bytes[8]),
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t room = rooms[bytes[4] % COUNT_OF(rooms)];
	void *to = bytes[5] & 1 ? world_window(bytes[5] / 2 % WINDOWS) :
				  world_piece(0);

	if (bytes[3])
		lseek(fd, bytes[3], bytes[7] % 3);
	CALL(actor, LIST, syscall(SYS_getdents64, fd, to, room));
	CALL(actor, LIST, syscall(SYS_getdents64, fd, to, room));
	close(fd);
}

/* A region gets a name, or what is none does not. */
void run_publish(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;
	int fd = world_fd(world, bytes[1] + NEWEST_FD);
	char from[40], to[128];

	world->has_names = true;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	name_path(world, bytes[8], bytes[6], to);
	if (bytes[3] % 8 == 7)
		CALL(actor, PUBLISH,
		     linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH));
	else
		CALL(actor, PUBLISH, linkat(AT_FDCWD, from, AT_FDCWD, to,
					    AT_SYMLINK_FOLLOW));
}

/* A detached instance, of which only a descriptor is left. */
static long mount_detached(struct world *world)
{
	int context = syscall(SYS_fsopen, TYPE, 1 /* FSOPEN_CLOEXEC */), fd;

	syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL,
		0);
	fd = syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
	close(context);
	world_add_fd(world, fd, 0);
	return fd;
}

/* As who may do anything in namespaces of his own, and nothing elsewhere. */
static void use_as_other_root(struct world *world, uint8_t which)
{
	struct shatomic_ioc_create args = {
		.size = sizeof(args), .flags = SHATOMIC_CREATE_IN_DIRECTORY,
		.region_size = 4096, .mode = 0600,
	};
	const char *path = own_path(world);
	char from[40];

	syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return;
	if (which % 2) {
		write_text("/proc/self/setgroups", "deny");
		write_text("/proc/self/uid_map", "0 65534 1");
		write_text("/proc/self/gid_map", "0 0 1");
	}
	if (mount(TYPE, path, TYPE, 0, which & 2 ? "mode=700,uid=0" : NULL) &&
	    mount(TYPE, "/tmp", TYPE, 0, NULL))
		return;
	args.directory = open(which & 4 ? SHARED : path, O_PATH | O_CLOEXEC);
	ioctl(world->device, SHATOMIC_IOC_CREATE, &args);
	snprintf(from, sizeof(from), "/proc/self/fd/%d", args.fd);
	linkat(AT_FDCWD, from, args.directory, "inside", AT_SYMLINK_FOLLOW);
	/* Where it is another's, which is not to be left. */
	unlinkat(args.directory, "inside", 0);
	umount2(path, which & 8 ? MNT_DETACH : 0);
}

static long run_as_other_root(struct world *world, uint8_t which)
{
	pid_t pid = fork();

	if (!pid) {
		use_as_other_root(world, which);
		_exit(0);
	}
	return waitpid(pid, NULL, 0);
}

static long change_mounts(struct world *world, const uint8_t *bytes)
{
	static const char *const options[] = {
		NULL, "mode=700", "mode=1777,uid=65534,gid=65534", "mode=77777",
		"uid=4294967295", "rubbish", "mode=", "gid=1,gid=2",
	};
	const char *path = own_path(world);
	const void *data = options[bytes[4] % COUNT_OF(options)];
	unsigned long flags = bytes[5] % 16;
	char name[128];

	name_path(world, bytes[8], bytes[6], name);
	switch (bytes[2] % 11) {
	case 0:
	case 1:
		return mount(TYPE, path, TYPE, flags, data);
	case 2:
		return umount2(path, 0);
	case 3:
		return umount2(path, MNT_DETACH);
	case 4:
		return mount(NULL, path, NULL, MS_REMOUNT | flags, data);
	case 5:
		return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags,
			     NULL);
	case 6:
		return mount(SHARED, path, NULL, MS_BIND, NULL);
	case 7:		/* a file on another, which has to be there */
		close(open("/tmp/file", O_CREAT | O_CLOEXEC, 0600));
		return mount(name, "/tmp/file", NULL, MS_BIND, NULL) ?:
		       umount2("/tmp/file", MNT_DETACH);
	case 8:
		return mount_detached(world);
	case 9:
		return umount2(path, MNT_EXPIRE);
	default:
		return run_as_other_root(world, bytes[3]);
	}
}

void run_mount(struct actor *actor, const uint8_t *bytes)
{
	/* Some of what it does would end the process where it can't. */
	actor->fault = actor == &actor->world->main ? actor->fault : 0;
	actor->world->has_names = true;
	CALL(actor, MOUNT, change_mounts(actor->world, bytes));
}

/* What is in no directory of regions, or no name of one. */
static long make_others(struct world *world, uint8_t which, const char *name,
			const char *directory)
{
	int fd;

	switch (which % 6) {
	case 0:
		return mkdir(name, 0755) ?: rmdir(name);
	case 1:
		return symlink("/tmp", name);
	case 2:
		return mknod(name, S_IFIFO | 0600, 0);
	case 3:
		fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		world_add_fd(world, fd, 0);
		return fd;
	case 4:
		return link("/shatomic.ko", name);
	default:
		return rename(name, "/tmp/renamed");
	}
}

static long watch(const char *path)
{
	int queue = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	long ret = inotify_add_watch(queue, path, IN_ALL_EVENTS);

	close(open(path, O_RDONLY | O_CLOEXEC));
	close(queue);
	return ret;
}

static long change_entry(struct world *world, const uint8_t *bytes)
{
	const char *directory = directory_path(world, bytes[8]), *path;
	struct statfs filesystem;
	struct statx status;
	char name[128];

	name_path(world, bytes[8], bytes[6], name);
	path = bytes[5] % 4 == 1 ? directory : name;
	switch (bytes[2] % 12) {
	case 0:
		return chmod(path, bytes[3] * 4 % 01000);
	case 1:
		return chown(path, bytes[3] % 2 ? NOBODY : 0,
			     bytes[3] % 4 / 2 ? NOBODY : 0);
	case 2:
		return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, bytes[3] * 16,
			     &status);
	case 3:
		return statfs(path, &filesystem);
	case 4:
		return truncate(path, bytes[3] * 64);
	case 5:
		return utimensat(AT_FDCWD, path, NULL, 0);
	case 6:
		return watch(path);
	case 7:
		return setxattr(path, "user.x", name, bytes[3] % 64, 0);
	case 8:
		return faccessat(AT_FDCWD, path, bytes[3] % 8, AT_EACCESS);
	case 9:
		return fsync(world->directory);
	case 10:
		return flock(world->directory,
			     LOCK_NB | (bytes[3] % 2 ? LOCK_EX : LOCK_UN));
	default:
		return make_others(world, bytes[3], name, directory);
	}
}

void run_entry(struct actor *actor, const uint8_t *bytes)
{
	actor->world->has_names = true;
	CALL(actor, ENTRY, change_entry(actor->world, bytes));
}
