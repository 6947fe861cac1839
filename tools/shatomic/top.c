// SPDX-License-Identifier: GPL-2.0-only
/*
 * shatomic top: what runs on regions, over and over. A refresh is read, compared
 * with the one before, and only then shown.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "debugfs.h"
#include "table.h"
#include "terminal.h"
#include "tool.h"

#define COUNTING "/sys/module/shatomic/parameters/stats"
/* The operations that most rows are of. */
#define SHOWN_OPS 4

/**
 * struct top_options - What was asked for
 * @delay: Seconds between refreshes.
 * @iterations: How many refreshes, 0 for no end.
 * @json: Each as a line of JSON.
 */
struct top_options {
	double delay;
	uint64_t iterations;
	bool json;
};

/**
 * struct top_rates - What has been counted in each second since the last refresh
 * @rows: Rows.
 * @batches: Batches.
 * @errors: Batches that failed.
 */
struct top_rates {
	double rows;
	double batches;
	double errors;
};

/**
 * struct top_line - A region in a refresh
 * @region: The region.
 * @rates: Its rates.
 */
struct top_line {
	const struct debugfs_region *region;
	struct top_rates rates;
};

/**
 * struct top_view - A refresh
 * @reading: What was read.
 * @has_rates: Whether there was one before.
 * @rates: Those of all regions together.
 * @op_rates: Rows in each second, by operation.
 * @lines: The regions, those with most rows in a second first.
 */
struct top_view {
	const struct debugfs_reading *reading;
	bool has_rates;
	struct top_rates rates;
	double op_rates[SHATOMIC_OP_COUNT];
	struct top_line *lines;
};

static error_t parse_top(int key, char *text, struct argp_state *state)
{
	struct top_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->json;
		return 0;
	case 'd':
		options->delay = parse_seconds("--delay", text, 0.01, 86400);
		return 0;
	case 'n':
		options->iterations = parse_number("--iterations", text, 1,
						   UINT64_MAX);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "it takes no NAME: all regions are shown");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static double rate(uint64_t now, uint64_t then, double seconds)
{
	/* Less than before: not the same region, whatever its number. */
	return (now < then ? now : now - then) / seconds;
}

static struct top_rates compare_counts(const struct debugfs_counts *now,
				       const struct debugfs_counts *then,
				       double seconds)
{
	return (struct top_rates){
		.rows = rate(now->rows, then->rows, seconds),
		.batches = rate(now->batches, then->batches, seconds),
		.errors = rate(now->errors, then->errors, seconds),
	};
}

static int by_inode(const void *a, const void *b)
{
	const struct debugfs_region *one = a, *other = b;

	return (one->inode > other->inode) - (one->inode < other->inode);
}

static int by_rows(const void *a, const void *b)
{
	const struct top_line *one = a, *other = b;

	if (one->rates.rows != other->rates.rows)
		return one->rates.rows < other->rates.rows ? 1 : -1;
	if (one->region->counts.rows != other->region->counts.rows)
		return one->region->counts.rows < other->region->counts.rows ?
			       1 : -1;
	return by_inode(one->region, other->region);
}

/* Fill in the rates; @then is sorted. */
static void compare_readings(struct top_view *view,
			     const struct debugfs_reading *then)
{
	static const struct debugfs_counts none;
	const struct debugfs_reading *now = view->reading;
	double seconds = now->when - then->when;
	const struct debugfs_region *old;
	size_t i;

	view->rates = compare_counts(&now->total, &then->total, seconds);
	for (i = 0; i < SHATOMIC_OP_COUNT; i++)
		view->op_rates[i] = rate(now->op_rows[i], then->op_rows[i],
					 seconds);
	for (i = 0; i < now->region_count; i++) {
		old = bsearch(view->lines[i].region, then->regions,
			      then->region_count, sizeof(*old), by_inode);
		view->lines[i].rates =
			compare_counts(&now->regions[i].counts,
				       old ? &old->counts : &none, seconds);
	}
}

/* Make a view of what was read, compared with the reading before or NULL. */
static void make_view(struct top_view *view, struct debugfs_reading *now,
		      const struct debugfs_reading *then)
{
	struct top_line *lines = view->lines;
	size_t i;

	memset(view, 0, sizeof(*view));
	qsort(now->regions, now->region_count, sizeof(*now->regions), by_inode);
	view->reading = now;
	view->has_rates = then;
	/* Some room even for none. */
	view->lines = tool_realloc(lines, now->region_count + 1,
				   sizeof(*lines));
	for (i = 0; i < now->region_count; i++)
		view->lines[i] = (struct top_line){ .region = &now->regions[i] };
	if (then)
		compare_readings(view, then);
	qsort(view->lines, now->region_count, sizeof(*view->lines), by_rows);
}

