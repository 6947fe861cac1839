// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls by io_uring: batches, and what it does with any file.
 */
#include "calls.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* How long the kernel may take for what it was given. */
#define STUCK_SECONDS 100

/* Until nothing is left; the kernel has long to complete it all. */
static void take_completions(struct io_uring *ring, unsigned int count)
{
	struct __kernel_timespec patience = { .tv_sec = STUCK_SECONDS };
	struct io_uring_cqe *cqe;
	int err;

	while (count) {
		err = io_uring_wait_cqe_timeout(ring, &cqe, &patience);
		if (err == -EINTR || err == -EAGAIN)
			continue;
		if (err) {
			printf("# io_uring does not complete: %d\n", err);
			fflush(stdout);
			abort();
		}
		io_uring_cqe_seen(ring, cqe);
		count--;
	}
}

static void submit(struct actor *actor, unsigned int kind,
		   struct io_uring *ring, unsigned int count)
{
	unsigned int i, submitted = 0;
	int ret;

	/* What a fault kept from being submitted is so at another time. */
	for (i = 0; i < 100 && submitted < count; i++) {
		ret = CALL(actor, kind, io_uring_submit(ring));
		if (ret > 0)
			submitted += ret;
	}
	take_completions(ring, submitted);
}

/* A batch, whose descriptor tells besides how it is queued. */
void run_uring(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;
	uint8_t how = bytes[1] / 16;
	struct io_uring *ring = &world->rings[how == 15];
	unsigned int count = how == 1 || how == 2 ? how + 1 : 1, i;
	struct shatomic_uring_batch payload = { 0 };
	struct io_uring_sqe *sqe;
	void *args;

	if (actor != &world->main || !world_has_rings(world))
		return;
	args = batch_args(actor, bytes, &payload.size);
	payload.args = (uintptr_t)args;
	if (how == 3)
		payload.size += 8;
	if (how == 4)
		payload.reserved = 1;
	for (i = 0; i < count; i++) {
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_rw(IORING_OP_URING_CMD, sqe,
				 world_fd(world, bytes[1]), NULL, 0, 0);
		sqe->cmd_op = how == 5 ? SHATOMIC_IOC_STATS : SHATOMIC_IOC_BATCH;
		if (how == 6 || how == 2)
			sqe->flags |= IOSQE_ASYNC;
		if (how == 7)
			sqe->flags |= IOSQE_IO_DRAIN;
		memcpy(sqe->cmd, &payload, sizeof(payload));
	}
	submit(actor, URING, ring, count);
}

/* Memory that reads and writes need not look for: a region's, if it may be. */
static void register_buffer(struct world *world, uint8_t which)
{
	struct iovec part = { world_piece(1), PIECE_BYTES };

	if (which % 2)
		part = (struct iovec){ world_window(which / 2 % WINDOWS),
				       8192 };
	if (world->has_buffers)
		io_uring_unregister_buffers(&world->rings[0]);
	world->has_buffers =
		!io_uring_register_buffers(&world->rings[0], &part, 1);
}

void uring_reset(struct world *world)
{
	if (world->has_buffers)
		io_uring_unregister_buffers(&world->rings[0]);
	world->has_buffers = false;
}

/**
 * struct transfer - What reads and writes by io_uring have in common
 * @fd: The file.
 * @memory: From or to where.
 * @length: How many bytes.
 * @offset: Where in the file.
 * @part: The same memory.
 * @status: What a file is told to be.
 */
struct transfer {
	int fd;
	unsigned char *memory;
	unsigned int length;
	uint64_t offset;
	struct iovec part;
	struct statx status;
};

static void prepare(struct io_uring_sqe *sqe, struct world *world,
		    struct transfer *to, const uint8_t *bytes)
{
	int fd = to->fd;

	switch (bytes[2] % 14) {
	case 0:
		io_uring_prep_write(sqe, fd, to->memory, to->length, to->offset);
		break;
	case 1:
		io_uring_prep_read(sqe, fd, to->memory, to->length, to->offset);
		break;
	case 2:
		io_uring_prep_writev(sqe, fd, &to->part, 1, to->offset);
		break;
	case 3:
		io_uring_prep_readv(sqe, fd, &to->part, 1, to->offset);
		break;
	case 4:
		io_uring_prep_write_fixed(sqe, fd, to->memory, to->length,
					  to->offset, 0);
		break;
	case 5:
		io_uring_prep_read_fixed(sqe, fd, to->memory, to->length,
					 to->offset, 0);
		break;
	case 6:
		io_uring_prep_fsync(sqe, fd, bytes[7] % 2);
		break;
	case 7:
		io_uring_prep_fallocate(sqe, fd, bytes[7] % 4, to->offset,
					to->length);
		break;
	case 8:
		io_uring_prep_splice(sqe, fd, to->offset, world->pipe[1], -1,
				     to->length, SPLICE_F_NONBLOCK);
		break;
	case 9:
		io_uring_prep_splice(sqe, world->pipe[0], -1, fd, to->offset,
				     to->length, SPLICE_F_NONBLOCK);
		break;
	case 10:
		io_uring_prep_statx(sqe, fd, "", AT_EMPTY_PATH, bytes[7] * 16,
				    &to->status);
		break;
	case 11:
		io_uring_prep_fadvise(sqe, fd, to->offset, to->length,
				      bytes[7] % 6);
		break;
	case 12:
		io_uring_prep_madvise(sqe, to->memory, to->length,
				      bytes[7] % 26);
		break;
	case 13:
		io_uring_prep_sync_file_range(sqe, fd, to->length, to->offset,
					      bytes[7] % 8);
		break;
	}
}

/* What io_uring does with a region as with any file. */
void run_uring_file(struct actor *actor, const uint8_t *bytes)
{
	static const unsigned int lengths[] = { 8, 4096, 1, 8192, 65536 };
	static const uint64_t offsets[] = { 0, 1, 4090, 4096, 7999, 8000,
					    MIB, 1ULL << 40 };
	struct world *world = actor->world;
	struct transfer to = {
		.fd = world_fd(world, bytes[1]),
		.length = lengths[bytes[3] % COUNT_OF(lengths)],
		.offset = offsets[bytes[4] % COUNT_OF(offsets)],
		.memory = bytes[5] & 1 ?
				  world_window(bytes[5] / 2 % WINDOWS) :
				  world_piece(1),
	};
	struct io_uring *ring = &world->rings[0];
	struct io_uring_sqe *sqe;

	/* A pipe and a device may let a reader wait. */
	if (actor != &world->main || !world_has_rings(world) ||
	    to.fd == world->pipe[0])
		return;
	if (bytes[6] & 0x80)
		register_buffer(world, bytes[5]);
	world->has_pipes = true;
	to.part = (struct iovec){ to.memory, to.length };
	sqe = io_uring_get_sqe(ring);
	prepare(sqe, world, &to, bytes);
	if (bytes[6] & 1)
		sqe->flags |= IOSQE_ASYNC;
	submit(actor, URING_FILE, ring, 1);
}
