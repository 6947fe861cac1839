/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The progress bar of commands that take long.
 */
#ifndef SHATOMIC_PROGRESS_H
#define SHATOMIC_PROGRESS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct progress - What there is to do and since when
 * @bytes_total: Bytes in all; 0 when that is not known.
 * @started: When it began, by tool_now().
 * @shown_at: When it was shown last.
 * @enabled: Whether it is shown at all.
 * @shown: Whether there is a line on the terminal.
 */
struct progress {
	uint64_t bytes_total;
	double started;
	double shown_at;
	bool enabled;
	bool shown;
};

/* The option --progress; its argp input is a bool: whether to show any. */
extern const struct argp progress_argp;

void progress_begin(struct progress *progress, bool enabled,
		    uint64_t bytes_total);

/* Show it, @bytes being done. */
void progress_show(struct progress *progress, uint64_t bytes);

/* The same, but seldom enough to be called after every step. */
void progress_step(struct progress *progress, uint64_t bytes);

/* Take it off the terminal, for a message or at the end. */
void progress_erase(struct progress *progress);

#endif /* SHATOMIC_PROGRESS_H */
