// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the command's reading of arguments: what it takes and what it makes of
 * that, compared with a plain reading by arithmetic of 128 bits.
 *
 * An input is a byte that chooses the function, one that chooses its limits,
 * then the argument.
 */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "../../tools/shatomic/tool.h"
#include "input.h"

#define MAX_TEXT 64

static jmp_buf refused;

/* In the command it ends the process. */
void tool_die(const char *format, ...)
{
	char sentence[512];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	longjmp(refused, 1);
}

#define MOST (~(unsigned __int128)0)

/*
 * The number that @text begins with; what follows it, or NULL for none and for
 * one of more than 128 bits.
 */
static const char *plain_value_digits(const char *text,
				      unsigned __int128 *number)
{
	unsigned int base = 10, digit;
	bool too_much = false;
	const char *from;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	*number = 0;
	for (from = text; isxdigit((unsigned char)*text); text++) {
		digit = isdigit((unsigned char)*text) ?
				*text - '0' :
				tolower((unsigned char)*text) - 'a' + 10;
		if (digit >= base)
			break;
		if (*number > (MOST - digit) / base)
			too_much = true;
		*number = *number * base + digit;
	}
	return text == from || too_much ? NULL : text;
}

static const char *plain_digits(const char *text, unsigned __int128 *number)
{
	text = plain_value_digits(text, number);
	return *number > UINT64_MAX ? NULL : text;
}

static bool plain_number(const char *text, uint64_t least, uint64_t most,
			 uint64_t *value)
{
	unsigned __int128 number;
	const char *end = plain_digits(text, &number);

	*value = number;
	return end && !*end && number >= least && number <= most;
}

static bool plain_size(const char *text, uint64_t *value)
{
	static const char suffixes[] = "kmgt";
	unsigned __int128 number;
	const char *end = plain_digits(text, &number), *suffix;

	if (!end || !number)
		return false;
	if (*end) {
		suffix = strchr(suffixes, tolower((unsigned char)*end));
		if (!suffix || end[1])
			return false;
		for (; suffix >= suffixes; suffix--)
			number *= 1024;
	}
	*value = number;
	return number <= SIZE_MAX;
}

static bool plain_mode(const char *text, uint64_t *value)
{
	unsigned __int128 mode = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return false;
		if (mode <= 0777)
			mode = mode * 8 + (*text - '0');
	}
	*value = mode;
	return mode <= 0777;
}

static bool plain_value(const char *text, unsigned int width,
			unsigned __int128 *value)
{
	unsigned __int128 number, most = MOST >> (128 - 8 * width);
	bool negative = *text == '-';
	const char *end = plain_value_digits(text + negative, &number);

	if (!end || *end || number > (negative ? most / 2 + 1 : most))
		return false;
	*value = negative && number ? most - number + 1 : number;
	return true;
}

static bool plain_numa(const char *text, uint64_t *value)
{
	unsigned __int128 node;

	*value = 0;
	if (strncmp(text, "bind:", 5) && strncmp(text, "interleave:", 11))
		return false;
	text = strchr(text, ':');
	do {
		text = plain_digits(text + 1, &node);
		if (!text || (*text && *text != ',') || node > 63)
			return false;
		*value |= 1ULL << (unsigned int)node;
	} while (*text);
	return true;
}

/* Whether there is nothing but digits and at most one point, behind a digit. */
static bool plain_seconds(const char *text, long double *value)
{
	long double unit = 1;

	*value = 0;
	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++)
		*value = *value * 10 + (*text - '0');
	if (*text != '.')
		return !*text;
	for (text++; isdigit((unsigned char)*text); text++) {
		unit /= 10;
		*value += unit * (*text - '0');
	}
	return !*text;
}

/* As near as what was rounded can be told from another that was. */
static bool is_near(long double one, long double other)
{
	return fabsl(one - other) <= 1e-15L * fabsl(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t which = take_byte(&input) % 6, how = take_byte(&input);
	uint64_t least = how % 3, most = how & 4 ? UINT64_MAX : how;
	unsigned int width = how % 9 ? how % 9 : 16;
	struct shatomic_create_options options = { 0 };
	char text[MAX_TEXT + 1];
	uint64_t want = 0;
	unsigned __int128 want_value = 0;
	long double want_seconds = 0;
	volatile uint64_t got = 0;
	volatile unsigned __int128 got_value = 0;
	volatile double got_seconds = 0;
	volatile bool taken = false;
	bool good = false;
	size_t length = input.left < MAX_TEXT ? input.left : MAX_TEXT;

	memcpy(text, input.at, length);
	text[length] = '\0';

	if (!setjmp(refused)) {
		switch (which) {
		case 0: got = parse_number("it", text, least, most); break;
		case 1: got = parse_size("it", text); break;
		case 2: got = parse_mode("it", text); break;
		case 3: got_value = parse_value("it", text, width); break;
		case 4:
			parse_numa("it", text, &options);
			got = options.numa_nodes;
			break;
		case 5:
			got_seconds = parse_seconds("it", text, least, most);
			break;
		}
		taken = true;
	}
	switch (which) {
	case 0: good = plain_number(text, least, most, &want); break;
	case 1: good = plain_size(text, &want); break;
	case 2: good = plain_mode(text, &want); break;
	case 3: good = plain_value(text, width, &want_value); break;
	case 4: good = plain_numa(text, &want); break;
	case 5:
		good = plain_seconds(text, &want_seconds);
		if (is_near(want_seconds, least) || is_near(want_seconds, most))
			good &= taken;
		else
			good &= want_seconds >= least && want_seconds <= most;
		break;
	}
	expect(taken == good, "function %u takes '%s': %d", which, text, taken);
	expect(!good || got == want, "function %u, '%s': %llx %llx", which,
	       text, (unsigned long long)got, (unsigned long long)want);
	expect(!good || is_near(got_seconds, want_seconds), "'%s' is %g", text,
	       got_seconds);
	expect(!good || got_value == want_value, "'%s' of %u bytes", text,
	       width);
	return 0;
}
