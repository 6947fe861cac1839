// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a worker makes calls with: descriptors, memory for columns, windows for
 * mappings; how it is made, and brought back to what it was after each input.
 */
#include "calls.h"

#include "../../cpus.h"
#include "../../fault_injection.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define PARAMETERS "/sys/module/shatomic/parameters/"
/* Twice a piece: what comes after it is not mapped. */
#define PIECE_STRIDE (256UL << 10)
#define READ_ONLY_DISTANCE (64UL << 20)
#define WINDOW_STRIDE (8UL << 20)

static unsigned char *const arena = (unsigned char *)0x200000000000;
static unsigned char *const windows = (unsigned char *)0x210000000000;

/*
 * What the module's parameters are while it is fuzzed, and what else they may
 * be: never more, since memory and time are short. Not stats, which patches
 * code: emulators may keep half of a patch, see tests/races.c.
 */
static const struct {
	const char *name;
	const char *values[4];
} parameters[] = {
	{ "max_regions", { "48", "0", "1", "4" } },
	{ "max_user_regions", { "24", "0", "1", "4" } },
	{ "max_pinned_bytes", { "67108864", "0", "8192", "1048576" } },
	{ "max_batch_rows", { "20000", "0", "1", "64" } },
	{ "max_batches", { "64", "0", "1", "2" } },
	{ "max_user_batches", { "64", "0", "1", "2" } },
	{ "max_region_batches", { "64", "0", "1", "2" } },
	{ "slice_rows", { "1024", "0", "16384", "2000" } },
};

static void set_parameter(unsigned int which, unsigned int value)
{
	char path[80];

	snprintf(path, sizeof(path), PARAMETERS "%s", parameters[which].name);
	write_text(path, parameters[which].values[value]);
}

void world_set_parameter(struct world *world, uint8_t which, uint8_t value)
{
	set_parameter(which % COUNT_OF(parameters), value % 4);
	world->has_parameters = true;
}

static void set_parameters(void)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(parameters); i++)
		set_parameter(i, 0);
}

/* What the module is to be once it has been loaded. */
bool world_prepare_module(void)
{
	set_parameters();
	return !chmod(DEVICE, 0666) && names_begin();
}

/* What holds for all workers; whether the machine is one to be fuzzed. */
bool world_prepare_machine(void)
{
	struct rlimit core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &core);
	signal(SIGPIPE, SIG_IGN);
	if (!prepare_faults())
		printf("# without fault injection\n");
	return prepare_cpus() && world_prepare_module();
}

/* Have a CPU go off and come back. */
void world_switch_cpu(unsigned int cpu)
{
	switch_cpu(cpu, "0");
	switch_cpu(cpu, "1");
}

/* The memory for columns and structures, and a second look that only reads. */
static bool map_arena(void)
{
	int fd = memfd_create("arena", MFD_CLOEXEC);
	unsigned int i;

	if (fd < 0 || ftruncate(fd, PIECES * PIECE_BYTES))
		return false;
	for (i = 0; i < PIECES; i++) {
		unsigned char *piece = world_piece(i);

		if (mmap(piece, PIECE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
			 i * PIECE_BYTES) != piece ||
		    mmap(world_read_only(piece), PIECE_BYTES, PROT_READ,
			 MAP_SHARED | MAP_FIXED, fd,
			 i * PIECE_BYTES) != world_read_only(piece))
			return false;
	}
	close(fd);
	return true;
}

static bool reserve_windows(void)
{
	return mmap(windows, WINDOWS * WINDOW_STRIDE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		    0) == windows;
}

unsigned char *world_piece(unsigned int piece)
{
	return arena + piece * PIECE_STRIDE;
}

unsigned char *world_read_only(unsigned char *memory)
{
	return memory + READ_ONLY_DISTANCE;
}

unsigned char *world_window(unsigned int window)
{
	return windows + window * WINDOW_STRIDE;
}

/* A window, or the mapping made last of those that are in none. */
unsigned char *world_mapping(const struct world *world, uint8_t which)
{
	unsigned int count = __atomic_load_n(&world->loose_count,
					     __ATOMIC_RELAXED);

	if (which & 0x80 && count && count <= MAX_LOOSE)
		return world->loose[count - 1].memory;
	return world_window(which % WINDOWS);
}

