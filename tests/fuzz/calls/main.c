// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the module from its every side: sequences of calls, guided by what
 * they reach in the module. A worker for each CPU makes and tries inputs, and
 * all share what they find. Meanwhile tracepoints go on and off, root looks at
 * debugfs, a CPU goes off now and then, and the module goes and comes back. In the
 * end nothing may be left of it all; what the kernel has to say, the guest's log
 * tells.
 *
 *   FUZZ_CALLS=10000000 FUZZ_CORPUS=file FUZZ_NEW=file calls
 *
 * It takes FUZZ_SECONDS at most, begins with the inputs in FUZZ_CORPUS and
 * leaves in FUZZ_NEW the least of them, and of those it found, that reach all.
 * Root runs it in a guest with KCOV and fault injection, see tests/fuzz/run-module;
 * where there is neither, inputs are changed at random, and no call is made to
 * fail. TAP, with figures as comments.
 */
#include "calls.h"
#include "../../tap.h"

#include <sys/ioctl.h>

#define MAX_WORKERS 16
#define MAX_KINDS 64
#define REGIONS "/sys/kernel/debug/shatomic/regions"
#define TRACING "/sys/kernel/tracing/"
/* What no worker may take longer for than. */
#define STUCK_SECONDS 120
#define REPORT_SECONDS 30
/* How often the module goes, which takes workers a start. */
#define UNLOAD_SECONDS 150

/**
 * struct worker - What is known of a worker
 * @pid: The process.
 * @inputs: How many inputs it has tried.
 * @calls: How many calls it has made, by kind.
 * @current: What it is at.
 */
struct worker {
	pid_t pid;
	uint64_t inputs;
	uint64_t calls[MAX_KINDS];
	struct sequence current;
};

static struct shared {
	bool stop;
	struct worker workers[MAX_WORKERS];
	struct guide guide;
	bool kept[MAX_FOUND];
} *shared;

static unsigned int worker_count;

/*
 * Workers.
 */

/* One process has one. */
static struct world world;

static void set_up_world(unsigned int number, uint64_t *calls)
{
	if (world_set_up(&world, number, calls) && guide_begin(number))
		return;
	perror("# a worker can't begin");
	exit(1);
}

static void work(unsigned int number)
{
	struct worker *worker = &shared->workers[number];
	struct guide *guide = &shared->guide;
	uint32_t known = worker->inputs ? 0 : guide_found(guide), i;

	set_up_world(number, worker->calls);
	/* Once: it may be started again. */
	for (i = number; i < known; i += worker_count) {
		worker->current = guide->found[i].sequence;
		guide_replay(guide, &world, i);
		worker->inputs++;
	}
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		guide_invent(guide, &worker->current);
		guide_try(guide, &world, &worker->current);
		__atomic_fetch_add(&worker->inputs, 1, __ATOMIC_RELAXED);
	}
}

static pid_t start(void (*run)(unsigned int number), unsigned int number)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	run(number);
	exit(0);
}

static uint64_t count_calls(unsigned int kind)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < worker_count; i++)
		count += __atomic_load_n(&shared->workers[i].calls[kind],
					 __ATOMIC_RELAXED);
	return count;
}

static uint64_t all_calls(void)
{
	uint64_t count = 0;
	unsigned int kind;

	for (kind = 0; kind < kind_count; kind++)
		count += count_calls(kind);
	return count;
}

static uint64_t all_inputs(void)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < worker_count; i++)
		count += __atomic_load_n(&shared->workers[i].inputs,
					 __ATOMIC_RELAXED);
	return count;
}

/*
 * What goes on around them, about once in a second.
 */

static void read_all(const char *path, size_t most)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (most >= sizeof(text) && read(fd, text, sizeof(text)) > 0)
		most -= sizeof(text);
	close(fd);
}

static void print_regions(void)
{
	FILE *file = fopen(REGIONS, "r");
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		printf("# %s", line);
	if (file)
		fclose(file);
}

static void look_around(unsigned int second)
{
	read_all(REGIONS, 1 << 20);
	read_all("/sys/kernel/debug/shatomic/stats", 1 << 20);
	switch (second % 60) {
	case 10:
		write_text(TRACING "events/shatomic/enable", "1");
		break;
	case 12:
		read_all(TRACING "trace", 1 << 16);
		write_text(TRACING "events/shatomic/enable", "0");
		write_text(TRACING "trace", "");
		break;
	case 20:
		world_switch_cpu(1);
		break;
	}
}

static void report_progress(time_t seconds)
{
	const struct guide *guide = &shared->guide;

	printf("# %lld s: %llu calls, %llu inputs, %u kept, %u edges, %u places\n",
	       (long long)seconds, (unsigned long long)all_calls(),
	       (unsigned long long)all_inputs(), guide_found(guide),
	       guide_count(guide->edges, EDGES),
	       guide_count(guide->places, PLACES));
	fflush(stdout);
}

/* What the kernel has to say for itself: most of its complaints change it. */
static unsigned long kernel_taint(void)
{
	char text[32] = "";
	int fd = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);

	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtoul(text, NULL, 10);
}

