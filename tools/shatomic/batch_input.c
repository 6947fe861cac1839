// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reading of a batch's rows, a line at a time so that errors can name it:
 * libcsv and json-c parse, and what they find is kept as text, as they have
 * numbers of 64 bits only where those fit.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "batch_input.h"
#include "tool.h"

/* An object in an object is none of ours. */
#define JSON_DEPTH 2

const char *const batch_column_names[BATCH_COLUMNS] = {
	[BATCH_OP] = "op",
	[BATCH_WIDTH] = "width",
	[BATCH_OFFSET] = "offset",
	[BATCH_OPERAND] = "operand",
	[BATCH_COMPARAND] = "comparand",
	[BATCH_MASK] = "mask",
	[BATCH_COMPARAND_MASK] = "comparand_mask",
	[BATCH_PEER] = "peer",
	[BATCH_PEER_OFFSET] = "peer_offset",
};

void batch_input_wrong(struct batch_input *input, const char *format, ...)
{
	va_list arguments;

	if (input->wrong[0])
		return;
	va_start(arguments, format);
	vsnprintf(input->wrong, sizeof(input->wrong), format, arguments);
	va_end(arguments);
}

/* The column with a name, or BATCH_COLUMNS. */
static enum batch_column find_column(const char *name)
{
	unsigned int column;

	for (column = 0; column < BATCH_COLUMNS; column++) {
		if (!strcmp(batch_column_names[column], name))
			break;
	}
	return column;
}

static void no_such_column(struct batch_input *input, const char *name)
{
	char names[128] = "";

	for (unsigned int column = 0; column < BATCH_COLUMNS; column++) {
		strcat(names, column ? ", " : "");
		strcat(names, batch_column_names[column]);
	}
	batch_input_wrong(input, "'%.40s' is no column; there are %s", name,
			  names);
}

/*
 * CSV.
 */

static int is_blank(unsigned char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

/* A carriage return alone would end a row, and two rows be on one line. */
static int is_end(unsigned char byte)
{
	return byte == '\n';
}

static void take_heading(struct batch_input *input, const char *name)
{
	enum batch_column column = find_column(name);

	if (column == BATCH_COLUMNS) {
		no_such_column(input, name);
		return;
	}
	for (unsigned int i = 0; i < input->field_count; i++) {
		if (input->order[i] == column) {
			batch_input_wrong(input, "%s: is there twice", name);
			return;
		}
	}
	input->order[input->field_count] = column;
}

/* The fields of a line are no longer than it is, but each needs a NUL. */
static void take_value(struct batch_input *input, const char *text,
		       size_t length)
{
	char *copy = input->copies + input->copies_end;

	memcpy(copy, text, length);
	copy[length] = '\0';
	input->copies_end += length + 1;
	if (length)
		input->fields[input->order[input->field_count]] = copy;
}

/* libcsv's, at the end of a field. */
static void end_field(void *field, size_t length, void *context)
{
	struct batch_input *input = context;

	if (!input->order_count && input->field_count < BATCH_COLUMNS)
		take_heading(input, field);
	else if (input->field_count < input->order_count)
		take_value(input, field, length);
	input->field_count++;
}

/* libcsv's, at the end of a row. */
static void end_row(int end, void *context)
{
	struct batch_input *input = context;

	(void)end;
	input->row_is_whole = true;
	if (!input->order_count) {
		if (input->field_count > BATCH_COLUMNS)
			batch_input_wrong(input, "more columns than there are");
	} else if (input->field_count != input->order_count) {
		batch_input_wrong(input, "%u fields, where the first line names %u",
			  input->field_count, input->order_count);
	}
}

/* A field in quotes can go on from line to line. */
static void make_room(struct batch_input *input, size_t length)
{
	size_t wanted = input->copies_end + length +
			csv_get_buffer_size(&input->csv) + BATCH_COLUMNS + 1;

	if (wanted <= input->copies_size)
		return;
	input->copies = tool_realloc(input->copies, 2, wanted);
	input->copies_size = 2 * wanted;
}

static void parse_csv(struct batch_input *input, const char *text,
		      size_t length)
{
	if (csv_parse(&input->csv, text, length, end_field, end_row, input) !=
	    length)
		batch_input_wrong(input, "%s", text[0] == '{' ?
				  "is not CSV; for lines of JSON give --json" :
				  "a quote inside a field, or something after a closing one");
}

static void end_csv(struct batch_input *input)
{
	if (csv_fini(&input->csv, end_field, end_row, input))
		batch_input_wrong(input, "the input ends inside a field in quotes");
}

/*
 * JSON.
 */

/*
 * How often a number stands in a text: json-c takes what is too large for it as
 * the largest that is not, and does not say so.
 */
static unsigned int count_number(const char *start, const char *number)
{
	size_t length = strlen(number);
	unsigned int count = 0;
	const char *text;

	for (text = strstr(start, number); text;
	     text = strstr(text + length, number))
		count += text > start && strchr(": \t", text[-1]) &&
			 !isdigit((unsigned char)text[length]);
	return count;
}

static bool is_extreme(const char *number)
{
	return !strcmp(number, "18446744073709551615") ||
	       !strcmp(number, "-9223372036854775808");
}

/* Whether an integer is what the line has, not what is next to it. */
static bool is_exact(const struct batch_input *input, const char *number)
{
	struct json_object_iterator at = json_object_iter_begin(input->object);
	struct json_object_iterator end = json_object_iter_end(input->object);
	unsigned int fields = 0;

	if (!is_extreme(number))
		return true;
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		struct json_object *value = json_object_iter_peek_value(&at);

		fields += json_object_is_type(value, json_type_int) &&
			  !strcmp(json_object_get_string(value), number);
	}
	return fields <= count_number(input->text, number);
}

