// SPDX-License-Identifier: GPL-2.0-only
/*
 * Atomic objects: each type at each width and place against bytes written by
 * hand, processes that meet on one, and operations between objects and words.
 */
#include "common.h"

#include <sched.h>

#define REGION_BYTES 64
/* What lies around the words under test. */
#define FILLER 0xa5
/* An aligned 8-byte word with others on both sides. */
#define AT 24

typedef int unary_fn(const struct shatomic_object *object,
		     const struct shatomic_value *value,
		     struct shatomic_value *result);

static struct shatomic_value bool_value(bool b)
{
	return (struct shatomic_value){ .type = SHATOMIC_TYPE_BOOL, .b = b };
}

static struct shatomic_value int_value(int64_t i)
{
	return (struct shatomic_value){ .type = SHATOMIC_TYPE_INT, .i = i };
}

static struct shatomic_value uint_value(uint64_t u)
{
	return (struct shatomic_value){ .type = SHATOMIC_TYPE_UINT, .u = u };
}

static struct shatomic_value float_value(double f)
{
	return (struct shatomic_value){ .type = SHATOMIC_TYPE_FLOAT, .f = f };
}

static struct shatomic_value bytes_value(const void *bytes, unsigned int size)
{
	struct shatomic_value value = { .type = SHATOMIC_TYPE_BYTES,
					.size = size };

	memcpy(value.bytes, bytes, size);
	return value;
}

static bool same_value(const struct shatomic_value *a,
		       const struct shatomic_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case SHATOMIC_TYPE_BOOL:
		return a->b == b->b;
	case SHATOMIC_TYPE_BYTES:
		return a->size == b->size &&
		       !memcmp(a->bytes, b->bytes, a->size);
	default:
		return a->u == b->u;
	}
}

static uint64_t width_mask(unsigned int width)
{
	return ~0ULL >> (64 - 8 * width);
}

/* The bytes of a number, lowest first or last as the machine has them. */
static void put_number(unsigned char *at, unsigned int width, uint64_t number)
{
	unsigned int i, byte;

	for (i = 0; i < width; i++) {
		byte = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ?
			       i : width - 1 - i;
		at[byte] = number >> (8 * i);
	}
}

/* What a number of @width bytes is in a value, without a shift of signs. */
static struct shatomic_value number_value(enum shatomic_type type,
					  unsigned int width, uint64_t number)
{
	uint64_t sign = 1ULL << (8 * width - 1);

	number &= width_mask(width);
	if (type == SHATOMIC_TYPE_UINT)
		return uint_value(number);
	return int_value(number & sign ?
				 -(int64_t)(width_mask(width) - number) - 1 :
				 (int64_t)number);
}

FIXTURE(object)
{
	struct shatomic_region *region;
	struct shatomic_region *other;
	unsigned char *memory;
	unsigned char *other_memory;
	unsigned char expected[REGION_BYTES];
	unsigned char other_expected[REGION_BYTES];
};

FIXTURE_SETUP(object)
{
	self->region = new_region(REGION_BYTES);
	self->other = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	ASSERT_NE(NULL, self->other);
	self->memory = shatomic_buf(self->region, NULL);
	self->other_memory = shatomic_buf(self->other, NULL);
}

FIXTURE_TEARDOWN(object)
{
	shatomic_close(self->region);
	shatomic_close(self->other);
}

/* Filler in both regions, and expected to stay. */
static void fill(FIXTURE_DATA(object) *self)
{
	memset(self->memory, FILLER, REGION_BYTES);
	memset(self->other_memory, FILLER, REGION_BYTES);
	memset(self->expected, FILLER, REGION_BYTES);
	memset(self->other_expected, FILLER, REGION_BYTES);
}

static bool is_as_expected(const FIXTURE_DATA(object) *self)
{
	return !memcmp(self->memory, self->expected, REGION_BYTES) &&
	       !memcmp(self->other_memory, self->other_expected, REGION_BYTES);
}

static struct shatomic_object new_object(struct __test_metadata *_metadata,
					 struct shatomic_region *region,
					 uint64_t offset,
					 enum shatomic_type type,
					 unsigned int width)
{
	struct shatomic_object object;

	ASSERT_EQ(0, shatomic_object_init(&object, region, offset, type, width))
	{
		TH_LOG("%s", shatomic_error());
	}
	return object;
}

/* What an out parameter holds that must be left alone. */
static struct shatomic_value untouched(void)
{
	struct shatomic_value value;

	memset(&value, 0x77, sizeof(value));
	return value;
}

static bool is_untouched(const struct shatomic_value *value)
{
	struct shatomic_value blank = untouched();

	return !memcmp(value, &blank, sizeof(blank));
}

/*
 * Numbers.
 */

enum kind { ADD, SUB, AND, OR, XOR, NAND };

static const struct update {
	const char *name;
	unary_fn *run;
	enum kind kind;
	bool gives_new;
} updates[] = {
	{ "fetch_and_add", shatomic_object_fetch_and_add, ADD, false },
	{ "fetch_and_sub", shatomic_object_fetch_and_sub, SUB, false },
	{ "fetch_and_and", shatomic_object_fetch_and_and, AND, false },
	{ "fetch_and_or", shatomic_object_fetch_and_or, OR, false },
	{ "fetch_and_xor", shatomic_object_fetch_and_xor, XOR, false },
	{ "fetch_and_nand", shatomic_object_fetch_and_nand, NAND, false },
	{ "add_and_fetch", shatomic_object_add_and_fetch, ADD, true },
	{ "sub_and_fetch", shatomic_object_sub_and_fetch, SUB, true },
	{ "and_and_fetch", shatomic_object_and_and_fetch, AND, true },
	{ "or_and_fetch", shatomic_object_or_and_fetch, OR, true },
	{ "xor_and_fetch", shatomic_object_xor_and_fetch, XOR, true },
	{ "nand_and_fetch", shatomic_object_nand_and_fetch, NAND, true },
};

static uint64_t updated(enum kind kind, uint64_t a, uint64_t b)
{
	switch (kind) {
	case ADD:
		return a + b;
	case SUB:
		return a - b;
	case AND:
		return a & b;
	case OR:
		return a | b;
	case XOR:
		return a ^ b;
	case NAND:
		return ~(a & b);
	}
	return 0;
}

/* Numbers at which something begins, ends or wraps; the last of its own bytes. */
static uint64_t extreme(unsigned int i, unsigned int width)
{
	const uint64_t all = width_mask(width);
	const uint64_t numbers[] = {
		0, 1, all, all >> 1, (all >> 1) + 1, 0x8877665544332211 & all,
	};

	return numbers[i];
}

#define EXTREMES 6

static void update_number(struct __test_metadata *_metadata,
			  FIXTURE_DATA(object) *self,
			  const struct shatomic_object *object,
			  const struct update *update, uint64_t a, uint64_t b)
{
	struct shatomic_value operand, wanted, result = untouched();
	unsigned char *word = self->memory + object->offset;
	uint64_t next = updated(update->kind, a, b);

	operand = number_value(object->type, object->width, b);
	wanted = number_value(object->type, object->width,
			      update->gives_new ? next : a);
	put_number(word, object->width, a);
	put_number(self->expected + object->offset, object->width, next);
	ASSERT_EQ(0, update->run(object, &operand, &result));
	EXPECT_TRUE(same_value(&wanted, &result) && is_as_expected(self))
	{
		TH_LOG("%s of type %d, width %u at %llu: %llx and %llx",
		       update->name, object->type, object->width,
		       (unsigned long long)object->offset,
		       (unsigned long long)a, (unsigned long long)b);
	}
	put_number(word, object->width, a);
	ASSERT_EQ(0, update->run(object, &operand, NULL));
	EXPECT_TRUE(is_as_expected(self));
}

