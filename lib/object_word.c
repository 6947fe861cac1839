// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Operations between objects and words of regions, which have the width of the
 * object's content.
 */
#include "backend.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/**
 * struct content - What an object was seen to hold, as a word
 * @value: As an integer.
 * @width: In bytes; 0 for an empty byte string.
 */
struct content {
	uint64_t value;
	unsigned int width;
};

/*
 * The word of an object of any other type is its content: a bool that is
 * another byte than 0 and 1 stays that byte where it is stored, and equals that
 * byte alone.
 */
static int load_content(const struct shatomic_object *object,
			struct content *content)
{
	struct shatomic_value value;
	int err;

	if (object->type != SHATOMIC_TYPE_BYTES) {
		content->width = object->width;
		return shatomic_run_single(object->region, SHATOMIC_OP_GET,
					   object->offset, object->width, 0, 0,
					   &content->value, NULL);
	}
	err = shatomic_object_get(object, &value);
	if (err)
		return err;
	content->width = value.size;
	content->value = shatomic_value_load(value.bytes, value.size);
	return 0;
}

/* Make an object hold what was seen in a word as wide as its content was. */
static int store_content(const struct shatomic_object *object,
			 const struct content *content)
{
	struct shatomic_value value = { .type = SHATOMIC_TYPE_BYTES,
					.size = content->width };

	if (object->type != SHATOMIC_TYPE_BYTES)
		return shatomic_run_single(object->region, SHATOMIC_OP_SET,
					   object->offset, object->width,
					   content->value, 0, NULL, NULL);
	shatomic_value_store(value.bytes, content->width, content->value);
	return shatomic_object_set(object, &value);
}

static int check_regions(const struct shatomic_region *region,
			 const struct shatomic_object *object,
			 bool writes_object)
{
	int err;

	if (!region)
		return shatomic_fail(EINVAL, "region is NULL");
	if (!region->memory.writable)
		return shatomic_fail(EACCES, "the region is open read-only");
	err = shatomic_object_check(object);
	if (err)
		return err;
	if (writes_object && !object->region->memory.writable)
		return shatomic_fail(EACCES,
				     "the object's region is open read-only");
	return 0;
}

int shatomic_store_from_other_types(struct shatomic_region *region,
				    uint64_t offset,
				    const struct shatomic_object *object)
{
	struct content content;
	int err;

	err = check_regions(region, object, false);
	if (err)
		return err;
	err = load_content(object, &content);
	if (err || !content.width)
		return err;
	return shatomic_run_single(region, SHATOMIC_OP_SET, offset,
				   content.width, content.value, 0, NULL,
				   NULL);
}

static int check_value_width(unsigned int width, unsigned int needed)
{
	if (width >= needed)
		return 0;
	return shatomic_fail(EINVAL, "value has %u bytes, the object %u", width,
			     needed);
}

int shatomic_compare_with_other_type_and_set(struct shatomic_region *region,
					     uint64_t offset, const void *value,
					     unsigned int width,
					     const struct shatomic_object *object)
{
	struct content content;
	bool held = true;
	uint64_t seen;
	int err;

	if (!value)
		return shatomic_fail(EINVAL, "value is NULL");
	err = check_regions(region, object, true);
	if (err)
		return err;
	err = load_content(object, &content);
	if (err)
		return err;
	err = check_value_width(width, content.width);
	if (err)
		return err;
	if (!content.width)
		return 1;
	err = shatomic_run_single(region, SHATOMIC_OP_COMPARE_AND_SET_VALUE,
				  offset, content.width,
				  shatomic_value_load(value, content.width),
				  content.value, &seen, &held);
	if (!err && !held) {
		content.value = seen;
		err = store_content(object, &content);
	}
	return err ? err : held;
}

/*
 * Batch forms.
 */

/* Put before a sentence which row of which column it is about. */
static int fail_row(int err, struct shatomic_byte_batch *batch, uint64_t row,
		    unsigned int field, const char *column)
{
	char sentence[SHATOMIC_SENTENCE_SIZE];

	snprintf(sentence, sizeof(sentence), "%s", shatomic_error());
	batch->error_row = row;
	batch->error_field = field;
	return shatomic_fail(-err, "row %llu, %s: %s", (unsigned long long)row,
			     column, sentence);
}

static int fail_column(struct shatomic_byte_batch *batch, unsigned int field,
		       const char *name)
{
	batch->error_field = field;
	return shatomic_fail(EINVAL, "%s is needed, but NULL", name);
}

