// SPDX-License-Identifier: GPL-2.0-only
/*
 * `shatomic batch': rows from a file are made columns, a batch of them at a
 * time, run, and what came of them is printed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "batch_rows.h"
#include "progress.h"
#include "tool.h"
#include "word_form.h"

#define DEFAULT_BATCH_ROWS 65536
#define MOST_BATCH_ROWS (1ULL << 24)

#define DEFAULT_WIDTH 8

/* Room for "row 18446744073709551615: ". */
#define ROW_PREFIX_SIZE 32

enum {
	KEY_OP = 256,
	KEY_UNORDERED,
	KEY_PARALLELISM,
	KEY_LOCAL,
	KEY_BATCH_ROWS,
	KEY_HEX,
	KEY_PEER,
};

/**
 * struct batch_arguments - The command line
 * @defaults: Where regions are, and what rows have that do not say.
 * @form: How results are printed; rows are JSON when they are.
 * @progress: Whether progress is shown.
 * @local: Whether batches run in this process.
 * @flags: enum shatomic_batch_flags
 * @parallelism: Most CPUs, 0 to choose.
 * @batch_rows: Rows in a batch.
 * @name: The region.
 * @path: The file, "-" for standard input.
 */
struct batch_arguments {
	struct batch_defaults defaults;
	struct word_form form;
	bool progress;
	bool local;
	unsigned int flags;
	unsigned int parallelism;
	uint64_t batch_rows;
	const char *name;
	const char *path;
};

/**
 * struct runner - Batches as they are made and run
 * @arguments: The command line.
 * @input: Where rows come from.
 * @region: The region.
 * @rows: Rows of the batch that is being made.
 * @rows_run: Rows of all batches before it, which have run.
 * @compare_failed: Whether any comparison did not hold.
 */
struct runner {
	const struct batch_arguments *arguments;
	struct batch_input input;
	struct shatomic_region *region;
	struct batch_rows rows;
	uint64_t rows_run;
	bool compare_failed;
};

static error_t parse_batch(int key, char *text, struct argp_state *state)
{
	struct batch_arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->defaults.backend;
		state->child_inputs[1] = &arguments->progress;
		return 0;
	case KEY_OP:
		arguments->defaults.op = shatomic_op_from_name(text);
		if (arguments->defaults.op < 0)
			tool_die("--op: %s: no such operation; try `shatomic op --help'",
				 text);
		return 0;
	case 'w':
		arguments->defaults.width = parse_width("--width", text);
		return 0;
	case KEY_PEER:
		arguments->defaults.peer = text;
		return 0;
	case KEY_UNORDERED:
		arguments->flags |= SHATOMIC_BATCH_UNORDERED;
		return 0;
	case KEY_PARALLELISM:
		arguments->parallelism = parse_number("--parallelism", text, 0,
						      MOST_PARALLELISM);
		return 0;
	case KEY_LOCAL:
		arguments->local = true;
		return 0;
	case KEY_BATCH_ROWS:
		arguments->batch_rows = parse_number("--batch-rows", text, 1,
						     MOST_BATCH_ROWS);
		return 0;
	case KEY_HEX:
		arguments->form.hex = true;
		return 0;
	case 'J':
		arguments->form.json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "%s: too many arguments", text);
		if (state->arg_num)
			arguments->path = text;
		else
			arguments->name = text;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->name)
			argp_error(state, "REGION is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child batch_children[] = {
	{ &tool_backend_argp, 0, NULL, 0 },
	{ &progress_argp, 0, NULL, 0 },
	{ 0 },
};

static const struct argp_option batch_options[] = {
	{ "json", 'J', NULL, 0,
	  "Rows are lines of JSON, an object each, and so are results", 0 },
	{ "op", KEY_OP, "OPERATION", 0, "Operation of rows that name none", 0 },
	{ "width", 'w', "BYTES", 0,
	  "Width of rows that name none: 1 to 8 (default); or 16, of all", 0 },
	{ "peer", KEY_PEER, "REGION", 0,
	  "Peer region of rows that need one and name none", 0 },
	{ "unordered", KEY_UNORDERED, NULL, 0,
	  "Rows of a batch may run in any order", 0 },
	{ "parallelism", KEY_PARALLELISM, "N", 0,
	  "Most CPUs that share a batch (default 0, to choose)", 0 },
	{ "local", KEY_LOCAL, NULL, 0,
	  "Run batches in this process, not in the kernel", 0 },
	{ "batch-rows", KEY_BATCH_ROWS, "N", 0,
	  "Rows in a batch (default 65536)", 0 },
	{ "hex", KEY_HEX, NULL, 0, "Print results in hexadecimal", 0 },
	{ 0 },
};

