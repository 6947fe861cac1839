/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the library's tests share beyond the harness: regions of the backend
 * under test.
 */
#ifndef TESTS_COMMON_H
#define TESTS_COMMON_H

#include "harness.h"

#include <shatomic.h>

/* An unnamed region of @length bytes on the backend under test. */
static inline struct shatomic_region *new_region(size_t length)
{
	struct shatomic_create_options options = { .size = length };
	struct shatomic_region *region = NULL;

	if (shatomic_create(&options, &region))
		printf("# shatomic_create: %s\n", shatomic_error());
	return region;
}

/* The same, and a second handle to it that may only read; NULL without both. */
static inline struct shatomic_region *
new_region_and_reader(size_t length, struct shatomic_region **reader)
{
	struct shatomic_create_options options = { .size = length };
	struct shatomic_region *region;
	char name[SHATOMIC_NAME_SIZE];
	int err;

	unique_name(name, "reader");
	options.name = name;
	err = shatomic_create(&options, &region);
	if (!err) {
		err = shatomic_open(SHATOMIC_BACKEND_AUTO, name,
				    SHATOMIC_OPEN_READ_ONLY, reader);
		shatomic_unlink(SHATOMIC_BACKEND_AUTO, name);
	}
	if (err)
		printf("# a region and a reader: %s\n", shatomic_error());
	return err ? NULL : region;
}

#endif /* TESTS_COMMON_H */
