// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Checking rows before the first one runs.
 */
#include "engine.h"

/* Of what is not an operation. */
#define NO_OP (1U << 31)

/* Of whatever a column of operations may hold. */
static const __u32 op_traits[256] = {
	[SHATOMIC_OP_COUNT ... 255] = NO_OP,
#define OP_TRAITS(constant, name, traits, ...)                                \
	[SHATOMIC_OP_##constant] = (traits),
	SHATOMIC_OPS(OP_TRAITS)
#undef OP_TRAITS
};

#define COUNT_OP(...) + 1
_Static_assert(0 SHATOMIC_OPS(COUNT_OP) == SHATOMIC_OP_COUNT,
	       "SHATOMIC_OPS and enum shatomic_op must have the same members");

/* Bit w - 1 for each width of w bytes: 1 to 8. */
#define SUPPORTED_WIDTHS 0xffU

__u32 shatomic_op_traits(__u32 op)
{
	return op_traits[index_nospec(op, sizeof(op_traits) /
					  sizeof(op_traits[0]))];
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

/* What a batch with SHATOMIC_BATCH_SNAPSHOT has to be. */
static int check_snapshot(const struct shatomic_rows *rows, __u32 flags,
			  __u32 *field)
{
	*field = SHATOMIC_FIELD_FLAGS;
	if (flags & SHATOMIC_BATCH_UNORDERED)
		return -EINVAL;
	*field = SHATOMIC_FIELD_OP;
	if (rows->ops || rows->op != SHATOMIC_OP_GET)
		return -EINVAL;
	*field = SHATOMIC_FIELD_WIDTH;
	if (rows->width == SHATOMIC_DOUBLE_WIDTH)
		return -EOPNOTSUPP;
	*field = SHATOMIC_FIELD_ROWS;
	if (rows->count > SHATOMIC_SNAPSHOT_ROWS)
		return -EINVAL;
	*field = SHATOMIC_FIELD_RESULTS;
	return rows->count && !rows->results ? -EINVAL : 0;
}

int shatomic_check_shape(const struct shatomic_rows *rows, __u32 flags,
			 struct shatomic_row_error *error)
{
	int ret;

	error->row = SHATOMIC_NO_ROW;
	error->field = SHATOMIC_FIELD_FLAGS;
	if (flags & ~(__u32)(SHATOMIC_BATCH_UNORDERED |
			     SHATOMIC_BATCH_SNAPSHOT))
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

	if (flags & SHATOMIC_BATCH_SNAPSHOT) {
		ret = check_snapshot(rows, flags, &error->field);
		if (ret)
			return ret;
	}

	if (!rows->count)
		return 0;

	error->field = SHATOMIC_FIELD_OFFSETS;
	if (!rows->offsets)
		return -EINVAL;

	if (rows->ops)
		return 0;
	error->field = missing_column(rows, shatomic_op_traits(rows->op));
	return error->field == SHATOMIC_FIELD_NONE ? 0 : -EINVAL;
}

int shatomic_check_columns(const struct shatomic_rows *rows, __u64 base,
			   __u64 size, bool writable,
			   struct shatomic_row_error *error)
{
	const __u32 value_size = sizeof(__u64) *
				 shatomic_value_entries(rows->width);
	const struct {
		const void *entries;
		__u32 entry_size;
		__u32 field;
		bool is_written;
	} columns[] = {
		{ rows->ops, 1, SHATOMIC_FIELD_OP, false },
		{ rows->widths, 1, SHATOMIC_FIELD_WIDTH, false },
		{ rows->offsets, 8, SHATOMIC_FIELD_OFFSETS, false },
		{ rows->operands, value_size, SHATOMIC_FIELD_OPERANDS, false },
		{ rows->comparands, value_size, SHATOMIC_FIELD_COMPARANDS,
		  false },
		{ rows->masks, value_size, SHATOMIC_FIELD_MASKS, false },
		{ rows->comparand_masks, value_size,
		  SHATOMIC_FIELD_COMPARAND_MASKS, false },
		{ rows->results, value_size, SHATOMIC_FIELD_RESULTS, true },
		{ rows->statuses, 1, SHATOMIC_FIELD_STATUSES, true },
		{ rows->peer_indexes, 4, SHATOMIC_FIELD_PEER_INDEXES, false },
		{ rows->peer_offsets, 8, SHATOMIC_FIELD_PEER_OFFSETS, false },
	};
	__u32 i, align;
	__u64 at;

	error->row = SHATOMIC_NO_ROW;
	/* Without rows there is no entry that could be elsewhere. */
	if (!rows->count)
		return 0;
	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		if (!columns[i].entries)
			continue;
		error->field = columns[i].field;
		/* What is below the base is far beyond the end. */
		at = (unsigned long)columns[i].entries - base;
		if (at > size ||
		    rows->count > (size - at) / columns[i].entry_size)
			return -ERANGE;
		/* The halves of a double need no more than a word does. */
		align = columns[i].entry_size > 8 ? 8 : columns[i].entry_size;
		if (at & (align - 1))
			return -EINVAL;
		if (columns[i].is_written && !writable)
			return -EACCES;
	}
	/* Columns are looked up by where they are. */
	end_speculation();
	return 0;
}

static int check_peer(const struct shatomic_rows *rows, __u64 i, __u32 traits,
		      __u32 width, __u32 *field)
{
	__u32 index = rows->peer_indexes ? rows->peer_indexes[i] : 0;

	*field = SHATOMIC_FIELD_PEER_INDEXES;
	if (index >= rows->peer_count)
		return -EINVAL;
	index = index_nospec(index, rows->peer_count);
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
	traits = shatomic_op_traits(op);
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

	if (!(traits & SHATOMIC_OP_HAS_PEER))
		return 0;
	ret = check_peer(rows, i, traits, width, field);
	if (!ret && !shatomic_is_integer(rows->peer_offsets[i], width))
		*has_fields = true;
	return ret;
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
	__u32 traits = TRAITS_WITH_MORE | NO_OP;

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

/* All bits that are set in any offset. */
static __u64 bits_of_offsets(const __u64 *offsets, __u64 count)
{
	/* Several sums, so that no row has to wait for the row before. */
	__u64 bits[4] = { 0 }, i;

	for (i = 0; i + 8 <= count; i += 8) {
		bits[0] |= offsets[i] | offsets[i + 4];
		bits[1] |= offsets[i + 1] | offsets[i + 5];
		bits[2] |= offsets[i + 2] | offsets[i + 6];
		bits[3] |= offsets[i + 3] | offsets[i + 7];
	}
	for (; i < count; i++)
		bits[0] |= offsets[i];
	return bits[0] | bits[1] | bits[2] | bits[3];
}

/*
 * Whether the aligned 8-byte words that offsets lie in are inside the region;
 * @bits are those set in any offset.
 */
static bool words_are_inside(const struct shatomic_memory *self,
			     const __u64 *offsets, __u64 count, __u64 bits)
{
	__u64 beyond = 0, i;

	/* No offset exceeds that. In regions of 2^n bytes this decides. */
	if ((bits | 7) < self->size)
		return true;
	for (i = 0; i < count; i++)
		beyond |= self->size - 1 - (offsets[i] | 7);
	return !((bits | beyond) >> 63);
}

/* Whether rows of one operation and width are good, and their words integers. */
static bool uniform_are_good(const struct shatomic_memory *self,
			     const struct shatomic_rows *rows, __u64 first,
			     __u64 count, __u32 refused)
{
	const __u64 *offsets = rows->offsets + first;
	__u32 width = rows->width;
	__u64 bits;

	if (rows->op >= SHATOMIC_OP_COUNT ||
	    shatomic_op_traits(rows->op) & refused ||
	    !shatomic_width_is_supported(width) || width & (width - 1))
		return false;
	bits = bits_of_offsets(offsets, count);
	return !(bits & (width - 1)) &&
	       words_are_inside(self, offsets, count, bits);
}

static __always_inline bool each_is_good(const struct shatomic_memory *self,
					 const struct shatomic_rows *rows,
					 __u64 first, __u64 count,
					 __u32 refused, bool has_ops,
					 bool has_widths)
{
	const __u64 *offsets = rows->offsets + first;
	__u64 bits = 0, ends = 0, i;
	__u32 traits = 0;

	/* Sums without branches: what is wrong with which comes later. */
	for (i = 0; i < count; i++) {
		__u32 op = has_ops ? rows->ops[first + i] : rows->op;
		__u32 width = has_widths ? rows->widths[first + i] :
					   rows->width;

		traits |= op_traits[op];
		/* Where a word's last byte is in its aligned 8-byte word. */
		ends |= (width - 1ULL) | ((offsets[i] & 7) + width - 1);
		bits |= offsets[i];
	}
	return !(traits & refused) && ends < 8 &&
	       words_are_inside(self, offsets, count, bits);
}

/* Whether rows of several operations or widths are good; fields may be. */
static bool mixed_are_good(const struct shatomic_memory *self,
			   const struct shatomic_rows *rows, __u64 first,
			   __u64 count, __u32 refused)
{
	if (!rows->widths)
		return each_is_good(self, rows, first, count, refused, true,
				    false);
	if (!rows->ops)
		return each_is_good(self, rows, first, count, refused, false,
				    true);
	return each_is_good(self, rows, first, count, refused, true, true);
}

/*
 * Rows that are looked at together, and one by one if that finds fault: their
 * offsets stay in the L1 cache for that.
 */
#define GLANCE_ROWS 1024

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
		good = mixed ? mixed_are_good(self, rows, first, count,
					      refused) :
			       uniform_are_good(self, rows, first, count,
						refused);
		if (good)
			continue;
		ret = check_each(self, rows, first, first + count, has_fields,
				 error);
		if (ret)
			return ret;
	}
	/* Words and peers are looked up by what has been checked. */
	end_speculation();
	return 0;
}
