/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Samples of a measurement: clocks, minimum, median and maximum, and the line
 * of JSON that tools/bench/report reads.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/**
 * struct figure - What a line of the report is about
 * @id: Its name, as targets have it.
 * @title: What was measured.
 * @unit: Of the values; "ratio" for how many times faster something is.
 * @target: What is to be reached, or 0 for no target.
 * @lower_is_better: Whether it is reached by values of at most @target.
 * @note: More about it, or "".
 * @limit: What this machine allows at best, or 0 when that is not known.
 */
struct figure {
	const char *id;
	const char *title;
	const char *unit;
	double target;
	int lower_is_better;
	const char *note;
	double limit;
};

/* Nanoseconds of a clock. */
static inline double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static inline int compare_samples(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sort samples and return the one in the middle. */
static inline double median(double *samples, size_t count)
{
	qsort(samples, count, sizeof(*samples), compare_samples);
	return samples[count / 2];
}

/* Print the line of a figure; returns the median of its samples, now sorted. */
static inline double print_figure(const struct figure *figure, double *samples,
				  size_t count)
{
	double middle = median(samples, count);

	printf("{\"id\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\","
	       "\"value\":{\"min\":%.6g,\"median\":%.6g,\"max\":%.6g,\"n\":%zu},",
	       figure->id, figure->title, figure->unit, samples[0], middle,
	       samples[count - 1], count);
	if (figure->target != 0.0)
		printf("\"target\":%g,", figure->target);
	if (figure->limit != 0.0)
		printf("\"limit\":%.3g,", figure->limit);
	printf("\"better\":\"%s\",\"note\":\"%s\"}\n",
	       figure->lower_is_better ? "lower" : "higher", figure->note);
	fflush(stdout);
	return middle;
}

#endif /* BENCH_SAMPLE_H */
