// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows that may run in any order, many of them on few words: memory and results
 * must be what some order of the rows of each word gives.
 */
#include "model.h"

#define ROWS 50000
#define WORDS (1 << 16)
#define HOT_WORDS 40

typedef int run_fn(struct shatomic_region *region, struct shatomic_batch *batch);

/* Operations whose rows can be joined, and two that others are not among. */
static const uint8_t ops[] = {
	SHATOMIC_OP_FETCH_AND_ADD, SHATOMIC_OP_ADD_AND_FETCH,
	SHATOMIC_OP_FETCH_AND_SUB, SHATOMIC_OP_SUB_AND_FETCH,
	SHATOMIC_OP_FETCH_AND_XOR, SHATOMIC_OP_XOR_AND_FETCH,
	SHATOMIC_OP_FETCH_AND_OR, SHATOMIC_OP_OR_AND_FETCH,
	SHATOMIC_OP_FETCH_AND_AND, SHATOMIC_OP_AND_AND_FETCH,
	SHATOMIC_OP_GET_AND_SET,
};

/**
 * struct outcome - What a row did
 * @offset: Its word.
 * @key: What was in the word before the row, or else, when that can't be told,
 *	what was in it afterwards.
 * @operand: Its operand.
 */
struct outcome {
	uint64_t offset;
	uint64_t key;
	uint64_t operand;
};

static int compare_outcomes(const void *a_, const void *b_)
{
	const struct outcome *a = a_, *b = b_;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return a->key < b->key ? -1 : a->key > b->key;
}

/* What was in the word before a row that gives what is in it afterwards. */
static uint64_t before(unsigned int op, uint64_t result, uint64_t operand)
{
	switch (op) {
	case SHATOMIC_OP_ADD_AND_FETCH:
		return result - operand;
	case SHATOMIC_OP_SUB_AND_FETCH:
		return result + operand;
	case SHATOMIC_OP_XOR_AND_FETCH:
		return result ^ operand;
	default:
		return result;
	}
}

static bool only_after_is_known(unsigned int op)
{
	return op == SHATOMIC_OP_OR_AND_FETCH ||
	       op == SHATOMIC_OP_AND_AND_FETCH;
}

