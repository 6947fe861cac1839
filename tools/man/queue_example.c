// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An example of shatomic(3), on queues, which is printed there from the next
 * line on.
 */
#include <shatomic.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#define BATCHES 100

static struct shatomic_completion done[8];
static unsigned int completed;

/* Take what there is; in an event loop, what it calls when fd is readable. */
static int on_readable(struct shatomic_queue *queue)
{
	int count = shatomic_queue_poll(queue, done, 8);

	for (int i = 0; i < count; i++) {
		if (done[i].result)
			fprintf(stderr, "batch %lu: %s\n", done[i].user_data,
				shatomic_completion_error(&done[i]));
		completed++;
	}
	return count;
}

int main(void)
{
	static uint64_t offsets[1000], operands[1000];
	static struct shatomic_batch batches[BATCHES];
	struct shatomic_create_options region_options = { .size = 4096 };
	struct shatomic_queue_options options = { .entries = 16 };
	struct shatomic_region *region;
	struct shatomic_queue *queue;
	unsigned int next = 0;

	if (shatomic_create(&region_options, &region) ||
	    shatomic_queue_create(&options, &queue))
		goto fail;
	struct pollfd pollfd = { shatomic_queue_fd(queue), POLLIN, 0 };

	for (int i = 0; i < 1000; i++)
		operands[i] = 1;
	while (completed < BATCHES) {
		int err = -EAGAIN;

		if (next < BATCHES) {
			batches[next] = (struct shatomic_batch){
				.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8,
				.rows = 1000, .offsets = offsets,
				.operands = operands,
			};
			err = shatomic_queue_submit(queue, region,
						    &batches[next], next);
		}
		if (!err)
			next++;
		else if (err != -EAGAIN)
			goto fail;
		else if (poll(&pollfd, 1, -1) == 1)
			on_readable(queue);
	}
	printf("%lu\n", shatomic_get_u64(shatomic_buf(region, NULL)));
	shatomic_queue_close(queue);
	shatomic_close(region);
	return 0;
fail:
	fprintf(stderr, "%s\n", shatomic_error());
	return 1;
}
