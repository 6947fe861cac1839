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
	struct shatomic_create_options options = { .length = length };
	struct shatomic_region *region = NULL;

	if (shatomic_create(&options, &region))
		printf("# shatomic_create: %s\n", shatomic_error());
	return region;
}

#endif /* TESTS_COMMON_H */
