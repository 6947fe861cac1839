// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The first content of a new region: the bytes or the file that it comes from,
 * the length that it gives the region, padding and trimming.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int check_direction(const char *field, enum shatomic_direction direction)
{
	switch (direction) {
	case SHATOMIC_DIRECTION_NONE:
	case SHATOMIC_DIRECTION_LEFT:
	case SHATOMIC_DIRECTION_RIGHT:
		return 0;
	}
	return shatomic_fail(EINVAL, "%s has the unknown value %d", field,
			     (int)direction);
}

static int check_parameter(const struct shatomic_create_options *options)
{
	if (!options->initial && options->initial_size)
		return shatomic_fail(EINVAL,
				     "initial is NULL and initial_size is %zu",
				     options->initial_size);
	if (options->previous_path)
		return shatomic_fail(EINVAL,
				     "previous_path is given and source is not SHATOMIC_SOURCE_FILE");
	if (options->flags & SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE)
		return shatomic_fail(EINVAL,
				     "flags has SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE and source is not SHATOMIC_SOURCE_FILE");
	return 0;
}

static int check_file(const struct shatomic_create_options *options)
{
	if (!options->previous_path)
		return shatomic_fail(EINVAL,
				     "previous_path is NULL and source is SHATOMIC_SOURCE_FILE");
	if (options->initial || options->initial_size)
		return shatomic_fail(EINVAL,
				     "initial is given and source is SHATOMIC_SOURCE_FILE");
	return 0;
}

static int check_source(const struct shatomic_create_options *options)
{
	switch (options->source) {
	case SHATOMIC_SOURCE_PARAMETER:
		return check_parameter(options);
	case SHATOMIC_SOURCE_FILE:
		return check_file(options);
	}
	return shatomic_fail(EINVAL, "source has the unknown value %d",
			     (int)options->source);
}

static int check(const struct shatomic_create_options *options)
{
	int err;

	err = check_source(options);
	if (err)
		return err;
	if (!options->padding_bytes && options->padding_size)
		return shatomic_fail(EINVAL,
				     "padding_bytes is NULL and padding_size is %zu",
				     options->padding_size);
	err = check_direction("padding_direction", options->padding_direction);
	if (err)
		return err;
	return check_direction("trimming_direction",
			       options->trimming_direction);
}

int shatomic_content_open(const struct shatomic_create_options *options,
			  struct shatomic_content *content)
{
	int err;

	err = check(options);
	if (err)
		return err;
	*content = (struct shatomic_content){
		.fd = -1,
		.bytes = options->initial,
		.size = options->initial_size,
	};
	if (options->source == SHATOMIC_SOURCE_PARAMETER)
		return 0;
	content->fd = shatomic_open_regular("previous_path",
					    options->previous_path, O_RDONLY,
					    &content->stat);
	if (content->fd < 0)
		return content->fd;
	content->size = content->stat.st_size;
	return 0;
}

int shatomic_content_check_unchanged(const struct shatomic_create_options *options,
				     const struct shatomic_content *content)
{
	const struct stat *was = &content->stat;
	struct stat is;
	int err;

	if (stat(options->previous_path, &is)) {
		err = errno;
		return shatomic_fail(err, "previous_path '%s': %s",
				     options->previous_path, strerror(err));
	}
	if (is.st_dev != was->st_dev || is.st_ino != was->st_ino ||
	    is.st_size != was->st_size ||
	    is.st_mtim.tv_sec != was->st_mtim.tv_sec ||
	    is.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
		return shatomic_fail(EBUSY,
				     "previous_path '%s' has changed since it was read, and is not removed",
				     options->previous_path);
	return 0;
}

void shatomic_content_close(struct shatomic_content *content)
{
	if (content->fd >= 0)
		close(content->fd);
}

/* Straight into the region, so that no length needs a buffer. */
static int read_file(const char *path, int fd, __u64 from, unsigned char *to,
		     __u64 length)
{
	ssize_t got;
	int err;

	while (length) {
		got = pread(fd, to, length, from);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			err = errno;
			return shatomic_fail(err, "reading previous_path '%s': %s",
					     path, strerror(err));
		}
		if (!got)
			return shatomic_fail(EIO,
					     "previous_path '%s' ended %llu bytes early: it shrank while it was read",
					     path, length);
		from += got;
		to += got;
		length -= got;
	}
	return 0;
}

/* A file that has grown, or one of those whose size says nothing. */
static int check_end(const char *path, const struct shatomic_content *content)
{
	ssize_t got;
	char byte;

	do {
		got = pread(content->fd, &byte, 1, content->size);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return shatomic_fail(EIO,
				     "previous_path '%s' holds more than the %llu bytes of its size",
				     path, content->size);
	return 0;
}

/* @length bytes of the content, from its byte @from on. */
static int copy(const struct shatomic_create_options *options,
		const struct shatomic_content *content, __u64 from,
		unsigned char *to, __u64 length)
{
	if (content->fd >= 0)
		return read_file(options->previous_path, content->fd, from, to,
				 length);
	if (length)
		memcpy(to, content->bytes + from, length);
	return 0;
}

/* Each round repeats all that is there so far, whole periods of it. */
static void pad(const struct shatomic_create_options *options,
		unsigned char *to, __u64 length)
{
	__u64 done = options->padding_size, step;

	if (!done)
		return;
	if (done > length)
		done = length;
	memcpy(to, options->padding_bytes, done);
	while (done < length) {
		step = done < length - done ? done : length - done;
		memcpy(to + done, to, step);
		done += step;
	}
}

static int fill(const struct shatomic_create_options *options,
		const struct shatomic_content *content,
		const struct shatomic_memory *memory)
{
	unsigned char *base = memory->base;
	__u64 size = memory->size;
	__u64 padding;

	if (content->size >= size)
		return copy(options, content,
			    options->trimming_direction ==
					    SHATOMIC_DIRECTION_LEFT ?
				    content->size - size :
				    0,
			    base, size);
	padding = size - content->size;
	/* No length was asked for that could be padded up to. */
	if (!options->size)
		return 0;
	switch (options->padding_direction) {
	case SHATOMIC_DIRECTION_LEFT:
		pad(options, base, padding);
		return copy(options, content, 0, base + padding, content->size);
	case SHATOMIC_DIRECTION_RIGHT:
		pad(options, base + content->size, padding);
		break;
	case SHATOMIC_DIRECTION_NONE:
		break;
	}
	return copy(options, content, 0, base, content->size);
}

int shatomic_content_fill(const struct shatomic_create_options *options,
			  const struct shatomic_content *content,
			  const struct shatomic_memory *memory)
{
	int err = fill(options, content, memory);

	if (err || content->fd < 0)
		return err;
	return check_end(options->previous_path, content);
}
