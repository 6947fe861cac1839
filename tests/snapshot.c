// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches of gets as of one instant: what they promise while others change the
 * words by single operations and by batches, and what they refuse.
 */
#include "common.h"
#include "model.h"

#include <pthread.h>

#define WORDS SHATOMIC_SNAPSHOT_ROWS
/* Snapshots that see a change in their middle are what the test is about. */
#define ENOUGH_CHANGES 200
#define MAX_SNAPSHOTS 200000

typedef int run_fn(struct shatomic_region *region, struct shatomic_batch *batch);

static run_fn *const runs[] = { shatomic_batch_run, shatomic_batch_run_local };

FIXTURE(snapshot)
{
	struct shatomic_region *region;
	uint64_t *memory;
	uint64_t offsets[WORDS];
	uint64_t operands[WORDS];
	uint64_t results[WORDS];
	bool stop;
	bool by_batch;
	bool restless;
	pthread_t writer;
};

FIXTURE_SETUP(snapshot)
{
	unsigned int i;

	seed_random();
	self->region = new_region(8192);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
	for (i = 0; i < WORDS; i++) {
		self->offsets[i] = i * 64 % 8192;
		self->operands[i] = 1;
	}
}

FIXTURE_TEARDOWN(snapshot)
{
	shatomic_close(self->region);
}

static struct shatomic_batch gets(FIXTURE_DATA(snapshot) *self)
{
	return (struct shatomic_batch) {
		.op = SHATOMIC_OP_GET, .width = 8, .rows = WORDS,
		.flags = SHATOMIC_BATCH_SNAPSHOT, .offsets = self->offsets,
		.results = self->results,
	};
}

TEST_F(snapshot, gives_what_is_there)
{
	static const uint8_t widths[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct shatomic_batch batch = gets(self);
	unsigned int i, j;

	for (i = 0; i < WORDS; i++)
		self->memory[i * 8] = next_random();
	for (i = 0; i < COUNT_OF(runs); i++) {
		memset(self->results, 0x5a, sizeof(self->results));
		batch = gets(self);
		ASSERT_EQ(0, runs[i](self->region, &batch));
		EXPECT_EQ(WORDS, batch.rows_done);
		for (j = 0; j < WORDS; j++)
			EXPECT_EQ(self->memory[j * 8], self->results[j]);

		/* A word of each width. */
		batch = gets(self);
		batch.width = 0;
		batch.widths = widths;
		batch.rows = COUNT_OF(widths);
		ASSERT_EQ(0, runs[i](self->region, &batch));
		for (j = 0; j < batch.rows; j++) {
			unsigned char bytes[8];

			shatomic_get(self->region, self->offsets[j], widths[j],
				     bytes);
			EXPECT_EQ(load_word(bytes, widths[j]), self->results[j])
				TH_LOG("width %u", widths[j]);
		}
	}
	batch = gets(self);
	batch.rows = 0;
	EXPECT_EQ(0, shatomic_batch_run(self->region, &batch));
}

/* Adds 1 to each word in turn, by batches where rows run in order, or singly. */
static void *add_in_turn(void *arg)
{
	FIXTURE_DATA(snapshot) *self = arg;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = WORDS,
		.offsets = self->offsets, .operands = self->operands,
	};
	unsigned int i;

	take_a_cpu();
	while (!__atomic_load_n(&self->stop, __ATOMIC_RELAXED)) {
		if (self->by_batch) {
			shatomic_batch_run(self->region, &batch);
		} else {
			for (i = 0; i < WORDS; i++)
				shatomic_fetch_and_add_u64(&self->memory[8 * i],
							   1);
		}
		for (i = 0; i < 20000 && !self->restless &&
			    !__atomic_load_n(&self->stop, __ATOMIC_RELAXED); i++)
			;
	}
	return NULL;
}

/* It runs when this returns: others may want the CPU as well. */
static void start_writer(struct __test_metadata *_metadata,
			 FIXTURE_DATA(snapshot) *self)
{
	self->stop = false;
	memset(self->memory, 0, 8192);
	ASSERT_EQ(0, pthread_create(&self->writer, NULL, add_in_turn, self));
	while (!__atomic_load_n(self->memory, __ATOMIC_RELAXED))
		sched_yield();
}

static void stop_writer(FIXTURE_DATA(snapshot) *self)
{
	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	pthread_join(self->writer, NULL);
}

/*
 * At any instant the words before the one whose turn it is are one ahead of the
 * rest. Gets one after the other see much else.
 */