/**
 * struct page - What is written to, line by line
 * @is_terminal: Whether it is painted.
 * @lines: How many lines there is still room for; of a terminal.
 * @columns: How long they may be.
 */
struct page {
	bool is_terminal;
	unsigned int lines;
	unsigned int columns;
};

static void __attribute__((format(printf, 2, 3)))
print_line(struct page *page, const char *format, ...)
{
	va_list arguments;
	char line[512];

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (!page->is_terminal) {
		puts(line);
	} else if (page->lines) {
		printf("%.*s", (int)page->columns, line);
		terminal_end_line();
		/* A newline on the last one would scroll. */
		if (--page->lines)
			putchar('\n');
	}
}

/* Before there is something to compare with, a rate is a dash. */
static const char *rate_text(char text[24], bool known, double value)
{
	if (known)
		snprintf(text, 24, "%.0f", value);
	else
		strcpy(text, "-");
	return text;
}

static void print_count(struct page *page, const char *what, uint64_t count,
			bool known, double value)
{
	char text[24];

	print_line(page, "%-28s %20" PRIu64 " %16s/s", what, count,
		   rate_text(text, known, value));
}

/* The operations of most rows: of those since the last refresh, or of all. */
static void print_ops(struct page *page, const struct top_view *view)
{
	bool shown[SHATOMIC_OP_COUNT] = { false };
	const struct debugfs_reading *reading = view->reading;
	size_t i, op, most;

	for (i = 0; i < SHOWN_OPS; i++) {
		most = SHATOMIC_OP_COUNT;
		for (op = 0; op < SHATOMIC_OP_COUNT; op++) {
			if (shown[op] || !reading->op_rows[op])
				continue;
			if (most == SHATOMIC_OP_COUNT ||
			    view->op_rates[op] > view->op_rates[most] ||
			    (view->op_rates[op] == view->op_rates[most] &&
			     reading->op_rows[op] > reading->op_rows[most]))
				most = op;
		}
		if (most == SHATOMIC_OP_COUNT)
			return;
		shown[most] = true;
		print_count(page, shatomic_op_name(most),
			    reading->op_rows[most], view->has_rates,
			    view->op_rates[most]);
	}
}

static void print_totals(struct page *page, const struct top_view *view)
{
	const struct debugfs_reading *reading = view->reading;
	char pinned[SIZE_TEXT_SIZE];

	print_line(page,
		   "%zu regions, %s pinned, %" PRIu64 " batches in flight",
		   reading->region_count,
		   size_text(reading->pinned_bytes, pinned),
		   reading->total.in_flight);
	if (!reading->counting)
		print_line(page,
			   "Nothing is counted; turn it on with: echo Y >" COUNTING);
	print_count(page, "rows", reading->total.rows, view->has_rates,
		    view->rates.rows);
	print_count(page, "batches", reading->total.batches, view->has_rates,
		    view->rates.batches);
	print_count(page, "errors", reading->total.errors, view->has_rates,
		    view->rates.errors);
	print_ops(page, view);
	print_line(page, "%s", "");
}

static void print_regions(struct page *page, const struct top_view *view)
{
	size_t i;

	/* What matters most fits 80 columns. */
	print_line(page, "%-20s %11s %10s %14s %11s %7s %6s %5s %7s %8s %s",
		   "NAME", "ROWS/S", "BATCHES/S", "ROWS", "BATCHES", "ERRORS",
		   "FLIGHT", "FILES", "SIZE", "OWNER", "INODE");
	for (i = 0; i < view->reading->region_count; i++) {
		const struct top_line *line = &view->lines[i];
		const struct debugfs_region *region = line->region;
		char rows[24], batches[24], size[SIZE_TEXT_SIZE];

		print_line(page,
			   "%-20s %11s %10s %14" PRIu64 " %11" PRIu64 " %7" PRIu64 " %6" PRIu64 " %5u %7s %8u %" PRIu64,
			   region->name[0] ? region->name : "-",
			   rate_text(rows, view->has_rates, line->rates.rows),
			   rate_text(batches, view->has_rates,
				     line->rates.batches),
			   region->counts.rows, region->counts.batches,
			   region->counts.errors, region->counts.in_flight,
			   region->files, size_text(region->bytes, size),
			   region->uid, region->inode);
	}
}

