// SPDX-License-Identifier: GPL-2.0-only
/*
 * A worker: takes pieces until there are none, finds each token's slot in the
 * shared table, and adds up by batches of rows.
 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "count.h"
#include "tool.h"

/* Additions that have not been run yet, all to one generation. */
struct pending {
	uint64_t *offsets;
	uint64_t *operands;
	size_t rows;
};

/**
 * struct worker - A worker's state
 * @options: What the command line asks for.
 * @input: What is counted.
 * @socket: To the coordinator.
 * @tables: The generations that it knows.
 * @pending: Additions to each of them.
 * @table_count: Number of @tables.
 * @arena: Its share of the newest one's arena.
 */
struct worker {
	const struct count_options *options;
	const struct count_input *input;
	int socket;
	struct count_table tables[COUNT_GENERATIONS];
	struct pending pending[COUNT_GENERATIONS];
	size_t table_count;
	struct count_arena arena;
};

/* The coordinator does the talking: it knows of the progress bar. */
_Noreturn static void fail(const struct worker *worker, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

_Noreturn static void fail(const struct worker *worker, const char *format, ...)
{
	struct count_message message = { .type = COUNT_FAILED };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message.text, sizeof(message.text), format, arguments);
	va_end(arguments);
	count_send(worker->socket, &message, -1);
	_exit(TOOL_TROUBLE);
}

static void add_table(struct worker *worker, const struct count_table *table)
{
	struct pending *pending = &worker->pending[worker->table_count];
	size_t rows = worker->options->batch_rows;

	pending->offsets = tool_realloc(NULL, rows, sizeof(uint64_t));
	pending->operands = tool_realloc(NULL, rows, sizeof(uint64_t));
	worker->tables[worker->table_count++] = *table;
	worker->arena = (struct count_arena){ 0 };
}

/* The newest generation is closed: get the next one. */
static void next_generation(struct worker *worker, size_t token_length)
{
	struct count_message message = {
		.type = COUNT_WANT_GENERATION,
		.generation = worker->table_count,
		.token_bytes = token_length,
	};
	struct count_table table;
	int fd;

	if (count_send(worker->socket, &message, -1) ||
	    count_receive(worker->socket, &message, &fd))
		_exit(TOOL_TROUBLE);
	if (count_table_import(&table, fd))
		fail(worker, "cannot map the grown table: %s",
		     shatomic_error());
	close(fd);
	add_table(worker, &table);
}

static struct count_header *run_header(const struct worker *worker)
{
	return worker->tables[0].header;
}

static void run_pending(struct worker *worker, size_t generation)
{
	struct pending *pending = &worker->pending[generation];
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD,
		.width = sizeof(uint64_t),
		.flags = SHATOMIC_BATCH_UNORDERED,
		/* The workers are what runs in parallel here. */
		.parallelism = 1,
		.rows = pending->rows,
		.offsets = pending->offsets,
		.operands = pending->operands,
	};

	if (!pending->rows)
		return;
	if (shatomic_batch_run(worker->tables[generation].region, &batch))
		fail(worker, "cannot run a batch of %zu rows: %s",
		     pending->rows, shatomic_error());
	shatomic_fetch_and_add_u64(&run_header(worker)->rows.value,
				   pending->rows);
	shatomic_fetch_and_add_u64(&run_header(worker)->batches.value, 1);
	pending->rows = 0;
}

static void add(struct worker *worker, size_t generation,
		const struct count_slot *slot, uint64_t times)
{
	struct pending *pending = &worker->pending[generation];
	const char *base = (const char *)worker->tables[generation].header;

	pending->offsets[pending->rows] = (const char *)&slot->count - base;
	pending->operands[pending->rows] = times;
	if (++pending->rows == worker->options->batch_rows)
		run_pending(worker, generation);
}

/*
 * Old generations come first: frequent tokens are there. Another worker may put
 * a token into one just after it was not found there; then it is counted in
 * two, and count_merge() adds them up.
 */
static void count_token(void *context, const unsigned char *bytes,
			size_t length, uint64_t times)
{
	struct count_token token = count_token_make(bytes, length);
	struct worker *worker = context;
	struct count_slot *slot;
	size_t newest;

	for (size_t i = 0; i < worker->table_count - 1; i++) {
		slot = count_table_find(&worker->tables[i], &token);
		if (slot) {
			add(worker, i, slot, times);
			return;
		}
	}
	for (;;) {
		newest = worker->table_count - 1;
		slot = count_table_insert(&worker->tables[newest],
					  &worker->arena, &token);
		if (slot)
			break;
		next_generation(worker, length);
	}
	add(worker, newest, slot, times);
}

static void tell_progress(void *context, uint64_t bytes)
{
	struct worker *worker = context;

	shatomic_fetch_and_add_u64(&run_header(worker)->bytes_read.value,
				   bytes);
}

static void count_pieces(struct worker *worker, struct count_scanner *scanner)
{
	uint64_t *cursor = &run_header(worker)->next_piece.value;
	const struct count_file *open_file = NULL;
	struct count_piece piece;
	const char *error;
	int fd = -1;

	while (count_input_piece(worker->input,
				 shatomic_fetch_and_add_u64(cursor, 1),
				 &piece)) {
		if (piece.file != open_file) {
			if (open_file)
				close(fd);
			open_file = piece.file;
			fd = count_file_open(open_file);
			if (fd < 0)
				fail(worker, "%s: %s", open_file->name,
				     strerror(-fd));
		}
		error = count_scan(scanner, fd, &piece);
		if (error)
			fail(worker, "%s: %s", open_file->name, error);
	}
	if (open_file)
		close(fd);
}

void count_worker_run(const struct count_options *options,
		      const struct count_input *input,
		      const struct count_table *first, int socket)
{
	struct worker worker = {
		.options = options,
		.input = input,
		.socket = socket,
	};
	const struct count_sink sink = {
		.token = count_token,
		.progress = tell_progress,
		.context = &worker,
	};
	struct count_scanner *scanner = count_scanner_new(options->unit, &sink);

	add_table(&worker, first);
	count_pieces(&worker, scanner);
	for (size_t i = 0; i < worker.table_count; i++)
		run_pending(&worker, i);
	count_scanner_free(scanner);
	_exit(TOOL_OK);
}
