/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What async.c and async_ring.c share: a queue, and the batches in it.
 */
#ifndef SHATOMIC_LIB_ASYNC_H
#define SHATOMIC_LIB_ASYNC_H

#include "backend.h"

#include <liburing.h>

/**
 * struct shatomic_pending - An entry of a queue: a batch in flight, or room
 * @next: The next that is free, or that is ready.
 * @completion: What the caller will be told; its batch is NULL when the entry
 *	is free.
 * @by_kernel: Whether the kernel runs it; else its result is there already.
 * @arg: What the kernel was told, and tells when it has completed it.
 * @peers: The descriptors in it, or NULL.
 */
struct shatomic_pending {
	struct shatomic_pending *next;
	struct shatomic_completion completion;
	bool by_kernel;
	struct shatomic_ioc_batch arg;
	__s32 *peers;
};

/**
 * struct shatomic_queue - What a handle of a queue leads to
 * @ring: Its ring, NULL when the queue is synchronous.
 * @own_ring: What @ring points to unless that is the caller's.
 * @refused: An SQE that stands in the queue's own ring and that the kernel did
 *	not take, to be used by the next batch, or NULL.
 * @event: When the queue is synchronous: an eventfd that is readable while
 *	@ready has entries; else -1.
 * @ready: When the queue is synchronous: what has not been handed out yet.
 * @ready_end: Where the next of them goes.
 * @free: The entries that are free.
 * @in_flight: How many are not.
 * @entries: How many there are.
 * @pending: All of them.
 */
struct shatomic_queue {
	struct io_uring *ring;
	struct io_uring own_ring;
	struct io_uring_sqe *refused;
	int event;
	struct shatomic_pending *ready;
	struct shatomic_pending **ready_end;
	struct shatomic_pending *free;
	unsigned int in_flight;
	unsigned int entries;
	struct shatomic_pending pending[];
};

static inline bool shatomic_queue_owns_ring(const struct shatomic_queue *queue)
{
	return queue->ring == &queue->own_ring;
}

/* async_ring.c */

/*
 * Whether a ring, of the caller's, can be used: 0, or -EINVAL or -EOPNOTSUPP
 * after shatomic_fail().
 */
int shatomic_ring_check(struct io_uring *ring);

/*
 * Make the queue's own ring: 0; -EOPNOTSUPP when io_uring can't be had or used,
 * for which it keeps no sentence; or a negative errno value after
 * shatomic_fail().
 */
int shatomic_ring_open(struct shatomic_queue *queue);

/*
 * Have the ring complete @pending, once the kernel has run it if it is to: 0, or
 * a negative errno value after shatomic_fail().
 */
int shatomic_ring_submit(struct shatomic_queue *queue,
			 struct shatomic_pending *pending);

/* The entry that a completion is for, or NULL when it is for none. */
struct shatomic_pending *shatomic_ring_find(struct shatomic_queue *queue,
					    const struct io_uring_cqe *cqe);

/* Note what the kernel has made of @pending. */
void shatomic_ring_end(struct shatomic_pending *pending,
		       const struct io_uring_cqe *cqe);

/* The next entry that the queue's own ring has completed, or NULL. */
struct shatomic_pending *shatomic_ring_next(struct shatomic_queue *queue);

#endif /* SHATOMIC_LIB_ASYNC_H */
