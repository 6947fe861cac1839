// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches that the kernel shares between CPUs: on which they run, what becomes
 * of them when CPUs go off and come on, when callers are killed, and of others
 * meanwhile. Root runs it.
 */
#include "device.h"
#include "waiting.h"

#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#define CGROUP "/sys/fs/cgroup/shatomic-fanout"
#define CPU1 "/sys/devices/system/cpu/cpu1/online"

#define WORDS 512
#define REGION_BYTES (WORDS * 8)
#define ROWS 200000
/* The fewest that are shared, or somewhat more. */
#define SHARED_ROWS 20000

/* Where rows go, and what comes of them. */
struct columns {
	uint32_t rows;
	uint64_t *offsets;
	uint64_t *operands;
	uint64_t *results;
};

static void *new_column(uint32_t rows)
{
	void *column = mmap(NULL, rows * 8UL, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return column == MAP_FAILED ? NULL : column;
}

/* On random words, each adding 1. */
static bool new_columns(struct columns *columns, uint32_t rows)
{
	uint32_t i;

	columns->rows = rows;
	columns->offsets = new_column(rows);
	columns->operands = new_column(rows);
	columns->results = new_column(rows);
	if (!columns->offsets || !columns->operands || !columns->results)
		return false;
	for (i = 0; i < rows; i++) {
		columns->offsets[i] = next_random() % WORDS * 8;
		columns->operands[i] = 1;
	}
	return true;
}

static void free_columns(struct columns *columns)
{
	munmap(columns->offsets, columns->rows * 8UL);
	munmap(columns->operands, columns->rows * 8UL);
	munmap(columns->results, columns->rows * 8UL);
}

static struct shatomic_ioc_batch batch_of(const struct columns *columns,
					  unsigned int parallelism)
{
	return (struct shatomic_ioc_batch){
		.size = sizeof(struct shatomic_ioc_batch),
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8,
		.parallelism = parallelism, .rows = columns->rows,
		.offsets = (uintptr_t)columns->offsets,
		.operands = (uintptr_t)columns->operands,
		.results = (uintptr_t)columns->results,
	};
}

static int run_batch(int fd, const struct columns *columns,
		     unsigned int parallelism)
{
	struct shatomic_ioc_batch batch = batch_of(columns, parallelism);

	return ioctl(fd, SHATOMIC_IOC_BATCH, &batch) ? -errno : 0;
}

static int create_region(int device)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = REGION_BYTES };

	return ioctl(device, SHATOMIC_IOC_CREATE, &create) ? -1 : create.fd;
}

/*
 * Whether the results of batches on a region that nobody else changes, @times
 * one after the other, are those of row order: each word counts its rows.
 */
static bool results_are_in_order(const struct columns *columns, uint64_t times)
{
	uint64_t counts[WORDS] = { 0 }, seen[WORDS] = { 0 }, word;
	uint32_t i;

	for (i = 0; i < columns->rows; i++)
		counts[columns->offsets[i] / 8]++;
	for (i = 0; i < columns->rows; i++) {
		word = columns->offsets[i] / 8;
		if (columns->results[i] !=
		    counts[word] * (times - 1) + seen[word]++)
			return false;
	}
	return true;
}

static void bind_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

FIXTURE(fanout)
{
	int device;
	int region;
	struct shatomic_ioc_info before;
	struct columns columns;
};

FIXTURE_SETUP(fanout)
{
	seed_random();
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	self->region = create_region(self->device);
	ASSERT_LE(0, self->region);
	ASSERT_TRUE(new_columns(&self->columns, ROWS));
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is but one CPU");
}

FIXTURE_TEARDOWN(fanout)
{
	struct shatomic_ioc_info now;

	EXPECT_EQ(0, restore_parameter());
	free_columns(&self->columns);
	close(self->region);
	EXPECT_TRUE(all_is_back(self->device, &self->before));
	/* Nor is less there, as if something had been given back twice. */
	now = get_info(self->device);
	EXPECT_EQ(0, now.batches);
	EXPECT_EQ(self->before.regions, now.regions);
	EXPECT_EQ(self->before.pinned_bytes, now.pinned_bytes);
	close(self->device);
}

