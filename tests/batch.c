// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches, on the backend of SHATOMIC_BACKEND: every operation at every width
 * against a model written without the engine, order when CPUs share a batch,
 * and what is refused.
 */
#include "common.h"
#include "model.h"

#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>

#define REGION_BYTES 4096
#define MAX_ROWS 4200

/* shatomic_batch_run() or shatomic_batch_run_local(). */
typedef int run_fn(struct shatomic_region *region, struct shatomic_batch *batch);

FIXTURE(batch)
{
	struct shatomic_region *region;
	struct shatomic_region *peer;
	unsigned char *memory;
	unsigned char *peer_memory;
	unsigned char model[REGION_BYTES];
	unsigned char peer_model[REGION_BYTES];
	uint8_t ops[MAX_ROWS];
	uint8_t widths[MAX_ROWS];
	uint64_t offsets[MAX_ROWS];
	uint64_t operands[MAX_ROWS];
	uint64_t comparands[MAX_ROWS];
	uint64_t masks[MAX_ROWS];
	uint64_t comparand_masks[MAX_ROWS];
	uint64_t results[MAX_ROWS];
	uint8_t statuses[MAX_ROWS];
	uint32_t peer_indexes[MAX_ROWS];
	uint64_t peer_offsets[MAX_ROWS];
};

static void fill_random(FIXTURE_DATA(batch) *self, unsigned int rows,
			unsigned int words)
{
	unsigned int i;

	for (i = 0; i < REGION_BYTES; i += 8) {
		store_word(self->model + i, 8, interesting_value());
		store_word(self->peer_model + i, 8, interesting_value());
	}
	memcpy(self->memory, self->model, REGION_BYTES);
	memcpy(self->peer_memory, self->peer_model, REGION_BYTES);

	for (i = 0; i < rows; i++) {
		unsigned int op = next_random() % SHATOMIC_OP_COUNT;
		unsigned int width =
			all_widths[next_random() % COUNT_OF(all_widths)];

		self->ops[i] = op;
		self->widths[i] = width;
		self->offsets[i] = random_offset(words, width);
		self->peer_offsets[i] = random_offset(words, width);
		self->peer_indexes[i] = next_random() % 2;
		self->operands[i] = operand_for(op, width, interesting_value());
		self->comparands[i] = interesting_value();
		self->masks[i] = interesting_value();
		self->comparand_masks[i] = interesting_value();
	}
	memset(self->results, 0xa5, sizeof(self->results));
	memset(self->statuses, 0xa5, sizeof(self->statuses));
}

FIXTURE_SETUP(batch)
{
	seed_random();
	self->region = new_region(REGION_BYTES);
	self->peer = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	ASSERT_NE(NULL, self->peer);
	self->memory = shatomic_buf(self->region, NULL);
	self->peer_memory = shatomic_buf(self->peer, NULL);
}

FIXTURE_TEARDOWN(batch)
{
	shatomic_close(self->region);
	shatomic_close(self->peer);
}

static bool has_peer(unsigned int op)
{
	return op == SHATOMIC_OP_STORE || op == SHATOMIC_OP_COMPARE_AND_SET;
}

/* Whether rows of this operation, or of the column's when ~0, need peers. */
static bool need_peers(FIXTURE_DATA(batch) *self, unsigned int op,
		       unsigned int rows)
{
	unsigned int i;

	if (op != ~0U)
		return has_peer(op);
	for (i = 0; i < rows && !has_peer(self->ops[i]); i++)
		;
	return i < rows;
}

/*
 * Run rows of one width and operation when they are not 0 and ~0, else of the
 * columns; compare every result, status and byte with the model's. Rows that
 * need no peers have none half of the times.
 */
static void run_and_compare(struct __test_metadata *_metadata,
			    FIXTURE_DATA(batch) *self, unsigned int op,
			    unsigned int width, unsigned int rows, run_fn *run)
{
	struct shatomic_region *peers[] = { self->peer, self->region };
	unsigned char *peer_models[] = { self->peer_model, self->model };
	struct shatomic_batch batch = {
		.op = op == ~0U ? 0 : op,
		.width = width,
		.rows = rows,
		.ops = op == ~0U ? self->ops : NULL,
		.widths = width ? NULL : self->widths,
		.offsets = self->offsets,
		.operands = self->operands,
		.comparands = self->comparands,
		.masks = self->masks,
		.comparand_masks = self->comparand_masks,
		.results = self->results,
		.statuses = self->statuses,
		.peers = peers,
		.peer_indexes = self->peer_indexes,
		.peer_offsets = self->peer_offsets,
		.peer_count = 2,
	};
	unsigned int i;

	if (!need_peers(self, op, rows) && next_random() % 2) {
		batch.peers = NULL;
		batch.peer_indexes = NULL;
		batch.peer_offsets = NULL;
		batch.peer_count = 0;
	}
	ASSERT_EQ(0, run(self->region, &batch))
	{
		TH_LOG("op %d width %u: %s", (int)op, width, shatomic_error());
	}
	ASSERT_EQ(rows, batch.rows_done);
	ASSERT_EQ(UINT64_MAX, batch.error_row);

	for (i = 0; i < rows; i++) {
		unsigned int row_op = op == ~0U ? self->ops[i] : op;
		unsigned int row_width = width ? width : self->widths[i];
		const struct model_values values = {
			self->operands[i], self->comparands[i], self->masks[i],
			self->comparand_masks[i],
		};
		uint64_t result;
		uint8_t status;

		model_row(row_op, row_width, self->model + self->offsets[i],
			  peer_models[self->peer_indexes[i]] +
				  self->peer_offsets[i],
			  &values, &result, &status);
		ASSERT_EQ(result, self->results[i])
		{
			TH_LOG("row %u op %u width %u", i, row_op, row_width);
		}
		ASSERT_EQ(status, self->statuses[i]);
	}
	ASSERT_EQ(0, memcmp(self->memory, self->model, REGION_BYTES));
	ASSERT_EQ(0, memcmp(self->peer_memory, self->peer_model, REGION_BYTES));
}

/* Make all rows fit one operation, when it is not ~0, and one width. */
static void fit_to(FIXTURE_DATA(batch) *self, unsigned int rows,
		   unsigned int op, unsigned int width)
{
	unsigned int i;

	for (i = 0; i < rows; i++) {
		self->offsets[i] -= self->offsets[i] % 8;
		self->offsets[i] += random_offset(1, width);
		self->peer_offsets[i] -= self->peer_offsets[i] % 8;
		self->peer_offsets[i] += random_offset(1, width);
		self->operands[i] = operand_for(op == ~0U ? self->ops[i] : op,
						width, self->operands[i]);
	}
}

