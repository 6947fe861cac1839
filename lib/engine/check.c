// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Checking rows before the first one runs.
 */
#include "engine.h"

static const __u32 op_traits[] = {
#define OP_TRAITS(constant, name, traits, ...)                                \
	[SHATOMIC_OP_##constant] = (traits),
	SHATOMIC_OPS(OP_TRAITS)
#undef OP_TRAITS
};

_Static_assert(sizeof(op_traits) / sizeof(op_traits[0]) == SHATOMIC_OP_COUNT,
	       "SHATOMIC_OPS and enum shatomic_op must have the same members");

/* Bit w - 1 for each width of w bytes: 1 to 8. */
#define SUPPORTED_WIDTHS 0xffU

__u32 shatomic_op_traits(__u32 op)
{
	return op_traits[op];
}

__u16 shatomic_op_widths(__u32 op)
{
	if (op >= SHATOMIC_OP_COUNT)
		return 0;
	return SUPPORTED_WIDTHS |
	       shatomic_has_doubles() << (SHATOMIC_DOUBLE_WIDTH - 1);
}

static int check_op(__u32 op)
{
	return op < SHATOMIC_OP_COUNT ? 0 : -EOPNOTSUPP;
}

bool shatomic_width_is_supported(__u32 width)
{
	return width >= 1 && width <= 8;
}

/* The width of all rows. */
static int check_width(__u32 width)
{
	if (shatomic_width_is_supported(width))
		return 0;
	if (width != SHATOMIC_DOUBLE_WIDTH)
		return -EINVAL;
	return shatomic_has_doubles() ? 0 : -EOPNOTSUPP;
}

/* Doubles are all rows or none: their columns are of another form. */
static int check_width_of_row(const struct shatomic_rows *rows, __u64 i)
{
	if (!rows->widths)
		return check_width(rows->width);
	return shatomic_width_is_supported(rows->widths[i]) ? 0 : -EINVAL;
}

static int check_double(const struct shatomic_memory *memory, __u64 offset)
{
	if (offset & (SHATOMIC_DOUBLE_WIDTH - 1))
		return -EINVAL;
	/*
	 * They are loaded by comparing and exchanging, which takes a mapping
	 * that can be written to. The kernel has one of every region, but a
	 * batch means the same wherever it runs.
	 */
	return memory->writable ? 0 : -EACCES;
}

static int check_word(const struct shatomic_memory *memory, __u64 offset,
		      __u32 width)
{
	if (width > memory->size || offset > memory->size - width)
		return -ERANGE;
	if (width == SHATOMIC_DOUBLE_WIDTH)
		return check_double(memory, offset);
	/* Across an aligned 8-byte word nothing else is atomic. */
	return (offset & 7) + width > 8 ? -EINVAL : 0;
}

/* The first column that an operation of these traits lacks. */
static __u32 missing_column(const struct shatomic_rows *rows, __u32 traits)
{
	if ((traits & SHATOMIC_OP_HAS_OPERAND) && !rows->operands)
		return SHATOMIC_FIELD_OPERANDS;
	if ((traits & SHATOMIC_OP_HAS_COMPARAND) && !rows->comparands)
		return SHATOMIC_FIELD_COMPARANDS;
	if ((traits & SHATOMIC_OP_HAS_MASK) && !rows->masks)
		return SHATOMIC_FIELD_MASKS;
	if ((traits & SHATOMIC_OP_HAS_COMPARAND_MASK) && !rows->comparand_masks)
		return SHATOMIC_FIELD_COMPARAND_MASKS;
	if (!(traits & SHATOMIC_OP_HAS_PEER))
		return SHATOMIC_FIELD_NONE;
	if (!rows->peer_count)
		return SHATOMIC_FIELD_PEERS;
	if (rows->peer_count > 1 && !rows->peer_indexes)
		return SHATOMIC_FIELD_PEER_INDEXES;
	if (!rows->peer_offsets)
		return SHATOMIC_FIELD_PEER_OFFSETS;
	return SHATOMIC_FIELD_NONE;
}

int shatomic_check_shape(const struct shatomic_rows *rows, __u32 flags,
			 struct shatomic_row_error *error)
{
	int ret;

	error->row = SHATOMIC_NO_ROW;
	error->field = SHATOMIC_FIELD_FLAGS;
	if (flags & ~(__u32)SHATOMIC_BATCH_UNORDERED)
		return -EOPNOTSUPP;

	error->field = SHATOMIC_FIELD_OP;
	ret = rows->ops ? (rows->op ? -EINVAL : 0) : check_op(rows->op);
	if (ret)
		return ret;

	error->field = SHATOMIC_FIELD_WIDTH;
	ret = rows->widths ? (rows->width ? -EINVAL : 0) :
			     check_width(rows->width);
	if (ret)
		return ret;

	error->field = SHATOMIC_FIELD_PEERS;
	if (rows->peer_count > SHATOMIC_MAX_PEERS)
		return -EINVAL;

	if (!rows->count)
		return 0;

	error->field = SHATOMIC_FIELD_OFFSETS;
	if (!rows->offsets)
		return -EINVAL;

	if (rows->ops)
		return 0;
	error->field = missing_column(rows, op_traits[rows->op]);
	return error->field == SHATOMIC_FIELD_NONE ? 0 : -EINVAL;
}

static int check_peer(const struct shatomic_rows *rows, __u64 i, __u32 traits,
		      __u32 width, __u32 *field)
{
	__u32 index = rows->peer_indexes ? rows->peer_indexes[i] : 0;

	*field = SHATOMIC_FIELD_PEER_INDEXES;
	if (index >= rows->peer_count)
		return -EINVAL;
	if ((traits & SHATOMIC_OP_WRITES_PEER) && !rows->peers[index]->writable)
		return -EACCES;

	*field = SHATOMIC_FIELD_PEER_OFFSETS;
	return check_word(rows->peers[index], rows->peer_offsets[i], width);
}

/* Whether a row's word has the bit that its operand numbers. */
static bool has_bit(const struct shatomic_rows *rows, __u64 i, __u32 width)
{
	const __u64 *bit = &rows->operands[i * shatomic_value_entries(width)];

	return bit[0] < 8 * width &&
	       (width != SHATOMIC_DOUBLE_WIDTH || !bit[1]);
}

static int check_row(const struct shatomic_memory *self,
		     const struct shatomic_rows *rows, __u64 i,
		     bool *has_fields, __u32 *field)
{
	__u32 op = rows->ops ? rows->ops[i] : rows->op;
	__u32 width = rows->widths ? rows->widths[i] : rows->width;
	__u32 traits;
	int ret;

	*field = SHATOMIC_FIELD_OP;
	ret = check_op(op);
	if (ret)
		return ret;
	traits = op_traits[op];
	if ((traits & SHATOMIC_OP_WRITES_SELF) && !self->writable)
		return -EACCES;

	*field = SHATOMIC_FIELD_WIDTH;
	ret = check_width_of_row(rows, i);
	if (ret)
		return ret;

	*field = SHATOMIC_FIELD_OFFSETS;
	ret = check_word(self, rows->offsets[i], width);
	if (ret)
		return ret;
	if (!shatomic_is_integer(rows->offsets[i], width))
		*has_fields = true;

	*field = missing_column(rows, traits);
	if (*field != SHATOMIC_FIELD_NONE)
		return -EINVAL;

	*field = SHATOMIC_FIELD_OPERANDS;
	if ((traits & SHATOMIC_OP_HAS_BIT) && !has_bit(rows, i, width))
		return -EINVAL;

	return traits & SHATOMIC_OP_HAS_PEER ?
		       check_peer(rows, i, traits, width, field) : 0;
}

static int check_each(const struct shatomic_memory *self,
		      const struct shatomic_rows *rows, __u64 first, __u64 end,
		      bool *has_fields, struct shatomic_row_error *error)
{
	__u64 i;
	int ret;

	for (i = first; i < end; i++) {
		error->row = i;
		ret = check_row(self, rows, i, has_fields, &error->field);
		if (ret)
			return ret;
	}
	return 0;
}

/* Rows with these have more to check than their own word and columns. */
#define TRAITS_WITH_MORE (SHATOMIC_OP_HAS_PEER | SHATOMIC_OP_HAS_BIT)

/* What no operation of the rows may have for them to be good at a glance. */
static __u32 refused_traits(const struct shatomic_memory *self,
			    const struct shatomic_rows *rows)
{
	__u32 traits = TRAITS_WITH_MORE;

	if (!self->writable)
		traits |= SHATOMIC_OP_WRITES_SELF;
	if (!rows->operands)
		traits |= SHATOMIC_OP_HAS_OPERAND;
	if (!rows->comparands)
		traits |= SHATOMIC_OP_HAS_COMPARAND;
	if (!rows->masks)
		traits |= SHATOMIC_OP_HAS_MASK;
	if (!rows->comparand_masks)
		traits |= SHATOMIC_OP_HAS_COMPARAND_MASK;
	return traits;
}

/* Whether words of one width are all inside the region, and integers. */
static bool offsets_are_good(const __u64 *offsets, __u64 count, __u32 width,
			     __u64 last)
{
	__u64 any = 0, beyond = 0, i;

	/* Sums without branches: what is wrong with which comes later. */
#pragma GCC unroll 8
	for (i = 0; i < count; i++) {
		any |= offsets[i];
		beyond |= last - offsets[i];
	}
	return !((any | beyond) >> 63) && !(any & (width - 1));
}

/* The same for rows of one operation. */
static bool uniform_are_good(const struct shatomic_memory *self,
			     const struct shatomic_rows *rows, __u64 first,
			     __u64 count, __u32 refused)
{
	__u32 width = rows->width;

	return rows->op < SHATOMIC_OP_COUNT && !(op_traits[rows->op] & refused) &&
	       shatomic_width_is_supported(width) && !(width & (width - 1)) &&
	       offsets_are_good(rows->offsets + first, count, width,
				self->size - width);
}

/* Whether rows of several operations or widths are good; fields may be. */
static bool mixed_are_good(const struct shatomic_memory *self,
			   const struct shatomic_rows *rows, __u64 first,
			   __u64 count, __u32 refused)
{
	__u64 i, bad = 0;

	for (i = first; i < first + count; i++) {
		__u32 op = rows->ops ? rows->ops[i] : rows->op;
		__u32 width = rows->widths ? rows->widths[i] : rows->width;
		__u64 offset = rows->offsets[i];

		bad |= op >= SHATOMIC_OP_COUNT;
		bad |= op_traits[op < SHATOMIC_OP_COUNT ? op : 0] & refused;
		bad |= width - 1 > 7;
		bad |= (offset & 7) + width > 8;
		bad |= offset > self->size - width;
	}
	return !bad;
}

/* Rows that are looked at together, and one by one if that finds fault. */
#define GLANCE_ROWS 256

int shatomic_check_rows(const struct shatomic_memory *self,
			const struct shatomic_rows *rows, bool *has_fields,
			struct shatomic_row_error *error)
{
	bool mixed = rows->ops || rows->widths, good;
	__u32 refused = refused_traits(self, rows);
	__u64 first, count;
	int ret;

	for (first = 0; first < rows->count; first += count) {
		count = rows->count - first;
		if (count > GLANCE_ROWS)
			count = GLANCE_ROWS;
		/* So that no width exceeds the region. */
		good = self->size >= 8 &&
		       (mixed ? mixed_are_good(self, rows, first, count,
					       refused) :
				uniform_are_good(self, rows, first, count,
						 refused));
		if (good)
			continue;
		ret = check_each(self, rows, first, first + count, has_fields,
				 error);
		if (ret)
			return ret;
	}
	return 0;
}
