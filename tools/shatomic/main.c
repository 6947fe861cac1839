// SPDX-License-Identifier: GPL-2.0-only
/*
 * shatomic: finds the command that the command line names and runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct command {
	const char *name;
	const char *program; /* argv[0] of the command, for its usage. */
	int (*run)(int argc, char **argv);
	const char *summary;
};

static int command_help(int argc, char **argv);

#define COMMAND(name, summary)                                                 \
	{                                                                      \
		#name, "shatomic " #name, command_##name, summary              \
	}

static const struct command commands[] = {
	COMMAND(create, "create a named region"),
	COMMAND(ls, "list the named regions"),
	COMMAND(info, "show what a region is"),
	COMMAND(get, "print words of a region"),
	COMMAND(set, "set a word of a region"),
	COMMAND(op, "run one atomic operation on a region"),
	COMMAND(batch, "run many atomic operations, rows of a file"),
	COMMAND(dump, "write a region to a file"),
	COMMAND(load, "copy a file into a region"),
	COMMAND(sync, "write a region to its place in a file"),
	COMMAND(watch, "wait until a word of a region changes"),
	COMMAND(rm, "remove names; memory stays for those who have it open"),
	COMMAND(bench, "measure batches against the plain loop on this machine"),
	COMMAND(count, "count words, lines or bytes of files by many processes"),
	COMMAND(top, "show what runs on all regions, over and over"),
	COMMAND(doctor, "tell what works here, and what to do about the rest"),
	COMMAND(help, "show this help, or that of a command"),
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const char *argp_program_version = "shatomic " TOOL_VERSION;

/* The command with a name, or the end. */
static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	tool_die("%s: no such command; try `shatomic --help'", name);
}

static void print_commands(FILE *stream)
{
	fputs("Commands:\n", stream);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-8s %s\n", commands[i].name,
			commands[i].summary);
	fputs("\n`shatomic COMMAND --help' tells more of a command.", stream);
}

/* argp's hook into its help. */
static char *append_commands(int key, const char *text, void *input)
{
	(void)input;
	return tool_help(key, text, print_commands);
}

/* Stops at the first word that is no option: the rest is the command's. */
static error_t parse_main(int key, char *text, struct argp_state *state)
{
	int *command_index = state->input;

	(void)text;
	switch (key) {
	case ARGP_KEY_ARG:
		*command_index = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp main_argp = {
	.parser = parse_main,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "Atomic operations on memory that processes share.\v",
	.help_filter = append_commands,
};

static int run_command(const struct command *command, int argc, char **argv)
{
	tool_command = command->name;
	argv[0] = (char *)command->program;
	return command->run(argc, argv);
}

static int command_help(int argc, char **argv)
{
	static char help_option[] = "--help";
	const struct command *command =
		argc > 1 ? find_command(argv[1]) : NULL;

	if (command && command->run != command_help)
		return run_command(command, 2,
				   (char *[]){ NULL, help_option, NULL });
	argp_help(&main_argp, stdout, ARGP_HELP_STD_HELP, (char *)"shatomic");
	return TOOL_OK;
}

/*
 * What is opened gets the place of a standard descriptor that is closed: output
 * would go into a region. What takes the place here fails as if it were closed.
 */
static void occupy_standard_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_PATH) < 0)
			tool_die("/dev/null: %s", strerror(errno));
	}
}

/* At each end, as argp ends the process when it has printed help. */
static void flush_at_end(void)
{
	if (tool_flush_stdout())
		_exit(TOOL_TROUBLE);
}

int main(int argc, char **argv)
{
	const struct command *command;
	int command_index = 0;

	occupy_standard_descriptors();
	atexit(flush_at_end);
	argp_err_exit_status = TOOL_TROUBLE;
	/* A closed pipe then is a write error, which is reported. */
	signal(SIGPIPE, SIG_IGN);

	argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &command_index);
	command = find_command(argv[command_index]);
	return run_command(command, argc - command_index,
			   argv + command_index);
}