static int by_ioctl(int fd, struct shatomic_ioc_batch *batch)
{
	return ioctl(fd, SHATOMIC_IOC_BATCH, batch);
}

static int by_ring(int fd, struct shatomic_ioc_batch *batch)
{
	struct shatomic_uring_batch payload = { .args = (uintptr_t)batch,
						.size = sizeof(*batch) };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ret = -1;

	if (io_uring_queue_init(1, &ring, 0))
		return -1;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = SHATOMIC_IOC_BATCH;
	memcpy(sqe->cmd, &payload, sizeof(payload));
	if (io_uring_submit(&ring) == 1 && !io_uring_wait_cqe(&ring, &cqe))
		ret = cqe->res == (int)batch->rows ? 0 : -1;
	io_uring_queue_exit(&ring);
	return ret;
}

/* A batch on its own thread, which waits in its middle. */
struct held {
	int fd;
	/* What to run on first, where that is known. */
	int cpu;
	int (*run)(int fd, struct shatomic_ioc_batch *batch);
	struct shatomic_ioc_batch batch;
	int ret;
	/* Of hold(). */
	pthread_t thread;
	void *operands;
	int fault;
};

static void *run_held(void *arg)
{
	struct held *held = arg;
	cpu_set_t set;

	if (held->cpu >= 0) {
		sched_getaffinity(0, sizeof(set), &set);
		bind_to(held->cpu);
		sched_setaffinity(0, sizeof(set), &set);
	}
	held->ret = held->run(held->fd, &held->batch);
	return NULL;
}

/* What the kernel tells of a thread in a line; "" when there is none. */
static void read_stat(unsigned int tid, char text[1024])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/stat", tid);
	read_text(path, text, 1024);
}

static bool first_thread_has_ended(void)
{
	char text[1024], *field;

	read_stat(getpid(), text);
	field = strrchr(text, ')');
	return field && field[2] == 'Z';
}

/* The CPU of a kernel's worker, as a bit; 0 when it is none. */
static uint64_t cpu_of_worker(unsigned int tid)
{
	char text[1024], *field;
	unsigned int i;

	read_stat(tid, text);
	if (!strstr(text, "(kworker/"))
		return 0;
	/* The 39th, of which the second is the name. */
	field = strrchr(text, ')');
	for (i = 2; field && i < 39; i++)
		field = strchr(field + 1, ' ');
	return field ? 1ULL << strtoul(field, NULL, 10) : 0;
}

/* The CPUs of all workers that wait; no more come once none has for a while. */
static uint64_t cpus_of_readers(int fault)
{
	struct pollfd events = { .fd = fault, .events = POLLIN };
	struct uffd_msg message;
	uint64_t cpus = 0;
	unsigned int seen = 0;

	/* Else it can't be polled. */
	if (fcntl(fault, F_SETFL, O_NONBLOCK))
		return ~0ULL;
	while (poll(&events, 1, seen ? 200 : 10000) == 1) {
		if (read(fault, &message, sizeof(message)) != sizeof(message))
			continue;
		cpus |= cpu_of_worker(message.arg.pagefault.feat.ptid);
		seen++;
	}
	return seen ? cpus : ~0ULL;
}

/* Room for operands: less than there are rows, as all wait for the first. */
#define HELD_BYTES (ROWS / 512 * 4096 + 4096)

/*
 * Begin a batch, and hold all who run it in their first rows. The CPUs of the
 * workers among them, as bits; all bits when anything fails.
 */
