/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What commands print: values kept as JSON, which come out as they are or as a
 * table for people.
 */
#ifndef SHATOMIC_TABLE_H
#define SHATOMIC_TABLE_H

#include <argp.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct output - How a command prints
 * @json: JSON instead of a table.
 * @bytes: Sizes in tables as plain numbers of bytes, as they are in JSON.
 */
struct output {
	bool json;
	bool bytes;
};

/* The options --json and --bytes; the argp input is a struct output. */
extern const struct argp output_argp;

/* The option --json alone; the argp input is a bool. */
extern const struct argp json_argp;

/**
 * enum column_kind - How a column of a table shows values
 * @COLUMN_TEXT: As they are, to the left.
 * @COLUMN_NUMBER: As they are, to the right.
 * @COLUMN_REAL: With two digits after the point, to the right.
 * @COLUMN_SIZE: In units that people read, to the right.
 * @COLUMN_STATE: As text, which is in colour on a terminal.
 */
enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,
	COLUMN_REAL,
	COLUMN_SIZE,
	COLUMN_STATE,
};

/**
 * struct column - A column of a table
 * @key: Which member of each row's object it shows.
 * @heading: What stands above it.
 * @kind: How.
 */
struct column {
	const char *key;
	const char *heading;
	enum column_kind kind;
};

/* The words that COLUMN_STATE shows in the colours of good and of bad. */
#define STATE_GOOD "ok"
#define STATE_BAD "no"

/* Room for the text of a size. */
#define SIZE_TEXT_SIZE 32

/*
 * Write a number of bytes into @text and return that: in the largest unit that
 * leaves something before the point, with a tenth where it is not exact.
 */
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE]);

/*
 * Print an array of objects, whose reference is taken: a table of the columns,
 * ended by one without key, or an object with the array as its member @name.
 */
void print_table(const struct output *output, const struct column *columns,
		 const char *name, struct json_object *rows);

/* Print one object, whose reference is taken: a line a column, or JSON. */
void print_record(const struct output *output, const struct column *columns,
		  struct json_object *record);

/* Print an object, whose reference is taken, as one line of JSON. */
void print_json_line(struct json_object *object);

/* Members of an object. */
void add_text(struct json_object *object, const char *key, const char *text);
void add_number(struct json_object *object, const char *key, uint64_t number);
void add_real(struct json_object *object, const char *key, double number);
void add_truth(struct json_object *object, const char *key, bool truth);

/* A new object or array, or the end when there is no memory. */
struct json_object *new_object(void);
struct json_object *new_array(void);

#endif /* SHATOMIC_TABLE_H */
