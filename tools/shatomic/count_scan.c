// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds the tokens of a piece. A piece owns the tokens that start in it: it
 * skips what the piece before it has begun, and reads on past its end to
 * finish its last one. The buffer grows only for a token that does not fit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "count.h"
#include "tool.h"

/* Large enough that system calls don't count, small enough for an L2 cache. */
#define BUFFER_BYTES (256 << 10)

/**
 * struct count_scanner - The state of a scan
 * @unit: What is counted.
 * @sink: Who is told.
 * @fd: The file.
 * @piece: The piece.
 * @buffer: Bytes of the file.
 * @capacity: Room in @buffer.
 * @begin: Index of the first byte that is still needed.
 * @filled: Index after the last byte that has been read.
 * @offset: Where the first byte of @buffer is in the file.
 * @ended: Whether @filled is the end of the file.
 */
struct count_scanner {
	enum count_unit unit;
	struct count_sink sink;
	int fd;
	struct count_piece piece;
	unsigned char *buffer;
	size_t capacity;
	size_t begin;
	size_t filled;
	uint64_t offset;
	bool ended;
};

struct count_scanner *count_scanner_new(enum count_unit unit,
					const struct count_sink *sink)
{
	struct count_scanner *scanner =
		tool_realloc(NULL, 1, sizeof(*scanner));

	*scanner = (struct count_scanner){
		.unit = unit,
		.sink = *sink,
		.buffer = tool_realloc(NULL, BUFFER_BYTES, 1),
		.capacity = BUFFER_BYTES,
	};
	return scanner;
}

void count_scanner_free(struct count_scanner *scanner)
{
	free(scanner->buffer);
	free(scanner);
}

/* Where in the file the first byte is that is still needed. */
static uint64_t position(const struct count_scanner *scanner)
{
	return scanner->offset + scanner->begin;
}

static bool has_bytes(const struct count_scanner *scanner)
{
	return scanner->begin < scanner->filled;
}

static void make_room(struct count_scanner *scanner)
{
	size_t kept = scanner->filled - scanner->begin;

	memmove(scanner->buffer, scanner->buffer + scanner->begin, kept);
	scanner->offset += scanner->begin;
	scanner->begin = 0;
	scanner->filled = kept;
	if (kept == scanner->capacity) {
		scanner->buffer =
			tool_realloc(scanner->buffer, scanner->capacity, 2);
		scanner->capacity *= 2;
	}
}

/* Bytes at the end of the buffer, or 0 at the end, or -1 and errno. */
static ssize_t read_some(const struct count_scanner *scanner)
{
	unsigned char *to = scanner->buffer + scanner->filled;
	size_t room = scanner->capacity - scanner->filled;
	uint64_t from = scanner->offset + scanner->filled;
	uint64_t left = scanner->piece.file->size - from;
	ssize_t got;

	do {
		if (scanner->piece.file->stream)
			got = read(scanner->fd, to, room);
		else
			got = pread(scanner->fd, to, left < room ? left : room,
				    from);
	} while (got < 0 && errno == EINTR);
	return got;
}

/* Tell of those of the @got bytes from @from on that lie in the piece. */
static void tell_progress(const struct count_scanner *scanner, uint64_t from,
			  uint64_t got)
{
	const struct count_piece *piece = &scanner->piece;
	uint64_t begin = from < piece->begin ? piece->begin : from;
	uint64_t end = from + got > piece->end ? piece->end : from + got;

	if (begin < end)
		scanner->sink.progress(scanner->sink.context, end - begin);
}

/* Read more behind what is there; @ended tells when there is no more. */
static const char *fill(struct count_scanner *scanner)
{
	const struct count_file *file = scanner->piece.file;
	uint64_t from;
	ssize_t got;

	make_room(scanner);
	from = scanner->offset + scanner->filled;
	if (!file->stream && from == file->size) {
		scanner->ended = true;
		return NULL;
	}
	got = read_some(scanner);
	if (got < 0)
		return strerror(errno);
	if (!got && !file->stream)
		return "became shorter while it was read";
	scanner->ended = !got;
	scanner->filled += got;
	tell_progress(scanner, from, got);
	return NULL;
}

