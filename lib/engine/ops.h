/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The one list of operations. The engine's loops, its checks, the library's
 * names and the tests are all made from it; enum shatomic_op in the ABI header
 * gives the numbers and the meaning.
 */
#ifndef SHATOMIC_ENGINE_OPS_H
#define SHATOMIC_ENGINE_OPS_H

/* What an operation needs and does, see shatomic_op_traits(). */
#define SHATOMIC_OP_HAS_OPERAND		(1U << 0)
#define SHATOMIC_OP_HAS_COMPARAND	(1U << 1)
#define SHATOMIC_OP_HAS_PEER		(1U << 2)
#define SHATOMIC_OP_WRITES_SELF		(1U << 3)
#define SHATOMIC_OP_WRITES_PEER		(1U << 4)
#define SHATOMIC_OP_HAS_MASK		(1U << 5)
#define SHATOMIC_OP_HAS_COMPARAND_MASK	(1U << 6)
/* The operand numbers a bit of the word. */
#define SHATOMIC_OP_HAS_BIT		(1U << 7)
/*
 * Rows of this one operation leave the same memory in whatever order, as long
 * as their words are the same or do not overlap.
 */
#define SHATOMIC_OP_COMMUTES		(1U << 8)
/* Each bit by itself: rows commute when their words overlap in part, too. */
#define SHATOMIC_OP_IS_BITWISE		(1U << 9)

/* Rows may fail to compare: these have any of it. */
#define SHATOMIC_OP_COMPARES                                                  \
	(SHATOMIC_OP_HAS_COMPARAND | SHATOMIC_OP_WRITES_PEER)

#define SHATOMIC_OP_IS_RMW (SHATOMIC_OP_HAS_OPERAND | SHATOMIC_OP_WRITES_SELF)
#define SHATOMIC_OP_IS_ARITHMETIC (SHATOMIC_OP_IS_RMW | SHATOMIC_OP_COMMUTES)
#define SHATOMIC_OP_IS_LOGIC                                                  \
	(SHATOMIC_OP_IS_ARITHMETIC | SHATOMIC_OP_IS_BITWISE)
#define SHATOMIC_OP_IS_BIT (SHATOMIC_OP_IS_LOGIC | SHATOMIC_OP_HAS_BIT)
#define SHATOMIC_OP_IS_COMPARE (SHATOMIC_OP_IS_RMW | SHATOMIC_OP_HAS_COMPARAND)

/*
 * X(CONSTANT, name, traits, kind, builtin, result, holds, after)
 *
 * kind is how a word that is an integer of the machine is operated on, see
 * run.c; with the kind RMW, builtin is the one instruction that does it. The
 * rest says what the operation means, for words that are not: what the result
 * is, whether the word is changed at all, and to what. It is in terms of seen,
 * what was seen in the word; next, what it becomes; and o, the row's operands,
 * all of which are as wide as the word (struct operands in evaluate.h).
 */
