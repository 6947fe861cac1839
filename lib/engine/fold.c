// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Folding: adjacent rows on one word become one atomic operation. What comes of
 * each row is worked out from what was seen in the word, and the word is
 * exchanged if nobody has changed it meanwhile. To others it looks as if the
 * rows had run at once, one after the other, so that no order is broken.
 */
#include "field.h"
#include "joint.h"

/* How many rows a run from @i on may have. */
static __always_inline __u64 most_rows(const struct shatomic_rows *rows,
				       __u64 i, __u64 most)
{
	return rows->count - i < most ? rows->count - i : most;
}

/* Whether this row and the three after it are on the word at @offset. */
static __always_inline bool four_are_on(const __u64 *offsets, __u64 offset)
{
	return offsets[0] == offset && offsets[1] == offset &&
	       offsets[2] == offset && offsets[3] == offset;
}

/* How many rows from @i on are on one word, up to @most. */
static __always_inline __u64 run_length(const struct shatomic_rows *rows,
					__u64 i, __u64 most)
{
	const __u64 *offsets = rows->offsets + i;
	__u64 length = 0;

	most = most_rows(rows, i, most);
	while (length + 4 <= most && four_are_on(&offsets[length], offsets[0]))
		length += 4;
	while (length < most && offsets[length] == offsets[0])
		length++;
	return length;
}

/*
 * Work out @length rows from @i on for a word in which @seen was seen; returns
 * what it becomes.
 */
static __always_inline __u64 fold_rows(const struct shatomic_rows *rows,
				       __u64 i, __u32 length, __u32 traits,
				       evaluate_fn *evaluate, __u64 all,
				       __u64 seen, __u64 *results,
				       __u8 *statuses)
{
	__u64 now = seen, next;
	__u32 k;
	bool held;

#pragma GCC unroll 4
	for (k = 0; k < length; k++) {
		struct operands o = operands_of(rows, i + k, traits, all);

		held = evaluate(&o, all, now, &next, &results[k]);
		now = held ? next : now;
		if (traits & SHATOMIC_OP_COMPARES)
			statuses[k] = held ? SHATOMIC_ROW_DONE :
					     SHATOMIC_ROW_COMPARE_FAILED;
	}
	return now;
}

static __always_inline __u32 fold(const struct shatomic_memory *self,
				  const struct shatomic_rows *rows_, __u64 i,
				  __u32 width, __u32 traits,
				  evaluate_fn *evaluate)
{
	/* A copy that stays in registers. */
	const struct shatomic_rows rows = *rows_;
	__u64 length = run_length(&rows, i, SHATOMIC_FOLD_ROWS), k;
	struct field field = field_at(self_at(self, &rows, i), width);
	__u64 results[SHATOMIC_FOLD_ROWS];
	__u8 statuses[SHATOMIC_FOLD_ROWS];
	__u64 was, seen, now;

	if (length == 1)
		return 0;
	was = __atomic_load_n(field.whole, __ATOMIC_SEQ_CST);
	do {
		seen = was >> field.shift & field.all;
		now = fold_rows(&rows, i, length, traits, evaluate, field.all,
				seen, results, statuses);
	} while (traits & SHATOMIC_OP_WRITES_SELF &&
		 !field_exchange(&field, &was, seen ^ now));
	if (rows.results) {
#pragma GCC unroll 4
		for (k = 0; k < length; k++)
			in_place(rows.results[i + k] = results[k]);
	}
	if (traits & SHATOMIC_OP_COMPARES) {
		for (k = 0; rows.statuses && k < length; k++)
			in_place(rows.statuses[i + k] = statuses[k]);
	}
	return length;
}

/*
 * Join the rows from @i on that are on one word. Returns how many they are,
 * which run_length() would tell in a pass more.
 */
