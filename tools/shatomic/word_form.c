// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words and results of operations as text and as JSON.
 */
#include <inttypes.h>
#include <stdio.h>

#include "table.h"
#include "tool.h"
#include "word_form.h"

const char *word_text(const struct word_form *form, unsigned int width,
		      uint64_t word, char text[WORD_TEXT_SIZE])
{
	if (form->hex)
		snprintf(text, WORD_TEXT_SIZE, "0x%0*" PRIx64, 2 * (int)width,
			 word);
	else
		snprintf(text, WORD_TEXT_SIZE, "%" PRIu64, word);
	return text;
}

static void add_word(const struct word_form *form, struct json_object *line,
		     const char *key, unsigned int width, uint64_t word)
{
	char text[WORD_TEXT_SIZE];

	if (form->hex)
		add_text(line, key, word_text(form, width, word, text));
	else
		add_number(line, key, word);
}

void print_word(const struct word_form *form, unsigned int width,
		uint64_t offset, uint64_t word)
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
		       uint64_t result, unsigned int status)
{
	struct json_object *line = new_object();

	add_word(form, line, "result", width, result);
	add_text(line, "status", tool_row_status_name(status));
	print_json_line(line);
}