/* White space of the C locale, whatever the locale is. */
static bool is_space(unsigned char byte)
{
	static const bool spaces[256] = {
		[' '] = true,  ['\t'] = true, ['\n'] = true,
		['\v'] = true, ['\f'] = true, ['\r'] = true,
	};

	return spaces[byte];
}

/* How many bytes there are before the first that ends a token. */
static size_t span(enum count_unit unit, const unsigned char *bytes,
		   size_t size)
{
	const unsigned char *newline;
	size_t length = 0;

	if (unit == COUNT_LINES) {
		newline = memchr(bytes, '\n', size);
		return newline ? (size_t)(newline - bytes) : size;
	}
	while (length < size && !is_space(bytes[length]))
		length++;
	return length;
}

/* Pass what the piece before has begun, and the byte that ends it. */
static const char *skip_begun(struct count_scanner *scanner)
{
	const char *error;

	while (position(scanner) < scanner->piece.end && !scanner->ended) {
		scanner->begin += span(scanner->unit,
				       scanner->buffer + scanner->begin,
				       scanner->filled - scanner->begin);
		if (has_bytes(scanner)) {
			scanner->begin++;
			return NULL;
		}
		error = fill(scanner);
		if (error)
			return error;
	}
	return NULL;
}

/* Pass white space, up to a word or the end of the piece. */
static const char *skip_spaces(struct count_scanner *scanner)
{
	const char *error;

	while (position(scanner) < scanner->piece.end && !scanner->ended) {
		while (has_bytes(scanner) &&
		       is_space(scanner->buffer[scanner->begin]))
			scanner->begin++;
		if (has_bytes(scanner))
			return NULL;
		error = fill(scanner);
		if (error)
			return error;
	}
	return NULL;
}

/* The length of the token that begins here, which is then all buffered. */
static const char *measure(struct count_scanner *scanner, size_t *length)
{
	const char *error;

	*length = 0;
	for (;;) {
		size_t from = scanner->begin + *length;

		*length += span(scanner->unit, scanner->buffer + from,
				scanner->filled - from);
		if (*length > COUNT_TOKEN_MOST)
			return "has a token of 4 GiB or more";
		if (scanner->begin + *length < scanner->filled ||
		    scanner->ended)
			return NULL;
		error = fill(scanner);
		if (error)
			return error;
	}
}

static const char *scan_tokens(struct count_scanner *scanner)
{
	const char *error = NULL;
	size_t length;

	if (scanner->piece.begin)
		error = skip_begun(scanner);
	while (!error && position(scanner) < scanner->piece.end) {
		if (scanner->unit == COUNT_WORDS)
			error = skip_spaces(scanner);
		else if (!has_bytes(scanner))
			error = fill(scanner);
		if (error || !has_bytes(scanner) ||
		    position(scanner) >= scanner->piece.end)
			break;
		error = measure(scanner, &length);
		if (error)
			break;
		scanner->sink.token(scanner->sink.context,
				    scanner->buffer + scanner->begin, length,
				    1);
		scanner->begin += length;
		/* The byte that ends it, unless the file does. */
		if (has_bytes(scanner))
			scanner->begin++;
	}
	return error;
}

/* Bytes are too many for a row each: a piece makes at most 256 of them. */
static const char *scan_bytes(struct count_scanner *scanner)
{
	uint64_t histogram[256] = { 0 };
	const char *error;

	while (position(scanner) < scanner->piece.end && !scanner->ended) {
		error = fill(scanner);
		if (error)
			return error;
		while (has_bytes(scanner) &&
		       position(scanner) < scanner->piece.end)
			histogram[scanner->buffer[scanner->begin++]]++;
	}
	for (unsigned int value = 0; value < 256; value++) {
		unsigned char byte = value;

		if (histogram[value])
			scanner->sink.token(scanner->sink.context, &byte, 1,
					    histogram[value]);
	}
	return NULL;
}

const char *count_scan(struct count_scanner *scanner, int fd,
		       const struct count_piece *piece)
{
	bool begun_before = piece->begin && scanner->unit != COUNT_BYTES;

	scanner->fd = fd;
	scanner->piece = *piece;
	scanner->begin = 0;
	scanner->filled = 0;
	/* The byte before a piece tells whether a token goes on into it. */
	scanner->offset = piece->begin - begun_before;
	scanner->ended = false;
	return scanner->unit == COUNT_BYTES ? scan_bytes(scanner) :
					      scan_tokens(scanner);
}
