// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues of batches, on the backend of SHATOMIC_BACKEND: with a ring of their
 * own, with the caller's, and with none, they give what batches that are waited
 * for give; what happens when they are full, when io_uring can't be had, and
 * when a queue or a thread goes while batches are in flight.
 */
#include "common.h"

#include <limits.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>

#define REGION_BYTES (64UL << 10)
#define WORDS (REGION_BYTES / 8)
#define MAX_ROWS 40000

/* More rows than the kernel runs before the submission returns. */
#define MANY_ROWS 5000

/* Columns, and a batch over them. */
struct columns {
	uint64_t offsets[MAX_ROWS];
	uint64_t operands[MAX_ROWS];
	uint64_t results[MAX_ROWS];
	uint8_t ops[MAX_ROWS];
	struct shatomic_batch batch;
};

static struct columns *new_columns(void)
{
	void *memory = mmap(NULL, sizeof(struct columns),
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void free_columns(struct columns *columns)
{
	munmap(columns, sizeof(*columns));
}

/* Rows that add or exclusive-or at random, each by its own operation. */
static void fill(struct columns *columns, unsigned int rows)
{
	unsigned int i;

	for (i = 0; i < rows; i++) {
		columns->offsets[i] = next_random() % WORDS * 8;
		columns->operands[i] = next_random();
		columns->ops[i] = next_random() & 1 ? SHATOMIC_OP_FETCH_AND_ADD :
						      SHATOMIC_OP_FETCH_AND_XOR;
	}
	memset(columns->results, 0xee, sizeof(columns->results));
	columns->batch = (struct shatomic_batch){
		.width = 8,
		.rows = rows,
		.ops = columns->ops,
		.offsets = columns->offsets,
		.operands = columns->operands,
		.results = columns->results,
	};
}

/* The same rows in other columns. */
static void fill_alike(struct columns *columns, const struct columns *model)
{
	*columns = *model;
	columns->batch.ops = columns->ops;
	columns->batch.offsets = columns->offsets;
	columns->batch.operands = columns->operands;
	columns->batch.results = columns->results;
}

/* A batch that adds 1 to one word of a region, as often as it has rows. */
struct counter {
	uint64_t offsets[MANY_ROWS];
	uint64_t operands[MANY_ROWS];
};

static struct counter counters[2];

static struct shatomic_batch count_batch(unsigned int word, unsigned int rows)
{
	struct counter *counter = &counters[word];
	unsigned int i;

	for (i = 0; i < rows; i++) {
		counter->offsets[i] = word * 8;
		counter->operands[i] = 1;
	}
	return (struct shatomic_batch){
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.rows = rows,
		.offsets = counter->offsets,
		.operands = counter->operands,
	};
}

static uint64_t word_of(struct shatomic_region *region, unsigned int word)
{
	return shatomic_get_u64((uint64_t *)shatomic_buf(region, NULL) + word);
}

static bool ring_can_be_had(void)
{
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0))
		return false;
	io_uring_queue_exit(&ring);
	return true;
}

static bool is_device(const struct shatomic_region *region)
{
	struct shatomic_info info = { 0 };

	shatomic_get_info(region, &info);
	return info.backend == SHATOMIC_BACKEND_DEVICE;
}

static bool is_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1;
}

FIXTURE(async)
{
	struct shatomic_region *region;
	struct shatomic_region *other;
	struct shatomic_queue *queue;
	struct io_uring ring;
	bool has_ring; /* of the caller's */
};