/* What follows the string that @text begins with. */
static const char *skip_string(const char *text)
{
	while (*++text != '"')
		text += *text == '\\';
	return text + 1;
}

/* Note which column @text names, whose first @length bytes are the name. */
static void check_name(struct batch_input *input, const char *text,
		       size_t length, bool named[BATCH_COLUMNS])
{
	if (memchr(text, '\\', length))
		batch_input_wrong(input, "'%.*s' is no column, as none has a backslash",
				  (int)(length < 40 ? length : 40), text);
	for (unsigned int column = 0; column < BATCH_COLUMNS; column++) {
		const char *name = batch_column_names[column];

		if (strncmp(name, text, length) || name[length])
			continue;
		if (named[column])
			batch_input_wrong(input, "%s: is there twice", name);
		named[column] = true;
	}
}

/*
 * What json-c does not tell of: it keeps the last of several members of a name,
 * ends a name at a NUL, and takes one in single quotes.
 */
static void check_names(struct batch_input *input)
{
	bool named[BATCH_COLUMNS] = { false };
	const char *text = input->text, *end;

	for (;; text = end) {
		text += strcspn(text, "\"'");
		if (*text != '"')
			break;
		end = skip_string(text);
		if (end[strspn(end, " \t\r\n")] == ':')
			check_name(input, text + 1, end - text - 2, named);
	}
	if (*text)
		batch_input_wrong(input, "not JSON: a name in single quotes");
}

static void take_member(struct batch_input *input, const char *key,
			struct json_object *value)
{
	enum batch_column column = find_column(key);
	const char *text;

	if (column == BATCH_COLUMNS) {
		no_such_column(input, key);
		return;
	}
	if (!value)
		return;
	text = json_object_get_string(value);
	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_string))
		batch_input_wrong(input, "%s: '%s' is neither an integer nor text",
			  key, text);
	else if (json_object_is_type(value, json_type_string) &&
		 strlen(text) != (size_t)json_object_get_string_len(value))
		batch_input_wrong(input, "%s: has a NUL byte", key);
	else if (json_object_is_type(value, json_type_int) &&
		 !is_exact(input, text))
		batch_input_wrong(input, "%s: is not a number that fits 64 bits, and larger ones have to be text", key);
	input->fields[column] = text;
}

