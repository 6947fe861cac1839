// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel path costs, in instructions. For a guest that counts them:
 * under qemu's -icount shift=0 the time stamp counter advances by one with each
 * instruction (tools/bench/run-guest). Prints one JSON object a line.
 *
 * What is measured is checked in the same run: memory and results must be what
 * a plain loop makes of the same rows.
 */
#include <linux/shatomic.h>

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <shatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

/* The first repetition is cold, and not among them. */
#define REPETITIONS 21
#define BIG_REPETITIONS 3

#define MAX_ROWS 4096
#define SMALL_REGION (256UL << 10)
#define LARGE_REGION (16UL << 20)
#define GIB (1UL << 30)

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "tools/bench/guest: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/**
 * struct figure - What one line tells
 * @id: A short name; those of the targets are the targets' own.
 * @title: What it is.
 * @unit: What is counted.
 * @target: Most it should be, 0 when there is no target.
 * @note: What exactly was measured.
 */
struct figure {
	const char *id;
	const char *title;
	const char *unit;
	double target;
	const char *note;
};

static double report(const struct figure *figure, double *values, int count)
{
	qsort(values, count, sizeof(*values), compare);
	printf("{\"id\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\",\"value\":{\"min\":%.4f,\"median\":%.4f,\"max\":%.4f,\"n\":%d}",
	       figure->id, figure->title, figure->unit, values[0],
	       values[count / 2], values[count - 1], count);
	if (figure->target > 0)
		printf(",\"target\":%.2f", figure->target);
	printf(",\"better\":\"lower\",\"note\":\"%s\"}\n", figure->note);
	fflush(stdout);
	return values[count / 2];
}

/* A region by bare ABI, and the memory that a plain loop makes beside it. */
struct region {
	int fd;
	size_t size;
	unsigned char *memory;
	unsigned char *expected;
};

static struct region region_new(size_t size)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = size };
	struct region region = { .size = size };
	int device = open("/dev/shatomic", O_RDWR | O_CLOEXEC);

	if (device < 0 || ioctl(device, SHATOMIC_IOC_CREATE, &create))
		die("a region of %zu bytes", size);
	close(device);
	region.fd = create.fd;
	region.memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE, region.fd, 0);
	region.expected = calloc(1, size);
	if (region.memory == MAP_FAILED || !region.expected)
		die("memory");
	return region;
}

static void region_end(struct region *region)
{
	munmap(region->memory, region->size);
	free(region->expected);
	close(region->fd);
}

/* The columns that all batches have, in ordinary memory or in a region. */
static struct columns {
	uint64_t offsets[MAX_ROWS];
	uint64_t operands[MAX_ROWS];
	uint64_t results[MAX_ROWS];
} ordinary, *columns = &ordinary;

static uint64_t comparands[MAX_ROWS];
static uint8_t ops[MAX_ROWS], widths[MAX_ROWS];

static uint64_t next_random(void)
{
	static uint64_t state = 1;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717ULL;
}

/* Words at random, hardly ever the same twice in a row. */
static void fill_rows(size_t region_size)
{
	static const uint8_t some_ops[] = {
		SHATOMIC_OP_FETCH_AND_ADD, SHATOMIC_OP_GET,
		SHATOMIC_OP_FETCH_AND_OR, SHATOMIC_OP_COMPARE_AND_SET_VALUE,
	};
	uint32_t i;

	for (i = 0; i < MAX_ROWS; i++) {
		columns->offsets[i] = next_random() % (region_size / 8) * 8;
		columns->operands[i] = next_random();
		comparands[i] = next_random() % 2;
		ops[i] = some_ops[next_random() % sizeof(some_ops)];
		widths[i] = 1 << next_random() % 4;
	}
}

static struct shatomic_ioc_batch batch_of_adds(uint32_t rows)
{
	return (struct shatomic_ioc_batch) {
		.size = sizeof(struct shatomic_ioc_batch),
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = 8,
		.parallelism = 1,
		.rows = rows,
		.offsets = (uintptr_t)columns->offsets,
		.operands = (uintptr_t)columns->operands,
		.results = (uintptr_t)columns->results,
	};
}

