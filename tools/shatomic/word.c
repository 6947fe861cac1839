// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that are about words of a region as they are: get, set, op.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "table.h"
#include "tool.h"
#include "word_form.h"

/* Rows that get asks for at a time. */
#define GET_ROWS 4096

/* Most positional arguments: those of op. */
#define MOST_POSITIONS 7

enum {
	KEY_HEX = 256,
	KEY_PEER,
	KEY_PEER_OFFSET,
	KEY_WAKE,
};

/**
 * struct word_arguments - Arguments of get, set and op
 * @backend: Where the regions are.
 * @width: Width of a word in bytes.
 * @form: How to print words.
 * @wake: Whether to wake who waits for the word.
 * @count: How many words to get.
 * @peer: Name of the peer region, or NULL.
 * @has_peer_offset: Whether @peer_offset was given.
 * @peer_offset: Offset in the peer region.
 * @positions: The positional arguments, as they were written.
 * @position_count: Number of @positions.
 * @least: Fewest positional arguments that the command takes.
 * @most: Most that it takes.
 */
struct word_arguments {
	enum shatomic_backend backend;
	unsigned int width;
	struct word_form form;
	bool wake;
	uint64_t count;
	const char *peer;
	bool has_peer_offset;
	uint64_t peer_offset;
	const char *positions[MOST_POSITIONS];
	int position_count;
	int least;
	int most;
};

static void add_position(struct word_arguments *arguments, const char *text,
			 struct argp_state *state)
{
	if (arguments->position_count == arguments->most)
		argp_error(state, "%s: too many arguments", text);
	arguments->positions[arguments->position_count++] = text;
}

static error_t parse_word(int key, char *text, struct argp_state *state)
{
	struct word_arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->backend;
		return 0;
	case 'w':
		arguments->width = parse_width("--width", text);
		return 0;
	case 'n':
		arguments->count = parse_number("--count", text, 1, UINT64_MAX);
		return 0;
	case KEY_HEX:
		arguments->form.hex = true;
		return 0;
	case KEY_PEER:
		arguments->peer = text;
		return 0;
	case KEY_PEER_OFFSET:
		arguments->has_peer_offset = true;
		arguments->peer_offset =
			parse_bytes("--peer-offset", text);
		return 0;
	case KEY_WAKE:
		arguments->wake = true;
		return 0;
	case '0' ... '9':
		/* getopt took a negative number for an option. */
		add_position(arguments, state->argv[state->next - 1], state);
		return 0;
	case ARGP_KEY_ARG:
		add_position(arguments, text, state);
		return 0;
	case ARGP_KEY_END:
		if (arguments->position_count < arguments->least)
			argp_error(state, "too few arguments");
		if (arguments->wake && arguments->width == DOUBLE_WIDTH)
			argp_error(state, "--wake: nobody can wait for a word of 16 bytes");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The same for the commands that print, which have print_children. */
static error_t parse_printed_word(int key, char *text, struct argp_state *state)
{
	struct word_arguments *arguments = state->input;

	if (key == ARGP_KEY_INIT)
		state->child_inputs[1] = &arguments->form.json;
	return parse_word(key, text, state);
}

static const struct argp_child backend_child[] = {
	{ &tool_backend_argp, 0, NULL, 0 },
	{ 0 },
};

/* Of the commands that print. */
static const struct argp_child print_children[] = {
	{ &tool_backend_argp, 0, NULL, 0 },
	{ &json_argp, 0, NULL, 0 },
	{ 0 },
};

#define WIDTH_OPTION                                                           \
	{ "width", 'w', "BYTES", 0, "Width of a word: 1 to 8 (default), or 16", \
	  0 }

#define HEX_OPTION { "hex", KEY_HEX, NULL, 0, "Print in hexadecimal", 0 }

#define WAKE_OPTION                                                            \
	{ "wake", KEY_WAKE, NULL, 0,                                           \
	  "Wake who waits for the word, as `shatomic watch' does", 0 }

#define DIGIT_OPTION(digit)                                                    \
	{ NULL, digit, "", OPTION_HIDDEN | OPTION_ARG_OPTIONAL, NULL, 0 }

/* Options that negative numbers look like, see parse_word(). */
#define NEGATIVE_NUMBERS                                                       \
	DIGIT_OPTION('0'), DIGIT_OPTION('1'), DIGIT_OPTION('2'),               \
	DIGIT_OPTION('3'), DIGIT_OPTION('4'), DIGIT_OPTION('5'),               \
	DIGIT_OPTION('6'), DIGIT_OPTION('7'), DIGIT_OPTION('8'),               \
	DIGIT_OPTION('9')

static uint64_t parse_offset(const char *text)
{
	return parse_bytes("OFFSET", text);
}

/*
 * How to open a region to read or write words. A double is loaded by comparing
 * and exchanging it, for which it has to be writable.
 */
static unsigned int open_flags(const struct word_arguments *arguments,
			       bool writes)
{
	return writes || arguments->width == DOUBLE_WIDTH ?
		       0 : SHATOMIC_OPEN_READ_ONLY;
}

static void run_batch(struct shatomic_region *region, const char *name,
		      struct shatomic_batch *batch)
{
	if (shatomic_batch_run(region, batch))
		tool_die("%s: %s", name, shatomic_error());
}

static void wake_if_wanted(const struct shatomic_region *region,
			   const struct word_arguments *arguments,
			   uint64_t offset)
{
	if (arguments->wake && shatomic_wake(region, offset, arguments->width,
					     INT_MAX) < 0)
		tool_die("%s: %s", arguments->positions[0], shatomic_error());
}

static void get_words(struct shatomic_region *region,
		      const struct word_arguments *arguments, uint64_t offset,
		      uint64_t count)
{
	uint64_t offsets[GET_ROWS];
	uint64_t results[2 * GET_ROWS];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_GET,
		.width = arguments->width,
		.rows = count,
		.offsets = offsets,
		.results = results,
	};

	for (uint64_t i = 0; i < count; i++)
		offsets[i] = offset + i * arguments->width;
	run_batch(region, arguments->positions[0], &batch);
	for (uint64_t i = 0; i < count; i++)
		print_word(&arguments->form, arguments->width, offsets[i],
			   value_at(results, i, arguments->width));
}