static uint64_t hold(struct held *held)
{
	held->operands = mmap(NULL, HELD_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	held->fault = begin_waiting(held->operands, HELD_BYTES);
	held->batch.operands = (uintptr_t)held->operands;
	if (held->fault < 0 ||
	    pthread_create(&held->thread, NULL, run_held, held))
		return ~0ULL;
	return cpus_of_readers(held->fault);
}

/* Let it go on to its end. */
static bool let_go(struct held *held)
{
	if (!end_waiting(held->fault, held->operands, HELD_BYTES))
		return false;
	pthread_join(held->thread, NULL);
	close(held->fault);
	munmap(held->operands, HELD_BYTES);
	return !held->ret;
}

/* A batch to be held in a process of its own. */
struct look {
	struct held held;
	/* Confines the process, or is NULL. */
	void (*confine)(void);
	/* The process goes on without its first thread. */
	bool first_ends;
	/* The CPUs of workers. */
	uint64_t *cpus;
};

static void *look_for_workers(void *arg)
{
	struct look *look = arg;

	while (look->first_ends && !first_thread_has_ended())
		usleep(1000);
	if (look->confine)
		look->confine();
	*look->cpus = hold(&look->held);
	_exit(*look->cpus == ~0ULL || !let_go(&look->held));
}

/* The CPUs of its workers, as hold() tells them. */
static uint64_t workers_in_child(struct look *look)
{
	uint64_t found;
	pthread_t thread;
	pid_t child;

	look->cpus = new_column(1);
	*look->cpus = ~0ULL;
	child = fork();
	if (!child) {
		if (!look->first_ends)
			look_for_workers(look);
		if (pthread_create(&thread, NULL, look_for_workers, look))
			_exit(1);
		/* This thread alone. */
		syscall(SYS_exit, 0);
	}
	found = wait_child(child) ? ~0ULL : *look->cpus;
	munmap(look->cpus, 8);
	return found;
}

/* The same of a batch in a process that @confine has confined. */
static uint64_t workers_of(FIXTURE_DATA(fanout) *self, unsigned int parallelism,
			   void (*confine)(void), bool results,
			   int (*run)(int fd, struct shatomic_ioc_batch *batch))
{
	struct look look = {
		.held = { .fd = self->region, .cpu = -1, .run = run,
			  .batch = batch_of(&self->columns, parallelism) },
		.confine = confine,
	};

	if (!results)
		look.held.batch.results = 0;
	return workers_in_child(&look);
}

static void to_cpu_0(void)
{
	bind_to(0);
}

static void to_cpu_1(void)
{
	bind_to(1);
}

/* All CPUs that the test may use, of the first 64. */
static uint64_t all_cpus(void)
{
	uint64_t cpus = 0;
	cpu_set_t set;
	unsigned int i;

	sched_getaffinity(0, sizeof(set), &set);
	for (i = 0; i < 64; i++)
		cpus |= (uint64_t)CPU_ISSET(i, &set) << i;
	return cpus;
}

/* In slices, and in lanes, which are seen by the results. */
TEST_F(fanout, workers_run_where_the_caller_may)
{
	uint64_t cpus = all_cpus(), seen;
	unsigned int lanes;

	for (lanes = 0; lanes < 2; lanes++) {
		seen = workers_of(self, UINT32_MAX, NULL, lanes, by_ioctl);
		EXPECT_NE(0, seen);
		EXPECT_EQ(0, seen & ~cpus);
		EXPECT_EQ(0, workers_of(self, UINT32_MAX, to_cpu_0, lanes,
					by_ioctl));
		EXPECT_EQ(0, workers_of(self, UINT32_MAX, to_cpu_1, lanes,
					by_ioctl));
	}
}

/* Where the caller runs may be io_uring's choice, where others do is not. */
TEST_F(fanout, workers_run_where_the_submitter_may)
{
	uint64_t cpus = all_cpus(), seen;

	seen = workers_of(self, UINT32_MAX, NULL, true, by_ring);
	EXPECT_NE(0, seen);
	EXPECT_EQ(0, seen & ~cpus);
	EXPECT_EQ(0, workers_of(self, UINT32_MAX, to_cpu_0, true, by_ring) &
			     ~1ULL);
	EXPECT_EQ(0, workers_of(self, UINT32_MAX, to_cpu_1, true, by_ring) &
			     ~2ULL);
}

/* None is used where one CPU was asked for, or two lanes would not pay. */
TEST_F(fanout, workers_are_as_many_as_asked_for)
{
	uint64_t seen;

	EXPECT_EQ(0, workers_of(self, 1, NULL, true, by_ioctl));
	EXPECT_EQ(0, workers_of(self, 1, NULL, false, by_ioctl));
	EXPECT_NE(0, workers_of(self, 2, NULL, true, by_ioctl));
	EXPECT_NE(0, workers_of(self, 2, NULL, false, by_ioctl));
	EXPECT_NE(0, workers_of(self, 0, NULL, false, by_ioctl));
	seen = workers_of(self, 0, NULL, true, by_ioctl);
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN) > 2, !!seen);
}

