// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which names a region may have, as SHATOMIC_NAME_SIZE in the ABI header says.
 */
#include "backend.h"

#include <string.h>

bool shatomic_name_is_valid(const char *name)
{
	size_t length = strnlen(name, SHATOMIC_NAME_SIZE);
	size_t i;

	if (!length || length == SHATOMIC_NAME_SIZE || name[0] == '.')
		return false;
	for (i = 0; i < length; i++) {
		/* Not isgraph(3), which depends on the locale. */
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	}
	return true;
}
