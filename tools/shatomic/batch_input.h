/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rows of a batch as text: CSV whose first line names the columns, or lines of
 * JSON, an object each.
 */
#ifndef SHATOMIC_BATCH_INPUT_H
#define SHATOMIC_BATCH_INPUT_H

#include <csv.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The columns that an input can have; batch_column_names has their names. */
enum batch_column {
	BATCH_OP,
	BATCH_WIDTH,
	BATCH_OFFSET,
	BATCH_OPERAND,
	BATCH_COMPARAND,
	BATCH_MASK,
	BATCH_COMPARAND_MASK,
	BATCH_PEER,
	BATCH_PEER_OFFSET,
	BATCH_COLUMNS
};

extern const char *const batch_column_names[BATCH_COLUMNS];

/**
 * struct batch_input - An input and the row that was read last
 * @name: What it is called in messages.
 * @stream: Where it comes from.
 * @bytes: How many bytes have been read.
 * @line: Number of the line that was read last, from 1.
 * @fields: Each column's text in the row, or NULL where it has none.
 * @wrong: What is wrong with the row, and in which field; "" when nothing is.
 * @is_json: Whether rows are JSON.
 * @text: The line.
 * @text_size: Bytes that @text has room for.
 * @copies: The fields of a row of CSV, which the parser does not keep.
 * @copies_size: Bytes that @copies has room for.
 * @copies_end: Bytes of them in use.
 * @csv: The parser of CSV.
 * @order: Which column each field of a line of CSV is.
 * @order_count: How many there are; 0 before the header.
 * @field_count: Fields of the row of CSV so far.
 * @row_is_whole: Whether the row of CSV has ended.
 * @tokener: The parser of JSON.
 * @object: The row of JSON, which has @fields.
 */
struct batch_input {
	const char *name;
	FILE *stream;
	uint64_t bytes;
	uint64_t line;
	const char *fields[BATCH_COLUMNS];
	char wrong[320];
	bool is_json;
	char *text;
	size_t text_size;
	char *copies;
	size_t copies_size;
	size_t copies_end;
	struct csv_parser csv;
	enum batch_column order[BATCH_COLUMNS];
	unsigned int order_count;
	unsigned int field_count;
	bool row_is_whole;
	struct json_tokener *tokener;
	struct json_object *object;
};

/**
 * enum batch_read - What batch_input_read() came to
 * @BATCH_READ_ROW: A row, in fields.
 * @BATCH_READ_END: The end of the input.
 * @BATCH_READ_WRONG: A row that is none, see wrong.
 */
enum batch_read {
	BATCH_READ_ROW,
	BATCH_READ_END,
	BATCH_READ_WRONG,
};

/* Open a file, "-" for standard input; ends the process when it can't. */
void batch_input_open(struct batch_input *input, const char *path,
		      bool is_json);
enum batch_read batch_input_read(struct batch_input *input);

/* Say what is wrong with the row, unless something is already. */
void batch_input_wrong(struct batch_input *input, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void batch_input_close(struct batch_input *input);

#endif /* SHATOMIC_BATCH_INPUT_H */