static bool make_base(struct world *world, struct base *base, uint64_t size)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size };

	if (ioctl(world->device, SHATOMIC_IOC_CREATE, &create))
		return false;
	base->fd = create.fd;
	base->size = size;
	base->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    base->fd, 0);
	return base->memory != MAP_FAILED;
}

/* Of one page and a bit, of many pages, of huge pages where there are such. */
static bool make_bases(struct world *world)
{
	static const uint64_t sizes[BASES] = { 8000, 1UL << 20, 4UL << 20 };
	char path[40];
	unsigned int i;

	for (i = 0; i < BASES; i++) {
		if (!make_base(world, &world->bases[i], sizes[i]))
			return false;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", world->bases[0].fd);
	world->read_only = open(path, O_RDONLY | O_CLOEXEC);
	return world->read_only >= 0;
}

static bool make_ring(struct io_uring *ring, unsigned int flags)
{
	return !io_uring_queue_init(8, ring, flags);
}

static bool make_rings(struct world *world)
{
	bool made = lock_cpus(F_RDLCK) && make_ring(&world->rings[0], 0) &&
		    make_ring(&world->rings[1], IORING_SETUP_IOPOLL);

	lock_cpus(F_UNLCK);
	return made;
}

/* Children have their own, once they want some. */
bool world_has_rings(struct world *world)
{
	if (!world->has_rings)
		world->has_rings = make_rings(world);
	return world->has_rings;
}

static void init_actor(struct world *world, struct actor *actor,
		       unsigned int which)
{
	actor->world = world;
	actor->args = world_piece(ARGS_PIECE + which);
	actor->fail_nth = -1;
}

static bool start_helper(struct world *world)
{
	pthread_t thread;

	return !sem_init(&world->job_given, 0, 0) &&
	       !sem_init(&world->job_done, 0, 0) &&
	       !pthread_create(&thread, NULL, perform_jobs, &world->helper) &&
	       !pthread_detach(thread);
}

static bool open_all(struct world *world)
{
	world->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	world->importer = open("/dev/importer", O_RDWR | O_CLOEXEC);
	world->mount_ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	world->plain = memfd_create("plain", MFD_CLOEXEC);
	return world->device >= 0 && world->importer >= 0 &&
	       world->mount_ns >= 0 && world->plain >= 0 &&
	       !ftruncate(world->plain, 65536) &&
	       !pipe2(world->pipe, O_CLOEXEC | O_NONBLOCK) &&
	       !pipe2(world->second_pipe, O_CLOEXEC | O_NONBLOCK) &&
	       !socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   0, world->post);
}

/**
 * world_set_up() - Have all that a worker has
 * @world: [out] The world.
 * @number: Which worker it is.
 * @calls: Where it counts its calls.
 *
 * Return: Whether there is all of it.
 */
bool world_set_up(struct world *world, unsigned int number, uint64_t *calls)
{
	/* What who may not lock memory may have in regions. */
	struct rlimit locked = { 128 << 10, 128 << 10 };
	unsigned int i;

	*world = (struct world){ .number = number, .calls = calls };
	init_actor(world, &world->main, 0);
	init_actor(world, &world->helper, 1);
	for (i = 0; i < SLOTS; i++)
		world->slots[i] = -1;
	if (!touch_begin() || !names_set_up(world) || !map_arena() || !reserve_windows() || !open_all(world) ||
	    !make_bases(world) || !world_has_rings(world) ||
	    setrlimit(RLIMIT_MEMLOCK, &locked))
		return false;
	world->main.fail_nth = open("/proc/thread-self/fail-nth",
				    O_RDWR | O_CLOEXEC);
	if (!start_helper(world))
		return false;
	world->first_fd = dup(0);
	close(world->first_fd);
	return world->first_fd > 0;
}

static void unmap_all(struct world *world)
{
	unsigned int i;

	for (i = 0; i < world->loose_count && i < MAX_LOOSE; i++)
		munmap(world->loose[i].memory, world->loose[i].bytes);
	world->loose_count = 0;
	reserve_windows();
	world->has_mappings = false;
}

