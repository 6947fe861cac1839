// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a batch that the kernel runs compares with one that the process runs
 * itself: the same rows on the same 64 MiB by ioctl, with columns in ordinary
 * memory and in a region, by the library's engine, and by a plain loop of
 * __atomic builtins. Each pass starts from the same words, and what it leaves
 * behind, results and words, must be bit by bit what the plain loop left.
 *
 * Prints a line of JSON for each of the two, the ratio of kernel to process,
 * with the ns a row of each way. Is run in user-mode Linux by
 * tools/bench/run-uml, where a system call costs microseconds; what it measures
 * is therefore rows of big batches.
 */
#include <shatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "sample.h"

#define REGION_BYTES (64UL << 20)
#define REGION_WORDS (REGION_BYTES / sizeof(uint64_t))
#define ROWS (64UL << 10)
/* Batches of different rows in a pass, so that no cache learns them. */
#define BATCHES 16
/* Passes of each way that count; one more comes first, to warm up. */
#define SAMPLES 31

/* The highest ratio that the kernel's path is to have. */
#define TARGET 1.2

/**
 * struct columns - The columns of one batch
 * @offsets: Column.
 * @operands: Column.
 * @results: Column.
 */
struct columns {
	uint64_t offsets[ROWS];
	uint64_t operands[ROWS];
	uint64_t results[ROWS];
};

/* The batches' columns in ordinary memory, and the same in a region. */
static struct columns ordinary[BATCHES];
static struct columns *in_region;
static struct shatomic_region *columns_region;

static uint64_t expected_results[BATCHES][ROWS];
static uint64_t expected_words[REGION_WORDS];

typedef void way_fn(struct shatomic_region *region, struct columns *columns);

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

static void make_columns(const struct shatomic_region *region)
{
	uint64_t n = 0;
	unsigned int b;
	size_t i;

	for (b = 0; b < BATCHES; b++) {
		for (i = 0; i < ROWS; i++) {
			ordinary[b].offsets[i] =
				mix(n++) % REGION_WORDS * sizeof(uint64_t);
			ordinary[b].operands[i] = mix(n++);
		}
	}
	if (shatomic_columns_create(region, sizeof(ordinary), &columns_region))
		die("shatomic_columns_create: %s", shatomic_error());
	in_region = shatomic_buf(columns_region, NULL);
	memcpy(in_region, ordinary, sizeof(ordinary));
}

static struct shatomic_batch batch_of(struct columns *columns)
{
	return (struct shatomic_batch) {
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = sizeof(uint64_t),
		.parallelism = 1,
		.rows = ROWS,
		.offsets = columns->offsets,
		.operands = columns->operands,
		.results = columns->results,
	};
}

static void run_in_kernel(struct shatomic_region *region,
			  struct columns *columns)
{
	struct shatomic_batch batch = batch_of(columns);

	if (shatomic_batch_run(region, &batch))
		die("shatomic_batch_run: %s", shatomic_error());
}

static void run_in_place(struct shatomic_region *region,
			 struct columns *columns)
{
	struct shatomic_batch batch = batch_of(columns);

	batch.columns = columns_region;
	if (shatomic_batch_run(region, &batch))
		die("shatomic_batch_run: %s", shatomic_error());
}

static void run_in_process(struct shatomic_region *region,
			   struct columns *columns)
{
	struct shatomic_batch batch = batch_of(columns);

	if (shatomic_batch_run_local(region, &batch))
		die("shatomic_batch_run_local: %s", shatomic_error());
}

static void run_plainly(struct shatomic_region *region,
			struct columns *columns)
{
	char *base = shatomic_buf(region, NULL);
	size_t i;

	for (i = 0; i < ROWS; i++) {
		uint64_t *word = (uint64_t *)(base + columns->offsets[i]);

		columns->results[i] = __atomic_fetch_add(word,
							 columns->operands[i],
							 __ATOMIC_SEQ_CST);
	}
}

/* Each way has the columns that it is about. */
static const struct way {
	const char *name;
	way_fn *run;
	bool has_columns_in_region;
} ways[] = {
	{ "kernel", run_in_kernel, false },
	{ "kernel with columns in a region", run_in_place, true },
	{ "process", run_in_process, false },
	{ "plain loop", run_plainly, false },
};

enum { KERNEL, IN_PLACE, PROCESS, PLAIN, WAYS };

