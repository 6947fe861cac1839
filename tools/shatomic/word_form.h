/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How words and results of operations are printed: plain, or as lines of JSON.
 */
#ifndef SHATOMIC_WORD_FORM_H
#define SHATOMIC_WORD_FORM_H

#include <stdbool.h>
#include <stdint.h>

/* Room for the text of a word. */
#define WORD_TEXT_SIZE 32

/**
 * struct word_form - How to print words
 * @hex: In hexadecimal, all digits of the width; in JSON that is text.
 * @json: An object of JSON a line.
 */
struct word_form {
	bool hex;
	bool json;
};

/* Write a word of @width bytes into @text, and return that. */
const char *word_text(const struct word_form *form, unsigned int width,
		      uint64_t word, char text[WORD_TEXT_SIZE]);

/* A line: the word that was seen at an offset. */
void print_word(const struct word_form *form, unsigned int width,
		uint64_t offset, uint64_t word);

/* A line of JSON: what came of a row, with its enum shatomic_row_status. */
void print_json_result(const struct word_form *form, unsigned int width,
		       uint64_t result, unsigned int status);

#endif /* SHATOMIC_WORD_FORM_H */
