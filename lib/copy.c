// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copying bytes of a region out and in, its whole words by one load or store
 * each.
 */
#include "backend.h"

#include <errno.h>
#include <string.h>

/* The bytes before the first whole word of a copy, or all of it. */
static __u64 head_of(__u64 offset, __u64 length)
{
	__u64 head = -offset % 8;

	return head < length ? head : length;
}

static void bytes_out(const struct shatomic_memory *memory, __u64 offset,
		      unsigned char *buffer, __u64 length)
{
	const unsigned char *from = shatomic_memory_at(memory, offset);
	__u64 i;

	for (i = 0; i < length; i++)
		buffer[i] = __atomic_load_n(from + i, __ATOMIC_SEQ_CST);
}

static void bytes_in(const struct shatomic_memory *memory, __u64 offset,
		     const unsigned char *buffer, __u64 length)
{
	unsigned char *to = shatomic_memory_at(memory, offset);
	__u64 i;

	for (i = 0; i < length; i++)
		__atomic_store_n(to + i, buffer[i], __ATOMIC_SEQ_CST);
}

void shatomic_copy_out(const struct shatomic_memory *memory, __u64 offset,
		       unsigned char *buffer, __u64 length)
{
	__u64 head = head_of(offset, length);
	__u64 at, end = head + (length - head) / 8 * 8;
	__u64 word;

	bytes_out(memory, offset, buffer, head);
	for (at = head; at < end; at += 8) {
		const __u64 *from = shatomic_memory_at(memory, offset + at);

		word = __atomic_load_n(from, __ATOMIC_SEQ_CST);
		memcpy(buffer + at, &word, 8);
	}
	bytes_out(memory, offset + end, buffer + end, length - end);
}

static void copy_in(const struct shatomic_memory *memory, __u64 offset,
		    const unsigned char *buffer, __u64 length)
{
	__u64 head = head_of(offset, length);
	__u64 at, end = head + (length - head) / 8 * 8;
	__u64 word;

	bytes_in(memory, offset, buffer, head);
	for (at = head; at < end; at += 8) {
		__u64 *to = shatomic_memory_at(memory, offset + at);

		memcpy(&word, buffer + at, 8);
		__atomic_store_n(to, word, __ATOMIC_SEQ_CST);
	}
	bytes_in(memory, offset + end, buffer + end, length - end);
}

static int check_move(const struct shatomic_region *region, const void *buffer,
		      __u64 offset, __u64 length,
		      enum shatomic_memmove_direction direction)
{
	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	if (direction != SHATOMIC_MEMMOVE_OUT &&
	    direction != SHATOMIC_MEMMOVE_IN)
		return shatomic_fail(EINVAL, "direction has the unknown value %d",
				     (int)direction);
	if (!buffer && length)
		return shatomic_fail(EINVAL, "buffer is NULL");
	if (offset > region->memory.size ||
	    length > region->memory.size - offset)
		return shatomic_fail(ERANGE,
				     "length %llu from offset %llu on exceeds the region (%llu bytes)",
				     length, offset, region->memory.size);
	if (direction == SHATOMIC_MEMMOVE_IN && !region->memory.writable)
		return shatomic_fail(EACCES, "the region is open read-only");
	return 0;
}

int shatomic_memmove(struct shatomic_region *region, void *buffer,
		     uint64_t offset, size_t length,
		     enum shatomic_memmove_direction direction)
{
	int err;

	err = check_move(region, buffer, offset, length, direction);
	if (err)
		return err;
	if (direction == SHATOMIC_MEMMOVE_IN)
		copy_in(&region->memory, offset, buffer, length);
	else
		shatomic_copy_out(&region->memory, offset, buffer, length);
	return 0;
}
