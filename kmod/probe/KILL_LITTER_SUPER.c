// SPDX-License-Identifier: GPL-2.0-only
/* Whether names of filesystems without a medium are dropped by a call. */
#include <linux/fs.h>

void kill_super(struct super_block *super);

void kill_super(struct super_block *super)
{
	kill_litter_super(super);
}
