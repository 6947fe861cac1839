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
#include "tune.h"

#define ALL (~0ULL)

/**
 * struct form - An operation in that form
 * @fits: Whether it has one.
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
	__u64 fits;
	__u64 and_operand;
	__u64 and_constant;
	__u64 xor_operand;
	__u64 xor_constant;
	__u64 add_operand;
	__u64 negate;
	__u64 compares;
	__u64 gives_next;
};

/* In the order of the members, without the first and the last two. */
#define KEEPS	0, ALL, 0, 0, 0, 0
#define SETS	0, 0, ALL, 0, 0, 0
#define ADDS	0, ALL, 0, 0, ALL, 0
#define SUBS	0, ALL, 0, 0, ALL, ALL
#define ANDS	ALL, 0, 0, 0, 0, 0
#define ORS	ALL, ALL, ALL, 0, 0, 0
#define XORS	0, ALL, ALL, 0, 0, 0
#define NANDS	ALL, 0, 0, ALL, 0, 0

static const struct form forms[SHATOMIC_OP_COUNT] = {
	[SHATOMIC_OP_GET]		= { 1, KEEPS, 0, 0 },
	[SHATOMIC_OP_SET]		= { 1, SETS, 0, ALL },
	[SHATOMIC_OP_GET_AND_SET]	= { 1, SETS, 0, 0 },
	[SHATOMIC_OP_COMPARE_AND_SET_VALUE] = { 1, SETS, ALL, 0 },
	[SHATOMIC_OP_FETCH_AND_ADD]	= { 1, ADDS, 0, 0 },
	[SHATOMIC_OP_FETCH_AND_SUB]	= { 1, SUBS, 0, 0 },
	[SHATOMIC_OP_FETCH_AND_AND]	= { 1, ANDS, 0, 0 },
	[SHATOMIC_OP_FETCH_AND_OR]	= { 1, ORS, 0, 0 },
	[SHATOMIC_OP_FETCH_AND_XOR]	= { 1, XORS, 0, 0 },
	[SHATOMIC_OP_FETCH_AND_NAND]	= { 1, NANDS, 0, 0 },
	[SHATOMIC_OP_ADD_AND_FETCH]	= { 1, ADDS, 0, ALL },
	[SHATOMIC_OP_SUB_AND_FETCH]	= { 1, SUBS, 0, ALL },
	[SHATOMIC_OP_AND_AND_FETCH]	= { 1, ANDS, 0, ALL },
	[SHATOMIC_OP_OR_AND_FETCH]	= { 1, ORS, 0, ALL },
	[SHATOMIC_OP_XOR_AND_FETCH]	= { 1, XORS, 0, ALL },
	[SHATOMIC_OP_NAND_AND_FETCH]	= { 1, NANDS, 0, ALL },
};

/* What a word becomes that is not compared, above whose width all is noise. */
static __always_inline __u64 next_of(const struct form *form, __u64 seen,
				     __u64 operand)
{
	__u64 a = (operand & form->and_operand) ^ form->and_constant;
	__u64 b = (operand & form->xor_operand) ^ form->xor_constant;
	__u64 c = ((operand & form->add_operand) ^ form->negate) - form->negate;

	return ((seen & a) ^ b) + c;
}

static __always_inline __u32 shift_of(__u64 offset, __u32 width)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return 8 * (8 - width - (offset & 7));
#else
	(void)width;
	return 8 * (offset & 7);
#endif
}

/**
 * struct columns - Columns that can be read for every row
 * @ops: The operations, or the one of all rows.
 * @widths: The widths, or the one of all rows.
 * @op_of_all: Where @ops leads then.
 * @width_of_all: Where @widths leads then.
 * @each_op: What of a row's index counts for @ops: nothing when it is one.
 * @each_width: The same for @widths.
 * @offsets: The offsets.
 * @operands: The operands; when no row has one, any column.
 * @comparands: The comparands, likewise.
 */
struct columns {
	const __u8 *ops;
	const __u8 *widths;
	__u8 op_of_all;
	__u8 width_of_all;
	__u64 each_op;
	__u64 each_width;
	const __u64 *offsets;
	const __u64 *operands;
	const __u64 *comparands;
};

static __always_inline __u32 op_at(const struct columns *c, __u64 i)
{
	return (c->ops ? c->ops : &c->op_of_all)[i & c->each_op];
}

static __always_inline __u32 width_at(const struct columns *c, __u64 i)
{
	return (c->widths ? c->widths : &c->width_of_all)[i & c->each_width];
}

