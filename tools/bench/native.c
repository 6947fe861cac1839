// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many times faster batches are than what one would write without them, by
 * the memfd backend in this process. Each scenario has two contenders that run
 * the same rows, taking turns; what comes of each turn is compared bit for bit
 * with the plain loop's. One JSON object a line comes out.
 *
 *   native [--samples N] [--verbose] [ID...]
 */
#include "plain.h"
#include "rows.h"
#include "sample.h"

#include <argp.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define MANY (1ULL << 20)

#define MOST_SAMPLES 1001

/**
 * enum contender - Who runs the rows
 * @PLAIN: The plain loop: a switch for mixed rows.
 * @PLAIN_SMALL: The same, on pages of 4 KiB.
 * @PLAIN_PAIR: Two threads, each with the plain loop over half of the batches.
 * @PREFETCH: Only brings words in.
 * @BATCH: The library, on one CPU.
 * @BATCH_SHARED: The library, batches shared by two CPUs.
 * @BATCH_PAIR: Two threads, each with the library over half of the batches.
 */
enum contender {
	PLAIN,
	PLAIN_SMALL,
	PLAIN_PAIR,
	PREFETCH,
	BATCH,
	BATCH_SHARED,
	BATCH_PAIR,
};

/**
 * struct scenario - Two contenders and what they run
 * @figure: Its line in the report.
 * @slower: Who is divided by
 * @faster: this one.
 * @pattern: Which words rows are on.
 * @region: Bytes in the region, a power of two.
 * @rows: Rows in all; their columns stay warm when they are few.
 * @batch: Rows in a batch.
 * @turns: How often all rows run in a sample.
 * @flags: enum shatomic_batch_flags
 * @discards: Whether results are not wanted.
 */
struct scenario {
	struct figure figure;
	enum contender slower;
	enum contender faster;
	enum pattern pattern;
	uint64_t region;
	uint64_t rows;
	uint64_t batch;
	unsigned int turns;
	unsigned int flags;
	bool discards;
};

#define RATIO(id, title, target) { id, title, "ratio", target, 0, "", 0 }

