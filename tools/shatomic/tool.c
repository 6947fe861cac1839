// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the commands share that is not the reading of arguments: messages,
 * memory, standard output, and getting a region.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tool.h"

const char *tool_command;

/* Stream locking keeps the parts of one message together. */
static void complain(const char *format, va_list arguments)
{
	flockfile(stderr);
	fputs("shatomic: ", stderr);
	if (tool_command)
		fprintf(stderr, "%s: ", tool_command);
	vfprintf(stderr, format, arguments);
	putc('\n', stderr);
	funlockfile(stderr);
}

void tool_complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
}

void tool_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	exit(TOOL_TROUBLE);
}

void *tool_realloc(void *memory, size_t count, size_t size)
{
	void *larger = reallocarray(memory, count, size);

	if (!larger && count && size)
		tool_die("no memory for %zu times %zu bytes", count, size);
	return larger;
}

char *tool_help(int key, const char *text, void (*print)(FILE *stream))
{
	char *help = NULL;
	size_t size;
	FILE *stream;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	stream = open_memstream(&help, &size);
	if (!stream)
		return NULL;
	print(stream);
	return fclose(stream) ? NULL : help;
}

int tool_flush_stdout(void)
{
	static bool told;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return TOOL_OK;
	if (!told)
		tool_complain("standard output: %s", strerror(errno));
	told = true;
	return TOOL_TROUBLE;
}

uint64_t tool_file_size(FILE *file)
{
	struct stat stat;

	if (fstat(fileno(file), &stat) || !S_ISREG(stat.st_mode))
		return 0;
	return stat.st_size;
}

double tool_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

struct shatomic_region *tool_open(enum shatomic_backend backend,
				  const char *name, unsigned int flags)
{
	struct shatomic_region *region;

	if (shatomic_open(backend, name, flags, &region))
		tool_die("%s: %s", name, shatomic_error());
	return region;
}

bool tool_try_region(enum shatomic_backend backend, size_t size,
		     struct shatomic_info *info)
{
	struct shatomic_create_options options = {
		.backend = backend,
		.size = size,
	};
	struct shatomic_region *region;
	int err;

	if (shatomic_create(&options, &region))
		return false;
	err = shatomic_get_info(region, info);
	shatomic_close(region);
	return !err;
}

const char *tool_backend_name(enum shatomic_backend backend)
{
	switch (backend) {
	case SHATOMIC_BACKEND_DEVICE:
		return "device";
	case SHATOMIC_BACKEND_MEMFD:
		return "memfd";
	case SHATOMIC_BACKEND_AUTO:
		break;
	}
	return "auto";
}

const char *tool_row_status_name(unsigned int status)
{
	switch (status) {
	case SHATOMIC_ROW_DONE:
		return "done";
	case SHATOMIC_ROW_COMPARE_FAILED:
		return "compare_failed";
	default:
		return "not_run";
	}
}
