/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How words and results of operations are printed: plain, or as lines of JSON.
 */
#ifndef SHATOMIC_WORD_FORM_H
#define SHATOMIC_WORD_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "tool.h"

/* Room for the text of a word: the most digits there are, and 0x. */
#define WORD_TEXT_SIZE 48

/**
 * struct word_form - How to print words
 * @hex: In hexadecimal, all digits of the width; in JSON that is text.
 * @json: An object of JSON a line. Words of 16 bytes are text there, as few
 *	readers take numbers of 128 bits.
 */
struct word_form {
	bool hex;
	bool json;
};

/* A word of @width bytes as text, which lies in @text. */
const char *word_text(const struct word_form *form, unsigned int width,
		      tool_value word, char text[WORD_TEXT_SIZE]);

/* A line: the word that was seen at an offset. */
void print_word(const struct word_form *form, unsigned int width,
		uint64_t offset, tool_value word);

/* A line of JSON: what came of a row, with its enum shatomic_row_status. */
void print_json_result(const struct word_form *form, unsigned int width,
		       tool_value result, unsigned int status);

#endif /* SHATOMIC_WORD_FORM_H */
