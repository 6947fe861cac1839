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
/* Rows of this one operation leave the same memory in whatever order. */
#define SHATOMIC_OP_COMMUTES		(1U << 5)

#define SHATOMIC_OP_IS_RMW (SHATOMIC_OP_HAS_OPERAND | SHATOMIC_OP_WRITES_SELF)
#define SHATOMIC_OP_IS_COMMUTING_RMW (SHATOMIC_OP_IS_RMW | SHATOMIC_OP_COMMUTES)

/*
 * X(CONSTANT, name, traits, kind, builtin): kind chooses the shape of the loop
 * in run.c; builtin is the GCC builtin of the RMW kind.
 */
#define SHATOMIC_OPS(X)                                                       \
	X(GET, get, SHATOMIC_OP_COMMUTES, LOAD, )                             \
	X(SET, set, SHATOMIC_OP_IS_RMW, SET, )                                \
	X(STORE, store, SHATOMIC_OP_HAS_PEER | SHATOMIC_OP_WRITES_SELF,       \
	  STORE, )                                                            \
	X(GET_AND_SET, get_and_set, SHATOMIC_OP_IS_RMW, RMW,                  \
	  __atomic_exchange_n)                                                \
	X(COMPARE_AND_SET, compare_and_set,                                   \
	  SHATOMIC_OP_IS_RMW | SHATOMIC_OP_HAS_PEER |                         \
		  SHATOMIC_OP_WRITES_PEER,                                    \
	  COMPARE_AND_SET, )                                                  \
	X(COMPARE_AND_SET_VALUE, compare_and_set_value,                       \
	  SHATOMIC_OP_IS_RMW | SHATOMIC_OP_HAS_COMPARAND,                     \
	  COMPARE_AND_SET_VALUE, )                                            \
	X(FETCH_AND_ADD, fetch_and_add, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_fetch_add)                                                 \
	X(FETCH_AND_SUB, fetch_and_sub, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_fetch_sub)                                                 \
	X(FETCH_AND_AND, fetch_and_and, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_fetch_and)                                                 \
	X(FETCH_AND_OR, fetch_and_or, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,      \
	  __atomic_fetch_or)                                                  \
	X(FETCH_AND_XOR, fetch_and_xor, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_fetch_xor)                                                 \
	X(FETCH_AND_NAND, fetch_and_nand, SHATOMIC_OP_IS_RMW, RMW,            \
	  __atomic_fetch_nand)                                                \
	X(ADD_AND_FETCH, add_and_fetch, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_add_fetch)                                                 \
	X(SUB_AND_FETCH, sub_and_fetch, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_sub_fetch)                                                 \
	X(AND_AND_FETCH, and_and_fetch, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_and_fetch)                                                 \
	X(OR_AND_FETCH, or_and_fetch, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,      \
	  __atomic_or_fetch)                                                  \
	X(XOR_AND_FETCH, xor_and_fetch, SHATOMIC_OP_IS_COMMUTING_RMW, RMW,    \
	  __atomic_xor_fetch)                                                 \
	X(NAND_AND_FETCH, nand_and_fetch, SHATOMIC_OP_IS_RMW, RMW,            \
	  __atomic_nand_fetch)

#endif /* SHATOMIC_ENGINE_OPS_H */
