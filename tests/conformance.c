// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conformance: one table of cases, written by hand, and then every operation at
 * every width and place with values at which something begins, ends or wraps.
 * Each case runs in each of the ways that the library has for its operation,
 * and the whole buffer is compared, so that a change of a neighbour is seen.
 */
#include "common.h"
#include "model.h"

/* The word under test lies in the second of four aligned 8-byte words. */
#define BUFFER_BYTES 32
#define WORD_AT 8
#define PEER_AT 24

/**
 * struct step - One operation on one word
 * @op: Operation.
 * @width: Width in bytes.
 * @at: Where in the aligned 8-byte word it lies.
 * @peer: What the peer's word has before.
 * @values: The operands.
 */
struct step {
	unsigned int op;
	unsigned int width;
	unsigned int at;
	uint64_t peer;
	struct model_values values;
};

/* What came of it; held is whether a comparison did. */
struct outcome {
	uint64_t result;
	bool held;
};

FIXTURE(conformance)
{
	struct shatomic_region *region;
	unsigned char *memory;
	unsigned char before[BUFFER_BYTES];
	unsigned char after[BUFFER_BYTES];
};

FIXTURE_SETUP(conformance)
{
	seed_random();
	self->region = new_region(BUFFER_BYTES);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
}

FIXTURE_TEARDOWN(conformance)
{
	shatomic_close(self->region);
}

/*
 * The ways. Each runs the step on @region and returns whether it has a form for
 * its operation.
 */
typedef bool way_fn(struct shatomic_region *region, const struct step *step,
		    struct outcome *outcome);

static bool run_columns(struct shatomic_region *region, const struct step *step,
			struct outcome *outcome,
			int (*run)(struct shatomic_region *,
				   struct shatomic_batch *))
{
	uint64_t offset = WORD_AT + step->at, peer_offset = PEER_AT + step->at;
	uint8_t status = UINT8_MAX;
	struct shatomic_batch batch = {
		.op = step->op, .width = step->width, .rows = 1,
		.offsets = &offset, .operands = &step->values.operand,
		.comparands = &step->values.comparand,
		.masks = &step->values.mask,
		.comparand_masks = &step->values.comparand_mask,
		.results = &outcome->result, .statuses = &status,
		.peers = &region, .peer_count = 1,
		.peer_offsets = &peer_offset,
	};

	if (run(region, &batch))
		return false;
	outcome->held = status == SHATOMIC_ROW_DONE;
	return batch.rows_done == 1;
}

static bool by_batch(struct shatomic_region *region, const struct step *step,
		     struct outcome *outcome)
{
	return run_columns(region, step, outcome, shatomic_batch_run);
}

static bool by_local_batch(struct shatomic_region *region,
			   const struct step *step, struct outcome *outcome)
{
	return run_columns(region, step, outcome, shatomic_batch_run_local);
}

/* A value as its lowest bytes, with others before and behind. */
struct bytes {
	unsigned char before;
	unsigned char value[8];
	unsigned char behind;
};

static struct bytes bytes_of(uint64_t value, unsigned int width)
{
	struct bytes bytes;

	memset(&bytes, 0x5a, sizeof(bytes));
	store_word(bytes.value, width, value);
	return bytes;
}

/* The value, unless a byte was written that is none of its own. */
static bool value_of(const struct bytes *bytes, unsigned int width,
		     uint64_t *value)
{
	unsigned int i;

	for (i = width; i < 8; i++) {
		if (bytes->value[i] != 0x5a)
			return false;
	}
	*value = load_word(bytes->value, width);
	return bytes->before == 0x5a && bytes->behind == 0x5a;
}

/* The operations on a word and one operand have one form. */
typedef int rmw_fn(struct shatomic_region *region, uint64_t offset,
		   unsigned int width, const void *operand, void *result);

