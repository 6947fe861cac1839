// SPDX-License-Identifier: GPL-2.0-only
/* Whether what commands of files need has a header of its own, as since 6.7. */
#include <linux/io_uring/cmd.h>