/* So that get prints either all that it was asked for or nothing. */
static void check_words(struct shatomic_region *region,
			const struct word_arguments *arguments, uint64_t offset)
{
	unsigned char word[DOUBLE_WIDTH];
	uint64_t last;

	if (__builtin_mul_overflow(arguments->count - 1,
				   (uint64_t)arguments->width, &last) ||
	    __builtin_add_overflow(offset, last, &last))
		tool_die("--count: %" PRIu64 " words go past 64 bits of offset",
			 arguments->count);
	for (; offset <= last; offset += arguments->width) {
		if (shatomic_get(region, offset, arguments->width, word))
			tool_die("%s: %s", arguments->positions[0],
				 shatomic_error());
	}
}

int command_get(int argc, char **argv)
{
	static const struct argp_option option_list[] = {
		WIDTH_OPTION,
		{ "count", 'n', "N", 0, "Number of words (default 1)", 0 },
		HEX_OPTION,
		{ 0 },
	};
	static const struct argp argp = {
		.options = option_list,
		.parser = parse_printed_word,
		.args_doc = "REGION OFFSET",
		.doc = "Print words of a region, each read atomically.",
		.children = print_children,
	};
	struct word_arguments arguments = {
		.width = 8, .count = 1, .least = 2, .most = 2,
	};
	struct shatomic_region *region;
	uint64_t offset;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
	offset = parse_offset(arguments.positions[1]);
	region = tool_open(arguments.backend, arguments.positions[0],
			   open_flags(&arguments, false));
	check_words(region, &arguments, offset);
	while (arguments.count) {
		uint64_t count = arguments.count < GET_ROWS ? arguments.count :
							      GET_ROWS;

		get_words(region, &arguments, offset, count);
		offset += count * arguments.width;
		arguments.count -= count;
	}
	shatomic_close(region);
	return TOOL_OK;
}

int command_set(int argc, char **argv)
{
	static const struct argp_option option_list[] = {
		WIDTH_OPTION,
		WAKE_OPTION,
		NEGATIVE_NUMBERS,
		{ 0 },
	};
	static const struct argp argp = {
		.options = option_list,
		.parser = parse_word,
		.args_doc = "REGION OFFSET VALUE",
		.doc = "Set a word of a region. VALUE is decimal or 0x hexadecimal, and may be negative.",
		.children = backend_child,
	};
	struct word_arguments arguments = { .width = 8, .least = 3, .most = 3 };
	struct shatomic_region *region;
	uint64_t offset, operand[2];

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
	offset = parse_offset(arguments.positions[1]);
	put_value(operand, 0, arguments.width,
		  parse_value("VALUE", arguments.positions[2],
			      arguments.width));
	region = tool_open(arguments.backend, arguments.positions[0], 0);
	run_batch(region, arguments.positions[0],
		  &(struct shatomic_batch){
			  .op = SHATOMIC_OP_SET,
			  .width = arguments.width,
			  .rows = 1,
			  .offsets = &offset,
			  .operands = operand,
		  });
	wake_if_wanted(region, &arguments, offset);
	shatomic_close(region);
	return TOOL_OK;
}

/* The arguments that operations take, in their order. */
static const struct {
	int need;
	const char *name;
} op_values[] = {
	{ SHATOMIC_NEEDS_OPERAND, "OPERAND" },
	{ SHATOMIC_NEEDS_COMPARAND, "COMPARAND" },
	{ SHATOMIC_NEEDS_MASK, "MASK" },
	{ SHATOMIC_NEEDS_COMPARAND_MASK, "COMPARAND-MASK" },
};

#define OP_VALUES (sizeof(op_values) / sizeof(op_values[0]))

