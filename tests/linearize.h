/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a short history of operations on one aligned 8-byte word is
 * linearizable: whether there is an order of all of them, in which none comes
 * after one that began when it had ended, that gives each the result it had. All
 * orders are tried (Wing and Gong), each set of operations with each value of
 * the word only once.
 */
#ifndef TESTS_LINEARIZE_H
#define TESTS_LINEARIZE_H

#include "common.h"
#include "model.h"

#define MOST_EVENTS 16

/**
 * struct event - One operation of a history
 * @began: When it was called, by a clock that all threads share.
 * @ended: When it had returned.
 * @op: Operation.
 * @width: Width in bytes.
 * @at: Where in the word its own word lies.
 * @values: Its operands.
 * @result: What it returned.
 */
struct event {
	uint64_t began;
	uint64_t ended;
	unsigned int op;
	unsigned int width;
	unsigned int at;
	struct model_values values;
	uint64_t result;
};

/**
 * struct search - What is known while orders are tried
 * @events: The history.
 * @count: Number of events.
 * @seen: Pairs of done events, as bits, and the word, that lead nowhere.
 * @seen_count: Number of them.
 */
struct search {
	const struct event *events;
	unsigned int count;
	struct {
		uint32_t done;
		uint64_t word;
	} seen[4096];
	unsigned int seen_count;
};

/* Whether an event may come next: no other that is left had ended before. */
static inline bool may_be_next(const struct search *search, uint32_t done,
			       unsigned int next)
{
	unsigned int i;

	for (i = 0; i < search->count; i++) {
		if (!(done & 1U << i) &&
		    search->events[i].ended < search->events[next].began)
			return false;
	}
	return true;
}

static inline bool was_seen(const struct search *search, uint32_t done,
			    uint64_t word)
{
	unsigned int i;

	for (i = 0; i < search->seen_count; i++) {
		if (search->seen[i].done == done &&
		    search->seen[i].word == word)
			return true;
	}
	return false;
}

/* What the word is after an event; false when that had another result. */
static inline bool apply(const struct event *event, uint64_t before,
			 uint64_t *after)
{
	unsigned char memory[8];
	uint64_t result;
	uint8_t status;

	memcpy(memory, &before, 8);
	model_row(event->op, event->width, memory + event->at, NULL,
		  &event->values, &result, &status);
	memcpy(after, memory, 8);
	return result == event->result;
}

static inline bool search_from(struct search *search, uint32_t done,
			       uint64_t word)
{
	uint64_t after;
	unsigned int i;

	if (done == (1U << search->count) - 1)
		return true;
	if (was_seen(search, done, word))
		return false;
	for (i = 0; i < search->count; i++) {
		if (!(done & 1U << i) && may_be_next(search, done, i) &&
		    apply(&search->events[i], word, &after) &&
		    search_from(search, done | 1U << i, after))
			return true;
	}
	if (search->seen_count < COUNT_OF(search->seen)) {
		search->seen[search->seen_count].done = done;
		search->seen[search->seen_count++].word = word;
	}
	return false;
}

/* Whether the history, on a word that was @word before, is linearizable. */
static inline bool is_linearizable(const struct event *events,
				   unsigned int count, uint64_t word)
{
	struct search *search = calloc(1, sizeof(*search));
	bool found;

	search->events = events;
	search->count = count;
	found = search_from(search, 0, word);
	free(search);
	return found;
}

#endif /* TESTS_LINEARIZE_H */
