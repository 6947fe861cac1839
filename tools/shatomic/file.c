// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that are about a region and files: dump, load, sync.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "tool.h"

/* Bytes that are copied at a time. */
#define PIECE_BYTES (1U << 20)

/* Words that a copy is made of, see <shatomic/file.h>. */
#define WORD_BYTES 8

enum {
	KEY_OFFSET = 256,
	KEY_LENGTH,
};

/**
 * struct file_arguments - Arguments of dump, load and sync
 * @backend: Where regions are.
 * @progress: Whether progress is shown.
 * @offset: Offset of the first byte in the region.
 * @length: How many bytes, 0 for all from there on.
 * @name: The region.
 * @path: The file, "-" for standard input or output.
 */
struct file_arguments {
	enum shatomic_backend backend;
	bool progress;
	uint64_t offset;
	uint64_t length;
	const char *name;
	const char *path;
};

static error_t parse_file(int key, char *text, struct argp_state *state)
{
	struct file_arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->backend;
		state->child_inputs[1] = &arguments->progress;
		return 0;
	case KEY_OFFSET:
		arguments->offset = parse_bytes("--offset", text);
		return 0;
	case KEY_LENGTH:
		arguments->length = parse_size("--length", text);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "%s: too many arguments", text);
		if (state->arg_num)
			arguments->path = text;
		else
			arguments->name = text;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->name)
			argp_error(state, "REGION is missing");
		if (!arguments->path)
			argp_error(state, "FILE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child file_children[] = {
	{ &tool_backend_argp, 0, NULL, 0 },
	{ &progress_argp, 0, NULL, 0 },
	{ 0 },
};

#define OFFSET_OPTION                                                          \
	{ "offset", KEY_OFFSET, "BYTES", 0,                                    \
	  "Where in the region to begin, also with K, M, G or T (default 0)",  \
	  0 }

#define LENGTH_OPTION                                                          \
	{ "length", KEY_LENGTH, "BYTES", 0,                                    \
	  "How many bytes (default: all from there on)", 0 }

static const struct argp_option range_options[] = {
	OFFSET_OPTION,
	LENGTH_OPTION,
	{ 0 },
};

static bool is_standard(const struct file_arguments *arguments)
{
	return !strcmp(arguments->path, "-");
}

/* How many bytes of the region are meant; the end when it has not so many. */
static uint64_t find_length(const struct file_arguments *arguments,
			    const struct shatomic_region *region)
{
	uint64_t size = shatomic_size(region);

	if (arguments->offset >= size)
		tool_die("%s: offset %" PRIu64 " lies outside the region (%" PRIu64 " bytes)",
			 arguments->name, arguments->offset, size);
	if (arguments->length > size - arguments->offset)
		tool_die("%s: %" PRIu64 " bytes at offset %" PRIu64 " lie outside the region (%" PRIu64 " bytes)",
			 arguments->name, arguments->length, arguments->offset,
			 size);
	return arguments->length ? arguments->length : size - arguments->offset;
}

/* Bytes of the next piece, which ends where a word does unless all does. */
static size_t piece_length(uint64_t offset, uint64_t left)
{
	size_t length = PIECE_BYTES - offset % WORD_BYTES;

	return left < length ? left : length;
}

static void copy(struct shatomic_region *region,
		 const struct file_arguments *arguments, void *buffer,
		 uint64_t offset, size_t length,
		 enum shatomic_memmove_direction direction)
{
	if (shatomic_memmove(region, buffer, offset, length, direction))
		tool_die("%s: %s", arguments->name, shatomic_error());
}

/* Write bytes of the region, those at @offset to where @file stands. */
static void write_bytes(struct shatomic_region *region,
			const struct file_arguments *arguments,
			uint64_t length, FILE *file)
{
	unsigned char *buffer = tool_realloc(NULL, PIECE_BYTES, 1);
	uint64_t offset = arguments->offset, end = offset + length;
	struct progress progress;

	progress_begin(&progress, arguments->progress, length);
	while (offset < end) {
		size_t piece = piece_length(offset, end - offset);

		copy(region, arguments, buffer, offset, piece,
		     SHATOMIC_MEMMOVE_OUT);
		if (fwrite(buffer, 1, piece, file) != piece)
			break;
		offset += piece;
		progress_step(&progress, offset - arguments->offset);
	}
	progress_erase(&progress);
	free(buffer);
}

int command_dump(int argc, char **argv)
{
	static const struct argp argp = {
		.options = range_options,
		.parser = parse_file,
		.args_doc = "REGION FILE",
		.doc = "Write a region, or bytes of it, to a file, which appears whole and on disk or not at all. FILE `-' is standard output. Each aligned 8-byte word is as of one instant.",
		.children = file_children,
	};
	struct file_arguments arguments = { 0 };
	struct shatomic_region *region;
	uint64_t length;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	region = tool_open(arguments.backend, arguments.name,
			   SHATOMIC_OPEN_READ_ONLY);
	length = find_length(&arguments, region);
	if (is_standard(&arguments))
		write_bytes(region, &arguments, length, stdout);
	else if (shatomic_memdump(region, arguments.path, arguments.offset,
				  arguments.length) < 0)
		tool_die("%s: %s", arguments.path, shatomic_error());
	shatomic_close(region);
	return TOOL_OK;
}

