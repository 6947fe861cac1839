// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words and results of operations as text and as JSON.
 */
#include <stdio.h>

#include "table.h"
#include "tool.h"
#include "word_form.h"

const char *word_text(const struct word_form *form, unsigned int width,
		      tool_value word, char text[WORD_TEXT_SIZE])
{
	unsigned int base = form->hex ? 16 : 10;
	unsigned int least = form->hex ? 2 * width : 1;
	char *end = &text[WORD_TEXT_SIZE - 1], *at = end;

	*end = '\0';
	do {
		*--at = "0123456789abcdef"[word % base];
		word /= base;
	} while (word || end - at < least);
	if (form->hex) {
		*--at = 'x';
		*--at = '0';
	}
	return at;
}

static void add_word(const struct word_form *form, struct json_object *line,
		     const char *key, unsigned int width, tool_value word)
{
	char text[WORD_TEXT_SIZE];

	if (form->hex || width == DOUBLE_WIDTH)
		add_text(line, key, word_text(form, width, word, text));
	else
		add_number(line, key, word);
}

void print_word(const struct word_form *form, unsigned int width,
		uint64_t offset, tool_value word)
{
	char text[WORD_TEXT_SIZE];
	struct json_object *line;

	if (!form->json) {
		puts(word_text(form, width, word, text));
		return;
	}
	line = new_object();
	add_number(line, "offset", offset);
	add_word(form, line, "value", width, word);
	print_json_line(line);
}

void print_json_result(const struct word_form *form, unsigned int width,
		       tool_value result, unsigned int status)
{
	struct json_object *line = new_object();

	add_word(form, line, "result", width, result);
	add_text(line, "status", tool_row_status_name(status));
	print_json_line(line);
}