/* What workers are at is what the kernel may have complained of. */
static bool kernel_is_well(unsigned long taint)
{
	unsigned int i;

	if (kernel_taint() == taint)
		return true;
	for (i = 0; i < worker_count; i++) {
		printf("# the kernel complains; worker %u is at\n", i);
		corpus_print(stdout, "# ", &shared->workers[i].current);
	}
	return false;
}

/* Whether all workers live, and go on. */
static bool workers_are_well(void)
{
	static uint64_t last[MAX_WORKERS];
	static time_t since[MAX_WORKERS];
	unsigned int i;
	int status;

	for (i = 0; i < worker_count; i++) {
		struct worker *worker = &shared->workers[i];
		uint64_t inputs = __atomic_load_n(&worker->inputs,
						  __ATOMIC_RELAXED);

		if (inputs != last[i] || !since[i])
			since[i] = time(NULL);
		last[i] = inputs;
		if (waitpid(worker->pid, &status, WNOHANG) == worker->pid) {
			printf("# worker %u ended, status 0x%x, by\n", i,
			       status);
			worker->pid = 0;
		} else if (time(NULL) - since[i] < STUCK_SECONDS) {
			continue;
		} else {
			printf("# worker %u is stuck by\n", i);
		}
		corpus_print(stdout, "# ", &worker->current);
		return false;
	}
	return true;
}

static void end_workers(bool well)
{
	unsigned int i;

	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < worker_count; i++) {
		if (!shared->workers[i].pid)
			continue;
		if (!well)
			kill(shared->workers[i].pid, SIGKILL);
		waitpid(shared->workers[i].pid, NULL, 0);
	}
}

static void start_workers(void)
{
	unsigned int i;

	__atomic_store_n(&shared->stop, false, __ATOMIC_RELAXED);
	for (i = 0; i < worker_count; i++)
		shared->workers[i].pid = start(work, i);
}

/* With no worker, since one would keep the module; whether all was well. */
static bool unload(void)
{
	unsigned int busy = 0;
	bool well;

	end_workers(true);
	well = names_end() && unload_under_load(&busy) &&
	       world_prepare_module();
	printf("# the module %s, %u times while others used it\n",
	       well ? "went and came back" : "did not go or come back", busy);
	if (well)
		start_workers();
	return well;
}

static void fuzz(uint64_t calls, time_t most)
{
	time_t begin = time(NULL), reported = begin, seconds;
	unsigned long taint = kernel_taint();
	unsigned int second = 0, kind;
	bool well = true;

	start_workers();
	while (all_calls() < calls && time(NULL) - begin < most && well) {
		sleep(1);
		look_around(++second);
		well = kernel_is_well(taint) && workers_are_well() &&
		       (second % UNLOAD_SECONDS || unload());
		if (time(NULL) - reported < REPORT_SECONDS)
			continue;
		reported = time(NULL);
		report_progress(reported - begin);
	}
	end_workers(well);
	seconds = time(NULL) - begin;
	report_progress(seconds);
	for (kind = 0; kind < kind_count; kind++)
		printf("#   %10llu %s\n", (unsigned long long)count_calls(kind),
		       kind_name(kind));
	report(well, "nobody died or hung, nor did the kernel complain");
	report(all_calls() >= calls, "%llu calls, %llu a second",
	       (unsigned long long)all_calls(),
	       (unsigned long long)all_calls() / (seconds ? seconds : 1));
}

static void choose_least(unsigned int number)
{
	static uint64_t calls[MAX_KINDS];

	set_up_world(number, calls);
	guide_keep_least(&shared->guide, &world, shared->kept);
}

/* What is freed later takes a moment. */
static void report_leftovers(void)
{
	struct shatomic_ioc_info info = { .size = sizeof(info) };
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC), i;

	for (i = 0; i < 300; i++) {
		if (ioctl(fd, SHATOMIC_IOC_INFO, &info) ||
		    !(info.regions | info.pinned_bytes | info.batches))
			break;
		usleep(100000);
	}
	close(fd);
	print_regions();
	report(i < 300 && !info.regions && !info.pinned_bytes && !info.batches,
	       "nothing is left: %u regions, %llu bytes, %u batches",
	       info.regions, (unsigned long long)info.pinned_bytes,
	       info.batches);
}

int main(void)
{
	const char *calls = getenv("FUZZ_CALLS");
	const char *seconds = getenv("FUZZ_SECONDS");
	const char *corpus = getenv("FUZZ_CORPUS"), *new = getenv("FUZZ_NEW");

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || !world_prepare_machine()) {
		printf("not ok 1 the machine can be fuzzed\n1..1\n");
		return 1;
	}
	worker_count = sysconf(_SC_NPROCESSORS_ONLN);
	if (worker_count > MAX_WORKERS)
		worker_count = MAX_WORKERS;
	corpus_load(&shared->guide, corpus ? corpus : "corpus");
	fuzz(calls ? strtoull(calls, NULL, 0) : 100000,
	     seconds ? atoi(seconds) : 86400);
	report(!wait_child(start(choose_least, worker_count)),
	       "the least inputs can be told");
	corpus_save(&shared->guide, shared->kept, new ? new : "new");
	report(names_end() && names_begin(),
	       "the filesystem of names goes and comes back");
	report_leftovers();
	return report_end();
}
