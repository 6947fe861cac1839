// SPDX-License-Identifier: GPL-2.0-only
/* Whether users are mapped by struct mnt_idmap, as since 6.3. */
#include <linux/fs.h>

struct mnt_idmap *idmap_of(struct file *file);

struct mnt_idmap *idmap_of(struct file *file)
{
	return file_mnt_idmap(file);
}
