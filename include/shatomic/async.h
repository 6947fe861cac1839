/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Queues of batches: a program submits them, goes on, and learns later that
 * they are done.
 */
#ifndef SHATOMIC_ASYNC_H
#define SHATOMIC_ASYNC_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "batch.h"
#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: Queues of batches
 *
 * A batch that is submitted to a queue is in flight until it is completed:
 * until a call on the queue has handed out its struct shatomic_completion. All
 * that time the batch, its columns and its table of peers belong to the queue,
 * and its region and peers must stay open; its [out] fields are set when it is
 * completed. Batches that are in flight together run in any order and at the
 * same time.
 *
 * The kernel runs batches of the device backend, by io_uring: small ones before
 * shatomic_queue_submit() returns, big ones while the program goes on. Those of
 * the memfd backend are run by shatomic_queue_submit() itself; what became of
 * them is told in the same way. So are all batches of a queue of the kind
 * SHATOMIC_QUEUE_SYNCHRONOUS, which is what one can have where io_uring is
 * switched off. Regions of both backends may be used with one queue.
 *
 * A queue is for one thread at a time, whichever that is, and for the process
 * that made it: after fork() the child must not call anything with it. When a
 * thread ends while batches that it submitted are in flight, those that the
 * kernel has begun run to their end; others run too or are completed with
 * -ECANCELED, and have then changed nothing.
 */

struct io_uring;
struct io_uring_cqe;
struct shatomic_queue;

/** define SHATOMIC_QUEUE_MAX_ENTRIES - Most entries of a queue. */
#define SHATOMIC_QUEUE_MAX_ENTRIES 4096

/**
 * enum shatomic_queue_flags - Flags of struct shatomic_queue_options
 * @SHATOMIC_QUEUE_NO_RING: Make a queue of the kind SHATOMIC_QUEUE_SYNCHRONOUS.
 */
enum shatomic_queue_flags {
	SHATOMIC_QUEUE_NO_RING		= 1 << 0,
};

/**
 * enum shatomic_queue_kind - How a queue runs batches of the device backend
 * @SHATOMIC_QUEUE_URING: By io_uring, while the program goes on.
 * @SHATOMIC_QUEUE_SYNCHRONOUS: Before shatomic_queue_submit() returns.
 */
enum shatomic_queue_kind {
	SHATOMIC_QUEUE_URING		= 1,
	SHATOMIC_QUEUE_SYNCHRONOUS	= 2,
};

/**
 * struct shatomic_queue_options - A new queue
 * @entries: Most batches in flight, up to SHATOMIC_QUEUE_MAX_ENTRIES; 0 for 64.
 * @flags: enum shatomic_queue_flags
 * @ring: A ring of the caller's to use, which stays open longer than the queue;
 *	NULL for one of the queue's own.
 *
 * With @ring, which must not have IORING_SETUP_IOPOLL, the queue only prepares
 * SQEs. The caller submits them and reaps their completions together with
 * others of the ring, and gives each to shatomic_queue_complete(). The
 * user_data of the queue's SQEs are addresses of memory that the queue has
 * allocated: others on the ring should be small numbers, or addresses of what
 * the caller has.
 */
struct shatomic_queue_options {
	unsigned int entries;
	unsigned int flags;
	struct io_uring *ring;
};

/**
 * struct shatomic_completion - What became of a batch
 * @batch: The batch, with its [out] fields set.
 * @region: The region that it was submitted for.
 * @user_data: What it was submitted with.
 * @result: As shatomic_batch_run() returns; or -ECANCELED, when nothing has
 *	run: the thread that submitted it ended, or, on a ring of the caller's,
 *	it was cancelled or was linked to what failed.
 *
 * shatomic_completion_error() says why a batch failed.
 */
struct shatomic_completion {
	struct shatomic_batch *batch;
	struct shatomic_region *region;
	uint64_t user_data;
	int result;
};

/**
 * shatomic_queue_create() - Make a queue of batches
 * @options: What it should be like.
 * @queue: [out] The queue; shatomic_queue_close() ends it.
 *
 * When io_uring can't be had (no such system call, forbidden by the sysctl
 * io_uring_disabled or by seccomp, a kernel whose io_uring has no commands for
 * drivers) the queue is of the kind SHATOMIC_QUEUE_SYNCHRONOUS, unless @ring is
 * given.
 *
 * Return: 0; -EINVAL or -EOPNOTSUPP (an option; a ring that can't be used);
 * -ENOMEM; or what io_uring_setup(2) or eventfd(2) answered.
 */
