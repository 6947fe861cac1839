// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a batch that the kernel runs compares with one that the process runs
 * itself: the same rows on the same 64 MiB by ioctl, by the library's engine,
 * and by a plain loop of __atomic builtins. Each pass starts from the same
 * words, and what it leaves behind, results and words, must be bit by bit what
 * the plain loop left.
 *
 * Prints one line of JSON, the ratio of kernel to process, and on standard
 * error the ns a row of each way. Is run in user-mode Linux by
 * tools/bench/run-uml, where a system call costs microseconds; what it measures
 * is therefore rows of big batches.
 */
#include <shatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define REGION_BYTES (64UL << 20)
#define REGION_WORDS (REGION_BYTES / sizeof(uint64_t))
#define ROWS (64UL << 10)
/* Batches of different rows in a pass, so that no cache learns them. */
#define BATCHES 16
/* Passes of each way that count; one more comes first, to warm up. */
#define SAMPLES 31

/* The highest ratio that the kernel's path is to have. */
#define TARGET 1.2

struct batch_columns {
	uint64_t offsets[ROWS];
	uint64_t operands[ROWS];
};

static struct batch_columns columns[BATCHES];
static uint64_t results[BATCHES][ROWS];
static uint64_t expected_results[BATCHES][ROWS];
static uint64_t expected_words[REGION_WORDS];

typedef void way_fn(struct shatomic_region *region, unsigned int batch);

static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "kernel_path: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(1);
}

/* A different number for each @n, by the mixing function of splitmix64. */
static uint64_t mix(uint64_t n)
{
	n *= 0x9E3779B97F4A7C15ULL;
	n = (n ^ n >> 30) * 0xBF58476D1CE4E5B9ULL;
	n = (n ^ n >> 27) * 0x94D049BB133111EBULL;
	return n ^ n >> 31;
}

static void make_columns(void)
{
	uint64_t n = 0;
	unsigned int b;
	size_t i;

	for (b = 0; b < BATCHES; b++) {
		for (i = 0; i < ROWS; i++) {
			columns[b].offsets[i] =
				mix(n++) % REGION_WORDS * sizeof(uint64_t);
			columns[b].operands[i] = mix(n++);
		}
	}
}

static struct shatomic_batch batch_of(unsigned int b)
{
	return (struct shatomic_batch) {
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = sizeof(uint64_t),
		.parallelism = 1,
		.rows = ROWS,
		.offsets = columns[b].offsets,
		.operands = columns[b].operands,
		.results = results[b],
	};
}

static void run_in_kernel(struct shatomic_region *region, unsigned int b)
{
	struct shatomic_batch batch = batch_of(b);

	if (shatomic_batch_run(region, &batch))
		die("shatomic_batch_run: %s", shatomic_error());
}

static void run_in_process(struct shatomic_region *region, unsigned int b)
{
	struct shatomic_batch batch = batch_of(b);

	if (shatomic_batch_run_local(region, &batch))
		die("shatomic_batch_run_local: %s", shatomic_error());
}

static void run_plainly(struct shatomic_region *region, unsigned int b)
{
	char *base = shatomic_buf(region, NULL);
	size_t i;

	for (i = 0; i < ROWS; i++) {
		uint64_t *word = (uint64_t *)(base + columns[b].offsets[i]);

		results[b][i] = __atomic_fetch_add(word, columns[b].operands[i],
						   __ATOMIC_SEQ_CST);
	}
}

static const struct way {
	const char *name;
	way_fn *run;
} ways[] = {
	{ "kernel", run_in_kernel },
	{ "process", run_in_process },
	{ "plain loop", run_plainly },
};

enum { KERNEL, PROCESS, PLAIN, WAYS };

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts @values. */
static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/*
 * One pass of a way over all batches; returns the ticks of the time-stamp
 * counter that a row took in the median batch. One batch is over before the
 * scheduler of a busy machine thinks of another program, several are not.
 */
static double pass(struct shatomic_region *region, const struct way *way)
{
	uint64_t *words = shatomic_buf(region, NULL);
	double ticks[BATCHES];
	uint64_t start;
	unsigned int b;
	size_t i;

	for (i = 0; i < REGION_WORDS; i++)
		words[i] = i;
	memset(results, 0xff, sizeof(results));

	for (b = 0; b < BATCHES; b++) {
		start = __rdtsc();
		way->run(region, b);
		ticks[b] = (double)(__rdtsc() - start) / ROWS;
	}
	return median(ticks, BATCHES);
}

static void compare(struct shatomic_region *region, const char *name)
{
	if (memcmp(results, expected_results, sizeof(results)))
		die("the results by %s are not those of the plain loop", name);
	if (memcmp(shatomic_buf(region, NULL), expected_words, REGION_BYTES))
		die("the words by %s are not those of the plain loop", name);
}

static struct shatomic_region *create(void)
{
	const struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE,
		.length = REGION_BYTES,
	};
	struct shatomic_region *region;

	if (shatomic_create(&options, &region))
		die("shatomic_create: %s", shatomic_error());
	return region;
}

int main(void)
{
	static double ticks[WAYS][SAMPLES], ratio[SAMPLES];
	struct shatomic_region *region = create();
	double start_ns = now_ns(), tick_ns;
	uint64_t start = __rdtsc();
	unsigned int w, s;

	make_columns();
	pass(region, &ways[PLAIN]);
	memcpy(expected_results, results, sizeof(results));
	memcpy(expected_words, shatomic_buf(region, NULL), REGION_BYTES);
	for (w = 0; w < WAYS; w++) {
		pass(region, &ways[w]);
		compare(region, ways[w].name);
	}

	for (s = 0; s < SAMPLES; s++) {
		/* Each is first as often as the others. */
		for (w = 0; w < WAYS; w++) {
			unsigned int way = (w + s) % WAYS;

			ticks[way][s] = pass(region, &ways[way]);
			compare(region, ways[way].name);
		}
		ratio[s] = ticks[KERNEL][s] / ticks[PROCESS][s];
	}
	tick_ns = (now_ns() - start_ns) / (__rdtsc() - start);

	median(ratio, SAMPLES);
	printf("{\"id\":\"k\",\"title\":\"kernel path over the same engine in the process: 64 Ki rows of 8-byte fetch_and_add with results, random in 64 MiB, 1 worker\","
	       "\"unit\":\"ratio\",\"value\":{\"min\":%.3f,\"median\":%.3f,\"max\":%.3f,\"n\":%d},\"target\":%.1f,\"better\":\"lower\","
	       "\"note\":\"user-mode Linux, the same region of 4 KiB pages; ns a row:",
	       ratio[0], ratio[SAMPLES / 2], ratio[SAMPLES - 1], SAMPLES,
	       TARGET);
	for (w = 0; w < WAYS; w++)
		printf("%s %s %.2f", w ? "," : "", ways[w].name,
		       median(ticks[w], SAMPLES) * tick_ns);
	printf("\"}\n");
	shatomic_close(region);
	return 0;
}
