// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread sees of another's operations: words whole, never parts of two
 * values; stores and loads in one order that all agree on; and typed updates of
 * which none is lost.
 *
 * Chance decides how often two threads are at it at once: each test goes on
 * until it was often, or for so long that a machine which lets them take turns
 * is not kept for ever.
 */
#include "common.h"
#include "model.h"

#include <pthread.h>

#define LINE 64
#define REGION_BYTES 16384

FIXTURE(atomicity)
{
	struct shatomic_region *region;
	unsigned char *memory;
};

FIXTURE_SETUP(atomicity)
{
	self->region = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
}

FIXTURE_TEARDOWN(atomicity)
{
	shatomic_close(self->region);
}

/* Run two threads to their ends. */
static void run_pair(struct __test_metadata *_metadata,
		     void *(*first)(void *arg), void *first_arg,
		     void *(*second)(void *arg), void *second_arg)
{
	pthread_t threads[2];

	ASSERT_EQ(0, pthread_create(&threads[0], NULL, first, first_arg));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, second, second_arg));
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

/*
 * Whole words. One thread makes two words all ones and zero in turn, rows on
 * one word not next to each other, as those would be run as one; another looks.
 */
#define TARGETS_AT 1024
#define CONSTANTS_AT 4096
#define WHOLE_ROWS 64
/* Looks that are enough if they saw so many changes; else so many looks. */
#define ENOUGH_CHANGES 2000
#define MAX_LOOKS (1U << 18)

typedef int run_fn(struct shatomic_region *region, struct shatomic_batch *batch);

/* How words are set: by rows of an operation, or (run NULL) singly. */
struct way {
	const char *what;
	unsigned int op;
	run_fn *run;
	/* Operations as a column, though they are all the same. */
	bool mixed;
	bool typed;
};

static const struct way ways[] = {
	{ "single", SHATOMIC_OP_SET, NULL, false, false },
	{ "typed", SHATOMIC_OP_SET, NULL, false, true },
#define BOTH(what, op, mixed)                                                 \
	{ what, op, shatomic_batch_run, mixed, false },                       \
	{ what ", local", op, shatomic_batch_run_local, mixed, false }
	BOTH("set", SHATOMIC_OP_SET, false),
	BOTH("set of a column", SHATOMIC_OP_SET, true),
	BOTH("store", SHATOMIC_OP_STORE, false),
	BOTH("compare and set", SHATOMIC_OP_COMPARE_AND_SET, false),
#undef BOTH
};

struct whole {
	struct shatomic_region *region;
	const struct way *way;
	unsigned int width;
	unsigned int at;
	bool stop;
	unsigned int changes;
	bool torn;
	bool failed;
};

static uint64_t target_offset(const struct whole *whole, unsigned int number)
{
	return TARGETS_AT + number % 2 * LINE + whole->at;
}

static void set_typed(void *word, unsigned int width, uint64_t value)
{
	switch (width) {
	case 2:
		shatomic_set_u16(word, value);
		break;
	case 4:
		shatomic_set_u32(word, value);
		break;
	case 8:
		shatomic_set_u64(word, value);
		break;
	}
}

static void set_singly(struct whole *whole)
{
	unsigned char bytes[8];
	unsigned int i;

	for (i = 0; i < WHOLE_ROWS; i++) {
		uint64_t offset = target_offset(whole, i);
		uint64_t value = i / 2 % 2 ? ~0ULL : 0;

		if (whole->way->typed) {
			set_typed((char *)shatomic_buf(whole->region, NULL) +
					  offset, whole->width, value);
			continue;
		}
		store_word(bytes, whole->width, value);
		if (shatomic_set(whole->region, offset, whole->width, bytes))
			whole->failed = true;
	}
}

