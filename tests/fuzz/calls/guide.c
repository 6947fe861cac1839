// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which inputs are worth to be kept, by what they reach in the module, which
 * KCOV tells; and new inputs, made of those.
 */
#include "calls.h"

#include <sys/ioctl.h>

#define KCOV "/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE _IOR('c', 1, unsigned long)
#define KCOV_ENABLE _IO('c', 100)
#define KCOV_TRACE_PC 0
/* Places of one input that are told; those after them are not. */
#define TRACE_ENTRIES (32UL << 10)

/* Calls of an input, as a rule. */
#define USUAL_CALLS 10

/* How many places the thread has been at, and then each; none without KCOV. */
static uint64_t no_trace[1];
static uint64_t *trace = no_trace;
/* Edges that are asked for, and then those that were met. */
enum { NOT_WANTED, WANTED, MET };
static uint8_t wanted[EDGES];

/* Where the module is, which is elsewhere when it was loaded again. */
static uint64_t module_base;

static uint64_t read_module_base(void)
{
	FILE *file = fopen("/sys/module/shatomic/sections/.text", "r");
	unsigned long long base = 0;

	if (file && fscanf(file, "%llx", &base) != 1)
		base = 0;
	if (file)
		fclose(file);
	return base;
}

static bool trace_by(int kcov)
{
	if (ioctl(kcov, KCOV_INIT_TRACE, TRACE_ENTRIES))
		return false;
	trace = mmap(NULL, TRACE_ENTRIES * sizeof(*trace),
		     PROT_READ | PROT_WRITE, MAP_SHARED, kcov, 0);
	return trace != MAP_FAILED && !ioctl(kcov, KCOV_ENABLE, KCOV_TRACE_PC);
}

/**
 * guide_begin() - Have the calling thread traced, and random numbers
 * @number: Which worker it is.
 *
 * Return: Whether there is nothing wrong.
 */
bool guide_begin(unsigned int number)
{
	int fd = open(KCOV, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && !trace_by(fd))
		return false;
	if (fd < 0 && !number)
		printf("# without KCOV\n");
	module_base = read_module_base();
	seed_random();
	random_state ^= (number + 1) * 0x9e3779b97f4a7c15;
	return true;
}

static uint64_t paused_at;

/* What the thread does until guide_resume() is not to be known. */
void guide_pause(void)
{
	paused_at = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
	/* As if there were no room for more. */
	__atomic_store_n(&trace[0], TRACE_ENTRIES, __ATOMIC_RELAXED);
}

void guide_resume(void)
{
	__atomic_store_n(&trace[0], paused_at, __ATOMIC_RELAXED);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000ULL + time.tv_nsec / 1000;
}

/* Go through an input; how many microseconds it took. */
static uint32_t run(struct world *world, const struct sequence *sequence)
{
	uint64_t begin = now();

	__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
	perform_sequence(world, sequence);
	world_reset(world);
	return now() - begin;
}

/* Where the thread was at some time, as a number. */
static uint32_t place(uint64_t entry)
{
	return (trace[entry] - module_base) % PLACES;
}

/* From one place to the next, as a number. */
static uint32_t edge(uint32_t from, uint32_t to)
{
	return (to * 2654435761U ^ from * 2246822519U) >> (32 - 18);
}

/* What the last run has reached that none has before; wanted from now on. */
static uint32_t take_new(struct guide *guide)
{
	uint64_t count = __atomic_load_n(&trace[0], __ATOMIC_RELAXED), i;
	uint32_t from = 0, new = 0;

	for (i = 1; i <= count; i++) {
		uint32_t to = place(i), which = edge(from, to);

		from = to;
		if (guide->edges[which])
			continue;
		guide->edges[which] = 1;
		guide->places[to] = 1;
		wanted[which] = WANTED;
		new++;
	}
	return new;
}

/* How many of the edges that are wanted the last run met; forget that again. */
static uint32_t count_wanted(uint8_t afterwards)
{
	uint64_t count = __atomic_load_n(&trace[0], __ATOMIC_RELAXED), i;
	uint32_t from = 0, met = 0;
	int round;

	for (round = 0; round < 2; round++) {
		for (i = 1; i <= count; i++) {
			uint32_t to = place(i);
			uint32_t which = edge(from, to);

			from = to;
			if (!round && wanted[which] == WANTED) {
				wanted[which] = MET;
				met++;
			}
			if (round && wanted[which] == MET)
				wanted[which] = afterwards;
		}
		from = 0;
	}
	return met;
}

