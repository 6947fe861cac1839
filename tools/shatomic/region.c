// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that are about named regions as a whole: create, ls, info, rm.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "tool.h"

static const struct argp_child backend_child[] = {
	{ &tool_backend_argp, 0, NULL, 0 },
	{ 0 },
};

enum {
	KEY_HUGE = 256,
	KEY_PINNED,
	KEY_NUMA,
	KEY_FROM,
};

/* What a region has when nothing says how large it is to be. */
#define DEFAULT_SIZE 4096

static error_t parse_create(int key, char *text, struct argp_state *state)
{
	struct shatomic_create_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->backend;
		return 0;
	case 's':
		options->size = parse_size("--size", text);
		return 0;
	case 'm':
		options->mode = parse_mode("--mode", text);
		/* Which to the library is the default. */
		if (!options->mode)
			tool_die("--mode: %s lets nobody in", text);
		return 0;
	case KEY_HUGE:
		options->flags |= SHATOMIC_CREATE_HUGE;
		return 0;
	case KEY_PINNED:
		options->flags |= SHATOMIC_CREATE_PINNED;
		return 0;
	case KEY_NUMA:
		parse_numa("--numa", text, options);
		return 0;
	case KEY_FROM:
		options->source = SHATOMIC_SOURCE_FILE;
		options->previous_path = text;
		return 0;
	case ARGP_KEY_ARG:
		if (options->name)
			argp_error(state, "only one NAME");
		options->name = text;
		return 0;
	case ARGP_KEY_END:
		if (!options->name)
			argp_error(state, "NAME is missing");
		if (!options->size && !options->previous_path)
			options->size = DEFAULT_SIZE;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What the command locks of a memfd is not locked any more once it has ended. */
static void check_pinned(const struct shatomic_create_options *options)
{
	struct shatomic_info info;

	if (!tool_try_region(options->backend, 1, &info))
		tool_die("%s: %s", options->name, shatomic_error());
	if (info.backend == SHATOMIC_BACKEND_MEMFD)
		tool_die("--pinned: a region of the memfd backend is pinned only while a process that locked it has it open, which this one does not stay for; one of the device always is");
}

int command_create(int argc, char **argv)
{
	static const struct argp_option option_list[] = {
		{ "size", 's', "SIZE", 0,
		  "Bytes, also with K, M, G or T (default 4K, or the size of FILE)",
		  0 },
		{ "mode", 'm', "OCTAL", 0,
		  "Permission bits, less the umask (default 0600)", 0 },
		{ "from", KEY_FROM, "FILE", 0,
		  "Begin with what FILE has, as `shatomic dump' wrote it: zeros follow a shorter one, a longer one is cut",
		  0 },
		{ "huge", KEY_HUGE, NULL, 0, "Huge pages or failure", 0 },
		{ "pinned", KEY_PINNED, NULL, 0,
		  "Pinned memory, which memfd has none of, or failure", 0 },
		{ "numa", KEY_NUMA, "bind|interleave:NODE,...", 0,
		  "Which NUMA nodes its memory comes from: only these, or these in turn",
		  0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = option_list,
		.parser = parse_create,
		.args_doc = "NAME",
		.doc = "Create a region that stays until `shatomic rm'.",
		.children = backend_child,
	};
	struct shatomic_create_options options = { 0 };
	struct shatomic_region *region;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.flags & SHATOMIC_CREATE_PINNED)
		check_pinned(&options);
	if (shatomic_create(&options, &region))
		tool_die("%s: %s", options.name, shatomic_error());
	shatomic_close(region);
	return TOOL_OK;
}

static const struct argp_child print_children[] = {
	{ &tool_backend_argp, 0, NULL, 0 },
	{ &output_argp, 0, NULL, 0 },
	{ 0 },
};

/**
 * struct names_arguments - Arguments of a command that takes names
 * @backend: Where the regions are.
 * @output: How to print, where a command prints.
 * @what: What the names are, for messages.
 * @names: The names.
 * @count: Number of @names.
 * @least: Fewest names that the command takes.
 * @most: Most names that it takes.
 */
struct names_arguments {
	enum shatomic_backend backend;
	struct output output;
	const char *what;
	char **names;
	int count;
	int least;
	int most;
};

static error_t parse_names(int key, char *text, struct argp_state *state)
{
	struct names_arguments *arguments = state->input;

	(void)text;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->backend;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->names = state->argv + state->next;
		arguments->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (arguments->count < arguments->least)
			argp_error(state, "%s is missing", arguments->what);
		if (arguments->count > arguments->most)
			argp_error(state, "too many arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The same for the commands that print, which have print_children. */
static error_t parse_printed_names(int key, char *text,
				   struct argp_state *state)
{
	struct names_arguments *arguments = state->input;

	if (key == ARGP_KEY_INIT)
		state->child_inputs[1] = &arguments->output;
	return parse_names(key, text, state);
}

/* What is told of a region by ls and by info alike. */
static void add_region(struct json_object *object, const char *name,
		       uint64_t size, uint64_t huge_bytes)
{
	add_text(object, "name", name);
	add_number(object, "size", size);
	add_number(object, "huge_bytes", huge_bytes);
}

static void add_owner(struct json_object *object, mode_t mode, uid_t uid,
		      gid_t gid)
{
	char octal[8];

	snprintf(octal, sizeof(octal), "%04o", mode & 07777);
	add_text(object, "mode", octal);
	add_number(object, "uid", uid);
	add_number(object, "gid", gid);
}

int command_ls(int argc, char **argv)
{
	static const struct column columns[] = {
		{ "name", "NAME", COLUMN_TEXT },
		{ "size", "SIZE", COLUMN_SIZE },
		{ "huge_bytes", "HUGE", COLUMN_SIZE },
		{ "mode", "MODE", COLUMN_TEXT },
		{ "uid", "OWNER", COLUMN_NUMBER },
		{ "gid", "GROUP", COLUMN_NUMBER },
		{ 0 },
	};
	static const struct argp argp = {
		.parser = parse_printed_names,
		.doc = "List the named regions.",
		.children = print_children,
	};
	struct names_arguments arguments = { 0 };
	struct shatomic_listed *entries;
	struct json_object *rows;
	size_t count;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (shatomic_list(arguments.backend, &entries, &count))
		tool_die("%s", shatomic_error());
	rows = new_array();
	for (size_t i = 0; i < count; i++) {
		struct json_object *row = new_object();

		add_region(row, entries[i].name, entries[i].size,
			   entries[i].huge_bytes);
		add_owner(row, entries[i].mode, entries[i].uid,
			  entries[i].gid);
		json_object_array_add(rows, row);
	}
	free(entries);
	print_table(&arguments.output, columns, "regions", rows);
	return TOOL_OK;
}

int command_info(int argc, char **argv)
{
	static const struct column columns[] = {
		{ "name", "name", COLUMN_TEXT },
		{ "backend", "backend", COLUMN_TEXT },
		{ "size", "size", COLUMN_SIZE },
		{ "huge_bytes", "huge", COLUMN_SIZE },
		{ "pinned", "pinned", COLUMN_TEXT },
		{ "mode", "mode", COLUMN_TEXT },
		{ "uid", "owner", COLUMN_NUMBER },
		{ "gid", "group", COLUMN_NUMBER },
		{ 0 },
	};
	static const struct argp argp = {
		.parser = parse_printed_names,
		.args_doc = "REGION",
		.doc = "Show what a region is.",
		.children = print_children,
	};
	struct names_arguments arguments = {
		.what = "REGION", .least = 1, .most = 1,
	};
	struct shatomic_region *region;
	struct json_object *record;
	struct shatomic_info info;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	region = tool_open(arguments.backend, arguments.names[0],
			   SHATOMIC_OPEN_READ_ONLY);
	if (shatomic_get_info(region, &info))
		tool_die("%s: %s", arguments.names[0], shatomic_error());
	shatomic_close(region);
	record = new_object();
	add_region(record, info.name, info.size, info.huge_bytes);
	add_text(record, "backend", tool_backend_name(info.backend));
	/* Of a memfd it would tell of this process's own lock alone. */
	if (info.backend != SHATOMIC_BACKEND_MEMFD)
		add_truth(record, "pinned", info.pinned);
	add_owner(record, info.mode, info.uid, info.gid);
	print_record(&arguments.output, columns, record);
	return TOOL_OK;
}

int command_rm(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_names,
		.args_doc = "REGION...",
		.doc = "Remove names; memory stays for those who have it open.",
		.children = backend_child,
	};
	struct names_arguments arguments = {
		.what = "REGION", .least = 1, .most = argc,
	};
	int status = TOOL_OK;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	for (int i = 0; i < arguments.count; i++) {
		if (shatomic_unlink(arguments.backend, arguments.names[i])) {
			tool_complain("%s: %s", arguments.names[i],
				      shatomic_error());
			status = TOOL_TROUBLE;
		}
	}
	return status;
}
