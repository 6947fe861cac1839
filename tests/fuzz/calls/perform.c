// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of calls, and going through a sequence of them.
 */
#include "calls.h"

#include "../../fault_injection.h"
#include "../../importer/importer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/falloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534
#define MIB (1UL << 20)
/* How long the kernel may take for what io_uring was given. */
#define STUCK_SECONDS 100

/* The last byte of a call. */
#define AS_NOBODY 0x01
#define WITHOUT_DESCRIPTORS 0x02
#define MEANWHILE 0x04
/* How often a call is made in a burst. */
#define BURST 32

typedef void kind_fn(struct actor *actor, const uint8_t *bytes);

static void count_call(struct actor *actor, unsigned int kind)
{
	__atomic_fetch_add(&actor->world->calls[kind], 1, __ATOMIC_RELAXED);
}

void call_begin(struct actor *actor, unsigned int kind)
{
	count_call(actor, kind);
	if (actor->fault && actor->fail_nth >= 0)
		set_fault(actor->fail_nth, actor->fault);
}

/* One call fails once. */
void call_end(struct actor *actor)
{
	int saved = errno;

	if (!actor->fault || actor->fail_nth < 0)
		return;
	actor->fault = 0;
	clear_fault(actor->fail_nth);
	errno = saved;
}

/* Whether a call is to be made once more; only the first of a burst is traced. */
bool call_again(struct actor *actor)
{
	bool is_traced = actor == &actor->world->main && !actor->world->is_child;

	if (!actor->again)
		return false;
	if (is_traced && actor->again == BURST)
		guide_pause();
	if (--actor->again)
		return true;
	if (is_traced)
		guide_resume();
	return false;
}

/* The size that a structure says it has, by the lower half of @how. */
uint32_t args_size(uint8_t how, size_t size, size_t min_size)
{
	switch (how & 0xf) {
	case 1:
		return min_size;
	case 2:
		return min_size - 1;
	case 3:
	case 4:
		return size + 8;
	case 5:
		return SHATOMIC_MAX_ARGS_SIZE;
	case 6:
		return SHATOMIC_MAX_ARGS_SIZE + 1;
	case 7:
		return 0;
	case 8:
		return ~0U;
	case 9:
		return size - 4;
	default:
		return size;
	}
}

/* Where it is given; @size is its full one. */
void *args_place(struct actor *actor, uint8_t how, const void *args,
		 size_t size)
{
	unsigned char *to = actor->args;

	switch (how & 0xf) {
	case 10:	/* up to where nothing is */
		to += PIECE_BYTES - size;
		break;
	case 11:	/* its end is not there */
		to += PIECE_BYTES - size;
		memcpy(to + 4, args, size - 4);
		return to + 4;
	case 12:
		return NULL;
	case 15:
		return (void *)0xffff888000000000;
	}
	/* What is beyond the end is known to be zero where it may be read. */
	if (how & 0xf && to == actor->args)
		memset(to + size, 0, SHATOMIC_MAX_ARGS_SIZE);
	memcpy(to, args, size);
	if ((how & 0xf) == 4)
		to[size + 3] = 1;
	return (how & 0xf) == 13 ? world_read_only(to) : to;
}

/* Make a structure's call, by its file and number. */
#define STRUCT_CALL(actor, kind, fd, number, how, args, last)                 \
	({                                                                    \
		void *place_;                                                 \
									      \
		(args).size = args_size(how, sizeof(args),                    \
					offsetof(typeof(args), last));        \
		place_ = args_place(actor, how, &(args), sizeof(args));       \
		CALL(actor, kind, ioctl(fd, number, place_));                 \
	})

enum kind {
	BATCH, URING, INFO, CREATE, OPEN, UNLINK, LIST, REGION_INFO, PUBLISH,
	STATS, EXPORT, RAW, MAP, MEMORY, CLOSE, DUP, REOPEN, PASS, FILE_CALL,
	CHANGE_FILE, DMABUF, SEE, PARAMETER, CHILD, NAMESPACE, AFFINITY,
	KINDS
};