static unsigned int count_cpus(uint64_t cpus)
{
	return __builtin_popcountll(cpus);
}

/* What root allows to all, whatever they ask for. */
TEST_F(fanout, workers_are_as_many_as_the_parameter_allows)
{
	unsigned int lanes;

	for (lanes = 0; lanes < 2; lanes++) {
		ASSERT_EQ(0, set_parameter("max_parallelism", 1));
		EXPECT_EQ(0, workers_of(self, UINT32_MAX, NULL, lanes,
					by_ioctl));
		EXPECT_EQ(0, workers_of(self, 0, NULL, lanes, by_ring));
		ASSERT_EQ(0, set_parameter("max_parallelism", 2));
		EXPECT_EQ(1, count_cpus(workers_of(self, UINT32_MAX, NULL,
						   lanes, by_ioctl)));
		EXPECT_EQ(0, workers_of(self, 1, NULL, lanes, by_ioctl));
		ASSERT_EQ(0, set_parameter("max_parallelism", 3));
		EXPECT_EQ(1, count_cpus(workers_of(self, 2, NULL, lanes,
						   by_ioctl)));
		ASSERT_EQ(0, set_parameter("max_parallelism", 0));
		EXPECT_NE(0, workers_of(self, UINT32_MAX, NULL, lanes,
					by_ioctl));
	}
}

/*
 * Columns in memory with a protection key of the caller's, by which one must not
 * be reached: shared or not, the others are as if there were no key.
 */
TEST_F(fanout, workers_have_the_callers_protection_keys)
{
	struct columns *columns = &self->columns;
	int key = pkey_alloc(0, 0), err, round;
	unsigned int parallelism;

	if (key < 0) {
		err = errno;
		ASSERT_TRUE(err == ENOSPC || err == EINVAL || err == ENOSYS);
		SKIP(return, "there are no protection keys here");
	}
	ASSERT_EQ(0, pkey_mprotect(columns->operands, ROWS * 8,
				   PROT_READ | PROT_WRITE, key));
	ASSERT_EQ(0, pkey_mprotect(columns->results, ROWS * 8,
				   PROT_READ | PROT_WRITE, key));
	for (round = 1; round <= 10; round++) {
		ASSERT_EQ(0, run_batch(self->region, columns, 2));
		ASSERT_TRUE(results_are_in_order(columns, round));
	}
	for (parallelism = 1; parallelism <= 2; parallelism++) {
		ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_ACCESS));
		EXPECT_EQ(-EFAULT,
			  run_batch(self->region, columns, parallelism));
		ASSERT_EQ(0, pkey_set(key, 0));
	}
	ASSERT_EQ(0, pkey_free(key));
}

static void into_cpuset(void)
{
	if (write_text(CGROUP "/cgroup.procs", "0"))
		_exit(2);
}