static void take_members(struct batch_input *input)
{
	struct json_object_iterator at = json_object_iter_begin(input->object);
	struct json_object_iterator end = json_object_iter_end(input->object);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		take_member(input, json_object_iter_peek_name(&at),
			    json_object_iter_peek_value(&at));
}

static void parse_json_row(struct batch_input *input, size_t length)
{
	json_object_put(input->object);
	json_tokener_reset(input->tokener);
	/* With its NUL, that a number may be all of it. */
	input->object =
		json_tokener_parse_ex(input->tokener, input->text, length + 1);
	if (json_tokener_get_error(input->tokener) != json_tokener_success) {
		batch_input_wrong(input, "not JSON: %s at byte %zu",
			  json_tokener_error_desc(
				  json_tokener_get_error(input->tokener)),
			  json_tokener_get_parse_end(input->tokener) + 1);
		return;
	}
	if (!json_object_is_type(input->object, json_type_object)) {
		batch_input_wrong(input, "is no object");
		return;
	}
	check_names(input);
	take_members(input);
}

/*
 * Lines.
 */

/* Length of the next line, which can be 0 at the end of the input only. */
static size_t read_line(struct batch_input *input)
{
	ssize_t length;

	errno = 0;
	length = getline(&input->text, &input->text_size, input->stream);
	if (length < 0) {
		if (!feof(input->stream))
			batch_input_wrong(input, "%s", strerror(errno));
		return 0;
	}
	input->bytes += length;
	input->line++;
	if (strlen(input->text) != (size_t)length)
		batch_input_wrong(input, "has a NUL byte");
	return length;
}

static enum batch_read outcome(const struct batch_input *input, bool is_row)
{
	if (input->wrong[0])
		return BATCH_READ_WRONG;
	return is_row ? BATCH_READ_ROW : BATCH_READ_END;
}

/* An empty line is no row, and does not end the input. */
static enum batch_read read_csv(struct batch_input *input)
{
	size_t length;

	input->field_count = 0;
	input->row_is_whole = false;
	input->copies_end = 0;
	do {
		length = read_line(input);
		if (input->wrong[0])
			break;
		make_room(input, length);
		if (length)
			parse_csv(input, input->text, length);
		else
			end_csv(input);
	} while (length && !input->row_is_whole && !input->wrong[0]);
	return outcome(input, input->row_is_whole);
}

static enum batch_read read_json(struct batch_input *input)
{
	size_t length;

	do {
		length = read_line(input);
	} while (length && !input->wrong[0] &&
		 strspn(input->text, " \t\r\n") == length);
	if (length && !input->wrong[0])
		parse_json_row(input, length);
	return outcome(input, length);
}

enum batch_read batch_input_read(struct batch_input *input)
{
	memset(input->fields, 0, sizeof(input->fields));
	if (input->is_json)
		return read_json(input);
	if (!input->order_count) {
		if (read_csv(input) == BATCH_READ_END)
			batch_input_wrong(input, "there is none, which would name the columns");
		if (input->wrong[0])
			return BATCH_READ_WRONG;
		input->order_count = input->field_count;
	}
	return read_csv(input);
}

void batch_input_open(struct batch_input *input, const char *path, bool is_json)
{
	bool is_standard = !strcmp(path, "-");

	*input = (struct batch_input){
		.name = is_standard ? "standard input" : path,
		.stream = is_standard ? stdin : fopen(path, "re"),
		.is_json = is_json,
		.tokener = json_tokener_new_ex(JSON_DEPTH),
	};
	if (!input->stream)
		tool_die("%s: %s", path, strerror(errno));
	if (!input->tokener || csv_init(&input->csv, CSV_STRICT |
					CSV_STRICT_FINI | CSV_APPEND_NULL))
		tool_die("no memory for reading");
	json_tokener_set_flags(input->tokener, JSON_TOKENER_STRICT);
	csv_set_space_func(&input->csv, is_blank);
	csv_set_term_func(&input->csv, is_end);
}

void batch_input_close(struct batch_input *input)
{
	json_object_put(input->object);
	json_tokener_free(input->tokener);
	csv_free(&input->csv);
	free(input->copies);
	free(input->text);
	if (input->stream != stdin)
		fclose(input->stream);
}
