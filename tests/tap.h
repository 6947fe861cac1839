/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP by programs that are one long test rather than many: each check as it is
 * made, the plan at the end.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_checks, tap_failed;

/* A check, whether it holds and what it is. */
__attribute__((format(printf, 2, 3)))
static inline void report(bool good, const char *format, ...)
{
	va_list args;

	tap_checks++;
	tap_failed += !good;
	printf("%sok %u ", good ? "" : "not ", tap_checks);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* The plan; the exit status. */
static inline int report_end(void)
{
	printf("1..%u\n", tap_checks);
	return tap_failed > 0;
}

#endif /* TESTS_TAP_H */