static void run_batch(struct actor *actor, const uint8_t *bytes)
{
	uint32_t size;
	void *args = batch_args(actor, bytes, &size);

	CALL(actor, BATCH,
	     ioctl(world_fd(actor->world, bytes[1]), SHATOMIC_IOC_BATCH, args));
}

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

static void submit(struct actor *actor, struct io_uring *ring,
		   unsigned int count)
{
	unsigned int i, submitted = 0;
	int ret;

	/* What a fault kept from being submitted is so at another time. */
	for (i = 0; i < 100 && submitted < count; i++) {
		ret = CALL(actor, URING, io_uring_submit(ring));
		if (ret > 0)
			submitted += ret;
	}
	take_completions(ring, submitted);
}

/* A batch, whose descriptor tells besides how it is queued. */
static void run_uring(struct actor *actor, const uint8_t *bytes)
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
	submit(actor, ring, count);
}

static void run_info(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_info args = { .flags = bytes[3] };

	STRUCT_CALL(actor, INFO,
		    bytes[1] < BASES ? actor->world->device :
				       world_fd(actor->world, bytes[1]),
		    SHATOMIC_IOC_INFO, bytes[2], args, abi_version);
}

static void run_create(struct actor *actor, const uint8_t *bytes)
{
	static const uint64_t sizes[] = {
		4096, 1, 8, 4095, 4097, 8192, 12288, 65536, 100000, 0,
		1ULL << 40, 1ULL << 62, ~0ULL, 1U << 31, 20000, 24576, 2 * MIB,
		2 * MIB + 1, 3 * MIB, 60 * MIB,
	};
	static const uint32_t modes[] = { 0, 0600, 0666, 0644, 0444, 0777,
					  01000, ~0U };
	struct shatomic_ioc_create args = {
		.flags = bytes[3] & 0x80 ? bytes[3] : bytes[3] % 8,
		.region_size = sizes[bytes[4] % COUNT_OF(sizes)],
		.mode = modes[bytes[5] % COUNT_OF(modes)],
	};
	struct world *world = actor->world;
	struct shatomic_ioc_create *place;

	world_name(world, bytes[6], args.name);
	/* A name wants to be opened by others; without one there is no mode. */
	if (args.name[0] && !bytes[5])
		args.mode = 0666;
	world->has_names |= args.name[0];
	args.size = args_size(bytes[2], sizeof(args),
			      offsetof(struct shatomic_ioc_create, limit));
	place = args_place(actor, bytes[2], &args, sizeof(args));
	if (!CALL(actor, CREATE,
		  ioctl(world->device, SHATOMIC_IOC_CREATE, place)))
		world_add_fd(world, place->fd, args.region_size);
}

static void run_open(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_open args = { .flags = bytes[3] };
	struct shatomic_ioc_open *place;

	world_name(actor->world, bytes[6], args.name);
	args.size = args_size(bytes[2], sizeof(args), sizeof(args));
	place = args_place(actor, bytes[2], &args, sizeof(args));
	if (!CALL(actor, OPEN,
		  ioctl(actor->world->device, SHATOMIC_IOC_OPEN, place)))
		world_add_fd(actor->world, place->fd, 0);
}

static void run_unlink(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_unlink args = { .flags = bytes[3],
					    .reserved = bytes[4] };

	world_name(actor->world, bytes[6], args.name);
	STRUCT_CALL(actor, UNLINK, actor->world->device, SHATOMIC_IOC_UNLINK,
		    bytes[2], args, name);
}

static void run_list(struct actor *actor, const uint8_t *bytes)
{
	static const uint32_t entry_sizes[] = {
		sizeof(struct shatomic_list_entry), 0, 1, 8, 200,
		SHATOMIC_MAX_LIST_ENTRY_SIZE, SHATOMIC_MAX_LIST_ENTRY_SIZE + 1,
		~0U,
	};
	static const uint32_t capacities[] = { 64, 0, 1, 2, 3, 4096, 1U << 31,
					       ~0U };
	static const uint64_t offsets[] = { 0, 1, PIECE_BYTES - 96,
					    PIECE_BYTES - 100, PIECE_BYTES,
					    1ULL << 63 };
	struct shatomic_ioc_list args = {
		.flags = bytes[3],
		.entry_size = entry_sizes[bytes[4] % COUNT_OF(entry_sizes)],
		.capacity = capacities[bytes[5] % COUNT_OF(capacities)],
		.reserved = bytes[6],
		.entries = (uintptr_t)world_piece(0) +
			   offsets[bytes[7] % COUNT_OF(offsets)],
	};

	STRUCT_CALL(actor, LIST, actor->world->device, SHATOMIC_IOC_LIST,
		    bytes[2], args, entries);
}