TEST_F(fanout, workers_run_in_the_cpuset)
{
	unsigned int cpu, lanes;

	rmdir(CGROUP);
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	for (cpu = 0; cpu < 2; cpu++) {
		ASSERT_EQ(0, write_text(CGROUP "/cpuset.cpus", cpu ? "1" : "0"));
		for (lanes = 0; lanes < 2; lanes++) {
			EXPECT_EQ(0, workers_of(self, UINT32_MAX, into_cpuset,
						lanes, by_ioctl));
			EXPECT_EQ(0, workers_of(self, UINT32_MAX, into_cpuset,
						lanes, by_ring) &
					     ~(1ULL << cpu));
		}
	}
	ASSERT_EQ(0, write_text(CGROUP "/cpuset.cpus", "0-1"));
	EXPECT_NE(0, workers_of(self, UINT32_MAX, into_cpuset, true, by_ioctl));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/*
 * A thread that has ended stays where it was when its process is moved: it does
 * not tell where workers may run.
 */
TEST_F(fanout, workers_do_not_run_where_an_ended_thread_might)
{
	struct look look = {
		.held = { .fd = self->region, .cpu = -1,
			  .batch = batch_of(&self->columns, UINT32_MAX) },
		.confine = into_cpuset, .first_ends = true,
	};

	rmdir(CGROUP);
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, write_text(CGROUP "/cpuset.cpus", "0"));
	look.held.run = by_ring;
	EXPECT_EQ(0, workers_in_child(&look));
	look.held.run = by_ioctl;
	EXPECT_EQ(0, workers_in_child(&look));
	ASSERT_EQ(0, write_text(CGROUP "/cpuset.cpus", "0-1"));
	EXPECT_NE(0, workers_in_child(&look));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/* By real user ID; what root may stays. */
static void to_nobody(void)
{
	if (setresuid(NOBODY, -1, -1))
		_exit(2);
}

/* Whether such a batch is shared now. */
static bool is_shared(FIXTURE_DATA(fanout) *self, void (*confine)(void))
{
	uint64_t cpus = workers_of(self, 2, confine, false, by_ioctl);

	return cpus && cpus != ~0ULL;
}

static struct held held_batch(FIXTURE_DATA(fanout) *self)
{
	struct held held = { .fd = self->region, .cpu = -1, .run = by_ioctl,
			     .batch = batch_of(&self->columns, 2) };

	held.batch.results = 0;
	return held;
}

/* Whatever becomes of them, others share theirs. */
TEST_F(fanout, user_shares_as_many_as_there_are_cpus)
{
	unsigned int count = sysconf(_SC_NPROCESSORS_ONLN), i;
	struct held *held = calloc(count, sizeof(*held));

	ASSERT_NE(NULL, held);
	for (i = 0; i < count; i++) {
		EXPECT_EQ(true, is_shared(self, NULL));
		held[i] = held_batch(self);
		EXPECT_EQ(1, count_cpus(hold(&held[i])));
	}
	EXPECT_EQ(false, is_shared(self, NULL));
	EXPECT_EQ(true, is_shared(self, to_nobody));
	EXPECT_EQ(true, let_go(&held[0]));
	EXPECT_EQ(true, is_shared(self, NULL));
	for (i = 1; i < count; i++)
		EXPECT_EQ(true, let_go(&held[i]));
	free(held);
}

/*
 * In a child: die in a batch, while another process, which is returned in
 * @keeper, keeps its workers waiting.
 */
static void die_in_batch(FIXTURE_DATA(fanout) *self, pid_t *keeper)
{
	struct held held = held_batch(self);
	pid_t child;

	if (count_cpus(hold(&held)) != 1)
		_exit(1);
	child = fork();
	while (!child)
		pause();
	*keeper = child;
	raise(SIGKILL);
}

/* The call of a killed caller ends, its workers wait for what they wait for. */
TEST_F(fanout, workers_of_the_killed_count)
{
	unsigned int count = sysconf(_SC_NPROCESSORS_ONLN), i;
	pid_t *keepers = new_column(count), child;

	ASSERT_NE(NULL, keepers);
	for (i = 0; i < count; i++) {
		child = fork();
		if (!child)
			die_in_batch(self, &keepers[i]);
		EXPECT_EQ(256 + SIGKILL, wait_child(child));
		EXPECT_EQ(i + 1, get_info(self->device).batches);
	}
	EXPECT_EQ(false, is_shared(self, NULL));
	EXPECT_EQ(true, is_shared(self, to_nobody));
	for (i = 0; i < count; i++) {
		if (keepers[i] > 0)
			kill(keepers[i], SIGKILL);
	}
	for (i = 0; i < 150 && get_info(self->device).batches; i++)
		usleep(100000);
	EXPECT_EQ(true, is_shared(self, NULL));
	munmap(keepers, count * 8);
}

/* Batches in row order on a region of its own, until told to stop. */
static int verify_batches(int device, const bool *stop, unsigned int cpu,
			  uint64_t *runs)
{
	struct columns columns;
	int fd = create_region(device);
	uint64_t times;

	if (fd < 0 || !new_columns(&columns, SHARED_ROWS))
		return 1;
	if (cpu != UINT32_MAX)
		bind_to(cpu);
	for (times = 1; !__atomic_load_n(stop, __ATOMIC_RELAXED); times++) {
		memset(columns.results, 0xff, SHARED_ROWS * 8);
		if (run_batch(fd, &columns, 2))
			return 2;
		if (!results_are_in_order(&columns, times))
			return 3;
		__atomic_fetch_add(runs, 1, __ATOMIC_RELAXED);
		/* When its CPU goes off the kernel lifts a binding. */
		if (cpu != UINT32_MAX)
			bind_to(cpu);
	}
	return 0;
}

#define SWITCHES 15

/*
 * A CPU goes off and comes on while batches run everywhere, one of whose
 * callers is bound to it: none is out of order, and none waits for ever.
 */
TEST_F_TIMEOUT(fanout, cpu_goes_off_and_on, 120)
{
	struct {
		bool stop;
		uint64_t runs;
	} *shared = new_column(8);
	unsigned int i, wait;
	uint64_t before;
	pid_t children[8];

	if (access(CPU1, W_OK))
		SKIP(return, "CPU 1 can't be switched off here");
	ASSERT_NE(NULL, shared);
	for (i = 0; i < COUNT_OF(children); i++) {
		children[i] = fork();
		if (!children[i])
			_exit(verify_batches(self->device, &shared->stop,
					     i ? UINT32_MAX : 1,
					     &shared->runs));
	}
	for (i = 0, wait = 0; i < 2 * SWITCHES && wait < 10000; i++) {
		before = __atomic_load_n(&shared->runs, __ATOMIC_RELAXED);
		EXPECT_EQ(0, write_text(CPU1, i % 2 ? "1" : "0"));
		/* A batch ends after each switch; a hang is the timeout's. */
		for (wait = 0; wait < 10000; wait++) {
			if (__atomic_load_n(&shared->runs, __ATOMIC_RELAXED) >
			    before)
				break;
			usleep(1000);
		}
		EXPECT_GT(10000, wait);
	}
	EXPECT_EQ(0, write_text(CPU1, "1"));
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < COUNT_OF(children); i++)
		EXPECT_EQ(0, wait_child(children[i]));
	TH_LOG("%llu batches in %u switches",
	       (unsigned long long)shared->runs, 2 * SWITCHES);
	munmap(shared, 64);
}