static struct columns *columns_of(const struct way *way)
{
	return way->has_columns_in_region ? in_region : ordinary;
}

/*
 * One pass of a way over all batches; returns the ticks of the time-stamp
 * counter that a row took in the median batch. One batch is over before the
 * scheduler of a busy machine thinks of another program, several are not.
 */
static double pass(struct shatomic_region *region, const struct way *way)
{
	uint64_t *words = shatomic_buf(region, NULL);
	struct columns *columns = columns_of(way);
	double ticks[BATCHES];
	uint64_t start;
	unsigned int b;
	size_t i;

	for (i = 0; i < REGION_WORDS; i++)
		words[i] = i;
	for (b = 0; b < BATCHES; b++)
		memset(columns[b].results, 0xff, sizeof(columns[b].results));

	for (b = 0; b < BATCHES; b++) {
		start = __rdtsc();
		way->run(region, &columns[b]);
		ticks[b] = (double)(__rdtsc() - start) / ROWS;
	}
	return median(ticks, BATCHES);
}

static void compare(struct shatomic_region *region, const struct way *way)
{
	const struct columns *columns = columns_of(way);
	unsigned int b;

	for (b = 0; b < BATCHES; b++) {
		if (memcmp(columns[b].results, expected_results[b],
			   sizeof(expected_results[b])))
			die("the results by %s are not those of the plain loop",
			    way->name);
	}
	if (memcmp(shatomic_buf(region, NULL), expected_words, REGION_BYTES))
		die("the words by %s are not those of the plain loop",
		    way->name);
}

static void expect(struct shatomic_region *region)
{
	unsigned int b;

	pass(region, &ways[PLAIN]);
	for (b = 0; b < BATCHES; b++)
		memcpy(expected_results[b], ordinary[b].results,
		       sizeof(expected_results[b]));
	memcpy(expected_words, shatomic_buf(region, NULL), REGION_BYTES);
}

static struct shatomic_region *create(void)
{
	const struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_DEVICE,
		.size = REGION_BYTES,
	};
	struct shatomic_region *region;

	if (shatomic_create(&options, &region))
		die("shatomic_create: %s", shatomic_error());
	return region;
}

/* Print a figure; @ratio has a sample a pass and is sorted. */
static void report(const char *id, const char *title, double *ratio,
		   double (*ticks)[SAMPLES], double tick_ns)
{
	char note[256] = "user-mode Linux, the same region of 4 KiB pages; ns a row:";
	const struct figure figure = {
		.id = id, .title = title, .unit = "ratio", .target = TARGET,
		.lower_is_better = 1, .note = note,
	};
	size_t end = strlen(note);
	unsigned int w;

	for (w = 0; w < WAYS; w++)
		end += snprintf(note + end, sizeof(note) - end, "%s %s %.2f",
				w ? "," : "", ways[w].name,
				median(ticks[w], SAMPLES) * tick_ns);
	print_figure(&figure, ratio, SAMPLES);
}

int main(void)
{
	static double ticks[WAYS][SAMPLES], copied[SAMPLES], in_place[SAMPLES];
	struct shatomic_region *region = create();
	double start_ns = now(CLOCK_MONOTONIC), tick_ns;
	uint64_t start = __rdtsc();
	unsigned int w, s;

	make_columns(region);
	expect(region);
	for (w = 0; w < WAYS; w++) {
		pass(region, &ways[w]);
		compare(region, &ways[w]);
	}

	for (s = 0; s < SAMPLES; s++) {
		/* Each is first as often as the others. */
		for (w = 0; w < WAYS; w++) {
			unsigned int way = (w + s) % WAYS;

			ticks[way][s] = pass(region, &ways[way]);
			compare(region, &ways[way]);
		}
		copied[s] = ticks[KERNEL][s] / ticks[PROCESS][s];
		in_place[s] = ticks[IN_PLACE][s] / ticks[PROCESS][s];
	}
	tick_ns = (now(CLOCK_MONOTONIC) - start_ns) / (__rdtsc() - start);

	report("k", "kernel path to process: 64K random rows on 64 MiB", copied,
	       ticks, tick_ns);
	report("k_in_region", "the same with columns in a region", in_place,
	       ticks, tick_ns);
	shatomic_close(columns_region);
	shatomic_close(region);
	return 0;
}
