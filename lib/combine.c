// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Combining: among rows that may run in any order, those on hot words, on which
 * many rows are, are joined to few atomic operations. Their words are found by a
 * sample. Not for the kernel, where rows come in chunks too small for it.
 */
#include "backend.h"
#include "engine/joint.h"

#include <string.h>

/*
 * Slots for hot words. Each has one place where it may be: that of another which
 * came first is lost to it. 1024 take 25 KiB, of which an L1 cache holds what
 * is used.
 */
#define SLOT_SHIFT 10
#define SLOTS (1 << SLOT_SHIFT)

/* Rows in a pass, whose lists fit an L2 cache and whose numbers 16 bits. */
#define PASS_ROWS 8192

/*
 * A row in so many is looked at, MOST_SAMPLES at most. A word is hot when it is
 * seen twice, and combining is worth it when one row in HOT_PART is on such.
 */
#define SAMPLE_PART 16
#define MOST_SAMPLES 4096
#define HOT_PART 4

/* Rows ahead of which a word is brought in. */
#define PREFETCH_ROWS 16

/**
 * struct hot_words - Hot words and what came together for them in a pass
 * @offset: Each one's offset; NO_WORD in an empty slot.
 * @joined: What rows of this pass come to so far.
 * @seen: What was in the word before they were applied.
 * @used: Whether any row of this pass is on it.
 */
struct hot_words {
	__u64 offset[SLOTS];
	__u64 joined[SLOTS];
	__u64 seen[SLOTS];
	bool used[SLOTS];
};

#define NO_WORD (~0ULL)

/**
 * struct pass - The rows of a pass, told apart
 * @hot: Those on hot words, counted from the pass' first.
 * @slot: The slot of each.
 * @cold: The others.
 * @hot_count: How many.
 * @cold_count: How many.
 */
struct pass {
	__u16 hot[PASS_ROWS];
	__u16 slot[PASS_ROWS];
	__u16 cold[PASS_ROWS];
	__u32 hot_count;
	__u32 cold_count;
};

static __always_inline __u32 slot_of(__u64 offset)
{
	return (offset >> 3) * 0x9E3779B97F4A7C15ULL >> (64 - SLOT_SHIFT);
}

/* Find hot words; returns whether enough rows are on some. */
static bool find_hot_words(const struct shatomic_rows *rows,
			   struct hot_words *words)
{
	/* Twice the samples: two words seldom share one. */
	__u8 times[2 * MOST_SAMPLES] = { 0 };
	__u64 samples = rows->count / SAMPLE_PART, step, i, hot = 0;

	if (samples > MOST_SAMPLES)
		samples = MOST_SAMPLES;
	if (!samples)
		return false;
	step = rows->count / samples;
	memset(words->offset, 0xff, sizeof(words->offset));
	for (i = 0; i < samples; i++) {
		__u64 offset = rows->offsets[i * step];
		__u8 *seen = &times[((offset >> 3) * 0xD6E8FEB86659FD93ULL >> 32) %
				    (2 * MOST_SAMPLES)];
		__u64 *slot = &words->offset[slot_of(offset)];

		if (*seen && *slot == NO_WORD)
			*slot = offset;
		hot += *seen && *slot == offset;
		*seen = 1;
	}
	return hot >= samples / HOT_PART;
}

/* Tell the rows of a pass apart, without branches. */
static void split_pass(const __u64 *offsets, __u32 count,
		       const struct hot_words *words, struct pass *pass)
{
	__u32 hot = 0, cold = 0, i;

	for (i = 0; i < count; i++) {
		__u32 slot = slot_of(offsets[i]);
		bool is_hot = words->offset[slot] == offsets[i];

		pass->hot[hot] = i;
		pass->slot[hot] = slot;
		pass->cold[cold] = i;
		hot += is_hot;
		cold += !is_hot;
	}
	pass->hot_count = hot;
	pass->cold_count = cold;
}

static __always_inline void run_cold(const struct shatomic_memory *memory,
				     const struct shatomic_rows *rows,
				     const struct pass *pass, join_fn *join,
				     apply_fn *apply, int sign,
				     bool gives_next)
{
	__u32 k, ahead, i;
	__u64 value, seen;

	for (k = 0; k < pass->cold_count; k++) {
		ahead = k + PREFETCH_ROWS;
		if (memory->prefetch && ahead < pass->cold_count)
			prefetch_for_write(memory->base +
					   rows->offsets[pass->cold[ahead]]);
		i = pass->cold[k];
		value = term(&rows->operands[i], sign);
		seen = apply(shatomic_memory_at(memory, rows->offsets[i]),
			     value);
		if (rows->results)
			rows->results[i] = gives_next ? join(seen, value) :
							seen;
	}
}

