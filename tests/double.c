// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doubles, words of 16 bytes: each operation against a plain model, by single
 * operations, batches and batches of bytes; shared between CPUs; never torn.
 */
#include "common.h"

#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>

typedef unsigned __int128 u128;

#define WORDS 64
#define ROWS 600
#define BIG_ROWS 40000

typedef int run_fn(struct shatomic_region *region,
		   struct shatomic_batch *batch);

/* What one row has; the memory of a double is two halves in byte order. */
struct row {
	u128 operand;
	u128 comparand;
	u128 mask;
	u128 comparand_mask;
};

FIXTURE(doubles)
{
	struct shatomic_region *region;
	u128 *memory;
	u128 model[WORDS];
	uint8_t ops[BIG_ROWS];
	uint64_t offsets[BIG_ROWS];
	uint64_t peer_offsets[BIG_ROWS];
	struct row rows[BIG_ROWS];
	uint64_t columns[4][BIG_ROWS][2];
	uint64_t results[BIG_ROWS][2];
	uint8_t statuses[BIG_ROWS];
	bool absent;
};

static bool have_doubles(struct shatomic_region *region)
{
	u128 value;

	return shatomic_get(region, 0, 16, &value) != -EOPNOTSUPP;
}

FIXTURE_SETUP(doubles)
{
	seed_random();
	self->region = new_region(WORDS * 16);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
	self->absent = !have_doubles(self->region);
}

FIXTURE_TEARDOWN(doubles)
{
	shatomic_close(self->region);
}

#define NEEDS_DOUBLES()                                                       \
	do {                                                                  \
		if (self->absent)                                             \
			SKIP(return, "this machine has no words of 16 bytes"); \
	} while (0)

static u128 random_double(void)
{
	u128 value = 0;

	switch (next_random() % 4) {
	case 0:
		return next_random() % 3;
	case 1:
		return ~(u128)0 - next_random() % 3;
	case 2:
		return (u128)1 << (next_random() % 128);
	default:
		value = next_random();
		return value << 64 | next_random();
	}
}

static bool is_bit_op(unsigned int op)
{
	return op == SHATOMIC_OP_TEST_AND_SET_BIT ||
	       op == SHATOMIC_OP_TEST_AND_CLEAR_BIT;
}

static void fill(FIXTURE_DATA(doubles) *self, unsigned int count, bool peers)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		self->memory[i] = self->model[i] = random_double();
	for (i = 0; i < count; i++) {
		struct row *row = &self->rows[i];

		do {
			self->ops[i] = next_random() % SHATOMIC_OP_COUNT;
		} while (!peers && shatomic_op_needs(self->ops[i]) &
					   SHATOMIC_NEEDS_PEER);
		self->offsets[i] = next_random() % WORDS * 16;
		self->peer_offsets[i] = next_random() % WORDS * 16;
		row->operand = random_double();
		row->comparand = random_double();
		row->mask = random_double();
		row->comparand_mask = random_double();
	}
	memset(self->results, 0xa5, sizeof(self->results));
	memset(self->statuses, 0xa5, sizeof(self->statuses));
}

/* Operands that the row's operation takes, then the columns. */
static void make_columns(FIXTURE_DATA(doubles) *self, unsigned int count)
{
	unsigned int i, j;

	for (i = 0; i < count; i++) {
		if (is_bit_op(self->ops[i]))
			self->rows[i].operand %= 128;
		for (j = 0; j < 4; j++) {
			u128 value = (&self->rows[i].operand)[j];

			self->columns[j][i][0] = value;
			self->columns[j][i][1] = value >> 64;
		}
	}
}