/* Slices, each of whose rows clear words of the slice's own. */
#define SLICES 8
#define SLICE_WORDS (WORDS / SLICES)

/*
 * A CPU goes off when it and another are each in the middle of a slice: those
 * that neither has begun run all the same.
 */
TEST_F(fanout, cpu_goes_off_in_mid_batch)
{
	uint32_t slice_rows = self->before.slice_rows;
	uint64_t rows = (uint64_t)slice_rows * SLICES, i, words[WORDS];
	uint64_t *offsets = new_column(rows), *operands;
	struct held held = { .fd = self->region, .run = by_ioctl };
	pthread_t thread;
	int fault;

	if (access(CPU1, W_OK))
		SKIP(return, "CPU 1 can't be switched off here");
	ASSERT_NE(NULL, offsets);
	for (i = 0; i < rows; i++)
		offsets[i] = (i / slice_rows * SLICE_WORDS + i % SLICE_WORDS) * 8;
	for (held.cpu = 0; held.cpu < 2; held.cpu++) {
		memset(words, 0xff, sizeof(words));
		ASSERT_EQ(REGION_BYTES,
			  pwrite(self->region, words, REGION_BYTES, 0));
		operands = mmap(NULL, rows * 8, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, operands);
		fault = begin_waiting(operands, rows * 8);
		ASSERT_LE(0, fault);
		held.batch = (struct shatomic_ioc_batch){
			.size = sizeof(held.batch),
			.op = SHATOMIC_OP_FETCH_AND_AND, .width = 8,
			.parallelism = 2, .rows = rows,
			.offsets = (uintptr_t)offsets,
			.operands = (uintptr_t)operands,
		};
		ASSERT_EQ(0, pthread_create(&thread, NULL, run_held, &held));
		ASSERT_TRUE(await_readers(fault, 2));
		EXPECT_EQ(0, write_text(CPU1, "0"));
		EXPECT_TRUE(end_waiting(fault, operands, rows * 8));
		pthread_join(thread, NULL);
		EXPECT_EQ(0, write_text(CPU1, "1"));
		EXPECT_EQ(0, held.ret);
		EXPECT_EQ(rows, held.batch.rows_done);
		ASSERT_EQ(REGION_BYTES,
			  pread(self->region, words, REGION_BYTES, 0));
		for (i = 0; i < WORDS; i++)
			ASSERT_EQ(0, words[i]);
		munmap(operands, rows * 8);
		close(fault);
	}
	munmap(offsets, rows * 8);
}

