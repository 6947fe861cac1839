/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values between bytes, as they lie in memory, and integers.
 */
#ifndef SHATOMIC_VALUE_H
#define SHATOMIC_VALUE_H

#include <stdint.h>
#include <string.h>

/* Where the lowest @width bytes of an integer lie in it. */
static inline unsigned int shatomic_value_at(unsigned int width)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return 8 - width;
#else
	(void)width;
	return 0;
#endif
}

/* The integer that @width bytes, at most 8, are. */
static inline uint64_t shatomic_value_load(const void *bytes,
					   unsigned int width)
{
	uint64_t value = 0;

	memcpy((char *)&value + shatomic_value_at(width), bytes, width);
	return value;
}

/* Make an integer the @width bytes, at most 8, that it is. */
static inline void shatomic_value_store(void *bytes, unsigned int width,
					uint64_t value)
{
	memcpy(bytes, (const char *)&value + shatomic_value_at(width), width);
}

#endif /* SHATOMIC_VALUE_H */