static u128 model_update(unsigned int op, u128 old, const struct row *row)
{
	switch (op) {
	case SHATOMIC_OP_SET:
	case SHATOMIC_OP_GET_AND_SET:
		return row->operand;
	case SHATOMIC_OP_FETCH_AND_ADD:
	case SHATOMIC_OP_ADD_AND_FETCH:
		return old + row->operand;
	case SHATOMIC_OP_FETCH_AND_SUB:
	case SHATOMIC_OP_SUB_AND_FETCH:
		return old - row->operand;
	case SHATOMIC_OP_FETCH_AND_AND:
	case SHATOMIC_OP_AND_AND_FETCH:
		return old & row->operand;
	case SHATOMIC_OP_FETCH_AND_OR:
	case SHATOMIC_OP_OR_AND_FETCH:
		return old | row->operand;
	case SHATOMIC_OP_FETCH_AND_XOR:
	case SHATOMIC_OP_XOR_AND_FETCH:
		return old ^ row->operand;
	case SHATOMIC_OP_FETCH_AND_NAND:
	case SHATOMIC_OP_NAND_AND_FETCH:
		return ~(old & row->operand);
	case SHATOMIC_OP_FETCH_AND_SMIN:
		return (__int128)row->operand < (__int128)old ? row->operand :
								old;
	case SHATOMIC_OP_FETCH_AND_SMAX:
		return (__int128)row->operand > (__int128)old ? row->operand :
								old;
	case SHATOMIC_OP_FETCH_AND_UMIN:
		return row->operand < old ? row->operand : old;
	case SHATOMIC_OP_FETCH_AND_UMAX:
		return row->operand > old ? row->operand : old;
	case SHATOMIC_OP_MASKED_GET_AND_SET:
	case SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE:
		return (old & ~row->mask) | (row->operand & row->mask);
	case SHATOMIC_OP_TEST_AND_SET_BIT:
		return old | (u128)1 << row->operand;
	case SHATOMIC_OP_TEST_AND_CLEAR_BIT:
		return old & ~((u128)1 << row->operand);
	default:
		return old;
	}
}

static bool model_holds(unsigned int op, u128 old, const struct row *row)
{
	u128 sum = old + row->operand;

	if (op == SHATOMIC_OP_FETCH_AND_ADD_BOUNDED)
		return sum >= old && sum <= row->comparand;
	if (op == SHATOMIC_OP_COMPARE_AND_SET_VALUE)
		return old == row->comparand;
	if (op == SHATOMIC_OP_MASKED_COMPARE_AND_SET_VALUE)
		return (old & row->comparand_mask) ==
		       (row->comparand & row->comparand_mask);
	return true;
}

/* Run one row on the model; gives its result and status. */
static u128 model_row(unsigned int op, u128 *self, u128 *peer,
		      const struct row *row, uint8_t *status)
{
	u128 old = *self;

	*status = SHATOMIC_ROW_DONE;
	if (op == SHATOMIC_OP_STORE)
		return *self = *peer;
	if (op == SHATOMIC_OP_COMPARE_AND_SET) {
		if (old == *peer) {
			*self = row->operand;
			return 1;
		}
		*peer = old;
		*status = SHATOMIC_ROW_COMPARE_FAILED;
		return 0;
	}
	if (!model_holds(op, old, row)) {
		*status = SHATOMIC_ROW_COMPARE_FAILED;
		return old;
	}
	if (op == SHATOMIC_OP_FETCH_AND_ADD_BOUNDED)
		*self = old + row->operand;
	else if (op == SHATOMIC_OP_COMPARE_AND_SET_VALUE)
		*self = row->operand;
	else
		*self = model_update(op, old, row);
	if (is_bit_op(op))
		return old >> row->operand & 1;
	return op == SHATOMIC_OP_SET || (op >= SHATOMIC_OP_ADD_AND_FETCH &&
					 op <= SHATOMIC_OP_NAND_AND_FETCH) ?
		       *self : old;
}

