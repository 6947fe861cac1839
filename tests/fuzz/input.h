/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer's input, taken from the front. What is missing is zero, so that
 * every input means something.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What libFuzzer calls with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t take_byte(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++;
}

static inline uint16_t take_u16(struct input *input)
{
	uint16_t low = take_byte(input);

	return low | take_byte(input) << 8;
}

static inline uint64_t take_u64(struct input *input)
{
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		value |= (uint64_t)take_byte(input) << (8 * i);
	return value;
}

/* Ends the fuzzer, which keeps the input. */
#define expect(condition, ...)                                                \
	do {                                                                  \
		if (!(condition)) {                                           \
			fprintf(stderr, "not so: %s: ", #condition);          \
			fprintf(stderr, __VA_ARGS__);                         \
			fprintf(stderr, "\n");                                \
			abort();                                              \
		}                                                             \
	} while (0)

#endif /* TESTS_FUZZ_INPUT_H */