static void run_region_info(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_region_info args = { .flags = bytes[3],
						 .reserved = bytes[4] };

	STRUCT_CALL(actor, REGION_INFO, world_fd(actor->world, bytes[1]),
		    SHATOMIC_IOC_REGION_INFO, bytes[2], args, region_size);
}

static void run_publish(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_publish args = { .flags = bytes[3],
					     .reserved = bytes[4] };

	STRUCT_CALL(actor, PUBLISH, world_fd(actor->world, bytes[1] + 4),
		    SHATOMIC_IOC_PUBLISH, bytes[2], args, reserved);
}

static void run_stats(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_stats args = { .flags = bytes[3],
					   .reserved = bytes[4] };

	STRUCT_CALL(actor, STATS, world_fd(actor->world, bytes[1]),
		    SHATOMIC_IOC_STATS, bytes[2], args, counting);
}

static void run_export(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_export_dmabuf args = { .flags = bytes[3] };
	struct shatomic_ioc_export_dmabuf *place;
	struct world *world = actor->world;

	args.size = args_size(bytes[2], sizeof(args), sizeof(args));
	place = args_place(actor, bytes[2], &args, sizeof(args));
	if (!CALL(actor, EXPORT, ioctl(world_fd(world, bytes[1]),
				       SHATOMIC_IOC_EXPORT_DMABUF, place)))
		world_add_fd(world, place->fd, world_size(world, bytes[1]));
}

/* Any number, with the bytes themselves as the structure's. */
static void run_raw(struct actor *actor, const uint8_t *bytes)
{
	unsigned long number = (bytes[3] & 3) << 30 | bytes[4] << 16 |
			       SHATOMIC_IOC_MAGIC << 8 | bytes[2];
	unsigned char args[256] = { 0 };

	memcpy(args, bytes + 5, 10);
	if (bytes[3] & 4)
		args[0] = sizeof(args) - 1;
	CALL(actor, RAW, ioctl(world_fd(actor->world, bytes[1]), number,
			       args_place(actor, bytes[3] / 16, args,
					  sizeof(args))));
}

static size_t map_length(const struct world *world, uint8_t which, uint8_t fd)
{
	static const size_t lengths[] = { 0, 4096, 8192, 1, 65536, 2 * MIB,
					  4 * MIB, 12288 };
	size_t size;

	if (which % 16 < COUNT_OF(lengths) && which % 16)
		return lengths[which % 16];
	size = world_size(world, fd);
	if (size > WINDOW_BYTES)
		size = WINDOW_BYTES;
	if (which % 16 == 8)
		return 0;
	return which % 16 == 9 ? size + 4096 : size;
}