/* The first of @count outcomes of a word whose key is @key, or @count. */
static unsigned int find_key(const struct outcome *outcomes, unsigned int count,
			     uint64_t key)
{
	unsigned int low = 0, high = count;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (outcomes[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && outcomes[low].key == key ? low : count;
}

/*
 * Whether some order of the rows of a word leads from @value to @last: those
 * that saw a value all leave it but the one that made the next.
 */
static bool some_order_explains(unsigned int op, const struct outcome *outcomes,
				unsigned int count, uint64_t value,
				uint64_t last)
{
	unsigned int done = 0, i;

	while (done < count) {
		uint64_t next = value;

		i = find_key(outcomes, count, value);
		if (i == count)
			return false;
		for (; i < count && outcomes[i].key == value; i++, done++) {
			uint64_t made = model_update(op, value,
						     outcomes[i].operand);

			if (made != value && next != value)
				return false;
			if (made != value)
				next = made;
		}
		if (next == value)
			break;
		value = next;
	}
	return done == count && value == last;
}

/*
 * The same where only what was there afterwards is known, for operations that
 * make a word only larger, or only smaller: of the rows that left a value, one
 * made it of the value before, and none would have changed it.
 */
static bool growth_explains(unsigned int op, const struct outcome *outcomes,
			    unsigned int count, uint64_t value, uint64_t last)
{
	bool up = op == SHATOMIC_OP_OR_AND_FETCH;
	unsigned int i = 0;

	while (i < count) {
		uint64_t left = outcomes[up ? i : count - 1 - i].key;
		bool made = left == value;

		for (; i < count; i++) {
			const struct outcome *o =
				&outcomes[up ? i : count - 1 - i];

			if (o->key != left)
				break;
			made |= model_update(op, value, o->operand) == left;
			if (model_update(op, left, o->operand) != left)
				return false;
		}
		if (!made)
			return false;
		value = left;
	}
	return value == last;
}

FIXTURE(unordered)
{
	struct shatomic_region *region;
	uint64_t *memory;
	uint64_t *initial;
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *results;
	uint8_t *statuses;
	struct outcome *outcomes;
};

FIXTURE_SETUP(unordered)
{
	unsigned int i;

	seed_random();
	self->region = new_region(WORDS * 8);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
	self->initial = calloc(WORDS, 8);
	self->offsets = calloc(ROWS, 8);
	self->operands = calloc(ROWS, 8);
	self->results = calloc(ROWS, 8);
	self->statuses = calloc(ROWS, 1);
	self->outcomes = calloc(ROWS, sizeof(*self->outcomes));
	for (i = 0; i < ROWS; i++)
		self->offsets[i] = next_random() % 2 ?
					   next_random() % WORDS * 8 :
					   next_random() % HOT_WORDS * 808;
}

FIXTURE_TEARDOWN(unordered)
{
	shatomic_close(self->region);
	free(self->initial);
	free(self->offsets);
	free(self->operands);
	free(self->results);
	free(self->statuses);
	free(self->outcomes);
}

/* Operands by which ands and ors do something for long. */
static void choose_values(FIXTURE_DATA(unordered) *self, unsigned int op)
{
	bool ands = op == SHATOMIC_OP_FETCH_AND_AND ||
		    op == SHATOMIC_OP_AND_AND_FETCH;
	bool ors = op == SHATOMIC_OP_FETCH_AND_OR ||
		   op == SHATOMIC_OP_OR_AND_FETCH;
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		self->initial[i] = ands ? ~0ULL : ors ? 0 : next_random();
		self->memory[i] = self->initial[i];
	}
	for (i = 0; i < ROWS; i++) {
		uint64_t value = next_random();

		if (ands || ors)
			value = 1ULL << value % 64 | 1ULL << (value >> 8) % 64;
		self->operands[i] = ands ? ~value : value;
	}
}

static void check_words(struct __test_metadata *_metadata,
			FIXTURE_DATA(unordered) *self, unsigned int op,
			const uint64_t *operands, const uint64_t *results)
{
	unsigned int i, end;

	for (i = 0; i < ROWS; i++) {
		self->outcomes[i] = (struct outcome) {
			self->offsets[i], before(op, results[i], operands[i]),
			operands[i],
		};
	}
	qsort(self->outcomes, ROWS, sizeof(*self->outcomes), compare_outcomes);
	for (i = 0; i < ROWS; i = end) {
		uint64_t offset = self->outcomes[i].offset;
		uint64_t word = offset / 8;

		for (end = i; end < ROWS; end++) {
			if (self->outcomes[end].offset != offset)
				break;
		}
		ASSERT_TRUE((only_after_is_known(op) ? growth_explains :
						       some_order_explains)(
			op, &self->outcomes[i], end - i, self->initial[word],
			self->memory[word]))
			TH_LOG("op %u, word %llu, %u rows", op,
			       (unsigned long long)word, end - i);
		self->initial[word] = self->memory[word];
	}
	/* What no row is on is as it was. */
	EXPECT_EQ(0, memcmp(self->initial, self->memory, WORDS * 8));
}

static void run_all(struct __test_metadata *_metadata,
		    FIXTURE_DATA(unordered) *self, run_fn *run, bool in_place)
{
	struct shatomic_batch batch = {
		.width = 8, .rows = ROWS, .flags = SHATOMIC_BATCH_UNORDERED,
		.offsets = self->offsets, .operands = self->operands,
		.results = in_place ? self->operands : self->results,
		.statuses = self->statuses,
	};
	uint64_t *operands = malloc(ROWS * 8);
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(ops); i++) {
		choose_values(self, ops[i]);
		memcpy(operands, self->operands, ROWS * 8);
		memset(self->statuses, 0, ROWS);
		batch.op = ops[i];
		ASSERT_EQ(0, run(self->region, &batch))
			TH_LOG("%s", shatomic_error());
		EXPECT_EQ(ROWS, batch.rows_done);
		for (j = 0; j < ROWS; j++)
			ASSERT_EQ(SHATOMIC_ROW_DONE, self->statuses[j]);
		check_words(_metadata, self, ops[i], operands, batch.results);
	}
	free(operands);
}

TEST_F_TIMEOUT(unordered, by_the_backend, 120)
{
	run_all(_metadata, self, shatomic_batch_run, false);
}

TEST_F_TIMEOUT(unordered, in_this_process, 120)
{
	run_all(_metadata, self, shatomic_batch_run_local, false);
}

TEST_F_TIMEOUT(unordered, results_in_place_of_operands, 120)
{
	run_all(_metadata, self, shatomic_batch_run, true);
	run_all(_metadata, self, shatomic_batch_run_local, true);
}

/* Without results only the sum can be seen. */
TEST_F_TIMEOUT(unordered, without_results, 120)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = ROWS,
		.flags = SHATOMIC_BATCH_UNORDERED,
		.offsets = self->offsets, .operands = self->operands,
	};
	unsigned int i;

	choose_values(self, batch.op);
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	for (i = 0; i < ROWS; i++)
		self->initial[self->offsets[i] / 8] += self->operands[i];
	EXPECT_EQ(0, memcmp(self->initial, self->memory, WORDS * 8));
}

TEST_HARNESS_MAIN
