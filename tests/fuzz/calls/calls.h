/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the fuzzer of the kernel's side share; each group is
 * implemented in the file that heads it.
 */
#ifndef TESTS_FUZZ_CALLS_H
#define TESTS_FUZZ_CALLS_H

#include "../../basics.h"

#include <liburing.h>
#include <linux/shatomic.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE "/dev/shatomic"
#define NOBODY 65534
#define MIB (1UL << 20)

/*
 * An input is a sequence of calls, each of so many bytes: the first says which
 * kind of call, the last under which conditions, the others its arguments, by
 * tables of what is worth to be tried. Zero always is what goes well.
 */
#define CALL_BYTES 16
#define MAX_CALLS 24
#define CONDITIONS (CALL_BYTES - 1)

/**
 * struct sequence - An input
 * @count: Number of calls.
 * @calls: The calls.
 */
struct sequence {
	uint32_t count;
	uint8_t calls[MAX_CALLS][CALL_BYTES];
};

/* Of those that inputs make; the regions that are there from the start. */
#define SLOTS 6
#define BASES 3
#define WINDOWS 6
/* Mappings that are in none of the windows. */
#define MAX_LOOSE 64

/* Memory for columns: one after the other, with nothing behind each. */
#define PIECES 16
#define PIECE_BYTES (128UL << 10)
/* Pieces that are no columns: the structures of each actor. */
#define ARGS_PIECE 14

struct world;

/**
 * struct actor - A thread that makes calls
 * @world: Where.
 * @args: Its memory for structures.
 * @fail_nth: Where to tell the kernel which allocation of the next call is to
 *	fail; -1 when it can't be told.
 * @fault: Which, 0 for none.
 * @again: How many calls of a burst are to be made yet.
 */
struct actor {
	struct world *world;
	unsigned char *args;
	int fail_nth;
	unsigned int fault;
	unsigned int again;
};

/**
 * struct base - A region that stays
 * @fd: Its descriptor.
 * @size: Its size.
 * @memory: Where it is mapped.
 */
struct base {
	int fd;
	uint64_t size;
	unsigned char *memory;
};

/**
 * struct userfault - Memory that a thread gives out
 * @fd: Its descriptor.
 * @memory: A window.
 * @how: How it is given out.
 * @delay_ms: How late.
 * @thread: Who does that.
 * @is_served: Whether somebody does.
 */
struct userfault {
	int fd;
	unsigned char *memory;
	uint8_t how;
	unsigned int delay_ms;
	pthread_t thread;
	bool is_served;
};

/**
 * struct world - What a process has that makes calls
 * @device: /dev/shatomic
 * @importer: /dev/importer
 * @plain: A file in memory that is no region.
 * @pipe: Both ends.
 * @second_pipe: Of another.
 * @post: A pair of sockets.
 * @mount_ns: The mount namespace to come back to.
 * @directory: Where regions have names, in an instance that all workers share.
 * @path_directory: The same by O_PATH.
 * @bases: The regions that stay.
 * @read_only: A descriptor of the first of them.
 * @first_fd: From this descriptor on all are of the input.
 * @slots: Descriptors that the input made, -1 for none.
 * @slot_sizes: The sizes of their regions, as far as that is known.
 * @next_slot: Where the next one goes.
 * @rings: One of each kind, where they could be made.
 * @has_rings: Whether they were.
 * @loose: Mappings that are in no window.
 * @loose_count: How many, and those that there was no room for.
 * @number: Which worker it is, for names of its own.
 * @is_child: A child of a worker.
 * @child: One of a worker's, 0 for none.
 * @has_names: Names may have been given, or instances mounted.
 * @has_parameters: Parameters of the module may not be as they were.
 * @has_affinity: Nor the CPUs that it may use.
 * @has_namespace: Nor the mount namespace.
 * @has_mappings: Nor the windows.
 * @has_pipes: Something may be left in pipes and sockets.
 * @has_buffers: The first ring knows memory of its own.
 * @userfault: Memory that is given out, in a window.
 * @main: The thread that goes through the input.
 * @helper: Another, which makes some of its calls meanwhile.
 * @job: The helper's call.
 * @job_given: There is one.
 * @job_done: There was one.
 * @is_busy: The helper has one.
 * @calls: How many calls have been made, by kind; shared with others.
 */
struct world {
	int device;
	int importer;
	int plain;
	int pipe[2];
	int second_pipe[2];
	int post[2];
	int mount_ns;
	int directory;
	int path_directory;
	struct base bases[BASES];
	int read_only;
	int first_fd;
	int slots[SLOTS];
	uint64_t slot_sizes[SLOTS];
	unsigned int next_slot;
	struct io_uring rings[2];
	bool has_rings;
	struct {
		void *memory;
		size_t bytes;
	} loose[MAX_LOOSE];
	unsigned int loose_count;
	unsigned int number;
	bool is_child;
	pid_t child;
	bool has_names;
	bool has_parameters;
	bool has_affinity;
	bool has_namespace;
	bool has_mappings;
	bool has_pipes;
	bool has_buffers;
	struct userfault userfault;
	struct actor main;
	struct actor helper;
	uint8_t job[CALL_BYTES];
	sem_t job_given;
	sem_t job_done;
	bool is_busy;
	uint64_t *calls;
};