/* Nothing more may come than has gone into the region. */
static void refuse_more(const struct file_arguments *arguments, FILE *file,
			uint64_t loaded)
{
	if (getc(file) != EOF)
		tool_die("%s: has more than the %" PRIu64 " bytes that fit from offset %" PRIu64 " on, which have been loaded",
			 arguments->path, loaded, arguments->offset);
	if (ferror(file))
		tool_die("%s: %s; %" PRIu64 " bytes have been loaded",
			 arguments->path, strerror(errno), loaded);
}

static void load_bytes(struct shatomic_region *region,
		       const struct file_arguments *arguments, uint64_t room,
		       FILE *file)
{
	unsigned char *buffer = tool_realloc(NULL, PIECE_BYTES, 1);
	uint64_t loaded = 0;
	struct progress progress;
	size_t piece, got;

	progress_begin(&progress, arguments->progress, tool_file_size(file));
	do {
		piece = piece_length(arguments->offset + loaded, room - loaded);
		got = fread(buffer, 1, piece, file);
		copy(region, arguments, buffer, arguments->offset + loaded, got,
		     SHATOMIC_MEMMOVE_IN);
		loaded += got;
		progress_step(&progress, loaded);
	} while (got == piece && loaded < room);
	progress_erase(&progress);
	free(buffer);
	refuse_more(arguments, file, loaded);
}

int command_load(int argc, char **argv)
{
	static const struct argp_option option_list[] = {
		OFFSET_OPTION,
		{ 0 },
	};
	static const struct argp argp = {
		.options = option_list,
		.parser = parse_file,
		.args_doc = "REGION FILE",
		.doc = "Copy a file into a region. What it is too short for stays as it is; one that is too long is refused. FILE `-' is standard input. Each aligned 8-byte word is stored at once.",
		.children = file_children,
	};
	struct file_arguments arguments = { 0 };
	struct shatomic_region *region;
	uint64_t room;
	FILE *file;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	region = tool_open(arguments.backend, arguments.name, 0);
	room = find_length(&arguments, region);
	file = is_standard(&arguments) ? stdin : fopen(arguments.path, "re");
	if (!file)
		tool_die("%s: %s", arguments.path, strerror(errno));
	if (tool_file_size(file) > room)
		tool_die("%s: its %" PRIu64 " bytes do not fit into the %" PRIu64 " from offset %" PRIu64 " on",
			 arguments.path, tool_file_size(file), room,
			 arguments.offset);
	load_bytes(region, &arguments, room, file);
	if (file != stdin)
		fclose(file);
	shatomic_close(region);
	return TOOL_OK;
}

static void __attribute__((noreturn))
fail_sync(const struct file_arguments *arguments)
{
	tool_die("%s: %s; what it holds is not certain", arguments->path,
		 strerror(errno));
}

/* The file, as long as the region, ready to write from the offset on. */
static FILE *open_for_sync(const struct file_arguments *arguments,
			   uint64_t size)
{
	int fd = open(arguments->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	struct stat stat;
	FILE *file;

	if (fd < 0 || fstat(fd, &stat))
		tool_die("%s: %s", arguments->path, strerror(errno));
	if (!S_ISREG(stat.st_mode))
		tool_die("%s: is not a regular file", arguments->path);
	if ((uint64_t)stat.st_size != size && ftruncate(fd, size))
		tool_die("%s: %s", arguments->path, strerror(errno));
	file = fdopen(fd, "r+");
	if (!file || fseeko(file, arguments->offset, SEEK_SET))
		tool_die("%s: %s", arguments->path, strerror(errno));
	return file;
}

/* A new file is on disk when its name is. */
static void sync_directory(const struct file_arguments *arguments)
{
	char *path = strdup(arguments->path);
	int fd;

	if (!path)
		tool_die("no memory for a path");
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		fail_sync(arguments);
	close(fd);
	free(path);
}

int command_sync(int argc, char **argv)
{
	static const struct argp argp = {
		.options = range_options,
		.parser = parse_file,
		.args_doc = "REGION FILE",
		.doc = "Write a region, or bytes of it, to their place in a file, which is made or given the size of the region. They are on disk at the end; a crash in the middle may leave some of them old: `shatomic dump' does not.",
		.children = file_children,
	};
	struct file_arguments arguments = { 0 };
	struct shatomic_region *region;
	uint64_t length;
	FILE *file;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (is_standard(&arguments))
		tool_die("-: sync needs a file, dump takes standard output");
	region = tool_open(arguments.backend, arguments.name,
			   SHATOMIC_OPEN_READ_ONLY);
	length = find_length(&arguments, region);
	file = open_for_sync(&arguments, shatomic_size(region));
	write_bytes(region, &arguments, length, file);
	if (fflush(file) || ferror(file) || fdatasync(fileno(file)))
		fail_sync(&arguments);
	sync_directory(&arguments);
	fclose(file);
	shatomic_close(region);
	return TOOL_OK;
}
