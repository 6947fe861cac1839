// SPDX-License-Identifier: GPL-2.0-only
/* Whether files are spliced by copies, as since 6.5. */
#include <linux/fs.h>
#include <linux/splice.h>

extern const struct file_operations spliced;

const struct file_operations spliced = {
	.splice_read = copy_splice_read,
};