/* An operation takes just the arguments that shatomic_op_needs() tells. */
static void check_needs(const struct word_arguments *arguments, int needs)
{
	const char *op = arguments->positions[1];
	char usage[64] = "OFFSET";
	int values = 0;

	for (size_t i = 0; i < OP_VALUES; i++) {
		if (!(needs & op_values[i].need))
			continue;
		values++;
		strcat(usage, " ");
		strcat(usage, op_values[i].name);
	}
	if (arguments->position_count - 3 != values)
		tool_die("%s takes %s", op, usage);
	if (!arguments->peer && needs & SHATOMIC_NEEDS_PEER)
		tool_die("%s needs --peer", op);
	if (arguments->peer && !(needs & SHATOMIC_NEEDS_PEER))
		tool_die("%s has no --peer", op);
	if (arguments->has_peer_offset && !(needs & SHATOMIC_NEEDS_PEER))
		tool_die("%s has no --peer-offset", op);
}

/* The values of an operation, each where op_values has it. */
static void parse_values(const struct word_arguments *arguments, int needs,
			 uint64_t values[OP_VALUES][2])
{
	const char *const *text = &arguments->positions[3];

	for (size_t i = 0; i < OP_VALUES; i++) {
		if (needs & op_values[i].need)
			put_value(values[i], 0, arguments->width,
				  parse_value(op_values[i].name, *text++,
					      arguments->width));
	}
}

/* compare_and_set_value tells by its status, as its result is a value. */
static int run_op(const struct word_arguments *arguments, unsigned int op,
		  int needs)
{
	const char *name = arguments->positions[0];
	uint64_t offset = parse_offset(arguments->positions[2]);
	uint64_t values[OP_VALUES][2] = { 0 }, results[2] = { 0 };
	struct shatomic_region *peer = NULL;
	struct shatomic_region *region;
	uint8_t row_status = SHATOMIC_ROW_NOT_RUN;
	tool_value result;
	struct shatomic_batch batch = {
		.op = op,
		.width = arguments->width,
		.rows = 1,
		.offsets = &offset,
		.operands = values[0],
		.comparands = values[1],
		.masks = values[2],
		.comparand_masks = values[3],
		.results = results,
		.statuses = &row_status,
	};

	parse_values(arguments, needs, values);
	region = tool_open(arguments->backend, name,
			   open_flags(arguments, op != SHATOMIC_OP_GET));
	if (needs & SHATOMIC_NEEDS_PEER) {
		peer = tool_open(arguments->backend, arguments->peer,
				 open_flags(arguments,
					    op != SHATOMIC_OP_STORE));
		batch.peers = &peer;
		batch.peer_count = 1;
		batch.peer_offsets = &arguments->peer_offset;
	}
	run_batch(region, name, &batch);
	wake_if_wanted(region, arguments, offset);
	result = value_at(results, 0, arguments->width);
	if (arguments->form.json)
		print_json_result(&arguments->form, arguments->width, result,
				  row_status);
	else
		print_word(&arguments->form, arguments->width, offset, result);
	shatomic_close(peer);
	shatomic_close(region);
	return row_status == SHATOMIC_ROW_COMPARE_FAILED ? TOOL_DIFFERED :
							   TOOL_OK;
}

static void print_operations(FILE *stream)
{
	fputs("Operations:", stream);
	for (unsigned int op = 0; op < SHATOMIC_OP_COUNT; op++)
		fprintf(stream, " %s", shatomic_op_name(op));
}

/* argp's hook into its help. */
static char *append_operations(int key, const char *text, void *input)
{
	(void)input;
	return tool_help(key, text, print_operations);
}

int command_op(int argc, char **argv)
{
	static const struct argp_option option_list[] = {
		WIDTH_OPTION,
		{ "peer", KEY_PEER, "REGION", 0,
		  "Region that the operation's other word is in", 0 },
		{ "peer-offset", KEY_PEER_OFFSET, "N", 0,
		  "Offset of the other word (default 0)", 0 },
		HEX_OPTION,
		WAKE_OPTION,
		NEGATIVE_NUMBERS,
		{ 0 },
	};
	static const struct argp argp = {
		.options = option_list,
		.parser = parse_printed_word,
		.args_doc = "REGION OPERATION OFFSET [OPERAND] [COMPARAND] [MASK] [COMPARAND-MASK]",
		.doc = "Run one atomic operation and print its result. The exit status is 1 when a comparison did not hold.\v",
		.children = print_children,
		.help_filter = append_operations,
	};
	struct word_arguments arguments = {
		.width = 8, .least = 3, .most = MOST_POSITIONS,
	};
	int op, needs;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
	op = shatomic_op_from_name(arguments.positions[1]);
	if (op < 0)
		tool_die("%s: no such operation; try `shatomic op --help'",
			 arguments.positions[1]);
	needs = shatomic_op_needs(op);
	check_needs(&arguments, needs);
	return run_op(&arguments, op, needs);
}
