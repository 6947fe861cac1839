// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `shatomic count' prints in the end.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "count.h"
#include "table.h"
#include "tool.h"

void count_print_token(FILE *stream, const unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\\')
			fputs("\\\\", stream);
		else if (isprint(bytes[i]))
			putc(bytes[i], stream);
		else
			fprintf(stream, "\\x%02x", bytes[i]);
	}
}

static void print_counts(const struct count_options *options,
			 const struct count_totals *totals)
{
	const char *format = options->tsv ? "%" PRIu64 "\t" : "%14" PRIu64 "  ";

	for (size_t i = 0; i < totals->distinct && i < options->top; i++) {
		const struct count_total *total = &totals->totals[i];

		printf(format, total->count);
		count_print_token(stdout, total->bytes, total->length);
		putchar('\n');
	}
}

static struct shatomic_info backend_info(const struct count_result *result)
{
	struct shatomic_info info;

	if (shatomic_get_info(result->tables[0].region, &info))
		tool_die("%s", shatomic_error());
	return info;
}

static void print_totals(FILE *stream, const struct count_input *input,
			 const struct count_result *result,
			 const struct count_totals *totals)
{
	const struct count_header *header = result->tables[0].header;
	struct shatomic_info info = backend_info(result);

	fprintf(stream, "tokens:      %" PRIu64 "\n", totals->tokens);
	fprintf(stream, "distinct:    %zu\n", totals->distinct);
	fprintf(stream, "bytes:       %" PRIu64 "\n", header->bytes_read.value);
	fprintf(stream, "files:       %zu\n", input->file_count);
	fprintf(stream, "workers:     %u\n", result->workers);
	fprintf(stream, "seconds:     %.3f\n", result->seconds);
	fprintf(stream, "rows:        %" PRIu64 "\n", header->rows.value);
	fprintf(stream, "rows/second: %.0f\n",
		header->rows.value / result->seconds);
	fprintf(stream, "batches:     %" PRIu64 "\n", header->batches.value);
	fprintf(stream, "generations: %zu\n", result->table_count);
	fprintf(stream, "backend:     %s, %s\n", tool_backend_name(info.backend),
		info.pinned ? "pinned" : "not pinned");
}

/* With escapes, which keep JSON valid whatever bytes there are. */
static char *token_text(const struct count_total *total)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream)
		count_print_token(stream, total->bytes, total->length);
	if (!stream || fclose(stream))
		tool_die("no memory for output");
	return text;
}

static void print_json_counts(const struct count_options *options,
			      const struct count_totals *totals)
{
	for (size_t i = 0; i < totals->distinct && i < options->top; i++) {
		const struct count_total *total = &totals->totals[i];
		struct json_object *line = new_object();
		char *text = token_text(total);

		add_number(line, "count", total->count);
		add_text(line, "token", text);
		print_json_line(line);
		free(text);
	}
}

static void print_json_totals(const struct count_input *input,
			      const struct count_result *result,
			      const struct count_totals *totals)
{
	const struct count_header *header = result->tables[0].header;
	struct shatomic_info info = backend_info(result);
	struct json_object *line = new_object();

	add_number(line, "tokens", totals->tokens);
	add_number(line, "distinct", totals->distinct);
	add_number(line, "bytes", header->bytes_read.value);
	add_number(line, "files", input->file_count);
	add_number(line, "workers", result->workers);
	add_real(line, "seconds", result->seconds);
	add_number(line, "rows", header->rows.value);
	add_number(line, "batches", header->batches.value);
	add_number(line, "generations", result->table_count);
	add_text(line, "backend", tool_backend_name(info.backend));
	add_truth(line, "pinned", info.pinned);
	print_json_line(line);
}

void count_report(const struct count_options *options,
		  const struct count_input *input,
		  const struct count_result *result,
		  const struct count_totals *totals)
{
	if (options->json) {
		print_json_counts(options, totals);
		print_json_totals(input, result, totals);
		return;
	}
	print_counts(options, totals);
	if (!options->tsv)
		putchar('\n');
	print_totals(options->tsv ? stderr : stdout, input, result, totals);
}
