/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each operation does, written plainly and by bytes, without anything of
 * the engine: the model that results and memory are compared with.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "common.h"

static const uint8_t all_widths[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static inline uint64_t width_mask(unsigned int width)
{
	return ~0ULL >> (64 - 8 * width);
}

/* Which byte of a word of @width bytes has the @i-th lowest 8 bits. */
static inline unsigned int byte_at(unsigned int i, unsigned int width)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i : width - 1 - i;
}

static inline uint64_t load_word(const void *at, unsigned int width)
{
	const uint8_t *bytes = at;
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < width; i++)
		value |= (uint64_t)bytes[byte_at(i, width)] << (8 * i);
	return value;
}

static inline void store_word(void *at, unsigned int width, uint64_t value)
{
	uint8_t *bytes = at;
	unsigned int i;

	for (i = 0; i < width; i++)
		bytes[byte_at(i, width)] = value >> (8 * i);
}

/* Somewhere inside one of @words aligned 8-byte words, aligned as often as not. */
static inline uint64_t random_offset(unsigned int words, unsigned int width)
{
	uint64_t word = next_random() % words * 8;

	if (next_random() % 2)
		return word + next_random() % (9 - width);
	return word + next_random() % (8 / width) * width;
}

/*
 * An operand that @op takes on a word of @width bytes, of a value that others
 * take.
 */
static inline uint64_t operand_for(unsigned int op, unsigned int width, uint64_t value)
{
	return op == SHATOMIC_OP_TEST_AND_SET_BIT ||
			       op == SHATOMIC_OP_TEST_AND_CLEAR_BIT ?
		       value % (8 * width) :
		       value;
}

/* The new value by an operation without comparison or peer. */
static inline uint64_t model_update(unsigned int op, uint64_t old, uint64_t operand)
{
	switch (op) {
	case SHATOMIC_OP_SET:
	case SHATOMIC_OP_GET_AND_SET:
		return operand;
	case SHATOMIC_OP_FETCH_AND_ADD:
	case SHATOMIC_OP_ADD_AND_FETCH:
		return old + operand;
	case SHATOMIC_OP_FETCH_AND_SUB:
	case SHATOMIC_OP_SUB_AND_FETCH:
		return old - operand;
	case SHATOMIC_OP_FETCH_AND_AND:
	case SHATOMIC_OP_AND_AND_FETCH:
		return old & operand;
	case SHATOMIC_OP_FETCH_AND_OR:
	case SHATOMIC_OP_OR_AND_FETCH:
		return old | operand;
	case SHATOMIC_OP_FETCH_AND_XOR:
	case SHATOMIC_OP_XOR_AND_FETCH:
		return old ^ operand;
	case SHATOMIC_OP_FETCH_AND_NAND:
	case SHATOMIC_OP_NAND_AND_FETCH:
		return ~(old & operand);
	case SHATOMIC_OP_FETCH_AND_UMIN:
		return operand < old ? operand : old;
	case SHATOMIC_OP_FETCH_AND_UMAX:
		return operand > old ? operand : old;
	case SHATOMIC_OP_TEST_AND_SET_BIT:
		return old | 1ULL << operand;
	case SHATOMIC_OP_TEST_AND_CLEAR_BIT:
		return old & ~(1ULL << operand);
	default:
		return old;
	}
}

static inline int64_t as_signed(uint64_t value, unsigned int width)
{
	uint64_t sign = 1ULL << (8 * width - 1);

	return value & sign ? -(int64_t)(width_mask(width) - value) - 1 :
			      (int64_t)value;
}

static inline bool returns_new(unsigned int op)
{
	return op == SHATOMIC_OP_SET ||
	       (op >= SHATOMIC_OP_ADD_AND_FETCH &&
		op <= SHATOMIC_OP_NAND_AND_FETCH);
}

/*
 * Whether an operation with an operand alone returns @result and leaves @word
 * where @old was. Of all values the width counts.
 */
static inline bool model_agrees(unsigned int op, unsigned int width,
				uint64_t old, uint64_t operand, uint64_t result,
				uint64_t word)
{
	uint64_t mask = width_mask(width), updated;

	updated = model_update(op, old & mask, operand & mask) & mask;
	return (word & mask) == updated &&
	       (result & mask) == (returns_new(op) ? updated : old & mask);
}

struct model_values {
	uint64_t operand;
	uint64_t comparand;
	uint64_t mask;
	uint64_t comparand_mask;
};

/* Run one row on @self and @peer; its result and status. */
static inline void model_row(unsigned int op, unsigned int width, void *self,
			     void *peer, const struct model_values *values,
			     uint64_t *result, uint8_t *status)
{
	uint64_t mask = width_mask(width), old = load_word(self, width), new;
	uint64_t operand = values->operand & mask;
	uint64_t comparand = values->comparand & mask;
	uint64_t sum;

	*status = SHATOMIC_ROW_DONE;
	switch (op) {
	case SHATOMIC_OP_STORE:
		*result = load_word(peer, width);
		store_word(self, width, *result);
		return;
	case SHATOMIC_OP_COMPARE_AND_SET:
		*result = old == load_word(peer, width);
		if (*result) {
			store_word(self, width, operand);
		} else {
			store_word(peer, width, old);
			*status = SHATOMIC_ROW_COMPARE_FAILED;
		}
		return;
	case SHATOMIC_OP_COMPARE_AND_SET_VALUE:
		*result = old;
		if (old == comparand)
			store_word(self, width, operand);
		else
			*status = SHATOMIC_ROW_COMPARE_FAILED;
		return;
	case SHATOMIC_OP_FETCH_AND_ADD_BOUNDED:
		*result = old;
		sum = (old + operand) & mask;
		if (sum >= old && sum <= comparand)
			store_word(self, width, sum);
		else
			*status = SHATOMIC_ROW_COMPARE_FAILED;
		return;
	case SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE:
		*result = old;
		if ((old & values->comparand_mask) !=
		    (comparand & values->comparand_mask)) {
			*status = SHATOMIC_ROW_COMPARE_FAILED;
			return;
		}
		store_word(self, width, (old & ~values->mask) |
						(operand & values->mask));
		return;
	case SHATOMIC_OP_MASKED_GET_AND_SET:
		*result = old;
		store_word(self, width, (old & ~values->mask) |
						(operand & values->mask));
		return;
	case SHATOMIC_OP_FETCH_AND_SMIN:
	case SHATOMIC_OP_FETCH_AND_SMAX:
		*result = old;
		if ((as_signed(operand, width) < as_signed(old, width)) ==
		    (op == SHATOMIC_OP_FETCH_AND_SMIN))
			store_word(self, width, operand);
		return;
	}
	new = model_update(op, old, operand) & mask;
	store_word(self, width, new);
	*result = returns_new(op) ? new : old;
	if (op == SHATOMIC_OP_TEST_AND_SET_BIT ||
	    op == SHATOMIC_OP_TEST_AND_CLEAR_BIT)
		*result = old >> operand & 1;
}

/* Small values make equal words and comparisons that hold likely. */
static inline uint64_t interesting_value(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000,
		~0ULL,
	};

	switch (next_random() % 3) {
	case 0:
		return values[next_random() % COUNT_OF(values)];
	case 1:
		return next_random() % 4;
	default:
		return next_random();
	}
}

#endif /* TESTS_MODEL_H */
