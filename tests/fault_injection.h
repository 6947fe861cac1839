/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Having allocations and copies of user memory fail, in kernels with fault
 * injection (tests/vm/debug-kernel). A thread's file fail-nth says at which place
 * of those that it comes by.
 */
#ifndef TESTS_FAULT_INJECTION_H
#define TESTS_FAULT_INJECTION_H

#include "basics.h"

/* Let every kind of allocation and copy fail, without a word about it. */
static inline bool prepare_faults(void)
{
	static const char *const no[] = {
		"failslab/ignore-gfp-wait",
		"fail_page_alloc/ignore-gfp-wait",
		"fail_page_alloc/ignore-gfp-highmem",
		"fail_page_alloc/min-order",
		"failslab/verbose",
		"fail_page_alloc/verbose",
		"fail_usercopy/verbose",
	};
	char path[64];
	unsigned int i;

	for (i = 0; i < COUNT_OF(no); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", no[i]);
		if (write_text(path, "0"))
			return false;
	}
	return true;
}

/* Have the thread fail at the @nth place from here on. */
static inline void set_fault(int fail_nth, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fail_nth, text, length, 0) != length)
		abort();
}

/* At none; false if writing that was what failed, which then had no need to. */
static inline bool clear_fault(int fail_nth)
{
	if (pwrite(fail_nth, "0", 1, 0) == 1)
		return true;
	if (errno != EFAULT)
		abort();
	return false;
}

#endif /* TESTS_FAULT_INJECTION_H */
