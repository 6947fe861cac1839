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
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The last byte of a call. */
#define AS_NOBODY 0x01
#define WITHOUT_DESCRIPTORS 0x02
#define MEANWHILE 0x04
/* How often a call is made in a burst. */
#define BURST 32

void count_call(struct actor *actor, unsigned int kind)
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

static void run_batch(struct actor *actor, const uint8_t *bytes)
{
	uint32_t size;
	void *args = batch_args(actor, bytes, &size);

	CALL(actor, BATCH,
	     ioctl(world_fd(actor->world, bytes[1]), SHATOMIC_IOC_BATCH, args));
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
		2 * MIB + 1, 3 * MIB, 60 * MIB, 2 * MIB - 1, 2,
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

	/* Of 1 to 4098 bytes. */
	if (bytes[4] & 0x80)
		args.region_size = 1 + (bytes[4] & 0x40 ? bytes[7] % 4 :
							  bytes[7] * 4097 / 255);
	/* A region that may have a name wants to be opened by others. */
	if (args.flags & SHATOMIC_CREATE_IN_DIRECTORY) {
		args.directory = names_directory(world, bytes[8]);
		if (!bytes[5])
			args.mode = 0666;
	}
	args.reserved = bytes[9];
	args.size = args_size(bytes[2], sizeof(args),
			      offsetof(struct shatomic_ioc_create, limit));
	place = args_place(actor, bytes[2], &args, sizeof(args));
	if (!CALL(actor, CREATE,
		  ioctl(world->device, SHATOMIC_IOC_CREATE, place)))
		world_add_fd(world, place->fd, args.region_size);
	if (args.directory > 0)
		close(args.directory);
}

static void run_region_info(struct actor *actor, const uint8_t *bytes)
{
	struct shatomic_ioc_region_info args = { .flags = bytes[3],
						 .reserved = bytes[4] };

	STRUCT_CALL(actor, REGION_INFO, world_fd(actor->world, bytes[1]),
		    SHATOMIC_IOC_REGION_INFO, bytes[2], args, region_size);
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

/* One of mounts of the thread's own, of which the helper sees nothing. */
static void run_namespace(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;

	(void)bytes;
	actor->fault = 0;
	if (actor == &world->main &&
	    !CALL(actor, NAMESPACE, unshare(CLONE_NEWNS)))
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
	[OPEN] = { "open a name", run_open },
	[UNLINK] = { "unlink and rename", run_unlink },
	[LIST] = { "readdir", run_list },
	[REGION_INFO] = { "region_info", run_region_info },
	[PUBLISH] = { "link", run_publish },
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
	[REMAP] = { "mremap", run_remap },
	[TOUCH] = { "touch", run_touch },
	[PIPES] = { "pipes", run_pipes },
	[URING_FILE] = { "io_uring on files", run_uring_file },
	[ATTRIBUTES] = { "attributes", run_attributes },
	[USERFAULT] = { "userfault", run_userfault },
	[RACE] = { "open and last close", run_race },
	[MEMCG] = { "memory cgroup", run_memcg },
	[UNLOAD] = { "unload", run_unload },
	[MOUNT] = { "mount", run_mount },
	[ENTRY] = { "directory", run_entry },
};

const unsigned int kind_count = KINDS;

const char *kind_name(unsigned int kind)
{
	return kinds[kind].name;
}

bool kind_is_slow(unsigned int kind)
{
	return kind == PARAMETER || kind == CHILD || kind == NAMESPACE ||
	       kind == AFFINITY || kind == SEE || kind == USERFAULT ||
	       kind == RACE || kind == MEMCG || kind == MOUNT;
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

/* Until the helper has done what it was given. */
void perform_wait(struct world *world)
{
	if (!world->is_busy)
		return;
	while (sem_wait(&world->job_done))
		;
	world->is_busy = false;
}

/* Have the helper make a call. */
void perform_meanwhile(struct world *world, const uint8_t *bytes)
{
	perform_wait(world);
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
			perform_meanwhile(world, bytes);
		else
			perform(&world->main, bytes);
	}
	if (world->is_child)
		_exit(0);
	perform_wait(world);
}