static const struct argp batch_argp = {
	.options = batch_options,
	.parser = parse_batch,
	.args_doc = "REGION [FILE]",
	.doc = "Run many operations on a region. Rows come from FILE, or from standard input where there is none or it is `-': CSV whose first line names the columns. Printed is a line a row, result and status, in the order of rows.\v"
	       "Columns: op, width, offset, operand, comparand, mask, comparand_mask, peer (the name of a region), peer_offset (0 where there is none). Those that a row's operation does not take are empty. Numbers are decimal, or as text 0x hexadecimal.\n\n"
	       "A batch is checked as a whole before its first row runs. An error names the line and tells how many rows before it have run; of the batch that it is in, none has. The exit status is 1 when a comparison did not hold.",
	.children = batch_children,
};

/* The line that the batch begins with. */
static uint64_t first_line(const struct runner *runner)
{
	return runner->rows.count ? runner->rows.lines[0] : runner->input.line;
}

/* What had been done when an error was met, @rows_done of this batch. */
static void tell_what_ran(const struct runner *runner, uint64_t rows_done)
{
	const char *name = runner->input.name;
	uint64_t line = first_line(runner);

	if (rows_done)
		tool_complain("%s: the %" PRIu64 " rows before line %" PRIu64 " have been run, and %" PRIu64 " of the %" PRIu64 " rows from there on",
			      name, runner->rows_run, line, rows_done,
			      runner->rows.count);
	else if (runner->rows_run)
		tool_complain("%s: the %" PRIu64 " rows before line %" PRIu64 " have been run, and no other",
			      name, runner->rows_run, line);
	else
		tool_complain("%s: no row has been run", name);
}

/* Rows for a batch, fewer at the end of the input. */
static bool fill(struct runner *runner)
{
	struct batch_input *input = &runner->input;
	enum batch_read read = BATCH_READ_ROW;

	while (runner->rows.count < runner->arguments->batch_rows) {
		read = batch_input_read(input);
		if (read != BATCH_READ_ROW ||
		    !batch_rows_add(&runner->rows, input))
			break;
	}
	if (!input->wrong[0])
		return true;
	tool_complain("%s: line %" PRIu64 ": %s", input->name,
		      input->line ? input->line : 1, input->wrong);
	tell_what_ran(runner, 0);
	return false;
}

static const char *field_name(unsigned int field)
{
	static const enum batch_column columns[] = {
		[SHATOMIC_FIELD_OP] = BATCH_OP,
		[SHATOMIC_FIELD_WIDTH] = BATCH_WIDTH,
		[SHATOMIC_FIELD_OFFSETS] = BATCH_OFFSET,
		[SHATOMIC_FIELD_OPERANDS] = BATCH_OPERAND,
		[SHATOMIC_FIELD_COMPARANDS] = BATCH_COMPARAND,
		[SHATOMIC_FIELD_PEERS] = BATCH_PEER,
		[SHATOMIC_FIELD_PEER_INDEXES] = BATCH_PEER,
		[SHATOMIC_FIELD_PEER_OFFSETS] = BATCH_PEER_OFFSET,
		[SHATOMIC_FIELD_MASKS] = BATCH_MASK,
		[SHATOMIC_FIELD_COMPARAND_MASKS] = BATCH_COMPARAND_MASK,
	};

	if (field >= sizeof(columns) / sizeof(columns[0]))
		return batch_column_names[BATCH_OP];
	return batch_column_names[columns[field]];
}

/* The library counts rows of its batch: who wrote lines knows those. */
static void complain_of_row(const struct runner *runner,
			    const struct shatomic_batch *batch)
{
	const char *sentence = shatomic_error();
	char prefix[ROW_PREFIX_SIZE];

	snprintf(prefix, sizeof(prefix), "row %" PRIu64 ": ", batch->error_row);
	if (!strncmp(sentence, prefix, strlen(prefix)))
		sentence += strlen(prefix);
	tool_complain("%s: line %" PRIu64 ": %s: %s", runner->input.name,
		      runner->rows.lines[batch->error_row],
		      field_name(batch->error_field), sentence);
}

