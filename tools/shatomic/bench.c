// SPDX-License-Identifier: GPL-2.0-only
/*
 * `shatomic bench': what batches are worth on this machine, against the loop of
 * atomic builtins that one would write without them. Both run the same rows on
 * the same region, taking turns, and what comes of each turn is compared bit
 * for bit.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../bench/plain.h"
#include "../bench/rows.h"
#include "../bench/sample.h"
#include "table.h"
#include "tool.h"

#define DEFAULT_SIZE (64ULL << 20)
#define DEFAULT_ROWS (1ULL << 20)
#define DEFAULT_BATCH_ROWS 4096
#define DEFAULT_SAMPLES 9

#define MOST_ROWS (1ULL << 30)
#define MOST_SAMPLES 1001

/* A page at least, so that each pattern has words to choose from. */
#define LEAST_SIZE 4096

enum {
	KEY_ROWS = 256,
	KEY_BATCH_ROWS,
	KEY_SAMPLES,
	KEY_PARALLELISM,
	KEY_UNORDERED,
	KEY_PLOT,
};

/* Who runs the rows. */
enum contender {
	PLAIN,
	BATCH,
	LOCAL,
	CONTENDERS
};

/**
 * struct bench_arguments - The command line
 * @backend: Where the region is.
 * @output: How to print.
 * @size: Bytes in the region.
 * @rows: Rows of a sample.
 * @batch_rows: Rows in a batch.
 * @samples: How often each contender has its turn.
 * @parallelism: Most CPUs that share a batch.
 * @flags: enum shatomic_batch_flags
 * @plot: File for a picture, or NULL.
 */
struct bench_arguments {
	enum shatomic_backend backend;
	struct output output;
	uint64_t size;
	uint64_t rows;
	uint64_t batch_rows;
	unsigned int samples;
	unsigned int parallelism;
	unsigned int flags;
	const char *plot;
};

/**
 * struct bench - A pattern of rows that is being measured
 * @arguments: The command line.
 * @region: The region.
 * @base: Where it is mapped.
 * @rows: The rows.
 * @times: Nanoseconds for a row of each sample of each contender.
 */
struct bench {
	const struct bench_arguments *arguments;
	struct shatomic_region *region;
	unsigned char *base;
	struct rows *rows;
	double times[CONTENDERS][MOST_SAMPLES];
};

static const struct {
	enum pattern pattern;
	const char *name;
} patterns[] = {
	{ RANDOM_WORDS, "random words" },
	{ ONE_WORD, "one word" },
	{ RUNS, "runs of 8" },
	{ ZIPF, "zipf" },
	{ MIXED, "mixed" },
};

static const char *const time_keys[CONTENDERS] = {
	[PLAIN] = "plain_ns",
	[BATCH] = "batch_ns",
	[LOCAL] = "local_ns",
};

static const char *const ratio_keys[CONTENDERS] = {
	[BATCH] = "batch_ratio",
	[LOCAL] = "local_ratio",
};

static error_t parse_bench(int key, char *text, struct argp_state *state)
{
	struct bench_arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->backend;
		state->child_inputs[1] = &arguments->output.json;
		return 0;
	case 's':
		arguments->size = parse_size("--size", text);
		if (arguments->size < LEAST_SIZE ||
		    arguments->size & (arguments->size - 1))
			tool_die("--size: %s is not a power of two, from 4K on",
				 text);
		return 0;
	case KEY_ROWS:
		arguments->rows = parse_number("--rows", text, 1, MOST_ROWS);
		return 0;
	case KEY_BATCH_ROWS:
		arguments->batch_rows =
			parse_number("--batch-rows", text, 1, MOST_ROWS);
		return 0;
	case KEY_SAMPLES:
		arguments->samples =
			parse_number("--samples", text, 1, MOST_SAMPLES);
		return 0;
	case KEY_PARALLELISM:
		arguments->parallelism = parse_number("--parallelism", text, 0,
						      MOST_PARALLELISM);
		return 0;
	case KEY_UNORDERED:
		arguments->flags |= SHATOMIC_BATCH_UNORDERED;
		return 0;
	case KEY_PLOT:
		arguments->plot = text;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: too many arguments", text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option bench_options[] = {
	{ "size", 's', "SIZE", 0, "Bytes in the region (default 64M)", 0 },
	{ "rows", KEY_ROWS, "N", 0, "Rows of a sample (default 1048576)", 0 },
	{ "batch-rows", KEY_BATCH_ROWS, "N", 0,
	  "Rows in a batch (default 4096)", 0 },
	{ "samples", KEY_SAMPLES, "N", 0,
	  "How often each is measured (default 9); the median is told", 0 },
	{ "parallelism", KEY_PARALLELISM, "N", 0,
	  "Most CPUs that share a batch (default 1, as the loop has; 0 to choose)",
	  0 },
	{ "unordered", KEY_UNORDERED, NULL, 0,
	  "Rows of a batch may run in any order", 0 },
	{ "plot", KEY_PLOT, "FILE", 0,
	  "Draw the ratios, by gnuplot, as .svg or .png", 0 },
	{ 0 },
};