static int check_flags(struct shatomic_byte_batch *batch)
{
	unsigned int unknown = batch->flags & ~SHATOMIC_BATCH_UNORDERED;

	if (!unknown)
		return 0;
	batch->error_field = SHATOMIC_FIELD_FLAGS;
	return shatomic_fail(EOPNOTSUPP, "flags has unknown bits 0x%x",
			     unknown);
}

static int check_columns(const struct shatomic_region *region,
			 struct shatomic_byte_batch *batch, bool has_values)
{
	if (!batch->rows)
		return 0;
	if (!region->memory.writable) {
		shatomic_fail(EACCES, "the region is open read-only");
		return fail_row(-EACCES, batch, 0, SHATOMIC_FIELD_OP, "op");
	}
	if (!batch->offsets)
		return fail_column(batch, SHATOMIC_FIELD_OFFSETS, "offsets");
	if (!batch->objects)
		return fail_column(batch, SHATOMIC_FIELD_PEERS, "objects");
	if (has_values && !batch->values)
		return fail_column(batch, SHATOMIC_FIELD_OPERANDS, "values");
	return 0;
}

/* Check one row; @largest grows to the width of its word. */
static int check_row(const struct shatomic_region *region,
		     struct shatomic_byte_batch *batch, uint64_t row,
		     bool has_values, unsigned int *largest)
{
	struct content content;
	int err;

	err = check_regions(region, &batch->objects[row], has_values);
	if (!err)
		err = load_content(&batch->objects[row], &content);
	if (err)
		return fail_row(err, batch, row, SHATOMIC_FIELD_PEERS,
				"objects");
	if (has_values && batch->stride && batch->stride < content.width) {
		err = shatomic_fail(EINVAL,
				    "stride %zu is less than the %u bytes of the object",
				    batch->stride, content.width);
		return fail_row(err, batch, row, SHATOMIC_FIELD_OPERANDS,
				"values");
	}
	if (content.width)
		err = shatomic_check_single(region, batch->offsets[row],
					    content.width);
	if (err)
		return fail_row(err, batch, row, SHATOMIC_FIELD_OFFSETS,
				"offsets");
	if (content.width > *largest)
		*largest = content.width;
	return 0;
}

/*
 * Check the batch as far as that can be done before the first row runs; tell
 * how far the values are apart.
 */
static int check_batch(const struct shatomic_region *region,
		       struct shatomic_byte_batch *batch, bool has_values,
		       size_t *stride)
{
	unsigned int largest = 0;
	uint64_t row;
	int err;

	err = shatomic_byte_batch_begin(region, batch);
	if (!err)
		err = check_flags(batch);
	if (!err)
		err = check_columns(region, batch, has_values);
	for (row = 0; !err && row < batch->rows; row++)
		err = check_row(region, batch, row, has_values, &largest);
	if (!err)
		*stride = batch->stride ? batch->stride : largest;
	return err;
}

/* What only an object that changed since it was checked can lead to. */
static int fail_midway(int err, struct shatomic_byte_batch *batch, uint64_t row)
{
	return fail_row(err, batch, row, SHATOMIC_FIELD_PEERS, "objects");
}

static void put_row(struct shatomic_byte_batch *batch, uint64_t row, bool held)
{
	if (batch->statuses)
		batch->statuses[row] = held ? SHATOMIC_ROW_DONE :
					      SHATOMIC_ROW_COMPARE_FAILED;
	batch->rows_done++;
}

int shatomic_stores_from_other_types(struct shatomic_region *region,
				     struct shatomic_byte_batch *batch)
{
	size_t stride;
	uint64_t row;
	int err;

	err = check_batch(region, batch, false, &stride);
	if (err)
		return err;
	for (row = 0; row < batch->rows; row++) {
		err = shatomic_store_from_other_types(region,
						      batch->offsets[row],
						      &batch->objects[row]);
		if (err)
			return fail_midway(err, batch, row);
		put_row(batch, row, true);
	}
	return 0;
}

int shatomic_compare_with_other_types_and_sets(struct shatomic_region *region,
					       struct shatomic_byte_batch *batch)
{
	const unsigned char *values;
	uint8_t *results;
	unsigned int width;
	size_t stride;
	uint64_t row;
	int err, held;

	err = check_batch(region, batch, true, &stride);
	if (err)
		return err;
	values = batch->values;
	results = batch->results;
	/* No row has more, and a stride may not fit in a width. */
	width = stride < sizeof(uint64_t) ? stride : sizeof(uint64_t);
	for (row = 0; row < batch->rows; row++) {
		held = shatomic_compare_with_other_type_and_set(
			region, batch->offsets[row], values + row * stride,
			width, &batch->objects[row]);
		if (held < 0)
			return fail_midway(held, batch, row);
		if (results)
			results[row] = held;
		put_row(batch, row, held);
	}
	return 0;
}