/* world.c */
#define WINDOW_BYTES (4UL << 20)
bool world_prepare_machine(void);
bool world_prepare_module(void);
void world_switch_cpu(unsigned int cpu);
bool world_set_up(struct world *world, unsigned int number, uint64_t *calls);
void world_reset(struct world *world);
bool world_has_rings(struct world *world);
unsigned char *world_piece(unsigned int piece);
unsigned char *world_read_only(unsigned char *memory);
unsigned char *world_window(unsigned int window);
unsigned char *world_mapping(const struct world *world, uint8_t which);
/* The descriptor that was made last, of those that world_fd() has. */
#define NEWEST_FD 15
int world_fd(const struct world *world, uint8_t which);
uint64_t world_size(const struct world *world, uint8_t which);
unsigned int world_add_fd(struct world *world, int fd, uint64_t size);
void world_name(const struct world *world, uint8_t which,
		uint8_t name[SHATOMIC_NAME_SIZE]);
void world_set_parameter(struct world *world, uint8_t which, uint8_t value);

/*
 * The kinds of calls. Inputs that are kept have their numbers: new ones come last.
 */
enum kind {
	BATCH, URING, INFO, CREATE, OPEN, UNLINK, LIST, REGION_INFO, PUBLISH,
	STATS, EXPORT, RAW, MAP, MEMORY, CLOSE, DUP, REOPEN, PASS, FILE_CALL,
	CHANGE_FILE, DMABUF, SEE, PARAMETER, CHILD, NAMESPACE, AFFINITY, REMAP,
	TOUCH, PIPES, URING_FILE, ATTRIBUTES, USERFAULT, RACE, MEMCG, UNLOAD,
	MOUNT, ENTRY,
	KINDS
};

/* What makes a call of a kind, by the input's bytes. */
typedef void kind_fn(struct actor *actor, const uint8_t *bytes);

/* perform.c */
extern const unsigned int kind_count;
const char *kind_name(unsigned int kind);
bool kind_is_slow(unsigned int kind);
bool call_is_quick(const uint8_t *bytes);
/* Among the conditions of a call. */
#define IN_A_BURST 0x08
void perform_sequence(struct world *world, const struct sequence *sequence);
void *perform_jobs(void *actor);
void perform_meanwhile(struct world *world, const uint8_t *bytes);
void perform_wait(struct world *world);
void count_call(struct actor *actor, unsigned int kind);
void call_begin(struct actor *actor, unsigned int kind);
void call_end(struct actor *actor);
bool call_again(struct actor *actor);
void *args_place(struct actor *actor, uint8_t how, const void *args,
		 size_t size);
uint32_t args_size(uint8_t how, size_t size, size_t min_size);

/*
 * Make a call that is counted, and that may be made to fail; again and again
 * where it is one of a burst.
 */
#define CALL(actor, kind, expression)                                         \
	({                                                                    \
		long result_;                                                 \
									      \
		do {                                                          \
			call_begin(actor, kind);                              \
			result_ = (expression);                               \
			call_end(actor);                                      \
		} while (call_again(actor));                                  \
		result_;                                                      \
	})

/* batch.c */
void *batch_args(struct actor *actor, const uint8_t *bytes, uint32_t *size);
bool batch_is_quick(const uint8_t *bytes);

/* mapping.c */
kind_fn run_map;
kind_fn run_memory;
kind_fn run_remap;

/* touch.c */
bool touch_begin(void);
kind_fn run_touch;

/* pipes.c */
kind_fn run_pipes;
void pipes_reset(struct world *world);

/* uring.c */
kind_fn run_uring;
kind_fn run_uring_file;
void uring_reset(struct world *world);

/* attributes.c */
kind_fn run_attributes;

/* userfault.c */
kind_fn run_userfault;
void userfault_reset(struct world *world);

/* races.c */
kind_fn run_race;

/* memcg.c */
kind_fn run_memcg;

/* names.c */
bool names_begin(void);
bool names_end(void);
bool names_set_up(struct world *world);
void names_reset(struct world *world);
int names_directory(const struct world *world, uint8_t which);
kind_fn run_open;
kind_fn run_unlink;
kind_fn run_list;
kind_fn run_publish;
kind_fn run_mount;
kind_fn run_entry;

/* unload.c */
kind_fn run_unload;
bool unload_under_load(unsigned int *busy);

/* files.c */
kind_fn run_file;
kind_fn run_change_file;

/* guide.c */

/**
 * struct found - An input that did what none before it did
 * @sequence: The input.
 * @microseconds: How long a call of it takes.
 * @is_there: Whether it is all written.
 */
struct found {
	struct sequence sequence;
	uint32_t microseconds;
	bool is_there;
};

/* Of what is in a corpus; edges of the module, told by 18 bits, and places. */
#define MAX_FOUND 8192
#define EDGES (1U << 18)
#define PLACES (1U << 20)

/**
 * struct guide - What all workers know
 * @count: Number of inputs that were found, which may exceed MAX_FOUND.
 * @found: The inputs.
 * @edges: Which edges have been seen.
 * @places: Which places in the code, told by their lowest bits.
 */
struct guide {
	uint32_t count;
	struct found found[MAX_FOUND];
	uint8_t edges[EDGES];
	uint8_t places[PLACES];
};

bool guide_begin(unsigned int number);
void guide_try(struct guide *guide, struct world *world,
	       const struct sequence *sequence);
void guide_pause(void);
void guide_resume(void);
void guide_replay(struct guide *guide, struct world *world, uint32_t which);
void guide_invent(const struct guide *guide, struct sequence *sequence);
uint32_t guide_found(const struct guide *guide);
uint32_t guide_count(const uint8_t *map, uint32_t size);
void guide_keep_least(struct guide *guide, struct world *world, bool *kept);

/* corpus.c */
void corpus_print(FILE *to, const char *before,
		  const struct sequence *sequence);
void corpus_load(struct guide *guide, const char *path);
void corpus_save(const struct guide *guide, const bool *kept, const char *path);

#endif /* TESTS_FUZZ_CALLS_H */