/* Rows that set the targets from operands, or from words that are constant. */
static void set_by_rows(struct whole *whole)
{
	const struct way *way = whole->way;
	uint64_t offsets[WHOLE_ROWS], operands[WHOLE_ROWS];
	uint64_t peer_offsets[WHOLE_ROWS];
	uint8_t ops[WHOLE_ROWS];
	struct shatomic_batch batch = {
		.op = way->mixed ? 0 : way->op, .width = whole->width,
		.rows = WHOLE_ROWS, .ops = way->mixed ? ops : NULL,
		.offsets = offsets, .operands = operands,
	};
	unsigned int i;

	for (i = 0; i < WHOLE_ROWS; i++) {
		uint64_t target = target_offset(whole, i);
		uint64_t constant = CONSTANTS_AT + i / 2 % 2 * LINE + whole->at;
		/* It is the peer that a comparison which fails sets. */
		bool sets_peer = way->op == SHATOMIC_OP_COMPARE_AND_SET;

		ops[i] = way->op;
		operands[i] = i / 2 % 2 ? ~0ULL : 0;
		offsets[i] = sets_peer ? constant : target;
		peer_offsets[i] = sets_peer ? target : constant;
	}
	if (shatomic_op_needs(way->op) & SHATOMIC_NEEDS_PEER) {
		batch.peers = &whole->region;
		batch.peer_count = 1;
		batch.peer_offsets = peer_offsets;
	}
	while (!is_set(&whole->stop) && !whole->failed)
		whole->failed = way->run(whole->region, &batch);
}

static void *set_words(void *arg)
{
	struct whole *whole = arg;

	take_a_cpu();
	if (whole->way->run)
		set_by_rows(whole);
	while (!is_set(&whole->stop) && !whole->failed)
		set_singly(whole);
	return NULL;
}

/* Take one more value of a word that was @before. */
static void take_look(struct whole *whole, uint64_t value, uint64_t before)
{
	if (value && value != width_mask(whole->width))
		whole->torn = true;
	whole->changes += value != before;
}

static void *look_at_words(void *arg)
{
	struct whole *whole = arg;
	uint64_t offsets[WHOLE_ROWS], results[WHOLE_ROWS], seen = 0;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_GET, .width = whole->width,
		.rows = WHOLE_ROWS, .offsets = offsets, .results = results,
	};
	run_fn *run = whole->way->run ? whole->way->run :
					shatomic_batch_run_local;
	unsigned char bytes[8];
	unsigned int i, looks;

	take_a_cpu();
	for (i = 0; i < WHOLE_ROWS; i++)
		offsets[i] = target_offset(whole, i);
	for (looks = 0; looks < MAX_LOOKS && !whole->torn; looks += i) {
		if (whole->changes >= ENOUGH_CHANGES)
			break;
		for (i = 0; i < WHOLE_ROWS; i++) {
			uint64_t before = seen;

			if (shatomic_get(whole->region, offsets[0],
					 whole->width, bytes))
				whole->failed = true;
			seen = load_word(bytes, whole->width);
			take_look(whole, seen, before);
		}
		if (run(whole->region, &batch))
			whole->failed = true;
		for (i = 0; i < WHOLE_ROWS; i++)
			take_look(whole, results[i], results[i]);
	}
	set_flag(&whole->stop);
	return NULL;
}

TEST_F_TIMEOUT(atomicity, words_are_set_and_seen_whole, 240)
{
	static const unsigned int places[][2] = { { 8, 0 }, { 4, 4 }, { 2, 2 },
						  { 5, 1 }, { 4, 2 } };
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(places) * COUNT_OF(ways); i++) {
		struct whole whole = {
			.region = self->region,
			.way = &ways[i % COUNT_OF(ways)],
			.width = places[i / COUNT_OF(ways)][0],
			.at = places[i / COUNT_OF(ways)][1],
		};

		if (whole.way->typed && whole.at % whole.width)
			continue;
		for (j = 0; j < 2; j++) {
			memset(self->memory + TARGETS_AT + j * LINE, 0, 8);
			memset(self->memory + CONSTANTS_AT + j * LINE,
			       j ? 0xff : 0, 8);
		}
		run_pair(_metadata, set_words, &whole, look_at_words, &whole);
		EXPECT_FALSE(whole.failed);
		EXPECT_FALSE(whole.torn)
		{
			TH_LOG("%s, width %u at %u", whole.way->what,
			       whole.width, whole.at);
		}
	}
}

/*
 * Order. Each of two sides sets a word of its own and then gets the other's.
 * One of them must be first, and the other sees what it set: not so if a store
 * may wait while the load after it goes ahead.
 */
