// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The public calls on queues of batches, and the queues that have no ring.
 */
#include "async.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DEFAULT_ENTRIES 64

static int check_options(const struct shatomic_queue_options *options)
{
	if (options->flags & ~SHATOMIC_QUEUE_NO_RING)
		return shatomic_fail(EOPNOTSUPP, "flags has unknown bits 0x%x",
				     options->flags & ~SHATOMIC_QUEUE_NO_RING);
	if (options->entries > SHATOMIC_QUEUE_MAX_ENTRIES)
		return shatomic_fail(EINVAL, "entries %u exceeds %d",
				     options->entries,
				     SHATOMIC_QUEUE_MAX_ENTRIES);
	if (!options->ring)
		return 0;
	if (options->flags & SHATOMIC_QUEUE_NO_RING)
		return shatomic_fail(EINVAL,
				     "a ring is given, and a flag that says to use none");
	return shatomic_ring_check(options->ring);
}

static struct shatomic_queue *new_queue(unsigned int entries)
{
	struct shatomic_queue *queue =
		calloc(1, sizeof(*queue) + entries * sizeof(queue->pending[0]));
	unsigned int i;

	if (!queue) {
		shatomic_fail(ENOMEM, "no memory for a queue of %u entries",
			      entries);
		return NULL;
	}
	queue->event = -1;
	queue->ready_end = &queue->ready;
	queue->entries = entries;
	for (i = entries; i--;) {
		queue->pending[i].next = queue->free;
		queue->free = &queue->pending[i];
	}
	return queue;
}

static int open_event(struct shatomic_queue *queue)
{
	int err;

	queue->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->event >= 0)
		return 0;
	err = errno;
	return shatomic_fail(err, "eventfd: %s", strerror(err));
}

/* A ring, or, where there can't be one, what does without. */
static int equip(struct shatomic_queue *queue,
		 const struct shatomic_queue_options *options)
{
	int err = -EOPNOTSUPP;

	if (options->ring) {
		queue->ring = options->ring;
		return 0;
	}
	if (!(options->flags & SHATOMIC_QUEUE_NO_RING))
		err = shatomic_ring_open(queue);
	return err == -EOPNOTSUPP ? open_event(queue) : err;
}

int shatomic_queue_create(const struct shatomic_queue_options *options,
			  struct shatomic_queue **queue)
{
	struct shatomic_queue *made;
	int err;

	if (!options || !queue)
		return shatomic_fail(EINVAL, "options or queue is NULL");
	err = check_options(options);
	if (err)
		return err;
	made = new_queue(options->entries ? options->entries :
					    DEFAULT_ENTRIES);
	if (!made)
		return -ENOMEM;
	err = equip(made, options);
	if (err)
		free(made);
	else
		*queue = made;
	return err;
}

int shatomic_queue_kind(const struct shatomic_queue *queue)
{
	if (!queue)
		return shatomic_fail(EINVAL, "queue is NULL");
	return queue->ring ? SHATOMIC_QUEUE_URING : SHATOMIC_QUEUE_SYNCHRONOUS;
}

/* Where completions are for the queue to hand out. */
static int fd_of(const struct shatomic_queue *queue)
{
	return queue->ring ? queue->ring->ring_fd : queue->event;
}

static int check_queue(const struct shatomic_queue *queue)
{
	if (!queue)
		return shatomic_fail(EINVAL, "queue is NULL");
	if (queue->ring && !shatomic_queue_owns_ring(queue))
		return shatomic_fail(EINVAL,
				     "the ring is the caller's, who gives its completions to shatomic_queue_complete()");
	return 0;
}

int shatomic_queue_fd(const struct shatomic_queue *queue)
{
	int err = check_queue(queue);

	return err ? err : fd_of(queue);
}

static void add_ready(struct shatomic_queue *queue,
		      struct shatomic_pending *pending)
{
	if (!queue->ready)
		eventfd_write(queue->event, 1);
	pending->next = NULL;
	*queue->ready_end = pending;
	queue->ready_end = &pending->next;
}

static struct shatomic_pending *take_ready(struct shatomic_queue *queue)
{
	struct shatomic_pending *pending = queue->ready;
	eventfd_t value;

	if (!pending)
		return NULL;
	queue->ready = pending->next;
	if (!queue->ready) {
		queue->ready_end = &queue->ready;
		eventfd_read(queue->event, &value);
	}
	return pending;
}

/* What shatomic_batch_run() refuses before it asks the kernel. */
static int check_batch(const struct shatomic_region *region,
		       struct shatomic_batch *batch)
{
	int err = shatomic_prepare_batch(region, batch);

	if (!err && region->ops == &shatomic_device_ops)
		err = shatomic_device_check_peers(region, batch);
	return err;
}

/* Get a batch ready for the kernel to run it later. */
static int begin(struct shatomic_pending *pending)
{
	struct shatomic_batch *batch = pending->completion.batch;

	if (batch->peer_count) {
		pending->peers =
			shatomic_peer_table(pending->completion.region, batch,
					    NULL, sizeof(*pending->peers));
		if (!pending->peers)
			return -ENOMEM;
	}
	shatomic_device_begin(batch, pending->peers, &pending->arg);
	return 0;
}

static void run_now(struct shatomic_pending *pending)
{
	struct shatomic_completion *completion = &pending->completion;

	completion->result =
		completion->region->ops->run_batch(completion->region,
						   completion->batch);
}