static void each_op_at_each_width(struct __test_metadata *_metadata,
				  FIXTURE_DATA(batch) *self, run_fn *run)
{
	unsigned int op, i;

	for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
		for (i = 0; i < COUNT_OF(all_widths); i++) {
			fill_random(self, 300, 64);
			fit_to(self, 300, op, all_widths[i]);
			run_and_compare(_metadata, self, op, all_widths[i], 300,
					run);
		}
	}
}

TEST_F(batch, each_op_at_each_width)
{
	each_op_at_each_width(_metadata, self, shatomic_batch_run);
}

TEST_F(batch, each_op_at_each_width_local)
{
	each_op_at_each_width(_metadata, self, shatomic_batch_run_local);
}

TEST_F(batch, mixed_ops_and_widths)
{
	unsigned int round;

	for (round = 0; round < 20; round++) {
		fill_random(self, MAX_ROWS, 1 + next_random() % 512);
		run_and_compare(_metadata, self, ~0U, 0, MAX_ROWS,
				shatomic_batch_run);
		fill_random(self, MAX_ROWS, 1 + next_random() % 512);
		run_and_compare(_metadata, self, ~0U, 0, MAX_ROWS,
				shatomic_batch_run_local);
	}
}

TEST_F(batch, mixed_ops_of_one_width)
{
	fill_random(self, MAX_ROWS, 4);
	fit_to(self, MAX_ROWS, ~0U, 4);
	run_and_compare(_metadata, self, ~0U, 4, MAX_ROWS, shatomic_batch_run);
}

TEST_F(batch, one_op_of_mixed_widths)
{
	fill_random(self, MAX_ROWS, 4);
	run_and_compare(_metadata, self, SHATOMIC_OP_FETCH_AND_NAND, 0, MAX_ROWS,
			shatomic_batch_run);
}

static void replace_peer_ops(FIXTURE_DATA(batch) *self)
{
	unsigned int i;

	for (i = 0; i < MAX_ROWS; i++) {
		if (has_peer(self->ops[i]))
			self->ops[i] = SHATOMIC_OP_GET;
	}
}

/* Counts around those at which rows are cut into chunks, or kept. */
TEST_F(batch, counts_at_chunk_edges)
{
	static const unsigned int counts[] = { 1, 2, 127, 128, 129, 255, 256,
					       257, 511, 512, 513, 4095, 4096,
					       4097 };
	static const struct {
		unsigned int op, width;
		bool peers;
	} kinds[] = {
		{ ~0U, 0, true },
		{ ~0U, 0, false },
		{ SHATOMIC_OP_FETCH_AND_ADD, 8, false },
		{ SHATOMIC_OP_FETCH_AND_ADD, 3, false },
	};
	unsigned int i;

	for (i = 0; i < 8 * COUNT_OF(counts); i++) {
		unsigned int rows = counts[i / 8];
		unsigned int op = kinds[i % 4].op, width = kinds[i % 4].width;

		fill_random(self, rows, 8);
		if (!kinds[i % 4].peers)
			replace_peer_ops(self);
		if (width)
			fit_to(self, rows, op, width);
		run_and_compare(_metadata, self, op, width, rows,
				shatomic_batch_run);
		ASSERT_EQ(0xa5, self->statuses[rows]);
		ASSERT_EQ(0xa5a5a5a5a5a5a5a5, self->results[rows]);
	}
}

TEST_F(batch, no_rows)
{
	struct shatomic_batch batch = { .op = SHATOMIC_OP_GET, .width = 8 };

	EXPECT_EQ(0, shatomic_batch_run(self->region, &batch));
	EXPECT_EQ(0, batch.rows_done);
}

TEST_F(batch, results_in_place_of_operands)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = MAX_ROWS,
		.offsets = self->offsets, .operands = self->operands,
		.results = self->operands,
	};
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < MAX_ROWS; i++) {
		self->offsets[i] = 16;
		self->operands[i] = i;
	}
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	for (i = 0; i < MAX_ROWS; i++) {
		ASSERT_EQ(sum, self->operands[i]);
		sum += i;
	}
	EXPECT_EQ(sum, load_word(self->memory + 16, 8));
}

TEST_F(batch, one_peer_needs_no_indexes)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 8, .rows = 2,
		.offsets = self->offsets, .peers = &self->peer,
		.peer_count = 1, .peer_offsets = self->peer_offsets,
	};

	self->offsets[0] = 0;
	self->offsets[1] = 8;
	self->peer_offsets[0] = 24;
	self->peer_offsets[1] = 16;
	store_word(self->peer_memory + 24, 8, 11);
	store_word(self->peer_memory + 16, 8, 22);
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	EXPECT_EQ(11, load_word(self->memory, 8));
	EXPECT_EQ(22, load_word(self->memory + 8, 8));
}

/* A word that is its own peer equals itself, whatever is in it. */
TEST_F(batch, a_word_may_be_its_own_peer)
{
	uint64_t value = 0x8081828384858687;
	unsigned int i;

	for (i = 0; i < COUNT_OF(all_widths); i++) {
		unsigned int width = all_widths[i];
		struct shatomic_batch batch = {
			.op = SHATOMIC_OP_COMPARE_AND_SET, .width = width,
			.rows = 1, .offsets = self->offsets,
			.operands = self->operands, .results = self->results,
			.statuses = self->statuses, .peers = &self->region,
			.peer_offsets = self->offsets, .peer_count = 1,
		};

		self->offsets[0] = 8;
		self->operands[0] = value;
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		EXPECT_EQ(1, self->results[0]);
		EXPECT_EQ(SHATOMIC_ROW_DONE, self->statuses[0]);
		EXPECT_EQ(value & width_mask(width),
			  load_word(self->memory + 8, width));

		batch.op = SHATOMIC_OP_STORE;
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		EXPECT_EQ(value & width_mask(width), self->results[0]);
		EXPECT_EQ(value & width_mask(width),
			  load_word(self->memory + 8, width));
		value = ~value;
	}
}

/* Some machines fault where one that is not aligned is taken for an integer. */
TEST_F(batch, a_peer_need_not_be_aligned)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_COMPARE_AND_SET, .rows = 1,
		.offsets = self->offsets, .operands = self->operands,
		.results = self->results, .peers = &self->peer,
		.peer_offsets = self->peer_offsets, .peer_count = 1,
	};
	unsigned int width;

	self->offsets[0] = 8;
	for (width = 2; width <= 4; width += 2) {
		batch.width = width;
		batch.op = SHATOMIC_OP_COMPARE_AND_SET;
		self->peer_offsets[0] = 8 - width - 1;
		self->operands[0] = 0x1234;
		store_word(self->memory + 8, width, 0x77);
		store_word(self->peer_memory + 8 - width - 1, width, 0x55);
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		EXPECT_EQ(0, self->results[0]);
		EXPECT_EQ(0x77, load_word(self->peer_memory + 8 - width - 1,
					  width));
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		EXPECT_EQ(1, self->results[0]);
		EXPECT_EQ(0x1234, load_word(self->memory + 8, width));

		batch.op = SHATOMIC_OP_STORE;
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		EXPECT_EQ(0x77, load_word(self->memory + 8, width));
	}
}