static const struct scenario scenarios[] = {
	{ RATIO("a1", "1 GiB, 1M random rows, same pages", 2.2),
	  PLAIN, BATCH, RANDOM_WORDS, GIB, MANY, MANY, 1, 0, false },
	{ RATIO("a2", "1 GiB, 1M random rows, plain loop on 4 KiB pages", 3.5),
	  PLAIN_SMALL, BATCH, RANDOM_WORDS, GIB, MANY, MANY, 1, 0, false },
	{ RATIO("b1", "64 MiB, batches of 4096", 2.8),
	  PLAIN, BATCH, RANDOM_WORDS, 64 * MIB, MANY, 4096, 1, 0, false },
	{ RATIO("b2", "64 MiB, 1M random rows", 2.9),
	  PLAIN, BATCH, RANDOM_WORDS, 64 * MIB, MANY, MANY, 1, 0, false },
	{ RATIO("c1", "1 MiB, batches of 256, columns warm", 0.93),
	  PLAIN, BATCH, RANDOM_WORDS, MIB, 4096, 256, 64, 0, false },
	{ RATIO("c2", "1 MiB, batches of 4096, columns warm", 0.93),
	  PLAIN, BATCH, RANDOM_WORDS, MIB, 4096, 4096, 64, 0, false },
	{ RATIO("c3", "32 KiB, batches of 16, columns warm", 0),
	  PLAIN, BATCH, RANDOM_WORDS, 32 * KIB, 4096, 16, 64, 0, false },
	{ RATIO("d1", "one hot word, batches of 4096, columns warm", 10),
	  PLAIN, BATCH, ONE_WORD, 32 * KIB, 4096, 4096, 64, 0, false },
	{ RATIO("d2", "one hot word, two threads, batches of 4096", 18),
	  PLAIN_PAIR, BATCH_PAIR, ONE_WORD, 32 * KIB, MANY, 4096, 1, 0, false },
	{ RATIO("e1", "8 MiB, runs of 8 rows on a word", 2.8),
	  PLAIN, BATCH, RUNS, 8 * MIB, MANY, 4096, 1, 0, false },
	{ RATIO("e2", "32 KiB, runs of 8 rows on a word, columns warm", 6),
	  PLAIN, BATCH, RUNS, 32 * KIB, 4096, 4096, 64, 0, false },
	{ RATIO("f", "32 KiB, mixed operations and widths, by switch", 2.3),
	  PLAIN, BATCH, MIXED, 32 * KIB, MANY / 4, 4096, 1, 0, false },
	{ RATIO("g1", "zipf 0.99 over 1M words", 1.9),
	  PLAIN, BATCH, ZIPF, 8 * MIB, MANY, MANY, 1, 0, false },
	{ RATIO("g1u", "zipf 0.99 over 1M words, UNORDERED", 1.9),
	  PLAIN, BATCH, ZIPF, 8 * MIB, MANY, MANY, 1,
	  SHATOMIC_BATCH_UNORDERED, false },
	{ RATIO("g2", "zipf 0.99 over 1M words, two threads", 1.4),
	  PLAIN_PAIR, BATCH_SHARED, ZIPF, 8 * MIB, MANY, MANY, 1, 0, false },
	{ RATIO("g2u", "zipf 0.99 over 1M words, two threads, UNORDERED", 1.4),
	  PLAIN_PAIR, BATCH_SHARED, ZIPF, 8 * MIB, MANY, MANY, 1,
	  SHATOMIC_BATCH_UNORDERED, false },
	{ RATIO("h1", "64 MiB, 1M rows, two CPUs against one", 1.8),
	  BATCH, BATCH_SHARED, RANDOM_WORDS, 64 * MIB, MANY, MANY, 1, 0,
	  false },
	{ RATIO("h1u", "64 MiB, 1M rows, two CPUs against one, UNORDERED", 1.8),
	  BATCH, BATCH_SHARED, RANDOM_WORDS, 64 * MIB, MANY, MANY, 1,
	  SHATOMIC_BATCH_UNORDERED, false },
	{ RATIO("h2", "1 GiB, 1M rows, two CPUs against one", 1.4),
	  BATCH, BATCH_SHARED, RANDOM_WORDS, GIB, MANY, MANY, 1, 0, false },
	{ RATIO("h2u", "1 GiB, 1M rows, two CPUs against one, UNORDERED", 1.4),
	  BATCH, BATCH_SHARED, RANDOM_WORDS, GIB, MANY, MANY, 1,
	  SHATOMIC_BATCH_UNORDERED, false },
	{ RATIO("i1", "1 GiB, 1M rows, as part of a prefetch-only pass", 0.8),
	  PREFETCH, BATCH, RANDOM_WORDS, GIB, MANY, MANY, 1, 0, false },
	{ RATIO("t", "1 GiB, plain loop on huge pages against 4 KiB pages", 0),
	  PLAIN_SMALL, PLAIN, RANDOM_WORDS, GIB, MANY, MANY, 1, 0, false },
	{ RATIO("i2", "1 GiB, 1M rows, UNORDERED, without results", 2.8),
	  PLAIN, BATCH, RANDOM_WORDS, GIB, MANY, MANY, 1,
	  SHATOMIC_BATCH_UNORDERED, true },
};

/**
 * struct stage - Where the contenders of a scenario take turns
 * @scenario: The scenario.
 * @region: The region, in huge pages.
 * @base: Where it is mapped.
 * @small: Memory of the same size in pages of 4 KiB, or NULL.
 * @rows: The rows.
 */
struct stage {
	const struct scenario *scenario;
	struct shatomic_region *region;
	unsigned char *base;
	unsigned char *small;
	struct rows *rows;
};

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/*
 * Contenders.
 */

static void run_plain(const struct stage *stage, unsigned char *base,
		      uint64_t first, uint64_t count)
{
	const struct rows *rows = stage->rows;

	if (rows->ops)
		plain_switch(base, rows->ops + first, rows->widths + first,
			     rows->offsets + first, rows->operands + first,
			     rows->comparands + first, rows->results + first,
			     count);
	else
		plain_fetch_and_add(base, rows->offsets + first,
				    rows->operands + first,
				    stage->scenario->discards ?
					    NULL : rows->results + first,
				    count);
}

static void run_batch(const struct stage *stage, unsigned int parallelism,
		      uint64_t first, uint64_t count)
{
	struct shatomic_batch batch = rows_batch(stage->rows, first, count);

	batch.flags = stage->scenario->flags;
	batch.parallelism = parallelism;
	if (stage->scenario->discards)
		batch.results = NULL;
	if (shatomic_batch_run(stage->region, &batch))
		die(shatomic_error());
}

static void run_one(const struct stage *stage, enum contender contender,
		    uint64_t first, uint64_t count)
{
	switch (contender) {
	case PLAIN:
	case PLAIN_PAIR:
		run_plain(stage, stage->base, first, count);
		break;
	case PLAIN_SMALL:
		run_plain(stage, stage->small, first, count);
		break;
	case PREFETCH:
		plain_prefetch(stage->base, stage->rows->offsets + first,
			       count);
		break;
	case BATCH:
	case BATCH_PAIR:
		run_batch(stage, 1, first, count);
		break;
	case BATCH_SHARED:
		run_batch(stage, 2, first, count);
		break;
	}
}