static const struct argp bench_argp = {
	.options = bench_options,
	.parser = parse_bench,
	.doc = "Measure batches against the plain loop of atomic builtins over the same rows: nanoseconds for a row, and how many times as fast as the loop that is. On the device backend LOCAL is the same batch in this process, without the kernel. What each makes of memory is compared bit for bit.",
	.children = (const struct argp_child[]){
		{ &tool_backend_argp, 0, NULL, 0 },
		{ &json_argp, 0, NULL, 0 },
		{ 0 },
	},
};

static void run_plain(const struct bench *bench)
{
	const struct rows *rows = bench->rows;

	if (rows->ops)
		plain_switch(bench->base, rows->ops, rows->widths,
			     rows->offsets, rows->operands, rows->comparands,
			     rows->results, rows->count);
	else
		plain_fetch_and_add(bench->base, rows->offsets, rows->operands,
				    rows->results, rows->count);
}

static void run_batch(const struct bench *bench, bool local, uint64_t first,
		      uint64_t count)
{
	struct shatomic_batch batch = rows_batch(bench->rows, first, count);

	batch.flags = bench->arguments->flags;
	batch.parallelism = bench->arguments->parallelism;
	if (local ? shatomic_batch_run_local(bench->region, &batch) :
		    shatomic_batch_run(bench->region, &batch))
		tool_die("%s", shatomic_error());
}

static void run_rows(const struct bench *bench, enum contender contender)
{
	uint64_t most = bench->arguments->batch_rows;
	uint64_t rows = bench->rows->count;

	if (contender == PLAIN) {
		run_plain(bench);
		return;
	}
	for (uint64_t first = 0; first < rows; first += most)
		run_batch(bench, contender == LOCAL, first,
			  rows - first < most ? rows - first : most);
}

/*
 * Whether what came of a turn is what the loop made of the rows. Out of order,
 * results differ, but not what has been added up.
 */
static bool is_right(const struct bench *bench, enum contender contender)
{
	bool any_order = contender != PLAIN &&
			 bench->arguments->flags & SHATOMIC_BATCH_UNORDERED;

	if (any_order && bench->rows->ops)
		return true;
	return rows_words_are_right(bench->rows, bench->base) &&
	       (any_order || rows_results_are_right(bench->rows));
}

/* Nanoseconds for a row. */
static double take_sample(const struct bench *bench, enum contender contender)
{
	/* Of one thread, what others have of the CPU does not count. */
	clockid_t clock = bench->arguments->parallelism == 1 ?
				  CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
	double time;

	rows_reset(bench->rows, bench->base);
	time = now(clock);
	run_rows(bench, contender);
	/* A coarse clock may not have moved; ratios need something. */
	time = fmax(now(clock) - time, 1);
	if (!is_right(bench, contender))
		tool_die("what a batch made of memory is not what the loop made of it");
	return time / bench->rows->count;
}

/* The median of the ratios of turns, whose samples must not be sorted yet. */
static double ratio_to_plain(const struct bench *bench,
			     enum contender contender)
{
	double ratios[MOST_SAMPLES] = { 0 };
	unsigned int samples = bench->arguments->samples;

	for (unsigned int i = 0; i < samples; i++)
		ratios[i] = bench->times[PLAIN][i] / bench->times[contender][i];
	return median(ratios, samples);
}

static struct json_object *measure(struct bench *bench, enum pattern pattern,
				   const char *name, bool with_local)
{
	unsigned int last = with_local ? LOCAL : BATCH, contender;
	unsigned int samples = bench->arguments->samples;
	struct json_object *row = new_object();

	bench->rows = rows_new(pattern, bench->arguments->rows,
			       bench->arguments->size);
	rows_reset(bench->rows, bench->base);
	run_rows(bench, PLAIN);
	rows_expect(bench->rows, bench->base);
	for (unsigned int i = 0; i < samples; i++) {
		for (contender = PLAIN; contender <= last; contender++)
			bench->times[contender][i] =
				take_sample(bench, contender);
	}
	add_text(row, "pattern", name);
	for (contender = BATCH; contender <= last; contender++)
		add_real(row, ratio_keys[contender],
			 ratio_to_plain(bench, contender));
	for (contender = PLAIN; contender <= last; contender++)
		add_real(row, time_keys[contender],
			 median(bench->times[contender], samples));
	rows_free(bench->rows);
	return row;
}

/* In single quotes, as gnuplot reads them. */
static void print_quoted(FILE *gnuplot, const char *text)
{
	putc('\'', gnuplot);
	for (; *text; text++) {
		if (*text == '\'')
			putc('\'', gnuplot);
		putc(*text, gnuplot);
	}
	putc('\'', gnuplot);
}

