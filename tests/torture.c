// SPDX-License-Identifier: GPL-2.0-only
/*
 * Torture: dozens of processes that run batches on shared regions in every way
 * there is, create, open, unlink, map and pass regions on, fork, and kill each
 * other, while CPUs go off and on, memory is short and limits are low. At the
 * end of each round, when nothing is in flight any more, each word of the
 * shared regions has to be exactly the sum of what rows added that were
 * acknowledged, or that a killed process's statuses say ran.
 *
 *   TORTURE_SECONDS=600 torture
 *
 * Root runs it in a guest whose module shares batches of few rows (slice_rows),
 * see tests/vm/guest. TAP, with figures as comments.
 */
#include "common.h"
#include "cpus.h"
#include "tap.h"
#include "torture_journal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define DEVICE "/dev/shatomic"
#define PARAMETERS "/sys/module/shatomic/parameters/"
#define CGROUP "/sys/fs/cgroup/torture"
#define NOBODY 65534
#define SHARER 65533	/* user of those who share batches with a CPU */
#define SHARERS 12	/* of the lives of a round, spread over it */
#define PROCESSES 32	/* at a time */
#define LIVES 256	/* processes of a round, those that were killed too */
#define QUEUED 3	/* batches of a process in its queue */
#define NAMES 6
#define ROUND_SECONDS 15
#define REGION_BYTES (1UL << 16)
#define MAX_OWN_BYTES (4UL << 20)

/**
 * struct life - One process, which is killed or comes to its end
 * @pid: Its number while it may be killed, else 0.
 * @own: Journal of batches that it waits for.
 * @queued: Of those in its queue.
 */
struct life {
	pid_t pid;
	struct journal own;
	struct journal queued[QUEUED];
};

/* Of each life, and then of its journals, in memory that outlives it. */
struct statuses {
	uint8_t own[LIVES][MAX_ROWS];
	uint8_t queued[LIVES][QUEUED][MAX_ROWS];
	uint8_t sharers[SHARERS][LONG_ROWS];
};

/**
 * struct shared - What all processes of a round have
 * @stop: The round is over.
 * @lives: How many there have been.
 * @victim: The CPU that goes off next.
 * @figures: What has happened, over all rounds.
 * @life: Each of them.
 */
struct shared {
	bool stop;
	uint32_t lives;
	uint32_t victim;
	struct {
		uint64_t sync, by_ring, by_threads, shared;
		uint64_t forks, kills, regions, names, unlinks, passed;
		uint64_t refused[SHATOMIC_LIMIT_USER_REGIONS + 1];
		uint64_t wrong;
	} figures;
	struct life life[LIVES];
};

static struct shared *shared;
static struct statuses *statuses;
/* One end gives, the other takes: descriptors of the shared regions. */
static int post[2];

static void count(uint64_t *figure)
{
	__atomic_fetch_add(figure, 1, __ATOMIC_RELAXED);
}

/* By which limit; those of regions are not told by the library. */
static void count_refused(uint32_t limit)
{
	count(&shared->figures.refused[limit < COUNT_OF(shared->figures.refused) ?
				       limit : SHATOMIC_LIMIT_NONE]);
}

static bool is_over(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

/* What must not happen to a process; it is told once, by number. */
static void wrong(const char *what, int err)
{
	count(&shared->figures.wrong);
	printf("# %s: %d %s\n", what, err, shatomic_error());
	fflush(stdout);
}

static pid_t fork_flushed(void)
{
	fflush(stdout);
	return fork();
}

static struct shatomic_ioc_info get_info(void)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };
	int fd = open(DEVICE, O_RDWR);

	if (fd < 0 || ioctl(fd, SHATOMIC_IOC_INFO, &info))
		info.batches = ~0U;
	close(fd);
	return info;
}

/*
 * What a process does.
 */

/**
 * struct worker - A process
 * @life: Its journals.
 * @regions: The shared ones, by its own handles.
 * @queue: Of its batches.
 * @by_ring: Whether io_uring runs them, not threads of the library.
 * @batches: Those in the queue.
 * @in_queue: Which are.
 */
struct worker {
	struct life *life;
	struct shatomic_region *regions[REGIONS];
	struct shatomic_queue *queue;
	bool by_ring;
	struct shatomic_batch batches[QUEUED];
	bool in_queue[QUEUED];
};

/* Rows for one chunk, for one CPU, or for several. */
static uint32_t choose_rows(void)
{
	static const uint32_t most[] = { 16, 900, 4000, MAX_ROWS, MAX_ROWS };

	return 1 + next_random() % most[next_random() % COUNT_OF(most)];
}