static void run_map(struct actor *actor, const uint8_t *bytes)
{
	static const int protections[] = {
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_WRITE,
		PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	static const int kinds[] = {
		MAP_SHARED, MAP_PRIVATE, MAP_SHARED | MAP_POPULATE,
		MAP_SHARED_VALIDATE, MAP_SHARED | MAP_LOCKED,
		MAP_SHARED | MAP_NORESERVE, MAP_SHARED_VALIDATE | MAP_SYNC,
		MAP_SHARED | MAP_HUGETLB,
	};
	static const off_t pages[] = { 0, 1, 2, 16, 512, 1L << 31, 1L << 50,
				       -1 };
	struct world *world = actor->world;
	size_t length = map_length(world, bytes[5], bytes[1]);
	int flags = kinds[bytes[4] % COUNT_OF(kinds)];
	unsigned char *at = world_window(bytes[2] % WINDOWS);
	bool anywhere = bytes[2] & 0x80;
	void *memory;

	world->has_mappings = true;
	memory = (void *)CALL(actor, MAP, (long)mmap(
		anywhere ? NULL : at + (size_t)bytes[7] % 16 * 4096 %
				       (WINDOW_BYTES - length + 1),
		length, protections[bytes[3] % COUNT_OF(protections)],
		anywhere ? flags : flags | MAP_FIXED,
		world_fd(world, bytes[1]),
		pages[bytes[6] % COUNT_OF(pages)] << 12));
	if (!anywhere || memory == MAP_FAILED)
		return;
	if (world->loose_count == MAX_CALLS) {
		munmap(memory, length);
		return;
	}
	world->loose[world->loose_count].memory = memory;
	world->loose[world->loose_count++].bytes = length;
}

static const int advices[] = {
	MADV_DONTNEED, MADV_REMOVE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_FREE, MADV_WILLNEED,
	MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	25 /* MADV_COLLAPSE */, MADV_DONTDUMP, MADV_MERGEABLE,
};

/* What is done to mappings. */
static void run_memory(struct actor *actor, const uint8_t *bytes)
{
	static unsigned char resident[WINDOW_BYTES / 4096];
	unsigned char *at = world_window(bytes[2] % WINDOWS) +
			    (size_t)bytes[3] % 32 * 4096;
	unsigned char *other = world_window(bytes[6] % WINDOWS);
	size_t length = map_length(actor->world, bytes[4], bytes[1]);
	int rw = PROT_READ | PROT_WRITE;

	if (length > WINDOW_BYTES)
		length = WINDOW_BYTES;
	if (bytes[2] & 0x80)
		at = other;
	actor->world->has_mappings = true;
	switch (bytes[5] % 12) {
	case 0:
		CALL(actor, MEMORY, munmap(at, length));
		break;
	case 1:
		CALL(actor, MEMORY,
		     (long)mremap(at, length, length,
				  MREMAP_MAYMOVE | MREMAP_FIXED, other));
		break;
	case 2:
		CALL(actor, MEMORY, (long)mremap(at, length, 4096, 0));
		break;
	case 3:
		CALL(actor, MEMORY, (long)mremap(at, 4096, length, 0));
		break;
	case 4:
		CALL(actor, MEMORY, (long)mremap(at, 0, length,
						 MREMAP_MAYMOVE | MREMAP_FIXED,
						 other));
		break;
	case 5:
	case 6:
		CALL(actor, MEMORY,
		     madvise(at, length,
			     advices[bytes[6] % COUNT_OF(advices)]));
		break;
	case 7:
		CALL(actor, MEMORY, mprotect(at, length, bytes[6] % 8 ?
						     bytes[6] % 8 : rw));
		break;
	case 8:
		CALL(actor, MEMORY, msync(at, length, bytes[6] % 8));
		break;
	case 9:
		CALL(actor, MEMORY, mlock(at, length));
		break;
	case 10:
		CALL(actor, MEMORY, munlock(at, length));
		break;
	case 11:
		CALL(actor, MEMORY, mincore(at, length, resident));
		break;
	}
}

static void run_close(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;
	int fd = __atomic_exchange_n(&world->slots[bytes[1] % SLOTS], -1,
				     __ATOMIC_RELAXED);

	if (fd >= 0)
		CALL(actor, CLOSE, close(fd));
}

static void run_dup(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;

	world_add_fd(world, CALL(actor, DUP, dup(world_fd(world, bytes[1]))),
		     world_size(world, bytes[1]));
}

static void run_reopen(struct actor *actor, const uint8_t *bytes)
{
	static const int flags[] = {
		O_RDWR, O_RDONLY, O_WRONLY, O_PATH, O_RDWR | O_TRUNC,
		O_RDWR | O_APPEND, O_RDWR | O_DIRECT, O_RDWR | O_NONBLOCK,
	};
	struct world *world = actor->world;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 world_fd(world, bytes[1]));
	world_add_fd(world,
		     CALL(actor, REOPEN,
			  open(path, flags[bytes[2] % COUNT_OF(flags)])),
		     world_size(world, bytes[1]));
}

