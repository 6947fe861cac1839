// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables and JSON of the same values. Tables are made here, since libsmartcols
 * has no static library in Debian and the command must do in a guest without
 * any library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"
#include "tool.h"

/* Of no command's own options, as these are the children of many. */
#define KEY_BYTES 0x1001

#define COLUMN_GAP 2

#define RED "\033[31m"
#define GREEN "\033[32m"
#define COLOUR_END "\033[0m"

/* Room for a size such as 1023.9G or a number of 64 bits. */
#define CELL_SIZE SIZE_TEXT_SIZE

static error_t parse_json(int key, char *text, struct argp_state *state)
{
	bool *json = state->input;

	(void)text;
	if (key != 'J')
		return ARGP_ERR_UNKNOWN;
	*json = true;
	return 0;
}

const struct argp json_argp = {
	.options = (const struct argp_option[]){
		{ "json", 'J', NULL, 0, "Print JSON", 0 },
		{ 0 },
	},
	.parser = parse_json,
};

static error_t parse_output(int key, char *text, struct argp_state *state)
{
	struct output *output = state->input;

	(void)text;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &output->json;
		return 0;
	case KEY_BYTES:
		output->bytes = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp output_argp = {
	.options = (const struct argp_option[]){
		{ "bytes", KEY_BYTES, NULL, 0,
		  "Print sizes in bytes, as JSON has them anyway", 0 },
		{ 0 },
	},
	.parser = parse_output,
	.children = (const struct argp_child[]){
		{ &json_argp, 0, NULL, 0 },
		{ 0 },
	},
};

/* Colour is for terminals of people who have not said no to it. */
static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && terminal &&
	       strcmp(terminal, "dumb");
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE])
{
	static const char units[] = "KMGTPE";
	double value = bytes;
	int unit = -1;

	for (; value >= 1024 && units[unit + 1]; unit++)
		value /= 1024;
	if (unit < 0)
		snprintf(text, SIZE_TEXT_SIZE, "%llu",
			 (unsigned long long)bytes);
	else if (value == (uint64_t)value)
		snprintf(text, SIZE_TEXT_SIZE, "%.0f%c", value, units[unit]);
	else
		snprintf(text, SIZE_TEXT_SIZE, "%.1f%c", value, units[unit]);
	return text;
}

/* What a table shows of a member: in @cell, or where the member has it. */
static const char *show(const struct output *output,
			const struct column *column,
			struct json_object *object, char cell[CELL_SIZE])
{
	struct json_object *member =
		json_object_object_get(object, column->key);

	if (!member)
		return "-";
	if (json_object_is_type(member, json_type_boolean))
		return json_object_get_boolean(member) ? "yes" : "no";
	if (column->kind == COLUMN_REAL) {
		snprintf(cell, CELL_SIZE, "%.2f",
			 json_object_get_double(member));
		return cell;
	}
	if (column->kind != COLUMN_SIZE || output->bytes)
		return json_object_get_string(member);
	return size_text(json_object_get_uint64(member), cell);
}

static int column_width(const struct output *output,
			const struct column *column, struct json_object *rows)
{
	size_t width = strlen(column->heading);

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		char cell[CELL_SIZE];
		size_t length = strlen(
			show(output, column,
			     json_object_array_get_idx(rows, i), cell));

		if (length > width)
			width = length;
	}
	return width;
}

static bool is_to_the_right(enum column_kind kind)
{
	return kind == COLUMN_NUMBER || kind == COLUMN_REAL ||
	       kind == COLUMN_SIZE;
}

/* Nothing stands behind the last column, so it needs no blanks. */
static void print_cell(const struct column *column, const char *text, int width)
{
	bool is_last = !column[1].key;

	if (is_to_the_right(column->kind))
		printf("%*s", width, text);
	else
		printf("%-*s", is_last ? 0 : width, text);
	if (is_last)
		putchar('\n');
	else
		printf("%*s", COLUMN_GAP, "");
}

/* How a state's colour begins, NULL for one without. */
static const char *colour_of(const char *state)
{
	if (!strcmp(state, STATE_GOOD))
		return GREEN;
	return strcmp(state, STATE_BAD) ? NULL : RED;
}

static void print_row(const struct output *output,
		      const struct column *columns, const int *widths,
		      struct json_object *row, bool colour)
{
	for (size_t i = 0; columns[i].key; i++) {
		char cell[CELL_SIZE];
		const char *text = show(output, &columns[i], row, cell);
		const char *escape = NULL;

		if (colour && columns[i].kind == COLUMN_STATE)
			escape = colour_of(text);
		fputs(escape ? escape : "", stdout);
		print_cell(&columns[i], text, widths[i]);
		fputs(escape ? COLOUR_END : "", stdout);
	}
}

static void print_for_people(const struct output *output,
			     const struct column *columns,
			     struct json_object *rows)
{
	bool colour = wants_colour();
	size_t count = 0;
	int *widths;

	while (columns[count].key)
		count++;
	widths = tool_realloc(NULL, count, sizeof(*widths));
	for (size_t i = 0; i < count; i++)
		widths[i] = column_width(output, &columns[i], rows);
	for (size_t i = 0; i < count; i++)
		print_cell(&columns[i], columns[i].heading, widths[i]);
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		print_row(output, columns, widths,
			  json_object_array_get_idx(rows, i), colour);
	free(widths);
}

static void print_pretty(struct json_object *object)
{
	puts(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
				JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

void print_table(const struct output *output, const struct column *columns,
		 const char *name, struct json_object *rows)
{
	struct json_object *document;

	if (!output->json) {
		print_for_people(output, columns, rows);
		json_object_put(rows);
		return;
	}
	document = new_object();
	json_object_object_add(document, name, rows);
	print_pretty(document);
}

void print_record(const struct output *output, const struct column *columns,
		  struct json_object *record)
{
	if (output->json) {
		print_pretty(record);
		return;
	}
	for (; columns->key; columns++) {
		char cell[CELL_SIZE];

		printf("%s: %*s%s\n", columns->heading,
		       7 - (int)strlen(columns->heading), "",
		       show(output, columns, record, cell));
	}
	json_object_put(record);
}

void print_json_line(struct json_object *object)
{
	puts(json_object_to_json_string_ext(
		object,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static struct json_object *checked(struct json_object *object)
{
	if (!object)
		tool_die("no memory for output");
	return object;
}

struct json_object *new_object(void)
{
	return checked(json_object_new_object());
}

struct json_object *new_array(void)
{
	return checked(json_object_new_array());
}

void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key,
			       checked(json_object_new_string(text)));
}

void add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key,
			       checked(json_object_new_uint64(number)));
}

void add_real(struct json_object *object, const char *key, double number)
{
	char text[CELL_SIZE];

	snprintf(text, sizeof(text), "%.3f", number);
	json_object_object_add(object, key,
			       checked(json_object_new_double_s(number, text)));
}

void add_truth(struct json_object *object, const char *key, bool truth)
{
	json_object_object_add(object, key,
			       checked(json_object_new_boolean(truth)));
}