FIXTURE_VARIANT(async)
{
	bool callers_ring;
	unsigned int setup;
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(async, own_ring) {};
FIXTURE_VARIANT_ADD(async, no_ring) { .flags = SHATOMIC_QUEUE_NO_RING };
FIXTURE_VARIANT_ADD(async, callers_ring) { .callers_ring = true };
FIXTURE_VARIANT_ADD(async, callers_sqpoll_ring)
{
	.callers_ring = true, .setup = IORING_SETUP_SQPOLL
};

static int new_queue(FIXTURE_DATA(async) *self, unsigned int flags,
		     unsigned int entries, struct shatomic_queue **queue)
{
	struct shatomic_queue_options options = {
		.entries = entries,
		.flags = flags,
		.ring = self->has_ring ? &self->ring : NULL,
	};

	return shatomic_queue_create(&options, queue);
}

FIXTURE_SETUP(async)
{
	seed_random();
	self->region = new_region(REGION_BYTES);
	self->other = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	ASSERT_NE(NULL, self->other);
	/* Then there is no queue, and each test is skipped. */
	if (variant->callers_ring && !ring_can_be_had())
		return;
	if (variant->callers_ring) {
		ASSERT_EQ(0, io_uring_queue_init(128, &self->ring,
						 variant->setup));
		self->has_ring = true;
	}
	ASSERT_EQ(0, new_queue(self, variant->flags, 0, &self->queue));
}

FIXTURE_TEARDOWN(async)
{
	EXPECT_EQ(0, shatomic_queue_close(self->queue));
	if (self->has_ring)
		io_uring_queue_exit(&self->ring);
	shatomic_close(self->region);
	shatomic_close(self->other);
}

/* The next completion of a queue, however that comes; whether there is one. */
static bool next(FIXTURE_DATA(async) *self, struct shatomic_queue *queue,
		 struct shatomic_completion *completion)
{
	struct io_uring_cqe *cqe;
	bool is_ours;

	if (!self->has_ring)
		return shatomic_queue_wait(queue, completion, 1, NULL) == 1;
	if (io_uring_submit(&self->ring) < 0 ||
	    io_uring_wait_cqe(&self->ring, &cqe))
		return false;
	is_ours = shatomic_queue_complete(queue, cqe, completion);
	io_uring_cqe_seen(&self->ring, cqe);
	return is_ours;
}

/* Run one batch to its end; its result, or INT_MIN when none comes. */
static int run(FIXTURE_DATA(async) *self, struct shatomic_region *region,
	       struct shatomic_batch *batch)
{
	struct shatomic_completion completion;
	int err = shatomic_queue_submit(self->queue, region, batch, 0);

	if (err)
		return err;
	return next(self, self->queue, &completion) ? completion.result :
						      INT_MIN;
}

/* Those with rings of the caller's need one. */
#define NEED_QUEUE                                                            \
	do {                                                                  \
		if (!self->queue)                                             \
			SKIP(return, "io_uring can't be had here");           \
	} while (0)

TEST_F(async, same_as_synchronous)
{
	static const unsigned int counts[] = { 0, 1, 16, 256, 257, 4097,
					       MAX_ROWS };
	struct columns *one = new_columns(), *other = new_columns();
	unsigned int i;

	NEED_QUEUE;
	ASSERT_TRUE(one && other);
	for (i = 0; i < COUNT_OF(counts); i++) {
		fill(one, counts[i]);
		fill_alike(other, one);
		ASSERT_EQ(0, shatomic_batch_run(self->other, &one->batch));
		ASSERT_EQ(0, run(self, self->region, &other->batch));
		EXPECT_EQ(counts[i], other->batch.rows_done);
		EXPECT_EQ(UINT64_MAX, other->batch.error_row);
		EXPECT_EQ(0, memcmp(one->results, other->results,
				    sizeof(one->results)));
		EXPECT_EQ(0, memcmp(shatomic_buf(self->region, NULL),
				    shatomic_buf(self->other, NULL),
				    REGION_BYTES));
	}
	free_columns(one);
	free_columns(other);
}

/* Each is completed once, by its own name, on the region it is for. */
TEST_F(async, many_in_flight_on_two_regions)
{
	struct shatomic_region *regions[] = { self->region, self->other };
	struct shatomic_batch batches[64];
	uint64_t sums[2] = { 0 };
	unsigned int i, round;

	NEED_QUEUE;
	for (round = 0; round < 4; round++) {
		bool seen[COUNT_OF(batches)] = { false };

		for (i = 0; i < COUNT_OF(batches); i++) {
			unsigned int rows = 1 + next_random() % 2000;

			batches[i] = count_batch(0, rows);
			sums[i % 2] += rows;
			ASSERT_EQ(0, shatomic_queue_submit(self->queue,
							   regions[i % 2],
							   &batches[i], i));
		}
		for (i = 0; i < COUNT_OF(batches); i++) {
			struct shatomic_completion completion;
			uint64_t which;

			ASSERT_TRUE(next(self, self->queue, &completion));
			which = completion.user_data;
			ASSERT_GT(COUNT_OF(batches), which);
			EXPECT_FALSE(seen[which]);
			seen[which] = true;
			EXPECT_EQ(0, completion.result);
			EXPECT_EQ(&batches[which], completion.batch);
			EXPECT_EQ(regions[which % 2], completion.region);
			EXPECT_EQ(batches[which].rows, batches[which].rows_done);
		}
	}
	EXPECT_EQ(sums[0], word_of(self->region, 0));
	EXPECT_EQ(sums[1], word_of(self->other, 0));
}

/* What is full stays as it is, and has room again for what is handed out. */
TEST_F(async, full_says_again)
{
	struct shatomic_batch batches[4], one_more = count_batch(1, 1);
	struct shatomic_completion completion;
	struct shatomic_queue *queue;
	unsigned int i;

	NEED_QUEUE;
	ASSERT_EQ(0, new_queue(self, variant->flags, COUNT_OF(batches), &queue));
	for (i = 0; i < COUNT_OF(batches); i++) {
		batches[i] = count_batch(0, 1000);
		ASSERT_EQ(0, shatomic_queue_submit(queue, self->region,
						   &batches[i], i));
	}
	EXPECT_EQ(-EAGAIN, shatomic_queue_submit(queue, self->region, &one_more,
						 9));
	EXPECT_NE(NULL, strstr(shatomic_error(), "4 batches are in flight"));
	EXPECT_EQ(0, word_of(self->region, 1));

	ASSERT_TRUE(next(self, queue, &completion));
	EXPECT_EQ(0, shatomic_queue_submit(queue, self->region, &one_more, 9));
	EXPECT_EQ(-EAGAIN, shatomic_queue_submit(queue, self->region,
						 &batches[completion.user_data],
						 0));
	for (i = 0; i < COUNT_OF(batches); i++)
		EXPECT_TRUE(next(self, queue, &completion));
	EXPECT_EQ(4000, word_of(self->region, 0));
	EXPECT_EQ(1, word_of(self->region, 1));
	EXPECT_EQ(0, shatomic_queue_close(queue));
}

/* Two that fail and one that does not: each tells its own row. */
TEST_F(async, errors_of_rows)
{
	struct columns *columns[3];
	struct shatomic_completion completion;
	char expected[2][256];
	unsigned int i;

	NEED_QUEUE;
	for (i = 0; i < 3; i++) {
		columns[i] = new_columns();
		ASSERT_NE(NULL, columns[i]);
		fill(columns[i], 1000 * i + 10);
		/* What they do to memory is to be told by the last. */
		if (i < 2)
			columns[i]->offsets[7 + i] = i ? REGION_BYTES : 1;
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(i ? -ERANGE : -EINVAL,
			  shatomic_batch_run(self->region, &columns[i]->batch));
		strcpy(expected[i], shatomic_error());
		columns[i]->batch.error_row = 99;
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, shatomic_queue_submit(self->queue, self->region,
						   &columns[i]->batch, i));
	for (i = 0; i < 3; i++) {
		struct shatomic_batch *batch;
		uint64_t which;

		ASSERT_TRUE(next(self, self->queue, &completion));
		batch = completion.batch;
		which = completion.user_data;
		if (which == 2) {
			EXPECT_EQ(0, completion.result);
			EXPECT_STREQ("", shatomic_completion_error(&completion));
			continue;
		}
		EXPECT_EQ(which ? -ERANGE : -EINVAL, completion.result);
		EXPECT_EQ(7 + which, batch->error_row);
		EXPECT_EQ(SHATOMIC_FIELD_OFFSETS, batch->error_field);
		EXPECT_EQ(0, batch->rows_done);
		EXPECT_EQ(0xeeeeeeeeeeeeeeee, columns[which]->results[0]);
		EXPECT_STREQ(expected[which],
			     shatomic_completion_error(&completion));
		EXPECT_STREQ(expected[which], shatomic_error());
	}
	/* Nothing but the good one ran. */
	ASSERT_EQ(0, shatomic_batch_run(self->other, &columns[2]->batch));
	EXPECT_EQ(0, memcmp(shatomic_buf(self->region, NULL),
			    shatomic_buf(self->other, NULL), REGION_BYTES));
	for (i = 0; i < 3; i++)
		free_columns(columns[i]);
}

/* What shatomic_batch_run() refuses without the kernel is refused at once. */
TEST_F(async, errors_at_once)
{
	struct shatomic_region *nobody[] = { NULL };
	struct shatomic_batch batch = count_batch(0, 1);
	struct shatomic_completion completion;

	NEED_QUEUE;
	EXPECT_EQ(-EINVAL, shatomic_queue_submit(NULL, self->region, &batch, 0));
	EXPECT_EQ(-EINVAL, shatomic_queue_submit(self->queue, NULL, &batch, 0));
	EXPECT_EQ(-EINVAL, shatomic_queue_submit(self->queue, self->region, NULL,
						 0));
	batch.peer_count = 1;
	EXPECT_EQ(-EINVAL, shatomic_queue_submit(self->queue, self->region,
						 &batch, 0));
	EXPECT_EQ(SHATOMIC_FIELD_PEERS, batch.error_field);
	batch.peers = nobody;
	EXPECT_EQ(-EINVAL, shatomic_queue_submit(self->queue, self->region,
						 &batch, 0));
	EXPECT_STREQ("peers: entry 0 is NULL", shatomic_error());

	/* None of them takes room or leaves a completion. */
	batch = count_batch(0, 1);
	EXPECT_EQ(0, shatomic_queue_submit(self->queue, self->region, &batch, 5));
	ASSERT_TRUE(next(self, self->queue, &completion));
	EXPECT_EQ(5, completion.user_data);
	EXPECT_EQ(1, word_of(self->region, 0));
}

TEST_F(async, peers)
{
	struct shatomic_region *peers[] = { self->region, self->other };
	uint64_t offset = 16, peer_offset = 24;
	uint32_t peer_index = 1;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_STORE, .width = 8, .rows = 1,
		.offsets = &offset, .peers = peers, .peer_count = 2,
		.peer_indexes = &peer_index, .peer_offsets = &peer_offset,
	};
	uint64_t *words = shatomic_buf(self->other, NULL);

	NEED_QUEUE;
	words[3] = 77;
	EXPECT_EQ(0, run(self, self->region, &batch));
	EXPECT_EQ(77, word_of(self->region, 2));
	peer_index = 2;
	EXPECT_EQ(-EINVAL, run(self, self->region, &batch));
	EXPECT_EQ(SHATOMIC_FIELD_PEER_INDEXES, batch.error_field);
}

