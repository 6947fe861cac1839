// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Running rows of several operations or widths. To choose among loops row by
 * row would cost a mispredicted branch for nearly each; so that no branch
 * depends on a row, what it does is put in the form
 *
 *	next = ((seen & A) ^ B) + C, if (seen ^ comparand) & compares is 0
 *
 * whose coefficients come from a table, and the aligned 8-byte word that the
 * row's word lies in is compared and exchanged.
 */
#include "row.h"

#define ALL (~0ULL)

/**
 * struct form - An operation in that form
 * @and_operand: A = (operand & @and_operand) ^ @and_constant.
 * @and_constant: See @and_operand.
 * @xor_operand: B = (operand & @xor_operand) ^ @xor_constant.
 * @xor_constant: See @xor_operand.
 * @add_operand: C = operand & @add_operand, or its negative.
 * @negate: All ones when C is the negative.
 * @compares: All ones when it compares.
 * @gives_next: All ones when its result is what the word becomes, not what was
 *	seen in it.
 */
struct form {
	__u64 and_operand;
	__u64 and_constant;
	__u64 xor_operand;
	__u64 xor_constant;
	__u64 add_operand;
	__u64 negate;
	__u64 compares;
	__u64 gives_next;
};

/* In the order of the members, without the last two. */
#define KEEPS	0, ALL, 0, 0, 0, 0
#define SETS	0, 0, ALL, 0, 0, 0
#define ADDS	0, ALL, 0, 0, ALL, 0
#define SUBS	0, ALL, 0, 0, ALL, ALL
#define ANDS	ALL, 0, 0, 0, 0, 0
#define ORS	ALL, ALL, ALL, 0, 0, 0
#define XORS	0, ALL, ALL, 0, 0, 0
#define NANDS	ALL, 0, 0, ALL, 0, 0

/* X(CONSTANT, coefficients, compares, gives_next): those that have the form. */
#define FORMS(X)                                                              \
	X(GET, KEEPS, 0, 0)                                                   \
	X(SET, SETS, 0, ALL)                                                  \
	X(GET_AND_SET, SETS, 0, 0)                                            \
	X(COMPARE_AND_SET_VALUE, SETS, ALL, 0)                                \
	X(FETCH_AND_ADD, ADDS, 0, 0)                                          \
	X(FETCH_AND_SUB, SUBS, 0, 0)                                          \
	X(FETCH_AND_AND, ANDS, 0, 0)                                          \
	X(FETCH_AND_OR, ORS, 0, 0)                                            \
	X(FETCH_AND_XOR, XORS, 0, 0)                                          \
	X(FETCH_AND_NAND, NANDS, 0, 0)                                        \
	X(ADD_AND_FETCH, ADDS, 0, ALL)                                        \
	X(SUB_AND_FETCH, SUBS, 0, ALL)                                        \
	X(AND_AND_FETCH, ANDS, 0, ALL)                                        \
	X(OR_AND_FETCH, ORS, 0, ALL)                                          \
	X(XOR_AND_FETCH, XORS, 0, ALL)                                        \
	X(NAND_AND_FETCH, NANDS, 0, ALL)

static const struct form forms[SHATOMIC_OP_COUNT] = {
#define FORM(constant, ...)                                                   \
	[SHATOMIC_OP_##constant] = { __VA_ARGS__ },
	FORMS(FORM)
#undef FORM
};

/* A bit for each operation that has the form. */
#define FORM_BIT(constant, ...) | 1U << SHATOMIC_OP_##constant
#define HAVE_FORM (0U FORMS(FORM_BIT))

_Static_assert(SHATOMIC_OP_COUNT <= 32, "HAVE_FORM has 32 bits");

/* The bits of a word, by its width. */
static const __u64 bits_of_width[] = {
	0,
	0xff,
	0xffff,
	0xffffff,
	0xffffffff,
	0xffffffffff,
	0xffffffffffff,
	0xffffffffffffff,
	ALL,
};

/*
 * How far above the lowest bit of its aligned 8-byte word a word begins, but
 * for multiples of 64, which those who shift by it cut off.
 */
static __always_inline __u32 shift_of(__u64 offset, __u32 width)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return 8 * (8 - width - (offset & 7));
#else
	(void)width;
	return 8 * offset;
#endif
}

/*
 * Run a row whose operation has the form. Returns whether it ran: not when its
 * word was changed by another meanwhile.
 */
static __always_inline bool run_row(const struct shatomic_memory *self,
				    const struct shatomic_rows *rows, __u64 i,
				    __u32 op, __u32 width)
{
	const struct form *form = &forms[op];
	__u64 offset = rows->offsets[i];
	__u64 *whole = shatomic_memory_at(self, offset & ~7ULL);
	__u64 was = __atomic_load_n(whole, __ATOMIC_SEQ_CST);
	/* Operations that have none do not look at it. */
	__u64 operand = in_place(rows->operands[i]);
	__u64 comparand = in_place(rows->comparands[i]);
	__u64 all = bits_of_width[width];
	__u32 shift = shift_of(offset, width);
	__u64 seen = was >> (shift & 63), changes, differs, failed;

	changes = seen & ((operand & form->and_operand) ^ form->and_constant);
	changes ^= (operand & form->xor_operand) ^ form->xor_constant;
	changes += ((operand & form->add_operand) ^ form->negate) -
		   form->negate;
	differs = (seen ^ comparand) & form->compares & all;
	/* Not !!differs, of which compilers make a branch. */
	failed = (differs | -differs) >> 63;
	changes = (changes ^ seen) & all & (failed - 1);
	if (!__atomic_compare_exchange_n(whole, &was, was ^ changes << (shift & 63), 0,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	put_row(rows, i, (seen & all) ^ (changes & form->gives_next),
		failed ? SHATOMIC_ROW_COMPARE_FAILED : SHATOMIC_ROW_DONE);
	return true;
}

static __always_inline void run_mixed(const struct shatomic_memory *self_,
				      const struct shatomic_rows *rows_,
				      bool has_ops, bool has_widths)
{
	/* Copies that nothing is stored to, so that they stay in registers. */
	const struct shatomic_memory self = *self_;
	struct shatomic_rows rows = *rows_;
	__u64 i;

	/* Columns that no row needs are another, so that each can be read. */
	if (!rows.operands)
		rows.operands = rows.offsets;
	if (!rows.comparands)
		rows.comparands = rows.offsets;
	for (i = 0; i < rows.count; i++) {
		__u32 op = has_ops ? rows.ops[i] : rows.op;
		__u32 width = has_widths ? rows.widths[i] : rows.width;

		if (self.prefetch &&
		    rows.count + rows.ahead - i > SHATOMIC_PREFETCH_NEAR)
			prefetch_for_write(self_at(&self, &rows, i +
						   SHATOMIC_PREFETCH_NEAR));
		if (!(HAVE_FORM >> op & 1) ||
		    !run_row(&self, &rows, i, op, width))
			shatomic_run_field(self_, rows_, i, op, width);
	}
}

void shatomic_run_mixed(const struct shatomic_memory *self,
			const struct shatomic_rows *rows)
{
	if (!rows->widths)
		run_mixed(self, rows, true, false);
	else if (!rows->ops)
		run_mixed(self, rows, false, true);
	else
		run_mixed(self, rows, true, true);
}
