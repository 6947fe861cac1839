/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Typed single operations, as inline functions: what the compiler's __atomic
 * builtins do, under the names of this library.
 */
#ifndef SHATOMIC_TYPED_H
#define SHATOMIC_TYPED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: Typed single operations
 *
 * For each type T of u8, u16, u32, u64, i8, i16, i32, i64, on a word in a
 * region (see shatomic_at()):
 *
 *  - shatomic_get_T(word): its value
 *  - shatomic_set_T(word, value)
 *  - shatomic_get_and_set_T(word, value): the old value
 *  - shatomic_compare_and_set_value_T(word, value, comparand): sets it when it
 *    equals comparand; the old value in both cases, so that it was set if and
 *    only if that equals comparand
 *  - shatomic_fetch_and_{add,sub,and,or,xor,nand}_T(word, operand): the old
 *    value
 *  - shatomic_{add,sub,and,or,xor,nand}_and_fetch_T(word, operand): the new
 *    value
 *  - shatomic_fetch_and_{min,max}_T(word, operand): the old value; the word
 *    becomes the smaller or larger of it and operand, as T has signs
 *  - shatomic_masked_get_and_set_T(word, value, mask): the old value; the bits
 *    in mask become those of value
 *  - shatomic_masked_compare_and_set_value_T(word, value, mask, comparand,
 *    comparand_mask): the same when the word equals comparand in the bits of
 *    comparand_mask; the old value in both cases
 *  - shatomic_test_and_{set,clear}_bit_T(word, bit): the old bit, 0 or 1. bit
 *    is less than the number of bits in T.
 *
 * and for the unsigned ones
 *
 *  - shatomic_fetch_and_add_bounded_T(word, operand, bound): the old value;
 *    adds when the sum is at most bound and does not wrap, so that it was
 *    added if and only if operand <= bound and the old value <= bound - operand
 *
 * These are sequentially consistent. Each has a form with the suffix _explicit
 * and one more parameter, order: __ATOMIC_RELAXED, __ATOMIC_ACQUIRE,
 * __ATOMIC_RELEASE, __ATOMIC_ACQ_REL or __ATOMIC_SEQ_CST, with the meaning and
 * the restrictions of the same order in GCC's __atomic builtins. The
 * operations of the first six lines compile to one of these; of the others,
 * those on bits to that of fetch_and_or or fetch_and_and, the rest to a loop
 * around compare and exchange. A comparison that fails stores nothing and
 * releases nothing. They cannot fail. Arithmetic wraps, for signed types too.
 *
 * For languages that load the library and can't include this header, it has
 * those without an order as functions too. A memory order is for the compiler:
 * to a function that it does not see the inside of it would make no difference.
 */
#define SHATOMIC_INLINE_ static inline __attribute__((always_inline))

/* The sequentially consistent ones, which lib/typed.c makes functions of. */
#ifndef SHATOMIC_SEQ_CST_
#define SHATOMIC_SEQ_CST_ SHATOMIC_INLINE_
#endif

/* The order of a load: of a failed comparison, or before an exchange. */
#define SHATOMIC_LOAD_ORDER_(order)                                           \
	((order) == __ATOMIC_ACQ_REL ? __ATOMIC_ACQUIRE :                     \
	 (order) == __ATOMIC_RELEASE ? __ATOMIC_RELAXED :                     \
				       (order))

/*
 * GCC 12 makes several instructions of these builtins on x86, and of all of them
 * on s390x. When the operand and the result have come to be one variable, in a
 * switch that yields one or the other say, it takes what it saw in the word for
 * the operand in the later ones. They cannot be one where both are needed at
 * once: by an asm statement, which is no instruction.
 */
#define SHATOMIC_TYPED_KEPT_(name, suffix, type, builtin)                     \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_##name##_##suffix##_explicit(type *word, type operand,       \
					      int order)                      \
	{                                                                     \
		type result = builtin(word, operand, order);                  \
									      \
		if (!__builtin_constant_p(operand))                           \
			__asm__("" : "+r"(result) : "r"(operand));            \
		return result;                                                \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_##name##_##suffix(type *word, type operand)                  \
	{                                                                     \
		return shatomic_##name##_##suffix##_explicit(                 \
			word, operand, __ATOMIC_SEQ_CST);                     \
	}

