// SPDX-License-Identifier: GPL-2.0-only
/*
 * `shatomic watch': waits until a word of a region changes. Who wakes waiters
 * is seen at once. As operations and batches change words and wake nobody, the
 * word is also looked at now and then.
 */
#include <errno.h>
#include <math.h>

#include "../../lib/value.h"
#include "table.h"
#include "tool.h"
#include "word_form.h"

#define DEFAULT_WIDTH 8
#define DEFAULT_INTERVAL 0.1

/* About 30 years. */
#define MOST_SECONDS 1e9

enum {
	KEY_HEX = 256,
	KEY_VALUE,
	KEY_INTERVAL,
};

/**
 * struct watch_arguments - The command line
 * @backend: Where regions are.
 * @form: How to print the word.
 * @width: Width of the word in bytes.
 * @value: What the word is to differ from, as it was written; or NULL.
 * @timeout: Seconds to wait at most.
 * @interval: Seconds between looks at the word.
 * @positions: The region and the offset.
 */
struct watch_arguments {
	enum shatomic_backend backend;
	struct word_form form;
	unsigned int width;
	const char *value;
	double timeout;
	double interval;
	const char *positions[2];
};

static error_t parse_watch(int key, char *text, struct argp_state *state)
{
	struct watch_arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->backend;
		state->child_inputs[1] = &arguments->form.json;
		return 0;
	case 'w':
		/* Nobody can wait for a double. */
		arguments->width = parse_number("--width", text, 1, 8);
		return 0;
	case KEY_VALUE:
		arguments->value = text;
		return 0;
	case 't':
		arguments->timeout = parse_seconds("--timeout", text, 0,
						   MOST_SECONDS);
		return 0;
	case KEY_INTERVAL:
		arguments->interval = parse_seconds("--interval", text, 1e-3,
						    MOST_SECONDS);
		return 0;
	case KEY_HEX:
		arguments->form.hex = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "%s: too many arguments", text);
		arguments->positions[state->arg_num] = text;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->positions[1])
			argp_error(state, "too few arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option watch_options[] = {
	{ "width", 'w', "BYTES", 0, "Width of the word: 1 to 8 (default)", 0 },
	{ "value", KEY_VALUE, "VALUE", 0,
	  "Wait until the word differs from this (default: from what it is now)",
	  0 },
	{ "timeout", 't', "SECONDS", 0,
	  "Wait no longer; exit status 1 when the word did not change", 0 },
	{ "interval", KEY_INTERVAL, "SECONDS", 0,
	  "How often to look at a word whose changes wake nobody (default 0.1)",
	  0 },
	{ "hex", KEY_HEX, NULL, 0, "Print in hexadecimal", 0 },
	{ 0 },
};

static const struct argp watch_argp = {
	.options = watch_options,
	.parser = parse_watch,
	.args_doc = "REGION OFFSET",
	.doc = "Wait until a word of a region changes, then print it. `shatomic set --wake', `shatomic op --wake' and shatomic_wake(3) are seen at once, other changes when it is looked at; a word that changes and changes back may go unseen.",
	.children = (const struct argp_child[]){
		{ &tool_backend_argp, 0, NULL, 0 },
		{ &json_argp, 0, NULL, 0 },
		{ 0 },
	},
};

static uint64_t load(struct shatomic_region *region,
		     const struct watch_arguments *arguments, uint64_t offset)
{
	uint64_t word = 0;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_GET,
		.width = arguments->width,
		.rows = 1,
		.offsets = &offset,
		.results = &word,
	};

	if (shatomic_batch_run_local(region, &batch))
		tool_die("%s: %s", arguments->positions[0], shatomic_error());
	return word;
}

/* Whether the word came to differ from @expected in time. */
static bool wait_for_change(const struct shatomic_region *region,
			    const struct watch_arguments *arguments,
			    uint64_t offset, uint64_t expected)
{
	double end = tool_now() + arguments->timeout, seconds;
	unsigned char bytes[sizeof(expected)];
	struct timespec slice;
	int err;

	shatomic_value_store(bytes, arguments->width, expected);
	do {
		seconds = fmax(fmin(arguments->interval, end - tool_now()), 0);
		slice.tv_sec = seconds;
		slice.tv_nsec = (seconds - slice.tv_sec) * 1e9;
		err = shatomic_wait(region, offset, arguments->width,
				    bytes, &slice);
	} while ((err == -ETIMEDOUT || err == -EINTR) && tool_now() < end);
	if (err && err != -ETIMEDOUT && err != -EINTR)
		tool_die("%s: %s", arguments->positions[0], shatomic_error());
	return !err;
}

int command_watch(int argc, char **argv)
{
	struct watch_arguments arguments = {
		.width = DEFAULT_WIDTH,
		.timeout = MOST_SECONDS,
		.interval = DEFAULT_INTERVAL,
	};
	struct shatomic_region *region;
	uint64_t offset, expected;
	bool changed;

	argp_parse(&watch_argp, argc, argv, 0, NULL, &arguments);
	offset = parse_bytes("OFFSET", arguments.positions[1]);
	region = tool_open(arguments.backend, arguments.positions[0],
			   SHATOMIC_OPEN_READ_ONLY);
	expected = arguments.value ?
			   parse_value("--value", arguments.value,
				       arguments.width) :
			   load(region, &arguments, offset);
	changed = wait_for_change(region, &arguments, offset, expected);
	if (changed)
		print_word(&arguments.form, arguments.width, offset,
			   load(region, &arguments, offset));
	shatomic_close(region);
	return changed ? TOOL_OK : TOOL_DIFFERED;
}