/* A table as large as it may be, whose last entry is unlike the others. */
TEST_F(batch, as_many_peers_as_may_be)
{
	static const uint32_t counts[] = { 32, 33, SHATOMIC_MAX_PEERS };
	struct shatomic_region *peers[SHATOMIC_MAX_PEERS];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 8, .rows = 3,
		.offsets = self->offsets, .results = self->results,
		.peers = peers, .peer_indexes = self->peer_indexes,
		.peer_offsets = self->peer_offsets,
	};
	unsigned int i, j;

	store_word(self->peer_memory + 40, 8, 11);
	store_word(self->memory + 40, 8, 22);
	for (i = 0; i < 3; i++) {
		self->offsets[i] = 8 * i;
		self->peer_offsets[i] = 40;
	}
	for (i = 0; i < COUNT_OF(counts); i++) {
		for (j = 0; j < counts[i] - 1; j++)
			peers[j] = self->peer;
		peers[j] = self->region;
		batch.peer_count = counts[i];
		self->peer_indexes[0] = 0;
		self->peer_indexes[1] = j;
		self->peer_indexes[2] = j - 1;
		memset(self->memory, 0, 24);
		ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
		EXPECT_EQ(11, load_word(self->memory, 8));
		EXPECT_EQ(22, load_word(self->memory + 8, 8));
		EXPECT_EQ(11, load_word(self->memory + 16, 8));

		self->peer_indexes[2] = counts[i];
		EXPECT_EQ(-EINVAL, shatomic_batch_run(self->region, &batch));
		EXPECT_EQ(SHATOMIC_FIELD_PEER_INDEXES, batch.error_field);
		EXPECT_EQ(2, batch.error_row);
	}
}

struct bad_batch {
	const char *what;
	int err;
	unsigned int field;
	uint64_t row;
	/* Turns a good batch of 3 rows of fetch_and_add into a bad one. */
	void (*spoil)(FIXTURE_DATA(batch) *self,
		      struct shatomic_batch *batch);
};

#define SPOIL(name, code)                                                     \
	static void name(FIXTURE_DATA(batch) *self,                       \
			 struct shatomic_batch *batch)                        \
	{                                                                     \
		(void)self;                                                   \
		(void)batch;                                                  \
		code;                                                         \
	}

SPOIL(outside, self->offsets[1] = REGION_BYTES)
SPOIL(straddles_end, self->offsets[2] = REGION_BYTES - 4)
SPOIL(overflows, self->offsets[2] = UINT64_MAX)
SPOIL(overflows_aligned, self->offsets[2] = UINT64_MAX - 7)
SPOIL(misaligned, self->offsets[1] = 4)
SPOIL(odd, self->offsets[0] = 1)
SPOIL(no_width, batch->width = 0)
SPOIL(crosses_words, batch->width = 3; self->offsets[1] = 6)
SPOIL(width_9, batch->width = 9)
SPOIL(misaligned_16, batch->width = 16)
SPOIL(width_16_of_a_row, batch->width = 0; batch->widths = self->widths;
      self->widths[1] = 16)
SPOIL(width_17, batch->width = 17)
SPOIL(width_huge, batch->width = UINT32_MAX)
SPOIL(width_column_0, batch->width = 0; batch->widths = self->widths;
      self->widths[1] = 0)
SPOIL(width_column_255, batch->width = 0; batch->widths = self->widths;
      self->widths[2] = 255)
SPOIL(width_twice, batch->widths = self->widths)
SPOIL(op_unknown, batch->op = SHATOMIC_OP_COUNT)
SPOIL(op_huge, batch->op = UINT32_MAX)
SPOIL(op_column, batch->op = 0; batch->ops = self->ops; self->ops[2] = 200)
SPOIL(op_twice, batch->ops = self->ops)
SPOIL(flags, batch->flags = 1U << 31)
SPOIL(no_offsets, batch->offsets = NULL)
SPOIL(no_operands, batch->operands = NULL)
SPOIL(no_operands_in_row, batch->op = 0; batch->ops = self->ops;
      batch->operands = NULL; self->ops[0] = SHATOMIC_OP_GET)
SPOIL(no_comparands, batch->op = SHATOMIC_OP_COMPARE_AND_SET_VALUE)
SPOIL(no_masks, batch->op = SHATOMIC_OP_MASKED_GET_AND_SET)
SPOIL(no_comparand_masks,
      batch->op = SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE;
      batch->comparands = self->comparands; batch->masks = self->masks)
SPOIL(bit_outside, batch->op = SHATOMIC_OP_TEST_AND_SET_BIT;
      batch->width = 3; self->operands[0] = 23; self->operands[1] = 0;
      self->operands[2] = 24)
SPOIL(bit_huge, batch->op = 0; batch->ops = self->ops;
      self->ops[1] = SHATOMIC_OP_TEST_AND_CLEAR_BIT;
      self->operands[1] = UINT64_MAX)
SPOIL(no_peers, batch->op = SHATOMIC_OP_STORE;
      batch->peer_offsets = self->peer_offsets)
SPOIL(no_peer_offsets, batch->op = SHATOMIC_OP_STORE;
      batch->peers = &self->peer; batch->peer_count = 1)
SPOIL(peer_outside, batch->op = SHATOMIC_OP_STORE;
      batch->peers = &self->peer; batch->peer_count = 1;
      batch->peer_offsets = self->peer_offsets;
      self->peer_offsets[2] = REGION_BYTES)
SPOIL(peer_misaligned, batch->op = SHATOMIC_OP_STORE;
      batch->peers = &self->peer; batch->peer_count = 1;
      batch->peer_offsets = self->peer_offsets; self->peer_offsets[1] = 12)
SPOIL(peer_index, batch->op = SHATOMIC_OP_STORE;
      batch->peers = &self->peer; batch->peer_count = 1;
      batch->peer_offsets = self->peer_offsets;
      batch->peer_indexes = self->peer_indexes; self->peer_indexes[1] = 1)
SPOIL(no_peer_indexes, static struct shatomic_region *two[2];
      two[0] = self->peer; two[1] = self->region;
      batch->op = SHATOMIC_OP_STORE; batch->peers = two;
      batch->peer_count = 2; batch->peer_offsets = self->peer_offsets)
SPOIL(peer_indexes_huge, batch->op = SHATOMIC_OP_STORE;
      batch->peers = &self->peer; batch->peer_count = 1;
      batch->peer_offsets = self->peer_offsets;
      batch->peer_indexes = self->peer_indexes;
      self->peer_indexes[0] = UINT32_MAX)
SPOIL(peers_null, batch->peer_count = 1)
SPOIL(peer_null, static struct shatomic_region *none;
      batch->peers = &none; batch->peer_count = 1)
