// SPDX-License-Identifier: GPL-2.0-only
/* Whether a command's payload is had by a function, as since 6.7. */
#include <linux/io_uring/cmd.h>

const void *payload_of(struct io_uring_cmd *cmd);

const void *payload_of(struct io_uring_cmd *cmd)
{
	return io_uring_sqe_cmd(cmd->sqe);
}
