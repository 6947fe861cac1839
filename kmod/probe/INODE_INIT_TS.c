// SPDX-License-Identifier: GPL-2.0-only
/* Whether an inode's times are set by a function, as since 6.6. */
#include <linux/fs.h>

void init_times(struct inode *inode);

void init_times(struct inode *inode)
{
	simple_inode_init_ts(inode);
}
