// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a word to change and waking who waits, between processes; and
 * that a process-shared condition variable works in a region.
 */
#include "common.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#define REGION_BYTES 4096

/* In the region: where the processes of a test meet. */
#define TURN_AT 1024

FIXTURE(wait)
{
	struct shatomic_region *region;
	unsigned char *memory;
};

FIXTURE_SETUP(wait)
{
	self->region = new_region(REGION_BYTES);
	ASSERT_NE(NULL, self->region);
	self->memory = shatomic_buf(self->region, NULL);
}

FIXTURE_TEARDOWN(wait)
{
	shatomic_close(self->region);
}

static const struct timespec a_moment = { .tv_nsec = 20 * 1000 * 1000 };
/* So long that a test which needs it has failed. */
static const struct timespec too_long = { .tv_sec = 60 };

/* What a thread or process waits for. */
struct waiter {
	struct shatomic_region *region;
	uint64_t offset;
	unsigned int width;
	unsigned char expected[8];
	const struct timespec *timeout;
	int ret;
};

static void *wait_for(void *arg)
{
	struct waiter *waiter = arg;
	int ret = shatomic_wait(waiter->region, waiter->offset, waiter->width,
				waiter->expected,
				waiter->timeout ? waiter->timeout : &too_long);

	/* Some look at it before they join. */
	__atomic_store_n(&waiter->ret, ret, __ATOMIC_RELAXED);
	return NULL;
}

static bool still_runs(pid_t child)
{
	siginfo_t info = { .si_pid = 0 };

	return !waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

/* Wake until somebody was: a waiter may not sleep yet. */
static int wake_one(struct shatomic_region *region, uint64_t offset,
		    unsigned int width)
{
	int woken = 0;

	while (!woken) {
		woken = shatomic_wake(region, offset, width, 1);
		usleep(1000);
	}
	return woken;
}

TEST_F(wait, a_word_that_differs_returns_at_once)
{
	unsigned char expected[8] = { 0 };
	unsigned int width, at;

	memset(self->memory, 1, 16);
	for (width = 1; width <= 8; width++) {
		for (at = 0; at + width <= 8; at++)
			EXPECT_EQ(0, shatomic_wait(self->region, at, width,
						   expected, NULL));
	}
}

TEST_F(wait, the_timeout_is_told)
{
	unsigned char expected[8] = { 0 };
	unsigned int width, at;

	/* Neighbours that differ do not end the wait. */
	for (width = 1; width <= 8; width++) {
		for (at = 0; at + width <= 8; at++) {
			const struct timespec soon = { .tv_nsec = 1000 };

			memset(self->memory, 0xff, 8);
			memset(self->memory + at, 0, width);
			EXPECT_EQ(-ETIMEDOUT,
				  shatomic_wait(self->region, at, width,
						expected, &soon))
			{
				TH_LOG("width %u at %u", width, at);
			}
		}
	}
	EXPECT_EQ(-ETIMEDOUT,
		  shatomic_wait(self->region, 16, 8, expected,
				&(struct timespec){ 0 }));
}

/* Changed by a process, whatever the word's width and place. */
TEST_F_TIMEOUT(wait, a_change_wakes_another_process, 120)
{
	unsigned int width, at;

	for (width = 1; width <= 8; width++) {
		for (at = 0; at + width <= 8; at++) {
			unsigned char changed[8] = { 0 };
			pid_t child = fork();

			if (!child) {
				struct waiter waiter = {
					.region = self->region, .offset = at,
					.width = width,
				};

				wait_for(&waiter);
				_exit(waiter.ret ? 1 : 0);
			}
			/* In the last byte: of two halves the second. */
			changed[width - 1] = 1;
			EXPECT_EQ(0, shatomic_set(self->region, at, width,
						  changed));
			while (still_runs(child)) {
				shatomic_wake(self->region, at, width, 1);
				usleep(1000);
			}
			EXPECT_EQ(0, wait_child(child))
			{
				TH_LOG("width %u at %u", width, at);
			}
			memset(self->memory, 0, 8);
		}
	}
}

/* Wake for a word until a thread has ended, which joins it. */
static void wake_until_it_ends(struct shatomic_region *region, uint64_t offset,
			       unsigned int width, pthread_t thread)
{
	while (pthread_tryjoin_np(thread, NULL)) {
		shatomic_wake(region, offset, width, INT_MAX);
		usleep(1000);
	}
}

/* Who waits and who wakes need but share 4 bytes. */
TEST_F_TIMEOUT(wait, a_wake_for_a_part_or_more_reaches_it, 120)
{
	static const struct {
		unsigned int offset, width; /* of who waits */
		unsigned int changes; /* the byte that does */
		unsigned int woken_at, woken_width;
	} cases[] = {
		{ 1, 7, 7, 7, 1 }, { 1, 7, 1, 1, 1 }, { 3, 2, 3, 3, 1 },
		{ 3, 2, 4, 4, 1 }, { 0, 8, 5, 4, 4 }, { 0, 8, 2, 0, 4 },
		{ 7, 1, 7, 0, 8 }, { 0, 1, 0, 0, 8 }, { 4, 4, 4, 2, 4 },
		{ 0, 4, 3, 2, 4 }, { 5, 1, 5, 6, 1 }, { 2, 3, 2, 7, 1 },
	};
	struct waiter waiter;
	pthread_t thread;
	unsigned int i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		memset(self->memory, 0, 8);
		waiter = (struct waiter){ .region = self->region,
					  .offset = cases[i].offset,
					  .width = cases[i].width, .ret = 1 };
		ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for, &waiter));
		/* It sleeps when it is changed. */
		wake_one(self->region, cases[i].woken_at,
			 cases[i].woken_width);
		EXPECT_EQ(0, shatomic_set(self->region, cases[i].changes, 1,
					  "x"));
		wake_until_it_ends(self->region, cases[i].woken_at,
				   cases[i].woken_width, thread);
		EXPECT_EQ(0, waiter.ret)
		{
			TH_LOG("case %u", i);
		}
	}
}