SPOIL(too_many_peers, batch->peers = &self->peer;
      batch->peer_count = SHATOMIC_MAX_PEERS + 1)

static const struct bad_batch bad_batches[] = {
#define ROW(name, err, field, row) { #name, err, SHATOMIC_FIELD_##field, row, name }
	ROW(outside, -ERANGE, OFFSETS, 1),
	ROW(straddles_end, -ERANGE, OFFSETS, 2),
	ROW(overflows, -ERANGE, OFFSETS, 2),
	ROW(overflows_aligned, -ERANGE, OFFSETS, 2),
	ROW(misaligned, -EINVAL, OFFSETS, 1),
	ROW(odd, -EINVAL, OFFSETS, 0),
	ROW(no_width, -EINVAL, WIDTH, UINT64_MAX),
	ROW(crosses_words, -EINVAL, OFFSETS, 1),
	ROW(width_9, -EINVAL, WIDTH, UINT64_MAX),
	ROW(misaligned_16, -EINVAL, OFFSETS, 1),
	ROW(width_16_of_a_row, -EINVAL, WIDTH, 1),
	ROW(width_17, -EINVAL, WIDTH, UINT64_MAX),
	ROW(width_huge, -EINVAL, WIDTH, UINT64_MAX),
	ROW(width_column_0, -EINVAL, WIDTH, 1),
	ROW(width_column_255, -EINVAL, WIDTH, 2),
	ROW(width_twice, -EINVAL, WIDTH, UINT64_MAX),
	ROW(op_unknown, -EOPNOTSUPP, OP, UINT64_MAX),
	ROW(op_huge, -EOPNOTSUPP, OP, UINT64_MAX),
	ROW(op_column, -EOPNOTSUPP, OP, 2),
	ROW(op_twice, -EINVAL, OP, UINT64_MAX),
	ROW(flags, -EOPNOTSUPP, FLAGS, UINT64_MAX),
	ROW(no_offsets, -EINVAL, OFFSETS, UINT64_MAX),
	ROW(no_operands, -EINVAL, OPERANDS, UINT64_MAX),
	ROW(no_operands_in_row, -EINVAL, OPERANDS, 1),
	ROW(no_comparands, -EINVAL, COMPARANDS, UINT64_MAX),
	ROW(no_masks, -EINVAL, MASKS, UINT64_MAX),
	ROW(no_comparand_masks, -EINVAL, COMPARAND_MASKS, UINT64_MAX),
	ROW(bit_outside, -EINVAL, OPERANDS, 2),
	ROW(bit_huge, -EINVAL, OPERANDS, 1),
	ROW(no_peers, -EINVAL, PEERS, UINT64_MAX),
	ROW(no_peer_offsets, -EINVAL, PEER_OFFSETS, UINT64_MAX),
	ROW(peer_outside, -ERANGE, PEER_OFFSETS, 2),
	ROW(peer_misaligned, -EINVAL, PEER_OFFSETS, 1),
	ROW(peer_index, -EINVAL, PEER_INDEXES, 1),
	ROW(no_peer_indexes, -EINVAL, PEER_INDEXES, UINT64_MAX),
	ROW(peer_indexes_huge, -EINVAL, PEER_INDEXES, 0),
	ROW(peers_null, -EINVAL, PEERS, UINT64_MAX),
	ROW(peer_null, -EINVAL, PEERS, UINT64_MAX),
	ROW(too_many_peers, -EINVAL, PEERS, UINT64_MAX),
#undef ROW
};

static void expect_refused(struct __test_metadata *_metadata,
			   FIXTURE_DATA(batch) *self,
			   const struct bad_batch *bad, run_fn *run)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = 3,
		.offsets = self->offsets, .operands = self->operands,
		.results = self->results, .statuses = self->statuses,
	};
	uint64_t results_before;
	unsigned int i;

	fill_random(self, 3, 64);
	for (i = 0; i < 3; i++) {
		self->ops[i] = SHATOMIC_OP_FETCH_AND_ADD;
		self->widths[i] = 8;
		self->offsets[i] = self->peer_offsets[i] = 8 * i;
		self->operands[i] = 1;
		self->peer_indexes[i] = 0;
	}
	results_before = self->results[0];
	bad->spoil(self, &batch);

	EXPECT_EQ(bad->err, run(self->region, &batch))
	{
		TH_LOG("%s: %s", bad->what, shatomic_error());
	}
	EXPECT_EQ(bad->field, batch.error_field)
	{
		TH_LOG("%s: %s", bad->what, shatomic_error());
	}
	EXPECT_EQ(bad->row, batch.error_row)
	{
		TH_LOG("%s", bad->what);
	}
	EXPECT_EQ(0, batch.rows_done);
	EXPECT_NE('\0', shatomic_error()[0]);
	EXPECT_EQ(results_before, self->results[0]);
	EXPECT_EQ(0xa5, self->statuses[0]);
	EXPECT_EQ(0, memcmp(self->memory, self->model, REGION_BYTES))
	{
		TH_LOG("%s changed the region", bad->what);
	}
}

TEST_F(batch, bad_batches_are_refused_whole)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(bad_batches); i++) {
		expect_refused(_metadata, self, &bad_batches[i],
			       shatomic_batch_run);
		expect_refused(_metadata, self, &bad_batches[i],
			       shatomic_batch_run_local);
	}
}

/* Where size - width would wrap round. */
TEST(a_word_wider_than_its_region)
{
	static const uint64_t offsets[] = { 0, 8, 4096, UINT64_MAX - 7 };
	struct shatomic_region *region = new_region(4);
	uint64_t result = 7;
	unsigned int i;

	ASSERT_NE(NULL, region);
	for (i = 0; i < COUNT_OF(offsets); i++) {
		struct shatomic_batch batch = {
			.op = SHATOMIC_OP_GET, .width = 8, .rows = 1,
			.offsets = &offsets[i], .results = &result,
		};

		EXPECT_EQ(-ERANGE, shatomic_batch_run(region, &batch));
		EXPECT_EQ(SHATOMIC_FIELD_OFFSETS, batch.error_field);
		EXPECT_EQ(7, result);
	}
	shatomic_close(region);
}

TEST_F(batch, null_arguments)
{
	struct shatomic_batch batch = { .op = SHATOMIC_OP_GET, .width = 8 };

	EXPECT_EQ(-EINVAL, shatomic_batch_run(NULL, &batch));
	EXPECT_EQ(-EINVAL, shatomic_batch_run(self->region, NULL));
	EXPECT_EQ(-EINVAL, shatomic_batch_run_local(NULL, &batch));
	EXPECT_EQ(-EINVAL, shatomic_batch_run_local(self->region, NULL));
}

/* Big enough to be shared between CPUs. */
#define BIG_ROWS 50000
#define BIG_WORDS 512