static void expect_one_instant(struct __test_metadata *_metadata,
			       FIXTURE_DATA(snapshot) *self, run_fn *run)
{
	struct shatomic_batch batch;
	unsigned int tries, i, changes = 0, busy = 0;
	uint64_t before = 0;
	int err;

	for (tries = 0; tries < MAX_SNAPSHOTS && changes < ENOUGH_CHANGES;
	     tries++) {
		batch = gets(self);
		err = run(self->region, &batch);
		if (err == -EBUSY) {
			busy++;
			EXPECT_EQ(0, batch.rows_done);
			continue;
		}
		ASSERT_EQ(0, err);
		for (i = 1; i < WORDS; i++)
			ASSERT_GE(self->results[i - 1], self->results[i]);
		ASSERT_LE(self->results[0] - self->results[WORDS - 1], 1);
		ASSERT_GE(self->results[0], before);
		changes += self->results[0] != before;
		before = self->results[0];
	}
	printf("# %u snapshots, %u changes, %u busy\n", tries, changes, busy);
	EXPECT_LT(0, changes);
}

TEST_F_TIMEOUT(snapshot, of_single_operations, 120)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(runs); i++) {
		start_writer(_metadata, self);
		expect_one_instant(_metadata, self, runs[i]);
		stop_writer(self);
	}
}

TEST_F_TIMEOUT(snapshot, of_batches, 120)
{
	unsigned int i;

	self->by_batch = true;
	for (i = 0; i < COUNT_OF(runs); i++) {
		start_writer(_metadata, self);
		expect_one_instant(_metadata, self, runs[i]);
		stop_writer(self);
	}
}

/*
 * Words that never hold still are told, not waited for. They do while their
 * writer waits for a CPU: with one CPU always, and for long on a busy machine, so
 * that the test's own time is the limit.
 */
TEST_F_TIMEOUT(snapshot, that_cannot_be_had, 120)
{
	bool many_cpus = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	unsigned int i, tries;
	int err;

	self->restless = true;
	for (i = 0; i < COUNT_OF(runs); i++) {
		start_writer(_metadata, self);
		tries = 0;
		do {
			struct shatomic_batch batch = gets(self);

			err = runs[i](self->region, &batch);
			ASSERT_TRUE(!err || err == -EBUSY);
		} while (!err && (many_cpus || ++tries < 10000));
		if (err)
			EXPECT_NE(NULL, strstr(shatomic_error(), "snapshot"));
		stop_writer(self);
	}
}

TEST_F(snapshot, bad_input)
{
	static const uint8_t ops[WORDS];
	const struct {
		int err;
		unsigned int field;
		unsigned int flags;
		unsigned int op;
		const uint8_t *ops;
		unsigned int width;
		uint64_t rows;
		uint64_t *results;
		const char *says;
	} cases[] = {
#define CASE(err, field, ...) { err, SHATOMIC_FIELD_##field, __VA_ARGS__ }
		CASE(-EINVAL, FLAGS, SHATOMIC_BATCH_UNORDERED, 0, NULL, 8, 1,
		     self->results, "flags: a snapshot"),
		CASE(-EOPNOTSUPP, FLAGS, 1 << 3, 0, NULL, 8, 1, self->results,
		     "flags has unknown bits 0x8"),
		CASE(-EINVAL, OP, 0, SHATOMIC_OP_FETCH_AND_ADD, NULL, 8, 1,
		     self->results, "op: a snapshot"),
		CASE(-EINVAL, OP, 0, 0, ops, 8, 1, self->results,
		     "op: a snapshot"),
		CASE(-EOPNOTSUPP, WIDTH, 0, 0, NULL, 16, 1, self->results,
		     "width 16: a snapshot has words of up to 8"),
		CASE(-EINVAL, WIDTH, 0, 0, NULL, 9, 1, self->results,
		     "width 9 is not"),
		CASE(-EINVAL, ROWS, 0, 0, NULL, 8, WORDS + 1, self->results,
		     "a snapshot has 128"),
		CASE(-EINVAL, RESULTS, 0, 0, NULL, 8, 1, NULL,
		     "results is needed"),
#undef CASE
	};
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(cases); i++) {
		for (j = 0; j < COUNT_OF(runs); j++) {
			struct shatomic_batch batch = gets(self);

			batch.flags |= cases[i].flags;
			batch.op = cases[i].op;
			batch.ops = cases[i].ops;
			batch.width = cases[i].width;
			batch.rows = cases[i].rows;
			batch.results = cases[i].results;
			batch.operands = self->operands;
			EXPECT_EQ(cases[i].err, runs[j](self->region, &batch))
				TH_LOG("case %u", i);
			EXPECT_EQ(cases[i].field, batch.error_field)
				TH_LOG("case %u: %s", i, shatomic_error());
			EXPECT_NE(NULL, strstr(shatomic_error(), cases[i].says))
				TH_LOG("case %u: %s", i, shatomic_error());
		}
	}
}

TEST_HARNESS_MAIN
