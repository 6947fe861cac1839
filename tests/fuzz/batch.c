// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes batches: whether the engine's check refuses what a plain one refuses,
 * naming the same row and field and changing nothing, and whether what it runs
 * gives what the model of tests/model.h gives: each result, each status, each
 * byte of memory.
 *
 * An input is 8 bytes of what all rows share, then 12 for each row
 * (fill_row()), which are repeated when there are fewer than rows.
 */
#include "../common.h"
#include "../model.h"
#include "input.h"

#define REGION_BYTES 512
#define MAX_ROWS 1500
#define RAW_ROW 12

/* Which of the optional columns a batch has, bits of an input's byte. */
enum column {
	HAS_OPS			= 1 << 0,
	HAS_WIDTHS		= 1 << 1,
	LACKS_OPERANDS		= 1 << 2,
	LACKS_COMPARANDS	= 1 << 3,
	LACKS_MASKS		= 1 << 4,
	LACKS_COMPARAND_MASKS	= 1 << 5,
	HAS_RESULTS		= 1 << 6,
	HAS_STATUSES		= 1 << 7,
};

static struct shatomic_region *regions[2];
static unsigned char *memories[2], models[2][REGION_BYTES];
static struct shatomic_region *peers[3];

static uint8_t ops[MAX_ROWS], widths[MAX_ROWS], statuses[MAX_ROWS];
static uint64_t offsets[MAX_ROWS], operands[MAX_ROWS], comparands[MAX_ROWS];
static uint64_t masks[MAX_ROWS], comparand_masks[MAX_ROWS], results[MAX_ROWS];
static uint32_t peer_indexes[MAX_ROWS];
static uint64_t peer_offsets[MAX_ROWS];
static uint64_t given_operands[MAX_ROWS], given_comparands[MAX_ROWS];

static void set_up(void)
{
	unsigned int i;

	if (regions[0])
		return;
	setenv("SHATOMIC_BACKEND", "memfd", 1);
	for (i = 0; i < 2; i++) {
		regions[i] = new_region(REGION_BYTES);
		expect(regions[i], "%s", shatomic_error());
		memories[i] = shatomic_buf(regions[i], NULL);
	}
	/* The batch's region may be a peer as well. */
	peers[0] = regions[1];
	peers[1] = regions[0];
	peers[2] = regions[1];
}

/* Short inputs are to lead to values that matter. */
static uint64_t value_of(uint8_t byte)
{
	static const uint64_t values[] = {
		0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000,
		~0ULL, ~1ULL, 0x0123456789abcdef, 0xaa55aa55aa55aa55,
	};

	if (byte < 64)
		return byte;
	if (byte < 128)
		return values[byte % COUNT_OF(values)];
	return byte * 0x9e3779b97f4a7c15;
}

static void fill_row(const uint8_t *raw, unsigned int row)
{
	ops[row] = raw[0] % (SHATOMIC_OP_COUNT + 1);
	widths[row] = raw[1] < 240 ? raw[1] % 8 + 1 : raw[1] - 240;
	/* Most are inside; the last few go beyond the end, or far. */
	offsets[row] = (raw[2] | raw[3] << 8) % (REGION_BYTES + 12);
	if (raw[3] == 255)
		offsets[row] = value_of(raw[2]);
	operands[row] = value_of(raw[4]);
	comparands[row] = value_of(raw[5]);
	masks[row] = value_of(raw[6]);
	comparand_masks[row] = value_of(raw[7]);
	peer_indexes[row] = raw[8] % 4;
	peer_offsets[row] = (raw[9] | raw[10] << 8) % (REGION_BYTES + 12);
	/* A good one more often than chance has it. */
	if (raw[11] & 1)
		offsets[row] &= ~7ULL;
	if (raw[11] & 2)
		peer_offsets[row] &= ~7ULL;
	if (raw[11] & 4)
		operands[row] %= 8;
}

static void fill_rows(struct input *input, unsigned int rows)
{
	static const uint8_t nothing[RAW_ROW];
	unsigned int known = input->left / RAW_ROW, row;

	for (row = 0; row < rows; row++)
		fill_row(known ? input->at + row % known * RAW_ROW : nothing,
			 row);
}

static void fill_memory(uint8_t seed)
{
	unsigned int i, j;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < REGION_BYTES; j++)
			models[i][j] = seed < 16 ? (j % 8 ? 0 : seed) :
						   seed * (j + 1 + i) >> 3;
		memcpy(memories[i], models[i], REGION_BYTES);
	}
}

/*
 * The plain check: what is wrong first, in the order in which shatomic.h has
 * the fields of a row.
 */

static bool has_operand(unsigned int op)
{
	return op != SHATOMIC_OP_GET && op != SHATOMIC_OP_STORE;
}

static bool has_comparand(unsigned int op)
{
	return op == SHATOMIC_OP_COMPARE_AND_SET_VALUE ||
	       op == SHATOMIC_OP_FETCH_AND_ADD_BOUNDED ||
	       op == SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE;
}

static bool has_mask(unsigned int op)
{
	return op == SHATOMIC_OP_MASKED_GET_AND_SET ||
	       op == SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE;
}

