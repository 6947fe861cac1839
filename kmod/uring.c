// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches by io_uring: IORING_OP_URING_CMD on a region's descriptor, see struct
 * shatomic_uring_batch. Small ones are done before the submission returns. Big
 * ones are sent back to io_uring, whose own workers then run them, in the
 * submitter's address space and killed with it.
 */
#include <linux/errno.h>
#include <linux/kernel.h>

#include "compat.h"
#include "shatomic.h"

static int run_batch(struct file *file, const struct shatomic_uring_batch *cmd,
		     bool inline_only)
{
	/* Memory of the ring, which userspace may write to meanwhile. */
	u64 args = READ_ONCE(cmd->args);
	u32 size = READ_ONCE(cmd->size);

	if (READ_ONCE(cmd->reserved))
		return -EINVAL;
	return shatomic_batch_command(file, u64_to_user_ptr(args), size,
				      inline_only);
}

/**
 * shatomic_uring_cmd() - A command on a region's descriptor by io_uring
 * @cmd: The command.
 * @issue_flags: How io_uring calls.
 *
 * Return: -EAGAIN to be called again where it may take long, else
 * -EIOCBQUEUED with the command completed.
 */
int shatomic_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	int ret;

	BUILD_BUG_ON(sizeof(struct shatomic_uring_batch) != 16);

	if (cmd->cmd_op == SHATOMIC_IOC_BATCH)
		ret = run_batch(cmd->file, compat_uring_payload(cmd),
				issue_flags & IO_URING_F_NONBLOCK);
	else
		ret = -ENOTTY;
	if (ret == -EAGAIN)
		return ret;

	/* Some kernels take a positive return for a failure. */
	compat_uring_done(cmd, ret, issue_flags);
	return -EIOCBQUEUED;
}
