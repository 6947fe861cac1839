// SPDX-License-Identifier: GPL-2.0-only
/*
 * The progress bar: one line on standard error, written over and over, and
 * gone at the end.
 */
#include <stdio.h>
#include <time.h>

#include "count.h"

#define BAR_COLUMNS 30
#define ERASE_LINE "\r\033[K"

double count_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
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

void count_progress_show(struct count_progress *progress, uint64_t bytes)
{
	double seconds = count_now() - progress->started;
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

void count_progress_erase(struct count_progress *progress)
{
	if (progress->shown)
		fputs(ERASE_LINE, stderr);
	progress->shown = false;
}
