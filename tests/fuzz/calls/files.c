// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done to regions as to any file: bytes go in and out, and what is said
 * of the file changes.
 */
#include "calls.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is done to any file: its bytes go in and out. */
void run_file(struct actor *actor, const uint8_t *bytes)
{
	static const size_t lengths[] = { 8, 0, 1, 4096, 8192, 10000, 65536,
					  PIECE_BYTES };
	static const loff_t offsets[] = { 0, 1, 8, 4090, 4096, 7999, 8000,
					  8192, 1L << 20, 1L << 40, -1 };
	struct world *world = actor->world;
	int fd = world_fd(world, bytes[1]);
	size_t length = lengths[bytes[3] % COUNT_OF(lengths)];
	loff_t offset = offsets[bytes[4] % COUNT_OF(offsets)];
	unsigned char *memory = bytes[5] & 1 ? world_window(bytes[5] / 2 % WINDOWS) :
					       world_piece(0);

	world->has_pipes = true;
	switch (bytes[2] % 10) {
	case 0:
		CALL(actor, FILE_CALL, pwrite(fd, memory, length, offset));
		break;
	case 1:
		CALL(actor, FILE_CALL, pread(fd, memory, length, offset));
		break;
	case 2:
		CALL(actor, FILE_CALL, write(fd, memory, length));
		break;
	case 3:
		CALL(actor, FILE_CALL, read(fd, memory, length));
		break;
	case 4:
		CALL(actor, FILE_CALL, lseek(fd, offset, bytes[5] % 6));
		break;
	case 5:
		CALL(actor, FILE_CALL,
		     sendfile(world->plain, fd, &offset, length));
		break;
	case 6:
		CALL(actor, FILE_CALL,
		     sendfile(fd, world->plain, NULL, length));
		break;
	case 7:
		CALL(actor, FILE_CALL,
		     splice(fd, &offset, world->pipe[1], NULL, length,
			    SPLICE_F_NONBLOCK));
		break;
	case 8:
		CALL(actor, FILE_CALL,
		     splice(world->pipe[0], NULL, fd, &offset, length,
			    SPLICE_F_NONBLOCK));
		break;
	case 9:
		CALL(actor, FILE_CALL,
		     copy_file_range(world->bases[1].fd, &offset, fd, NULL,
				     length, 0));
		break;
	}
}

void run_change_file(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;
	int fd = world_fd(world, bytes[1]);
	struct stat status;

	switch (bytes[2] % 13) {
	case 0:
		CALL(actor, CHANGE_FILE, ftruncate(fd, bytes[3] * 64L));
		break;
	case 1:
		CALL(actor, CHANGE_FILE,
		     fallocate(fd, bytes[3] % 4, bytes[4] * 64L, 4096));
		break;
	case 2:
		CALL(actor, CHANGE_FILE, fstat(fd, &status));
		break;
	case 3:
		CALL(actor, CHANGE_FILE, fchmod(fd, bytes[3] * 2));
		break;
	case 4:
		CALL(actor, CHANGE_FILE,
		     fchown(fd, bytes[3] % 2 ? NOBODY : 0,
			    bytes[3] % 4 / 2 ? NOBODY : 0));
		break;
	case 5:
		CALL(actor, CHANGE_FILE, fcntl(fd, F_ADD_SEALS, bytes[3]));
		break;
	case 6:
		CALL(actor, CHANGE_FILE, fcntl(fd, F_GET_SEALS));
		break;
	case 7:
		CALL(actor, CHANGE_FILE, fcntl(fd, F_SETLEASE, bytes[3] % 3));
		break;
	case 8:
		CALL(actor, CHANGE_FILE,
		     fcntl(fd, F_SETFL,
			   O_NONBLOCK | (bytes[3] % 2 ? O_APPEND : 0)));
		break;
	case 9:
		CALL(actor, CHANGE_FILE,
		     flock(fd, LOCK_NB | (bytes[3] % 2 ? LOCK_EX : LOCK_UN)));
		break;
	case 10:
		CALL(actor, CHANGE_FILE, fsync(fd));
		break;
	case 11:
		CALL(actor, CHANGE_FILE,
		     posix_fadvise(fd, 0, 0, bytes[3] % 6));
		break;
	case 12:
		CALL(actor, CHANGE_FILE, futimens(fd, NULL));
		break;
	}
}
