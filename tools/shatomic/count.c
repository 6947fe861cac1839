// SPDX-License-Identifier: GPL-2.0-only
/*
 * `shatomic count': its command line, and the order in which its parts work.
 */
#include <stdlib.h>
#include <unistd.h>

#include "count.h"
#include "progress.h"
#include "table.h"
#include "tool.h"

#define DEFAULT_TOP 10
#define DEFAULT_BATCH_ROWS 4096
#define DEFAULT_PIECE_BYTES (8ULL << 20)

#define MOST_JOBS 1024
#define MOST_BATCH_ROWS (1ULL << 24)
#define MOST_SLOTS (1ULL << 40)

enum {
	KEY_VERIFY = 256,
	KEY_BATCH_ROWS,
	KEY_TSV,
	KEY_PIECE_BYTES,
	KEY_SLOTS,
};

struct count_arguments {
	struct count_options options;
	char **names;
	size_t name_count;
	bool top_given;
};

static void parse_top(struct count_arguments *arguments, const char *text)
{
	uint64_t top = parse_number("--top", text, 0, UINT64_MAX);

	arguments->options.top = top ? top : UINT64_MAX;
	arguments->top_given = true;
}

static error_t parse_count(int key, char *text, struct argp_state *state)
{
	struct count_arguments *arguments = state->input;
	struct count_options *options = &arguments->options;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->backend;
		state->child_inputs[1] = &options->progress;
		state->child_inputs[2] = &options->json;
		return 0;
	case 'w':
		options->unit = COUNT_WORDS;
		return 0;
	case 'l':
		options->unit = COUNT_LINES;
		return 0;
	case 'c':
		options->unit = COUNT_BYTES;
		return 0;
	case 'j':
		options->jobs = parse_number("--jobs", text, 1, MOST_JOBS);
		return 0;
	case 'k':
		parse_top(arguments, text);
		return 0;
	case KEY_VERIFY:
		options->verify = true;
		return 0;
	case KEY_BATCH_ROWS:
		options->batch_rows = parse_number("--batch-rows", text, 1,
						   MOST_BATCH_ROWS);
		return 0;
	case KEY_TSV:
		options->tsv = true;
		return 0;
	case KEY_PIECE_BYTES:
		options->piece_bytes = parse_size("--piece-bytes", text);
		return 0;
	case KEY_SLOTS:
		options->slots = parse_number("--slots", text, 1, MOST_SLOTS);
		return 0;
	case ARGP_KEY_ARGS:
		arguments->names = state->argv + state->next;
		arguments->name_count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->name_count)
			argp_error(state, "FILE is missing");
		if (options->tsv && options->json)
			argp_error(state, "--tsv and --json are two forms of output");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {
	{ &tool_backend_argp, 0, NULL, 2 },
	{ &progress_argp, 0, NULL, 1 },
	{ &json_argp, 0, NULL, 1 },
	{ 0 },
};

static const struct argp_option count_options[] = {
	{ "words", 'w', NULL, 0,
	  "Count words: bytes between white space (default)", 0 },
	{ "lines", 'l', NULL, 0, "Count lines, empty ones too", 0 },
	{ "bytes", 'c', NULL, 0, "Count byte values", 0 },
	{ "jobs", 'j', "N", 0, "Worker processes (default: online CPUs)", 1 },
	{ "top", 'k', "K", 0,
	  "Print the K most frequent (default 10, 0 for all)", 1 },
	{ "tsv", KEY_TSV, NULL, 0,
	  "Print all as COUNT<TAB>TOKEN, the totals on standard error", 1 },
	{ "verify", KEY_VERIFY, NULL, 0,
	  "Count again in one process and compare; exit status 1 if it differs",
	  1 },
	{ "batch-rows", KEY_BATCH_ROWS, "N", 0,
	  "Rows in a batch (default 4096)", 2 },
	/* For tests: borders and growth without large files. */
	{ "piece-bytes", KEY_PIECE_BYTES, "SIZE", OPTION_HIDDEN, NULL, 2 },
	{ "slots", KEY_SLOTS, "N", OPTION_HIDDEN, NULL, 2 },
	{ 0 },
};

static const struct argp count_argp = {
	.options = count_options,
	.parser = parse_count,
	.args_doc = "FILE...",
	.doc = "Count the distinct words, lines or bytes of files by many processes that share one hash table. FILE `-' is standard input.",
	.children = children,
};

/* A second count needs a second look at every file. */
static void refuse_unverifiable(const struct count_arguments *arguments,
				const struct count_input *input)
{
	if (!arguments->options.verify)
		return;
	for (size_t i = 0; i < input->file_count; i++) {
		const struct count_file *file = &input->files[i];

		if (!file->rereadable)
			tool_die("%s: --verify: it can be read only once",
				 file->name);
	}
}

/* From complete counts to what the user sees: an enum tool_exit. */
static int conclude(const struct count_options *options,
		    const struct count_input *input,
		    const struct count_result *result)
{
	struct count_totals totals;
	int status = TOOL_OK;

	count_merge(result, &totals);
	count_report(options, input, result, &totals);
	if (options->verify)
		status = count_verify(options, input, &totals);
	free(totals.totals);
	return status;
}

int command_count(int argc, char **argv)
{
	struct count_arguments arguments = {
		.options = {
			.top = DEFAULT_TOP,
			.batch_rows = DEFAULT_BATCH_ROWS,
			.piece_bytes = DEFAULT_PIECE_BYTES,
			.jobs = sysconf(_SC_NPROCESSORS_ONLN),
		},
	};
	struct count_result result = { 0 };
	struct count_input input;
	size_t bad_files;
	int status;

	argp_parse(&count_argp, argc, argv, 0, NULL, &arguments);
	if (arguments.options.tsv && !arguments.top_given)
		arguments.options.top = UINT64_MAX;
	bad_files = count_input_init(&input, arguments.names,
				     arguments.name_count,
				     arguments.options.piece_bytes);
	refuse_unverifiable(&arguments, &input);
	if (!input.file_count) {
		free(input.files);
		return TOOL_TROUBLE;
	}
	status = count_coordinate(&arguments.options, &input, &result);
	if (status == TOOL_OK)
		status = conclude(&arguments.options, &input, &result);
	for (size_t i = 0; i < result.table_count; i++)
		count_table_close(&result.tables[i]);
	free(input.files);
	return bad_files ? TOOL_TROUBLE : status;
}