static void exchange_number(struct __test_metadata *_metadata,
			    FIXTURE_DATA(object) *self,
			    const struct shatomic_object *object, uint64_t a,
			    uint64_t b)
{
	unsigned char *word = self->memory + object->offset;
	unsigned char *expected = self->expected + object->offset;
	unsigned int width = object->width;
	struct shatomic_value was, next, seen = untouched();

	was = number_value(object->type, width, a);
	next = number_value(object->type, width, b);
	put_number(word, width, a);
	put_number(expected, width, a);
	ASSERT_EQ(0, shatomic_object_get(object, &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));

	seen = untouched();
	ASSERT_EQ(a == b, shatomic_object_compare_and_set_value(
				  object, &was, &next, &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));

	put_number(expected, width, b);
	ASSERT_EQ(0, shatomic_object_set(object, &next));
	EXPECT_TRUE(is_as_expected(self));

	put_number(word, width, a);
	seen = untouched();
	ASSERT_EQ(0, shatomic_object_get_and_set(object, &next, &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));

	put_number(word, width, a);
	seen = untouched();
	ASSERT_EQ(1, shatomic_object_compare_and_set_value(object, &next, &was,
							   &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));
}

static void number_at(struct __test_metadata *_metadata,
		      FIXTURE_DATA(object) *self, enum shatomic_type type,
		      unsigned int width, unsigned int place)
{
	struct shatomic_object object = new_object(_metadata, self->region,
						   AT + place, type, width);
	unsigned int i, j, k;

	fill(self);
	for (i = 0; i < EXTREMES; i++) {
		for (j = 0; j < EXTREMES; j++) {
			exchange_number(_metadata, self, &object,
					extreme(i, width), extreme(j, width));
			for (k = 0; k < COUNT_OF(updates); k++)
				update_number(_metadata, self, &object,
					      &updates[k], extreme(i, width),
					      extreme(j, width));
		}
	}
}

TEST_F_TIMEOUT(object, numbers_of_every_width_and_place, 120)
{
	unsigned int width, place;

	for (width = 1; width <= 8; width++) {
		for (place = 0; place + width <= 8; place++) {
			number_at(_metadata, self, SHATOMIC_TYPE_INT, width,
				  place);
			number_at(_metadata, self, SHATOMIC_TYPE_UINT, width,
				  place);
		}
	}
}

TEST_F(object, doubles)
{
	static const struct {
		unary_fn *run;
		double before, operand, after, result;
	} cases[] = {
		{ shatomic_object_fetch_and_add, 1.5, 2.25, 3.75, 1.5 },
		{ shatomic_object_add_and_fetch, 1.5, 2.25, 3.75, 3.75 },
		{ shatomic_object_fetch_and_sub, 1.5, 2.25, -0.75, 1.5 },
		{ shatomic_object_sub_and_fetch, 1.5, 2.25, -0.75, -0.75 },
		{ shatomic_object_add_and_fetch, 1e308, 1e308, __builtin_inf(),
		  __builtin_inf() },
		{ shatomic_object_fetch_and_add, 0x1p53, 1, 0x1p53, 0x1p53 },
		{ shatomic_object_get_and_set, 0.0, -0.0, -0.0, 0.0 },
	};
	struct shatomic_object object = new_object(_metadata, self->region, AT,
						   SHATOMIC_TYPE_FLOAT, 8);
	struct shatomic_value operand, wanted, result;
	unsigned int i;

	fill(self);
	for (i = 0; i < COUNT_OF(cases); i++) {
		operand = float_value(cases[i].operand);
		wanted = float_value(cases[i].result);
		result = untouched();
		memcpy(self->memory + AT, &cases[i].before, 8);
		memcpy(self->expected + AT, &cases[i].after, 8);
		EXPECT_EQ(0, cases[i].run(&object, &operand, &result));
		EXPECT_TRUE(same_value(&wanted, &result) &&
			    is_as_expected(self))
		{
			TH_LOG("case %u", i);
		}
	}
}

/* By their bits: the two zeros differ, a NaN is itself. */
TEST_F(object, doubles_are_compared_by_their_bits)
{
	const struct {
		double before, comparand;
		int ret;
	} cases[] = {
		{ 1.5, 1.5, 1 },
		{ 0.0, -0.0, 0 },
		{ __builtin_nan(""), __builtin_nan(""), 1 },
	};
	struct shatomic_object object = new_object(_metadata, self->region, AT,
						   SHATOMIC_TYPE_FLOAT, 8);
	struct shatomic_value comparand, was, old, seven = float_value(7);
	unsigned int i;

	fill(self);
	for (i = 0; i < COUNT_OF(cases); i++) {
		comparand = float_value(cases[i].comparand);
		was = float_value(cases[i].before);
		memcpy(self->memory + AT, &was.f, 8);
		memcpy(self->expected + AT, cases[i].ret ? &seven.f : &was.f,
		       8);
		old = untouched();
		EXPECT_EQ(cases[i].ret,
			  shatomic_object_compare_and_set_value(
				  &object, &seven, &comparand, &old))
		{
			TH_LOG("case %u", i);
		}
		EXPECT_TRUE(same_value(&was, &old) && is_as_expected(self));
	}
}

static bool updated_bool(enum kind kind, bool a, bool b)
{
	switch (kind) {
	case AND:
		return a && b;
	case OR:
		return a || b;
	case XOR:
		return a != b;
	default:
		return !a || !b;
	}
}

/* Any byte but 0 is true, and what is stored is 0 or 1. */
TEST_F(object, bools)
{
	static const unsigned char bytes[] = { 0, 1, 2, 0x80, 0xff };
	struct shatomic_value operand, wanted, result;
	struct shatomic_object object;
	unsigned int i, j, place;
	bool was, next;

	for (i = 0; i < COUNT_OF(bytes) * 2 * COUNT_OF(updates) * 8; i++) {
		place = i % 8;
		j = i / 8 % COUNT_OF(updates);
		if (updates[j].kind <= SUB)
			continue;
		object = new_object(_metadata, self->region, AT + place,
				    SHATOMIC_TYPE_BOOL, 1);
		operand = bool_value(i / 8 / COUNT_OF(updates) % 2);
		fill(self);
		self->memory[AT + place] =
			bytes[i / 8 / COUNT_OF(updates) / 2];
		was = self->memory[AT + place];
		next = updated_bool(updates[j].kind, was, operand.b);
		self->expected[AT + place] = next;
		wanted = bool_value(updates[j].gives_new ? next : was);
		result = untouched();
		EXPECT_EQ(0, updates[j].run(&object, &operand, &result));
		EXPECT_TRUE(same_value(&wanted, &result) &&
			    is_as_expected(self))
		{
			TH_LOG("%s of %d and %d", updates[j].name, was,
			       operand.b);
		}
	}
}

TEST_F(object, bools_are_compared_by_their_truth)
{
	static const struct {
		unsigned char before;
		bool comparand;
		int ret;
	} cases[] = {
		{ 0, false, 1 }, { 0, true, 0 },     { 1, true, 1 },
		{ 1, false, 0 }, { 2, true, 1 },     { 0xff, true, 1 },
		{ 2, false, 0 }, { 0x80, false, 0 },
	};
	struct shatomic_object object = new_object(_metadata, self->region,
						   AT + 3, SHATOMIC_TYPE_BOOL,
						   1);
	struct shatomic_value comparand, next, was, old;
	unsigned int i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		fill(self);
		comparand = bool_value(cases[i].comparand);
		next = bool_value(!cases[i].comparand);
		was = bool_value(cases[i].before);
		self->memory[AT + 3] = cases[i].before;
		self->expected[AT + 3] = cases[i].ret ? next.b :
							cases[i].before;
		old = untouched();
		EXPECT_EQ(cases[i].ret,
			  shatomic_object_compare_and_set_value(
				  &object, &next, &comparand, &old))
		{
			TH_LOG("case %u", i);
		}
		EXPECT_TRUE(same_value(&was, &old) && is_as_expected(self));
	}
}

