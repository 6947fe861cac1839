// SPDX-License-Identifier: GPL-2.0-only
/* Whether a queue of work says by a flag that its work is bound to CPUs. */
#include <linux/workqueue.h>

int per_cpu_flag(void);

int per_cpu_flag(void)
{
	return WQ_PERCPU;
}