/* Give a descriptor to ourselves. */
static void run_pass(struct actor *actor, const uint8_t *bytes)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char text[1] = { 0 };
	struct iovec part = { text, sizeof(text) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct world *world = actor->world;
	int fd = world_fd(world, bytes[1]);

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (CALL(actor, PASS, sendmsg(world->post[0], &message, 0)) != 1)
		return;
	message.msg_controllen = sizeof(control);
	if (CALL(actor, PASS, recvmsg(world->post[1], &message, 0)) != 1 ||
	    message.msg_controllen < CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	world_add_fd(world, fd, world_size(world, bytes[1]));
}

/* What is done to any file: its bytes go in and out. */
static void run_file(struct actor *actor, const uint8_t *bytes)
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

static void run_change_file(struct actor *actor, const uint8_t *bytes)
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
		     fcntl(fd, F_SETFL, bytes[3] % 2 ? O_APPEND : 0));
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

/* What a driver of a device does to a DMA buffer. */
static void run_dmabuf(struct actor *actor, const uint8_t *bytes)
{
	struct importer_exchange exchange = {
		.way = bytes[3] % 4,
		.offset = bytes[4] * 8L << bytes[5] % 16,
		.value = bytes[6],
	};
	struct dma_buf_sync sync = { .flags = bytes[3] % 8 };
	struct world *world = actor->world;
	uint64_t size;

	/* The importer is for one caller at a time. */
	if (actor != &world->main || world->is_child)
		return;
	switch (bytes[2] % 5) {
	case 0:
		CALL(actor, DMABUF, ioctl(world->importer, IMPORTER_ATTACH,
					  world_fd(world, bytes[1] + 4)));
		break;
	case 1:
		/* To the kernel a mapping of its own that fails is a bug. */
		if (exchange.way == IMPORTER_BY_VMAP)
			actor->fault = 0;
		CALL(actor, DMABUF,
		     ioctl(world->importer, IMPORTER_EXCHANGE, &exchange));
		break;
	case 2:
		CALL(actor, DMABUF,
		     ioctl(world->importer, IMPORTER_BYTES, &size));
		break;
	case 3:
		CALL(actor, DMABUF, ioctl(world->importer, IMPORTER_DETACH));
		break;
	case 4:
		CALL(actor, DMABUF, ioctl(world_fd(world, bytes[1] + 4),
					  DMA_BUF_IOCTL_SYNC, &sync));
		break;
	}
}

