/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `shatomic doctor' looks at.
 */
#ifndef SHATOMIC_DOCTOR_H
#define SHATOMIC_DOCTOR_H

#include <shatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "table.h"

#define DOCTOR_DEVICE "/dev/shatomic"

/* Where the library looks for names unless SHATOMIC_DIRECTORY says. */
#define DOCTOR_DIRECTORY "/run/shatomic"

/**
 * struct finding - What a check found
 * @state: One of the words below.
 * @detail: What there is.
 * @remedy: What to do about it, or "" when that is nothing.
 */
struct finding {
	const char *state;
	char detail[256];
	char remedy[256];
};

/* It works; it does not; that can't be told, or not by this user. */
#define FINDING_OK STATE_GOOD
#define FINDING_NO STATE_BAD
#define FINDING_UNKNOWN "unknown"

/* Say what was found; each after the other overwrites it. */
void find(struct finding *finding, const char *state, const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
void advise(struct finding *finding, const char *remedy, ...)
	__attribute__((format(printf, 2, 3)));

/* The first line of a file; false when it can't be had. */
bool read_first_line(const char *path, char *line, size_t size);

/* The checks; @size is that of the regions that are tried. */
void check_module(struct finding *finding, uint64_t size);
void check_device(struct finding *finding, uint64_t size);
void check_permission(struct finding *finding, uint64_t size);
void check_abi(struct finding *finding, uint64_t size);
void check_names(struct finding *finding, uint64_t size);
void check_debugfs(struct finding *finding, uint64_t size);
void check_memlock(struct finding *finding, uint64_t size);
void check_device_region(struct finding *finding, uint64_t size);
void check_memfd_region(struct finding *finding, uint64_t size);
void check_device_huge_pages(struct finding *finding, uint64_t size);
void check_memfd_huge_pages(struct finding *finding, uint64_t size);
void check_io_uring(struct finding *finding, uint64_t size);

#endif /* SHATOMIC_DOCTOR_H */