/* For ever, and so long that no clock comes there. */
TEST_F_TIMEOUT(wait, a_timeout_may_be_any_time, 60)
{
	static const struct timespec times[] = {
		{ LONG_MAX, 999999999 }, { LONG_MAX, 0 },
		{ LONG_MAX - 1000, 999999999 }, { LONG_MAX / 1000000000, 0 },
	};
	static const unsigned int widths[] = { 4, 8 };
	struct waiter waiter;
	pthread_t thread;
	unsigned int i;

	for (i = 0; i < COUNT_OF(times) * COUNT_OF(widths); i++) {
		memset(self->memory, 0, 8);
		waiter = (struct waiter){
			.region = self->region, .width = widths[i % 2],
			.timeout = &times[i / 2], .ret = 1,
		};
		ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for, &waiter));
		/* It sleeps, unless it has ended too early. */
		while (!shatomic_wake(self->region, 0, 8, 1) &&
		       pthread_tryjoin_np(thread, NULL))
			usleep(1000);
		ASSERT_EQ(1, __atomic_load_n(&waiter.ret, __ATOMIC_RELAXED))
		{
			TH_LOG("timeout %u, width %u", i / 2, widths[i % 2]);
		}
		EXPECT_EQ(0, shatomic_set(self->region, 0, 1, "x"));
		wake_until_it_ends(self->region, 0, 8, thread);
		EXPECT_EQ(0, waiter.ret);
	}
}

