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

/* Which byte of a double its lower half begins with. */
static inline unsigned int shatomic_lower_half_at(void)
{
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 8 : 0;
}

/*
 * The integer that @width bytes, at most 8 or 16, are, as two: the lower half
 * first, the upper one 0 when there is none.
 */
static inline void shatomic_value_load_any(const void *bytes,
					   unsigned int width,
					   uint64_t value[2])
{
	unsigned int lower = shatomic_lower_half_at();

	if (width <= 8) {
		value[0] = shatomic_value_load(bytes, width);
		value[1] = 0;
		return;
	}
	value[0] = shatomic_value_load((const char *)bytes + lower, 8);
	value[1] = shatomic_value_load((const char *)bytes + 8 - lower, 8);
}

static inline void shatomic_value_store_any(void *bytes, unsigned int width,
					    const uint64_t value[2])
{
	unsigned int lower = shatomic_lower_half_at();

	if (width <= 8) {
		shatomic_value_store(bytes, width, value[0]);
		return;
	}
	shatomic_value_store((char *)bytes + lower, 8, value[0]);
	shatomic_value_store((char *)bytes + 8 - lower, 8, value[1]);
}

#endif /* SHATOMIC_VALUE_H */