/* Regions of both backends, where there are both, by one queue. */
TEST_F(async, both_backends)
{
	struct shatomic_create_options options = {
		.size = REGION_BYTES, .backend = SHATOMIC_BACKEND_MEMFD,
	};
	struct shatomic_batch batches[10], odd = count_batch(0, 1);
	struct shatomic_completion completion;
	struct shatomic_region *memfd;
	unsigned int i;

	NEED_QUEUE;
	ASSERT_EQ(0, shatomic_create(&options, &memfd));
	for (i = 0; i < COUNT_OF(batches); i++) {
		batches[i] = count_batch(0, 1000);
		ASSERT_EQ(0, shatomic_queue_submit(self->queue,
						   i % 2 ? memfd : self->region,
						   &batches[i], i));
	}
	/* What the process runs is done, if not completed, by then. */
	EXPECT_EQ(5000, word_of(memfd, 0));
	for (i = 0; i < COUNT_OF(batches); i++) {
		ASSERT_TRUE(next(self, self->queue, &completion));
		EXPECT_EQ(0, completion.result);
		EXPECT_EQ(1000, completion.batch->rows_done);
	}
	EXPECT_EQ(5000, word_of(self->region, 0));

	/* A device's batch takes no peer of the other backend. */
	odd.peers = &memfd;
	odd.peer_count = 1;
	if (is_device(self->region)) {
		EXPECT_EQ(-EBADF, shatomic_queue_submit(self->queue,
							self->region, &odd, 0));
		EXPECT_EQ(SHATOMIC_FIELD_PEERS, odd.error_field);
	}
	shatomic_close(memfd);
}

