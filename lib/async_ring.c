// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The io_uring of a queue. Each entry that is in flight has one SQE on it: a
 * command to the region's driver, or, where the process runs the batch, one that
 * does nothing, so that all completions come in one way.
 */
#include "async.h"

#include <errno.h>
#include <string.h>

static bool has_commands(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool has = probe &&
		   io_uring_opcode_supported(probe, IORING_OP_URING_CMD);

	io_uring_free_probe(probe);
	return has;
}

int shatomic_ring_check(struct io_uring *ring)
{
	if (ring->flags & IORING_SETUP_IOPOLL)
		return shatomic_fail(EINVAL,
				     "ring has IORING_SETUP_IOPOLL, which batches can't be used with");
	if (!has_commands(ring))
		return shatomic_fail(EOPNOTSUPP,
				     "this kernel's io_uring has no commands for drivers");
	return 0;
}

int shatomic_ring_open(struct shatomic_queue *queue)
{
	int err = -io_uring_queue_init(queue->entries, &queue->own_ring, 0);

	/* What the sysctl, seccomp and security modules answer with. */
	if (err == ENOSYS || err == EPERM || err == EACCES)
		return -EOPNOTSUPP;
	if (err)
		return shatomic_fail(err, "io_uring_setup: %s", strerror(err));
	if (!has_commands(&queue->own_ring)) {
		io_uring_queue_exit(&queue->own_ring);
		return -EOPNOTSUPP;
	}
	queue->ring = &queue->own_ring;
	return 0;
}

static void prepare_command(struct io_uring_sqe *sqe,
			    const struct shatomic_pending *pending)
{
	const struct shatomic_uring_batch command = {
		.args = (uintptr_t)&pending->arg,
		.size = sizeof(pending->arg),
	};

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe,
			 pending->completion.region->fd, NULL, 0, 0);
	sqe->cmd_op = SHATOMIC_IOC_BATCH;
	memcpy(sqe->cmd, &command, sizeof(command));
}

static struct io_uring_sqe *get_sqe(struct shatomic_queue *queue)
{
	struct io_uring_sqe *sqe = queue->refused;

	queue->refused = NULL;
	return sqe ? sqe : io_uring_get_sqe(queue->ring);
}

/* Nothing else stands in the queue's own ring: it is taken or it is not. */
static int enter(struct shatomic_queue *queue, struct io_uring_sqe *sqe)
{
	int ret = io_uring_submit(queue->ring);
	int err = ret < 0 ? -ret : EAGAIN;

	if (!io_uring_sq_ready(queue->ring))
		return 0;
	queue->refused = sqe;
	return shatomic_fail(err, "io_uring_enter: %s", strerror(err));
}

int shatomic_ring_submit(struct shatomic_queue *queue,
			 struct shatomic_pending *pending)
{
	struct io_uring_sqe *sqe = get_sqe(queue);

	if (!sqe)
		return shatomic_fail(EAGAIN, "the ring is full: submit it");
	if (pending->by_kernel)
		prepare_command(sqe, pending);
	else
		io_uring_prep_nop(sqe);
	sqe->user_data = (uintptr_t)pending;
	return shatomic_queue_owns_ring(queue) ? enter(queue, sqe) : 0;
}

struct shatomic_pending *shatomic_ring_find(struct shatomic_queue *queue,
					    const struct io_uring_cqe *cqe)
{
	uint64_t at = cqe->user_data - (uintptr_t)queue->pending;
	struct shatomic_pending *pending;

	if (at % sizeof(*pending) || at / sizeof(*pending) >= queue->entries)
		return NULL;
	pending = &queue->pending[at / sizeof(*pending)];
	return pending->completion.batch ? pending : NULL;
}

void shatomic_ring_end(struct shatomic_pending *pending,
		       const struct io_uring_cqe *cqe)
{
	if (!pending->by_kernel)
		return;
	shatomic_device_end(pending->completion.batch, &pending->arg);
	/* More than 0 is the number of rows. */
	pending->completion.result = cqe->res < 0 ? cqe->res : 0;
}

struct shatomic_pending *shatomic_ring_next(struct shatomic_queue *queue)
{
	struct shatomic_pending *pending;
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(queue->ring, &cqe))
		return NULL;
	pending = shatomic_ring_find(queue, cqe);
	shatomic_ring_end(pending, cqe);
	io_uring_cqe_seen(queue->ring, cqe);
	return pending;
}
