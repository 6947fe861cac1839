// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether completing a command takes a second result and the flags that it was
 * issued with, as from 6.3 to 6.17; some older ones have got it too.
 */
#ifdef HAVE_URING_CMD_HEADER
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

void complete_with(struct io_uring_cmd *cmd);

void complete_with(struct io_uring_cmd *cmd)
{
	io_uring_cmd_done(cmd, 0, 0, 0);
}