static void prepare(struct shatomic_batch *batch, struct journal *journal,
		    uint32_t rows)
{
	journal_begin(journal, next_random() % REGIONS,
		      next_random() % (PATTERN_ROWS - rows), rows);
	*batch = (struct shatomic_batch){
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.rows = rows,
		.offsets = pattern_offsets + journal->first,
		.operands = pattern_operands + journal->first,
		.statuses = journal->statuses,
		.parallelism = next_random() % 4,
		.flags = next_random() % 2 ? SHATOMIC_BATCH_UNORDERED : 0,
	};
}

/* What came of a batch: all of it, or nothing where a limit refused it. */
static void account(struct journal *journal, const struct shatomic_batch *batch,
		    int err)
{
	uint32_t ran = journal_end(journal);

	if (!err && ran == batch->rows && batch->rows_done == ran)
		return;
	if ((err == -EPERM || err == -ENOMEM) && !ran && batch->limit) {
		count_refused(batch->limit);
		return;
	}
	wrong("a batch", err);
}

static void run_batch(struct worker *worker)
{
	struct journal *journal = &worker->life->own;
	struct shatomic_batch batch;
	int err;

	prepare(&batch, journal, choose_rows());
	err = shatomic_batch_run(worker->regions[journal->region], &batch);
	account(journal, &batch, err);
	count(&shared->figures.sync);
}

/*
 * Share a batch with the CPU that goes off next. No batch begins to be shared
 * while it does, so it is one that takes longer than that: then a worker is in
 * the middle of its lane when its CPU goes.
 */
static void share_batch(struct worker *worker)
{
	struct journal *journal = &worker->life->own;
	struct shatomic_batch batch;
	cpu_set_t cpus;
	int err;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CPU_SET(__atomic_load_n(&shared->victim, __ATOMIC_RELAXED), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	prepare(&batch, journal, LONG_ROWS);
	batch.parallelism = 2;
	batch.flags = 0;
	err = shatomic_batch_run(worker->regions[journal->region], &batch);
	account(journal, &batch, err);
	count(&shared->figures.shared);
}

static void queue_batch(struct worker *worker)
{
	struct journal *journal;
	unsigned int i;
	int err;

	for (i = 0; i < QUEUED && worker->in_queue[i]; i++)
		;
	if (i == QUEUED)
		return;
	journal = &worker->life->queued[i];
	prepare(&worker->batches[i], journal, choose_rows());
	err = shatomic_queue_submit(worker->queue,
				    worker->regions[journal->region],
				    &worker->batches[i], i);
	if (err)
		wrong("submitting", err);
	worker->in_queue[i] = !err;
	count(worker->by_ring ? &shared->figures.by_ring :
				&shared->figures.by_threads);
}

static void take_completions(struct worker *worker, bool all)
{
	struct shatomic_completion completions[QUEUED];
	unsigned int left, i;
	int count;

	do {
		count = next_random() % 2 && !all ?
				shatomic_queue_poll(worker->queue, completions,
						    QUEUED) :
				shatomic_queue_wait(worker->queue, completions,
						    1, NULL);
		for (i = 0; count > 0 && i < (unsigned int)count; i++) {
			account(&worker->life->queued[completions[i].user_data],
				completions[i].batch, completions[i].result);
			worker->in_queue[completions[i].user_data] = false;
		}
		left = 0;
		for (i = 0; i < QUEUED; i++)
			left += worker->in_queue[i];
	} while (all && left);
}

/* A region of its own: made, filled, read, gone. */
static void use_own_region(void)
{
	uint64_t offsets[64], operands[64], *words;
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE,
		.size = 4096 + next_random() % MAX_OWN_BYTES,
		.flags = next_random() % 2 ? SHATOMIC_CREATE_ASYNC_FREE : 0,
	};
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = 64,
		.offsets = offsets, .operands = operands,
	};
	struct shatomic_region *region;
	unsigned int i;
	int err;

	err = shatomic_create(&options, &region);
	if (err == -ENOMEM || err == -EPERM) {
		count_refused(SHATOMIC_LIMIT_NONE);
		return;
	}
	if (err) {
		wrong("creating", err);
		return;
	}
	words = shatomic_buf(region, NULL);
	for (i = 0; i < 64; i++) {
		offsets[i] = next_random() % (options.size / 8) * 8;
		operands[i] = 1;
		if (words[offsets[i] / 8])
			wrong("a new region is not zero", 0);
	}
	err = shatomic_batch_run(region, &batch);
	if (err && !batch.limit)
		wrong("a batch on an own region", err);
	for (i = 0; !err && i < 64; i++) {
		if (!shatomic_get_u64(&words[offsets[i] / 8]))
			wrong("a word was not updated", 0);
	}
	shatomic_close(region);
	count(&shared->figures.regions);
}