static void print_view(const struct top_view *view, bool on_terminal)
{
	struct page page = { .is_terminal = on_terminal };

	if (on_terminal) {
		terminal_size(&page.lines, &page.columns);
		terminal_home();
	} else if (view->has_rates) {
		/* One page after the other. */
		putchar('\n');
	}
	print_totals(&page, view);
	print_regions(&page, view);
	if (on_terminal)
		terminal_end_page();
}

static void add_counts(struct json_object *object,
		       const struct debugfs_counts *counts)
{
	add_number(object, "rows", counts->rows);
	add_number(object, "batches", counts->batches);
	add_number(object, "errors", counts->errors);
	add_number(object, "in_flight", counts->in_flight);
}

static void add_rates(struct json_object *object, const struct top_rates *rates)
{
	add_real(object, "rows_per_second", rates->rows);
	add_real(object, "batches_per_second", rates->batches);
	add_real(object, "errors_per_second", rates->errors);
}

static struct json_object *region_as_json(const struct top_view *view,
					  const struct top_line *line)
{
	const struct debugfs_region *region = line->region;
	struct json_object *object = new_object();

	add_text(object, "name", region->name);
	add_number(object, "inode", region->inode);
	add_number(object, "uid", region->uid);
	add_number(object, "gid", region->gid);
	add_number(object, "size", region->bytes);
	add_number(object, "huge_bytes", region->huge_bytes);
	add_number(object, "files", region->files);
	add_counts(object, &region->counts);
	if (view->has_rates)
		add_rates(object, &line->rates);
	return object;
}

static void print_json(const struct top_view *view)
{
	const struct debugfs_reading *reading = view->reading;
	struct json_object *object = new_object(), *ops = new_object();
	struct json_object *regions = new_array();
	size_t i;

	for (i = 0; i < SHATOMIC_OP_COUNT; i++)
		add_number(ops, shatomic_op_name(i), reading->op_rows[i]);
	for (i = 0; i < reading->region_count; i++)
		json_object_array_add(regions,
				      region_as_json(view, &view->lines[i]));
	add_truth(object, "counting", reading->counting);
	add_number(object, "pinned_bytes", reading->pinned_bytes);
	add_counts(object, &reading->total);
	if (view->has_rates)
		add_rates(object, &view->rates);
	json_object_object_add(object, "op_rows", ops);
	json_object_object_add(object, "regions", regions);
	print_json_line(object);
}

static void sleep_for(double seconds)
{
	struct timespec left = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static int run_top(const struct top_options *options)
{
	bool on_terminal = !options->json && terminal_is_there();
	struct debugfs_reading readings[2] = { 0 };
	struct top_view view = { 0 };
	uint64_t i;

	/* What is missing is said before the terminal is touched. */
	debugfs_read(&readings[0]);
	if (on_terminal)
		terminal_begin();
	for (i = 0;; i++) {
		make_view(&view, &readings[i % 2],
			  i ? &readings[(i + 1) % 2] : NULL);
		if (options->json)
			print_json(&view);
		else
			print_view(&view, on_terminal);
		if (tool_flush_stdout())
			return TOOL_TROUBLE;
		if (i + 1 == options->iterations)
			break;
		if (!on_terminal)
			sleep_for(options->delay);
		else if (!terminal_wait(options->delay))
			break;
		debugfs_read(&readings[(i + 1) % 2]);
	}
	if (on_terminal)
		putchar('\n');
	free(view.lines);
	free(readings[0].regions);
	free(readings[1].regions);
	return TOOL_OK;
}

int command_top(int argc, char **argv)
{
	static const struct argp_option option_list[] = {
		{ "delay", 'd', "SECONDS", 0,
		  "Time between refreshes (default 3)", 0 },
		{ "iterations", 'n', "N", 0,
		  "How many refreshes, then end (default: until the key q)",
		  0 },
		{ 0 },
	};
	static const struct argp_child children[] = {
		{ &json_argp, 0, NULL, 0 }, { 0 },
	};
	static const struct argp argp = {
		.options = option_list,
		.parser = parse_top,
		.children = children,
		.doc = "Show what runs on all regions of the module, over and over: on top all of them together and the operations of most rows, then each region, those with most rows a second first.\v"
		       "It needs root, and debugfs. Rates are of the time since the last refresh. When standard output is no terminal, refreshes are written one after the other; with --json each is a line. Counted are batches that the kernel ran; the module parameter stats turns that on and off.",
	};
	struct top_options options = { .delay = 3 };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return run_top(&options);
}