/*
 * Byte strings.
 */

/* A string of @size bytes that no other size is the beginning of. */
static struct shatomic_value string_of(unsigned int size)
{
	unsigned char bytes[SHATOMIC_MAX_BYTES];

	memset(bytes, 'a' + size, sizeof(bytes));
	return bytes_value(bytes, size);
}

/* Size first, then content, then zeros, on every machine. */
static void put_string(unsigned char *at, unsigned int width,
		       const struct shatomic_value *string)
{
	memset(at, 0, width);
	at[0] = string->size;
	memcpy(at + 1, string->bytes, string->size);
}

static void exchange_strings(struct __test_metadata *_metadata,
			     FIXTURE_DATA(object) *self,
			     const struct shatomic_object *object,
			     unsigned int from, unsigned int to)
{
	unsigned char *word = self->memory + object->offset;
	unsigned char *expected = self->expected + object->offset;
	struct shatomic_value was = string_of(from), next = string_of(to);
	struct shatomic_value seen = untouched();

	put_string(word, object->width, &was);
	put_string(expected, object->width, &was);
	EXPECT_EQ(0, shatomic_object_get(object, &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));

	seen = untouched();
	EXPECT_EQ(from == to, shatomic_object_compare_and_set_value(
				      object, &was, &next, &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));

	put_string(expected, object->width, &next);
	EXPECT_EQ(0, shatomic_object_set(object, &next));
	EXPECT_TRUE(is_as_expected(self))
	{
		TH_LOG("size %u over %u in width %u", to, from, object->width);
	}
	put_string(word, object->width, &was);
	seen = untouched();
	EXPECT_EQ(0, shatomic_object_get_and_set(object, &next, &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));

	put_string(word, object->width, &was);
	seen = untouched();
	EXPECT_EQ(1, shatomic_object_compare_and_set_value(object, &next, &was,
							   &seen));
	EXPECT_TRUE(same_value(&was, &seen) && is_as_expected(self));
}

TEST_F(object, strings_of_every_width_and_place)
{
	unsigned int width, place, from, to;
	struct shatomic_object object;

	for (width = 1; width <= 8; width++) {
		for (place = 0; place + width <= 8; place++) {
			object = new_object(_metadata, self->region, AT + place,
					    SHATOMIC_TYPE_BYTES, width);
			fill(self);
			for (from = 0; from < width; from++) {
				for (to = 0; to < width; to++)
					exchange_strings(_metadata, self,
							 &object, from, to);
			}
		}
	}
}

/* Where processes that are to meet wait for each other. */
#define GATE_AT 56

/* Be one of @count who begin at the same time. */
static void meet(unsigned char *memory, unsigned int count)
{
	uint32_t *here = (uint32_t *)(memory + GATE_AT);

	shatomic_fetch_and_add_u32(here, 1);
	while (shatomic_get_u32(here) < count)
		sched_yield();
}

/*
 * Whoever reads sees a string that somebody stored, whole: size and content are
 * of the same one.
 */
static bool is_whole(const struct shatomic_value *value, unsigned int width)
{
	struct shatomic_value wanted = string_of(value->size);

	return value->size < width && same_value(&wanted, value);
}

#define STRING_ROUNDS 20000

static int change_strings(const struct shatomic_object *object,
			  unsigned int first)
{
	struct shatomic_value next, old;
	unsigned int i;

	for (i = first; i < STRING_ROUNDS; i++) {
		next = string_of(i % object->width);
		if (i % 3 == 0) {
			if (shatomic_object_set(object, &next))
				return 1;
			continue;
		}
		if (i % 3 == 1) {
			if (shatomic_object_get_and_set(object, &next, &old))
				return 2;
		} else {
			if (shatomic_object_get(object, &old) ||
			    shatomic_object_compare_and_set_value(
				    object, &next, &old, &old) < 0)
				return 3;
		}
		if (!is_whole(&old, object->width))
			return 4;
	}
	return 0;
}

static void meet_on_string(struct __test_metadata *_metadata,
			   FIXTURE_DATA(object) *self, unsigned int place,
			   unsigned int width)
{
	struct shatomic_object object = new_object(_metadata, self->region,
						   AT + place,
						   SHATOMIC_TYPE_BYTES, width);
	struct shatomic_value seen;
	pid_t children[2];
	unsigned int i;

	memset(self->memory, 0, REGION_BYTES);
	for (i = 0; i < COUNT_OF(children); i++) {
		children[i] = fork();
		ASSERT_LE(0, children[i]);
		if (!children[i]) {
			meet(self->memory, 1 + COUNT_OF(children));
			_exit(change_strings(&object, i));
		}
	}
	meet(self->memory, 1 + COUNT_OF(children));
	for (i = 0; i < STRING_ROUNDS; i++) {
		ASSERT_EQ(0, shatomic_object_get(&object, &seen));
		ASSERT_TRUE(is_whole(&seen, width));
	}
	for (i = 0; i < COUNT_OF(children); i++)
		EXPECT_EQ(0, wait_child(children[i]));
}

TEST_F_TIMEOUT(object, strings_change_as_a_whole, 120)
{
	meet_on_string(_metadata, self, 0, 8);
	meet_on_string(_metadata, self, 1, 7);
	meet_on_string(_metadata, self, 0, 4);
	meet_on_string(_metadata, self, 2, 3);
}

/*
 * What something else has written there: a size that the object can't have, or
 * content beyond the size. Nothing that reads takes it, and all that writes
 * but shatomic_object_set() leaves it.
 */
TEST_F(object, words_that_hold_no_string)
{
	static const unsigned char words[][4] = {
		{ 4, 'a', 'b', 'c' }, { 255, 0, 0, 0 }, { 1, 'a', 'b', 0 },
		{ 0, 0, 0, 1 },
	};
	struct shatomic_object object = new_object(_metadata, self->region, AT,
						   SHATOMIC_TYPE_BYTES, 4);
	struct shatomic_value next = string_of(2), old = untouched();
	unsigned int i;

	for (i = 0; i < COUNT_OF(words); i++) {
		fill(self);
		memcpy(self->memory + AT, words[i], 4);
		memcpy(self->expected + AT, words[i], 4);
		EXPECT_EQ(-EINVAL, shatomic_object_get(&object, &old));
		EXPECT_NE(NULL, strstr(shatomic_error(), "bytes"));
		EXPECT_EQ(-EINVAL, shatomic_object_get_and_set(&object, &next,
							       &old));
		EXPECT_EQ(-EINVAL, shatomic_object_get_and_set(&object, &next,
							       NULL));
		EXPECT_EQ(-EINVAL, shatomic_object_compare_and_set_value(
					   &object, &next, &next, &old));
		EXPECT_EQ(-EINVAL, shatomic_object_compare_and_set_value(
					   &object, &next, &next, NULL));
		EXPECT_EQ(-EINVAL, shatomic_store_from_other_types(
					   self->other, AT, &object));
		EXPECT_EQ(-EINVAL, shatomic_compare_with_other_type_and_set(
					   self->other, AT, words[i], 4,
					   &object));
		EXPECT_TRUE(is_untouched(&old) && is_as_expected(self))
		{
			TH_LOG("word %u", i);
		}
		put_string(self->expected + AT, 4, &next);
		EXPECT_EQ(0, shatomic_object_set(&object, &next));
		EXPECT_TRUE(is_as_expected(self));
	}
}

