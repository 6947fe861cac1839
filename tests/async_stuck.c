// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues while the kernel runs their batches: what waiting and closing do when
 * one takes its time, for which it is held up.
 */
#include "common.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define REGION_BYTES 4096

/* More than the kernel runs before the submission returns. */
#define ROWS 5000
#define COLUMN_BYTES (ROWS * 8 / 4096 * 4096 + 4096)

/* All rows are on the first word. */
static uint64_t offsets[ROWS];

/*
 * A batch that the kernel can't go on with before it is let: one of its columns
 * is not there yet.
 */
FIXTURE(stuck)
{
	struct shatomic_region *region;
	struct shatomic_queue *queue;
	struct shatomic_batch batch;
	uint64_t *operands;
	int faults;
	bool let;
};

static int hold_back(FIXTURE_DATA(stuck) *self)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)self->operands,
			   .len = COLUMN_BYTES },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	self->faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	return self->faults < 0 || ioctl(self->faults, UFFDIO_API, &api) ||
	       ioctl(self->faults, UFFDIO_REGISTER, &range);
}

/* Let it go on, with operands of 0. */
static int let_go(FIXTURE_DATA(stuck) *self)
{
	struct uffdio_zeropage range = {
		.range = { .start = (uintptr_t)self->operands,
			   .len = COLUMN_BYTES },
	};

	__atomic_store_n(&self->let, true, __ATOMIC_SEQ_CST);
	return ioctl(self->faults, UFFDIO_ZEROPAGE, &range);
}

FIXTURE_SETUP(stuck)
{
	struct shatomic_queue_options options = { 0 };

	self->region = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	ASSERT_EQ(0, shatomic_queue_create(&options, &self->queue));
	ASSERT_EQ(SHATOMIC_QUEUE_URING, shatomic_queue_kind(self->queue));
	self->operands = mmap(NULL, COLUMN_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->operands);
	ASSERT_EQ(0, hold_back(self));
	self->batch = (struct shatomic_batch){
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.rows = ROWS,
		.offsets = offsets,
		.operands = self->operands,
	};
	ASSERT_EQ(0, shatomic_queue_submit(self->queue, self->region,
					   &self->batch, 5));
}

FIXTURE_TEARDOWN(stuck)
{
	shatomic_queue_close(self->queue);
	shatomic_close(self->region);
	munmap(self->operands, COLUMN_BYTES);
	close(self->faults);
}

static void ignore(int signal)
{
	(void)signal;
}

TEST_F(stuck, waiting_ends_without_a_completion)
{
	struct itimerval often = { { .tv_usec = 10000 }, { .tv_usec = 10000 } };
	struct itimerval never = { 0 };
	struct sigaction action = { .sa_handler = ignore };
	struct timespec soon = { .tv_nsec = 1000000 };
	struct shatomic_completion completion;
	struct pollfd pollfd = { .fd = shatomic_queue_fd(self->queue),
				 .events = POLLIN };

	EXPECT_EQ(0, poll(&pollfd, 1, 0));
	EXPECT_EQ(0, shatomic_queue_poll(self->queue, &completion, 1));
	EXPECT_EQ(-ETIMEDOUT, shatomic_queue_wait(self->queue, &completion, 1,
						  &soon));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	EXPECT_EQ(-EINTR, shatomic_queue_wait(self->queue, &completion, 1,
					      NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));

	ASSERT_EQ(0, let_go(self));
	EXPECT_EQ(1, poll(&pollfd, 1, -1));
	EXPECT_EQ(1, shatomic_queue_wait(self->queue, &completion, 1, &soon));
	EXPECT_EQ(0, completion.result);
	EXPECT_EQ(5, completion.user_data);
	EXPECT_EQ(ROWS, self->batch.rows_done);
}

static void *let_go_later(void *arg)
{
	FIXTURE_DATA(stuck) *self = arg;

	usleep(50000);
	let_go(self);
	return NULL;
}

TEST_F(stuck, closing_waits)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, let_go_later, self));
	EXPECT_EQ(0, shatomic_queue_close(self->queue));
	EXPECT_TRUE(__atomic_load_n(&self->let, __ATOMIC_SEQ_CST));
	EXPECT_EQ(ROWS, self->batch.rows_done);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	self->queue = NULL;
}

TEST_HARNESS_MAIN
