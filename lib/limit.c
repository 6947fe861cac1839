// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Limits in words: the name by which a reader can find the limit that refused
 * a request, and its present value.
 */
#include "backend.h"

#include <stdio.h>
#include <sys/resource.h>

static void memlock_text(char text[SHATOMIC_LIMIT_TEXT_SIZE])
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		snprintf(text, SHATOMIC_LIMIT_TEXT_SIZE, "RLIMIT_MEMLOCK");
	else if (limit.rlim_cur == RLIM_INFINITY)
		snprintf(text, SHATOMIC_LIMIT_TEXT_SIZE,
			 "RLIMIT_MEMLOCK (unlimited here)");
	else
		snprintf(text, SHATOMIC_LIMIT_TEXT_SIZE,
			 "RLIMIT_MEMLOCK (%llu bytes)",
			 (unsigned long long)limit.rlim_cur);
}

static void parameter_text(const char *parameter,
			   char text[SHATOMIC_LIMIT_TEXT_SIZE])
{
	char path[80];
	unsigned long long value;
	FILE *file;
	int found = 0;

	snprintf(path, sizeof(path), "/sys/module/shatomic/parameters/%s",
		 parameter);
	file = fopen(path, "re");
	if (file) {
		found = fscanf(file, "%llu", &value);
		fclose(file);
	}
	if (found == 1)
		snprintf(text, SHATOMIC_LIMIT_TEXT_SIZE,
			 "module parameter %s (%llu)", parameter, value);
	else
		snprintf(text, SHATOMIC_LIMIT_TEXT_SIZE, "module parameter %s",
			 parameter);
}

void shatomic_limit_text(unsigned int limit,
			 char text[SHATOMIC_LIMIT_TEXT_SIZE])
{
	switch (limit) {
	case SHATOMIC_LIMIT_MEMLOCK:
		memlock_text(text);
		break;
	case SHATOMIC_LIMIT_PINNED_BYTES:
		parameter_text("max_pinned_bytes", text);
		break;
	case SHATOMIC_LIMIT_REGIONS:
		parameter_text("max_regions", text);
		break;
	case SHATOMIC_LIMIT_USER_REGIONS:
		parameter_text("max_user_regions", text);
		break;
	case SHATOMIC_LIMIT_BATCH_ROWS:
		parameter_text("max_batch_rows", text);
		break;
	case SHATOMIC_LIMIT_BATCHES:
		parameter_text("max_batches", text);
		break;
	case SHATOMIC_LIMIT_USER_BATCHES:
		parameter_text("max_user_batches", text);
		break;
	case SHATOMIC_LIMIT_REGION_BATCHES:
		parameter_text("max_region_batches", text);
		break;
	case SHATOMIC_LIMIT_MEMORY:
		snprintf(text, SHATOMIC_LIMIT_TEXT_SIZE,
			 "memory, the machine's or the memory cgroup's");
		break;
	default:
		snprintf(text, SHATOMIC_LIMIT_TEXT_SIZE, "limit %u", limit);
		break;
	}
}
