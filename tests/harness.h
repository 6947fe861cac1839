/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all tests share: the harness, and what basics.h has. Nothing of the
 * library: tests of the kernel ABI alone go into kernel trees too, where there
 * is none.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include "basics.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>

/* The harness ends a test's process in a way that LeakSanitizer does not see. */
static inline __attribute__((noreturn)) void exit_without_leaks(int status)
{
	if (!status && __lsan_do_recoverable_leak_check())
		status = EXIT_FAILURE;
	_exit(status);
}
#define _exit(status) exit_without_leaks(status)
#endif

/*
 * Alarms, the harness's of each test among them, after TEST_TIME_SCALE times as
 * many seconds: some kernels take longer for everything.
 */
static inline unsigned int scaled_alarm(unsigned int seconds)
{
	const char *scale = getenv("TEST_TIME_SCALE");

	return alarm(seconds * (scale ? strtoul(scale, NULL, 10) : 1));
}

#define alarm scaled_alarm
#include <kselftest_harness.h>

#endif /* TESTS_HARNESS_H */