/* Run the rows, of one operation or (~0) of their own, and on the model. */
static void run_and_compare(struct __test_metadata *_metadata,
			    FIXTURE_DATA(doubles) *self, unsigned int op,
			    unsigned int count, run_fn *run)
{
	struct shatomic_batch batch = {
		.op = op == ~0U ? 0 : op, .width = 16, .rows = count,
		.ops = op == ~0U ? self->ops : NULL,
		.offsets = self->offsets,
		.operands = self->columns[0][0],
		.comparands = self->columns[1][0],
		.masks = self->columns[2][0],
		.comparand_masks = self->columns[3][0],
		.results = self->results[0], .statuses = self->statuses,
	};
	unsigned int i;

	if (op == ~0U || shatomic_op_needs(op) & SHATOMIC_NEEDS_PEER) {
		batch.peers = &self->region;
		batch.peer_count = count <= ROWS ? 1 : 0;
		batch.peer_offsets = self->peer_offsets;
	}
	ASSERT_EQ(0, run(self->region, &batch))
	{
		TH_LOG("%s", shatomic_error());
	}
	for (i = 0; i < count; i++) {
		uint8_t status;
		u128 result = model_row(self->ops[i],
					&self->model[self->offsets[i] / 16],
					&self->model[self->peer_offsets[i] / 16],
					&self->rows[i], &status);

		ASSERT_EQ((uint64_t)result, self->results[i][0])
		{
			TH_LOG("row %u %s", i, shatomic_op_name(self->ops[i]));
		}
		ASSERT_EQ((uint64_t)(result >> 64), self->results[i][1]);
		ASSERT_EQ(status, self->statuses[i]);
	}
	ASSERT_EQ(0, memcmp(self->model, self->memory, sizeof(self->model)));
}

static run_fn *const runs[] = { shatomic_batch_run, shatomic_batch_run_local };

TEST_F(doubles, each_operation)
{
	unsigned int op, i;

	NEEDS_DOUBLES();
	for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
		for (i = 0; i < COUNT_OF(runs); i++) {
			fill(self, ROWS, true);
			memset(self->ops, op, ROWS);
			make_columns(self, ROWS);
			run_and_compare(_metadata, self, op, ROWS, runs[i]);
		}
	}
}

TEST_F(doubles, mixed_operations)
{
	unsigned int i;

	NEEDS_DOUBLES();
	for (i = 0; i < COUNT_OF(runs); i++) {
		fill(self, ROWS, true);
		make_columns(self, ROWS);
		run_and_compare(_metadata, self, ~0U, ROWS, runs[i]);
	}
}

/* Counts around those at which rows are cut into chunks. */
TEST_F(doubles, counts_at_chunk_edges)
{
	static const unsigned int counts[] = { 1, 127, 128, 129, 256, 257 };
	unsigned int i;

	NEEDS_DOUBLES();
	for (i = 0; i < COUNT_OF(counts); i++) {
		fill(self, counts[i], true);
		make_columns(self, counts[i]);
		run_and_compare(_metadata, self, ~0U, counts[i],
				shatomic_batch_run);
		ASSERT_EQ(0xa5, self->statuses[counts[i]]);
		ASSERT_EQ(0xa5a5a5a5a5a5a5a5, self->results[counts[i]][0]);
	}
}

/* So many that CPUs share them, in lanes. */
TEST_F_TIMEOUT(doubles, shared_by_cpus, 120)
{
	unsigned int i;

	NEEDS_DOUBLES();
	for (i = 0; i < COUNT_OF(runs); i++) {
		fill(self, BIG_ROWS, false);
		make_columns(self, BIG_ROWS);
		run_and_compare(_metadata, self, ~0U, BIG_ROWS, runs[i]);
	}
}

/* Rows of one commuting operation without results go in slices. */
TEST_F_TIMEOUT(doubles, sliced_between_cpus, 120)
{
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 16, .rows = BIG_ROWS,
		.offsets = self->offsets, .operands = self->columns[0][0],
	};
	unsigned int i, j;

	NEEDS_DOUBLES();
	for (i = 0; i < COUNT_OF(runs); i++) {
		fill(self, BIG_ROWS, false);
		memset(self->ops, SHATOMIC_OP_FETCH_AND_ADD, BIG_ROWS);
		make_columns(self, BIG_ROWS);
		ASSERT_EQ(0, runs[i](self->region, &batch));
		for (j = 0; j < BIG_ROWS; j++)
			self->model[self->offsets[j] / 16] +=
				self->rows[j].operand;
		ASSERT_EQ(0, memcmp(self->model, self->memory,
				    sizeof(self->model)));
	}
}

