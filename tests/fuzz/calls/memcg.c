// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions whose memory a memory cgroup has not. A child creates them there, with
 * our descriptors as its own: the kernel may kill it for want of memory.
 */
#include "calls.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup/"

static void set_limit(const char *cgroup, const char *limit)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/memory.max", cgroup);
	write_text(path, limit);
}

static pid_t fork_into(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* What the child does; where it puts structures is seen by the parent. */
static void create_regions(struct world *world, const uint8_t *bytes,
			   struct shatomic_ioc_create *regions,
			   unsigned int count)
{
	static const uint64_t sizes[] = { 3 * MIB, 1, 2 * MIB, 60 * MIB, MIB };
	unsigned int i;

	for (i = 0; i < count; i++) {
		regions[i] = (struct shatomic_ioc_create){
			.size = sizeof(regions[i]),
			.flags = bytes[3] % 4,
			.region_size = sizes[bytes[4] % COUNT_OF(sizes)],
			.fd = -1,
		};
		ioctl(world->device, SHATOMIC_IOC_CREATE, &regions[i]);
	}
}

void run_memcg(struct actor *actor, const uint8_t *bytes)
{
	static const char *const limits[] = { "4M", "1M", "16M", "300K", "0" };
	struct world *world = actor->world;
	struct shatomic_ioc_create *regions = (void *)actor->args;
	unsigned int count = 1 + bytes[5] % 8, i;
	char path[64];
	int cgroup;
	pid_t pid;

	if (actor != &world->main || world->is_child)
		return;
	actor->fault = 0;
	snprintf(path, sizeof(path), CGROUPS "fuzz-%u", world->number);
	mkdir(path, 0755);
	set_limit(path, limits[bytes[2] % COUNT_OF(limits)]);
	cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < count; i++)
		regions[i].fd = -1;
	pid = CALL(actor, MEMCG, fork_into(cgroup));
	if (!pid) {
		create_regions(world, bytes, regions, count);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	for (i = 0; i < count; i++)
		world_add_fd(world, regions[i].fd, regions[i].region_size);
	close(cgroup);
}
