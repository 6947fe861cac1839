// SPDX-License-Identifier: GPL-2.0-only
/* Whether an inode's state is changed by functions, as since 6.19. */
#include <linux/fs.h>

void set_linkable(struct inode *inode);

void set_linkable(struct inode *inode)
{
	inode_state_set(inode, I_LINKABLE);
}