/*
 * Unordered rows go in slices whatever their operations. With a word each, they
 * mean the same in any order.
 */
TEST_F_TIMEOUT(doubles, unordered_rows_of_a_word_each, 120)
{
	struct shatomic_region *region = new_region(BIG_ROWS * 16);
	u128 *model = malloc(BIG_ROWS * 16), *memory;
	struct shatomic_batch batch = {
		.width = 16, .flags = SHATOMIC_BATCH_UNORDERED,
		.rows = BIG_ROWS, .ops = self->ops, .offsets = self->offsets,
		.operands = self->columns[0][0],
		.comparands = self->columns[1][0],
		.masks = self->columns[2][0],
		.comparand_masks = self->columns[3][0],
		.results = self->results[0], .statuses = self->statuses,
	};
	unsigned int i, j;

	NEEDS_DOUBLES();
	ASSERT_NE(NULL, region);
	memory = shatomic_buf(region, NULL);
	for (i = 0; i < COUNT_OF(runs); i++) {
		fill(self, BIG_ROWS, false);
		make_columns(self, BIG_ROWS);
		for (j = 0; j < BIG_ROWS; j++) {
			model[j] = memory[j] = random_double();
			/* In no order that neighbours have: 7 is coprime. */
			self->offsets[j] = (uint64_t)j * 7 % BIG_ROWS * 16;
		}
		ASSERT_EQ(0, runs[i](region, &batch));
		for (j = 0; j < BIG_ROWS; j++) {
			/* None of these operations has one. */
			u128 peer = 0;
			uint8_t status;
			u128 result = model_row(self->ops[j],
						&model[self->offsets[j] / 16],
						&peer, &self->rows[j], &status);

			ASSERT_EQ((uint64_t)result, self->results[j][0])
			{
				TH_LOG("row %u %s", j,
				       shatomic_op_name(self->ops[j]));
			}
			ASSERT_EQ((uint64_t)(result >> 64),
				  self->results[j][1]);
			ASSERT_EQ(status, self->statuses[j]);
		}
		ASSERT_EQ(0, memcmp(model, memory, BIG_ROWS * 16));
	}
	free(model);
	shatomic_close(region);
}

TEST_F(doubles, single_operations)
{
	u128 one = 1, all = ~(u128)0, old, value, high = (u128)1 << 100;

	NEEDS_DOUBLES();
	self->memory[1] = all;
	self->memory[2] = 7;
	EXPECT_EQ(0, shatomic_fetch_and_add(self->region, 16, 16, &one, &old));
	EXPECT_EQ(true, old == all);
	EXPECT_EQ(true, self->memory[1] == 0);
	EXPECT_EQ(0, shatomic_set(self->region, 16, 16, &high));
	EXPECT_EQ(0, shatomic_get(self->region, 16, 16, &value));
	EXPECT_EQ(true, value == high);
	EXPECT_EQ(0, shatomic_compare_and_set_value(self->region, 16, 16, &one,
						    &one, &old));
	EXPECT_EQ(true, old == high);
	EXPECT_EQ(1, shatomic_compare_and_set_value(self->region, 16, 16, &one,
						    &high, &old));
	EXPECT_EQ(true, self->memory[1] == 1);
	EXPECT_EQ(0, shatomic_test_and_set_bit(self->region, 16, 16, 127));
	EXPECT_EQ(1, shatomic_test_and_set_bit(self->region, 16, 16, 127));
	EXPECT_EQ(-EINVAL, shatomic_test_and_set_bit(self->region, 16, 16, 128));
	EXPECT_EQ(true, self->memory[1] == ((u128)1 << 127 | 1));
	EXPECT_EQ(0, shatomic_store(self->region, 16, 16, self->region, 32));
	EXPECT_EQ(true, self->memory[1] == 7);
	EXPECT_EQ(true, self->memory[0] == 0 && self->memory[2] == 7 &&
				self->memory[3] == 0);
	EXPECT_EQ(-EINVAL, shatomic_get(self->region, 8, 16, &value));
	EXPECT_NE(NULL, strstr(shatomic_error(), "offset 8"));
	EXPECT_EQ(-ERANGE, shatomic_get(self->region, WORDS * 16, 16, &value));
}

