// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that go through pipes and sockets, and may be held there when their
 * region is gone.
 */
#include "calls.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

void run_pipes(struct actor *actor, const uint8_t *bytes)
{
	static const size_t lengths[] = { 4096, 1, 8, 8192, 12288, 65536,
					  PIECE_BYTES, 2 * MIB };
	static const loff_t offsets[] = { 0, 4096, 1, 4090, 7999, 8192,
					  MIB - 4096, 1L << 40 };
	struct world *world = actor->world;
	loff_t offset = offsets[bytes[4] % COUNT_OF(offsets)], there = 0;
	struct iovec part = {
		world_window(bytes[5] % WINDOWS),
		lengths[bytes[3] % COUNT_OF(lengths)],
	};
	int fd = world_fd(world, bytes[1]), other = world_fd(world, bytes[6]);
	const int *pipe = world->pipe, *second = world->second_pipe;
	unsigned int flags = SPLICE_F_NONBLOCK | (bytes[7] & 15);
	size_t length = part.iov_len;

	world->has_pipes = true;
	switch (bytes[2] % 13) {
	case 0:
		CALL(actor, PIPES, splice(fd, &offset, pipe[1], NULL, length,
					  flags));
		break;
	case 1:
		CALL(actor, PIPES, splice(pipe[0], NULL, fd, &offset, length,
					  flags));
		break;
	case 2:
		CALL(actor, PIPES, tee(pipe[0], second[1], length, flags));
		break;
	case 3:
		CALL(actor, PIPES, vmsplice(pipe[1], &part, 1, flags));
		break;
	case 4:
		CALL(actor, PIPES, vmsplice(pipe[0], &part, 1, flags));
		break;
	case 5:
		CALL(actor, PIPES, sendfile(other, fd, &offset, length));
		break;
	case 6:
		CALL(actor, PIPES, sendfile(world->post[0], fd, &offset,
					    length));
		break;
	case 7:
		CALL(actor, PIPES, splice(pipe[0], NULL, world->post[0], NULL,
					  length, flags));
		break;
	case 8:
		CALL(actor, PIPES, read(pipe[0], part.iov_base, length));
		break;
	case 9:
		CALL(actor, PIPES, write(pipe[1], part.iov_base, length));
		break;
	case 10:
		CALL(actor, PIPES, splice(second[0], NULL, pipe[1], NULL,
					  length, flags));
		break;
	case 11:
		CALL(actor, PIPES, fcntl(pipe[0], F_SETPIPE_SZ, length));
		break;
	case 12:
		CALL(actor, PIPES, copy_file_range(fd, &offset, other, &there,
						   length, 0));
		break;
	}
}

static void drain(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (read(fd, world_piece(0), PIECE_BYTES) > 0)
		;
}

/* Let go of what is in pipes and sockets; also descriptors, which are dropped. */
void pipes_reset(struct world *world)
{
	drain(world->pipe[0]);
	drain(world->second_pipe[0]);
	while (recv(world->post[1], world_piece(0), 1, MSG_TRUNC) >= 0)
		;
	world->has_pipes = false;
}