/* What was killed in mid-batch has left nothing; others' batches go on. */
TEST_F_TIMEOUT(fanout, callers_killed_in_mid_batch, 120)
{
	unsigned int round, i, killed_at_it = 0;
	pid_t children[3];

	for (round = 0; round < 20; round++) {
		for (i = 0; i < COUNT_OF(children); i++) {
			children[i] = fork();
			if (children[i])
				continue;
			while (!run_batch(self->region, &self->columns, i))
				;
			_exit(1);
		}
		usleep(5000 + next_random() % 20000);
		killed_at_it += get_info(self->device).batches;
		for (i = 0; i < COUNT_OF(children); i++)
			kill(children[i], SIGKILL);
		for (i = 0; i < COUNT_OF(children); i++)
			EXPECT_EQ(256 + SIGKILL, wait_child(children[i]));
	}
	EXPECT_LT(20, killed_at_it);

	/* The teardown waits for those of killed callers to end. */
	ASSERT_EQ(0, run_batch(self->region, &self->columns, 2));
}

#define HUGE_ROWS (16U << 20)
#define SMALL_ROWS 1000

struct huge {
	int fd;
	struct columns columns;
	int ret;
	bool ended;
};

static void *run_huge(void *arg)
{
	struct huge *huge = arg;

	huge->ret = run_batch(huge->fd, &huge->columns, UINT32_MAX);
	__atomic_store_n(&huge->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * While a huge batch has all CPUs, small ones get their turn, those that are
 * shared between CPUs as well: were it in their way, hardly one would end
 * before it. They have hundreds of times fewer rows, and half a CPU or more.
 */
TEST_F_TIMEOUT(fanout, huge_batch_leaves_room_for_small_ones, 120)
{
	struct huge huge = { .fd = create_region(self->device) };
	unsigned int small = 0;
	pthread_t thread;

	ASSERT_TRUE(new_columns(&huge.columns, HUGE_ROWS));
	/* Pages that are there: to bring one in, a CPU may leave the batch. */
	memset(huge.columns.results, 0xff, HUGE_ROWS * 8UL);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_huge, &huge));
	while (!get_info(self->device).batches)
		sched_yield();
	while (!__atomic_load_n(&huge.ended, __ATOMIC_ACQUIRE)) {
		self->columns.rows = SMALL_ROWS;
		ASSERT_EQ(0, run_batch(self->region, &self->columns, 0));
		self->columns.rows = SHARED_ROWS;
		ASSERT_EQ(0, run_batch(self->region, &self->columns, 2));
		small++;
	}
	self->columns.rows = ROWS;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, huge.ret);
	EXPECT_TRUE(results_are_in_order(&huge.columns, 1));
	TH_LOG("%u batches each of %u and %u rows in one of %u", small,
	       SMALL_ROWS, SHARED_ROWS, HUGE_ROWS);
	EXPECT_LT(HUGE_ROWS / (SMALL_ROWS + SHARED_ROWS) / 20, small);
	free_columns(&huge.columns);
	close(huge.fd);
}

TEST_HARNESS_MAIN
