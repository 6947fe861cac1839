// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues of batches in an event loop that is not ours: libevent's waits for
 * their descriptors, and calls when there are completions.
 */
#include "common.h"

#include <event2/event.h>

#define BATCHES 500
#define ENTRIES 16
#define MAX_ROWS 1000

/* Queues that add 1 to a word of their region, over and over. */
struct source {
	struct shatomic_region *region;
	struct shatomic_queue *queue;
	struct event *event;
	struct shatomic_batch batches[ENTRIES];
	unsigned int *left; /* sources that are not done */
	unsigned int submitted;
	unsigned int completed;
	unsigned int failed;
	uint64_t rows;
};

static uint64_t offsets[MAX_ROWS], operands[MAX_ROWS];

static void submit(struct source *source, unsigned int which)
{
	struct shatomic_batch *batch = &source->batches[which];

	if (source->submitted == BATCHES)
		return;
	*batch = (struct shatomic_batch){
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.rows = 1 + next_random() % MAX_ROWS,
		.offsets = offsets,
		.operands = operands,
	};
	if (shatomic_queue_submit(source->queue, source->region, batch, which))
		source->failed++;
	source->submitted++;
	source->rows += batch->rows;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct shatomic_completion completions[4];
	struct source *source = arg;
	int count, i;

	(void)fd;
	(void)what;
	do {
		count = shatomic_queue_poll(source->queue, completions,
					    COUNT_OF(completions));
		for (i = 0; i < count; i++) {
			source->failed += completions[i].result != 0;
			source->completed++;
			submit(source, completions[i].user_data);
		}
	} while (count == COUNT_OF(completions));
	if (source->completed == BATCHES && !--*source->left)
		event_base_loopbreak(event_get_base(source->event));
}

FIXTURE(event_loop)
{
	struct event_base *base;
	struct source sources[2];
	unsigned int left;
};

FIXTURE_VARIANT(event_loop)
{
	short flags;
};

FIXTURE_VARIANT_ADD(event_loop, level) {};
FIXTURE_VARIANT_ADD(event_loop, edge) { .flags = EV_ET };

FIXTURE_SETUP(event_loop)
{
	unsigned int i;

	seed_random();
	for (i = 0; i < MAX_ROWS; i++)
		operands[i] = 1;
	self->base = event_base_new();
	ASSERT_NE(NULL, self->base);
	for (i = 0; i < COUNT_OF(self->sources); i++) {
		struct source *source = &self->sources[i];
		struct shatomic_queue_options options = {
			.entries = ENTRIES,
			.flags = i ? SHATOMIC_QUEUE_NO_RING : 0,
		};

		source->left = &self->left;
		source->region = new_region(4096);
		ASSERT_NE(NULL, source->region);
		ASSERT_EQ(0, shatomic_queue_create(&options, &source->queue));
		source->event = event_new(self->base,
					  shatomic_queue_fd(source->queue),
					  EV_READ | EV_PERSIST | variant->flags,
					  on_readable, source);
		ASSERT_NE(NULL, source->event);
		ASSERT_EQ(0, event_add(source->event, NULL));
	}
}

FIXTURE_TEARDOWN(event_loop)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(self->sources); i++) {
		event_free(self->sources[i].event);
		shatomic_queue_close(self->sources[i].queue);
		shatomic_close(self->sources[i].region);
	}
	event_base_free(self->base);
}

TEST_F(event_loop, counts_completions)
{
	unsigned int i, which;

	self->left = COUNT_OF(self->sources);
	for (i = 0; i < COUNT_OF(self->sources); i++) {
		for (which = 0; which < ENTRIES; which++)
			submit(&self->sources[i], which);
	}
	ASSERT_EQ(0, event_base_dispatch(self->base));
	for (i = 0; i < COUNT_OF(self->sources); i++) {
		struct source *source = &self->sources[i];
		uint64_t *words = shatomic_buf(source->region, NULL);

		EXPECT_EQ(0, source->failed);
		EXPECT_EQ(BATCHES, source->completed);
		EXPECT_EQ(source->rows, words[0]);
	}
	/* Nothing is left to be called for. */
	EXPECT_EQ(0, event_base_loop(self->base, EVLOOP_NONBLOCK));
	EXPECT_EQ(BATCHES, self->sources[0].completed);
}

TEST_HARNESS_MAIN
