// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module goes while others use it, and comes back: it goes when, for a moment,
 * nobody does.
 */
#include "calls.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE "/shatomic.ko"
#define USERS 3
#define UNLOADS 4
/* How long it may be tried while others use it, and after. */
#define BUSY_SECONDS 3
#define IDLE_SECONDS 20

static long remove_module(void)
{
	return syscall(SYS_delete_module, "shatomic", O_NONBLOCK);
}

/* It can't go, since the caller has it open; but what it asks for does happen. */
void run_unload(struct actor *actor, const uint8_t *bytes)
{
	(void)bytes;
	CALL(actor, UNLOAD, remove_module());
}

static int create_region(int device)
{
	static const uint64_t sizes[] = { 1, 4096, 10000, 2 * MIB };
	struct shatomic_ioc_create args = {
		.size = sizeof(args),
		.flags = next_random() % 4,
		.region_size = sizes[next_random() % COUNT_OF(sizes)],
	};

	return ioctl(device, SHATOMIC_IOC_CREATE, &args) ? -1 : args.fd;
}

/* What keeps the module: one of these at last, which goes as any may. */
static void use_once(void)
{
	struct shatomic_ioc_export_dmabuf export = { .size = sizeof(export),
						     .fd = -1 };
	int device = open(DEVICE, O_RDWR | O_CLOEXEC), fd, path_fd;
	unsigned char *memory;
	char path[40];

	if (device < 0)
		return;
	fd = create_region(device);
	close(device);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	path_fd = open(path, O_PATH | O_CLOEXEC);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ioctl(fd, SHATOMIC_IOC_EXPORT_DMABUF, &export);
	if (next_random() % 2)
		close(export.fd);
	close(fd);
	if (memory != MAP_FAILED) {
		memory[0] = 1;
		munmap(memory, 4096);
	}
	if (next_random() % 2)
		close(open(path, O_RDONLY | O_CLOEXEC));
	close(path_fd);
	close(export.fd);
}

/* An instance, and a region that has no more than a name there. */
static void mount_once(unsigned int number)
{
	struct shatomic_ioc_create args = {
		.size = sizeof(args), .flags = SHATOMIC_CREATE_IN_DIRECTORY,
		.region_size = 4096, .mode = 0600,
	};
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);
	char directory[40], from[40], to[60];

	snprintf(directory, sizeof(directory), "/tmp/user-%u", number);
	mkdir(directory, 0755);
	if (mount("shatomic", directory, "shatomic", 0, NULL)) {
		close(device);
		return;
	}
	args.directory = open(directory, O_PATH | O_CLOEXEC);
	if (!ioctl(device, SHATOMIC_IOC_CREATE, &args)) {
		snprintf(from, sizeof(from), "/proc/self/fd/%d", args.fd);
		snprintf(to, sizeof(to), "%s/name", directory);
		linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
		close(args.fd);
	}
	close(args.directory);
	close(device);
	umount2(directory, MNT_DETACH);
}

static pid_t start_user(unsigned int number)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	random_state = number * 0x9e3779b97f4a7c15 + getpid();
	/* Its mounts end with it. */
	unshare(CLONE_NEWNS);
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	for (;;) {
		use_once();
		if (next_random() % 4 == 0)
			mount_once(number);
		usleep(next_random() % 32 * 1000);
	}
}

static void end_users(pid_t *users)
{
	unsigned int i;

	for (i = 0; i < USERS; i++) {
		if (users[i] <= 0)
			continue;
		kill(users[i], SIGKILL);
		waitpid(users[i], NULL, 0);
		users[i] = 0;
	}
}

/* Try until it goes; whether it did. */
static bool remove_within(unsigned int seconds)
{
	time_t begin = time(NULL);

	while (time(NULL) - begin < seconds) {
		if (!remove_module())
			return true;
		usleep(100);
	}
	return false;
}

static bool load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	bool is_loaded = !syscall(SYS_finit_module, fd, "", 0);

	close(fd);
	return is_loaded;
}

/**
 * unload_under_load() - Have the module go and come back, some times
 * @busy: [out] How often it went while others used it.
 *
 * No worker may be there.
 *
 * Return: Whether it did.
 */
bool unload_under_load(unsigned int *busy)
{
	pid_t users[USERS] = { 0 };
	bool well = true;
	unsigned int i, j;

	for (i = 0; i < UNLOADS && well; i++) {
		for (j = 0; j < USERS; j++) {
			if (!users[j])
				users[j] = start_user(j);
		}
		if (remove_within(BUSY_SECONDS)) {
			*busy += 1;
		} else {
			end_users(users);
			well = remove_within(IDLE_SECONDS);
		}
		well = well && load();
	}
	end_users(users);
	return well;
}