/*
 * Processes that meet.
 */

#define ADDERS 4
#define ADDITIONS 100000

static int add_many(const struct shatomic_object *sum,
		    const struct shatomic_object *count,
		    const struct shatomic_object *toggle)
{
	struct shatomic_value half = float_value(0.5);
	struct shatomic_value minus_three = int_value(-3);
	struct shatomic_value yes = bool_value(true);
	unsigned int i;

	for (i = 0; i < ADDITIONS; i++) {
		if (shatomic_object_fetch_and_add(sum, &half, NULL) ||
		    shatomic_object_add_and_fetch(count, &minus_three, NULL) ||
		    shatomic_object_fetch_and_xor(toggle, &yes, NULL))
			return 1;
	}
	return 0;
}

/* An even number of turns in all leaves a bool false. */
TEST_F_TIMEOUT(object, totals_are_exact, 120)
{
	struct shatomic_object sum, count, toggle;
	struct shatomic_value value, yes = bool_value(true);
	pid_t children[ADDERS];
	unsigned int i;

	sum = new_object(_metadata, self->region, 0, SHATOMIC_TYPE_FLOAT, 8);
	/* Neighbours in one word, which must not lose each other's changes. */
	count = new_object(_metadata, self->region, 9, SHATOMIC_TYPE_INT, 5);
	toggle = new_object(_metadata, self->region, 14, SHATOMIC_TYPE_BOOL, 1);
	for (i = 0; i < ADDERS; i++) {
		children[i] = fork();
		ASSERT_LE(0, children[i]);
		if (!children[i]) {
			meet(self->memory, ADDERS);
			_exit(add_many(&sum, &count, &toggle));
		}
	}
	for (i = 0; i < ADDERS; i++)
		EXPECT_EQ(0, wait_child(children[i]));
	EXPECT_EQ(0, shatomic_object_get_and_set(&toggle, &yes, &value));
	EXPECT_EQ(false, value.b);
	EXPECT_EQ(0, shatomic_object_get(&sum, &value));
	EXPECT_EQ(ADDERS * ADDITIONS / 2, (long)value.f);
	EXPECT_EQ(0, shatomic_object_get(&count, &value));
	EXPECT_EQ(-3 * ADDERS * ADDITIONS, value.i);
}

/*
 * What is refused.
 */

TEST_F(object, words_that_can_not_be_objects)
{
	static const struct {
		uint64_t offset;
		int type;
		unsigned int width;
		int err;
		const char *names;
	} cases[] = {
		{ 0, 0, 8, -EOPNOTSUPP, "type 0" },
		{ 0, 6, 8, -EOPNOTSUPP, "type 6" },
		{ 0, -1, 8, -EOPNOTSUPP, "type -1" },
		{ 0, SHATOMIC_TYPE_BOOL, 2, -EINVAL, "width 2" },
		{ 0, SHATOMIC_TYPE_BOOL, 0, -EINVAL, "width 0" },
		{ 0, SHATOMIC_TYPE_FLOAT, 4, -EINVAL, "width 4" },
		{ 0, SHATOMIC_TYPE_INT, 0, -EINVAL, "width 0" },
		{ 0, SHATOMIC_TYPE_INT, 9, -EINVAL, "width 9" },
		{ 0, SHATOMIC_TYPE_UINT, 16, -EINVAL, "width 16" },
		{ 0, SHATOMIC_TYPE_BYTES, 0, -EINVAL, "width 0" },
		{ 0, SHATOMIC_TYPE_BYTES, 9, -EINVAL, "width 9" },
		{ 1, SHATOMIC_TYPE_UINT, 8, -EINVAL, "offset 1" },
		{ 6, SHATOMIC_TYPE_BYTES, 3, -EINVAL, "offset 6" },
		{ 4, SHATOMIC_TYPE_FLOAT, 8, -EINVAL, "offset 4" },
		{ REGION_BYTES, SHATOMIC_TYPE_BOOL, 1, -ERANGE, "offset 64" },
		{ UINT64_MAX, SHATOMIC_TYPE_INT, 1, -ERANGE, "outside" },
	};
	struct shatomic_object object, blank;
	unsigned int i;

	memset(&blank, 0x77, sizeof(blank));
	for (i = 0; i < COUNT_OF(cases); i++) {
		object = blank;
		EXPECT_EQ(cases[i].err,
			  shatomic_object_init(&object, self->region,
					       cases[i].offset, cases[i].type,
					       cases[i].width));
		EXPECT_NE(NULL, strstr(shatomic_error(), cases[i].names))
		{
			TH_LOG("case %u: %s", i, shatomic_error());
		}
		EXPECT_EQ(0, memcmp(&object, &blank, sizeof(blank)));
	}
	EXPECT_EQ(-EINVAL, shatomic_object_init(NULL, self->region, 0,
						SHATOMIC_TYPE_INT, 4));
	EXPECT_EQ(-EINVAL, shatomic_object_init(&object, NULL, 0,
						SHATOMIC_TYPE_INT, 4));
}

/* An object that was not made by shatomic_object_init() is checked too. */
TEST_F(object, made_up_objects)
{
	struct shatomic_object good = new_object(_metadata, self->region, AT,
						 SHATOMIC_TYPE_UINT, 4);
	struct shatomic_value one = uint_value(1), old = untouched();
	struct shatomic_object bad[5];
	unsigned int i;

	for (i = 0; i < COUNT_OF(bad); i++)
		bad[i] = good;
	bad[0].region = NULL;
	bad[1].offset = AT + 6;
	bad[2].offset = UINT64_MAX - 3;
	bad[3].width = 0;
	bad[4].type = 0;
	fill(self);
	for (i = 0; i < COUNT_OF(bad); i++) {
		EXPECT_GT(0, shatomic_object_get(&bad[i], &old));
		EXPECT_GT(0, shatomic_object_set(&bad[i], &one));
		EXPECT_GT(0, shatomic_object_get_and_set(&bad[i], &one, &old));
		EXPECT_GT(0, shatomic_object_fetch_and_add(&bad[i], &one,
							   &old));
		EXPECT_GT(0, shatomic_object_compare_and_set_value(
				     &bad[i], &one, &one, &old));
		EXPECT_GT(0, shatomic_store_from_other_types(self->other, AT,
							     &bad[i]));
		EXPECT_GT(0, shatomic_compare_with_other_type_and_set(
				     self->other, AT, "12345678", 8, &bad[i]));
	}
	EXPECT_TRUE(is_untouched(&old) && is_as_expected(self));
}