/* Names that all processes fight for. */
static void use_name(void)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE, .size = 8192, .mode = 0666,
	};
	struct shatomic_region *region = NULL;
	char name[SHATOMIC_NAME_SIZE];

	snprintf(name, sizeof(name), "torture-%u",
		 (unsigned int)(next_random() % NAMES));
	options.name = name;
	switch (next_random() % 3) {
	case 0:
		shatomic_create(&options, &region);
		break;
	case 1:
		shatomic_open(SHATOMIC_BACKEND_DEVICE, name,
			      next_random() % 2 ? SHATOMIC_OPEN_READ_ONLY : 0,
			      &region);
		break;
	case 2:
		if (!shatomic_unlink(SHATOMIC_BACKEND_DEVICE, name))
			count(&shared->figures.unlinks);
		break;
	}
	if (region && (shatomic_get_u64(shatomic_buf(region, NULL))))
		wrong("a named region is not zero", 0);
	if (region)
		count(&shared->figures.names);
	shatomic_close(region);
}

/* Give the descriptor of a shared region to whoever takes it. */
static void give_region(struct worker *worker)
{
	uint32_t which = next_random() % REGIONS;
	int fd = shatomic_fd(worker->regions[which]);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { &which, sizeof(which) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sendmsg(post[0], &message, MSG_DONTWAIT);
}

/* Take one, and use it from now on in place of the own handle. */
static void take_region(struct worker *worker)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	uint32_t which, i;
	struct iovec part = { &which, sizeof(which) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct shatomic_region *region;
	int fd;

	for (i = 0; i < QUEUED; i++) {
		/* A handle is closed when nothing uses it. */
		if (worker->in_queue[i])
			return;
	}
	if (recvmsg(post[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
		    sizeof(which) ||
	    message.msg_controllen < CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	if (!shatomic_import(fd, &region)) {
		shatomic_close(worker->regions[which]);
		worker->regions[which] = region;
		count(&shared->figures.passed);
	}
	close(fd);
}

static void kill_somebody(void)
{
	uint32_t lives = __atomic_load_n(&shared->lives, __ATOMIC_RELAXED);
	pid_t pid;

	/* Some are to be left when there are no more to come. */
	if (lives >= LIVES)
		return;
	pid = __atomic_load_n(&shared->life[next_random() % lives].pid,
			      __ATOMIC_RELAXED);
	if (pid > 0 && pid != getpid() && !kill(pid, SIGKILL))
		count(&shared->figures.kills);
}

static void live(struct life *life, struct shatomic_region *const *regions);

/* The child has a life of its own, with the same regions. */
static void fork_life(struct shatomic_region *const *regions)
{
	uint32_t which;

	if (__atomic_load_n(&shared->lives, __ATOMIC_RELAXED) >= LIVES)
		return;
	which = __atomic_fetch_add(&shared->lives, 1, __ATOMIC_RELAXED);
	if (which >= LIVES)
		return;
	if (fork_flushed() == 0) {
		live(&shared->life[which], regions);
		_exit(0);
	}
	count(&shared->figures.forks);
}

static void act(struct worker *worker)
{
	switch (next_random() % 32) {
	case 0:
		use_own_region();
		break;
	case 1:
	case 2:
		use_name();
		break;
	case 3:
		give_region(worker);
		break;
	case 4:
		take_region(worker);
		break;
	case 5:
		if (next_random() % 2)
			kill_somebody();
		break;
	case 6:
		if (next_random() % 16 == 0)
			fork_life(worker->regions);
		break;
	case 7: case 8: case 9: case 10: case 11:
		take_completions(worker, false);
		break;
	case 12: case 13: case 14: case 15: case 16: case 17: case 18:
		queue_batch(worker);
		break;
	default:
		run_batch(worker);
	}
}

/* Some lives share batches, and do nothing else. */
static bool is_sharer(unsigned int which)
{
	return which % (LIVES / SHARERS) == 0 &&
	       which / (LIVES / SHARERS) < SHARERS;
}

static void live(struct life *life, struct shatomic_region *const *regions)
{
	struct shatomic_queue_options options = {
		.entries = QUEUED,
		.flags = next_random() % 4 ? 0 : SHATOMIC_QUEUE_NO_RING,
	};
	struct worker worker = { .life = life };
	bool sharer;
	unsigned int i;

	random_state ^= (uint64_t)getpid() * 0x9e3779b97f4a7c15;
	random_state |= 1;
	prctl(PR_SET_PDEATHSIG, 0);
	sharer = is_sharer(life - shared->life);
	/* Sharers, and the kernel's workers, get their turn beside the others. */
	setpriority(PRIO_PROCESS, 0, sharer ? 10 : 19);
	if (getuid() == 0 && (sharer || next_random() % 2) &&
	    setuid(sharer ? SHARER : NOBODY))
		wrong("setuid", -errno);
	for (i = 0; i < REGIONS; i++) {
		if (shatomic_import(shatomic_fd(regions[i]),
				    &worker.regions[i]))
			_exit(3);
	}
	/* Where there is no memory for one there is nothing to do. */
	if (!lock_cpus(F_RDLCK) ||
	    shatomic_queue_create(&options, &worker.queue))
		_exit(4);
	lock_cpus(F_UNLCK);
	worker.by_ring = !(options.flags & SHATOMIC_QUEUE_NO_RING);
	__atomic_store_n(&life->pid, getpid(), __ATOMIC_SEQ_CST);
	while (!is_over()) {
		if (sharer)
			share_batch(&worker);
		else
			act(&worker);
	}
	take_completions(&worker, true);
	shatomic_queue_close(worker.queue);
}

/*
 * What goes on around them.
 */

/*
 * A batch that has lost a CPU ends before that CPU is back, which its worker goes
 * back to, or a second later.
 */
static void wait_for_shared(void)
{
	uint64_t before = __atomic_load_n(&shared->figures.shared,
					  __ATOMIC_RELAXED);
	unsigned int i;

	for (i = 0; i < 100 && !is_over(); i++) {
		if (__atomic_load_n(&shared->figures.shared,
				    __ATOMIC_RELAXED) != before)
			break;
		usleep(10000);
	}
}

/* CPUs but the first go off and on. */
static void plug_cpus(uint64_t *plugged)
{
	unsigned int cpu;

	random_state += 12345;
	while (!is_over()) {
		cpu = 1 + next_random() % (sysconf(_SC_NPROCESSORS_CONF) - 1);
		/* Time for batches to be shared with it. */
		__atomic_store_n(&shared->victim, cpu, __ATOMIC_RELAXED);
		usleep(20000 + next_random() % 50000);
		if (!switch_cpu(cpu, "0"))
			count(plugged);
		wait_for_shared();
		switch_cpu(cpu, "1");
	}
	_exit(0);
}

/* Takes memory of the group that all processes are in, and lets it go. */
static void press_memory(void)
{
	size_t bytes = 112UL << 20, at;
	char *memory;

	while (!is_over()) {
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (at = 0; memory != MAP_FAILED && at < bytes && !is_over();
		     at += 4096)
			memory[at] = 1;
		usleep(next_random() % 300000);
		munmap(memory, bytes);
		usleep(next_random() % 300000);
	}
	_exit(0);
}

static void join_group(void)
{
	write_text(CGROUP "/cgroup.procs", "0");
}

/**
 * struct round - The processes of a round
 * @regions: The shared regions.
 * @before: What there was when it began.
 * @presser: Presses memory; the kernel kills it now and then, for that.
 * @ended: How many of the lives have ended.
 * @killed: How many of them were killed.
 */
struct round {
	struct shatomic_region *regions[REGIONS];
	struct shatomic_ioc_info before;
	pid_t presser;
	unsigned int ended;
	unsigned int killed;
};

static void end_life(struct round *round, const siginfo_t *info)
{
	unsigned int i;

	/* Before the number can be another's. */
	for (i = 0; i < LIVES; i++) {
		if (shared->life[i].pid == info->si_pid)
			shared->life[i].pid = 0;
	}
	round->ended++;
	round->killed += info->si_code == CLD_KILLED &&
			 info->si_status == SIGKILL;
	if (info->si_status != SIGKILL && info->si_code != CLD_EXITED)
		wrong("a process died by signal", info->si_status);
}

/* Bury those who have ended; whether there are others. */
static bool reap(struct round *round)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT))
			return errno != ECHILD;
		if (!info.si_pid)
			return true;
		if (info.si_pid == round->presser)
			round->presser = 0;
		else
			end_life(round, &info);
		waitpid(info.si_pid, NULL, 0);
	}
}