int shatomic_queue_create(const struct shatomic_queue_options *options,
			  struct shatomic_queue **queue);

/**
 * shatomic_queue_close() - Wait for what is in flight, and free a queue
 * @queue: The queue, or NULL.
 *
 * Batches in flight run to their end; their [out] fields are set.
 *
 * Return: 0; -EBUSY when batches are in flight on a ring of the caller's, which
 * leaves the queue as it is.
 */
int shatomic_queue_close(struct shatomic_queue *queue);

/**
 * shatomic_queue_kind() - How a queue runs batches of the device backend
 * @queue: The queue.
 *
 * Return: enum shatomic_queue_kind; -EINVAL when @queue is NULL.
 */
int shatomic_queue_kind(const struct shatomic_queue *queue);

/**
 * shatomic_queue_fd() - A descriptor to wait with for completions
 * @queue: The queue.
 *
 * For poll(2), epoll(7) and event loops: it is readable (POLLIN) as long as
 * there is a completion that shatomic_queue_poll() would hand out, and no
 * longer. Only handing them out resets it, so who waits edge-triggered polls
 * until fewer than asked for come. It is close-on-exec and stays the queue's:
 * do not read or close it.
 *
 * Return: The descriptor; -EINVAL when the ring is the caller's.
 */
int shatomic_queue_fd(const struct shatomic_queue *queue);

/**
 * shatomic_queue_submit() - Run a batch, and go on
 * @queue: The queue.
 * @region: The region.
 * @batch: The batch.
 * @user_data: For its completion.
 *
 * On failure nothing has run and nothing will be completed. Rows are checked
 * when the batch runs: what is wrong with them its completion tells.
 *
 * Return: 0; -EAGAIN when as many batches are in flight as the queue has
 * entries, when the caller's ring is full, or when the kernel takes no more;
 * -EINVAL for a NULL or a bad table of peers, or -EBADF for a peer, with
 * error_field set; -ENOMEM; or what io_uring_enter(2) answered.
 */
int shatomic_queue_submit(struct shatomic_queue *queue,
			  struct shatomic_region *region,
			  struct shatomic_batch *batch, uint64_t user_data);

/**
 * shatomic_queue_poll() - Take completions that are there
 * @queue: The queue.
 * @completions: [out] Room for @max of them.
 * @max: Most to take, at least 1.
 *
 * It does not block.
 *
 * Return: How many there were; -EINVAL for a NULL or @max, or when the ring is
 * the caller's.
 */
int shatomic_queue_poll(struct shatomic_queue *queue,
			struct shatomic_completion *completions,
			unsigned int max);

/**
 * shatomic_queue_wait() - Wait for a completion
 * @queue: The queue.
 * @completions: [out] Room for @max of them.
 * @max: Most to take, at least 1.
 * @timeout: How long to wait at most; NULL for ever.
 *
 * Takes what is there, and only when there is nothing waits for the next.
 *
 * Return: How many there were, which is 0 only when nothing is in flight;
 * -ETIMEDOUT; -EINTR (a signal was handled); -EINVAL as
 * shatomic_queue_poll(), or for a bad timeout; or what ppoll(2) answered.
 */
int shatomic_queue_wait(struct shatomic_queue *queue,
			struct shatomic_completion *completions,
			unsigned int max, const struct timespec *timeout);

/**
 * shatomic_queue_complete() - Take a completion from a ring of the caller's
 * @queue: The queue, which was made with that ring.
 * @cqe: What the caller has reaped, of this queue or not.
 * @completion: [out] The completion, when it is of this queue.
 *
 * The caller marks @cqe as seen, in both cases.
 *
 * Return: Whether it is of this queue.
 */
bool shatomic_queue_complete(struct shatomic_queue *queue,
			     const struct io_uring_cqe *cqe,
			     struct shatomic_completion *completion);

/**
 * shatomic_completion_error() - Why a batch failed
 * @completion: Its completion; batch, columns, region and peers are still as
 *	they were.
 *
 * Return: A sentence as of shatomic_error(), which then says the same; "" when
 * the batch did not fail.
 */
const char *
shatomic_completion_error(const struct shatomic_completion *completion);

#ifdef __cplusplus
}
#endif

#endif /* SHATOMIC_ASYNC_H */