/* Those that are one instruction on x86. */
#if defined(__x86_64__) || defined(__i386__)
#define SHATOMIC_TYPED_RMW_(name, suffix, type, builtin)                      \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_##name##_##suffix##_explicit(type *word, type operand,       \
					      int order)                      \
	{                                                                     \
		return builtin(word, operand, order);                         \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_##name##_##suffix(type *word, type operand)                  \
	{                                                                     \
		return builtin(word, operand, __ATOMIC_SEQ_CST);              \
	}
#else
#define SHATOMIC_TYPED_RMW_ SHATOMIC_TYPED_KEPT_
#endif

#define SHATOMIC_TYPED_(suffix, type)                                         \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_get_##suffix##_explicit(const type *word, int order)         \
	{                                                                     \
		return __atomic_load_n(word, order);                          \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_get_##suffix(const type *word)                               \
	{                                                                     \
		return __atomic_load_n(word, __ATOMIC_SEQ_CST);               \
	}                                                                     \
	SHATOMIC_INLINE_ void                                                 \
	shatomic_set_##suffix##_explicit(type *word, type value, int order)   \
	{                                                                     \
		__atomic_store_n(word, value, order);                         \
	}                                                                     \
	SHATOMIC_SEQ_CST_ void                                                \
	shatomic_set_##suffix(type *word, type value)                         \
	{                                                                     \
		__atomic_store_n(word, value, __ATOMIC_SEQ_CST);              \
	}                                                                     \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_compare_and_set_value_##suffix##_explicit(                   \
		type *word, type value, type comparand, int order)            \
	{                                                                     \
		__atomic_compare_exchange_n(word, &comparand, value, 0,       \
					    order,                            \
					    SHATOMIC_LOAD_ORDER_(order));     \
		return comparand;                                             \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_compare_and_set_value_##suffix(type *word, type value,       \
						type comparand)               \
	{                                                                     \
		return shatomic_compare_and_set_value_##suffix##_explicit(    \
			word, value, comparand, __ATOMIC_SEQ_CST);            \
	}                                                                     \
	SHATOMIC_TYPED_RMW_(get_and_set, suffix, type, __atomic_exchange_n)   \
	SHATOMIC_TYPED_RMW_(fetch_and_add, suffix, type, __atomic_fetch_add)  \
	SHATOMIC_TYPED_RMW_(fetch_and_sub, suffix, type, __atomic_fetch_sub)  \
	SHATOMIC_TYPED_KEPT_(fetch_and_and, suffix, type, __atomic_fetch_and) \
	SHATOMIC_TYPED_KEPT_(fetch_and_or, suffix, type, __atomic_fetch_or)   \
	SHATOMIC_TYPED_KEPT_(fetch_and_xor, suffix, type, __atomic_fetch_xor) \
	SHATOMIC_TYPED_KEPT_(fetch_and_nand, suffix, type,                    \
			     __atomic_fetch_nand)                              \
	SHATOMIC_TYPED_KEPT_(add_and_fetch, suffix, type, __atomic_add_fetch) \
	SHATOMIC_TYPED_KEPT_(sub_and_fetch, suffix, type, __atomic_sub_fetch) \
	SHATOMIC_TYPED_KEPT_(and_and_fetch, suffix, type, __atomic_and_fetch) \
	SHATOMIC_TYPED_KEPT_(or_and_fetch, suffix, type, __atomic_or_fetch)   \
	SHATOMIC_TYPED_KEPT_(xor_and_fetch, suffix, type, __atomic_xor_fetch) \
	SHATOMIC_TYPED_KEPT_(nand_and_fetch, suffix, type,                    \
			     __atomic_nand_fetch)

/*
 * A loop: while condition holds of old, the word becomes after. Both are
 * expressions in old and in the parameters.
 */
#define SHATOMIC_TYPED_UPDATE_(type, order, condition, after)                 \
	type old = __atomic_load_n(word, SHATOMIC_LOAD_ORDER_(order));        \
									      \
	while ((condition) &&                                                 \
	       !__atomic_compare_exchange_n(word, &old, (type)(after), 1,     \
					    order,                            \
					    SHATOMIC_LOAD_ORDER_(order)))     \
		;                                                             \
	return old