TEST_F(object, values_that_an_object_can_not_hold)
{
	const struct {
		enum shatomic_type type;
		unsigned int width;
		struct shatomic_value value;
		int err;
		const char *names;
	} cases[] = {
		{ SHATOMIC_TYPE_INT, 1, int_value(128), -ERANGE, "128" },
		{ SHATOMIC_TYPE_INT, 1, int_value(-129), -ERANGE, "-129" },
		{ SHATOMIC_TYPE_INT, 7, int_value(1LL << 55), -ERANGE,
		  "width 7" },
		{ SHATOMIC_TYPE_INT, 7, int_value(-(1LL << 55) - 1), -ERANGE,
		  "width 7" },
		{ SHATOMIC_TYPE_UINT, 1, uint_value(256), -ERANGE, "256" },
		{ SHATOMIC_TYPE_UINT, 3, uint_value(1 << 24), -ERANGE,
		  "width 3" },
		{ SHATOMIC_TYPE_BYTES, 1, string_of(1), -ERANGE, "size 1" },
		{ SHATOMIC_TYPE_BYTES, 5, string_of(5), -ERANGE, "size 5" },
		{ SHATOMIC_TYPE_BYTES, 8,
		  { .type = SHATOMIC_TYPE_BYTES, .size = 8 }, -ERANGE,
		  "size 8" },
		{ SHATOMIC_TYPE_BYTES, 8,
		  { .type = SHATOMIC_TYPE_BYTES, .size = 256 }, -ERANGE,
		  "size 256" },
		{ SHATOMIC_TYPE_INT, 4, uint_value(1), -EINVAL, "type" },
		{ SHATOMIC_TYPE_UINT, 4, int_value(1), -EINVAL, "type" },
		{ SHATOMIC_TYPE_FLOAT, 8, int_value(1), -EINVAL, "type" },
		{ SHATOMIC_TYPE_BOOL, 1, int_value(1), -EINVAL, "type" },
		{ SHATOMIC_TYPE_BYTES, 8, bool_value(1), -EINVAL, "type" },
	};
	struct shatomic_value good, old = untouched();
	struct shatomic_object object;
	unsigned int i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		object = new_object(_metadata, self->region, AT, cases[i].type,
				    cases[i].width);
		good = (struct shatomic_value){ .type = cases[i].type };
		fill(self);
		EXPECT_EQ(cases[i].err,
			  shatomic_object_set(&object, &cases[i].value))
		{
			TH_LOG("case %u", i);
		}
		EXPECT_NE(NULL, strstr(shatomic_error(), cases[i].names))
		{
			TH_LOG("case %u: %s", i, shatomic_error());
		}
		EXPECT_EQ(cases[i].err,
			  shatomic_object_get_and_set(&object, &cases[i].value,
						      &old));
		EXPECT_EQ(cases[i].err,
			  shatomic_object_compare_and_set_value(
				  &object, &cases[i].value, &good, &old));
		EXPECT_EQ(cases[i].err,
			  shatomic_object_compare_and_set_value(
				  &object, &good, &cases[i].value, &old));
		if (cases[i].type == SHATOMIC_TYPE_INT ||
		    cases[i].type == SHATOMIC_TYPE_UINT)
			EXPECT_EQ(cases[i].err,
				  shatomic_object_fetch_and_add(
					  &object, &cases[i].value, &old));
		EXPECT_TRUE(is_untouched(&old) && is_as_expected(self))
		{
			TH_LOG("case %u", i);
		}
	}
}

TEST_F(object, operations_that_a_type_does_not_have)
{
	static const struct {
		enum shatomic_type type;
		bool arithmetic, logic;
	} types[] = {
		{ SHATOMIC_TYPE_BOOL, false, true },
		{ SHATOMIC_TYPE_FLOAT, true, false },
		{ SHATOMIC_TYPE_BYTES, false, false },
	};
	struct shatomic_value value, old = untouched();
	struct shatomic_object object;
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(types); i++) {
		value = (struct shatomic_value){ .type = types[i].type };
		object = new_object(_metadata, self->region, AT, types[i].type,
				    types[i].type == SHATOMIC_TYPE_BOOL ? 1 : 8);
		fill(self);
		for (j = 0; j < COUNT_OF(updates); j++) {
			if (updates[j].kind <= SUB ? types[i].arithmetic :
						     types[i].logic)
				continue;
			EXPECT_EQ(-EOPNOTSUPP,
				  updates[j].run(&object, &value, &old));
			EXPECT_NE(NULL, strstr(shatomic_error(),
					       updates[j].name))
			{
				TH_LOG("%s", shatomic_error());
			}
		}
		EXPECT_TRUE(is_untouched(&old) && is_as_expected(self));
	}
}

TEST_F(object, nulls)
{
	struct shatomic_object object = new_object(_metadata, self->region, AT,
						   SHATOMIC_TYPE_UINT, 4);
	struct shatomic_value one = uint_value(1), old = untouched();
	unsigned int i;

	fill(self);
	EXPECT_EQ(-EINVAL, shatomic_object_get(NULL, &old));
	EXPECT_EQ(-EINVAL, shatomic_object_get(&object, NULL));
	EXPECT_EQ(-EINVAL, shatomic_object_set(NULL, &one));
	EXPECT_EQ(-EINVAL, shatomic_object_set(&object, NULL));
	EXPECT_EQ(-EINVAL, shatomic_object_get_and_set(NULL, &one, &old));
	EXPECT_EQ(-EINVAL, shatomic_object_get_and_set(&object, NULL, &old));
	EXPECT_EQ(-EINVAL, shatomic_object_compare_and_set_value(
				   NULL, &one, &one, &old));
	EXPECT_EQ(-EINVAL, shatomic_object_compare_and_set_value(
				   &object, NULL, &one, &old));
	EXPECT_EQ(-EINVAL, shatomic_object_compare_and_set_value(
				   &object, &one, NULL, &old));
	EXPECT_NE(NULL, strstr(shatomic_error(), "comparand"));
	for (i = 0; i < COUNT_OF(updates); i++) {
		EXPECT_EQ(-EINVAL, updates[i].run(NULL, &one, &old));
		EXPECT_EQ(-EINVAL, updates[i].run(&object, NULL, &old));
	}
	EXPECT_EQ(-EINVAL, shatomic_store_from_other_types(NULL, AT, &object));
	EXPECT_EQ(-EINVAL, shatomic_store_from_other_types(self->other, AT,
							   NULL));
	EXPECT_EQ(-EINVAL, shatomic_compare_with_other_type_and_set(
				   NULL, AT, "12345678", 8, &object));
	EXPECT_EQ(-EINVAL, shatomic_compare_with_other_type_and_set(
				   self->other, AT, NULL, 8, &object));
	EXPECT_EQ(-EINVAL, shatomic_compare_with_other_type_and_set(
				   self->other, AT, "12345678", 8, NULL));
	EXPECT_TRUE(is_untouched(&old) && is_as_expected(self));
}

TEST_F(object, in_a_region_that_is_read_only)
{
	struct shatomic_value one = float_value(1), seen = untouched();
	struct shatomic_region *reader, *writer =
		new_region_and_reader(REGION_BYTES, &reader);
	struct shatomic_object object, unwritten;
	uint8_t results[1] = { 0x77 };
	uint64_t offset = AT;
	struct shatomic_byte_batch batch = {
		.rows = 1, .offsets = &offset, .values = "12345678",
		.stride = 8, .objects = &unwritten, .results = results,
	};

	ASSERT_NE(NULL, writer);
	fill(self);
	memcpy(shatomic_buf(writer, NULL), self->expected, REGION_BYTES);
	unwritten = new_object(_metadata, reader, AT, SHATOMIC_TYPE_FLOAT, 8);
	EXPECT_EQ(0, shatomic_object_get(&unwritten, &seen));
	EXPECT_FALSE(is_untouched(&seen));
	seen = untouched();
	EXPECT_EQ(-EACCES, shatomic_object_set(&unwritten, &one));
	EXPECT_EQ(-EACCES, shatomic_object_get_and_set(&unwritten, &one,
						       &seen));
	EXPECT_EQ(-EACCES, shatomic_object_compare_and_set_value(
				   &unwritten, &one, &one, &seen));
	EXPECT_EQ(-EACCES, shatomic_object_fetch_and_add(&unwritten, &one,
							 &seen));
	EXPECT_EQ(-EACCES, shatomic_compare_with_other_type_and_set(
				   self->other, AT, "12345678", 8, &unwritten));
	EXPECT_EQ(-EACCES, shatomic_compare_with_other_types_and_sets(
				   self->other, &batch));
	EXPECT_EQ(0, batch.error_row);
	EXPECT_EQ(SHATOMIC_FIELD_PEERS, batch.error_field);
	EXPECT_NE(NULL, strstr(shatomic_error(), "row 0"));
	object = new_object(_metadata, self->other, AT, SHATOMIC_TYPE_FLOAT, 8);
	EXPECT_EQ(-EACCES, shatomic_store_from_other_types(reader, AT,
							   &object));
	EXPECT_EQ(-EACCES, shatomic_compare_with_other_type_and_set(
				   reader, AT, "12345678", 8, &object));
	EXPECT_EQ(-EACCES, shatomic_stores_from_other_types(reader, &batch));
	EXPECT_TRUE(is_untouched(&seen) && is_as_expected(self));
	EXPECT_EQ(0x77, results[0]);
	EXPECT_EQ(0, memcmp(shatomic_buf(writer, NULL), self->expected,
			    REGION_BYTES));
	/* One that is only read from may lie there. */
	EXPECT_EQ(0, shatomic_store_from_other_types(self->other, 0,
						     &unwritten));
	shatomic_close(reader);
	shatomic_close(writer);
}