TEST_F(async, descriptor_is_readable_while_there_are_completions)
{
	struct shatomic_completion completions[8];
	struct shatomic_batch batches[3];
	int fd = shatomic_queue_fd(self->queue);
	unsigned int i, round;
	int count;

	NEED_QUEUE;
	if (self->has_ring) {
		EXPECT_EQ(-EINVAL, fd);
		return;
	}
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	for (round = 0; round < 3; round++) {
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };

		EXPECT_FALSE(is_readable(fd));
		for (i = 0; i < COUNT_OF(batches); i++) {
			/* So few that they are done at once everywhere. */
			batches[i] = count_batch(0, 1);
			ASSERT_EQ(0, shatomic_queue_submit(self->queue,
							   self->region,
							   &batches[i], i));
			EXPECT_EQ(1, poll(&pollfd, 1, -1));
		}
		EXPECT_EQ(1, shatomic_queue_poll(self->queue, completions, 1));
		EXPECT_TRUE(is_readable(fd));
		EXPECT_EQ(2, shatomic_queue_poll(self->queue, completions, 8));
		EXPECT_FALSE(is_readable(fd));
		EXPECT_EQ(0, shatomic_queue_poll(self->queue, completions, 8));

		/* And when one comes later. */
		batches[0] = count_batch(0, MANY_ROWS);
		ASSERT_EQ(0, shatomic_queue_submit(self->queue, self->region,
						   &batches[0], 0));
		EXPECT_EQ(1, poll(&pollfd, 1, -1));
		count = shatomic_queue_poll(self->queue, completions, 8);
		EXPECT_EQ(1, count);
	}
}