#define SHATOMIC_OPS(X)                                                       \
	X(GET, get, SHATOMIC_OP_COMMUTES | SHATOMIC_OP_IS_BITWISE, LOAD, ,    \
	  seen, true, seen)                                                   \
	X(SET, set, SHATOMIC_OP_IS_RMW, SET, , next, true, o->operand)        \
	X(STORE, store, SHATOMIC_OP_HAS_PEER | SHATOMIC_OP_WRITES_SELF,       \
	  STORE, , next, true, o->operand)                                    \
	X(GET_AND_SET, get_and_set, SHATOMIC_OP_IS_RMW, RMW,                  \
	  __atomic_exchange_n, seen, true, o->operand)                        \
	X(COMPARE_AND_SET, compare_and_set,                                   \
	  SHATOMIC_OP_IS_RMW | SHATOMIC_OP_HAS_PEER |                         \
		  SHATOMIC_OP_WRITES_PEER,                                    \
	  COMPARE_AND_SET, , seen, seen == o->comparand, o->operand)          \
	X(COMPARE_AND_SET_VALUE, compare_and_set_value,                       \
	  SHATOMIC_OP_IS_COMPARE, COMPARE_AND_SET_VALUE, , seen,              \
	  seen == o->comparand, o->operand)                                   \
	X(FETCH_AND_ADD, fetch_and_add, SHATOMIC_OP_IS_ARITHMETIC, RMW,       \
	  __atomic_fetch_add, seen, true, seen + o->operand)                  \
	X(FETCH_AND_SUB, fetch_and_sub, SHATOMIC_OP_IS_ARITHMETIC, RMW,       \
	  __atomic_fetch_sub, seen, true, seen - o->operand)                  \
	X(FETCH_AND_AND, fetch_and_and, SHATOMIC_OP_IS_LOGIC, RMW,            \
	  __atomic_fetch_and, seen, true, seen & o->operand)                  \
	X(FETCH_AND_OR, fetch_and_or, SHATOMIC_OP_IS_LOGIC, RMW,              \
	  __atomic_fetch_or, seen, true, seen | o->operand)                   \
	X(FETCH_AND_XOR, fetch_and_xor, SHATOMIC_OP_IS_LOGIC, RMW,            \
	  __atomic_fetch_xor, seen, true, seen ^ o->operand)                  \
	X(FETCH_AND_NAND, fetch_and_nand, SHATOMIC_OP_IS_RMW, RMW,            \
	  __atomic_fetch_nand, seen, true, ~(seen & o->operand))              \
	X(ADD_AND_FETCH, add_and_fetch, SHATOMIC_OP_IS_ARITHMETIC, RMW,       \
	  __atomic_add_fetch, next, true, seen + o->operand)                  \
	X(SUB_AND_FETCH, sub_and_fetch, SHATOMIC_OP_IS_ARITHMETIC, RMW,       \
	  __atomic_sub_fetch, next, true, seen - o->operand)                  \
	X(AND_AND_FETCH, and_and_fetch, SHATOMIC_OP_IS_LOGIC, RMW,            \
	  __atomic_and_fetch, next, true, seen & o->operand)                  \
	X(OR_AND_FETCH, or_and_fetch, SHATOMIC_OP_IS_LOGIC, RMW,              \
	  __atomic_or_fetch, next, true, seen | o->operand)                   \
	X(XOR_AND_FETCH, xor_and_fetch, SHATOMIC_OP_IS_LOGIC, RMW,            \
	  __atomic_xor_fetch, next, true, seen ^ o->operand)                  \
	X(NAND_AND_FETCH, nand_and_fetch, SHATOMIC_OP_IS_RMW, RMW,            \
	  __atomic_nand_fetch, next, true, ~(seen & o->operand))              \
	X(FETCH_AND_SMIN, fetch_and_smin, SHATOMIC_OP_IS_ARITHMETIC, UPDATE,  \
	  , seen, true,                                                       \
	  (o->operand ^ o->sign) < (seen ^ o->sign) ? o->operand : seen)            \
	X(FETCH_AND_SMAX, fetch_and_smax, SHATOMIC_OP_IS_ARITHMETIC, UPDATE,  \
	  , seen, true,                                                       \
	  (o->operand ^ o->sign) > (seen ^ o->sign) ? o->operand : seen)            \
	X(FETCH_AND_UMIN, fetch_and_umin, SHATOMIC_OP_IS_ARITHMETIC, UPDATE,  \
	  , seen, true, o->operand < seen ? o->operand : seen)                \
	X(FETCH_AND_UMAX, fetch_and_umax, SHATOMIC_OP_IS_ARITHMETIC, UPDATE,  \
	  , seen, true, o->operand > seen ? o->operand : seen)                \
	X(FETCH_AND_ADD_BOUNDED, fetch_and_add_bounded,                       \
	  SHATOMIC_OP_IS_COMPARE, UPDATE, , seen,                             \
	  o->operand <= o->comparand && seen <= o->comparand - o->operand,    \
	  seen + o->operand)                                                  \
	X(MASKED_GET_AND_SET, masked_get_and_set,                             \
	  SHATOMIC_OP_IS_RMW | SHATOMIC_OP_HAS_MASK, UPDATE, , seen, true,    \
	  (seen & ~o->mask) | (o->operand & o->mask))                         \
	X(MASKED_COMPARE_AND_SET_VALUE, masked_compare_and_set_value,         \
	  SHATOMIC_OP_IS_COMPARE | SHATOMIC_OP_HAS_MASK |                     \
		  SHATOMIC_OP_HAS_COMPARAND_MASK,                             \
	  UPDATE, , seen, !((seen ^ o->comparand) & o->comparand_mask),       \
	  (seen & ~o->mask) | (o->operand & o->mask))                         \
	X(TEST_AND_SET_BIT, test_and_set_bit, SHATOMIC_OP_IS_BIT, RMW,        \
	  atomic_fetch_set_bit, seen >> o->operand & 1, true,                 \
	  seen | o->one << o->operand)                                      \
	X(TEST_AND_CLEAR_BIT, test_and_clear_bit, SHATOMIC_OP_IS_BIT, RMW,    \
	  atomic_fetch_clear_bit, seen >> o->operand & 1, true,               \
	  seen & ~(o->one << o->operand))

#endif /* SHATOMIC_ENGINE_OPS_H */