#define SHATOMIC_TYPED_MORE_(suffix, type)                                    \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_fetch_and_min_##suffix##_explicit(type *word, type operand,  \
						   int order)                 \
	{                                                                     \
		SHATOMIC_TYPED_UPDATE_(type, order, 1,                        \
				       operand < old ? operand : old);        \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_fetch_and_min_##suffix(type *word, type operand)             \
	{                                                                     \
		return shatomic_fetch_and_min_##suffix##_explicit(            \
			word, operand, __ATOMIC_SEQ_CST);                     \
	}                                                                     \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_fetch_and_max_##suffix##_explicit(type *word, type operand,  \
						   int order)                 \
	{                                                                     \
		SHATOMIC_TYPED_UPDATE_(type, order, 1,                        \
				       operand > old ? operand : old);        \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_fetch_and_max_##suffix(type *word, type operand)             \
	{                                                                     \
		return shatomic_fetch_and_max_##suffix##_explicit(            \
			word, operand, __ATOMIC_SEQ_CST);                     \
	}                                                                     \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_masked_get_and_set_##suffix##_explicit(                      \
		type *word, type value, type mask, int order)                 \
	{                                                                     \
		SHATOMIC_TYPED_UPDATE_(type, order, 1,                        \
				       (old & ~mask) | (value & mask));       \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_masked_get_and_set_##suffix(type *word, type value,          \
					     type mask)                       \
	{                                                                     \
		return shatomic_masked_get_and_set_##suffix##_explicit(       \
			word, value, mask, __ATOMIC_SEQ_CST);                 \
	}                                                                     \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_masked_compare_and_set_value_##suffix##_explicit(            \
		type *word, type value, type mask, type comparand,            \
		type comparand_mask, int order)                               \
	{                                                                     \
		SHATOMIC_TYPED_UPDATE_(type, order,                           \
				       !((old ^ comparand) & comparand_mask), \
				       (old & ~mask) | (value & mask));       \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_masked_compare_and_set_value_##suffix(                       \
		type *word, type value, type mask, type comparand,            \
		type comparand_mask)                                          \
	{                                                                     \
		return shatomic_masked_compare_and_set_value_##suffix##_explicit( \
			word, value, mask, comparand, comparand_mask,         \
			__ATOMIC_SEQ_CST);                                    \
	}                                                                     \
	SHATOMIC_INLINE_ int                                                  \
	shatomic_test_and_set_bit_##suffix##_explicit(                        \
		type *word, unsigned int bit, int order)                      \
	{                                                                     \
		type mask = (type)((uint64_t)1 << bit);                       \
									      \
		return !!(__atomic_fetch_or(word, mask, order) & mask);       \
	}                                                                     \
	SHATOMIC_SEQ_CST_ int                                                 \
	shatomic_test_and_set_bit_##suffix(type *word, unsigned int bit)      \
	{                                                                     \
		return shatomic_test_and_set_bit_##suffix##_explicit(         \
			word, bit, __ATOMIC_SEQ_CST);                         \
	}                                                                     \
	SHATOMIC_INLINE_ int                                                  \
	shatomic_test_and_clear_bit_##suffix##_explicit(                      \
		type *word, unsigned int bit, int order)                      \
	{                                                                     \
		type mask = (type)((uint64_t)1 << bit);                       \
									      \
		return !!(__atomic_fetch_and(word, (type)~mask, order) &      \
			  mask);                                              \
	}                                                                     \
	SHATOMIC_SEQ_CST_ int                                                 \
	shatomic_test_and_clear_bit_##suffix(type *word, unsigned int bit)    \
	{                                                                     \
		return shatomic_test_and_clear_bit_##suffix##_explicit(       \
			word, bit, __ATOMIC_SEQ_CST);                         \
	}

#define SHATOMIC_TYPED_UNSIGNED_(suffix, type)                                \
	SHATOMIC_INLINE_ type                                                 \
	shatomic_fetch_and_add_bounded_##suffix##_explicit(                   \
		type *word, type operand, type bound, int order)              \
	{                                                                     \
		SHATOMIC_TYPED_UPDATE_(type, order,                           \
				       operand <= bound &&                    \
					       old <= (type)(bound -          \
							     operand),        \
				       old + operand);                        \
	}                                                                     \
	SHATOMIC_SEQ_CST_ type                                                \
	shatomic_fetch_and_add_bounded_##suffix(type *word, type operand,     \
						type bound)                   \
	{                                                                     \
		return shatomic_fetch_and_add_bounded_##suffix##_explicit(    \
			word, operand, bound, __ATOMIC_SEQ_CST);              \
	}

SHATOMIC_TYPED_(u8, uint8_t)
SHATOMIC_TYPED_(u16, uint16_t)
SHATOMIC_TYPED_(u32, uint32_t)
SHATOMIC_TYPED_(u64, uint64_t)
SHATOMIC_TYPED_(i8, int8_t)
SHATOMIC_TYPED_(i16, int16_t)
SHATOMIC_TYPED_(i32, int32_t)
SHATOMIC_TYPED_(i64, int64_t)

SHATOMIC_TYPED_MORE_(u8, uint8_t)
SHATOMIC_TYPED_MORE_(u16, uint16_t)
SHATOMIC_TYPED_MORE_(u32, uint32_t)
SHATOMIC_TYPED_MORE_(u64, uint64_t)
SHATOMIC_TYPED_MORE_(i8, int8_t)
SHATOMIC_TYPED_MORE_(i16, int16_t)
SHATOMIC_TYPED_MORE_(i32, int32_t)
SHATOMIC_TYPED_MORE_(i64, int64_t)

SHATOMIC_TYPED_UNSIGNED_(u8, uint8_t)
SHATOMIC_TYPED_UNSIGNED_(u16, uint16_t)
SHATOMIC_TYPED_UNSIGNED_(u32, uint32_t)
SHATOMIC_TYPED_UNSIGNED_(u64, uint64_t)

#undef SHATOMIC_INLINE_
#undef SHATOMIC_SEQ_CST_
#undef SHATOMIC_LOAD_ORDER_
#undef SHATOMIC_TYPED_
#undef SHATOMIC_TYPED_RMW_
#undef SHATOMIC_TYPED_KEPT_
#undef SHATOMIC_TYPED_UPDATE_
#undef SHATOMIC_TYPED_MORE_
#undef SHATOMIC_TYPED_UNSIGNED_

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_TYPED_H */