/*
 * On a ring what the process runs is run last: only then is it sure that
 * nothing fails any more.
 */
static int start(struct shatomic_queue *queue, struct shatomic_pending *pending)
{
	int err = 0;

	if (pending->by_kernel)
		err = begin(pending);
	if (!err && queue->ring)
		err = shatomic_ring_submit(queue, pending);
	if (!err && !pending->by_kernel)
		run_now(pending);
	return err;
}

/* Make an entry free. */
static void release(struct shatomic_queue *queue,
		    struct shatomic_pending *pending)
{
	free(pending->peers);
	pending->peers = NULL;
	pending->completion.batch = NULL;
	pending->next = queue->free;
	queue->free = pending;
	queue->in_flight--;
}

int shatomic_queue_submit(struct shatomic_queue *queue,
			  struct shatomic_region *region,
			  struct shatomic_batch *batch, uint64_t user_data)
{
	struct shatomic_pending *pending;
	int err;

	if (!queue)
		return shatomic_fail(EINVAL, "queue is NULL");
	pending = queue->free;
	if (!pending)
		return shatomic_fail(EAGAIN,
				     "%u batches are in flight, as many as the queue has entries",
				     queue->in_flight);
	err = check_batch(region, batch);
	if (err)
		return err;
	queue->free = pending->next;
	queue->in_flight++;
	pending->completion = (struct shatomic_completion){
		.batch = batch,
		.region = region,
		.user_data = user_data,
	};
	pending->by_kernel = queue->ring && region->ops == &shatomic_device_ops;
	err = start(queue, pending);
	if (err)
		release(queue, pending);
	else if (!queue->ring)
		add_ready(queue, pending);
	return err;
}

static int take(struct shatomic_queue *queue,
		struct shatomic_completion *completions, unsigned int max)
{
	struct shatomic_pending *pending;
	unsigned int count;

	for (count = 0; count < max; count++) {
		pending = queue->ring ? shatomic_ring_next(queue) :
					take_ready(queue);
		if (!pending)
			break;
		completions[count] = pending->completion;
		release(queue, pending);
	}
	return count;
}

static int check_room(const struct shatomic_completion *completions,
		      unsigned int max)
{
	if (!completions || !max)
		return shatomic_fail(EINVAL, "completions is NULL or max is 0");
	return 0;
}

int shatomic_queue_poll(struct shatomic_queue *queue,
			struct shatomic_completion *completions,
			unsigned int max)
{
	int err = check_queue(queue);

	if (!err)
		err = check_room(completions, max);
	return err ? err : take(queue, completions, max);
}

/* Until there is a completion: 0, or a negative errno value. */
static int wait_readable(const struct shatomic_queue *queue,
			 const struct timespec *timeout)
{
	struct pollfd pollfd = { .fd = fd_of(queue), .events = POLLIN };
	int ready = ppoll(&pollfd, 1, timeout, NULL);
	int err = ready ? errno : ETIMEDOUT;

	return ready > 0 ? 0 :
			   shatomic_fail(err, "no batch was completed: %s",
					 strerror(err));
}

int shatomic_queue_wait(struct shatomic_queue *queue,
			struct shatomic_completion *completions,
			unsigned int max, const struct timespec *timeout)
{
	int err, count;

	err = check_queue(queue);
	if (!err)
		err = check_room(completions, max);
	if (!err)
		err = shatomic_check_timeout(timeout);
	if (err)
		return err;
	count = take(queue, completions, max);
	if (count || !queue->in_flight)
		return count;
	err = wait_readable(queue, timeout);
	return err ? err : take(queue, completions, max);
}

bool shatomic_queue_complete(struct shatomic_queue *queue,
			     const struct io_uring_cqe *cqe,
			     struct shatomic_completion *completion)
{
	struct shatomic_pending *pending = shatomic_ring_find(queue, cqe);

	if (!pending)
		return false;
	shatomic_ring_end(pending, cqe);
	*completion = pending->completion;
	release(queue, pending);
	return true;
}

/* The kernel writes to batches in flight, which belong to the caller again. */
static void drain(struct shatomic_queue *queue)
{
	struct shatomic_completion completion;

	while (queue->in_flight) {
		if (!take(queue, &completion, 1))
			wait_readable(queue, NULL);
	}
}

int shatomic_queue_close(struct shatomic_queue *queue)
{
	if (!queue)
		return 0;
	if (queue->ring && !shatomic_queue_owns_ring(queue)) {
		if (queue->in_flight)
			return shatomic_fail(EBUSY,
					     "%u batches are in flight on the caller's ring",
					     queue->in_flight);
	} else {
		drain(queue);
	}
	if (queue->ring && shatomic_queue_owns_ring(queue))
		io_uring_queue_exit(queue->ring);
	if (queue->event >= 0)
		close(queue->event);
	free(queue);
	return 0;
}

const char *
shatomic_completion_error(const struct shatomic_completion *completion)
{
	if (!completion) {
		shatomic_fail(EINVAL, "completion is NULL");
		return shatomic_error();
	}
	if (!completion->result)
		return "";
	if (completion->result == -ECANCELED)
		shatomic_fail(ECANCELED,
			      "the batch was cancelled before it began, as when the thread that submitted it has ended");
	else
		shatomic_fail_batch(-completion->result, completion->region,
				    completion->batch);
	return shatomic_error();
}