static rmw_fn *const rmw_functions[SHATOMIC_OP_COUNT] = {
	[SHATOMIC_OP_GET_AND_SET] = shatomic_get_and_set,
	[SHATOMIC_OP_FETCH_AND_ADD] = shatomic_fetch_and_add,
	[SHATOMIC_OP_FETCH_AND_SUB] = shatomic_fetch_and_sub,
	[SHATOMIC_OP_FETCH_AND_AND] = shatomic_fetch_and_and,
	[SHATOMIC_OP_FETCH_AND_OR] = shatomic_fetch_and_or,
	[SHATOMIC_OP_FETCH_AND_XOR] = shatomic_fetch_and_xor,
	[SHATOMIC_OP_FETCH_AND_NAND] = shatomic_fetch_and_nand,
	[SHATOMIC_OP_ADD_AND_FETCH] = shatomic_add_and_fetch,
	[SHATOMIC_OP_SUB_AND_FETCH] = shatomic_sub_and_fetch,
	[SHATOMIC_OP_AND_AND_FETCH] = shatomic_and_and_fetch,
	[SHATOMIC_OP_OR_AND_FETCH] = shatomic_or_and_fetch,
	[SHATOMIC_OP_XOR_AND_FETCH] = shatomic_xor_and_fetch,
	[SHATOMIC_OP_NAND_AND_FETCH] = shatomic_nand_and_fetch,
	[SHATOMIC_OP_FETCH_AND_SMIN] = shatomic_fetch_and_smin,
	[SHATOMIC_OP_FETCH_AND_SMAX] = shatomic_fetch_and_smax,
	[SHATOMIC_OP_FETCH_AND_UMIN] = shatomic_fetch_and_umin,
	[SHATOMIC_OP_FETCH_AND_UMAX] = shatomic_fetch_and_umax,
};

static bool by_single(struct shatomic_region *region, const struct step *step,
		      struct outcome *outcome)
{
	unsigned int width = step->width;
	uint64_t offset = WORD_AT + step->at, peer = PEER_AT + step->at;
	struct bytes operand = bytes_of(step->values.operand, width);
	struct bytes comparand = bytes_of(step->values.comparand, width);
	struct bytes mask = bytes_of(step->values.mask, width);
	struct bytes comparand_mask =
		bytes_of(step->values.comparand_mask, width);
	struct bytes result = bytes_of(0, width);
	int ret;

	switch (step->op) {
	case SHATOMIC_OP_GET:
		ret = shatomic_get(region, offset, width, result.value);
		break;
	case SHATOMIC_OP_SET:
		ret = shatomic_set(region, offset, width, operand.value);
		result = operand;
		break;
	case SHATOMIC_OP_STORE:
		ret = shatomic_store(region, offset, width, region, peer);
		result = bytes_of(step->peer, width);
		break;
	case SHATOMIC_OP_COMPARE_AND_SET:
		ret = shatomic_compare_and_set(region, offset, width,
					       operand.value, region, peer);
		outcome->held = ret == 1;
		outcome->result = ret;
		return ret >= 0;
	case SHATOMIC_OP_COMPARE_AND_SET_VALUE:
		ret = shatomic_compare_and_set_value(region, offset, width,
						     operand.value,
						     comparand.value,
						     result.value);
		break;
	case SHATOMIC_OP_FETCH_AND_ADD_BOUNDED:
		ret = shatomic_fetch_and_add_bounded(region, offset, width,
						     operand.value,
						     comparand.value,
						     result.value);
		break;
	case SHATOMIC_OP_MASKED_GET_AND_SET:
		ret = shatomic_masked_get_and_set(region, offset, width,
						  operand.value, mask.value,
						  result.value);
		break;
	case SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE:
		ret = shatomic_masked_compare_and_set_value(
			region, offset, width, operand.value, mask.value,
			comparand.value, comparand_mask.value, result.value);
		break;
	case SHATOMIC_OP_TEST_AND_SET_BIT:
		ret = shatomic_test_and_set_bit(region, offset, width,
						step->values.operand);
		outcome->held = true;
		outcome->result = ret;
		return ret >= 0;
	case SHATOMIC_OP_TEST_AND_CLEAR_BIT:
		ret = shatomic_test_and_clear_bit(region, offset, width,
						  step->values.operand);
		outcome->held = true;
		outcome->result = ret;
		return ret >= 0;
	default:
		ret = rmw_functions[step->op](region, offset, width,
					      operand.value, result.value);
	}
	outcome->held = ret == 1 ||
			(ret == 0 &&
			 !(shatomic_op_needs(step->op) &
			   (SHATOMIC_NEEDS_COMPARAND | SHATOMIC_NEEDS_PEER))) ||
			(ret == 0 && step->op == SHATOMIC_OP_STORE);
	return ret >= 0 && value_of(&result, width, &outcome->result);
}

typedef int form_fn(struct shatomic_region *region,
		    struct shatomic_byte_batch *batch);

