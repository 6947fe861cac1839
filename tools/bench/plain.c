// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one would write without batches.
 */
#include "plain.h"

void plain_fetch_and_add(unsigned char *base, const uint64_t *offsets,
			 const uint64_t *operands, uint64_t *results,
			 uint64_t rows)
{
	uint64_t i;

	if (!results) {
		for (i = 0; i < rows; i++)
			__atomic_fetch_add((uint64_t *)(base + offsets[i]),
					   operands[i], __ATOMIC_SEQ_CST);
		return;
	}
	for (i = 0; i < rows; i++)
		results[i] = __atomic_fetch_add((uint64_t *)(base + offsets[i]),
						operands[i], __ATOMIC_SEQ_CST);
}

/*
 * One row on a word of some width. The result of SET is read anew: where it and
 * those of fetch_and_* come to one place as one variable, GCC 12 operates with
 * what it saw in the word instead of the operand.
 */
#define DEFINE_ROW(bits)                                                      \
	static inline uint64_t row_##bits(uint##bits##_t *word, uint8_t op,   \
					  const uint64_t *operand_,           \
					  uint##bits##_t comparand)           \
	{                                                                     \
		const int order = __ATOMIC_SEQ_CST;                           \
		uint##bits##_t operand = *operand_;                           \
                                                                              \
		switch (op) {                                                 \
		case SHATOMIC_OP_GET:                                         \
			return __atomic_load_n(word, order);                  \
		case SHATOMIC_OP_SET:                                         \
			__atomic_store_n(word, operand, order);               \
			return (uint##bits##_t)                               \
				*(const volatile uint64_t *)operand_;         \
		case SHATOMIC_OP_GET_AND_SET:                                 \
			return __atomic_exchange_n(word, operand, order);     \
		case SHATOMIC_OP_COMPARE_AND_SET_VALUE:                       \
			__atomic_compare_exchange_n(word, &comparand,         \
						    operand, 0, order,        \
						    order);                   \
			return comparand;                                     \
		case SHATOMIC_OP_FETCH_AND_ADD:                               \
			return __atomic_fetch_add(word, operand, order);      \
		case SHATOMIC_OP_FETCH_AND_SUB:                               \
			return __atomic_fetch_sub(word, operand, order);      \
		case SHATOMIC_OP_FETCH_AND_AND:                               \
			return __atomic_fetch_and(word, operand, order);      \
		case SHATOMIC_OP_FETCH_AND_OR:                                \
			return __atomic_fetch_or(word, operand, order);       \
		case SHATOMIC_OP_FETCH_AND_XOR:                               \
			return __atomic_fetch_xor(word, operand, order);      \
		case SHATOMIC_OP_FETCH_AND_NAND:                              \
			return __atomic_fetch_nand(word, operand, order);     \
		case SHATOMIC_OP_ADD_AND_FETCH:                               \
			return __atomic_add_fetch(word, operand, order);      \
		case SHATOMIC_OP_SUB_AND_FETCH:                               \
			return __atomic_sub_fetch(word, operand, order);      \
		case SHATOMIC_OP_AND_AND_FETCH:                               \
			return __atomic_and_fetch(word, operand, order);      \
		case SHATOMIC_OP_OR_AND_FETCH:                                \
			return __atomic_or_fetch(word, operand, order);       \
		case SHATOMIC_OP_XOR_AND_FETCH:                               \
			return __atomic_xor_fetch(word, operand, order);      \
		case SHATOMIC_OP_NAND_AND_FETCH:                              \
			return __atomic_nand_fetch(word, operand, order);     \
		}                                                             \
		return 0;                                                     \
	}

DEFINE_ROW(8)
DEFINE_ROW(16)
DEFINE_ROW(32)
DEFINE_ROW(64)

void plain_switch(unsigned char *base, const uint8_t *ops,
		  const uint8_t *widths, const uint64_t *offsets,
		  const uint64_t *operands, const uint64_t *comparands,
		  uint64_t *results, uint64_t rows)
{
	uint64_t i;

	for (i = 0; i < rows; i++) {
		void *word = base + offsets[i];

		switch (widths[i]) {
		case 1:
			results[i] = row_8(word, ops[i], &operands[i],
					   comparands[i]);
			break;
		case 2:
			results[i] = row_16(word, ops[i], &operands[i],
					    comparands[i]);
			break;
		case 4:
			results[i] = row_32(word, ops[i], &operands[i],
					    comparands[i]);
			break;
		case 8:
			results[i] = row_64(word, ops[i], &operands[i],
					    comparands[i]);
			break;
		}
	}
}

void plain_prefetch(const unsigned char *base, const uint64_t *offsets,
		    uint64_t rows)
{
	uint64_t i;

	for (i = 0; i < rows; i++) {
#ifdef __x86_64__
		/* Compilers use it only for CPUs that they are told of. */
		asm volatile("prefetchw %0" : : "m"(base[offsets[i]]));
#else
		__builtin_prefetch(base + offsets[i], 1);
#endif
	}
}
