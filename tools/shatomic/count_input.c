// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files that are counted, and the pieces that they are cut in. Pieces are
 * computed, not listed, so that memory depends on the number of files only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "count.h"
#include "tool.h"

static bool is_standard_input(const struct count_file *file)
{
	return !strcmp(file->name, "-");
}

/*
 * Regular files are opened to see whether they can be read. Others are not:
 * opening a FIFO would be noticed by whoever writes to it.
 */
static int look_at_file(const char *name, struct stat *status)
{
	int fd, error = 0;

	if (stat(name, status))
		return -errno;
	if (S_ISDIR(status->st_mode))
		return -EISDIR;
	if (!S_ISREG(status->st_mode))
		return euidaccess(name, R_OK) ? -errno : 0;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, status))
		error = -errno;
	close(fd);
	return error;
}

static int look_at_input(struct count_file *file)
{
	struct stat status;
	int error;

	if (is_standard_input(file)) {
		file->stream = true;
		if (fstat(STDIN_FILENO, &status))
			return -errno;
		return S_ISDIR(status.st_mode) ? -EISDIR : 0;
	}
	error = look_at_file(file->name, &status);
	if (error)
		return error;
	file->rereadable = S_ISREG(status.st_mode);
	/*
	 * In /proc files tell no size, and in /sys a size that is not theirs;
	 * neither takes up blocks. That ordinary files may not either does no
	 * harm: they are streamed.
	 */
	file->stream = !file->rereadable || !status.st_size ||
		       !status.st_blocks;
	file->size = file->stream ? 0 : status.st_size;
	return 0;
}

static uint64_t pieces_of(const struct count_file *file, uint64_t piece_bytes)
{
	if (file->stream)
		return 1;
	return file->size / piece_bytes + !!(file->size % piece_bytes);
}

static void append_file(struct count_input *input,
			const struct count_file *file)
{
	struct count_file *added = &input->files[input->file_count++];

	*added = *file;
	added->first_piece = input->piece_count;
	input->piece_count += pieces_of(file, input->piece_bytes);
	input->known_bytes += file->size;
	input->streams += file->stream;
}

size_t count_input_init(struct count_input *input, char **names, size_t count,
			uint64_t piece_bytes)
{
	bool standard_input_taken = false;
	size_t bad = 0;

	*input = (struct count_input){
		.files = tool_realloc(NULL, count, sizeof(*input->files)),
		.piece_bytes = piece_bytes,
	};
	for (size_t i = 0; i < count; i++) {
		struct count_file file = { .name = names[i] };
		int error = look_at_input(&file);

		if (error) {
			tool_complain("%s: %s", names[i], strerror(-error));
			bad++;
			continue;
		}
		/* Two workers on one stream would tear its tokens. */
		if (is_standard_input(&file)) {
			if (standard_input_taken)
				continue;
			standard_input_taken = true;
		}
		append_file(input, &file);
	}
	return bad;
}

/* The last file whose first piece is not after piece @index. */
static const struct count_file *file_of_piece(const struct count_input *input,
					      uint64_t index)
{
	size_t low = 0, high = input->file_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (input->files[middle].first_piece <= index)
			low = middle;
		else
			high = middle;
	}
	return &input->files[low];
}

bool count_input_piece(const struct count_input *input, uint64_t index,
		       struct count_piece *piece)
{
	const struct count_file *file;

	if (index >= input->piece_count)
		return false;
	file = file_of_piece(input, index);
	piece->file = file;
	piece->begin = (index - file->first_piece) * input->piece_bytes;
	if (file->stream)
		piece->end = UINT64_MAX;
	else if (file->size - piece->begin < input->piece_bytes)
		piece->end = file->size;
	else
		piece->end = piece->begin + input->piece_bytes;
	return true;
}

int count_file_open(const struct count_file *file)
{
	int fd;

	if (is_standard_input(file))
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	else
		fd = open(file->name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