#define PAIRS 8
/* Rounds that make a call of the kernel for each set, or one, or none. */
#define FEW_ROUNDS 500
#define SOME_ROUNDS 3000
#define MANY_ROUNDS 20000
#define SIDES_AT (PAIRS * 2 * LINE)
#define SIDE_BYTES 1024
#define MEETING_AT (SIDES_AT + 2 * SIDE_BYTES)

struct side {
	struct shatomic_region *region;
	void (*pass)(struct side *side);
	run_fn *run;
	unsigned int number;
	unsigned int rounds;
	uint64_t round;
	/* What each pair's other word was; both sides' for one of them. */
	uint64_t (*seen)[PAIRS];
	unsigned int wrong;
	bool failed;
};

static uint64_t mine(const struct side *side, unsigned int pair)
{
	return (2 * pair + side->number) * LINE;
}

static uint64_t others(const struct side *side, unsigned int pair)
{
	return (2 * pair + 1 - side->number) * LINE;
}

static void *word_at(const struct side *side, uint64_t offset)
{
	return (char *)shatomic_buf(side->region, NULL) + offset;
}

static void pass_typed(struct side *side)
{
	uint64_t *seen = side->seen[side->number];
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		shatomic_set_u64(word_at(side, mine(side, i)), side->round);
		seen[i] = shatomic_get_u64(word_at(side, others(side, i)));
	}
}

/* What typed operations are made of, without the library. */
static void pass_builtins(struct side *side)
{
	uint64_t *seen = side->seen[side->number];
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		uint64_t *own = word_at(side, mine(side, i));
		uint64_t *other = word_at(side, others(side, i));

		__atomic_store_n(own, side->round, __ATOMIC_SEQ_CST);
		seen[i] = __atomic_load_n(other, __ATOMIC_SEQ_CST);
	}
}

static void pass_single(struct side *side)
{
	uint64_t *seen = side->seen[side->number];
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		side->failed |= shatomic_set(side->region, mine(side, i), 8,
					     &side->round) ||
				shatomic_get(side->region, others(side, i), 8,
					     &seen[i]);
	}
}

/* A batch for each set, after which the other's word is got. */
static void pass_sets(struct side *side)
{
	uint64_t *seen = side->seen[side->number], offset;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_SET, .width = 8, .rows = 1,
		.offsets = &offset, .operands = &side->round,
	};
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		offset = mine(side, i);
		side->failed |= side->run(side->region, &batch);
		seen[i] = shatomic_get_u64(word_at(side, others(side, i)));
	}
}

/* One batch of rows that set and get in turn. */
static void pass_columns(struct side *side)
{
	uint64_t offsets[2 * PAIRS], operands[2 * PAIRS], results[2 * PAIRS];
	uint8_t ops[2 * PAIRS];
	struct shatomic_batch batch = {
		.ops = ops, .width = 8, .rows = 2 * PAIRS, .offsets = offsets,
		.operands = operands, .results = results,
	};
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		ops[2 * i] = SHATOMIC_OP_SET;
		ops[2 * i + 1] = SHATOMIC_OP_GET;
		offsets[2 * i] = mine(side, i);
		offsets[2 * i + 1] = others(side, i);
		operands[2 * i] = operands[2 * i + 1] = side->round;
	}
	side->failed |= side->run(side->region, &batch);
	for (i = 0; i < PAIRS; i++)
		side->seen[side->number][i] = results[2 * i + 1];
}

/* The same by one operation, whose rows load from one word and set another. */
static void pass_stores(struct side *side)
{
	uint64_t offsets[2 * PAIRS], peers[2 * PAIRS], results[2 * PAIRS];
	uint64_t own = SIDES_AT + side->number * SIDE_BYTES;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 8, .rows = 2 * PAIRS,
		.offsets = offsets, .results = results,
		.peers = &side->region, .peer_count = 1, .peer_offsets = peers,
	};
	unsigned int i;

	shatomic_set_u64(word_at(side, own), side->round);
	for (i = 0; i < PAIRS; i++) {
		offsets[2 * i] = mine(side, i);
		peers[2 * i] = own;
		offsets[2 * i + 1] = own + LINE;
		peers[2 * i + 1] = others(side, i);
	}
	side->failed |= side->run(side->region, &batch);
	for (i = 0; i < PAIRS; i++)
		side->seen[side->number][i] = results[2 * i + 1];
}

