// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that are about named regions as a whole: create, ls, info, rm.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct argp_child backend_child[] = {
	{ &tool_backend_argp, 0, NULL, 0 },
	{ 0 },
};

enum {
	KEY_HUGE = 256,
	KEY_PINNED,
	KEY_NUMA,
};

static error_t parse_create(int key, char *text, struct argp_state *state)
{
	struct shatomic_create_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->backend;
		return 0;
	case 's':
		options->length = parse_size("--size", text);
		return 0;
	case 'm':
		options->mode = parse_mode("--mode", text);
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
	case ARGP_KEY_ARG:
		if (options->name)
			argp_error(state, "only one NAME");
		options->name = text;
		return 0;
	case ARGP_KEY_END:
		if (!options->name)
			argp_error(state, "NAME is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int command_create(int argc, char **argv)
{
	static const struct argp_option option_list[] = {
		{ "size", 's', "SIZE", 0,
		  "Bytes, also with K, M, G or T (default 4K)", 0 },
		{ "mode", 'm', "OCTAL", 0,
		  "Permission bits, less the umask (default 0600)", 0 },
		{ "huge", KEY_HUGE, NULL, 0, "Huge pages or failure", 0 },
		{ "pinned", KEY_PINNED, NULL, 0, "Pinned memory or failure",
		  0 },
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
	struct shatomic_create_options options = { .length = 4096 };
	struct shatomic_region *region;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (shatomic_create(&options, &region))
		tool_die("%s: %s", options.name, shatomic_error());
	shatomic_close(region);
	return TOOL_OK;
}

/**
 * struct names_arguments - Arguments of a command that takes names
 * @backend: Where the regions are.
 * @names: The names.
 * @count: Number of @names.
 * @least: Fewest names that the command takes.
 * @most: Most names that it takes.
 */
struct names_arguments {
	enum shatomic_backend backend;
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
			argp_error(state, "NAME is missing");
		if (arguments->count > arguments->most)
			argp_error(state, "too many arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int command_ls(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_names,
		.doc = "List the named regions; sizes are in bytes.",
		.children = backend_child,
	};
	struct names_arguments arguments = { 0 };
	struct shatomic_list_entry *entries;
	size_t count;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (shatomic_list(arguments.backend, &entries, &count))
		tool_die("%s", shatomic_error());
	printf("%-20s %14s %14s %-4s %8s %8s\n", "NAME", "SIZE", "HUGE",
	       "MODE", "OWNER", "GROUP");
	for (size_t i = 0; i < count; i++)
		printf("%-20s %14llu %14llu %04o %8u %8u\n", entries[i].name,
		       (unsigned long long)entries[i].region_size,
		       (unsigned long long)entries[i].huge_bytes,
		       entries[i].mode, entries[i].uid, entries[i].gid);
	free(entries);
	return TOOL_OK;
}

int command_info(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_names,
		.args_doc = "NAME",
		.doc = "Show what a region is.",
		.children = backend_child,
	};
	struct names_arguments arguments = { .least = 1, .most = 1 };
	struct shatomic_region *region;
	struct shatomic_info info;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	region = tool_open(arguments.backend, arguments.names[0],
			   SHATOMIC_OPEN_READ_ONLY);
	if (shatomic_get_info(region, &info))
		tool_die("%s: %s", arguments.names[0], shatomic_error());
	shatomic_close(region);
	printf("name:    %s\n", info.name);
	printf("backend: %s\n", tool_backend_name(info.backend));
	printf("size:    %zu\n", info.size);
	printf("huge:    %zu\n", info.huge_bytes);
	printf("pinned:  %s\n", info.pinned ? "yes" : "no");
	printf("mode:    %04o\n", info.mode);
	printf("owner:   %u\n", info.uid);
	printf("group:   %u\n", info.gid);
	return TOOL_OK;
}

int command_rm(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_names,
		.args_doc = "NAME...",
		.doc = "Remove names; memory stays for those who have it open.",
		.children = backend_child,
	};
	struct names_arguments arguments = { .least = 1, .most = argc };
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
