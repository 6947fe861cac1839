// SPDX-License-Identifier: GPL-2.0-only
/* Whether a command has its SQE, as since 6.5, and not just what is in that. */
#ifdef HAVE_URING_CMD_HEADER
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

const void *payload_of(const struct io_uring_cmd *cmd);

const void *payload_of(const struct io_uring_cmd *cmd)
{
	return cmd->sqe->cmd;
}
