/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * Operations on 8-byte words whose rows can be joined before the word is known,
 * as their terms can be in any grouping: one instruction then applies them all,
 * nothing but results has to wait for what the word was, and no row for the row
 * before.
 */
#ifndef SHATOMIC_ENGINE_JOINT_H
#define SHATOMIC_ENGINE_JOINT_H

#include "engine.h"

/*
 * X(CONSTANT, name, join, sign of its terms, what joins nothing, is the result
 *   what the word becomes)
 */
#define JOINTS(X)                                                             \
	X(FETCH_AND_ADD, fetch_and_add, add, +, 0, false)                     \
	X(ADD_AND_FETCH, add_and_fetch, add, +, 0, true)                      \
	X(FETCH_AND_SUB, fetch_and_sub, add, -, 0, false)                     \
	X(SUB_AND_FETCH, sub_and_fetch, add, -, 0, true)                      \
	X(FETCH_AND_AND, fetch_and_and, and, +, ~0ULL, false)                 \
	X(AND_AND_FETCH, and_and_fetch, and, +, ~0ULL, true)                  \
	X(FETCH_AND_OR, fetch_and_or, or, +, 0, false)                        \
	X(OR_AND_FETCH, or_and_fetch, or, +, 0, true)                         \
	X(FETCH_AND_XOR, fetch_and_xor, xor, +, 0, false)                     \
	X(XOR_AND_FETCH, xor_and_fetch, xor, +, 0, true)

typedef __u64 join_fn(__u64 a, __u64 b);
typedef __u64 apply_fn(__u64 *word, __u64 joined);

#define DEFINE_JOIN(name, operator)                                           \
	static __always_inline __u64 join_##name(__u64 a, __u64 b)            \
	{                                                                     \
		return a operator b;                                          \
	}                                                                     \
	static __always_inline __u64 apply_##name(__u64 *word, __u64 joined)  \
	{                                                                     \
		return __atomic_fetch_##name(word, joined, __ATOMIC_SEQ_CST); \
	}

DEFINE_JOIN(add, +)
DEFINE_JOIN(and, &)
DEFINE_JOIN(or, |)
DEFINE_JOIN(xor, ^)

static __always_inline __u64 term(const __u64 *operand, int sign)
{
	__u64 value = in_place(*operand);

	return sign < 0 ? -value : value;
}

#endif /* SHATOMIC_ENGINE_JOINT_H */