FIXTURE(big)
{
	struct shatomic_region *region;
	uint64_t *memory;
	uint8_t *ops;
	uint8_t *widths;
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *comparands;
	uint64_t *masks;
	uint64_t *comparand_masks;
	uint64_t *results[2];
	uint64_t after[2][BIG_WORDS];
};

FIXTURE_SETUP(big)
{
	unsigned int i;

	seed_random();
	self->region = new_region(BIG_WORDS * 8);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
	self->ops = calloc(BIG_ROWS, 1);
	self->widths = calloc(BIG_ROWS, 1);
	self->offsets = calloc(BIG_ROWS, 8);
	self->operands = calloc(BIG_ROWS, 8);
	self->comparands = calloc(BIG_ROWS, 8);
	self->masks = calloc(BIG_ROWS, 8);
	self->comparand_masks = calloc(BIG_ROWS, 8);
	self->results[0] = calloc(BIG_ROWS, 8);
	self->results[1] = calloc(BIG_ROWS, 8);
	for (i = 0; i < BIG_ROWS; i++) {
		do {
			self->ops[i] = next_random() % SHATOMIC_OP_COUNT;
		} while (shatomic_op_needs(self->ops[i]) & SHATOMIC_NEEDS_PEER);
		self->widths[i] =
			all_widths[next_random() % COUNT_OF(all_widths)];
		/* Half of the rows meet on one word, in all of its parts. */
		self->offsets[i] = random_offset(1, self->widths[i]);
		if (next_random() % 2)
			self->offsets[i] += next_random() % BIG_WORDS * 8;
		self->operands[i] = operand_for(self->ops[i], self->widths[i],
						interesting_value());
		self->comparands[i] = interesting_value();
		self->masks[i] = interesting_value();
		self->comparand_masks[i] = interesting_value();
	}
}

FIXTURE_TEARDOWN(big)
{
	shatomic_close(self->region);
	free(self->ops);
	free(self->widths);
	free(self->offsets);
	free(self->operands);
	free(self->comparands);
	free(self->masks);
	free(self->comparand_masks);
	free(self->results[0]);
	free(self->results[1]);
}

static void run_big(struct __test_metadata *_metadata,
		    FIXTURE_DATA(big) *self, unsigned int to,
		    unsigned int parallelism, struct shatomic_batch batch,
		    run_fn *run)
{
	memset(self->memory, 0, BIG_WORDS * 8);
	batch.rows = BIG_ROWS;
	batch.offsets = self->offsets;
	batch.operands = self->operands;
	batch.comparands = self->comparands;
	batch.masks = self->masks;
	batch.comparand_masks = self->comparand_masks;
	batch.parallelism = parallelism;
	ASSERT_EQ(0, run(self->region, &batch))
	{
		TH_LOG("%s", shatomic_error());
	}
	ASSERT_EQ(BIG_ROWS, batch.rows_done);
	memcpy(self->after[to], self->memory, BIG_WORDS * 8);
}

/* Make all offsets those of whole words. */
static void align_big(FIXTURE_DATA(big) *self)
{
	unsigned int i;

	for (i = 0; i < BIG_ROWS; i++)
		self->offsets[i] &= ~7ULL;
}

static const unsigned int parallelisms[] = { 0, 2, 7, UINT32_MAX };

/* Memory and results do not depend on how many CPUs share the batch. */
TEST_F_TIMEOUT(big, parallelism_changes_nothing, 120)
{
	struct shatomic_batch batch = { .ops = self->ops,
					.widths = self->widths };
	unsigned int i;

	batch.results = self->results[0];
	run_big(_metadata, self, 0, 1, batch, shatomic_batch_run);
	batch.results = self->results[1];
	for (i = 0; i < COUNT_OF(parallelisms); i++) {
		memset(self->results[1], 0xa5, BIG_ROWS * 8);
		run_big(_metadata, self, 1, parallelisms[i], batch,
			shatomic_batch_run);
		EXPECT_EQ(0, memcmp(self->after[0], self->after[1],
				    sizeof(self->after[0])));
		EXPECT_EQ(0, memcmp(self->results[0], self->results[1],
				    BIG_ROWS * 8));
		run_big(_metadata, self, 1, parallelisms[i], batch,
			shatomic_batch_run_local);
		EXPECT_EQ(0, memcmp(self->after[0], self->after[1],
				    sizeof(self->after[0])));
		EXPECT_EQ(0, memcmp(self->results[0], self->results[1],
				    BIG_ROWS * 8));
	}
}

/* Nor do statuses; nor results that go where the operands were. */
TEST_F_TIMEOUT(big, parallelism_keeps_statuses_and_places, 120)
{
	static run_fn *const runs[] = { shatomic_batch_run,
					shatomic_batch_run_local };
	struct shatomic_batch batch = { .ops = self->ops,
					.widths = self->widths };
	uint8_t *statuses[2] = { calloc(BIG_ROWS, 1), calloc(BIG_ROWS, 1) };
	uint64_t *operands = calloc(BIG_ROWS, 8), failed = 0;
	unsigned int i, j;

	memcpy(operands, self->operands, BIG_ROWS * 8);
	batch.results = self->results[0];
	batch.statuses = statuses[0];
	run_big(_metadata, self, 0, 1, batch, shatomic_batch_run);
	for (i = 0; i < BIG_ROWS; i++) {
		if (statuses[0][i] == SHATOMIC_ROW_COMPARE_FAILED)
			failed++;
		else
			ASSERT_EQ(SHATOMIC_ROW_DONE, statuses[0][i]);
	}
	/* Some 1 in 16 rows compare, and most of these in vain. */
	EXPECT_LT(BIG_ROWS / 100, failed);

	batch.statuses = statuses[1];
	for (i = 0; i < COUNT_OF(parallelisms); i++) {
		for (j = 0; j < COUNT_OF(runs); j++) {
			memcpy(self->operands, operands, BIG_ROWS * 8);
			memset(statuses[1], 0xa5, BIG_ROWS);
			batch.results = self->operands;
			run_big(_metadata, self, 1, parallelisms[i], batch,
				runs[j]);
			EXPECT_EQ(0, memcmp(self->after[0], self->after[1],
					    sizeof(self->after[0])));
			EXPECT_EQ(0, memcmp(self->results[0], self->operands,
					    BIG_ROWS * 8));
			EXPECT_EQ(0, memcmp(statuses[0], statuses[1],
					    BIG_ROWS));
		}
	}
	free(operands);
	free(statuses[0]);
	free(statuses[1]);
}

/* Nor where the order can't be seen and slices are used. */
TEST_F_TIMEOUT(big, commuting_rows_in_slices, 120)
{
	struct shatomic_batch batch = { .op = SHATOMIC_OP_FETCH_AND_ADD,
					.width = 8 };
	unsigned int i;

	align_big(self);
	run_big(_metadata, self, 0, 1, batch, shatomic_batch_run);
	for (i = 0; i < COUNT_OF(parallelisms); i++) {
		run_big(_metadata, self, 1, parallelisms[i], batch,
			shatomic_batch_run);
		EXPECT_EQ(0, memcmp(self->after[0], self->after[1],
				    sizeof(self->after[0])));
	}
}