static void use_all_cpus(struct world *world)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	sched_setaffinity(0, sizeof(cpus), &cpus);
	world->has_affinity = false;
}

/* Bring all back to what it was before an input. */
void world_reset(struct world *world)
{
	unsigned int i;

	if (world->child) {
		kill(world->child, SIGKILL);
		waitpid(world->child, NULL, 0);
		world->child = 0;
	}
	userfault_reset(world);
	uring_reset(world);
	if (world->has_pipes)
		pipes_reset(world);
	if (world->has_namespace) {
		setns(world->mount_ns, CLONE_NEWNS);
		world->has_namespace = false;
	}
	if (world->has_names)
		names_reset(world);
	if (world->has_parameters) {
		set_parameters();
		world->has_parameters = false;
	}
	if (world->has_affinity)
		use_all_cpus(world);
	if (world->has_mappings)
		unmap_all(world);
	if (world->next_slot) {
		syscall(SYS_close_range, world->first_fd, ~0U, 0);
		for (i = 0; i < SLOTS; i++)
			world->slots[i] = -1;
		world->next_slot = 0;
	}
}

/* What the input made last. */
static int newest_fd(const struct world *world)
{
	unsigned int next = __atomic_load_n(&world->next_slot,
					    __ATOMIC_RELAXED);

	if (!next)
		return 1 << 20;
	return __atomic_load_n(&world->slots[(next - 1) % SLOTS],
			       __ATOMIC_RELAXED);
}

/* Any descriptor: regions that stay, those of the input, and others. */
int world_fd(const struct world *world, uint8_t which)
{
	which %= 16;
	if (which < BASES)
		return world->bases[which].fd;
	if (which == BASES)
		return world->read_only;
	if (which < BASES + 1 + SLOTS)
		return __atomic_load_n(&world->slots[which - BASES - 1],
				       __ATOMIC_RELAXED);
	switch (which) {
	case 10:
		return world->device;
	case 11:
		return world->plain;
	case 12:
		return world->pipe[0];
	case 13:
		return world->importer;
	case 14:
		return -1;
	default:
		return newest_fd(world);
	}
}

/* The size of a region, or what may be one. */
uint64_t world_size(const struct world *world, uint8_t which)
{
	which %= 16;
	if (which < BASES)
		return world->bases[which].size;
	if (which == BASES)
		return world->bases[0].size;
	if (which == NEWEST_FD && world->next_slot)
		which = BASES + 1 + (world->next_slot - 1) % SLOTS;
	if (which < BASES + 1 + SLOTS && world->slot_sizes[which - BASES - 1])
		return world->slot_sizes[which - BASES - 1];
	return 4096;
}

/* Have a descriptor that the input made; where it is. */
unsigned int world_add_fd(struct world *world, int fd, uint64_t size)
{
	unsigned int slot;

	if (fd < 0)
		return 0;
	slot = __atomic_fetch_add(&world->next_slot, 1, __ATOMIC_RELAXED) %
	       SLOTS;
	world->slot_sizes[slot] = size;
	__atomic_store_n(&world->slots[slot], fd, __ATOMIC_RELAXED);
	return slot;
}

/* None, one of the worker's own, one of all workers, or one that is wrong. */
void world_name(const struct world *world, uint8_t which,
		uint8_t name[SHATOMIC_NAME_SIZE])
{
	static const char *const texts[16] = {
		[4] = "fuzz", [6] = ".hidden", [7] = "a/b", [8] = "a b",
		[9] = "fuzz", [10] = "\xe4", [11] = "rare",
	};

	which %= 16;
	memset(name, which == 5 ? 'x' : 0, SHATOMIC_NAME_SIZE);
	if (which >= 1 && which <= 3)
		snprintf((char *)name, SHATOMIC_NAME_SIZE, "fuzz-%u-%u", which,
			 world->number);
	else if (texts[which])
		strcpy((char *)name, texts[which]);
	/* Something after its end. */
	if (which == 9 || which == 12)
		name[SHATOMIC_NAME_SIZE - 1] = 'x';
}