static bool has_peer(unsigned int op)
{
	return op == SHATOMIC_OP_STORE || op == SHATOMIC_OP_COMPARE_AND_SET;
}

static bool has_bit(unsigned int op)
{
	return op == SHATOMIC_OP_TEST_AND_SET_BIT ||
	       op == SHATOMIC_OP_TEST_AND_CLEAR_BIT;
}

static int word_error(uint64_t offset, unsigned int width)
{
	if (offset > REGION_BYTES || width > REGION_BYTES - offset)
		return -ERANGE;
	return offset % 8 + width > 8 ? -EINVAL : 0;
}

/* The first column that an operation lacks. */
static unsigned int lacking(const struct shatomic_batch *batch, unsigned int op)
{
	if (has_operand(op) && !batch->operands)
		return SHATOMIC_FIELD_OPERANDS;
	if (has_comparand(op) && !batch->comparands)
		return SHATOMIC_FIELD_COMPARANDS;
	if (has_mask(op) && !batch->masks)
		return SHATOMIC_FIELD_MASKS;
	if (op == SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE &&
	    !batch->comparand_masks)
		return SHATOMIC_FIELD_COMPARAND_MASKS;
	if (!has_peer(op))
		return SHATOMIC_FIELD_NONE;
	if (!batch->peer_count)
		return SHATOMIC_FIELD_PEERS;
	if (batch->peer_count > 1 && !batch->peer_indexes)
		return SHATOMIC_FIELD_PEER_INDEXES;
	return batch->peer_offsets ? SHATOMIC_FIELD_NONE :
				     SHATOMIC_FIELD_PEER_OFFSETS;
}

static unsigned int op_of(const struct shatomic_batch *batch, unsigned int row)
{
	return batch->ops ? batch->ops[row] : batch->op;
}

static unsigned int width_of(const struct shatomic_batch *batch,
			     unsigned int row)
{
	return batch->widths ? batch->widths[row] : batch->width;
}

static unsigned int peer_of(const struct shatomic_batch *batch,
			    unsigned int row)
{
	return batch->peer_indexes ? batch->peer_indexes[row] : 0;
}

static int row_error(const struct shatomic_batch *batch, unsigned int row,
		     unsigned int *field)
{
	unsigned int op = op_of(batch, row), width = width_of(batch, row);
	int err;

	*field = SHATOMIC_FIELD_OP;
	if (op >= SHATOMIC_OP_COUNT)
		return -EOPNOTSUPP;
	*field = SHATOMIC_FIELD_WIDTH;
	if (width < 1 || width > 8)
		return -EINVAL;
	*field = SHATOMIC_FIELD_OFFSETS;
	err = word_error(batch->offsets[row], width);
	if (err)
		return err;
	*field = lacking(batch, op);
	if (*field != SHATOMIC_FIELD_NONE)
		return -EINVAL;
	*field = SHATOMIC_FIELD_OPERANDS;
	if (has_bit(op) && batch->operands[row] >= 8 * width)
		return -EINVAL;
	if (!has_peer(op))
		return 0;
	*field = SHATOMIC_FIELD_PEER_INDEXES;
	if (peer_of(batch, row) >= batch->peer_count)
		return -EINVAL;
	*field = SHATOMIC_FIELD_PEER_OFFSETS;
	return word_error(batch->peer_offsets[row], width);
}

static int batch_error(const struct shatomic_batch *batch, uint64_t *row,
		       unsigned int *field)
{
	int err;

	*row = UINT64_MAX;
	*field = SHATOMIC_FIELD_OP;
	if (!batch->ops && batch->op >= SHATOMIC_OP_COUNT)
		return -EOPNOTSUPP;
	*field = SHATOMIC_FIELD_WIDTH;
	if (!batch->widths && (batch->width < 1 || batch->width > 8))
		return -EINVAL;
	if (!batch->rows) {
		*field = SHATOMIC_FIELD_NONE;
		return 0;
	}
	if (!batch->ops) {
		*field = lacking(batch, batch->op);
		if (*field != SHATOMIC_FIELD_NONE)
			return -EINVAL;
	}
	for (*row = 0; *row < batch->rows; ++*row) {
		err = row_error(batch, *row, field);
		if (err)
			return err;
	}
	*row = UINT64_MAX;
	*field = SHATOMIC_FIELD_NONE;
	return 0;
}

static void expect_refused(const struct shatomic_batch *batch, uint64_t row,
			   unsigned int field)
{
	unsigned int i;

	expect(batch->error_row == row, "%llu %llu",
	       (unsigned long long)batch->error_row, (unsigned long long)row);
	expect(batch->error_field == field, "row %llu: %u %u",
	       (unsigned long long)row, batch->error_field, field);
	expect(!batch->rows_done, "%llu", (unsigned long long)batch->rows_done);
	for (i = 0; i < batch->rows; i++) {
		expect(!batch->statuses || statuses[i] == 0xa5, "row %u", i);
		expect(!batch->results || batch->results == batch->operands ||
			       batch->results == batch->comparands ||
			       results[i] == 0xa5a5a5a5a5a5a5a5, "row %u", i);
	}
}

