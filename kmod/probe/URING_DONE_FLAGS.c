// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether completing a command takes one result and flags, as since 6.18. The
 * first had as many arguments and two results: types tell, a call would not.
 */
#ifdef HAVE_URING_CMD_HEADER
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

extern void (*const done)(struct io_uring_cmd *cmd, s32 ret,
			  unsigned int issue_flags);

void (*const done)(struct io_uring_cmd *cmd, s32 ret,
		   unsigned int issue_flags) = io_uring_cmd_done;