/* One row as a plain loop does it. */
static uint64_t plain_row(unsigned char *memory, uint32_t op, uint32_t width,
			  uint32_t i)
{
	uint64_t all = ~0ULL >> (64 - 8 * width), old = 0, new;

	memcpy(&old, memory + columns->offsets[i], width);
	new = old;
	switch (op) {
	case SHATOMIC_OP_FETCH_AND_ADD:
		new = old + columns->operands[i];
		break;
	case SHATOMIC_OP_FETCH_AND_OR:
		new = old | columns->operands[i];
		break;
	case SHATOMIC_OP_COMPARE_AND_SET_VALUE:
		if (old == (comparands[i] & all))
			new = columns->operands[i];
		break;
	}
	memcpy(memory + columns->offsets[i], &new, width);
	return old;
}

/* Run the batch on what is expected, and compare all that came of it. */
static void check(const struct region *region,
		  const struct shatomic_ioc_batch *batch)
{
	uint32_t i;

	for (i = 0; i < batch->rows; i++) {
		uint64_t result = plain_row(region->expected,
					    batch->ops ? ops[i] : batch->op,
					    batch->widths ? widths[i] :
							    batch->width, i);

		if (batch->results && columns->results[i] != result) {
			errno = 0;
			die("row %u of %llu gave %llx instead of %llx", i,
			    batch->rows, (unsigned long long)columns->results[i],
			    (unsigned long long)result);
		}
	}
	if (memcmp(region->memory, region->expected, region->size)) {
		errno = 0;
		die("a batch of %llu rows left other memory than a loop",
		    batch->rows);
	}
}

static uint64_t time_batch(const struct region *region,
			   struct shatomic_ioc_batch *batch)
{
	uint64_t start, end;

	memset(columns->results, 0xee, sizeof(columns->results));
	start = __rdtsc();
	if (ioctl(region->fd, SHATOMIC_IOC_BATCH, batch))
		die("a batch of %llu rows", batch->rows);
	end = __rdtsc();
	if (batch->rows_done != batch->rows) {
		errno = 0;
		die("%llu of %llu rows ran", batch->rows_done, batch->rows);
	}
	check(region, batch);
	return end - start;
}

/* Instructions a row; those of the whole call when there is none. */
static double bench_batch(const struct region *region,
			  struct shatomic_ioc_batch batch,
			  const struct figure *figure)
{
	double values[REPETITIONS];
	int i;

	for (i = -1; i < REPETITIONS; i++) {
		uint64_t count = time_batch(region, &batch);

		if (i >= 0)
			values[i] = (double)count /
				    (batch.rows ? batch.rows : 1);
	}
	return report(figure, values, REPETITIONS);
}

static uint64_t time_return(const struct region *region)
{
	uint64_t start = __rdtsc(), end;
	int ret = ioctl(region->fd, _IO(SHATOMIC_IOC_MAGIC, 0xff), NULL);

	end = __rdtsc();
	if (ret != -1 || errno != ENOTTY)
		die("an unknown command");
	return end - start;
}

static void bench_empty(const struct region *region)
{
	struct shatomic_ioc_batch batch = batch_of_adds(0);
	double returns[REPETITIONS], ratios[REPETITIONS];
	int i;

	for (i = -1; i < REPETITIONS; i++) {
		double one = time_return(region);
		double empty = time_batch(region, &batch);

		if (i < 0)
			continue;
		returns[i] = one;
		ratios[i] = empty / one;
	}
	report(&(struct figure) {
		"j2", "an empty batch to an ioctl that only returns", "ratio",
		1.5, "BATCH of 0 rows / an unknown command on the same region, which is ENOTTY; library's ioctl() included in both"
	}, ratios, REPETITIONS);
	report(&(struct figure) {
		"j_return", "an ioctl that only returns", "instructions", 0,
		"an unknown command on a region's descriptor: ENOTTY"
	}, returns, REPETITIONS);
	bench_batch(region, batch, &(struct figure) {
		"j_rows_0", "an empty batch by ioctl", "instructions", 0,
		"BATCH of 0 rows" });
}

