// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes what the library does with bytes: the forms of batches whose values
 * are rows of bytes, compared with the model of tests/model.h, and the first
 * content of regions, compared with what padding and trimming are said to do.
 */
#include "../common.h"
#include "../model.h"
#include "input.h"

#define REGION_BYTES 128
#define MAX_ROWS 64
#define MAX_STRIDE 12
#define MAX_CONTENT 300

typedef int form_fn(struct shatomic_region *region,
		    struct shatomic_byte_batch *batch);

/* One argument of values, and none but that. */
static const struct {
	form_fn *run;
	unsigned int op;
} forms[] = {
	{ shatomic_gets, SHATOMIC_OP_GET },
	{ shatomic_sets, SHATOMIC_OP_SET },
	{ shatomic_get_and_sets, SHATOMIC_OP_GET_AND_SET },
	{ shatomic_compare_and_set_values, SHATOMIC_OP_COMPARE_AND_SET_VALUE },
	{ shatomic_fetch_and_adds, SHATOMIC_OP_FETCH_AND_ADD },
	{ shatomic_fetch_and_nands, SHATOMIC_OP_FETCH_AND_NAND },
	{ shatomic_sub_and_fetches, SHATOMIC_OP_SUB_AND_FETCH },
	{ shatomic_xor_and_fetches, SHATOMIC_OP_XOR_AND_FETCH },
};

static struct shatomic_region *region;
static unsigned char *memory;

static void set_up(void)
{
	if (region)
		return;
	setenv("SHATOMIC_BACKEND", "memfd", 1);
	region = new_region(REGION_BYTES);
	expect(region, "%s", shatomic_error());
	memory = shatomic_buf(region, NULL);
}

/* Bytes on the heap, where a sanitizer sees what is beyond them. */
static unsigned char *take_bytes(struct input *input, size_t size)
{
	unsigned char *bytes = malloc(size);
	size_t i;

	expect(bytes || !size, "no memory");
	for (i = 0; i < size; i++)
		bytes[i] = take_byte(input);
	return bytes;
}

static void compare_row(unsigned int op, unsigned int width, size_t stride,
			unsigned char *model, uint64_t offset,
			const unsigned char *value,
			const unsigned char *comparand,
			const unsigned char *result, uint8_t status)
{
	const struct model_values values = {
		.operand = load_word(value, width),
		.comparand = load_word(comparand, width),
	};
	unsigned char want[MAX_STRIDE] = { 0 };
	uint64_t word;
	uint8_t want_status;

	model_row(op, width, model + offset, NULL, &values, &word, &want_status);
	store_word(want, width, word);
	expect(!memcmp(result, want, stride), "op %u width %u", op, width);
	expect(status == want_status, "op %u", op);
}

static void fuzz_form(struct input *input)
{
	unsigned int which = take_byte(input) % COUNT_OF(forms);
	unsigned int rows = take_byte(input) % (MAX_ROWS + 1), row;
	uint8_t width = take_byte(input) % 9, stride = take_byte(input);
	uint8_t row_widths[MAX_ROWS], row_statuses[MAX_ROWS];
	uint64_t row_offsets[MAX_ROWS];
	unsigned char model[REGION_BYTES], *values, *comparands, *results;
	unsigned int largest = 0;
	bool good = true;
	struct shatomic_byte_batch batch;
	size_t distance;
	int err;

	for (row = 0; row < rows; row++) {
		uint8_t at = take_byte(input);

		row_widths[row] = width ? width : 1 + (at >> 5);
		row_offsets[row] = take_byte(input) % (REGION_BYTES + 2);
		if (row_offsets[row] + row_widths[row] > REGION_BYTES ||
		    row_offsets[row] % 8 + row_widths[row] > 8)
			good = false;
		if (row_widths[row] > largest)
			largest = row_widths[row];
	}
	stride = stride % (MAX_STRIDE + 1);
	distance = stride ? stride : largest;
	if (rows && stride && stride < largest)
		good = false;
	values = take_bytes(input, rows * distance);
	comparands = take_bytes(input, rows * distance);
	results = take_bytes(input, rows * distance);
	for (row = 0; row < REGION_BYTES; row++)
		model[row] = take_byte(input);
	memcpy(memory, model, REGION_BYTES);
	batch = (struct shatomic_byte_batch){
		.rows = rows,
		.width = width,
		.stride = stride,
		.widths = width ? NULL : row_widths,
		.offsets = row_offsets,
		.values = values,
		.comparands = comparands,
		.results = results,
		.statuses = row_statuses,
	};
	err = forms[which].run(region, &batch);
	expect(!err == good, "%d: %s", err, err ? shatomic_error() : "");
	for (row = 0; good && row < rows; row++)
		compare_row(forms[which].op, row_widths[row], distance, model,
			    row_offsets[row], values + row * distance,
			    comparands + row * distance,
			    results + row * distance, row_statuses[row]);
	expect(!memcmp(memory, model, REGION_BYTES), "memory");
	free(values);
	free(comparands);
	free(results);
}

/* The byte of a new region at @i, as struct shatomic_create_options has it. */
static unsigned char content_at(const struct shatomic_create_options *options,
				size_t length, size_t i)
{
	const unsigned char *initial = options->initial;
	const unsigned char *padding = options->padding_bytes;
	size_t size = options->initial_size, pad;

	if (size >= length)
		return initial[options->trimming_direction ==
				       SHATOMIC_DIRECTION_LEFT ?
				       size - length + i : i];
	/* A length that nobody asked for is padded with zeros. */
	if (!options->size)
		return 0;
	pad = length - size;
	if (options->padding_direction == SHATOMIC_DIRECTION_LEFT) {
		if (i >= pad)
			return initial[i - pad];
	} else {
		if (i < size)
			return initial[i];
		i -= size;
	}
	if (options->padding_direction == SHATOMIC_DIRECTION_NONE ||
	    !options->padding_size)
		return 0;
	return padding[i % options->padding_size];
}

static void fuzz_content(struct input *input)
{
	struct shatomic_create_options options = {
		.size = take_u16(input) % (2 * MAX_CONTENT),
		.padding_direction = take_byte(input) % 4,
		.trimming_direction = take_byte(input) % 4,
		.initial_size = take_u16(input) % MAX_CONTENT,
		.padding_size = take_byte(input) % 70,
	};
	unsigned char *initial, *padding, *made;
	struct shatomic_region *new;
	size_t length, i, got;
	int err;

	initial = take_bytes(input, options.initial_size);
	padding = take_bytes(input, options.padding_size);
	options.initial = options.initial_size ? initial : NULL;
	options.padding_bytes = options.padding_size ? padding : NULL;
	err = shatomic_create(&options, &new);
	if (options.padding_direction > SHATOMIC_DIRECTION_RIGHT ||
	    options.trimming_direction > SHATOMIC_DIRECTION_RIGHT) {
		expect(err == -EINVAL, "%d", err);
	} else {
		expect(!err, "%s", shatomic_error());
		length = options.size ? options.size :
			 options.initial_size ? options.initial_size : 1;
		made = shatomic_buf(new, &got);
		expect(got == length, "%zu %zu", got, length);
		for (i = 0; i < length; i++)
			expect(made[i] == content_at(&options, length, i),
			       "byte %zu of %zu", i, length);
		shatomic_close(new);
	}
	free(initial);
	free(padding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	set_up();
	if (take_byte(&input) % 2)
		fuzz_form(&input);
	else
		fuzz_content(&input);
	return 0;
}