static struct columns columns_of(const struct shatomic_rows *rows)
{
	return (struct columns) {
		.ops = rows->ops,
		.widths = rows->widths,
		.op_of_all = rows->op,
		.width_of_all = rows->width,
		.each_op = rows->ops ? ALL : 0,
		.each_width = rows->widths ? ALL : 0,
		.offsets = rows->offsets,
		.operands = rows->operands ? rows->operands : rows->offsets,
		.comparands = rows->comparands ? rows->comparands :
						 rows->offsets,
	};
}

/**
 * struct prepared - A row that is worked out for what was seen in its word
 * @whole: The aligned 8-byte word that its word lies in.
 * @was: What was seen in it.
 * @all: The bits of the row's width.
 * @seen: What that means for the row's word.
 * @changes: The bits of the row's word that change.
 * @differs: Not 0 when the comparison failed.
 * @shift: How far the row's word begins above the lowest bit of @whole.
 */
struct prepared {
	__u64 *whole;
	__u64 was;
	__u64 all;
	__u64 seen;
	__u64 changes;
	__u64 differs;
	__u32 shift;
};

/* Work a row out for p->was. */
static __always_inline void work_out(struct prepared *p,
				     const struct form *form, __u64 operand,
				     __u64 comparand)
{
	p->seen = p->was >> p->shift & p->all;
	p->differs = (p->seen ^ comparand) & form->compares & p->all;
	p->changes = (p->seen ^ next_of(form, p->seen, operand)) & p->all;
	p->changes = p->differs ? 0 : p->changes;
}

static __always_inline void prepare(const struct shatomic_memory *self,
				    const struct columns *c, __u64 i,
				    struct prepared *p)
{
	__u64 offset = c->offsets[i];
	__u32 width = width_at(c, i);

	p->whole = shatomic_memory_at(self, offset & ~7ULL);
	p->all = ALL >> (64 - 8 * width);
	p->shift = shift_of(offset, width);
	p->was = __atomic_load_n(p->whole, __ATOMIC_SEQ_CST);
	work_out(p, &forms[op_at(c, i)], c->operands[i], c->comparands[i]);
}

/* Run a prepared row; anew when its word is no longer what was seen. */
static __always_inline void finish(const struct shatomic_rows *rows,
				   const struct columns *c, __u64 i,
				   struct prepared *p)
{
	const struct form *form = &forms[op_at(c, i)];

	while (!__atomic_compare_exchange_n(p->whole, &p->was,
					    p->was ^ p->changes << p->shift, 0,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		work_out(p, form, c->operands[i], c->comparands[i]);
	put_row(rows, i, p->seen ^ (p->changes & form->gives_next),
		p->differs ? SHATOMIC_ROW_COMPARE_FAILED : SHATOMIC_ROW_DONE);
}

/* Whether all rows of a block have a form. */
static __always_inline bool block_fits(const struct columns *c, __u64 i)
{
	__u64 fits = 1;
	__u32 k;

	for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
		fits &= forms[op_at(c, i + k)].fits;
	return fits;
}

static __always_inline void prefetch_block(const struct shatomic_memory *self,
					   const struct shatomic_rows *rows,
					   __u64 i)
{
	__u32 k;

	if (rows->count - i < SHATOMIC_PREFETCH_NEAR + SHATOMIC_BLOCK_ROWS)
		return;
	for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
		prefetch_for_write(self_at(self, rows, i + k +
					   SHATOMIC_PREFETCH_NEAR));
}

/*
 * Rows are worked out a block at a time before the first of it runs, so that
 * the CPU does that while it waits for the atomic operations before.
 */
void shatomic_run_mixed(const struct shatomic_memory *self,
			const struct shatomic_rows *rows)
{
	const struct columns c = columns_of(rows);
	struct prepared p[SHATOMIC_BLOCK_ROWS];
	__u64 i = 0;
	__u32 k;

	for (; rows->count - i >= SHATOMIC_BLOCK_ROWS; i += k) {
		if (self->prefetch)
			prefetch_block(self, rows, i);
		if (!block_fits(&c, i)) {
			for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
				shatomic_run_field(self, rows, i + k,
						   op_at(&c, i + k),
						   width_at(&c, i + k));
			continue;
		}
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
			prepare(self, &c, i + k, &p[k]);
#pragma GCC unroll 4
		for (k = 0; k < SHATOMIC_BLOCK_ROWS; k++)
			finish(rows, &c, i + k, &p[k]);
	}
	for (; i < rows->count; i++)
		shatomic_run_field(self, rows, i, op_at(&c, i),
				   width_at(&c, i));
}
