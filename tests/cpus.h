/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Switching CPUs off and on while processes come that use io_uring. When a CPU
 * comes or goes, Linux 6.1 looks at what io_uring has not made yet for a process
 * that makes its first ring, and dies of it. So there is a lock, of those who
 * make one on one side and of who switches CPUs on the other. One file of a program
 * does both.
 */
#ifndef TESTS_CPUS_H
#define TESTS_CPUS_H

#include "basics.h"

static int cpus_lock = -1;

/* Before the processes are forked that share the lock; whether there is one. */
static inline bool prepare_cpus(void)
{
	cpus_lock = memfd_create("cpus", MFD_CLOEXEC);
	return cpus_lock >= 0;
}

/*
 * Take it, F_RDLCK to make a ring and F_WRLCK to switch a CPU, or give it back by
 * F_UNLCK; whether that worked. A record lock: it ends with its process, however
 * that ends, and a child has none of its parent's.
 */
static inline bool lock_cpus(short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return !fcntl(cpus_lock, F_SETLKW, &lock);
}

/* Switch a CPU off by "0" or on by "1"; 0 or a negative errno. */
static inline int switch_cpu(unsigned int cpu, const char *text)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online",
		 cpu);
	if (!lock_cpus(F_WRLCK))
		return -errno;
	err = write_text(path, text);
	lock_cpus(F_UNLCK);
	return err;
}

#endif /* TESTS_CPUS_H */
