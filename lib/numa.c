// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which NUMA nodes a region's memory comes from: a matter of the policy of the
 * thread that creates it, as all of it is had then, in the kernel too.
 */
#include "backend.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int modes[] = {
	[SHATOMIC_NUMA_BIND] = MPOL_BIND,
	[SHATOMIC_NUMA_INTERLEAVE] = MPOL_INTERLEAVE,
};

static int set_policy(int mode, const unsigned long *nodes)
{
	/* The kernel takes one bit less than it is told. */
	return syscall(SYS_set_mempolicy, mode, nodes,
		       nodes ? SHATOMIC_NUMA_MOST_NODES + 1 : 0);
}

int shatomic_numa_check(const struct shatomic_create_options *options)
{
	if ((unsigned int)options->numa > SHATOMIC_NUMA_INTERLEAVE)
		return shatomic_fail(EOPNOTSUPP, "numa %d is unknown",
				     options->numa);
	if (options->numa == SHATOMIC_NUMA_DEFAULT && options->numa_nodes)
		return shatomic_fail(EINVAL, "numa_nodes without numa");
	if (options->numa != SHATOMIC_NUMA_DEFAULT && !options->numa_nodes)
		return shatomic_fail(EINVAL, "numa without numa_nodes");
	return 0;
}

static int get_policy(struct shatomic_numa_policy *policy)
{
	return syscall(SYS_get_mempolicy, &policy->mode, policy->nodes,
		       SHATOMIC_NUMA_MOST_NODES, NULL, 0);
}

/* The kernel leaves out nodes that it does not have, as long as one is left. */
static int set_nodes(const struct shatomic_create_options *options)
{
	struct shatomic_numa_policy wanted = { 0 }, got;

	memcpy(wanted.nodes, &options->numa_nodes, sizeof(options->numa_nodes));
	if (set_policy(modes[options->numa], wanted.nodes) || get_policy(&got))
		return errno;
	return memcmp(got.nodes, wanted.nodes, sizeof(got.nodes)) ? EINVAL : 0;
}

int shatomic_numa_enter(const struct shatomic_create_options *options,
			struct shatomic_numa_policy *before)
{
	int err;

	if (options->numa == SHATOMIC_NUMA_DEFAULT)
		return 0;
	if (get_policy(before)) {
		err = errno;
	} else {
		err = set_nodes(options);
		if (!err)
			return 0;
		shatomic_numa_leave(options, before);
	}
	if (err == EINVAL)
		return shatomic_fail(EINVAL,
				     "numa_nodes 0x%llx: not all of them are nodes of this machine that this process may use",
				     (unsigned long long)options->numa_nodes);
	return shatomic_fail(err, "the memory policy for numa_nodes: %s",
			     strerror(err));
}

void shatomic_numa_leave(const struct shatomic_create_options *options,
			 const struct shatomic_numa_policy *before)
{
	int err = errno;

	if (options->numa != SHATOMIC_NUMA_DEFAULT)
		set_policy(before->mode,
			   before->mode == MPOL_DEFAULT ? NULL : before->nodes);
	errno = err;
}