static __always_inline __u64 join_run(const struct shatomic_rows *rows,
				      __u64 i, join_fn *join, int sign,
				      __u64 nothing, __u64 *joined)
{
	const __u64 *offsets = rows->offsets + i;
	const __u64 *operands = rows->operands + i;
	__u64 most = most_rows(rows, i, SHATOMIC_JOIN_ROWS);
	__u64 length = 0, offset = offsets[0];
	/* Several, so that no row has to wait for the row before. */
	__u64 parts[4] = { nothing, nothing, nothing, nothing };
	__u32 k;

	while (length + 8 <= most && four_are_on(&offsets[length], offset) &&
	       four_are_on(&offsets[length + 4], offset)) {
#pragma GCC unroll 8
		for (k = 0; k < 8; k++)
			parts[k % 4] = join(parts[k % 4],
					    term(&operands[length + k], sign));
		length += 8;
	}
	for (; length < most && offsets[length] == offset; length++)
		parts[0] = join(parts[0], term(&operands[length], sign));
	*joined = join(join(parts[0], parts[1]), join(parts[2], parts[3]));
	return length;
}

/*
 * The results of rows on a word in which @now was seen. They may take the place
 * of the operands.
 */
static __always_inline void put_joints(__u64 *results, const __u64 *operands,
				       __u64 length, join_fn *join, int sign,
				       bool gives_next, __u64 now)
{
	__u64 one, two, three, four, last, k;

#pragma GCC unroll 2
	for (k = 0; k + 4 <= length; k += 4) {
		one = term(&operands[k], sign);
		two = join(one, term(&operands[k + 1], sign));
		three = term(&operands[k + 2], sign);
		four = join(two, join(three, term(&operands[k + 3], sign)));
		three = join(two, three);
		last = join(now, four);
		in_place(results[k] = gives_next ? join(now, one) : now);
		in_place(results[k + 1] = join(now, gives_next ? two : one));
		in_place(results[k + 2] = join(now, gives_next ? three : two));
		in_place(results[k + 3] = gives_next ? last : join(now, three));
		now = last;
	}
	for (; k < length; k++) {
		one = join(now, term(&operands[k], sign));
		in_place(results[k] = gives_next ? one : now);
		now = one;
	}
}

static __always_inline __u32 fold_joints(const struct shatomic_memory *self,
					 const struct shatomic_rows *rows,
					 __u64 i, join_fn *join,
					 apply_fn *apply, int sign,
					 __u64 nothing, bool gives_next)
{
	__u64 joined, seen, length;

	length = join_run(rows, i, join, sign, nothing, &joined);
	if (length == 1)
		return 0;
	seen = apply(self_at(self, rows, i), joined);
	if (rows->results)
		put_joints(rows->results + i, rows->operands + i, length, join,
			   sign, gives_next, seen);
	return length;
}

/* With a width that the compiler knows a row takes half the instructions. */
#define DEFINE_FOLD(constant, name, traits, ...)                              \
	static __u32 fold_##name(const struct shatomic_memory *self,          \
				 const struct shatomic_rows *rows, __u64 i)   \
	{                                                                     \
		return fold(self, rows, i, rows->width, traits,               \
			    evaluate_##name);                                 \
	}                                                                     \
	static __u32 fold_##name##_u64(const struct shatomic_memory *self,    \
				       const struct shatomic_rows *rows,      \
				       __u64 i)                               \
	{                                                                     \
		return fold(self, rows, i, 8, traits, evaluate_##name);       \
	}

SHATOMIC_OPS(DEFINE_FOLD)

#define DEFINE_JOINT(constant, name, join, sign, nothing, gives_next)         \
	static __u32 joint_##name(const struct shatomic_memory *self,         \
				  const struct shatomic_rows *rows, __u64 i)  \
	{                                                                     \
		return fold_joints(self, rows, i, join_##join, apply_##join,  \
				   sign 1, nothing, gives_next);              \
	}

JOINTS(DEFINE_JOINT)

shatomic_fold_fn *shatomic_fold_of(__u32 op, __u32 width)
{
	static shatomic_fold_fn *const folds[SHATOMIC_OP_COUNT][2] = {
#define FOLD(constant, name, ...)                                             \
		[SHATOMIC_OP_##constant] = { fold_##name, fold_##name##_u64 },
		SHATOMIC_OPS(FOLD)
#undef FOLD
	};
	static shatomic_fold_fn *const joints[SHATOMIC_OP_COUNT] = {
#define JOINT(constant, name, ...)                                            \
		[SHATOMIC_OP_##constant] = joint_##name,
		JOINTS(JOINT)
#undef JOINT
	};
	bool whole = width == 8;

	return whole && joints[op] ? joints[op] : folds[op][whole];
}