/*
 * One operation without results leaves the memory that row order leaves: in
 * whole words, where only the order of what does not commute counts, and in
 * fields that overlap.
 */
static void one_op_without_results(struct __test_metadata *_metadata,
				   FIXTURE_DATA(big) *self, unsigned int op,
				   unsigned int width)
{
	struct shatomic_batch batch = { .op = op, .width = width };
	unsigned int i;

	for (i = 0; i < BIG_ROWS; i++) {
		self->offsets[i] -= self->offsets[i] % 8;
		self->offsets[i] += random_offset(1, width);
		self->operands[i] = operand_for(op, width, self->operands[i]);
	}
	run_big(_metadata, self, 0, 1, batch, shatomic_batch_run);
	run_big(_metadata, self, 1, 0, batch, shatomic_batch_run);
	EXPECT_EQ(0, memcmp(self->after[0], self->after[1],
			    sizeof(self->after[0])))
	{
		TH_LOG("%s of width %u", shatomic_op_name(op), width);
	}
	run_big(_metadata, self, 1, 0, batch, shatomic_batch_run_local);
	EXPECT_EQ(0, memcmp(self->after[0], self->after[1],
			    sizeof(self->after[0])))
	{
		TH_LOG("%s of width %u, local", shatomic_op_name(op), width);
	}
}

TEST_F_TIMEOUT(big, order_without_results, 240)
{
	static const unsigned int widths[] = { 8, 4, 3 };
	unsigned int op, i;

	for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
		if (shatomic_op_needs(op) & SHATOMIC_NEEDS_PEER)
			continue;
		for (i = 0; i < COUNT_OF(widths); i++)
			one_op_without_results(_metadata, self, op, widths[i]);
	}
}

/* Each row takes what the row before has stored: only row order does. */
TEST_F_TIMEOUT(big, rows_with_peers_keep_their_order, 120)
{
	static run_fn *const runs[] = { shatomic_batch_run,
					shatomic_batch_run_local };
	uint64_t *peer_offsets = self->operands;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 8, .rows = BIG_ROWS,
		.offsets = self->offsets, .peers = &self->region,
		.peer_count = 1, .peer_offsets = peer_offsets,
	};
	unsigned int i, j;

	for (i = 0; i < BIG_ROWS; i++) {
		peer_offsets[i] = i % BIG_WORDS * 8;
		self->offsets[i] = (i + 1) % BIG_WORDS * 8;
	}
	for (i = 0; i < COUNT_OF(runs); i++) {
		for (j = 0; j < BIG_WORDS; j++)
			self->memory[j] = j + 1;
		self->memory[0] = 42;
		ASSERT_EQ(0, runs[i](self->region, &batch));
		EXPECT_EQ(BIG_ROWS, batch.rows_done);
		for (j = 0; j < BIG_WORDS; j++)
			ASSERT_EQ(42, self->memory[j]);
	}
}

/* Columns of operations keep their order without results to show it too. */
TEST_F_TIMEOUT(big, columns_without_results_keep_their_order, 120)
{
	struct shatomic_batch batch = { .ops = self->ops,
					.widths = self->widths };
	unsigned int i;

	run_big(_metadata, self, 0, 1, batch, shatomic_batch_run);
	for (i = 0; i < COUNT_OF(parallelisms); i++) {
		run_big(_metadata, self, 1, parallelisms[i], batch,
			shatomic_batch_run);
		EXPECT_EQ(0, memcmp(self->after[0], self->after[1],
				    sizeof(self->after[0])));
	}
}

/*
 * Of the rows every other adds to the lowest byte of a word, and would lose a
 * carry; in row order it is never one of these that has a carry to lose. Enough
 * rows for other CPUs to come while there are some left.
 */
#define CARRY_ROWS 800000

TEST_F_TIMEOUT(big, a_column_of_widths_keeps_its_order, 120)
{
	static run_fn *const runs[] = { shatomic_batch_run,
					shatomic_batch_run_local };
	uint64_t *offsets = calloc(CARRY_ROWS, 8);
	uint64_t *operands = calloc(CARRY_ROWS, 8);
	uint8_t *widths = calloc(CARRY_ROWS, 1);
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .rows = CARRY_ROWS,
		.widths = widths, .offsets = offsets, .operands = operands,
	};
	unsigned int i, round;

	for (i = 0; i < CARRY_ROWS; i++) {
		widths[i] = 1 + i % 2;
		offsets[i] = i % 2 ? 8 : 8 + byte_at(0, 2);
		operands[i] = 1;
	}
	for (i = 0; i < COUNT_OF(runs); i++) {
		for (round = 0; round < 5; round++) {
			self->memory[1] = 0;
			ASSERT_EQ(0, runs[i](self->region, &batch));
			EXPECT_EQ(CARRY_ROWS % 65536,
				  load_word(&self->memory[1], 2));
		}
	}
	free(offsets);
	free(operands);
	free(widths);
}

static unsigned int usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

static bool can_trace(void)
{
	pid_t child = fork();

	if (!child)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? 1 : 0);
	return !wait_child(child);
}

/* How many threads a child makes until it exits, or -1 if it does not well. */
static int count_threads_of(pid_t child)
{
	int status, signal, threads = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (pid == child && !WIFSTOPPED(status))
			return WIFEXITED(status) && !WEXITSTATUS(status) ?
				       threads : -1;
		if (!WIFSTOPPED(status))
			continue;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_CLONE << 8))
			threads++;
		/* What tracing stops for is no signal to the child. */
		signal = WSTOPSIG(status);
		if (signal == SIGTRAP || signal == SIGSTOP)
			signal = 0;
		ptrace(PTRACE_CONT, pid, NULL, signal);
	}
	return -1;
}

/* How many threads a batch makes, or -1: a child runs it, which we trace. */
static int count_threads(struct shatomic_region *region,
			 struct shatomic_batch *batch, run_fn *run)
{
	pid_t child = fork();
	int status;

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(run(region, batch) ? 1 : 0);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return -1;
	ptrace(PTRACE_SETOPTIONS, child, NULL,
	       PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	return count_threads_of(child);
}

/* No more threads than that, of which the caller is one; 0 leaves it open. */
static void expect_at_most(struct __test_metadata *_metadata,
			   FIXTURE_DATA(big) *self, unsigned int parallelism,
			   uint64_t *results, run_fn *run)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = BIG_ROWS,
		.parallelism = parallelism, .offsets = self->offsets,
		.operands = self->operands, .results = results,
	};
	int threads = count_threads(self->region, &batch, run);

	EXPECT_LE(0, threads);
	if (!parallelism)
		return;
	EXPECT_GT((int)parallelism, threads);
	/* Else there is nothing that it could limit. */
	if (parallelism > 1 && run == shatomic_batch_run_local &&
	    usable_cpus() > 1)
		EXPECT_LT(0, threads);
}