/* Join the rows on hot words; results are as if words had been @nothing. */
static __always_inline void join_hot(const struct shatomic_rows *rows,
				     const struct pass *pass,
				     struct hot_words *words, join_fn *join,
				     int sign, bool gives_next)
{
	__u64 before, after;
	__u32 k, i;

	for (k = 0; k < pass->hot_count; k++) {
		i = pass->hot[k];
		before = words->joined[pass->slot[k]];
		after = join(before, term(&rows->operands[i], sign));
		words->joined[pass->slot[k]] = after;
		words->used[pass->slot[k]] = true;
		if (rows->results)
			rows->results[i] = gives_next ? after : before;
	}
}

/* Apply what came together for each hot word and start anew. */
static __always_inline void apply_hot(const struct shatomic_memory *memory,
				      struct hot_words *words, apply_fn *apply,
				      __u64 nothing)
{
	__u32 slot;

	for (slot = 0; slot < SLOTS; slot++) {
		if (!words->used[slot])
			continue;
		words->seen[slot] =
			apply(shatomic_memory_at(memory, words->offset[slot]),
			      words->joined[slot]);
		words->joined[slot] = nothing;
		words->used[slot] = false;
	}
}

static __always_inline void put_hot(const struct shatomic_rows *rows,
				    const struct pass *pass,
				    const struct hot_words *words,
				    join_fn *join)
{
	__u32 k, i;

	for (k = 0; rows->results && k < pass->hot_count; k++) {
		i = pass->hot[k];
		rows->results[i] = join(words->seen[pass->slot[k]],
					rows->results[i]);
	}
}

static __always_inline void combine(const struct shatomic_memory *memory,
				    const struct shatomic_rows *all,
				    struct hot_words *words, join_fn *join,
				    apply_fn *apply, int sign, __u64 nothing,
				    bool gives_next)
{
	struct shatomic_rows rows;
	struct pass pass;
	__u64 first, left;
	__u32 slot;

	for (slot = 0; slot < SLOTS; slot++) {
		words->joined[slot] = nothing;
		words->used[slot] = false;
	}
	for (first = 0; first < all->count; first += rows.count) {
		left = all->count - first;
		rows = shatomic_rows_slice(all, first,
					   left < PASS_ROWS ? left : PASS_ROWS);
		split_pass(rows.offsets, rows.count, words, &pass);
		join_hot(&rows, &pass, words, join, sign, gives_next);
		run_cold(memory, &rows, &pass, join, apply, sign, gives_next);
		apply_hot(memory, words, apply, nothing);
		put_hot(&rows, &pass, words, join);
		if (rows.statuses)
			memset(rows.statuses, SHATOMIC_ROW_DONE, rows.count);
	}
}

typedef void combine_fn(const struct shatomic_memory *memory,
			const struct shatomic_rows *rows,
			struct hot_words *words);

#define DEFINE_COMBINE(constant, name, join, sign, nothing, gives_next)       \
	static void combine_##name(const struct shatomic_memory *memory,      \
				   const struct shatomic_rows *rows,          \
				   struct hot_words *words)                   \
	{                                                                     \
		combine(memory, rows, words, join_##join, apply_##join,       \
			sign 1, nothing, gives_next);                         \
	}

JOINTS(DEFINE_COMBINE)

static combine_fn *const combines[SHATOMIC_OP_COUNT] = {
#define COMBINE(constant, name, ...)                                          \
	[SHATOMIC_OP_##constant] = combine_##name,
	JOINTS(COMBINE)
#undef COMBINE
};

bool shatomic_can_combine(const struct shatomic_rows *rows, bool has_fields)
{
	return !rows->ops && !rows->widths && rows->width == 8 &&
	       !has_fields && combines[rows->op];
}

bool shatomic_combine_rows(const struct shatomic_memory *memory,
			   const struct shatomic_rows *rows)
{
	struct hot_words words;

	if (!find_hot_words(rows, &words))
		return false;
	combines[rows->op](memory, rows, &words);
	return true;
}
