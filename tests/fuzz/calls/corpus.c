// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inputs as text: a line for each call, of its bytes in hexadecimal and what
 * kind it is for who reads it; an empty line ends an input.
 */
#include "calls.h"

#include <stdio.h>
#include <string.h>

/**
 * corpus_print() - Write an input as text
 * @to: Where.
 * @before: What each line begins with.
 * @sequence: The input.
 */
void corpus_print(FILE *to, const char *before, const struct sequence *sequence)
{
	uint32_t i, j;

	for (i = 0; i < sequence->count; i++) {
		fprintf(to, "%s", before);
		for (j = 0; j < CALL_BYTES; j++)
			fprintf(to, "%02x", sequence->calls[i][j]);
		fprintf(to, " %s\n",
			kind_name(sequence->calls[i][0] % kind_count));
	}
}

/* Whether a line is a call, which is put at the end of the sequence. */
static bool read_call(const char *line, struct sequence *sequence)
{
	unsigned int i;
	uint8_t *call;

	if (sequence->count == MAX_CALLS)
		return false;
	call = sequence->calls[sequence->count];
	for (i = 0; i < CALL_BYTES; i++) {
		if (sscanf(line + 2 * i, "%2hhx", &call[i]) != 1)
			return false;
	}
	sequence->count++;
	return true;
}

static void end_input(struct guide *guide)
{
	struct found *found = &guide->found[guide->count];

	if (!found->sequence.count || guide->count == MAX_FOUND - 1)
		return;
	found->is_there = true;
	guide->count++;
}

/**
 * corpus_load() - Have inputs to begin with
 * @guide: Where.
 * @path: Of which file.
 */
void corpus_load(struct guide *guide, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (!read_call(line, &guide->found[guide->count].sequence))
			end_input(guide);
	}
	end_input(guide);
	if (file)
		fclose(file);
	printf("# %u inputs to begin with\n", guide_found(guide));
}

/**
 * corpus_save() - Keep inputs
 * @guide: All of them.
 * @kept: Which.
 * @path: In which file.
 */
void corpus_save(const struct guide *guide, const bool *kept, const char *path)
{
	uint32_t count = guide_found(guide), saved = 0, i;
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return;
	}
	for (i = 0; i < count; i++) {
		if (!kept[i])
			continue;
		corpus_print(file, "", &guide->found[i].sequence);
		fprintf(file, "\n");
		saved++;
	}
	if (fclose(file))
		perror(path);
	printf("# %u inputs of %u do what all do\n", saved, count);
}
