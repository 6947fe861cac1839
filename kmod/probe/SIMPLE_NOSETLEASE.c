// SPDX-License-Identifier: GPL-2.0-only
/* Whether files have leases unless they refuse them, as until 7.1. */
#include <linux/fs.h>

extern const struct file_operations unleased;

const struct file_operations unleased = {
	.setlease = simple_nosetlease,
};