static form_fn *const forms[SHATOMIC_OP_COUNT] = {
	[SHATOMIC_OP_GET] = shatomic_gets,
	[SHATOMIC_OP_SET] = shatomic_sets,
	[SHATOMIC_OP_STORE] = shatomic_stores,
	[SHATOMIC_OP_GET_AND_SET] = shatomic_get_and_sets,
	[SHATOMIC_OP_COMPARE_AND_SET] = shatomic_compare_and_sets,
	[SHATOMIC_OP_COMPARE_AND_SET_VALUE] = shatomic_compare_and_set_values,
	[SHATOMIC_OP_FETCH_AND_ADD] = shatomic_fetch_and_adds,
	[SHATOMIC_OP_FETCH_AND_SUB] = shatomic_fetch_and_subs,
	[SHATOMIC_OP_FETCH_AND_AND] = shatomic_fetch_and_ands,
	[SHATOMIC_OP_FETCH_AND_OR] = shatomic_fetch_and_ors,
	[SHATOMIC_OP_FETCH_AND_XOR] = shatomic_fetch_and_xors,
	[SHATOMIC_OP_FETCH_AND_NAND] = shatomic_fetch_and_nands,
	[SHATOMIC_OP_ADD_AND_FETCH] = shatomic_add_and_fetches,
	[SHATOMIC_OP_SUB_AND_FETCH] = shatomic_sub_and_fetches,
	[SHATOMIC_OP_AND_AND_FETCH] = shatomic_and_and_fetches,
	[SHATOMIC_OP_OR_AND_FETCH] = shatomic_or_and_fetches,
	[SHATOMIC_OP_XOR_AND_FETCH] = shatomic_xor_and_fetches,
	[SHATOMIC_OP_NAND_AND_FETCH] = shatomic_nand_and_fetches,
};

/* In rows that are wider than the word. */
static bool by_form(struct shatomic_region *region, const struct step *step,
		    struct outcome *outcome)
{
	uint64_t offset = WORD_AT + step->at, peer_offset = PEER_AT + step->at;
	unsigned char values[9], comparands[9], results[9];
	uint8_t width = step->width, status;
	struct shatomic_byte_batch batch = {
		.rows = 1, .stride = 9, .widths = &width, .offsets = &offset,
		.values = values, .comparands = comparands,
		.results = results, .statuses = &status,
		.peers = &region, .peer_count = 1,
		.peer_offsets = &peer_offset,
	};
	unsigned int i;

	if (!forms[step->op])
		return false;
	memset(values, 0x5a, sizeof(values));
	memset(comparands, 0x5a, sizeof(comparands));
	memset(results, 0x5a, sizeof(results));
	store_word(values, width, step->values.operand);
	store_word(comparands, width, step->values.comparand);
	if (forms[step->op](region, &batch) || batch.rows_done != 1)
		return false;
	outcome->held = status == SHATOMIC_ROW_DONE;
	if (step->op == SHATOMIC_OP_COMPARE_AND_SET) {
		outcome->result = results[0];
		return results[1] == 0x5a;
	}
	outcome->result = load_word(results, width);
	for (i = width; i < sizeof(results); i++) {
		if (results[i])
			return false;
	}
	return true;
}

/*
 * The typed forms, for words that are integers of the machine: of unsigned
 * types, but for the two operations that know signs.
 */
#define TYPED_RMW(constant, function)                                         \
	case SHATOMIC_OP_##constant:                                          \
		outcome->result = function(word, operand);                    \
		return true;