/* What root sees. */
static void run_see(struct actor *actor, const uint8_t *bytes)
{
	static const char *const paths[] = {
		"/sys/kernel/debug/shatomic/regions",
		"/sys/kernel/debug/shatomic/stats",
	};
	char text[4096];
	int fd = open(paths[bytes[2] % COUNT_OF(paths)], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	CALL(actor, SEE, pread(fd, text, 1 + bytes[3] * 16, bytes[4]));
	close(fd);
}

static void run_parameter(struct actor *actor, const uint8_t *bytes)
{
	world_set_parameter(actor->world, bytes[2], bytes[3]);
	count_call(actor, PARAMETER);
}

/* The child goes through the rest of the input as well, until it is killed. */
static void run_child(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;
	pid_t pid;

	(void)bytes;
	if (actor != &world->main || world->is_child || world->child)
		return;
	actor->fault = 0;
	pid = CALL(actor, CHILD, fork());
	/* What it changes is not told. */
	if (pid > 0) {
		world->child = pid;
		world->has_names = true;
		world->has_parameters = true;
	}
	if (pid)
		return;
	world->is_child = true;
	world->has_rings = false;
	world->is_busy = false;
	actor->fail_nth = -1;
}

static void run_namespace(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;

	(void)bytes;
	actor->fault = 0;
	if (actor == &world->main &&
	    !CALL(actor, NAMESPACE, unshare(CLONE_NEWIPC)))
		world->has_namespace = true;
}

static void run_affinity(struct actor *actor, const uint8_t *bytes)
{
	cpu_set_t cpus;

	if (actor != &actor->world->main)
		return;
	CPU_ZERO(&cpus);
	CPU_SET(bytes[2] % 2, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	actor->world->has_affinity = true;
	count_call(actor, AFFINITY);
}

static const struct {
	const char *name;
	kind_fn *run;
} kinds[KINDS] = {
	[BATCH] = { "batch", run_batch },
	[URING] = { "io_uring", run_uring },
	[INFO] = { "info", run_info },
	[CREATE] = { "create", run_create },
	[OPEN] = { "open", run_open },
	[UNLINK] = { "unlink", run_unlink },
	[LIST] = { "list", run_list },
	[REGION_INFO] = { "region_info", run_region_info },
	[PUBLISH] = { "publish", run_publish },
	[STATS] = { "stats", run_stats },
	[EXPORT] = { "export_dmabuf", run_export },
	[RAW] = { "raw ioctl", run_raw },
	[MAP] = { "mmap", run_map },
	[MEMORY] = { "mappings", run_memory },
	[CLOSE] = { "close", run_close },
	[DUP] = { "dup", run_dup },
	[REOPEN] = { "reopen", run_reopen },
	[PASS] = { "pass", run_pass },
	[FILE_CALL] = { "read and write", run_file },
	[CHANGE_FILE] = { "other file calls", run_change_file },
	[DMABUF] = { "DMA buffer", run_dmabuf },
	[SEE] = { "debugfs", run_see },
	[PARAMETER] = { "parameter", run_parameter },
	[CHILD] = { "fork", run_child },
	[NAMESPACE] = { "namespace", run_namespace },
	[AFFINITY] = { "affinity", run_affinity },
};

const unsigned int kind_count = KINDS;

const char *kind_name(unsigned int kind)
{
	return kinds[kind].name;
}

bool kind_is_slow(unsigned int kind)
{
	return kind == PARAMETER || kind == CHILD || kind == NAMESPACE ||
	       kind == AFFINITY || kind == SEE;
}

/* What takes no memory and hardly longer than entering the kernel does. */
bool call_is_quick(const uint8_t *bytes)
{
	switch (bytes[0] % KINDS) {
	case BATCH:
		return batch_is_quick(bytes);
	case INFO:
	case REGION_INFO:
	case STATS:
	case RAW:
		return true;
	default:
		return false;
	}
}

/* The thread's own, as the C library's would be the process's. */
static void become(unsigned int user)
{
	syscall(SYS_setresuid, -1, user, -1);
}

static void limit_descriptors(int most)
{
	struct rlimit limit = { most, 4096 };

	setrlimit(RLIMIT_NOFILE, &limit);
}

static void perform(struct actor *actor, const uint8_t *bytes)
{
	static const uint8_t faults[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
					  12, 14, 17, 20, 25 };
	uint8_t conditions = bytes[CONDITIONS], kind = bytes[0] % KINDS;

	actor->fault = faults[conditions / 16];
	if (conditions & WITHOUT_DESCRIPTORS)
		limit_descriptors(actor->world->first_fd);
	if (conditions & AS_NOBODY)
		become(NOBODY);
	actor->again = conditions & IN_A_BURST && call_is_quick(bytes) ?
			       BURST : 0;
	kinds[kind].run(actor, bytes);
	if (conditions & AS_NOBODY)
		become(0);
	if (conditions & WITHOUT_DESCRIPTORS)
		limit_descriptors(4096);
}

/* The helper's life. */
void *perform_jobs(void *data)
{
	struct actor *actor = data;
	struct world *world = actor->world;

	for (;;) {
		while (sem_wait(&world->job_given))
			;
		perform(actor, world->job);
		sem_post(&world->job_done);
	}
	return NULL;
}

static void wait_for_helper(struct world *world)
{
	if (!world->is_busy)
		return;
	while (sem_wait(&world->job_done))
		;
	world->is_busy = false;
}

static void have_performed(struct world *world, const uint8_t *bytes)
{
	wait_for_helper(world);
	memcpy(world->job, bytes, CALL_BYTES);
	world->is_busy = true;
	sem_post(&world->job_given);
}

/**
 * perform_sequence() - Go through an input
 * @world: With what.
 * @sequence: The input.
 */
void perform_sequence(struct world *world, const struct sequence *sequence)
{
	const uint8_t *bytes;
	uint32_t i;

	for (i = 0; i < sequence->count; i++) {
		bytes = sequence->calls[i];
		if (bytes[CONDITIONS] & MEANWHILE && !world->is_child)
			have_performed(world, bytes);
		else
			perform(&world->main, bytes);
	}
	if (world->is_child)
		_exit(0);
	wait_for_helper(world);
}