/*
 * Between objects and words.
 */

/* A word of @width bytes that no shift or swap leaves the same. */
static void put_pattern(unsigned char *at, unsigned int width,
			unsigned char from)
{
	unsigned int i;

	for (i = 0; i < width; i++)
		at[i] = from + i;
}

static const unsigned char new_bytes[8] = "NEWBYTES";

/* Of the other type: an object whose content is @size bytes from 0x10 on. */
static struct shatomic_object
put_content(struct __test_metadata *_metadata, FIXTURE_DATA(object) *self,
	    enum shatomic_type type, unsigned int place, unsigned int size)
{
	unsigned char *at = self->other_memory + AT + place;
	bool is_string = type == SHATOMIC_TYPE_BYTES;
	unsigned int width = is_string ? 8 : size;

	if (is_string) {
		memset(at, 0, 8);
		at[0] = size;
	}
	put_pattern(at + is_string, size, 0x10);
	memcpy(self->other_expected, self->other_memory, REGION_BYTES);
	return new_object(_metadata, self->other, AT + place, type, width);
}

/* Equal, then not equal in the byte that each word has last. */
static void compare_content(struct __test_metadata *_metadata,
			    FIXTURE_DATA(object) *self,
			    enum shatomic_type type, unsigned int place,
			    unsigned int size)
{
	struct shatomic_object object;
	bool is_string = type == SHATOMIC_TYPE_BYTES;
	uint64_t object_at = is_string ? 0 : place;

	fill(self);
	object = put_content(_metadata, self, type, object_at, size);
	put_pattern(self->expected + AT + place, size, 0x10);
	EXPECT_EQ(0, shatomic_store_from_other_types(self->region, AT + place,
						     &object));
	EXPECT_TRUE(is_as_expected(self))
	{
		TH_LOG("store, type %d, size %u at %u", type, size, place);
	}

	memcpy(self->expected + AT + place, new_bytes, size);
	EXPECT_EQ(1, shatomic_compare_with_other_type_and_set(
			     self->region, AT + place, new_bytes, 8, &object));
	EXPECT_TRUE(is_as_expected(self))
	{
		TH_LOG("equal, type %d, size %u at %u", type, size, place);
	}
	if (!size)
		return;

	put_pattern(self->memory + AT + place, size, 0x10);
	self->memory[AT + place + size - 1] ^= 0x80;
	memcpy(self->expected, self->memory, REGION_BYTES);
	memcpy(self->other_expected + AT + object_at + is_string,
	       self->memory + AT + place, size);
	EXPECT_EQ(0, shatomic_compare_with_other_type_and_set(
			     self->region, AT + place, new_bytes, size,
			     &object));
	EXPECT_TRUE(is_as_expected(self))
	{
		TH_LOG("differs, type %d, size %u at %u", type, size, place);
	}
}

TEST_F(object, words_take_the_width_of_the_content)
{
	unsigned int size, place;

	for (size = 0; size <= 8; size++) {
		for (place = 0; place + size <= 8; place++) {
			if (size <= SHATOMIC_MAX_BYTES)
				compare_content(_metadata, self,
						SHATOMIC_TYPE_BYTES, place,
						size);
			if (size)
				compare_content(_metadata, self,
						SHATOMIC_TYPE_UINT, place,
						size);
		}
	}
	compare_content(_metadata, self, SHATOMIC_TYPE_INT, 1, 5);
	compare_content(_metadata, self, SHATOMIC_TYPE_FLOAT, 0, 8);
	compare_content(_metadata, self, SHATOMIC_TYPE_BOOL, 6, 1);
}

/* Bytes are compared and copied, though two of them may both be true. */
TEST_F(object, words_and_bools)
{
	struct shatomic_object object = new_object(_metadata, self->other, AT,
						   SHATOMIC_TYPE_BOOL, 1);

	fill(self);
	self->memory[AT] = self->expected[AT] = 2;
	self->other_memory[AT] = 1;
	self->other_expected[AT] = 2;
	EXPECT_EQ(0, shatomic_compare_with_other_type_and_set(
			     self->region, AT, "N", 1, &object));
	EXPECT_TRUE(is_as_expected(self));
	self->expected[AT] = 'N';
	EXPECT_EQ(1, shatomic_compare_with_other_type_and_set(
			     self->region, AT, "N", 1, &object));
	EXPECT_TRUE(is_as_expected(self));
}

/* The object is loaded, the word compared and set, the object stored. */
TEST_F(object, words_that_overlap_their_object)
{
	static const struct {
		enum shatomic_type type;
		unsigned int object_at, width, word_at;
		const char *before, *after, *stored;
		int ret;
	} cases[] = {
		/* The very word. */
		{ SHATOMIC_TYPE_UINT, 0, 4, 0, "abcdefgh", "NEWBefgh",
		  "abcdefgh", 1 },
		{ SHATOMIC_TYPE_UINT, 2, 5, 2, "abcdefgh", "abNEWBYh",
		  "abcdefgh", 1 },
		/* Differs: the object becomes it, and so changes it. */
		{ SHATOMIC_TYPE_UINT, 0, 4, 2, "abcdefgh", "cdefefgh",
		  "ababcdgh", 0 },
		{ SHATOMIC_TYPE_UINT, 3, 3, 2, "abcdefgh", "abccdegh",
		  "abdeffgh", 0 },
		/* Equal, and the value goes into both. */
		{ SHATOMIC_TYPE_UINT, 0, 4, 2, "ababab12", "abNEWB12",
		  "ababab12", 1 },
		/* The word is of the string's size, and has its size in it. */
		{ SHATOMIC_TYPE_BYTES, 0, 4, 0, "\2\1a\0" "1234",
		  "\2\2\1\0" "1234", "\1aa\0" "1234", 0 },
		{ SHATOMIC_TYPE_BYTES, 0, 4, 0, "\2\2\2\0" "1234",
		  "NE\2\0" "1234", "\2\2\2\0" "1234", 1 },
	};
	struct shatomic_object object;
	unsigned int i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		object = new_object(_metadata, self->region,
				    AT + cases[i].object_at, cases[i].type,
				    cases[i].width);
		fill(self);
		memcpy(self->memory + AT, cases[i].before, 8);
		memcpy(self->expected + AT, cases[i].after, 8);
		EXPECT_EQ(cases[i].ret,
			  shatomic_compare_with_other_type_and_set(
				  self->region, AT + cases[i].word_at,
				  new_bytes, 8, &object));
		EXPECT_TRUE(is_as_expected(self))
		{
			TH_LOG("case %u: %.8s", i, self->memory + AT);
		}
		fill(self);
		memcpy(self->memory + AT, cases[i].before, 8);
		memcpy(self->expected + AT, cases[i].stored, 8);
		EXPECT_EQ(0, shatomic_store_from_other_types(
				     self->region, AT + cases[i].word_at,
				     &object));
		EXPECT_TRUE(is_as_expected(self))
		{
			TH_LOG("store, case %u: %.8s", i, self->memory + AT);
		}
	}
}

