/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * A word of up to 8 bytes as a field of the aligned 8-byte word that it lies
 * in.
 */
#ifndef SHATOMIC_ENGINE_FIELD_H
#define SHATOMIC_ENGINE_FIELD_H

#include "row.h"

/**
 * struct field - A word inside an aligned 8-byte word
 * @whole: The 8-byte word.
 * @shift: How far above its lowest bit the field begins.
 * @all: The bits of the field's width.
 */
struct field {
	__u64 *whole;
	__u32 shift;
	__u64 all;
};

static inline struct field field_at(void *word, __u32 width)
{
	__u32 within = (unsigned long)word & 7;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	within = 8 - width - within;
#endif
	return (struct field) {
		.whole = (__u64 *)((unsigned long)word & ~7UL),
		.shift = 8 * within,
		.all = ~0ULL >> (64 - 8 * width),
	};
}

/*
 * Change bits of a field, when the 8-byte word is still what it @was; else that
 * becomes what it is.
 */
static __always_inline bool field_exchange(const struct field *field,
					   __u64 *was, __u64 changes)
{
	return __atomic_compare_exchange_n(field->whole, was,
					   *was ^ changes << field->shift, 0,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#endif /* SHATOMIC_ENGINE_FIELD_H */