TEST_F(async, arguments)
{
	struct timespec bad = { .tv_nsec = 1000000000 };
	struct shatomic_completion completion;

	NEED_QUEUE;
	EXPECT_EQ(-EINVAL, shatomic_queue_kind(NULL));
	EXPECT_EQ(-EINVAL, shatomic_queue_fd(NULL));
	EXPECT_EQ(0, shatomic_queue_close(NULL));
	EXPECT_EQ(-EINVAL, shatomic_queue_poll(NULL, &completion, 1));
	EXPECT_EQ(-EINVAL, shatomic_queue_wait(NULL, &completion, 1, NULL));
	EXPECT_EQ(-EINVAL, shatomic_queue_poll(self->queue, NULL, 1));
	EXPECT_EQ(-EINVAL, shatomic_queue_poll(self->queue, &completion, 0));
	EXPECT_EQ(-EINVAL, shatomic_queue_wait(self->queue, &completion, 0,
					       NULL));
	EXPECT_EQ(-EINVAL, shatomic_queue_wait(self->queue, &completion, 1,
					       &bad));
	/* Nothing in flight is nothing to wait for. */
	EXPECT_EQ(self->has_ring ? -EINVAL : 0,
		  shatomic_queue_wait(self->queue, &completion, 1, NULL));
	EXPECT_EQ(self->has_ring ? -EINVAL : 0,
		  shatomic_queue_poll(self->queue, &completion, 1));
}

TEST_F(async, closing_with_batches_in_flight)
{
	struct shatomic_batch batches[16];
	struct shatomic_completion completion;
	struct shatomic_queue *queue;
	unsigned int i;

	NEED_QUEUE;
	ASSERT_EQ(0, new_queue(self, variant->flags, 0, &queue));
	for (i = 0; i < COUNT_OF(batches); i++) {
		batches[i] = count_batch(0, MANY_ROWS);
		ASSERT_EQ(0, shatomic_queue_submit(queue, self->region,
						   &batches[i], i));
	}
	if (self->has_ring) {
		EXPECT_EQ(-EBUSY, shatomic_queue_close(queue));
		for (i = 0; i < COUNT_OF(batches); i++)
			EXPECT_TRUE(next(self, queue, &completion));
	}
	EXPECT_EQ(0, shatomic_queue_close(queue));
	for (i = 0; i < COUNT_OF(batches); i++)
		EXPECT_EQ(MANY_ROWS, batches[i].rows_done);
	EXPECT_EQ(COUNT_OF(batches) * MANY_ROWS, word_of(self->region, 0));
}

/* A thread that submits, and ends. */
struct submitter {
	struct shatomic_queue *queue;
	struct shatomic_region *region;
	struct io_uring *ring;
	struct shatomic_batch batches[48];
	int err;
};

static void *submit_and_end(void *arg)
{
	struct submitter *submitter = arg;
	unsigned int i;

	for (i = 0; i < COUNT_OF(submitter->batches); i++)
		submitter->err |= shatomic_queue_submit(submitter->queue,
							submitter->region,
							&submitter->batches[i],
							i);
	if (submitter->ring)
		submitter->err |= io_uring_submit(submitter->ring) < 0;
	return NULL;
}