static const char *terminal_for(const char *path)
{
	const char *suffix = strrchr(path, '.');

	if (suffix && !strcmp(suffix, ".svg"))
		return "svg size 800,360 background 'white'";
	if (suffix && !strcmp(suffix, ".png"))
		return "pngcairo size 800,360";
	tool_die("--plot: %s is neither .svg nor .png", path);
}

static void print_data(FILE *gnuplot, struct json_object *results)
{
	fputs("$data << END\n", gnuplot);
	for (size_t i = 0; i < json_object_array_length(results); i++) {
		struct json_object *row = json_object_array_get_idx(results, i);

		fprintf(gnuplot, "\"%s\"",
			json_object_get_string(
				json_object_object_get(row, "pattern")));
		for (unsigned int who = BATCH; who < CONTENDERS; who++) {
			struct json_object *ratio =
				json_object_object_get(row, ratio_keys[who]);

			fprintf(gnuplot, " %s",
				ratio ? json_object_get_string(ratio) : "NaN");
		}
		putc('\n', gnuplot);
	}
	fputs("END\n", gnuplot);
}

static void plot(const char *path, struct json_object *results, bool with_local)
{
	const char *terminal = terminal_for(path);
	/* When it can't open the file it draws to its standard output. */
	FILE *gnuplot = popen("gnuplot >/dev/null", "w");
	int status;

	if (!gnuplot)
		tool_die("--plot: gnuplot: %s", strerror(errno));
	fprintf(gnuplot, "set terminal %s\nset output ", terminal);
	print_quoted(gnuplot, path);
	putc('\n', gnuplot);
	print_data(gnuplot, results);
	fputs("set title 'Times as fast as the plain loop'\n"
	      "set style data histograms\nset style fill solid 0.7\n"
	      "set logscale y 2\nset yrange [0.25:*]\nset grid ytics\n"
	      "set key outside\n"
	      "plot $data using 2:xtic(1) title 'batch'", gnuplot);
	if (with_local)
		fputs(", '' using 3 title 'local'", gnuplot);
	fputs(", 1 with lines lc rgb '#888888' notitle\n", gnuplot);
	status = pclose(gnuplot);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		tool_die("--plot: there is no gnuplot; the package gnuplot-nox has it");
	if (status)
		tool_die("--plot: %s: gnuplot could not draw it", path);
}

static bool runs_in_kernel(const struct shatomic_region *region)
{
	struct shatomic_info info;

	if (shatomic_get_info(region, &info))
		tool_die("%s", shatomic_error());
	return info.backend == SHATOMIC_BACKEND_DEVICE;
}

static const struct column columns[] = {
	{ "pattern", "PATTERN", COLUMN_TEXT },
	{ "plain_ns", "PLAIN ns", COLUMN_REAL },
	{ "batch_ns", "BATCH ns", COLUMN_REAL },
	{ "batch_ratio", "RATIO", COLUMN_REAL },
	{ 0 },
};

static const struct column columns_with_local[] = {
	{ "pattern", "PATTERN", COLUMN_TEXT },
	{ "plain_ns", "PLAIN ns", COLUMN_REAL },
	{ "batch_ns", "BATCH ns", COLUMN_REAL },
	{ "batch_ratio", "RATIO", COLUMN_REAL },
	{ "local_ns", "LOCAL ns", COLUMN_REAL },
	{ "local_ratio", "RATIO", COLUMN_REAL },
	{ 0 },
};

int command_bench(int argc, char **argv)
{
	struct bench_arguments arguments = {
		.size = DEFAULT_SIZE,
		.rows = DEFAULT_ROWS,
		.batch_rows = DEFAULT_BATCH_ROWS,
		.samples = DEFAULT_SAMPLES,
		.parallelism = 1,
	};
	static struct bench bench = { .arguments = NULL };
	struct shatomic_create_options options = { 0 };
	struct json_object *results;
	bool with_local;

	argp_parse(&bench_argp, argc, argv, 0, NULL, &arguments);
	if (arguments.plot)
		terminal_for(arguments.plot);
	options.backend = arguments.backend;
	options.size = arguments.size;
	if (shatomic_create(&options, &bench.region))
		tool_die("--size: %s", shatomic_error());
	bench.arguments = &arguments;
	bench.base = shatomic_buf(bench.region, NULL);
	with_local = runs_in_kernel(bench.region);
	results = new_array();
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		json_object_array_add(results,
				      measure(&bench, patterns[i].pattern,
					      patterns[i].name, with_local));
	shatomic_close(bench.region);
	print_table(&arguments.output,
		    with_local ? columns_with_local : columns, "results",
		    json_object_get(results));
	/* Before what may not work, as figures take long to get. */
	if (tool_flush_stdout())
		return TOOL_TROUBLE;
	if (arguments.plot)
		plot(arguments.plot, results, with_local);
	json_object_put(results);
	return TOOL_OK;
}
