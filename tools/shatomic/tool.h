/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands of shatomic share: exit codes, messages, and the strict
 * reading of arguments. A command that can't go on says why and ends the
 * process, so none of these functions returns an error.
 */
#ifndef SHATOMIC_TOOL_H
#define SHATOMIC_TOOL_H

#include <argp.h>
#include <shatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * enum tool_exit - Exit codes, as those of grep(1) and sort(1)
 * @TOOL_OK: Done.
 * @TOOL_DIFFERED: Done, and a comparison did not hold.
 * @TOOL_TROUBLE: Not done, or not all of it.
 */
enum tool_exit {
	TOOL_OK		= 0,
	TOOL_DIFFERED	= 1,
	TOOL_TROUBLE	= 2,
};

/* The command that runs, for messages; NULL before one is known. */
extern const char *tool_command;

/* Say "shatomic: COMMAND: MESSAGE" on standard error. */
void tool_complain(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* The same, then end the process with TOOL_TROUBLE. */
void tool_die(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* reallocarray(3) that ends the process when there is no memory. */
void *tool_realloc(void *memory, size_t count, size_t size);

/* Write out standard output; TOOL_TROUBLE and one message if that fails. */
int tool_flush_stdout(void);

/* Its size; 0 when it is no regular file and that is not known. */
uint64_t tool_file_size(FILE *file);

/* Seconds on a clock that only goes forward. */
double tool_now(void);

/* A handle to a named region, or the end. */
struct shatomic_region *tool_open(enum shatomic_backend backend,
				  const char *name, unsigned int flags);

/* A region to see what it is like; false when there is none. */
bool tool_try_region(enum shatomic_backend backend, size_t size,
		     struct shatomic_info *info);

/*
 * What argp's help_filter is to return: @text, and after the options what
 * @print writes.
 */
char *tool_help(int key, const char *text, void (*print)(FILE *stream));

const char *tool_backend_name(enum shatomic_backend backend);

/* What enum shatomic_row_status is called in what commands print. */
const char *tool_row_status_name(unsigned int status);

/* The option --backend; its argp input is an enum shatomic_backend. */
extern const struct argp tool_backend_argp;

/* What a word holds that may be of 16 bytes, a double. */
typedef unsigned __int128 tool_value;

#define DOUBLE_WIDTH 16

/* How many entries a word's value takes in a column of a batch. */
static inline unsigned int value_entries(unsigned int width)
{
	return width == DOUBLE_WIDTH ? 2 : 1;
}

/* The value of a row in a column; that of a double has its lower half first. */
static inline void put_value(uint64_t *column, uint64_t row, unsigned int width,
			     tool_value value)
{
	if (width != DOUBLE_WIDTH) {
		column[row] = value;
		return;
	}
	column[2 * row] = value;
	column[2 * row + 1] = value >> 64;
}

static inline tool_value value_at(const uint64_t *column, uint64_t row,
				  unsigned int width)
{
	if (width != DOUBLE_WIDTH)
		return column[row];
	return (tool_value)column[2 * row + 1] << 64 | column[2 * row];
}

/* Most CPUs that a command may be told to share a batch among. */
#define MOST_PARALLELISM 65536

/*
 * What is wrong with a text, a sentence that stays until the next; or NULL, and
 * what it says.
 */
const char *check_number(const char *text, uint64_t least, uint64_t most,
			 uint64_t *number);
/* 1 to 8, or 16. */
const char *check_word_width(const char *text, unsigned int *width);
/* Decimal or 0x hex, also negative, that fits @width bytes. */
const char *check_value(const char *text, unsigned int width,
			tool_value *value);

/* In each, @what names the argument in the message about a wrong @text. */
uint64_t parse_number(const char *what, const char *text, uint64_t least,
		      uint64_t most);
/* As check_value(). */
tool_value parse_value(const char *what, const char *text, unsigned int width);
/* With K, M, G or T behind it for powers of 1024. */
uint64_t parse_bytes(const char *what, const char *text);
/* The same, at least 1. */
size_t parse_size(const char *what, const char *text);
/* As check_word_width(). */
unsigned int parse_width(const char *what, const char *text);
/* Decimal, also with a fraction. */
double parse_seconds(const char *what, const char *text, double least,
		     double most);
mode_t parse_mode(const char *what, const char *text);
/* bind: or interleave: and numbers of nodes, set in the options. */
void parse_numa(const char *what, const char *text,
		struct shatomic_create_options *options);

/* The commands, see main.c; each returns an enum tool_exit. */
int command_create(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_info(int argc, char **argv);
int command_rm(int argc, char **argv);
int command_get(int argc, char **argv);
int command_set(int argc, char **argv);
int command_op(int argc, char **argv);
int command_batch(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_load(int argc, char **argv);
int command_sync(int argc, char **argv);
int command_watch(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_count(int argc, char **argv);
int command_top(int argc, char **argv);
int command_doctor(int argc, char **argv);

#endif /* SHATOMIC_TOOL_H */