/* Waking for a neighbour, or without a change, is not a change. */
TEST_F(wait, who_is_woken_without_a_change_waits_on)
{
	static const struct {
		unsigned int offset, width, neighbour;
	} cases[] = { { 2, 1, 3 }, { 1, 6, 0 }, { 1, 6, 7 } };
	unsigned char one = 1;
	struct waiter waiter;
	pthread_t thread;
	unsigned int i, j;

	for (i = 0; i < COUNT_OF(cases); i++) {
		memset(self->memory, 0, 8);
		waiter = (struct waiter){ .region = self->region,
					  .offset = cases[i].offset,
					  .width = cases[i].width, .ret = 1 };
		ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for, &waiter));
		for (j = 0; j < 3; j++) {
			EXPECT_EQ(0, shatomic_fetch_and_add(
					     self->region, cases[i].neighbour,
					     1, &one, NULL));
			wake_one(self->region, cases[i].neighbour, 1);
		}
		EXPECT_EQ(1, __atomic_load_n(&waiter.ret, __ATOMIC_RELAXED));
		EXPECT_EQ(0, shatomic_set(self->region, cases[i].offset, 1,
					  &one));
		wake_until_it_ends(self->region, cases[i].offset, 1, thread);
		EXPECT_EQ(0, waiter.ret);
	}
}

/* Nor does one that changes just when a wait begins end it. */
TEST_F_TIMEOUT(wait, a_neighbour_that_never_rests, 60)
{
	static const struct {
		unsigned int offset, width, neighbour;
	} cases[] = { { 2, 1, 3 }, { 1, 6, 0 }, { 1, 6, 7 } };
	const struct timespec soon = { .tv_nsec = 10000 };
	unsigned char zero[8] = { 0 };
	uint32_t *stop = (uint32_t *)(self->memory + TURN_AT);
	unsigned int i, j;
	pid_t child;

	for (i = 0; i < COUNT_OF(cases); i++) {
		memset(self->memory, 0, REGION_BYTES);
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			alarm(60);
			while (!shatomic_get_u32(stop))
				shatomic_fetch_and_add_u8(
					&self->memory[cases[i].neighbour], 1);
			_exit(0);
		}
		while (!shatomic_get_u8(&self->memory[cases[i].neighbour]))
			usleep(1000);
		for (j = 0; j < 500; j++)
			EXPECT_EQ(-ETIMEDOUT,
				  shatomic_wait(self->region, cases[i].offset,
						cases[i].width, zero, &soon));
		shatomic_set_u32(stop, 1);
		EXPECT_EQ(0, wait_child(child));
	}
}

/*
 * Nor does it keep one from ending, though the kernel finds the half changed
 * whenever it looks.
 */
TEST_F(wait, a_neighbour_does_not_prolong_it)
{
	static const struct {
		unsigned int offset, width;
	} words[] = { { 2, 1 }, { 4, 2 }, { 0, 6 }, { 1, 6 } };
	const struct timespec soon = { .tv_nsec = 1000 };
	unsigned char zero[8] = { 0 };
	unsigned int i;

	ASSERT_EQ(0, fail_call(SYS_futex, EAGAIN));
	ASSERT_EQ(0, fail_call(SYS_futex_waitv, EAGAIN));
	for (i = 0; i < COUNT_OF(words); i++)
		EXPECT_EQ(-ETIMEDOUT,
			  shatomic_wait(self->region, words[i].offset,
					words[i].width, zero, &soon));
}

#define WAITERS 4

/*
 * Those who do not see a change sleep again, so that all are met asleep at some
 * time. Who waits for a word across two halves may be counted in both.
 */
static void count_woken(struct __test_metadata *_metadata,
			FIXTURE_DATA(wait) *self, unsigned int spread,
			unsigned int width, int most_each)
{
	struct waiter waiters[WAITERS];
	pthread_t threads[WAITERS];
	int i, n;

	memset(self->memory, 0, 8);
	for (i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){ .region = self->region,
					      .offset = i % 2 * spread,
					      .width = width - spread };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, wait_for,
					    &waiters[i]));
	}
	EXPECT_EQ(0, shatomic_wake(self->region, 512, 8, INT_MAX));
	do {
		usleep(1000);
		n = shatomic_wake(self->region, 0, width, INT_MAX);
		ASSERT_GE(WAITERS * most_each, n);
	} while (n < WAITERS);
	do {
		usleep(1000);
		n = shatomic_wake(self->region, 0, width, 3);
		ASSERT_GE(3, n);
	} while (n < 3);
	EXPECT_EQ(0, shatomic_set(self->region, 0, 8, "xxxxxxxx"));
	for (i = 0; i < WAITERS; i++) {
		wake_until_it_ends(self->region, 0, width, threads[i]);
		EXPECT_EQ(0, waiters[i].ret);
	}
}