static bool run(struct runner *runner)
{
	struct batch_rows *rows = &runner->rows;
	struct shatomic_batch batch = {
		.flags = runner->arguments->flags,
		.parallelism = runner->arguments->parallelism,
		.rows = rows->count,
		.ops = rows->ops,
		.offsets = rows->offsets,
		.operands = rows->operands,
		.comparands = rows->comparands,
		.masks = rows->masks,
		.comparand_masks = rows->comparand_masks,
		.results = rows->results,
		.statuses = rows->statuses,
		.peers = rows->peer_regions,
		.peer_count = rows->peer_count,
		.peer_indexes = rows->peer_indexes,
		.peer_offsets = rows->peer_offsets,
	};
	int err;

	if (runner->arguments->defaults.width == DOUBLE_WIDTH)
		batch.width = DOUBLE_WIDTH;
	else
		batch.widths = rows->widths;
	if (runner->arguments->local)
		err = shatomic_batch_run_local(runner->region, &batch);
	else
		err = shatomic_batch_run(runner->region, &batch);
	if (!err)
		return true;
	if (batch.error_row < rows->count)
		complain_of_row(runner, &batch);
	else
		tool_complain("%s: %s", runner->arguments->name,
			      shatomic_error());
	tell_what_ran(runner, batch.rows_done);
	return false;
}

static void print_row(struct runner *runner, uint64_t row)
{
	const struct batch_rows *rows = &runner->rows;
	const struct word_form *form = &runner->arguments->form;
	unsigned int width = rows->widths[row];
	tool_value result = value_at(rows->results, row, width);
	char text[WORD_TEXT_SIZE];

	if (rows->statuses[row] == SHATOMIC_ROW_COMPARE_FAILED)
		runner->compare_failed = true;
	if (form->json)
		print_json_result(form, width, result, rows->statuses[row]);
	else
		printf("%s,%s\n", word_text(form, width, result, text),
		       tool_row_status_name(rows->statuses[row]));
}

static bool print_rows(struct runner *runner)
{
	uint64_t row;

	for (row = 0; row < runner->rows.count; row++)
		print_row(runner, row);
	runner->rows_run += runner->rows.count;
	runner->rows.count = 0;
	if (tool_flush_stdout() == TOOL_OK)
		return true;
	tool_complain("%s: the %" PRIu64 " rows up to line %" PRIu64 " have been run",
		      runner->input.name, runner->rows_run,
		      runner->input.line);
	return false;
}

static int run_all(struct runner *runner)
{
	struct progress progress;
	bool good = true;

	progress_begin(&progress, runner->arguments->progress,
		       tool_file_size(runner->input.stream));
	if (!runner->arguments->form.json)
		puts("result,status");
	while (good) {
		good = fill(runner);
		if (!good || !runner->rows.count)
			break;
		progress_erase(&progress);
		good = run(runner) && print_rows(runner);
		progress_step(&progress, runner->input.bytes);
	}
	progress_erase(&progress);
	if (!good)
		return TOOL_TROUBLE;
	return runner->compare_failed ? TOOL_DIFFERED : TOOL_OK;
}

int command_batch(int argc, char **argv)
{
	struct batch_arguments arguments = {
		.defaults = { .op = -1, .width = DEFAULT_WIDTH },
		.batch_rows = DEFAULT_BATCH_ROWS,
		.path = "-",
	};
	struct runner runner = { .arguments = &arguments };
	int status;

	argp_parse(&batch_argp, argc, argv, 0, NULL, &arguments);
	if (batch_open(arguments.defaults.backend, arguments.name,
		       &runner.region))
		tool_die("%s: %s", arguments.name, shatomic_error());
	batch_input_open(&runner.input, arguments.path, arguments.form.json);
	batch_rows_init(&runner.rows, &arguments.defaults,
			arguments.batch_rows);
	status = run_all(&runner);
	batch_rows_free(&runner.rows);
	batch_input_close(&runner.input);
	shatomic_close(runner.region);
	return status;
}