TEST_F(doubles, batches_of_bytes)
{
	u128 values[3] = { 1, (u128)3 << 64, ~(u128)0 }, results[3];
	uint64_t offsets[3] = { 0, 16, 0 };
	struct shatomic_byte_batch batch = {
		.rows = 3, .width = 16, .offsets = offsets, .values = values,
		.results = results,
	};

	NEEDS_DOUBLES();
	ASSERT_EQ(0, shatomic_add_and_fetches(self->region, &batch));
	EXPECT_EQ(true, results[0] == 1 && results[1] == (u128)3 << 64 &&
				results[2] == 0);
	EXPECT_EQ(true, self->memory[0] == 0 && self->memory[1] == values[1]);
	ASSERT_EQ(0, shatomic_gets(self->region, &batch));
	EXPECT_EQ(true, results[0] == 0 && results[1] == values[1]);
}

/* Both halves are always of one value. */
static void *swap_halves(void *arg)
{
	struct shatomic_region *region = arg;
	uint64_t value[2], old[2];
	int i;

	take_a_cpu();
	for (i = 0; i < 20000; i++) {
		value[0] = value[1] = i * 0x9E3779B97F4A7C15ULL;
		if (shatomic_get_and_set(region, 0, 16, value, old) ||
		    old[0] != old[1])
			return region;
		if (shatomic_get(region, 0, 16, old) || old[0] != old[1])
			return region;
	}
	return NULL;
}

TEST_F_TIMEOUT(doubles, never_torn, 120)
{
	pthread_t threads[3];
	void *torn;
	int i;

	NEEDS_DOUBLES();
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, swap_halves,
					    self->region));
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], &torn);
		EXPECT_EQ(NULL, torn);
	}
}

/*
 * The same for words that rows set from peers, and peers that rows set. A value
 * goes to a first word, from there to a second one by a comparison that fails,
 * and from there to a third one.
 */
#define CHAIN_AT(i) (64 * (i))
#define CHAIN_ROWS 63
#define ENOUGH_CHANGES 2000
#define MAX_LOOKS (1 << 20)

struct chain {
	struct shatomic_region *region;
	run_fn *run;
	bool stop;
	bool torn;
	bool failed;
	unsigned int changes;
};

static void *pass_on(void *arg)
{
	static const uint8_t kinds[3] = { SHATOMIC_OP_SET,
					  SHATOMIC_OP_COMPARE_AND_SET,
					  SHATOMIC_OP_STORE };
	static const unsigned int words[3] = { 0, 0, 2 }, peers[3] = { 0, 1, 1 };
	struct chain *chain = arg;
	uint64_t operands[CHAIN_ROWS][2], value = 0;
	uint64_t offsets[CHAIN_ROWS], peer_offsets[CHAIN_ROWS];
	uint8_t ops[CHAIN_ROWS];
	struct shatomic_batch batch = {
		.width = 16, .rows = CHAIN_ROWS, .ops = ops,
		.offsets = offsets, .operands = operands[0],
		.peers = &chain->region, .peer_count = 1,
		.peer_offsets = peer_offsets,
	};
	unsigned int i;

	take_a_cpu();
	for (i = 0; i < CHAIN_ROWS; i++) {
		ops[i] = kinds[i % 3];
		offsets[i] = CHAIN_AT(words[i % 3]);
		peer_offsets[i] = CHAIN_AT(peers[i % 3]);
	}
	while (!__atomic_load_n(&chain->stop, __ATOMIC_ACQUIRE) &&
	       !chain->failed) {
		for (i = 0; i < CHAIN_ROWS; i++) {
			value += i % 3 ? 0 : 0x9E3779B97F4A7C15ULL;
			operands[i][0] = operands[i][1] = value;
		}
		chain->failed = chain->run(chain->region, &batch);
	}
	return NULL;
}