TEST_F(wait, no_more_than_count_are_woken)
{
	count_woken(_metadata, self, 0, 4, 1);
	count_woken(_metadata, self, 0, 1, 1);
	count_woken(_metadata, self, 0, 8, 2);
	/* Two in each half, whom a word across both wakes. */
	count_woken(_metadata, self, 4, 8, 1);
}

static void ignore(int signal)
{
	(void)signal;
}

static int wait_for_a_signal(FIXTURE_DATA(wait) *self, unsigned int width,
			     const struct timespec *timeout, int flags)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = flags };
	unsigned char zero[8] = { 0 };

	/* Should it not end, let it not outlive the test by much. */
	alarm(60);
	sigaction(SIGUSR1, &action, NULL);
	shatomic_set_u32((uint32_t *)(self->memory + TURN_AT), 1);
	return shatomic_wait(self->region, 0, width, zero, timeout) == -EINTR ?
		       0 : 1;
}

TEST_F(wait, a_signal_ends_it)
{
	static const struct {
		unsigned int width;
		const struct timespec *timeout;
		int flags;
	} cases[] = { { 4, &too_long, 0 }, { 4, NULL, 0 }, { 8, &too_long, 0 },
		      { 8, NULL, 0 }, { 4, &too_long, SA_RESTART } };
	unsigned int i;
	pid_t child;

	for (i = 0; i < COUNT_OF(cases); i++) {
		memset(self->memory, 0, REGION_BYTES);
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			_exit(wait_for_a_signal(self, cases[i].width,
						cases[i].timeout,
						cases[i].flags));
		while (!shatomic_get_u32((uint32_t *)(self->memory + TURN_AT)))
			usleep(1000);
		while (still_runs(child)) {
			kill(child, SIGUSR1);
			usleep(1000);
		}
		EXPECT_EQ(0, wait_child(child))
		{
			TH_LOG("case %u", i);
		}
	}
}

/*
 * Two processes that take turns, in a 2-byte word at @at, without looking but
 * after a wake-up: a lost one would be a timeout.
 */
static int play(struct shatomic_region *region, uint64_t at, uint16_t me,
		int turns)
{
	uint16_t other = !me, turn;

	while (turns--) {
		for (;;) {
			if (shatomic_get(region, at, 2, &turn))
				return 1;
			if (turn == me)
				break;
			if (shatomic_wait(region, at, 2, &other, &too_long))
				return 2;
		}
		if (shatomic_set(region, at, 2, &other) ||
		    shatomic_wake(region, at, 2, INT_MAX) < 0)
			return 3;
	}
	return 0;
}

TEST_F_TIMEOUT(wait, no_wake_up_is_lost, 120)
{
	static const uint64_t places[] = { TURN_AT, TURN_AT + 3, TURN_AT + 5 };
	unsigned int i;
	pid_t child;

	for (i = 0; i < COUNT_OF(places); i++) {
		memset(self->memory, 0, REGION_BYTES);
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			_exit(play(self->region, places[i], 1, 1000));
		EXPECT_EQ(0, play(self->region, places[i], 0, 1000));
		EXPECT_EQ(0, wait_child(child));
	}
}

/* The kernel's stores wake nobody; who had them made does. */
TEST_F(wait, a_batch_and_a_wake)
{
	struct waiter waiter = { .region = self->region, .offset = 8,
				 .width = 8 };
	uint64_t offset = 8, operand = 1ULL << 63;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_OR, .width = 8, .rows = 1,
		.offsets = &offset, .operands = &operand,
	};
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for, &waiter));
	ASSERT_EQ(0, shatomic_batch_run(self->region, &batch));
	EXPECT_LE(0, shatomic_wake(self->region, 8, 8, INT_MAX));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, waiter.ret);
}