static double bench_adds(const struct region *region, uint32_t rows,
			 const char *id, double target)
{
	char title[80], note[160];

	snprintf(title, sizeof(title),
		 "fetch_and_add of 8 bytes with results by ioctl, %u rows",
		 rows);
	snprintf(note, sizeof(note),
		 "random words of a region of %zu KiB, one worker, whole call / rows",
		 region->size >> 10);
	return bench_batch(region, batch_of_adds(rows), &(struct figure) {
		id, title, "instructions/row", target, note });
}

static void bench_kinds(const struct region *region)
{
	struct shatomic_ioc_batch batch = batch_of_adds(MAX_ROWS);

	batch.results = 0;
	bench_batch(region, batch, &(struct figure) {
		"j_no_results", "the same without results, 4096 rows",
		"instructions/row", 0, "as j1, no results column" });

	batch = batch_of_adds(MAX_ROWS);
	batch.op = 0;
	batch.width = 0;
	batch.ops = (uintptr_t)ops;
	batch.widths = (uintptr_t)widths;
	batch.comparands = (uintptr_t)comparands;
	bench_batch(region, batch, &(struct figure) {
		"j_mixed", "mixed operations and widths, 4096 rows",
		"instructions/row", 0,
		"get, fetch_and_add, fetch_and_or, compare_and_set_value of 1, 2, 4, 8 bytes with results" });
}

/* As j1, but for where the columns are: in a region that is mapped here. */
static void bench_in_region(const struct region *region)
{
	struct region memory = region_new(sizeof(struct columns));
	struct shatomic_ioc_batch batch;

	columns = (struct columns *)memory.memory;
	*columns = ordinary;
	batch = batch_of_adds(MAX_ROWS);
	batch.flags = SHATOMIC_BATCH_COLUMNS_IN_REGION;
	batch.columns = memory.fd;
	batch.columns_base = (uintptr_t)memory.memory;
	bench_batch(region, batch, &(struct figure) {
		"j_in_region",
		"fetch_and_add of 8 bytes with results by ioctl, columns in a region, 4096 rows",
		"instructions/row", 0, "as j1, columns in a region" });
	columns = &ordinary;
	region_end(&memory);
}

/* Submit what is queued, and take its completion. */
static uint64_t time_submit(struct io_uring *ring, int *res)
{
	struct io_uring_cqe *cqe;
	uint64_t start = __rdtsc(), end;

	if (io_uring_submit(ring) != 1 || io_uring_peek_cqe(ring, &cqe))
		die("a command that completes at once");
	*res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	end = __rdtsc();
	return end - start;
}

static uint64_t time_nop(struct io_uring *ring)
{
	int res;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	return time_submit(ring, &res);
}

static uint64_t time_command(struct io_uring *ring, const struct region *region,
			     struct shatomic_ioc_batch *batch)
{
	struct shatomic_uring_batch payload = { .args = (uintptr_t)batch,
						.size = sizeof(*batch) };
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	uint64_t count;
	int res;

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, region->fd, NULL, 0, 0);
	sqe->cmd_op = SHATOMIC_IOC_BATCH;
	memcpy(sqe->cmd, &payload, sizeof(payload));
	memset(columns->results, 0xee, sizeof(columns->results));
	count = time_submit(ring, &res);
	if (res != (int)batch->rows) {
		errno = res < 0 ? -res : 0;
		die("a batch by io_uring");
	}
	check(region, batch);
	return count;
}

static void bench_uring(const struct region *region, double per_row)
{
	struct shatomic_ioc_batch batch = batch_of_adds(16);
	double nops[REPETITIONS], commands[REPETITIONS], ratios[REPETITIONS];
	struct io_uring ring;
	int i;

	if (io_uring_queue_init(8, &ring, 0))
		die("io_uring");
	for (i = -1; i < REPETITIONS; i++) {
		double nop = time_nop(&ring);
		double command = time_command(&ring, region, &batch);

		if (i < 0)
			continue;
		nops[i] = nop;
		commands[i] = command;
		ratios[i] = command / (nop + 16 * per_row);
	}
	io_uring_queue_exit(&ring);
	report(&(struct figure) {
		"j3", "a batch of 16 rows by io_uring to a no-op and its rows",
		"ratio", 1.5, "io_uring_submit + completion of an inline batch of 16 / (that of a NOP + 16 rows at j1's median)"
	}, ratios, REPETITIONS);
	report(&(struct figure) {
		"j_nop", "a no-op by io_uring", "instructions", 0,
		"io_uring_submit + completion" }, nops, REPETITIONS);
	report(&(struct figure) {
		"j_uring_16", "a batch of 16 rows by io_uring", "instructions",
		0, "io_uring_submit + completion" }, commands, REPETITIONS);
}