static void *look_at_chain(void *arg)
{
	struct chain *chain = arg;
	uint64_t seen[2], last[3] = { 0 };
	unsigned int i;

	take_a_cpu();
	for (i = 0; i < MAX_LOOKS && chain->changes < ENOUGH_CHANGES; i++) {
		if (shatomic_get(chain->region, CHAIN_AT(i % 3), 16, seen))
			break;
		chain->torn |= seen[0] != seen[1];
		chain->changes += seen[0] != last[i % 3];
		last[i % 3] = seen[0];
	}
	__atomic_store_n(&chain->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F_TIMEOUT(doubles, of_peers_never_torn, 120)
{
	pthread_t threads[2];
	unsigned int i;

	NEEDS_DOUBLES();
	for (i = 0; i < COUNT_OF(runs); i++) {
		struct chain chain = { .region = self->region,
				       .run = runs[i] };

		memset(self->memory, 0, WORDS * 16);
		ASSERT_EQ(0, pthread_create(&threads[0], NULL, pass_on,
					    &chain));
		ASSERT_EQ(0, pthread_create(&threads[1], NULL, look_at_chain,
					    &chain));
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		EXPECT_FALSE(chain.failed);
		EXPECT_FALSE(chain.torn);
	}
}

/*
 * Two halves that are stored one right after the other are next to never seen
 * apart by another thread. So a child runs an operation, and we look after each
 * of its instructions.
 */
#define SELF 0
#define PEER 4
/* More than any operation takes; LL/SC loops never end when stepped. */
#define MAX_STEPS 100000

static bool is_whole(u128 value)
{
	return (uint64_t)value == (uint64_t)(value >> 64);
}

static u128 twice(uint64_t half)
{
	return (u128)half << 64 | half;
}

/*
 * Step a stopped child to its end. Both words must always be whole; with @moves
 * we give the peer a new value at each step. Returns 0, the first step after
 * which one was not, or -1 when the child did not end well.
 */
static int step_through(pid_t child, u128 *memory, bool moves)
{
	int step, status, wrong = 0;

	for (step = 1; step < MAX_STEPS; step++) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) ||
		    waitpid(child, &status, 0) != child)
			return -1;
		if (!WIFSTOPPED(status))
			return WIFEXITED(status) && !WEXITSTATUS(status) ?
				       wrong : -1;
		if (!wrong &&
		    !(is_whole(memory[SELF]) && is_whole(memory[PEER])))
			wrong = step;
		if (moves)
			memory[PEER] = twice(step);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

static pid_t start_traced(struct shatomic_region *region, unsigned int op)
{
	uint64_t value[2] = { 7, 7 }, offset = SELF * 16, peer = PEER * 16;
	struct shatomic_batch batch = {
		.op = op, .width = 16, .rows = 1, .offsets = &offset,
		.operands = value, .comparands = value, .masks = value,
		.comparand_masks = value, .peers = &region,
		.peer_offsets = &peer,
		.peer_count = shatomic_op_needs(op) & SHATOMIC_NEEDS_PEER ?
				      1 : 0,
	};
	pid_t child = fork();
	int status;

	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		raise(SIGSTOP);
		_exit(shatomic_batch_run_local(region, &batch) ? 1 : 0);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return -1;
	return child;
}

TEST_F_TIMEOUT(doubles, whole_after_each_instruction, 120)
{
	static const unsigned int ops[] = {
		SHATOMIC_OP_SET, SHATOMIC_OP_GET_AND_SET,
		SHATOMIC_OP_FETCH_AND_XOR, SHATOMIC_OP_COMPARE_AND_SET,
		SHATOMIC_OP_STORE,
	};
	unsigned int i;
	pid_t child;
	bool moves;
	int ret;

	NEEDS_DOUBLES();
#ifdef __SANITIZE_THREAD__
	SKIP(return, "ThreadSanitizer replaces the instructions");
#endif
	for (i = 0; i < COUNT_OF(ops); i++) {
		self->memory[SELF] = twice(1);
		self->memory[PEER] = twice(2);
		child = start_traced(self->region, ops[i]);
		if (child < 0)
			SKIP(return, "no process can be traced here");
		/* A word that always moves can be loaded, but not updated. */
		moves = ops[i] == SHATOMIC_OP_STORE;
		ret = step_through(child, self->memory, moves);
		if (ret < 0)
			SKIP(return, "an operation can't be stepped through");
		EXPECT_EQ(0, ret)
		{
			TH_LOG("%s, step %d", shatomic_op_name(ops[i]), ret);
		}
		EXPECT_FALSE(self->memory[SELF] == twice(1) &&
			     self->memory[PEER] == twice(2));
	}
}

TEST_F(doubles, of_several_peers)
{
	struct shatomic_region *peers[2] = { new_region(16), self->region };
	uint64_t offsets[2] = { 16, 32 }, peer_offsets[2] = { 48, 0 };
	uint32_t peer_indexes[2] = { 1, 0 };
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 16, .rows = 2,
		.offsets = offsets, .peers = peers, .peer_count = 2,
		.peer_indexes = peer_indexes, .peer_offsets = peer_offsets,
	};
	u128 *other = shatomic_buf(peers[0], NULL);
	unsigned int i;

	NEEDS_DOUBLES();
	ASSERT_NE(NULL, peers[0]);
	for (i = 0; i < COUNT_OF(runs); i++) {
		*other = 7 + i;
		self->memory[3] = (u128)9 << 64;
		ASSERT_EQ(0, runs[i](self->region, &batch));
		EXPECT_EQ(true, self->memory[1] == (u128)9 << 64);
		EXPECT_EQ(true, self->memory[2] == 7 + i);
	}
	shatomic_close(peers[0]);
}