/* What the rows were given, as results may be in the place of a column. */
static void run_model(const struct shatomic_batch *batch)
{
	unsigned int row;

	for (row = 0; row < batch->rows; row++) {
		unsigned int op = op_of(batch, row);
		unsigned int width = width_of(batch, row);
		const struct model_values values = {
			given_operands[row], given_comparands[row], masks[row],
			comparand_masks[row],
		};
		unsigned int peer = peer_of(batch, row);
		uint64_t result;
		uint8_t status;

		model_row(op, width, models[0] + offsets[row],
			  has_peer(op) ?
				  models[peers[peer] == regions[1]] +
					  peer_offsets[row] :
				  NULL,
			  &values, &result, &status);
		if (batch->results)
			expect(batch->results[row] == result,
			       "row %u op %u width %u: %llx %llx", row, op,
			       width, (unsigned long long)batch->results[row],
			       (unsigned long long)result);
		if (batch->statuses)
			expect(statuses[row] == status, "row %u op %u", row,
			       op);
	}
}

/* Whether the order of rows can't be seen but in their results. */
static bool commute(const struct shatomic_batch *batch)
{
	unsigned int i;

	switch (batch->op) {
	case SHATOMIC_OP_GET:
	case SHATOMIC_OP_FETCH_AND_ADD:
	case SHATOMIC_OP_FETCH_AND_SUB:
	case SHATOMIC_OP_FETCH_AND_AND:
	case SHATOMIC_OP_FETCH_AND_OR:
	case SHATOMIC_OP_FETCH_AND_XOR:
	case SHATOMIC_OP_FETCH_AND_SMIN:
	case SHATOMIC_OP_FETCH_AND_SMAX:
	case SHATOMIC_OP_FETCH_AND_UMIN:
	case SHATOMIC_OP_FETCH_AND_UMAX:
		break;
	default:
		return false;
	}
	/* Words that overlap do not. */
	for (i = 0; i < batch->rows; i++) {
		if (batch->offsets[i] % batch->width)
			return false;
	}
	return !batch->ops && !batch->widths;
}

static void make_batch(struct shatomic_batch *batch, struct input *input)
{
	uint8_t columns = take_byte(input), op = take_byte(input);
	uint8_t width = take_byte(input), how = take_byte(input);
	uint8_t peer = take_byte(input), memory = take_byte(input);
	unsigned int rows = take_u16(input) % (MAX_ROWS + 1);

	fill_memory(memory);
	fill_rows(input, rows);
	*batch = (struct shatomic_batch){
		.op = columns & HAS_OPS ? 0 : op % (SHATOMIC_OP_COUNT + 1),
		.width = columns & HAS_WIDTHS ? 0 : width % 10,
		.parallelism = how >> 4,
		.rows = rows,
		.ops = columns & HAS_OPS ? ops : NULL,
		.widths = columns & HAS_WIDTHS ? widths : NULL,
		.offsets = offsets,
		.operands = columns & LACKS_OPERANDS ? NULL : operands,
		.comparands = columns & LACKS_COMPARANDS ? NULL : comparands,
		.masks = columns & LACKS_MASKS ? NULL : masks,
		.comparand_masks = columns & LACKS_COMPARAND_MASKS ?
					   NULL : comparand_masks,
		.results = columns & HAS_RESULTS ? results : NULL,
		.statuses = columns & HAS_STATUSES ? statuses : NULL,
		.peer_count = peer % 4,
		.peers = peer % 4 ? peers : NULL,
		.peer_indexes = peer & 4 ? peer_indexes : NULL,
		.peer_offsets = peer & 8 ? NULL : peer_offsets,
	};
	/* In place of a column that is read. */
	if (columns & HAS_RESULTS && how & 1 && batch->operands)
		batch->results = operands;
	else if (columns & HAS_RESULTS && how & 2 && batch->comparands)
		batch->results = comparands;
	/* Unordered, when that leaves something to compare. */
	if (how & 4 && batch->width && batch->width <= 8 && commute(batch)) {
		batch->flags = SHATOMIC_BATCH_UNORDERED;
		batch->results = NULL;
	}
	memcpy(given_operands, operands, rows * sizeof(*operands));
	memcpy(given_comparands, comparands, rows * sizeof(*comparands));
	memset(results, 0xa5, rows * sizeof(*results));
	memset(statuses, 0xa5, rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct shatomic_batch batch;
	unsigned int field, i;
	uint64_t row;
	int err, want;

	set_up();
	make_batch(&batch, &input);
	want = batch_error(&batch, &row, &field);
	err = shatomic_batch_run_local(regions[0], &batch);
	expect(err == want, "%d %d: %s", err, want, err ? shatomic_error() : "");
	if (err) {
		expect_refused(&batch, row, field);
	} else {
		expect(batch.rows_done == batch.rows, "%llu",
		       (unsigned long long)batch.rows_done);
		run_model(&batch);
	}
	for (i = 0; i < 2; i++)
		expect(!memcmp(memories[i], models[i], REGION_BYTES),
		       "memory %u", i);
	return 0;
}