/* In slices, and with results in lanes. */
TEST_F_TIMEOUT(big, parallelism_is_the_most_threads, 120)
{
	static const unsigned int most[] = { 1, 2, 3, 0 };
	unsigned int i;

#ifdef __SANITIZE_THREAD__
	SKIP(return, "ThreadSanitizer makes a thread of its own");
#endif
	align_big(self);
	if (!can_trace())
		SKIP(return, "no process can be traced here");
	for (i = 0; i < COUNT_OF(most); i++) {
		expect_at_most(_metadata, self, most[i], NULL,
			       shatomic_batch_run);
		expect_at_most(_metadata, self, most[i], NULL,
			       shatomic_batch_run_local);
		expect_at_most(_metadata, self, most[i], self->results[0],
			       shatomic_batch_run);
		expect_at_most(_metadata, self, most[i], self->results[0],
			       shatomic_batch_run_local);
	}
}

/* One operation's results on one word are those of row order. */
TEST_F_TIMEOUT(big, results_show_row_order, 120)
{
	struct shatomic_batch batch = { .op = SHATOMIC_OP_ADD_AND_FETCH,
					.width = 8 };
	unsigned int i, round;

	for (i = 0; i < BIG_ROWS; i++) {
		self->offsets[i] = 8;
		self->operands[i] = 1;
	}
	batch.results = self->results[0];
	for (round = 0; round < 3; round++) {
		run_big(_metadata, self, 0, 0, batch, shatomic_batch_run);
		for (i = 0; i < BIG_ROWS; i++)
			ASSERT_EQ(i + 1, self->results[0][i]);
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* In any order, each ticket is still given once. */
TEST_F_TIMEOUT(big, unordered_rows_all_run_once, 120)
{
	struct shatomic_batch batch = { .op = SHATOMIC_OP_FETCH_AND_ADD,
					.width = 8,
					.flags = SHATOMIC_BATCH_UNORDERED };
	unsigned int i;

	for (i = 0; i < BIG_ROWS; i++) {
		self->offsets[i] = 8;
		self->operands[i] = 1;
	}
	batch.results = self->results[0];
	run_big(_metadata, self, 0, 0, batch, shatomic_batch_run);
	EXPECT_EQ(BIG_ROWS, self->after[0][1]);
	qsort(self->results[0], BIG_ROWS, 8, compare_u64);
	for (i = 0; i < BIG_ROWS; i++)
		ASSERT_EQ(i, self->results[0][i]);
}

struct run_of_batches {
	struct shatomic_region *region;
	struct shatomic_batch *batches;
	unsigned int count;
	int err;
};

static void *run_batches(void *arg)
{
	struct run_of_batches *runs = arg;
	unsigned int i;

	for (i = 0; i < runs->count && !runs->err; i++)
		runs->err = shatomic_batch_run_local(runs->region,
						     &runs->batches[i]);
	return NULL;
}

/* Of each kind that takes much: combined, in lanes, mixed, with many peers. */
TEST_F(big, a_small_stack_is_enough)
{
	struct shatomic_region *peers[SHATOMIC_MAX_PEERS];
	uint32_t *peer_indexes = calloc(BIG_ROWS, 4);
	struct shatomic_batch adds = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = BIG_ROWS,
		.offsets = self->offsets, .operands = self->operands,
	};
	struct shatomic_batch batches[4] = { adds, adds, adds, adds };
	struct run_of_batches runs = { .region = self->region,
				       .batches = batches,
				       .count = COUNT_OF(batches) };
	pthread_attr_t attributes;
	pthread_t thread;
	unsigned int i;

	for (i = 0; i < BIG_ROWS; i++)
		self->offsets[i] = i % 2 * 8;
	for (i = 0; i < COUNT_OF(peers); i++)
		peers[i] = self->region;
	batches[0].flags = SHATOMIC_BATCH_UNORDERED;
	batches[1].parallelism = 3;
	batches[1].results = self->results[0];
	batches[2].op = batches[2].width = 0;
	batches[2].ops = self->ops;
	batches[2].widths = self->widths;
	batches[2].comparands = self->comparands;
	batches[2].masks = self->masks;
	batches[2].comparand_masks = self->comparand_masks;
	batches[2].results = self->results[0];
	batches[3].op = SHATOMIC_OP_STORE;
	batches[3].peers = peers;
	batches[3].peer_count = COUNT_OF(peers);
	batches[3].peer_indexes = peer_indexes;
	batches[3].peer_offsets = self->offsets;
	ASSERT_EQ(0, pthread_attr_init(&attributes));
	ASSERT_EQ(0, pthread_attr_setstacksize(&attributes, 128 << 10));
	ASSERT_EQ(0, pthread_create(&thread, &attributes, run_batches, &runs));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, runs.err)
	{
		TH_LOG("%s", shatomic_error());
	}
	pthread_attr_destroy(&attributes);
	free(peer_indexes);
}

/* With a word each, they mean the same in any order. */
TEST_F_TIMEOUT(big, unordered_rows_of_a_word_each, 120)
{
	static run_fn *const runs[] = { shatomic_batch_run,
					shatomic_batch_run_local };
	struct shatomic_region *region = new_region(BIG_ROWS * 8);
	uint8_t *statuses = calloc(BIG_ROWS, 1);
	unsigned char *model = malloc(BIG_ROWS * 8), *memory;
	struct shatomic_batch batch = {
		.flags = SHATOMIC_BATCH_UNORDERED, .rows = BIG_ROWS,
		.ops = self->ops, .widths = self->widths,
		.offsets = self->offsets, .operands = self->operands,
		.comparands = self->comparands, .masks = self->masks,
		.comparand_masks = self->comparand_masks,
		.results = self->results[0], .statuses = statuses,
	};
	unsigned int i, j;

	ASSERT_NE(NULL, region);
	memory = shatomic_buf(region, NULL);
	for (i = 0; i < BIG_ROWS; i++)
		self->offsets[i] = (uint64_t)i * 7 % BIG_ROWS * 8 +
				   random_offset(1, self->widths[i]);
	for (i = 0; i < COUNT_OF(runs); i++) {
		for (j = 0; j < BIG_ROWS; j++)
			store_word(model + 8 * j, 8, interesting_value());
		memcpy(memory, model, BIG_ROWS * 8);
		ASSERT_EQ(0, runs[i](region, &batch));
		for (j = 0; j < BIG_ROWS; j++) {
			const struct model_values values = {
				self->operands[j], self->comparands[j],
				self->masks[j], self->comparand_masks[j],
			};
			uint64_t result;
			uint8_t status;

			model_row(self->ops[j], self->widths[j],
				  model + self->offsets[j], NULL, &values,
				  &result, &status);
			ASSERT_EQ(result, self->results[0][j])
			{
				TH_LOG("row %u %s width %u", j,
				       shatomic_op_name(self->ops[j]),
				       self->widths[j]);
			}
			ASSERT_EQ(status, statuses[j]);
		}
		ASSERT_EQ(0, memcmp(memory, model, BIG_ROWS * 8));
	}
	free(model);
	free(statuses);
	shatomic_close(region);
}