TEST_F(async, thread_that_submitted_ends)
{
	struct submitter submitter = {
		.queue = self->queue,
		.region = self->region,
		.ring = self->has_ring ? &self->ring : NULL,
	};
	struct shatomic_completion completion;
	unsigned int i, ran = 0;
	pthread_t thread;

	NEED_QUEUE;
	for (i = 0; i < COUNT_OF(submitter.batches); i++)
		submitter.batches[i] = count_batch(0, MANY_ROWS);
	ASSERT_EQ(0, pthread_create(&thread, NULL, submit_and_end, &submitter));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, submitter.err);
	for (i = 0; i < COUNT_OF(submitter.batches); i++) {
		ASSERT_TRUE(next(self, self->queue, &completion));
		if (!completion.result) {
			EXPECT_EQ(MANY_ROWS, completion.batch->rows_done);
			ran++;
			continue;
		}
		EXPECT_EQ(-ECANCELED, completion.result);
		EXPECT_EQ(0, completion.batch->rows_done);
		EXPECT_NE(NULL, strstr(shatomic_completion_error(&completion),
				       "cancelled before it began"));
	}
	printf("# %u of %zu ran\n", ran, COUNT_OF(submitter.batches));
	EXPECT_EQ(ran * MANY_ROWS, word_of(self->region, 0));

	/* The queue goes on with another thread. */
	submitter.batches[0] = count_batch(1, MANY_ROWS);
	EXPECT_EQ(0, run(self, self->region, &submitter.batches[0]));
	EXPECT_EQ(MANY_ROWS, word_of(self->region, 1));
}

/* What only rings of the caller's can have. */
FIXTURE(callers)
{
	struct shatomic_region *region;
	struct shatomic_queue *queue;
	struct io_uring ring;
};

FIXTURE_SETUP(callers)
{
	struct shatomic_queue_options options = { .ring = &self->ring };

	if (io_uring_queue_init(16, &self->ring, 0))
		return;
	self->region = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	ASSERT_EQ(0, shatomic_queue_create(&options, &self->queue));
}

FIXTURE_TEARDOWN(callers)
{
	if (!self->queue)
		return;
	EXPECT_EQ(0, shatomic_queue_close(self->queue));
	io_uring_queue_exit(&self->ring);
	shatomic_close(self->region);
}

/* What is not the queue's is left alone, and so is what it has completed. */
TEST_F(callers, other_completions)
{
	struct shatomic_batch batch = count_batch(0, 1);
	struct shatomic_completion completion;
	uint64_t others[] = { 0, 1, (uintptr_t)&batch, UINT64_MAX, 0 };
	struct io_uring_cqe *cqe, again = { 0 };
	unsigned int i, found = 0;

	NEED_QUEUE;
	EXPECT_EQ(0, shatomic_queue_submit(self->queue, self->region, &batch, 5));
	for (i = 0; i < COUNT_OF(others); i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

		ASSERT_NE(NULL, sqe);
		io_uring_prep_nop(sqe);
		sqe->user_data = others[i];
	}
	ASSERT_EQ(1 + COUNT_OF(others), io_uring_submit(&self->ring));
	for (i = 0; i <= COUNT_OF(others); i++) {
		ASSERT_EQ(0, io_uring_wait_cqe(&self->ring, &cqe));
		if (shatomic_queue_complete(self->queue, cqe, &completion)) {
			EXPECT_EQ(&batch, completion.batch);
			EXPECT_EQ(5, completion.user_data);
			again.user_data = cqe->user_data;
			found++;
		}
		io_uring_cqe_seen(&self->ring, cqe);
	}
	EXPECT_EQ(1, found);
	EXPECT_EQ(1, word_of(self->region, 0));

	EXPECT_FALSE(shatomic_queue_complete(self->queue, &again, &completion));
	/* Within the queue's memory, but no entry of it. */
	EXPECT_EQ(0, shatomic_queue_submit(self->queue, self->region, &batch, 5));
	again.user_data++;
	EXPECT_FALSE(shatomic_queue_complete(self->queue, &again, &completion));
	again.user_data--;
	ASSERT_EQ(1, io_uring_submit_and_wait(&self->ring, 1));
	EXPECT_TRUE(shatomic_queue_complete(self->queue, &again, &completion));
}