static uint64_t time_create(int device)
{
	struct shatomic_ioc_create create = { .size = sizeof(create),
					      .region_size = GIB };
	uint64_t start = __rdtsc(), end;
	void *base;

	if (ioctl(device, SHATOMIC_IOC_CREATE, &create))
		die("a region of 1 GiB");
	base = mmap(NULL, GIB, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, create.fd, 0);
	end = __rdtsc();
	if (base == MAP_FAILED)
		die("mapping 1 GiB");
	munmap(base, GIB);
	close(create.fd);
	return end - start;
}

static uint64_t time_memfd(void)
{
	uint64_t start = __rdtsc(), end;
	int fd = memfd_create("bench", MFD_CLOEXEC);
	void *base;

	if (fd < 0 || ftruncate(fd, GIB))
		die("a memfd of 1 GiB");
	base = mmap(NULL, GIB, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, 0);
	if (base == MAP_FAILED || mlock(base, GIB))
		die("mapping and locking 1 GiB");
	end = __rdtsc();
	munmap(base, GIB);
	close(fd);
	return end - start;
}

/* What memfds, as all internal tmpfs files, get; needs the sysfs of the guest. */
static bool set_memfd_huge(const char *value)
{
	int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
		      O_WRONLY);
	bool done = fd >= 0 &&
		    write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return done;
}

static void bench_create(void)
{
	double created[BIG_REPETITIONS], small[BIG_REPETITIONS];
	double huge[BIG_REPETITIONS];
	int device = open("/dev/shatomic", O_RDWR | O_CLOEXEC), i;

	for (i = 0; i < BIG_REPETITIONS; i++) {
		created[i] = time_create(device);
		small[i] = created[i] / time_memfd();
		if (!set_memfd_huge("within_size"))
			die("huge pages for memfd");
		huge[i] = created[i] / time_memfd();
		set_memfd_huge("never");
	}
	close(device);
	report(&(struct figure) {
		"l", "creating a region of 1 GiB to a memfd's with huge pages",
		"ratio", 1,
		"CREATE + mmap(MAP_POPULATE) / memfd_create + ftruncate + mmap(MAP_POPULATE) + mlock, with shmem_enabled=within_size"
	}, huge, BIG_REPETITIONS);
	report(&(struct figure) {
		"l_default", "the same to a memfd with the kernel's default",
		"ratio", 1, "shmem_enabled=never: the memfd has small pages, the region huge ones"
	}, small, BIG_REPETITIONS);
	report(&(struct figure) {
		"l_create", "creating a region of 1 GiB", "instructions", 0,
		"CREATE + mmap(MAP_POPULATE)" }, created, BIG_REPETITIONS);
}

int main(int argc, char **argv)
{
	struct region region;
	double per_row;

	/* The big ones take minutes in a guest that counts. */
	if (argc == 2 && !strcmp(argv[1], "create")) {
		bench_create();
		return 0;
	}

	region = region_new(SMALL_REGION);
	fill_rows(region.size);
	per_row = bench_adds(&region, MAX_ROWS, "j1", 16);
	bench_empty(&region);
	bench_uring(&region, per_row);
	bench_adds(&region, 1, "j_rows_1", 0);
	bench_adds(&region, 16, "j_rows_16", 0);
	bench_adds(&region, 256, "j_rows_256", 0);
	bench_kinds(&region);
	bench_in_region(&region);
	region_end(&region);

	region = region_new(LARGE_REGION);
	fill_rows(region.size);
	bench_adds(&region, MAX_ROWS, "j_large", 0);
	region_end(&region);
	return 0;
}