/* Wait for the other side, in step with it as long as there is a CPU each. */
static void meet(const struct side *side)
{
	uint32_t *count = word_at(side, MEETING_AT);
	uint32_t all = (shatomic_add_and_fetch_u32(count, 1) + 1) / 2 * 2;
	unsigned int spins = 0;

	while ((int32_t)(shatomic_get_u32(count) - all) < 0) {
		if (++spins > 10000)
			sched_yield();
	}
}

static void *take_side(void *arg)
{
	struct side *side = arg;
	unsigned int i;

	take_a_cpu();
	for (side->round = 1; side->round <= side->rounds; side->round++) {
		/* A word that is near is got while the other is not yet set. */
		for (i = 0; i < PAIRS; i++)
			shatomic_get_u64(word_at(side, others(side, i)));
		meet(side);
		side->pass(side);
		meet(side);
		for (i = 0; i < PAIRS && !side->number; i++)
			side->wrong += side->seen[0][i] != side->round &&
				       side->seen[1][i] != side->round;
	}
	return NULL;
}

struct passes {
	const char *what;
	void (*pass)(struct side *side);
	run_fn *run;
	unsigned int rounds;
};

/* How often neither side saw what the other set. */
static unsigned int count_wrong(struct __test_metadata *_metadata,
				FIXTURE_DATA(atomicity) *self,
				const struct passes *passes)
{
	uint64_t seen[2][PAIRS];
	struct side sides[2];
	unsigned int i;

	memset(self->memory, 0, REGION_BYTES);
	for (i = 0; i < 2; i++)
		sides[i] = (struct side){
			.region = self->region, .number = i,
			.pass = passes->pass, .run = passes->run,
			.rounds = passes->rounds, .seen = seen,
		};
	run_pair(_metadata, take_side, &sides[0], take_side, &sides[1]);
	EXPECT_FALSE(sides[0].failed || sides[1].failed);
	return sides[0].wrong;
}

/*
 * Whether the machine orders what the compiler makes. QEMU 7.2's arm64 does not
 * on x86-64: between a store that releases and a load that acquires is nothing.
 */
static bool machine_orders(struct __test_metadata *_metadata,
			   FIXTURE_DATA(atomicity) *self)
{
	static const struct passes builtins = { "builtins", pass_builtins, NULL,
						MANY_ROUNDS };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (count_wrong(_metadata, self, &builtins))
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(atomicity, one_of_two_sees_what_the_other_set, 240)
{
	/* Last are those that are plain stores and loads on some machines. */
	static const struct passes cases[] = {
		{ "single", pass_single, NULL, MANY_ROUNDS },
		{ "batches that set", pass_sets, shatomic_batch_run,
		  FEW_ROUNDS },
		{ "local batches that set", pass_sets,
		  shatomic_batch_run_local, MANY_ROUNDS },
		{ "a batch", pass_columns, shatomic_batch_run, SOME_ROUNDS },
		{ "a local batch", pass_columns, shatomic_batch_run_local,
		  MANY_ROUNDS },
		{ "typed", pass_typed, NULL, MANY_ROUNDS },
		{ "stores", pass_stores, shatomic_batch_run, SOME_ROUNDS },
		{ "local stores", pass_stores, shatomic_batch_run_local,
		  MANY_ROUNDS },
	};
	unsigned int i, wrong;

	for (i = 0; i < COUNT_OF(cases); i++) {
		wrong = count_wrong(_metadata, self, &cases[i]);
		if (wrong && !machine_orders(_metadata, self))
			SKIP(return, "stores and loads: this machine, perhaps an emulator, does not order the compiler's either");
		EXPECT_EQ(0, wrong)
		{
			TH_LOG("%s", cases[i].what);
		}
	}
}

/*
 * Typed updates that are loops. One thread turns the lowest bit of a word over
 * and over; the other takes the bits above it through known values, and finds
 * each where its last operation left it, unless that was lost.
 */
#define STEPS 60 /* 2 * STEPS fits the narrowest type */
#define ENOUGH_TURNS 3000
#define MAX_PASSES 3000

struct stepper {
	void *word;
	bool stop;
	unsigned int turns;
	unsigned int lost;
};

#define STEP(suffix, call, was, is)                                           \
	do {                                                                  \
		old = (call);                                                 \
		now = shatomic_get_##suffix(word);                            \
		stepper->lost += (int)(old & ~1) != (was) ||                  \
				 (int)(now & ~1) != (is);                   \
		stepper->turns += (old ^ now) & 1;                            \
	} while (0)

/* Through the operations that each type has. */
#define PASS(suffix, type)                                                    \
	do {                                                                  \
		shatomic_set_##suffix(word, 0);                               \
		for (i = 2; i <= 2 * STEPS; i += 2)                           \
			STEP(suffix, shatomic_fetch_and_max_##suffix(word, i),\
			     i - 2, i);                                       \
		for (i = 2 * STEPS - 2; i >= 0; i -= 2)                       \
			STEP(suffix, shatomic_fetch_and_min_##suffix(word, i),\
			     i + 2, i);                                       \
		for (i = 2; i <= 2 * STEPS; i += 2)                           \
			STEP(suffix, shatomic_masked_get_and_set_##suffix(    \
			     word, i, (type)~1), i - 2, i);                   \
		for (i = 2 * STEPS - 2; i >= 0; i -= 2)                       \
			STEP(suffix,                                          \
			     shatomic_masked_compare_and_set_value_##suffix(  \
			     word, i, (type)~1, i + 2, (type)~1), i + 2, i);  \
	} while (0)