/* Have as many as there are to be. */
static void populate(struct round *round)
{
	uint32_t which;

	if (!round->presser) {
		round->presser = fork_flushed();
		if (!round->presser) {
			join_group();
			press_memory();
		}
	}
	/* Those that lives fork are of the same number. */
	while (shared->lives < LIVES - PROCESSES &&
	       shared->lives - round->ended < PROCESSES) {
		which = __atomic_fetch_add(&shared->lives, 1, __ATOMIC_RELAXED);
		if (fork_flushed() == 0) {
			join_group();
			live(&shared->life[which], round->regions);
			_exit(0);
		}
		next_random();
	}
}

/* Until nothing of any of them is in flight. */
static bool settle(const struct shatomic_ioc_info *before)
{
	struct shatomic_ioc_info now;
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		now = get_info();
		if (!now.batches && now.regions <= before->regions &&
		    now.pinned_bytes <= before->pinned_bytes)
			return true;
		usleep(10000);
	}
	printf("# %u batches, %u regions, %llu bytes are left\n", now.batches,
	       now.regions, (unsigned long long)now.pinned_bytes);
	return false;
}

static bool sums_agree(struct shatomic_region *const *regions,
		       const struct sums *total)
{
	unsigned int region, word, faults = 0;
	uint64_t *words, is;

	for (region = 0; region < REGIONS; region++) {
		words = shatomic_buf(regions[region], NULL);
		for (word = 0; word < WORDS; word++) {
			is = words[word * 8];
			if (is == total->words[region][word])
				continue;
			printf("# region %u word %u is %llu, not %llu\n", region,
			       word, (unsigned long long)is,
			       (unsigned long long)total->words[region][word]);
			faults++;
		}
	}
	return !faults;
}

