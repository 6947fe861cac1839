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
 *  - shatomic_compare_and_set_value_T(word, comparand, value): sets it when it equals
 *    comparand; the old value in both cases, so that it was set if and only if
 *    that equals comparand
 *  - shatomic_fetch_and_{add,sub,and,or,xor,nand}_T(word, operand): the old
 *    value
 *  - shatomic_{add,sub,and,or,xor,nand}_and_fetch_T(word, operand): the new
 *    value
 *
 * These are sequentially consistent. Each has a form with the suffix _explicit
 * and one more parameter, order: __ATOMIC_RELAXED, __ATOMIC_ACQUIRE,
 * __ATOMIC_RELEASE, __ATOMIC_ACQ_REL or __ATOMIC_SEQ_CST, with the meaning and
 * the restrictions of the same order in GCC's __atomic builtins, which they
 * compile to. They cannot fail. Arithmetic wraps, for signed types too.
 */
#define SHATOMIC_TYPED_RMW_(name, suffix, type, builtin)                      \
	static inline __attribute__((always_inline)) type                     \
	shatomic_##name##_##suffix##_explicit(type *word, type operand,       \
					      int order)                      \
	{                                                                     \
		return builtin(word, operand, order);                         \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_##name##_##suffix(type *word, type operand)                  \
	{                                                                     \
		return builtin(word, operand, __ATOMIC_SEQ_CST);              \
	}

#define SHATOMIC_TYPED_(suffix, type)                                         \
	static inline __attribute__((always_inline)) type                     \
	shatomic_get_##suffix##_explicit(const type *word, int order)         \
	{                                                                     \
		return __atomic_load_n(word, order);                          \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_get_##suffix(const type *word)                               \
	{                                                                     \
		return __atomic_load_n(word, __ATOMIC_SEQ_CST);               \
	}                                                                     \
	static inline __attribute__((always_inline)) void                     \
	shatomic_set_##suffix##_explicit(type *word, type value, int order)   \
	{                                                                     \
		__atomic_store_n(word, value, order);                         \
	}                                                                     \
	static inline __attribute__((always_inline)) void                     \
	shatomic_set_##suffix(type *word, type value)                         \
	{                                                                     \
		__atomic_store_n(word, value, __ATOMIC_SEQ_CST);              \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_compare_and_set_value_##suffix##_explicit(                         \
		type *word, type comparand, type value, int order)            \
	{                                                                     \
		/* A failed comparison stores nothing: no release then. */    \
		__atomic_compare_exchange_n(                                  \
			word, &comparand, value, 0, order,                    \
			order == __ATOMIC_ACQ_REL   ? __ATOMIC_ACQUIRE :      \
			order == __ATOMIC_RELEASE   ? __ATOMIC_RELAXED :      \
						      order);                 \
		return comparand;                                             \
	}                                                                     \
	static inline __attribute__((always_inline)) type                     \
	shatomic_compare_and_set_value_##suffix(type *word, type comparand,         \
					  type value)                         \
	{                                                                     \
		return shatomic_compare_and_set_value_##suffix##_explicit(          \
			word, comparand, value, __ATOMIC_SEQ_CST);            \
	}                                                                     \
	SHATOMIC_TYPED_RMW_(get_and_set, suffix, type, __atomic_exchange_n)   \
	SHATOMIC_TYPED_RMW_(fetch_and_add, suffix, type, __atomic_fetch_add)  \
	SHATOMIC_TYPED_RMW_(fetch_and_sub, suffix, type, __atomic_fetch_sub)  \
	SHATOMIC_TYPED_RMW_(fetch_and_and, suffix, type, __atomic_fetch_and)  \
	SHATOMIC_TYPED_RMW_(fetch_and_or, suffix, type, __atomic_fetch_or)    \
	SHATOMIC_TYPED_RMW_(fetch_and_xor, suffix, type, __atomic_fetch_xor)  \
	SHATOMIC_TYPED_RMW_(fetch_and_nand, suffix, type,                     \
			    __atomic_fetch_nand)                              \
	SHATOMIC_TYPED_RMW_(add_and_fetch, suffix, type, __atomic_add_fetch)  \
	SHATOMIC_TYPED_RMW_(sub_and_fetch, suffix, type, __atomic_sub_fetch)  \
	SHATOMIC_TYPED_RMW_(and_and_fetch, suffix, type, __atomic_and_fetch)  \
	SHATOMIC_TYPED_RMW_(or_and_fetch, suffix, type, __atomic_or_fetch)    \
	SHATOMIC_TYPED_RMW_(xor_and_fetch, suffix, type, __atomic_xor_fetch)  \
	SHATOMIC_TYPED_RMW_(nand_and_fetch, suffix, type,                     \
			    __atomic_nand_fetch)

SHATOMIC_TYPED_(u8, uint8_t)
SHATOMIC_TYPED_(u16, uint16_t)
SHATOMIC_TYPED_(u32, uint32_t)
SHATOMIC_TYPED_(u64, uint64_t)
SHATOMIC_TYPED_(i8, int8_t)
SHATOMIC_TYPED_(i16, int16_t)
SHATOMIC_TYPED_(i32, int32_t)
SHATOMIC_TYPED_(i64, int64_t)

#undef SHATOMIC_TYPED_
#undef SHATOMIC_TYPED_RMW_

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_TYPED_H */