static void remove_calls(struct sequence *sequence, uint32_t first,
			 uint32_t count)
{
	sequence->count -= count;
	memmove(sequence->calls[first], sequence->calls[first + count],
		(sequence->count - first) * CALL_BYTES);
}

/* Leave out calls without which it does what is wanted as well. */
static void shorten(struct world *world, struct sequence *sequence,
		    uint32_t new)
{
	struct sequence shorter = *sequence;
	uint32_t piece, first, i;

	for (i = 0; i < shorter.count; i++)
		shorter.calls[i][CONDITIONS] &= ~IN_A_BURST;
	run(world, &shorter);
	if (count_wanted(WANTED) == new)
		*sequence = shorter;
	for (piece = sequence->count / 2; piece; piece /= 2) {
		for (first = 0; first + piece <= sequence->count;) {
			if (sequence->count == piece)
				break;
			shorter = *sequence;
			remove_calls(&shorter, first, piece);
			run(world, &shorter);
			if (count_wanted(WANTED) == new)
				*sequence = shorter;
			else
				first += piece;
		}
	}
}

static void keep(struct guide *guide, const struct sequence *sequence,
		 uint32_t microseconds)
{
	uint32_t which = __atomic_fetch_add(&guide->count, 1, __ATOMIC_RELAXED);
	struct found *found;

	if (which >= MAX_FOUND)
		return;
	found = &guide->found[which];
	found->sequence = *sequence;
	found->microseconds = microseconds;
	__atomic_store_n(&found->is_there, true, __ATOMIC_RELEASE);
}

/**
 * guide_try() - Try an input, and keep it if it does what none before did
 * @guide: What all workers know.
 * @world: With what.
 * @sequence: The input.
 */
void guide_try(struct guide *guide, struct world *world,
	       const struct sequence *sequence)
{
	struct sequence best = *sequence;
	uint32_t new, microseconds;

	run(world, &best);
	new = take_new(guide);
	if (!new)
		return;
	/* What the next run does not do again may be by chance. */
	microseconds = run(world, &best);
	if (count_wanted(WANTED) == new)
		shorten(world, &best, new);
	memset(wanted, NOT_WANTED, sizeof(wanted));
	keep(guide, &best, microseconds / sequence->count);
}

/**
 * guide_replay() - Try an input that is kept already
 * @guide: What all workers know.
 * @world: With what.
 * @which: Which of them.
 */
void guide_replay(struct guide *guide, struct world *world, uint32_t which)
{
	struct found *found = &guide->found[which];

	found->microseconds = run(world, &found->sequence) /
			      found->sequence.count;
	if (take_new(guide))
		memset(wanted, NOT_WANTED, sizeof(wanted));
}

/* How many inputs there are. */
uint32_t guide_found(const struct guide *guide)
{
	uint32_t count = __atomic_load_n(&guide->count, __ATOMIC_RELAXED);

	return count < MAX_FOUND ? count : MAX_FOUND;
}

/* How much of a map is set. */
uint32_t guide_count(const uint8_t *map, uint32_t size)
{
	uint32_t count = 0, i;

	for (i = 0; i < size; i++)
		count += map[i];
	return count;
}

/* One that is kept, the fastest of some as a rule; NULL where there is none. */
static const struct found *choose(const struct guide *guide)
{
	uint32_t count = guide_found(guide), more;
	const struct found *one, *other;

	if (!count)
		return NULL;
	one = &guide->found[next_random() % count];
	for (more = next_random() % 8 ? 3 : 0; more; more--) {
		other = &guide->found[next_random() % count];
		if (other->microseconds < one->microseconds)
			one = other;
	}
	return __atomic_load_n(&one->is_there, __ATOMIC_ACQUIRE) ? one : NULL;
}

/* What takes long comes seldom. */
static uint8_t invent_kind(void)
{
	uint8_t kind = next_random() % kind_count;

	if (next_random() % 3 == 0)
		return BATCH;
	return kind_is_slow(kind) && next_random() % 16 ?
		       next_random() % kind_count : kind;
}

static void invent_call_of(uint8_t kind, uint8_t *call)
{
	unsigned int i;

	memset(call, 0, CALL_BYTES);
	call[0] = kind;
	for (i = 1; i < CONDITIONS; i++) {
		if (next_random() % 4 == 0)
			call[i] = next_random();
		/* Of most tables the second half is what takes long. */
		if (next_random() % 8)
			call[i] &= 0xef;
	}
	if (next_random() % 8 == 0)
		call[CONDITIONS] = next_random() % 8;
	if (next_random() % 16 == 0)
		call[CONDITIONS] |= next_random() << 4;
}

static void invent_call(uint8_t *call)
{
	invent_call_of(invent_kind(), call);
}