#define PASS_UNSIGNED(suffix, type)                                           \
	do {                                                                  \
		PASS(suffix, type);                                           \
		for (i = 2; i <= 2 * STEPS; i += 2)                           \
			STEP(suffix, shatomic_fetch_and_add_bounded_##suffix( \
			     word, 2, (type)~0), i - 2, i);                   \
	} while (0)

#define DEFINE_STEPPER(suffix, type, pass)                                    \
	static void *turn_##suffix(void *arg)                                 \
	{                                                                     \
		struct stepper *stepper = arg;                                \
									      \
		take_a_cpu();                                                 \
		while (!is_set(&stepper->stop))                               \
			shatomic_fetch_and_xor_##suffix(stepper->word, 1);    \
		return NULL;                                                  \
	}                                                                     \
									      \
	static void *step_##suffix(void *arg)                                 \
	{                                                                     \
		struct stepper *stepper = arg;                                \
		type *word = stepper->word, old, now;                         \
		int passes, i;                                                \
									      \
		take_a_cpu();                                                 \
		for (passes = 0; passes < MAX_PASSES &&                       \
		     stepper->turns < ENOUGH_TURNS; passes++)                 \
			pass(suffix, type);                                   \
		set_flag(&stepper->stop);                                     \
		return NULL;                                                  \
	}

DEFINE_STEPPER(u8, uint8_t, PASS_UNSIGNED)
DEFINE_STEPPER(u16, uint16_t, PASS_UNSIGNED)
DEFINE_STEPPER(u32, uint32_t, PASS_UNSIGNED)
DEFINE_STEPPER(u64, uint64_t, PASS_UNSIGNED)
DEFINE_STEPPER(i8, int8_t, PASS)
DEFINE_STEPPER(i16, int16_t, PASS)
DEFINE_STEPPER(i32, int32_t, PASS)
DEFINE_STEPPER(i64, int64_t, PASS)

TEST_F_TIMEOUT(atomicity, no_typed_update_is_lost, 240)
{
	static const struct {
		const char *type;
		void *(*turn)(void *arg);
		void *(*step)(void *arg);
	} types[] = {
#define TYPE(suffix) { #suffix, turn_##suffix, step_##suffix }
		TYPE(u8), TYPE(u16), TYPE(u32), TYPE(u64),
		TYPE(i8), TYPE(i16), TYPE(i32), TYPE(i64),
#undef TYPE
	};
	unsigned int i;

	for (i = 0; i < COUNT_OF(types); i++) {
		struct stepper stepper = { .word = self->memory + LINE };

		run_pair(_metadata, types[i].turn, &stepper, types[i].step,
			 &stepper);
		EXPECT_EQ(0, stepper.lost)
		{
			TH_LOG("%s", types[i].type);
		}
	}
}

TEST_HARNESS_MAIN