/* A number whose upper half is not 0 is no bit's. */
TEST_F(doubles, bits_that_are_not_there)
{
	uint64_t offsets[2] = { 0, 16 }, operands[2][2] = { { 1, 0 }, { 1, 1 } };
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_TEST_AND_SET_BIT, .width = 16, .rows = 2,
		.offsets = offsets, .operands = operands[0],
	};
	unsigned int i;

	NEEDS_DOUBLES();
	for (i = 0; i < COUNT_OF(runs); i++) {
		EXPECT_EQ(-EINVAL, runs[i](self->region, &batch));
		EXPECT_EQ(1, batch.error_row);
		EXPECT_EQ(SHATOMIC_FIELD_OPERANDS, batch.error_field);
		EXPECT_EQ(true, self->memory[0] == 0);
	}
}

/* A load is a comparison, which a read-only mapping does not take. */
TEST_F(doubles, read_only)
{
	struct shatomic_region *reader, *writer =
		new_region_and_reader(64, &reader);
	uint64_t offset = 0, results[2];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_GET, .width = 16, .rows = 1,
		.offsets = &offset, .results = results,
	};
	struct shatomic_batch peer = {
		.op = SHATOMIC_OP_STORE, .width = 16, .rows = 1,
		.offsets = &offset, .peers = &reader, .peer_count = 1,
		.peer_offsets = &offset,
	};
	u128 value;

	NEEDS_DOUBLES();
	ASSERT_NE(NULL, writer);
	EXPECT_EQ(-EACCES, shatomic_get(reader, 0, 16, &value));
	EXPECT_NE(NULL, strstr(shatomic_error(), "read-only"));
	EXPECT_EQ(-EACCES, shatomic_set(reader, 0, 16, &value));
	EXPECT_EQ(-EACCES, shatomic_store(writer, 0, 16, reader, 0));
	/* Wherever it runs. */
	EXPECT_EQ(-EACCES, shatomic_batch_run_local(reader, &batch));
	EXPECT_EQ(-EACCES, shatomic_batch_run(reader, &batch));
	EXPECT_EQ(0, batch.error_row);
	EXPECT_EQ(SHATOMIC_FIELD_OFFSETS, batch.error_field);
	EXPECT_EQ(-EACCES, shatomic_batch_run_local(writer, &peer));
	EXPECT_EQ(-EACCES, shatomic_batch_run(writer, &peer));
	EXPECT_EQ(SHATOMIC_FIELD_PEER_OFFSETS, peer.error_field);
	shatomic_close(reader);
	shatomic_close(writer);
}

TEST_HARNESS_MAIN