/*
 * Calls that reach what they are for only one after the other: what is done to
 * mappings is hardly seen in the module, so that no coverage leads there.
 */
#define IDIOM_CALLS 5

static const uint8_t idioms[][IDIOM_CALLS] = {
	{ CREATE, MAP, REMAP, TOUCH, TOUCH },
	{ CREATE, MAP, TOUCH, REMAP, TOUCH },
	{ CREATE, MAP, MEMORY, TOUCH, TOUCH },
	{ CREATE, EXPORT, MAP, REMAP, TOUCH },
	{ CREATE, REOPEN, MAP, CLOSE, TOUCH },
	{ CREATE, PIPES, PIPES, CLOSE, PIPES },
	{ CREATE, FILE_CALL, URING_FILE, ATTRIBUTES, TOUCH },
	{ CREATE, PUBLISH, OPEN, UNLINK, LIST },
	{ CREATE, PUBLISH, CLOSE, ENTRY, OPEN },
	{ MOUNT, CREATE, PUBLISH, MOUNT, OPEN },
};

/*
 * One of them, on the descriptor that was made last, and in one window. Arguments
 * are any: what goes well comes by half of them.
 */
static void invent_idiom(struct sequence *sequence)
{
	const uint8_t *idiom = idioms[next_random() % COUNT_OF(idioms)];
	uint8_t window = next_random() % WINDOWS;
	/* Of calls on names: which name, of which directory. */
	uint8_t name = 1 + next_random() % 4, directory = next_random() % 2;
	bool is_named = memchr(idiom, PUBLISH, IDIOM_CALLS);
	unsigned int i;
	uint8_t *call;

	for (i = 0; i < IDIOM_CALLS; i++) {
		call = sequence->calls[sequence->count++];
		invent_call_of(idiom[i], call);
		if (next_random() % 8)
			call[1] = NEWEST_FD;
		if (idiom[i] == MAP || idiom[i] == REMAP || idiom[i] == TOUCH)
			call[2] = window;
		if (is_named) {
			call[6] = name;
			call[8] = idiom[i] == CREATE ? directory * 2 : directory;
		}
		if (idiom[i] == PUBLISH)
			call[1] = 0;
		/* Its first pages, by each way. */
		if (idiom[i] == TOUCH) {
			call[3] = next_random() % 10;
			call[4] = next_random();
		}
		/* A mapping that has moved by default is in the next. */
		if (idiom[i] == REMAP && next_random() % 4) {
			call[5] = call[6] = 0;
			window = (window + 1) % WINDOWS;
		}
		/* Structures as they should be, and small regions. */
		if (idiom[i] == CREATE) {
			call[2] = 0;
			call[3] = next_random() % 4;
			if (is_named)
				call[3] |= SHATOMIC_CREATE_IN_DIRECTORY;
			call[4] = next_random() % 4 ?
					  next_random() % 16 | 0xc0 :
					  next_random() % 32;
			call[7] = next_random();
		}
	}
}

static void change_byte(uint8_t *call)
{
	uint8_t *byte = &call[1 + next_random() % (CALL_BYTES - 1)];

	switch (next_random() % 6) {
	case 0:
		*byte = 0;
		break;
	case 1:
		*byte = next_random();
		break;
	case 2:
		*byte = next_random() % 16;
		break;
	case 3:
		*byte += 1;
		break;
	case 4:
		*byte ^= 1U << next_random() % 8;
		break;
	case 5:		/* the half that is a choice of its own */
		*byte = *byte % 16 | next_random() << 4;
		break;
	}
}

static void insert_call(struct sequence *sequence, const uint8_t *call)
{
	uint32_t at = next_random() % (sequence->count + 1);

	if (sequence->count == MAX_CALLS)
		return;
	memmove(sequence->calls[at + 1], sequence->calls[at],
		(sequence->count - at) * CALL_BYTES);
	memcpy(sequence->calls[at], call, CALL_BYTES);
	sequence->count++;
}

/* Some of another's calls in place of the last ones. */
static void splice_other(const struct guide *guide, struct sequence *sequence)
{
	const struct found *other = choose(guide);
	uint32_t at = next_random() % (sequence->count + 1), from;

	if (!other)
		return;
	from = next_random() % other->sequence.count;
	while (at < MAX_CALLS && from < other->sequence.count)
		memcpy(sequence->calls[at++], other->sequence.calls[from++],
		       CALL_BYTES);
	sequence->count = at;
}

