/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of `shatomic count' say to each other. The coordinator
 * (count_coordinator.c) forks workers (count_worker.c), which take pieces of
 * the input (count_input.c), find the tokens in them (count_scan.c) and count
 * them in a hash table in shared memory (count_table.c) that grows by
 * generations, passed on over sockets (count_channel.c).
 */
#ifndef SHATOMIC_COUNT_H
#define SHATOMIC_COUNT_H

#include <shatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What is counted. */
enum count_unit {
	COUNT_WORDS,
	COUNT_LINES,
	COUNT_BYTES,
};

/**
 * struct count_options - What the command line asks for
 * @backend: Where the table's memory comes from.
 * @unit: What is counted.
 * @jobs: Most workers.
 * @top: How many tokens are printed.
 * @batch_rows: Rows that a worker gathers before it runs them as a batch.
 * @piece_bytes: Size of a piece of a file.
 * @slots: Slots of the first generation, 0 to choose.
 * @verify: Whether the counts are checked by a second count.
 * @progress: Whether progress is shown.
 * @tsv: Whether the counts are lines of a number, a tab and a token.
 * @json: Whether counts and totals are lines of JSON, an object each.
 */
struct count_options {
	enum shatomic_backend backend;
	enum count_unit unit;
	unsigned int jobs;
	uint64_t top;
	size_t batch_rows;
	uint64_t piece_bytes;
	uint64_t slots;
	bool verify;
	bool progress;
	bool tsv;
	bool json;
};

/**
 * struct count_file - A file to count
 * @name: As it was given; "-" is standard input.
 * @size: How many of its bytes are counted, when it is no stream.
 * @first_piece: Index of its first piece among those of all files.
 * @stream: Whether it has to be read from front to end, until it ends.
 * @rereadable: Whether it can be read a second time, from its front.
 */
struct count_file {
	const char *name;
	uint64_t size;
	uint64_t first_piece;
	bool stream;
	bool rereadable;
};

/**
 * struct count_input - All that is to be counted
 * @files: The files.
 * @file_count: Number of @files.
 * @piece_bytes: Size of a piece.
 * @piece_count: Number of pieces of all files.
 * @known_bytes: Bytes in the files that are no streams.
 * @streams: Number of files that are streams.
 */
struct count_input {
	struct count_file *files;
	size_t file_count;
	uint64_t piece_bytes;
	uint64_t piece_count;
	uint64_t known_bytes;
	size_t streams;
};

/* A range of a file; it owns the tokens that start in it. */
struct count_piece {
	const struct count_file *file;
	uint64_t begin;
	uint64_t end;
};

/*
 * Look at the files. One that can't be read is left out with a message.
 * Returns how many those are.
 */
size_t count_input_init(struct count_input *input, char **names, size_t count,
			uint64_t piece_bytes);

/* Piece number @index; false when there are no more. */
bool count_input_piece(const struct count_input *input, uint64_t index,
		       struct count_piece *piece);

/* A descriptor for reading @file from its front, or a negative errno value. */
int count_file_open(const struct count_file *file);

/**
 * struct count_sink - Who a scan tells of what it finds
 * @token: Told of a token and how many times it is there.
 * @progress: Told of bytes of the piece that have been read.
 * @context: Handed to both.
 */
struct count_sink {
	void (*token)(void *context, const unsigned char *bytes, size_t length,
		      uint64_t times);
	void (*progress)(void *context, uint64_t bytes);
	void *context;
};

struct count_scanner;

struct count_scanner *count_scanner_new(enum count_unit unit,
					const struct count_sink *sink);
void count_scanner_free(struct count_scanner *scanner);

/*
 * Find the tokens of a piece, whose file is open as @fd. Returns NULL, or a
 * sentence on what went wrong.
 */
const char *count_scan(struct count_scanner *scanner, int fd,
		       const struct count_piece *piece);

/* A token, and what the table needs of it. */
struct count_token {
	const unsigned char *bytes;
	size_t length;
	uint64_t hash;
};

struct count_token count_token_make(const unsigned char *bytes, size_t length);

/* On a cache line of its own, so that those who add to one leave others be. */
struct count_cursor {
	_Alignas(64) uint64_t value;
};

/**
 * struct count_header - The front of a generation's region
 * @slots: Number of slots, a power of two.
 * @arena_begin: Offset of the first byte for tokens.
 * @arena_end: Offset after the last one.
 * @arena_next: Next byte of the arena to be given to a worker.
 * @slots_used: Slots that have a token.
 * @closed: Not 0 when new tokens belong in the next generation.
 * @next_piece: Next piece of the input. This and what follows is used in
 *	generation 0 only.
 * @bytes_read: Bytes that have been read.
 * @rows: Rows that have been run in batches.
 * @batches: Batches that have been run.
 */
struct count_header {
	uint64_t slots;
	uint64_t arena_begin;
	uint64_t arena_end;
	struct count_cursor arena_next;
	struct count_cursor slots_used;
	struct count_cursor closed;
	struct count_cursor next_piece;
	struct count_cursor bytes_read;
	struct count_cursor rows;
	struct count_cursor batches;
};

/**
 * struct count_slot - An entry of the hash table
 * @reference: 0 for none; else the offset of the token's record in the region,
 *	and above COUNT_TAG_SHIFT bits of its hash, which spare most looks at
 *	other tokens.
 * @count: How often the token was seen.
 */
struct count_slot {
	uint64_t reference;
	uint64_t count;
};

#define COUNT_TAG_SHIFT 48

/* A token in the arena, at a multiple of 8. */
struct count_record {
	uint64_t length;
	unsigned char bytes[];
};

/* uthash(3) has 32-bit key lengths. */
#define COUNT_TOKEN_MOST UINT32_MAX

/* Fewest slots for each worker, so that a race can't fill a table. */
#define COUNT_SLOTS_LEAST 16

/* A generation of the hash table, as a process has it mapped. */
struct count_table {
	struct shatomic_region *region;
	struct count_header *header;
	struct count_slot *slots;
};

/* Memory of a table's arena that one worker has to itself. */
struct count_arena {
	uint64_t next;
	uint64_t end;
};

/* Both return 0 or a negative errno value, see shatomic_error(). */
int count_table_create(struct count_table *table,
		       enum shatomic_backend backend, uint64_t slots,
		       uint64_t arena_bytes);
int count_table_import(struct count_table *table, int fd);
void count_table_close(struct count_table *table);

/* Arena bytes that a token takes. */
uint64_t count_record_bytes(size_t length);

/* The record that a slot refers to, or NULL when it is empty. */
const struct count_record *count_table_record(const struct count_table *table,
					      const struct count_slot *slot);

/* The slot of a token, or NULL. */
struct count_slot *count_table_find(const struct count_table *table,
				    const struct count_token *token);

/*
 * The slot of a token, which gets one when it has none. NULL when it has none
 * and the table is closed; a table that is full is closed by this.
 */
struct count_slot *count_table_insert(const struct count_table *table,
				      struct count_arena *arena,
				      const struct count_token *token);

/* Most generations: each has at least twice the slots or twice the arena. */
#define COUNT_GENERATIONS 64

/**
 * enum count_message_type - What coordinator and workers say to each other
 * @COUNT_WANT_GENERATION: Worker: it needs generation @generation, with room
 *	for a token of @token_bytes.
 * @COUNT_HAVE_GENERATION: Coordinator: the answer; the region's descriptor
 *	comes along.
 * @COUNT_FAILED: Worker: it can't go on; @text says why.
 */
enum count_message_type {
	COUNT_WANT_GENERATION,
	COUNT_HAVE_GENERATION,
	COUNT_FAILED,
};

struct count_message {
	enum count_message_type type;
	uint64_t generation;
	uint64_t token_bytes;
	char text[512];
};

/* Send a message, and descriptor @fd unless it is -1. 0 or -errno. */
int count_send(int socket, const struct count_message *message, int fd);

/*
 * Receive a message, and a descriptor, which is -1 if none came along.
 * 0, -errno, or -EPIPE when the other side has closed.
 */
int count_receive(int socket, struct count_message *message, int *fd);

/* Count until no piece is left; never returns. */
_Noreturn void count_worker_run(const struct count_options *options,
				const struct count_input *input,
				const struct count_table *first, int socket);

/**
 * struct count_result - What the workers have counted
 * @tables: The generations.
 * @table_count: Number of @tables.
 * @workers: How many workers there were.
 * @seconds: How long they took.
 */
struct count_result {
	struct count_table tables[COUNT_GENERATIONS];
	size_t table_count;
	unsigned int workers;
	double seconds;
};

/* Have it counted: an enum tool_exit, with a message unless TOOL_OK. */
int count_coordinate(const struct count_options *options,
		     const struct count_input *input,
		     struct count_result *result);

/* A token and how often it is there in all generations. */
struct count_total {
	const unsigned char *bytes;
	size_t length;
	uint64_t count;
};

/* All tokens, most frequent first. */
struct count_totals {
	struct count_total *totals;
	size_t distinct;
	uint64_t tokens;
};

/* The totals refer to the tokens in @result. */
void count_merge(const struct count_result *result,
		 struct count_totals *totals);

void count_report(const struct count_options *options,
		  const struct count_input *input,
		  const struct count_result *result,
		  const struct count_totals *totals);

/* Print a token so that it can't disturb a terminal. */
void count_print_token(FILE *stream, const unsigned char *bytes, size_t length);

/* Count once more in another way and compare: an enum tool_exit. */
int count_verify(const struct count_options *options,
		 const struct count_input *input,
		 const struct count_totals *totals);

#endif /* SHATOMIC_COUNT_H */