TEST_F(callers, full_ring)
{
	struct shatomic_batch batch = count_batch(0, 1);
	struct shatomic_completion completion;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	unsigned int i;

	NEED_QUEUE;
	for (i = 0; (sqe = io_uring_get_sqe(&self->ring)); i++)
		io_uring_prep_nop(sqe);
	ASSERT_EQ(16, i);
	EXPECT_EQ(-EAGAIN, shatomic_queue_submit(self->queue, self->region,
						 &batch, 5));
	EXPECT_STREQ("the ring is full: submit it", shatomic_error());
	EXPECT_EQ(0, word_of(self->region, 0));
	ASSERT_EQ(16, io_uring_submit(&self->ring));
	io_uring_cq_advance(&self->ring, 16);

	EXPECT_EQ(0, shatomic_queue_submit(self->queue, self->region, &batch, 5));
	ASSERT_EQ(1, io_uring_submit_and_wait(&self->ring, 1));
	ASSERT_EQ(0, io_uring_peek_cqe(&self->ring, &cqe));
	EXPECT_TRUE(shatomic_queue_complete(self->queue, cqe, &completion));
	EXPECT_EQ(1, word_of(self->region, 0));
}

/* Linked to what fails: only what the process has run by then has been run. */
TEST_F(callers, cancelled)
{
	struct shatomic_batch batch = count_batch(0, 1);
	struct shatomic_completion completion = { 0 };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	unsigned int i, found = 0;

	NEED_QUEUE;
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_read(sqe, -1, NULL, 0, 0);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = 1;
	EXPECT_EQ(0, shatomic_queue_submit(self->queue, self->region, &batch, 5));
	ASSERT_EQ(2, io_uring_submit(&self->ring));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, io_uring_wait_cqe(&self->ring, &cqe));
		found += shatomic_queue_complete(self->queue, cqe, &completion);
		io_uring_cqe_seen(&self->ring, cqe);
	}
	ASSERT_EQ(1, found);
	if (!is_device(self->region)) {
		EXPECT_EQ(0, completion.result);
		EXPECT_EQ(1, word_of(self->region, 0));
		return;
	}
	EXPECT_EQ(-ECANCELED, completion.result);
	EXPECT_EQ(0, batch.rows_done);
	EXPECT_EQ(UINT64_MAX, batch.error_row);
	EXPECT_EQ(0, word_of(self->region, 0));
	EXPECT_NE(NULL, strstr(shatomic_completion_error(&completion),
			       "cancelled before it began"));
}

/* What a queue made by these options does, or why there is none. */
static int kind_with(const struct shatomic_queue_options *options)
{
	struct shatomic_region *region = new_region(REGION_BYTES);
	struct shatomic_batch batch = count_batch(0, MANY_ROWS);
	struct shatomic_completion completion;
	struct shatomic_queue *queue;
	int kind = shatomic_queue_create(options, &queue);

	if (!kind) {
		kind = shatomic_queue_kind(queue);
		if (shatomic_queue_submit(queue, region, &batch, 5) ||
		    (kind == SHATOMIC_QUEUE_SYNCHRONOUS &&
		     word_of(region, 0) != MANY_ROWS) ||
		    shatomic_queue_wait(queue, &completion, 1, NULL) != 1 ||
		    completion.result || completion.user_data != 5 ||
		    word_of(region, 0) != MANY_ROWS)
			kind = INT_MIN;
		shatomic_queue_close(queue);
	}
	shatomic_close(region);
	return kind;
}

TEST(kinds)
{
	struct shatomic_queue_options options = { .entries = 1 };

	EXPECT_EQ(ring_can_be_had() ? SHATOMIC_QUEUE_URING :
				      SHATOMIC_QUEUE_SYNCHRONOUS,
		  kind_with(&options));
	options.flags = SHATOMIC_QUEUE_NO_RING;
	EXPECT_EQ(SHATOMIC_QUEUE_SYNCHRONOUS, kind_with(&options));
}

/* Each test has a process of its own, for which the filter stays. */
TEST(io_uring_forbidden)
{
	struct shatomic_queue_options options = { 0 };

	ASSERT_EQ(0, fail_call(SYS_io_uring_setup, EPERM));
	EXPECT_EQ(SHATOMIC_QUEUE_SYNCHRONOUS, kind_with(&options));
	EXPECT_STREQ("", shatomic_error());
}

TEST(io_uring_not_there)
{
	struct shatomic_queue_options options = { 0 };

	ASSERT_EQ(0, fail_call(SYS_io_uring_setup, ENOSYS));
	EXPECT_EQ(SHATOMIC_QUEUE_SYNCHRONOUS, kind_with(&options));
	EXPECT_STREQ("", shatomic_error());
}