static void change(const struct guide *guide, struct sequence *sequence)
{
	uint32_t which = next_random() % sequence->count;
	uint8_t call[CALL_BYTES];

	switch (next_random() % 12) {
	case 0:
		invent_call(sequence->calls[which]);
		break;
	case 1:
	case 2:
		invent_call(call);
		insert_call(sequence, call);
		break;
	case 3:
		memcpy(call, sequence->calls[which], CALL_BYTES);
		insert_call(sequence, call);
		break;
	case 4:
		if (sequence->count > 1)
			remove_calls(sequence, which, 1);
		break;
	case 5:
		splice_other(guide, sequence);
		break;
	default:
		change_byte(sequence->calls[which]);
	}
}

static void append(struct sequence *sequence, const struct sequence *more)
{
	uint32_t count = more->count;

	if (count > MAX_CALLS - sequence->count)
		count = MAX_CALLS - sequence->count;
	memcpy(sequence->calls[sequence->count], more->calls,
	       count * CALL_BYTES);
	sequence->count += count;
}

/*
 * Leave in a sequence only calls on regions that stay, which take no longer than
 * entering the kernel does, and have each made in a burst.
 */
static void make_quick(struct sequence *sequence)
{
	uint32_t kept = 0, i;

	for (i = 0; i < sequence->count; i++) {
		uint8_t *call = sequence->calls[kept];

		if (!call_is_quick(sequence->calls[i]))
			continue;
		memmove(call, sequence->calls[i], CALL_BYTES);
		call[1] %= BASES + 1;
		call[CONDITIONS] = IN_A_BURST;
		kept++;
	}
	/* The good batch, which there is always. */
	if (!kept) {
		memset(sequence->calls[kept], 0, CALL_BYTES);
		sequence->calls[kept++][CONDITIONS] = IN_A_BURST;
	}
	sequence->count = kept;
}

/* One of some that are kept, changed, or of nothing. */
static void invent_any(const struct guide *guide, struct sequence *sequence,
		       uint32_t least)
{
	bool of_nothing = next_random() % 16 == 0;
	const struct found *parent;
	uint32_t i;

	sequence->count = 0;
	while (!of_nothing && sequence->count < least) {
		parent = choose(guide);
		if (!parent)
			break;
		append(sequence, &parent->sequence);
	}
	if (!sequence->count) {
		sequence->count = least;
		for (i = 0; i < least; i++)
			invent_call(sequence->calls[i]);
		return;
	}
	for (i = next_random() % sequence->count; i < sequence->count; i += 3)
		change(guide, sequence);
}

/**
 * guide_invent() - Make a new input, of some that are kept or of nothing
 * @guide: What all workers know.
 * @sequence: [out] The input.
 *
 * It is not too short: to begin with nothing again takes longer than a call.
 * Most are of many quick calls, which all others together take as long as.
 */
void guide_invent(const struct guide *guide, struct sequence *sequence)
{
	switch (next_random() % 8) {
	case 0:
		invent_any(guide, sequence, next_random() % 8 ? USUAL_CALLS : 1);
		break;
	case 1:
		sequence->count = 0;
		while (sequence->count + IDIOM_CALLS <= MAX_CALLS)
			invent_idiom(sequence);
		if (next_random() % 4 == 0)
			change(guide, sequence);
		break;
	default:
		invent_any(guide, sequence, MAX_CALLS);
		make_quick(sequence);
		break;
	}
}

static uint32_t reached[MAX_FOUND];
static uint16_t order[MAX_FOUND];

static int compare_reached(const void *one, const void *other)
{
	uint32_t a = reached[*(const uint16_t *)one];
	uint32_t b = reached[*(const uint16_t *)other];

	return a < b ? 1 : a > b ? -1 : 0;
}

/**
 * guide_keep_least() - Choose inputs that do what all do
 * @guide: The inputs; what is known of edges and places is of those chosen, in
 *	the end.
 * @world: With what.
 * @kept: [out] For each of them, whether it is one.
 */
void guide_keep_least(struct guide *guide, struct world *world, bool *kept)
{
	uint32_t count = guide_found(guide), i;

	/* Those that reach most come first. */
	for (i = 0; i < count; i++) {
		order[i] = i;
		run(world, &guide->found[i].sequence);
		memset(guide->edges, 0, sizeof(guide->edges));
		reached[i] = take_new(guide);
	}
	qsort(order, count, sizeof(order[0]), compare_reached);
	memset(guide->edges, 0, sizeof(guide->edges));
	memset(guide->places, 0, sizeof(guide->places));
	for (i = 0; i < count; i++) {
		run(world, &guide->found[order[i]].sequence);
		kept[order[i]] = take_new(guide);
	}
}
