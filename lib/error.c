// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sentence on what went wrong last, one for each thread.
 */
#include "backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char sentence[SHATOMIC_SENTENCE_SIZE];

/*
 * Put in the second half of a sentence that is too long how it ends. What makes
 * it long is a path in its middle; without memory it stays as it begins.
 */
static void keep_end(const char *format, va_list args)
{
	char *second = sentence + sizeof(sentence) / 2, *whole;
	size_t room = sizeof(sentence) / 2;
	int length = vasprintf(&whole, format, args);

	if (length < 0)
		return;
	memcpy(second, whole + length + 1 - room, room);
	memcpy(second, "...", 3);
	free(whole);
}

int shatomic_fail(int err, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	if (length >= (int)sizeof(sentence)) {
		va_start(args, format);
		keep_end(format, args);
		va_end(args);
	}
	return -err;
}

const char *shatomic_error(void)
{
	return sentence;
}