TEST_F(object, words_that_can_not_be)
{
	static const struct {
		uint64_t offset;
		unsigned int width;
		int err;
		const char *names;
	} cases[] = {
		{ 6, 8, -EINVAL, "offset 6" },
		{ REGION_BYTES - 2, 8, -ERANGE, "offset 62" },
		{ UINT64_MAX, 8, -ERANGE, "outside" },
		{ AT, 2, -EINVAL, "value has 2" },
		{ AT, 0, -EINVAL, "value has 0" },
	};
	struct shatomic_object object;
	unsigned int i;

	fill(self);
	object = put_content(_metadata, self, SHATOMIC_TYPE_BYTES, 0, 3);
	for (i = 0; i < COUNT_OF(cases); i++) {
		EXPECT_EQ(cases[i].err,
			  shatomic_compare_with_other_type_and_set(
				  self->region, cases[i].offset, new_bytes,
				  cases[i].width, &object));
		EXPECT_NE(NULL, strstr(shatomic_error(), cases[i].names))
		{
			TH_LOG("case %u: %s", i, shatomic_error());
		}
		if (cases[i].offset != AT)
			EXPECT_EQ(cases[i].err,
				  shatomic_store_from_other_types(
					  self->region, cases[i].offset,
					  &object));
	}
	EXPECT_TRUE(is_as_expected(self));
}

/*
 * Batches of them.
 */

#define ROWS 4

/* Four rows on four words, of which the second and the last differ. */
FIXTURE(rows)
{
	FIXTURE_DATA(object) object;
	struct shatomic_object objects[ROWS];
	uint64_t offsets[ROWS];
	unsigned char values[ROWS * 8];
	uint8_t results[ROWS];
	uint8_t statuses[ROWS];
	struct shatomic_byte_batch batch;
};

/* Their contents: a uint, a string of 3, an empty one, an int. */
static void make_rows(struct __test_metadata *_metadata,
		      FIXTURE_DATA(rows) *self)
{
	static const unsigned char contents[ROWS][8] = {
		{ 1, 2, 3, 4, 5 }, { 3, 6, 7, 8 }, { 0 }, { 9, 10 },
	};
	static const enum shatomic_type types[ROWS] = {
		SHATOMIC_TYPE_UINT, SHATOMIC_TYPE_BYTES, SHATOMIC_TYPE_BYTES,
		SHATOMIC_TYPE_INT,
	};
	static const unsigned int widths[ROWS] = { 5, 8, 8, 2 };
	FIXTURE_DATA(object) *object = &self->object;
	unsigned int i;

	fill(object);
	for (i = 0; i < ROWS; i++) {
		memcpy(object->other_memory + 8 * i, contents[i], widths[i]);
		self->objects[i] = new_object(_metadata, object->other, 8 * i,
					      types[i], widths[i]);
		self->offsets[i] = 8 * i + 1;
	}
	/* Row 0 is equal; row 1 differs in its last byte, row 3 in both. */
	memcpy(object->memory + 1, contents[0], 5);
	memcpy(object->memory + 9, "\6\7\7", 3);
	memcpy(object->expected, object->memory, REGION_BYTES);
	memcpy(object->other_expected, object->other_memory, REGION_BYTES);
	memset(self->results, 0x77, sizeof(self->results));
	memset(self->statuses, 0x77, sizeof(self->statuses));
	self->batch = (struct shatomic_byte_batch){
		.rows = ROWS, .offsets = self->offsets,
		.values = self->values, .stride = 8, .objects = self->objects,
		.results = self->results, .statuses = self->statuses,
		.rows_done = 77, .error_row = 77, .error_field = 77,
		.limit = 77,
	};
	for (i = 0; i < ROWS; i++)
		memcpy(self->values + 8 * i, new_bytes, 8);
}

FIXTURE_SETUP(rows)
{
	self->object.region = new_region(REGION_BYTES);
	self->object.other = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->object.region);
	ASSERT_NE(NULL, self->object.other);
	self->object.memory = shatomic_buf(self->object.region, NULL);
	self->object.other_memory = shatomic_buf(self->object.other, NULL);
	make_rows(_metadata, self);
}

FIXTURE_TEARDOWN(rows)
{
	shatomic_close(self->object.region);
	shatomic_close(self->object.other);
}

/* What the comparisons of make_rows() lead to. */
static void expect_compared(FIXTURE_DATA(object) *object)
{
	memcpy(object->expected + 1, new_bytes, 5);
	memcpy(object->other_expected + 9, "\6\7\7", 3);
	memset(object->other_expected + 24, FILLER, 2);
}

static void expect_rows_ran(struct __test_metadata *_metadata,
			    const FIXTURE_DATA(rows) *self)
{
	EXPECT_EQ(ROWS, self->batch.rows_done);
	EXPECT_EQ(UINT64_MAX, self->batch.error_row);
	EXPECT_EQ(SHATOMIC_FIELD_NONE, self->batch.error_field);
	EXPECT_EQ(SHATOMIC_LIMIT_NONE, self->batch.limit);
	EXPECT_TRUE(is_as_expected(&self->object));
}

TEST_F(rows, are_compared)
{
	static const uint8_t results[ROWS] = { 1, 0, 1, 0 };
	unsigned int i;

	expect_compared(&self->object);
	EXPECT_EQ(0, shatomic_compare_with_other_types_and_sets(
			     self->object.region, &self->batch));
	expect_rows_ran(_metadata, self);
	for (i = 0; i < ROWS; i++) {
		EXPECT_EQ(results[i], self->results[i]);
		EXPECT_EQ(results[i] ? SHATOMIC_ROW_DONE :
				       SHATOMIC_ROW_COMPARE_FAILED,
			  self->statuses[i]);
	}
}

TEST_F(rows, are_stored)
{
	unsigned char *expected = self->object.expected;
	unsigned int i;

	memcpy(expected + 1, "\1\2\3\4\5", 5);
	memcpy(expected + 9, "\6\7\10", 3);
	memcpy(expected + 25, "\11\12", 2);
	/* Not looked at by stores. */
	self->batch.values = NULL;
	self->batch.stride = 0;
	EXPECT_EQ(0, shatomic_stores_from_other_types(self->object.region,
						      &self->batch));
	expect_rows_ran(_metadata, self);
	for (i = 0; i < ROWS; i++)
		EXPECT_EQ(SHATOMIC_ROW_DONE, self->statuses[i]);
}

TEST_F(rows, need_neither_results_nor_statuses)
{
	self->batch.results = NULL;
	self->batch.statuses = NULL;
	expect_compared(&self->object);
	EXPECT_EQ(0, shatomic_compare_with_other_types_and_sets(
			     self->object.region, &self->batch));
	expect_rows_ran(_metadata, self);
}

/* Without a stride the values are as far apart as the widest is wide. */
TEST_F(rows, lie_close_without_a_stride)
{
	unsigned int i;

	memset(self->values, '.', sizeof(self->values));
	for (i = 0; i < ROWS; i++)
		memcpy(self->values + 5 * i, new_bytes, 5);
	memcpy(self->values, "first", 5);
	self->object.memory[25] = 9;
	self->object.memory[26] = 10;
	memcpy(self->object.expected, self->object.memory, REGION_BYTES);
	expect_compared(&self->object);
	memcpy(self->object.expected + 1, "first", 5);
	memcpy(self->object.expected + 25, "NE", 2);
	memcpy(self->object.other_expected + 24, "\11\12", 2);
	self->batch.stride = 0;
	EXPECT_EQ(0, shatomic_compare_with_other_types_and_sets(
			     self->object.region, &self->batch))
	{
		TH_LOG("%s", shatomic_error());
	}
	expect_rows_ran(_metadata, self);
}

