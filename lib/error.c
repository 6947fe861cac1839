// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sentence on what went wrong last, one for each thread.
 */
#include "backend.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char sentence[512];

int shatomic_fail(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return -err;
}

const char *shatomic_error(void)
{
	return sentence;
}
