// SPDX-License-Identifier: GPL-2.0-only
/*
 * The progress bar: one line on standard error, written over and over, and
 * gone at the end.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "tool.h"

#define BAR_COLUMNS 30
/* How long one is shown at least, in seconds. */
#define STEP_SECONDS 0.2

/* Of no other command's options, as this is the child of many. */
#define KEY_PROGRESS 0x1000

#define ERASE_LINE "\r\033[K"

static bool parse_when(const char *text)
{
	if (!strcmp(text, "always"))
		return true;
	if (!strcmp(text, "never"))
		return false;
	if (strcmp(text, "auto"))
		tool_die("--progress: '%s' is not auto, always or never", text);
	return isatty(STDERR_FILENO);
}

static error_t parse_progress(int key, char *text, struct argp_state *state)
{
	bool *enabled = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*enabled = parse_when("auto");
		return 0;
	case KEY_PROGRESS:
		*enabled = parse_when(text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp progress_argp = {
	.options = (const struct argp_option[]){
		{ "progress", KEY_PROGRESS, "WHEN", 0,
		  "Show progress: always, never, or auto (default: on a terminal)",
		  0 },
		{ 0 },
	},
	.parser = parse_progress,
};

void progress_begin(struct progress *progress, bool enabled,
		    uint64_t bytes_total)
{
	*progress = (struct progress){
		.bytes_total = bytes_total,
		.started = tool_now(),
		.enabled = enabled,
	};
}

static void show_bar(double part)
{
	static const char full[] = "##############################";
	static const char empty[] = "------------------------------";
	int columns = part * BAR_COLUMNS;

	_Static_assert(sizeof(full) == BAR_COLUMNS + 1 &&
		       sizeof(empty) == BAR_COLUMNS + 1,
		       "the bar has BAR_COLUMNS columns");
	fprintf(stderr, "[%.*s%.*s] %3.0f%% ", columns, full,
		BAR_COLUMNS - columns, empty, 100 * part);
}

void progress_show(struct progress *progress, uint64_t bytes)
{
	double seconds = tool_now() - progress->started;
	double mib = bytes / 1048576.0;

	if (!progress->enabled)
		return;
	flockfile(stderr);
	fputs(ERASE_LINE, stderr);
	if (progress->bytes_total)
		show_bar((double)bytes / progress->bytes_total);
	fprintf(stderr, "%.1f MiB, %.1f MiB/s", mib,
		seconds > 0 ? mib / seconds : 0);
	funlockfile(stderr);
	progress->shown = true;
}

void progress_step(struct progress *progress, uint64_t bytes)
{
	double now;

	if (!progress->enabled)
		return;
	now = tool_now();
	if (now - progress->shown_at < STEP_SECONDS)
		return;
	progress->shown_at = now;
	progress_show(progress, bytes);
}

void progress_erase(struct progress *progress)
{
	if (progress->shown)
		fputs(ERASE_LINE, stderr);
	progress->shown = false;
}
