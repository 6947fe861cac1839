// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lists of named regions, from directories whose files they are.
 */
#include "backend.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_entries(const void *a, const void *b)
{
	const struct shatomic_listed *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* Append what the directory holds; what came so far is the caller's to free. */
static int read_entries(DIR *directory, shatomic_list_fill *fill,
			struct shatomic_listed **entries, size_t *count)
{
	struct dirent *dirent;
	size_t room = 0;

	while ((dirent = readdir(directory))) {
		if (*count == room) {
			struct shatomic_listed *larger;

			room = room ? 2 * room : 16;
			larger = reallocarray(*entries, room, sizeof(*larger));
			if (!larger)
				return shatomic_fail(ENOMEM,
						     "no memory for %zu list entries",
						     room);
			*entries = larger;
		}
		if (fill(dirfd(directory), dirent->d_name, &(*entries)[*count]))
			(*count)++;
	}
	return 0;
}

int shatomic_list_directory(int fd, shatomic_list_fill *fill,
			    struct shatomic_listed **entries, size_t *count)
{
	struct shatomic_listed *found = NULL;
	size_t found_count = 0;
	DIR *directory;
	int err;

	directory = fdopendir(fd);
	if (!directory) {
		err = errno;
		close(fd);
		return shatomic_fail(err, "listing a directory: %s",
				     strerror(err));
	}
	err = read_entries(directory, fill, &found, &found_count);
	closedir(directory);
	if (err) {
		free(found);
		return err;
	}
	if (found_count)
		qsort(found, found_count, sizeof(*found), compare_entries);
	*entries = found;
	*count = found_count;
	return 0;
}