#define DEFINE_TYPED(bits)                                                    \
	static bool typed_##bits(uint##bits##_t *word,                        \
				 const struct step *step,                     \
				 struct outcome *outcome)                     \
	{                                                                     \
		const struct model_values *v = &step->values;                 \
		uint##bits##_t operand = v->operand, mask = v->mask;          \
		uint##bits##_t comparand = v->comparand;                      \
		uint##bits##_t comparand_mask = v->comparand_mask;            \
		uint##bits##_t old;                                           \
									      \
		outcome->held = true;                                         \
		switch (step->op) {                                           \
		case SHATOMIC_OP_GET:                                         \
			outcome->result = shatomic_get_u##bits(word);         \
			return true;                                          \
		case SHATOMIC_OP_SET:                                         \
			shatomic_set_u##bits(word, operand);                  \
			outcome->result = operand;                            \
			return true;                                          \
		case SHATOMIC_OP_COMPARE_AND_SET_VALUE:                       \
			old = shatomic_compare_and_set_value_u##bits(         \
				word, operand, comparand);                    \
			outcome->result = old;                                \
			outcome->held = old == comparand;                     \
			return true;                                          \
		case SHATOMIC_OP_FETCH_AND_ADD_BOUNDED:                       \
			old = shatomic_fetch_and_add_bounded_u##bits(         \
				word, operand, comparand);                    \
			outcome->result = old;                                \
			outcome->held = operand <= comparand &&               \
					old <= comparand - operand;           \
			return true;                                          \
		case SHATOMIC_OP_MASKED_GET_AND_SET:                          \
			outcome->result = shatomic_masked_get_and_set_u##bits( \
				word, operand, mask);                         \
			return true;                                          \
		case SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE:                \
			old = shatomic_masked_compare_and_set_value_u##bits(  \
				word, operand, mask, comparand,               \
				comparand_mask);                              \
			outcome->result = old;                                \
			outcome->held = !((old ^ comparand) & comparand_mask); \
			return true;                                          \
		case SHATOMIC_OP_FETCH_AND_SMIN:                              \
			outcome->result =                                     \
				(uint##bits##_t)shatomic_fetch_and_min_i##bits( \
					(int##bits##_t *)word, operand);      \
			return true;                                          \
		case SHATOMIC_OP_FETCH_AND_SMAX:                              \
			outcome->result =                                     \
				(uint##bits##_t)shatomic_fetch_and_max_i##bits( \
					(int##bits##_t *)word, operand);      \
			return true;                                          \
		TYPED_RMW(TEST_AND_SET_BIT, shatomic_test_and_set_bit_u##bits) \
		TYPED_RMW(TEST_AND_CLEAR_BIT,                                 \
			  shatomic_test_and_clear_bit_u##bits)                \
		TYPED_RMW(GET_AND_SET, shatomic_get_and_set_u##bits)          \
		TYPED_RMW(FETCH_AND_ADD, shatomic_fetch_and_add_u##bits)      \
		TYPED_RMW(FETCH_AND_SUB, shatomic_fetch_and_sub_u##bits)      \
		TYPED_RMW(FETCH_AND_AND, shatomic_fetch_and_and_u##bits)      \
		TYPED_RMW(FETCH_AND_OR, shatomic_fetch_and_or_u##bits)        \
		TYPED_RMW(FETCH_AND_XOR, shatomic_fetch_and_xor_u##bits)      \
		TYPED_RMW(FETCH_AND_NAND, shatomic_fetch_and_nand_u##bits)    \
		TYPED_RMW(ADD_AND_FETCH, shatomic_add_and_fetch_u##bits)      \
		TYPED_RMW(SUB_AND_FETCH, shatomic_sub_and_fetch_u##bits)      \
		TYPED_RMW(AND_AND_FETCH, shatomic_and_and_fetch_u##bits)      \
		TYPED_RMW(OR_AND_FETCH, shatomic_or_and_fetch_u##bits)        \
		TYPED_RMW(XOR_AND_FETCH, shatomic_xor_and_fetch_u##bits)      \
		TYPED_RMW(NAND_AND_FETCH, shatomic_nand_and_fetch_u##bits)    \
		TYPED_RMW(FETCH_AND_UMIN, shatomic_fetch_and_min_u##bits)     \
		TYPED_RMW(FETCH_AND_UMAX, shatomic_fetch_and_max_u##bits)     \
		default:                                                      \
			return false;                                         \
		}                                                             \
	}

DEFINE_TYPED(8)
DEFINE_TYPED(16)
DEFINE_TYPED(32)
DEFINE_TYPED(64)

static bool by_typed(struct shatomic_region *region, const struct step *step,
		     struct outcome *outcome)
{
	void *word = shatomic_at(region, WORD_AT + step->at, step->width);

	if (!word)
		return false;
	switch (step->width) {
	case 1:
		return typed_8(word, step, outcome);
	case 2:
		return typed_16(word, step, outcome);
	case 4:
		return typed_32(word, step, outcome);
	default:
		return typed_64(word, step, outcome);
	}
}

static bool has_typed(const struct step *step)
{
	return !(step->width & (step->width - 1)) &&
	       !(step->at % step->width) &&
	       !(shatomic_op_needs(step->op) & SHATOMIC_NEEDS_PEER);
}

static bool has_form(const struct step *step)
{
	return forms[step->op];
}

static bool has_always(const struct step *step)
{
	(void)step;
	return true;
}

static const struct way {
	const char *name;
	way_fn *run;
	bool (*has)(const struct step *step);
} ways[] = {
	{ "single", by_single, has_always },
	{ "batch", by_batch, has_always },
	{ "local batch", by_local_batch, has_always },
	{ "batch of bytes", by_form, has_form },
	{ "typed", by_typed, has_typed },
};

/* Memory before a step: the word in a pattern that no operation leaves. */
static void lay_out(FIXTURE_DATA(conformance) *self, const struct step *step,
		    uint64_t before)
{
	unsigned int i;

	for (i = 0; i < BUFFER_BYTES; i++)
		self->before[i] = 0xc0 + i;
	store_word(self->before + WORD_AT + step->at, step->width, before);
	store_word(self->before + PEER_AT + step->at, step->width, step->peer);
}

/* Run a step in every way that there is; expect the same of each. */
static void expect_step(struct __test_metadata *_metadata,
			FIXTURE_DATA(conformance) *self,
			const struct step *step,
			const struct outcome *expected)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(ways); i++) {
		struct outcome outcome = { .result = ~0ULL };

		if (!ways[i].has(step))
			continue;
		memcpy(self->memory, self->before, BUFFER_BYTES);
		ASSERT_EQ(true, ways[i].run(self->region, step, &outcome))
		{
			TH_LOG("%s %s: %s", ways[i].name,
			       shatomic_op_name(step->op), shatomic_error());
		}
		ASSERT_EQ(expected->result, outcome.result)
		{
			TH_LOG("%s %s of width %u at %u", ways[i].name,
			       shatomic_op_name(step->op), step->width,
			       step->at);
		}
		ASSERT_EQ(expected->held, outcome.held)
		{
			TH_LOG("%s %s of width %u at %u", ways[i].name,
			       shatomic_op_name(step->op), step->width,
			       step->at);
		}
		ASSERT_EQ(0, memcmp(self->memory, self->after, BUFFER_BYTES))
		{
			TH_LOG("%s %s of width %u at %u", ways[i].name,
			       shatomic_op_name(step->op), step->width,
			       step->at);
		}
	}
}

/*
 * By hand, so that nothing but the documents says what is right: before,
 * operand, comparand, mask, comparand_mask, peer; result, held, after, and
 * what the peer has then.
 */
static const struct {
	unsigned int op;
	unsigned int width;
	unsigned int at;
	uint64_t before, operand, comparand, mask, comparand_mask, peer;
	uint64_t result;
	bool held;
	uint64_t after, peer_after;
} cases[] = {
#define CASE(op, ...) { SHATOMIC_OP_##op, __VA_ARGS__ }
	CASE(GET, 3, 1, 0xabcdef, 0, 0, 0, 0, 0, 0xabcdef, true, 0xabcdef, 0),
	CASE(SET, 5, 3, 1, 0xf123456789, 0, 0, 0, 0, 0xf123456789, true,
	     0xf123456789, 0),
	/* An operand that is wider than the word is cut. */
	CASE(SET, 2, 0, 0, 0x12345, 0, 0, 0, 0, 0x2345, true, 0x2345, 0),
	CASE(STORE, 4, 4, 7, 0, 0, 0, 0, 9, 9, true, 9, 9),
	CASE(GET_AND_SET, 8, 0, 1, 2, 0, 0, 0, 0, 1, true, 2, 0),
	CASE(COMPARE_AND_SET, 2, 6, 5, 8, 0, 0, 0, 5, 1, true, 8, 5),
	CASE(COMPARE_AND_SET, 2, 6, 5, 8, 0, 0, 0, 6, 0, false, 5, 5),
	CASE(COMPARE_AND_SET_VALUE, 1, 7, 5, 8, 5, 0, 0, 0, 5, true, 8, 0),
	CASE(COMPARE_AND_SET_VALUE, 1, 7, 5, 8, 6, 0, 0, 0, 5, false, 5, 0),
	CASE(COMPARE_AND_SET_VALUE, 1, 7, 5, 8, 0x105, 0, 0, 0, 5, true, 8, 0),
	/* A carry ends with the word. */
	CASE(FETCH_AND_ADD, 1, 2, 0xff, 1, 0, 0, 0, 0, 0xff, true, 0, 0),
	CASE(FETCH_AND_ADD, 3, 2, 0xffffff, 2, 0, 0, 0, 0, 0xffffff, true, 1,
	     0),
	CASE(ADD_AND_FETCH, 7, 1, 0xffffffffffffff, 1, 0, 0, 0, 0, 0, true, 0,
	     0),
	CASE(FETCH_AND_SUB, 4, 0, 0, 1, 0, 0, 0, 0, 0, true, 0xffffffff, 0),
	CASE(SUB_AND_FETCH, 6, 2, 5, 7, 0, 0, 0, 0, 0xfffffffffffe, true,
	     0xfffffffffffe, 0),
	CASE(FETCH_AND_AND, 1, 0, 0xf0, 0x3c, 0, 0, 0, 0, 0xf0, true, 0x30, 0),
	CASE(AND_AND_FETCH, 1, 0, 0xf0, 0x3c, 0, 0, 0, 0, 0x30, true, 0x30, 0),
	CASE(FETCH_AND_OR, 2, 3, 0xf0, 0x3c, 0, 0, 0, 0, 0xf0, true, 0xfc, 0),
	CASE(OR_AND_FETCH, 2, 3, 0xf0, 0x3c, 0, 0, 0, 0, 0xfc, true, 0xfc, 0),
	CASE(FETCH_AND_XOR, 4, 2, 0xf0, 0x3c, 0, 0, 0, 0, 0xf0, true, 0xcc, 0),
	CASE(XOR_AND_FETCH, 4, 2, 0xf0, 0x3c, 0, 0, 0, 0, 0xcc, true, 0xcc, 0),
	CASE(FETCH_AND_NAND, 1, 5, 0xf0, 0x3c, 0, 0, 0, 0, 0xf0, true, 0xcf, 0),
	CASE(NAND_AND_FETCH, 2, 5, 0xf0, 0x3c, 0, 0, 0, 0, 0xffcf, true, 0xffcf,
	     0),
	/* -1 is less than 1, and 0xff more. */
	CASE(FETCH_AND_SMIN, 1, 0, 1, 0xff, 0, 0, 0, 0, 1, true, 0xff, 0),
	CASE(FETCH_AND_SMAX, 3, 5, 0xffffff, 1, 0, 0, 0, 0, 0xffffff, true, 1,
	     0),
	CASE(FETCH_AND_UMIN, 1, 0, 1, 0xff, 0, 0, 0, 0, 1, true, 1, 0),
	CASE(FETCH_AND_UMAX, 2, 1, 1, 0xffff, 0, 0, 0, 0, 1, true, 0xffff, 0),
	/* Up to the bound, not above it, and not around the end. */
	CASE(FETCH_AND_ADD_BOUNDED, 4, 0, 9, 1, 10, 0, 0, 0, 9, true, 10, 0),
	CASE(FETCH_AND_ADD_BOUNDED, 4, 0, 10, 1, 10, 0, 0, 0, 10, false, 10, 0),
	CASE(FETCH_AND_ADD_BOUNDED, 1, 3, 0xfe, 3, 0xff, 0, 0, 0, 0xfe, false,
	     0xfe, 0),
	CASE(FETCH_AND_ADD_BOUNDED, 5, 3, 1, 0xffffffffff, 0xffffffffff, 0, 0,
	     0, 1, false, 1, 0),
	CASE(MASKED_GET_AND_SET, 2, 0, 0x1234, 0xabcd, 0, 0x0ff0, 0, 0, 0x1234,
	     true, 0x1bc4, 0),
	CASE(MASKED_COMPARE_AND_SET_VALUE, 3, 0, 0x123456, 0xffffff, 0x993499,
	     0xf0000f, 0x00ff00, 0, 0x123456, true, 0xf2345f, 0),
	CASE(MASKED_COMPARE_AND_SET_VALUE, 3, 0, 0x123456, 0xffffff, 0x993599,
	     0xf0000f, 0x00ff00, 0, 0x123456, false, 0x123456, 0),
	CASE(TEST_AND_SET_BIT, 3, 4, 0x000001, 23, 0, 0, 0, 0, 0, true,
	     0x800001, 0),
	CASE(TEST_AND_SET_BIT, 8, 0, 1, 0, 0, 0, 0, 0, 1, true, 1, 0),
	CASE(TEST_AND_CLEAR_BIT, 8, 0, 1ULL << 63, 63, 0, 0, 0, 0, 1, true, 0,
	     0),
#undef CASE
};

TEST_F(conformance, cases)
{
	bool seen[SHATOMIC_OP_COUNT] = { false };
	unsigned int i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		const struct step step = {
			.op = cases[i].op, .width = cases[i].width,
			.at = cases[i].at, .peer = cases[i].peer,
			.values = { cases[i].operand, cases[i].comparand,
				    cases[i].mask, cases[i].comparand_mask },
		};
		const struct outcome expected = { cases[i].result,
						  cases[i].held };

		lay_out(self, &step, cases[i].before);
		memcpy(self->after, self->before, BUFFER_BYTES);
		store_word(self->after + WORD_AT + step.at, step.width,
			   cases[i].after);
		store_word(self->after + PEER_AT + step.at, step.width,
			   cases[i].peer_after);
		expect_step(_metadata, self, &step, &expected);
		seen[step.op] = true;
	}
	for (i = 0; i < SHATOMIC_OP_COUNT; i++)
		EXPECT_EQ(true, seen[i])
		{
			TH_LOG("no case for %s", shatomic_op_name(i));
		}
}

/* Values of the width at which something begins, ends or wraps. */
static uint64_t edge(unsigned int i, unsigned int width)
{
	const uint64_t all = width_mask(width);
	const uint64_t edges[] = { 0, 1, all, all ^ all >> 1, all >> 1,
				   0x5555555555555555 & all };

	return edges[i % COUNT_OF(edges)];
}

#define EDGES 6

static void compare_with_model(struct __test_metadata *_metadata,
			       FIXTURE_DATA(conformance) *self,
			       struct step *step, uint64_t before)
{
	struct outcome expected;
	uint8_t status;

	step->values.operand = operand_for(step->op, step->width,
					   step->values.operand);
	lay_out(self, step, before);
	memcpy(self->after, self->before, BUFFER_BYTES);
	model_row(step->op, step->width, self->after + WORD_AT + step->at,
		  self->after + PEER_AT + step->at, &step->values,
		  &expected.result, &status);
	expected.held = status == SHATOMIC_ROW_DONE;
	expect_step(_metadata, self, step, &expected);
}

/* Every operation at every width and place with every pair of edges. */
TEST_F_TIMEOUT(conformance, every_operation_width_and_place, 240)
{
	unsigned int op, width, at, i;

	for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
		for (width = 1; width <= 8; width++) {
			for (at = 0; at + width <= 8; at++) {
				for (i = 0; i < EDGES * EDGES; i++) {
					uint64_t other = edge(i / EDGES, width);
					struct step step = {
						.op = op, .width = width,
						.at = at, .peer = other,
						.values = {
							other,
							edge(i * 5 + at, width),
							edge(i + width, width),
							edge(i / 2, width),
						},
					};

					compare_with_model(_metadata, self,
							   &step,
							   edge(i, width));
				}
			}
		}
	}
}

/* The highest bit of a signed type is one as any other. */
TEST(bits_of_signed_words)
{
	int8_t i8 = 0;
	int16_t i16 = 0;
	int32_t i32 = 0;
	int64_t i64 = 0;

	EXPECT_EQ(0, shatomic_test_and_set_bit_i8(&i8, 7));
	EXPECT_EQ(1, shatomic_test_and_set_bit_i8(&i8, 7));
	EXPECT_EQ(1, shatomic_test_and_clear_bit_i8(&i8, 7));
	EXPECT_EQ(0, shatomic_test_and_set_bit_i16(&i16, 15));
	EXPECT_EQ(1, shatomic_test_and_clear_bit_i16(&i16, 15));
	EXPECT_EQ(0, shatomic_test_and_set_bit_i32(&i32, 31));
	EXPECT_EQ(1, shatomic_test_and_clear_bit_i32(&i32, 31));
	EXPECT_EQ(0, shatomic_test_and_set_bit_i64(&i64, 63));
	EXPECT_EQ(1, shatomic_test_and_set_bit_i64(&i64, 63));
	EXPECT_EQ(1, shatomic_test_and_clear_bit_i64(&i64, 63));
	EXPECT_EQ(0, i8 | i16 | i32 | i64);
}

/* Nobody sets it, which the compiler must not know. */
static volatile bool sets;

/*
 * Compilers may make one variable of an operand and a result that come to the
 * same place; GCC 12 then operated with what it had seen in the word.
 */
#define DEFINE_EITHER(name, suffix, type)                                     \
	static __attribute__((__noinline__)) void                             \
	either_##name##_##suffix(type *word, const type *operand_,            \
				 type *result_)                               \
	{                                                                     \
		type operand = *operand_, result;                             \
									      \
		if (sets) {                                                   \
			shatomic_set_##suffix(word, operand);                 \
			result = operand;                                     \
		} else {                                                      \
			result = shatomic_##name##_##suffix(word, operand);   \
		}                                                             \
		*result_ = result;                                            \
	}

/* No macro, of which there would be many in one function. */
static void check_either(struct __test_metadata *_metadata, const char *name,
			 unsigned int op, unsigned int width, uint64_t old,
			 uint64_t operand, uint64_t result, uint64_t word)
{
	EXPECT_TRUE(model_agrees(op, width, old, operand, result, word))
		TH_LOG("%s, %u bytes", name, width);
}

#define CHECK_EITHER(op, name, suffix, type)                                  \
	do {                                                                  \
		type old = next_random(), operand = next_random();            \
		type word = old, result;                                      \
									      \
		either_##name##_##suffix(&word, &operand, &result);           \
		check_either(_metadata, #name, SHATOMIC_OP_##op, sizeof(type), \
			     old, operand, result, word);                     \
	} while (0);

#define OF_EACH_TYPE(X, ...)                                                  \
	X(__VA_ARGS__, u8, uint8_t)                                           \
	X(__VA_ARGS__, u16, uint16_t)                                         \
	X(__VA_ARGS__, u32, uint32_t)                                         \
	X(__VA_ARGS__, u64, uint64_t)

#define OF_EACH_OPERATION(X, Y)                                               \
	OF_EACH_TYPE(X, Y(GET_AND_SET, get_and_set))                          \
	OF_EACH_TYPE(X, Y(FETCH_AND_ADD, fetch_and_add))                      \
	OF_EACH_TYPE(X, Y(FETCH_AND_SUB, fetch_and_sub))                      \
	OF_EACH_TYPE(X, Y(FETCH_AND_AND, fetch_and_and))                      \
	OF_EACH_TYPE(X, Y(FETCH_AND_OR, fetch_and_or))                        \
	OF_EACH_TYPE(X, Y(FETCH_AND_XOR, fetch_and_xor))                      \
	OF_EACH_TYPE(X, Y(FETCH_AND_NAND, fetch_and_nand))                    \
	OF_EACH_TYPE(X, Y(ADD_AND_FETCH, add_and_fetch))                      \
	OF_EACH_TYPE(X, Y(SUB_AND_FETCH, sub_and_fetch))                      \
	OF_EACH_TYPE(X, Y(AND_AND_FETCH, and_and_fetch))                      \
	OF_EACH_TYPE(X, Y(OR_AND_FETCH, or_and_fetch))                        \
	OF_EACH_TYPE(X, Y(XOR_AND_FETCH, xor_and_fetch))                      \
	OF_EACH_TYPE(X, Y(NAND_AND_FETCH, nand_and_fetch))                    \
	OF_EACH_TYPE(X, Y(FETCH_AND_UMIN, fetch_and_min))                     \
	OF_EACH_TYPE(X, Y(FETCH_AND_UMAX, fetch_and_max))

#define NAME_ALONE(op, name) name
#define BOTH_NAMES(op, name) op, name

OF_EACH_OPERATION(DEFINE_EITHER, NAME_ALONE)

TEST(operands_beside_results)
{
	unsigned int i;

	seed_random();
	for (i = 0; i < 20; i++) {
		OF_EACH_OPERATION(CHECK_EITHER, BOTH_NAMES)
	}
}

/* Without a stride, rows of bytes are as far apart as the widest is wide. */
TEST_F(conformance, rows_of_bytes_lie_close)
{
	static const unsigned char values[9] = { 1, 9, 9, 2, 3, 9, 4, 5, 6 };
	uint64_t offsets[3] = { 0, 8, 16 }, peer_offsets[3] = { 24, 8, 24 };
	uint8_t widths[3] = { 1, 2, 3 }, results[9];
	struct shatomic_byte_batch batch = {
		.rows = 3, .widths = widths, .offsets = offsets,
		.values = values, .results = results,
		.peers = &self->region, .peer_count = 1,
		.peer_offsets = peer_offsets,
	};

	memset(results, 0x5a, sizeof(results));
	ASSERT_EQ(0, shatomic_sets(self->region, &batch));
	EXPECT_EQ(0, memcmp(results, "\1\0\0\2\3\0\4\5\6", 9));
	EXPECT_EQ(0, memcmp(self->memory + 16, "\4\5\6", 4));
	EXPECT_EQ(0, memcmp(self->memory + 8, "\2\3", 3));

	/* But bools: a word equals itself, and 1 and 456 are not 0. */
	memset(results, 0x5a, sizeof(results));
	ASSERT_EQ(0, shatomic_compare_and_sets(self->region, &batch));
	EXPECT_EQ(0, memcmp(results, "\0\1\0\x5a", 4));
}

TEST_F_TIMEOUT(conformance, random_steps, 240)
{
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		unsigned int width = 1 + next_random() % 8;
		struct step step = {
			.op = next_random() % SHATOMIC_OP_COUNT,
			.width = width, .at = next_random() % (9 - width),
			.peer = interesting_value() & width_mask(width),
			.values = { interesting_value(), interesting_value(),
				    interesting_value(), interesting_value() },
		};

		compare_with_model(_metadata, self, &step,
				   interesting_value() & width_mask(width));
	}
}

TEST_HARNESS_MAIN