static void run_rows(const struct stage *stage, enum contender contender,
		     uint64_t first, uint64_t end)
{
	uint64_t batch = stage->scenario->batch;

	for (; first < end; first += batch)
		run_one(stage, contender, first,
			end - first < batch ? end - first : batch);
}

/*
 * Threads of a pair: both begin when both are there.
 */

struct half {
	const struct stage *stage;
	enum contender contender;
	unsigned int number;
	unsigned int *there;
};

static void take_cpu(unsigned int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number, &set);
	/* Where that is not allowed the kernel chooses. */
	sched_setaffinity(0, sizeof(set), &set);
}

static void *run_half(void *arg)
{
	const struct half *half = arg;
	uint64_t rows = half->stage->rows->count / 2;

	take_cpu(half->number);
	__atomic_fetch_add(half->there, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(half->there, __ATOMIC_SEQ_CST) < 2)
		;
	run_rows(half->stage, half->contender, half->number * rows,
		 (half->number + 1) * rows);
	return NULL;
}

static double time_pair(const struct stage *stage, enum contender contender)
{
	unsigned int there = 0;
	struct half halves[2] = {
		{ stage, contender, 0, &there },
		{ stage, contender, 1, &there },
	};
	pthread_t other;
	cpu_set_t before;
	double start;

	sched_getaffinity(0, sizeof(before), &before);
	if (pthread_create(&other, NULL, run_half, &halves[1]))
		die("no second thread");
	while (!__atomic_load_n(&there, __ATOMIC_SEQ_CST))
		;
	start = now(CLOCK_MONOTONIC);
	run_half(&halves[0]);
	pthread_join(other, NULL);
	start = now(CLOCK_MONOTONIC) - start;
	sched_setaffinity(0, sizeof(before), &before);
	return start;
}

static double time_alone(const struct stage *stage, enum contender contender,
			 clockid_t clock)
{
	unsigned int turn;
	double start = now(clock);

	for (turn = 0; turn < stage->scenario->turns; turn++)
		run_rows(stage, contender, 0, stage->rows->count);
	return now(clock) - start;
}

static bool takes_two(enum contender contender)
{
	return contender == PLAIN_PAIR || contender == BATCH_PAIR ||
	       contender == BATCH_SHARED;
}

/* Nanoseconds of one sample, whose outcome is looked at. */
static double take_sample(const struct stage *stage, enum contender contender)
{
	const struct scenario *scenario = stage->scenario;
	unsigned char *base = contender == PLAIN_SMALL ? stage->small :
							 stage->base;
	bool two = takes_two(scenario->slower) || takes_two(scenario->faster);
	double time;

	rows_reset(stage->rows, base);
	if (contender == PLAIN_PAIR || contender == BATCH_PAIR)
		time = time_pair(stage, contender);
	else
		time = time_alone(stage, contender,
				  two ? CLOCK_MONOTONIC :
					CLOCK_THREAD_CPUTIME_ID);
	if (contender == PREFETCH)
		return time;
	if (!rows_words_are_right(stage->rows, base))
		die("memory is not what the plain loop makes of it");
	/* Which row saw what is open when rows run in no certain order. */
	if (contender != PLAIN_PAIR && contender != BATCH_PAIR &&
	    !(scenario->flags & SHATOMIC_BATCH_UNORDERED) &&
	    !scenario->discards && !rows_results_are_right(stage->rows))
		die("results are not the plain loop's");
	return time;
}

static unsigned char *map_small_pages(uint64_t size)
{
	unsigned char *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED || madvise(base, size, MADV_NOHUGEPAGE))
		die("no memory in small pages");
	memset(base, 0, size);
	return base;
}

static void set_stage(struct stage *stage, const struct scenario *scenario)
{
	struct shatomic_create_options options = {
		.backend = SHATOMIC_BACKEND_MEMFD,
		.size = scenario->region,
	};
	unsigned int turn;

	stage->scenario = scenario;
	if (shatomic_create(&options, &stage->region))
		die(shatomic_error());
	stage->base = shatomic_buf(stage->region, NULL);
	stage->small = scenario->slower == PLAIN_SMALL ?
			       map_small_pages(scenario->region) : NULL;
	stage->rows = rows_new(scenario->pattern, scenario->rows,
			       scenario->region);
	rows_reset(stage->rows, stage->base);
	for (turn = 0; turn < scenario->turns; turn++)
		run_rows(stage, PLAIN, 0, stage->rows->count);
	rows_expect(stage->rows, stage->base);
}