static void unlink_names(void)
{
	char name[SHATOMIC_NAME_SIZE];
	unsigned int i;

	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "torture-%u", i);
		shatomic_unlink(SHATOMIC_BACKEND_DEVICE, name);
	}
}

/* All processes, helpers too, end by themselves or have the round fail. */
static bool end_processes(struct round *round)
{
	unsigned int i;

	__atomic_store_n(&shared->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < 12000; i++) {
		if (!reap(round))
			return true;
		usleep(10000);
	}
	return false;
}

/* What has been verified and what has happened, over all rounds. */
static struct {
	uint64_t rounds, batches, rows, cut_off, killed;
	uint64_t *plugged;
} all;

static void place_statuses(void)
{
	unsigned int i, j;

	for (i = 0; i < LIVES; i++) {
		shared->life[i].own.statuses =
			is_sharer(i) ? statuses->sharers[i / (LIVES / SHARERS)] :
				       statuses->own[i];
		for (j = 0; j < QUEUED; j++)
			shared->life[i].queued[j].statuses =
				statuses->queued[i][j];
	}
}

static void begin_round(struct round *round)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE, .size = REGION_BYTES,
	};
	unsigned int i;

	memset(shared->life, 0, sizeof(shared->life));
	place_statuses();
	shared->lives = 0;
	shared->stop = false;
	*round = (struct round){ .before = get_info() };
	for (i = 0; i < REGIONS; i++) {
		if (shatomic_create(&options, &round->regions[i])) {
			printf("Bail out! %s\n", shatomic_error());
			exit(1);
		}
	}
	if (fork_flushed() == 0)
		plug_cpus(all.plugged);
}

/* Until the kernel has nothing more to do with any batch. */
static bool wait_for_batches(void)
{
	unsigned int i;

	for (i = 0; i < 3000 && get_info().batches; i++)
		usleep(10000);
	return !get_info().batches;
}

static void add_up(struct sums *total)
{
	unsigned int i, j;

	for (i = 0; i < LIVES; i++) {
		journal_read(&shared->life[i].own, total, &all.cut_off);
		for (j = 0; j < QUEUED; j++)
			journal_read(&shared->life[i].queued[j], total,
				     &all.cut_off);
	}
}