TEST_F(big, the_last_row_is_checked_before_the_first_runs)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = BIG_ROWS,
		.offsets = self->offsets, .operands = self->operands,
	};
	unsigned int i;

	align_big(self);
	self->offsets[BIG_ROWS - 1] = BIG_WORDS * 8;
	EXPECT_EQ(-ERANGE, shatomic_batch_run(self->region, &batch));
	EXPECT_EQ(BIG_ROWS - 1, batch.error_row);
	EXPECT_EQ(SHATOMIC_FIELD_OFFSETS, batch.error_field);
	EXPECT_EQ(0, batch.rows_done);
	for (i = 0; i < BIG_WORDS; i++)
		ASSERT_EQ(0, self->memory[i]);
}

/* Batches of several processes and single operations, all on two words. */
TEST_F_TIMEOUT(big, totals_are_exact_under_contention, 120)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_ADD_AND_FETCH, .width = 8, .rows = BIG_ROWS,
		.offsets = self->offsets, .operands = self->operands,
	};
	pid_t children[4];
	unsigned int i, n;

	for (i = 0; i < BIG_ROWS; i++) {
		self->offsets[i] = i % 2 * 8;
		self->operands[i] = 3;
	}
	for (n = 0; n < COUNT_OF(children); n++) {
		children[n] = fork();
		ASSERT_LE(0, children[n]);
		if (children[n])
			continue;
		for (i = 0; i < BIG_ROWS; i++)
			shatomic_fetch_and_sub_u64(&self->memory[0], 1);
		_exit(shatomic_batch_run(self->region, &batch) ? 1 : 0);
	}
	for (n = 0; n < COUNT_OF(children); n++)
		EXPECT_EQ(0, wait_child(children[n]));
	EXPECT_EQ(4 * (BIG_ROWS / 2 * 3 - BIG_ROWS), self->memory[0]);
	EXPECT_EQ(4 * BIG_ROWS / 2 * 3, self->memory[1]);
}

/* What a typed operation returned and left, in both of its forms. */
struct typed_outcome {
	uint64_t result;
	uint64_t word;
	uint64_t relaxed_result;
	uint64_t relaxed_word;
};

static void check_typed(struct __test_metadata *_metadata, unsigned int op,
			unsigned int width, uint64_t old, uint64_t operand,
			const struct typed_outcome *outcome)
{
	ASSERT_TRUE(model_agrees(op, width, old, operand, outcome->result,
				 outcome->word));
	ASSERT_TRUE(model_agrees(op, width, old, operand,
				 outcome->relaxed_result,
				 outcome->relaxed_word));
}

/* The typed operations of one type, against the model. */
#define TEST_TYPED(suffix, type)                                              \
	TEST(typed_##suffix)                                                  \
	{                                                                     \
		type word = 0, operand, old;                                  \
		unsigned int i;                                               \
									      \
		seed_random();                                                \
		for (i = 0; i < 1000; i++) {                                  \
			shatomic_set_##suffix(&word, interesting_value());    \
			operand = interesting_value();                        \
			TYPED_CASE(suffix, type, get_and_set, GET_AND_SET)    \
			TYPED_CASE(suffix, type, fetch_and_add,               \
				   FETCH_AND_ADD)                             \
			TYPED_CASE(suffix, type, fetch_and_sub,               \
				   FETCH_AND_SUB)                             \
			TYPED_CASE(suffix, type, fetch_and_and,               \
				   FETCH_AND_AND)                             \
			TYPED_CASE(suffix, type, fetch_and_or, FETCH_AND_OR)  \
			TYPED_CASE(suffix, type, fetch_and_xor,               \
				   FETCH_AND_XOR)                             \
			TYPED_CASE(suffix, type, fetch_and_nand,              \
				   FETCH_AND_NAND)                            \
			TYPED_CASE(suffix, type, add_and_fetch,               \
				   ADD_AND_FETCH)                             \
			TYPED_CASE(suffix, type, sub_and_fetch,               \
				   SUB_AND_FETCH)                             \
			TYPED_CASE(suffix, type, and_and_fetch,               \
				   AND_AND_FETCH)                             \
			TYPED_CASE(suffix, type, or_and_fetch, OR_AND_FETCH)  \
			TYPED_CASE(suffix, type, xor_and_fetch,               \
				   XOR_AND_FETCH)                             \
			TYPED_CASE(suffix, type, nand_and_fetch,              \
				   NAND_AND_FETCH)                            \
			old = word;                                           \
			ASSERT_EQ(old, shatomic_compare_and_set_value_##suffix( \
					       &word, 1, ~old));              \
			ASSERT_EQ(old, shatomic_get_##suffix(&word));         \
			ASSERT_EQ(old, shatomic_compare_and_set_value_##suffix( \
					       &word, operand, old));         \
			ASSERT_EQ(operand, shatomic_get_##suffix(&word));     \
		}                                                             \
	}

#define TYPED_CASE(suffix, type, name, op)                                    \
	{                                                                     \
		struct typed_outcome outcome;                                 \
		type before = word, relaxed = word;                           \
									      \
		outcome.relaxed_result = shatomic_##name##_##suffix##_explicit( \
			&relaxed, operand, __ATOMIC_RELAXED);                 \
		outcome.result = shatomic_##name##_##suffix(&word, operand);  \
		outcome.relaxed_word = relaxed;                               \
		outcome.word = word;                                          \
		check_typed(_metadata, SHATOMIC_OP_##op, sizeof(type),        \
			    before, operand, &outcome);                       \
	}

TEST_TYPED(u8, uint8_t)
TEST_TYPED(u16, uint16_t)
TEST_TYPED(u32, uint32_t)
TEST_TYPED(u64, uint64_t)
TEST_TYPED(i8, int8_t)
TEST_TYPED(i16, int16_t)
TEST_TYPED(i32, int32_t)
TEST_TYPED(i64, int64_t)

TEST(operations_have_names)
{
	unsigned int op;

	for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
		ASSERT_NE(NULL, shatomic_op_name(op));
		EXPECT_EQ((int)op, shatomic_op_from_name(shatomic_op_name(op)));
	}
	EXPECT_EQ(NULL, shatomic_op_name(SHATOMIC_OP_COUNT));
	EXPECT_EQ(-EINVAL, shatomic_op_from_name("frobnicate"));
	EXPECT_EQ(-EINVAL, shatomic_op_needs(SHATOMIC_OP_COUNT));
}

TEST_HARNESS_MAIN