TEST_F(rows, put_results_where_values_were)
{
	self->batch.results = self->values;
	expect_compared(&self->object);
	EXPECT_EQ(0, shatomic_compare_with_other_types_and_sets(
			     self->object.region, &self->batch));
	expect_rows_ran(_metadata, self);
	EXPECT_EQ(0, memcmp(self->values, "\1\0\1\0YTES", 8));
}

/* A later row sees what an earlier one did: all have one object. */
TEST_F(rows, run_in_order)
{
	unsigned int i;

	for (i = 0; i < ROWS; i++) {
		self->objects[i] = self->objects[0];
		self->offsets[i] = 1;
		self->values[8 * i] = i;
	}
	self->object.expected[1] = 2;
	memcpy(self->object.expected + 2, new_bytes + 1, 4);
	memcpy(self->object.other_expected, self->object.expected + 1, 5);
	/* Set, seen to differ, set, seen to differ. */
	EXPECT_EQ(0, shatomic_compare_with_other_types_and_sets(
			     self->object.region, &self->batch));
	EXPECT_EQ(0, memcmp(self->results, "\1\0\1\0", 4));
	expect_rows_ran(_metadata, self);
}

enum flaw {
	NO_FLAW,
	OFFSET_ACROSS,
	OFFSET_OUTSIDE,
	OBJECT_OUTSIDE,
	OBJECT_OF_NO_TYPE,
	OBJECT_WITHOUT_REGION,
	OBJECT_WITHOUT_STRING,
	SMALL_STRIDE,
	NO_OFFSETS,
	NO_OBJECTS,
	NO_VALUES,
	BAD_FLAGS,
};

static void spoil(FIXTURE_DATA(rows) *self, enum flaw flaw, unsigned int row)
{
	switch (flaw) {
	case NO_FLAW:
		break;
	case OFFSET_ACROSS:
		self->offsets[row] = 7;
		break;
	case OFFSET_OUTSIDE:
		self->offsets[row] = REGION_BYTES;
		break;
	case OBJECT_OUTSIDE:
		self->objects[row].offset = REGION_BYTES;
		break;
	case OBJECT_OF_NO_TYPE:
		self->objects[row].type = 0;
		break;
	case OBJECT_WITHOUT_REGION:
		self->objects[row].region = NULL;
		break;
	case OBJECT_WITHOUT_STRING:
		self->object.other_memory[8 * row] = 8;
		self->object.other_expected[8 * row] = 8;
		break;
	case SMALL_STRIDE:
		self->batch.stride = 4;
		break;
	case NO_OFFSETS:
		self->batch.offsets = NULL;
		break;
	case NO_OBJECTS:
		self->batch.objects = NULL;
		break;
	case NO_VALUES:
		self->batch.values = NULL;
		break;
	case BAD_FLAGS:
		self->batch.flags = 1U << 30;
		break;
	}
}

static const struct row_case {
	enum flaw flaw;
	bool compares_only;
	uint64_t row;
	int err;
	unsigned int field;
	const char *names;
} row_cases[] = {
	{ OFFSET_ACROSS, false, 3, -EINVAL, SHATOMIC_FIELD_OFFSETS, "offsets" },
	{ OFFSET_OUTSIDE, false, 3, -ERANGE, SHATOMIC_FIELD_OFFSETS, "offsets" },
	{ OFFSET_OUTSIDE, false, 1, -ERANGE, SHATOMIC_FIELD_OFFSETS, "offsets" },
	{ OBJECT_OUTSIDE, false, 3, -ERANGE, SHATOMIC_FIELD_PEERS, "objects" },
	{ OBJECT_OF_NO_TYPE, false, 2, -EOPNOTSUPP, SHATOMIC_FIELD_PEERS,
	  "objects" },
	{ OBJECT_WITHOUT_REGION, false, 3, -EINVAL, SHATOMIC_FIELD_PEERS,
	  "objects" },
	{ OBJECT_WITHOUT_STRING, false, 2, -EINVAL, SHATOMIC_FIELD_PEERS,
	  "objects" },
	{ SMALL_STRIDE, true, 0, -EINVAL, SHATOMIC_FIELD_OPERANDS, "stride" },
	{ NO_OFFSETS, false, UINT64_MAX, -EINVAL, SHATOMIC_FIELD_OFFSETS,
	  "offsets" },
	{ NO_OBJECTS, false, UINT64_MAX, -EINVAL, SHATOMIC_FIELD_PEERS,
	  "objects" },
	{ NO_VALUES, true, UINT64_MAX, -EINVAL, SHATOMIC_FIELD_OPERANDS,
	  "values" },
	{ BAD_FLAGS, false, UINT64_MAX, -EOPNOTSUPP, SHATOMIC_FIELD_FLAGS,
	  "flags" },
};

typedef int rows_fn(struct shatomic_region *region,
		    struct shatomic_byte_batch *batch);

static void refuse_rows(struct __test_metadata *_metadata,
			FIXTURE_DATA(rows) *self, rows_fn *run,
			const struct row_case *wanted)
{
	static const uint8_t blank[ROWS] = { 0x77, 0x77, 0x77, 0x77 };
	char prefix[32];

	make_rows(_metadata, self);
	spoil(self, wanted->flaw, wanted->row);
	EXPECT_EQ(wanted->err, run(self->object.region, &self->batch))
	{
		TH_LOG("flaw %d: %s", wanted->flaw, shatomic_error());
	}
	EXPECT_EQ(wanted->row, self->batch.error_row);
	EXPECT_EQ(wanted->field, self->batch.error_field)
	{
		TH_LOG("flaw %d", wanted->flaw);
	}
	EXPECT_EQ(0, self->batch.rows_done);
	EXPECT_NE(NULL, strstr(shatomic_error(), wanted->names))
	{
		TH_LOG("flaw %d: %s", wanted->flaw, shatomic_error());
	}
	if (wanted->row != UINT64_MAX) {
		snprintf(prefix, sizeof(prefix), "row %d",
			 (int)wanted->row);
		EXPECT_NE(NULL, strstr(shatomic_error(), prefix));
	}
	EXPECT_TRUE(is_as_expected(&self->object) &&
		    !memcmp(self->results, blank, ROWS) &&
		    !memcmp(self->statuses, blank, ROWS))
	{
		TH_LOG("flaw %d changed something", wanted->flaw);
	}
}

/* The rows before the bad one do not run. */
TEST_F(rows, are_checked_before_the_first_runs)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(row_cases); i++) {
		refuse_rows(_metadata, self,
			    shatomic_compare_with_other_types_and_sets,
			    &row_cases[i]);
		if (!row_cases[i].compares_only)
			refuse_rows(_metadata, self,
				    shatomic_stores_from_other_types,
				    &row_cases[i]);
	}
	EXPECT_EQ(-EINVAL, shatomic_stores_from_other_types(
				   self->object.region, NULL));
	EXPECT_EQ(-EINVAL, shatomic_compare_with_other_types_and_sets(
				   NULL, &self->batch));
}

TEST_F(rows, may_be_none)
{
	self->batch = (struct shatomic_byte_batch){ .error_row = 77 };
	EXPECT_EQ(0, shatomic_stores_from_other_types(self->object.region,
						      &self->batch));
	EXPECT_EQ(0, shatomic_compare_with_other_types_and_sets(
			     self->object.region, &self->batch));
	EXPECT_EQ(UINT64_MAX, self->batch.error_row);
	EXPECT_TRUE(is_as_expected(&self->object));
}

TEST_HARNESS_MAIN