static void end_round(struct round *round)
{
	unsigned long long number = ++all.rounds;
	struct sums total = { 0 };
	unsigned int i;

	report(end_processes(round), "round %llu: all processes end", number);
	report(wait_for_batches(), "round %llu: no batch is left", number);
	add_up(&total);
	all.batches += total.batches;
	all.rows += total.rows;
	all.killed += round->killed;
	report(sums_agree(round->regions, &total),
	       "round %llu: each word is the sum of what was added to it, %llu rows in all",
	       number, (unsigned long long)total.rows);
	unlink_names();
	for (i = 0; i < REGIONS; i++)
		shatomic_close(round->regions[i]);
	/* What is in transit goes with its socket. */
	close(post[0]);
	close(post[1]);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, post))
		exit(1);
	report(settle(&round->before), "round %llu: no region is left", number);
	report(!shared->figures.wrong, "round %llu: nothing went wrong",
	       number);
}

static void run_round(void)
{
	time_t end = time(NULL) + ROUND_SECONDS;
	struct round round;

	begin_round(&round);
	while (time(NULL) < end) {
		reap(&round);
		populate(&round);
		usleep(20000);
	}
	end_round(&round);
}

static void *map_shared(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	/* A status that can't be written would not be one that tells. */
	if (memory == MAP_FAILED || mlock(memory, bytes)) {
		perror("# memory");
		exit(1);
	}
	return memory;
}

/* How often something happened to the memory group. */
static uint64_t memory_events(const char *what)
{
	FILE *events = fopen(CGROUP "/memory.events", "r");
	unsigned long long times = 0;
	char key[64];

	while (events && fscanf(events, "%63s %llu", key, &times) == 2) {
		if (!strcmp(key, what))
			break;
		times = 0;
	}
	if (events)
		fclose(events);
	return times;
}

/* What does not happen is not tested: each kind of thing has, and how often. */
static void report_kinds(void)
{
	const struct {
		const char *what;
		uint64_t times;
	} kinds[] = {
		{ "batches that were waited for", shared->figures.sync },
		{ "batches queued with io_uring", shared->figures.by_ring },
		{ "batches queued without", shared->figures.by_threads },
		{ "batches shared with a CPU that goes off",
		  shared->figures.shared },
		{ "processes killed", all.killed },
		{ "batches cut off by it", all.cut_off },
		{ "CPUs that went off", *all.plugged },
		{ "forks of lives", shared->figures.forks },
		{ "regions made and gone", shared->figures.regions },
		{ "regions found by name", shared->figures.names },
		{ "names removed", shared->figures.unlinks },
		{ "descriptors passed", shared->figures.passed },
		{ "regions refused by a limit",
		  shared->figures.refused[SHATOMIC_LIMIT_NONE] },
		{ "batches refused by max_user_batches",
		  shared->figures.refused[SHATOMIC_LIMIT_USER_BATCHES] },
		{ "times at the limit of the memory group",
		  memory_events("max") },
	};
	unsigned int i;

	for (i = 0; i < COUNT_OF(kinds); i++)
		report(kinds[i].times, "%s: %llu", kinds[i].what,
		       (unsigned long long)kinds[i].times);
}

static bool set_up(void)
{
	struct rlimit core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &core);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
	write_text("/proc/sys/vm/compact_unevictable_allowed", "0");
	/* Else a CPU takes seconds to go off, where so many others run. */
	write_text("/sys/kernel/rcu_expedited", "1");
	if (chmod(DEVICE, 0666) ||
	    write_text(PARAMETERS "max_user_batches", "12") ||
	    write_text(PARAMETERS "max_pinned_bytes", "50331648") ||
	    write_text(PARAMETERS "max_regions", "20")) {
		perror("# " DEVICE);
		return false;
	}
	mkdir(CGROUP, 0755);
	return prepare_cpus() &&
	       !write_text(CGROUP "/memory.max", "134217728") &&
	       !socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, post);
}

int main(void)
{
	const char *seconds = getenv("TORTURE_SECONDS");
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 60);

	seed_random();
	fill_pattern();
	if (!set_up()) {
		printf("not ok 1 the guest can be tortured\n1..1\n");
		return 1;
	}
	shared = map_shared(sizeof(*shared));
	statuses = map_shared(sizeof(*statuses));
	all.plugged = map_shared(sizeof(*all.plugged));
	do {
		run_round();
	} while (time(NULL) < end && !tap_failed);

	printf("# %llu rounds: %llu batches, %llu rows, all verified\n",
	       (unsigned long long)all.rounds, (unsigned long long)all.batches,
	       (unsigned long long)all.rows);
	printf("# %llu processes killed by the memory group's limit\n",
	       (unsigned long long)memory_events("oom_kill"));
	/* Who ends at the first wrong round has not had the time. */
	if (!tap_failed)
		report_kinds();
	return report_end();
}