static void clear_stage(struct stage *stage)
{
	if (stage->small)
		munmap(stage->small, stage->scenario->region);
	rows_free(stage->rows);
	shatomic_close(stage->region);
}

/*
 * What a locked instruction takes when its word is in the L1 cache, in ns: no
 * loop that has one for each row is faster.
 */
static double time_lock(unsigned int samples)
{
	static unsigned char words[4096] __attribute__((aligned(4096)));
	struct figure figure = {
		.id = "lock", .unit = "ns", .lower_is_better = 1, .note = "",
		.title = "a locked instruction on a word in L1",
	};
	struct rows *rows = rows_new(RANDOM_WORDS, 512, sizeof(words));
	double time[MOST_SAMPLES] = { 0 };
	unsigned int i, turn;

	for (i = 0; i < samples; i++) {
		time[i] = now(CLOCK_THREAD_CPUTIME_ID);
		for (turn = 0; turn < 500; turn++)
			plain_fetch_and_add(words, rows->offsets,
					    rows->operands, NULL, rows->count);
		time[i] = (now(CLOCK_THREAD_CPUTIME_ID) - time[i]) / 500 /
			  (double)rows->count;
	}
	print_figure(&figure, time, samples);
	rows_free(rows);
	return time[samples / 2];
}

/* Whether the faster one has a locked instruction for each row, on one CPU. */
static bool locks_each_row(const struct scenario *scenario)
{
	return scenario->faster == BATCH &&
	       (scenario->pattern == RANDOM_WORDS ||
		scenario->pattern == MIXED);
}

static void measure(const struct scenario *scenario, double lock,
		    unsigned int samples, bool verbose)
{
	double slower[MOST_SAMPLES], faster[MOST_SAMPLES], ratio[MOST_SAMPLES];
	double rows = (double)scenario->rows * scenario->turns;
	struct figure figure = scenario->figure;
	struct stage stage;
	struct shatomic_info info;
	unsigned int i;
	char note[160];

	set_stage(&stage, scenario);
	if (shatomic_get_info(stage.region, &info))
		die(shatomic_error());
	/* The first of each warms up and is not counted. */
	take_sample(&stage, scenario->slower);
	take_sample(&stage, scenario->faster);
	for (i = 0; i < samples; i++) {
		slower[i] = take_sample(&stage, scenario->slower);
		faster[i] = take_sample(&stage, scenario->faster);
		ratio[i] = slower[i] / faster[i];
		if (verbose)
			fprintf(stderr, "%s %.2f / %.2f ns\n", figure.id,
				slower[i] / rows, faster[i] / rows);
	}
	snprintf(note, sizeof(note),
		 "%.2f / %.2f ns a row; %llu of %llu MiB in huge pages",
		 median(slower, samples) / rows, median(faster, samples) / rows,
		 (unsigned long long)(info.huge_bytes / MIB),
		 (unsigned long long)(info.size / MIB));
	figure.note = note;
	if (locks_each_row(scenario))
		figure.limit = slower[samples / 2] / rows / lock;
	print_figure(&figure, ratio, samples);
	clear_stage(&stage);
}

/*
 * Options.
 */

struct options {
	unsigned int samples;
	bool verbose;
	char **ids;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'n':
		options->samples = strtoul(arg, NULL, 10);
		if (!options->samples || options->samples > MOST_SAMPLES)
			argp_error(state, "--samples takes 1 to %d",
				   MOST_SAMPLES);
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->ids = state->argv + state->next;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool is_wanted(const struct options *options, const char *id)
{
	char **wanted;

	for (wanted = options->ids; wanted && *wanted; wanted++) {
		if (!strcmp(*wanted, id))
			return true;
	}
	return !options->ids;
}

int main(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "samples", 'n', "N", 0, "Samples of each figure (11)", 0 },
		{ "verbose", 'v', NULL, 0, "Show each sample", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		known, parse_option, "[ID...]",
		"Compares batches with plain loops on the memfd backend.",
		NULL, NULL, NULL
	};
	struct options options = { .samples = 11 };
	unsigned int i;
	double lock;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	lock = time_lock(options.samples);
	for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (is_wanted(&options, scenarios[i].figure.id))
			measure(&scenarios[i], lock, options.samples,
				options.verbose);
	}
	return 0;
}