TEST_F(wait, a_reader_waits_and_wakes)
{
	struct waiter waiter = { .width = 8 };
	struct shatomic_region *writer =
		new_region_and_reader(8, &waiter.region);
	unsigned char one[8] = { 1 };
	pthread_t thread;

	ASSERT_NE(NULL, writer);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for, &waiter));
	EXPECT_EQ(0, shatomic_set(writer, 0, 8, one));
	EXPECT_LE(0, shatomic_wake(waiter.region, 0, 8, INT_MAX));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, waiter.ret);
	shatomic_close(waiter.region);
	shatomic_close(writer);
}

TEST_F(wait, bad_arguments)
{
	static const struct {
		uint64_t offset;
		unsigned int width;
		int err;
		const char *names;
	} words[] = {
		{ 0, 0, -EINVAL, "width 0" },
		{ 0, 9, -EINVAL, "width 9" },
		{ 0, 16, -EINVAL, "width 16" },
		{ 6, 4, -EINVAL, "offset 6" },
		{ REGION_BYTES, 1, -ERANGE, "offset 4096" },
		{ UINT64_MAX, 1, -ERANGE, "outside" },
		{ UINT64_MAX - 3, 8, -ERANGE, "outside" },
	};
	static const struct timespec bad_times[] = {
		{ -1, 0 }, { 0, -1 }, { 0, 1000000000 },
	};
	unsigned char zero[8] = { 0 };
	unsigned int i;

	for (i = 0; i < COUNT_OF(words); i++) {
		EXPECT_EQ(words[i].err,
			  shatomic_wait(self->region, words[i].offset,
					words[i].width, zero, &a_moment));
		EXPECT_NE(NULL, strstr(shatomic_error(), words[i].names))
		{
			TH_LOG("%s", shatomic_error());
		}
		EXPECT_EQ(words[i].err,
			  shatomic_wake(self->region, words[i].offset,
					words[i].width, 1));
	}
	for (i = 0; i < COUNT_OF(bad_times); i++) {
		EXPECT_EQ(-EINVAL, shatomic_wait(self->region, 0, 4, zero,
						 &bad_times[i]));
		EXPECT_NE(NULL, strstr(shatomic_error(), "timeout"));
	}
	EXPECT_EQ(-EINVAL, shatomic_wait(self->region, 0, 4, NULL, &a_moment));
	EXPECT_EQ(-EINVAL, shatomic_wait(NULL, 0, 4, zero, &a_moment));
	EXPECT_EQ(-EINVAL, shatomic_wake(NULL, 0, 4, 1));
	EXPECT_EQ(-EINVAL, shatomic_wake(self->region, 0, 4, 0));
	EXPECT_NE(NULL, strstr(shatomic_error(), "count"));
	EXPECT_EQ(-EINVAL, shatomic_wake(self->region, 0, 4, -1));
}

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	unsigned int items;
};

/* What programs use in shared memory without this library. */
TEST_F_TIMEOUT(wait, a_shared_condition_variable, 120)
{
	struct queue *queue = (struct queue *)self->memory;
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;
	unsigned int taken = 0;
	pid_t child;

	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	ASSERT_EQ(0, pthread_mutex_init(&queue->lock, &mutex));
	ASSERT_EQ(0, pthread_cond_init(&queue->filled, &cond));
	child = fork();
	if (!child) {
		for (int i = 0; i < 500; i++) {
			pthread_mutex_lock(&queue->lock);
			queue->items++;
			pthread_cond_signal(&queue->filled);
			pthread_mutex_unlock(&queue->lock);
		}
		_exit(0);
	}
	while (taken < 500) {
		pthread_mutex_lock(&queue->lock);
		while (!queue->items)
			pthread_cond_wait(&queue->filled, &queue->lock);
		taken += queue->items;
		queue->items = 0;
		pthread_mutex_unlock(&queue->lock);
	}
	EXPECT_EQ(500, taken);
	EXPECT_EQ(0, wait_child(child));
}

TEST_HARNESS_MAIN
