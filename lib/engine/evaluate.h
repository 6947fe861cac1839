/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * What each operation makes of a word: a function each, from the list of
 * operations. Who includes this has defined SHATOMIC_INTEGER, an unsigned
 * integer type that is at least as wide as its words.
 */
#ifndef SHATOMIC_ENGINE_EVALUATE_H
#define SHATOMIC_ENGINE_EVALUATE_H

#include "ops.h"
#include "shim.h"

/**
 * struct operands - The operands of one row, as far as its operation has them
 * @operand: Its operand.
 * @comparand: Its comparand, or the value of its peer.
 * @mask: Its mask.
 * @comparand_mask: Its mask of the comparand.
 * @sign: The word's highest bit.
 * @one: The word's lowest bit.
 */
struct operands {
	SHATOMIC_INTEGER operand;
	SHATOMIC_INTEGER comparand;
	SHATOMIC_INTEGER mask;
	SHATOMIC_INTEGER comparand_mask;
	SHATOMIC_INTEGER sign;
	SHATOMIC_INTEGER one;
};

/*
 * What an operation makes of a word in which it saw @seen; @all are the bits
 * of the word. Returns whether the word is to be changed.
 */
typedef bool evaluate_fn(const struct operands *o, SHATOMIC_INTEGER all,
			 SHATOMIC_INTEGER seen, SHATOMIC_INTEGER *next,
			 SHATOMIC_INTEGER *result);

#define DEFINE_EVALUATE(constant, name, traits, kind, builtin, result_,       \
			holds, after)                                         \
	static __always_inline bool                                           \
	evaluate_##name(const struct operands *o, SHATOMIC_INTEGER all,       \
			SHATOMIC_INTEGER seen, SHATOMIC_INTEGER *next_,       \
			SHATOMIC_INTEGER *result)                             \
	{                                                                     \
		SHATOMIC_INTEGER next = (after) & all;                        \
									      \
		(void)o;                                                      \
		(void)seen;                                                   \
		*next_ = next;                                                \
		*result = (result_);                                          \
		return holds;                                                 \
	}

SHATOMIC_OPS(DEFINE_EVALUATE)

#undef DEFINE_EVALUATE

#endif /* SHATOMIC_ENGINE_EVALUATE_H */
