// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `shatomic count' prints in the end.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "count.h"
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

static void print_totals(FILE *stream, const struct count_input *input,
			 const struct count_result *result,
			 const struct count_totals *totals)
{
	const struct count_header *header = result->tables[0].header;
	struct shatomic_info info;

	if (shatomic_get_info(result->tables[0].region, &info))
		tool_die("%s", shatomic_error());
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

void count_report(const struct count_options *options,
		  const struct count_input *input,
		  const struct count_result *result,
		  const struct count_totals *totals)
{
	print_counts(options, totals);
	if (!options->tsv)
		putchar('\n');
	print_totals(options->tsv ? stderr : stdout, input, result, totals);
}