/* Nothing can be learned of its commands: as if there were none. */
TEST(io_uring_without_commands)
{
	struct shatomic_queue_options options = { 0 };
	struct shatomic_queue *queue;
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0))
		SKIP(return, "io_uring can't be had here");
	ASSERT_EQ(0, fail_call(SYS_io_uring_register, EINVAL));
	EXPECT_EQ(SHATOMIC_QUEUE_SYNCHRONOUS, kind_with(&options));
	EXPECT_STREQ("", shatomic_error());
	options.ring = &ring;
	EXPECT_EQ(-EOPNOTSUPP, shatomic_queue_create(&options, &queue));
	io_uring_queue_exit(&ring);
}

/* A machine that is short of something is no reason to be another kind. */
TEST(io_uring_out_of_memory)
{
	struct shatomic_queue_options options = { 0 };

	ASSERT_EQ(0, fail_call(SYS_io_uring_setup, ENOMEM));
	EXPECT_EQ(-ENOMEM, kind_with(&options));
	EXPECT_NE(NULL, strstr(shatomic_error(), "io_uring_setup"));
}

TEST(bad_options)
{
	struct shatomic_queue_options options = { .flags = 1 << 1 };
	struct shatomic_queue *queue;
	struct io_uring ring;

	EXPECT_EQ(-EINVAL, shatomic_queue_create(NULL, &queue));
	EXPECT_EQ(-EINVAL, shatomic_queue_create(&options, NULL));
	EXPECT_EQ(-EOPNOTSUPP, shatomic_queue_create(&options, &queue));
	options.flags = 0;
	options.entries = SHATOMIC_QUEUE_MAX_ENTRIES + 1;
	EXPECT_EQ(-EINVAL, shatomic_queue_create(&options, &queue));
	options.entries = SHATOMIC_QUEUE_MAX_ENTRIES;
	EXPECT_LT(0, kind_with(&options));

	if (io_uring_queue_init(4, &ring, IORING_SETUP_IOPOLL))
		SKIP(return, "io_uring can't be had here");
	options.ring = &ring;
	EXPECT_EQ(-EINVAL, shatomic_queue_create(&options, &queue));
	EXPECT_NE(NULL, strstr(shatomic_error(), "IORING_SETUP_IOPOLL"));
	io_uring_queue_exit(&ring);
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	options.flags = SHATOMIC_QUEUE_NO_RING;
	EXPECT_EQ(-EINVAL, shatomic_queue_create(&options, &queue));
	io_uring_queue_exit(&ring);
}

static void *submit_refused(void *arg)
{
	struct submitter *submitter = arg;

	submitter->err = fail_call(SYS_io_uring_enter, EAGAIN) ? 1 :
		shatomic_queue_submit(submitter->queue, submitter->region,
				      &submitter->batches[0], 1);
	return NULL;
}

/* The kernel takes no more, and then does again. */
TEST(kernel_refuses_for_a_while)
{
	struct shatomic_queue_options options = { .entries = 2 };
	struct submitter submitter = { .region = new_region(REGION_BYTES) };
	struct shatomic_completion completion;
	struct shatomic_batch batches[2];
	pthread_t thread;
	unsigned int i, round;

	if (!ring_can_be_had())
		SKIP(return, "io_uring can't be had here");
	ASSERT_EQ(0, shatomic_queue_create(&options, &submitter.queue));
	submitter.batches[0] = count_batch(1, 100);
	for (round = 0; round < 5; round++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, submit_refused,
					    &submitter));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(-EAGAIN, submitter.err);
		EXPECT_EQ(0, shatomic_queue_poll(submitter.queue, &completion,
						 1));
		EXPECT_FALSE(is_readable(shatomic_queue_fd(submitter.queue)));
		for (i = 0; i < 2; i++) {
			batches[i] = count_batch(0, 100);
			EXPECT_EQ(0, shatomic_queue_submit(submitter.queue,
							   submitter.region,
							   &batches[i], i));
		}
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(1, shatomic_queue_wait(submitter.queue,
							 &completion, 1, NULL));
			EXPECT_EQ(0, completion.result);
			EXPECT_EQ(&batches[completion.user_data],
				  completion.batch);
		}
	}
	EXPECT_EQ(1000, word_of(submitter.region, 0));
	EXPECT_EQ(0, word_of(submitter.region, 1));
	shatomic_queue_close(submitter.queue);
	shatomic_close(submitter.region);
}

TEST_HARNESS_MAIN
