// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reading of arguments. Strict: no leading blanks, nothing after the
 * number, no silent wrapping.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* What a digit counts, more than any base for what is none. */
static unsigned int digit_of(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = tolower((unsigned char)byte);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : 16;
}

/*
 * Unlike strtoull(3), which takes blanks, signs and octal, and wraps "-1".
 * Returns what follows the digits, or NULL if there are none or too many.
 */
static const char *scan_value(const char *text, tool_value *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned int base = hex ? 16 : 10, digit;
	const char *first = hex ? text + 2 : text;

	*value = 0;
	for (text = first; (digit = digit_of(*text)) < base; text++) {
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit, value))
			return NULL;
	}
	return text == first ? NULL : text;
}

/* The same of 64 bits. */
static const char *scan_digits(const char *text, uint64_t *number)
{
	tool_value value;
	const char *end = scan_value(text, &value);

	*number = value;
	return value > UINT64_MAX ? NULL : end;
}

/* Keep what is wrong with an argument for who has asked. */
static const char *wrong(const char *format, ...)
{
	static char sentence[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	return sentence;
}

const char *check_number(const char *text, uint64_t least, uint64_t most,
			 uint64_t *number)
{
	const char *end = scan_digits(text, number);

	if (!end || *end)
		return wrong("'%s' is not a number that fits 64 bits", text);
	if (*number < least || *number > most)
		return wrong("%s is not in %llu..%llu", text,
			     (unsigned long long)least,
			     (unsigned long long)most);
	return NULL;
}

/* A number, then nothing or a letter for a power of 1024. */
static const char *check_bytes(const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "KMGT";
	const char *end = scan_digits(text, bytes);
	const char *suffix;
	unsigned int shift;

	if (!end)
		return wrong("'%s' is not a number of bytes", text);
	if (!*end)
		return NULL;
	suffix = strchr(suffixes, toupper((unsigned char)*end));
	if (!suffix || end[1])
		return wrong("'%s' is not a number of bytes: a number, then nothing, K, M, G or T",
			     text);
	shift = 10 * (suffix - suffixes + 1);
	if (*bytes > UINT64_MAX >> shift)
		return wrong("%s is too large", text);
	*bytes <<= shift;
	return NULL;
}

const char *check_word_width(const char *text, unsigned int *width)
{
	uint64_t number = 0;
	const char *end = scan_digits(text, &number);

	if (!end || *end || number < 1 ||
	    (number > 8 && number != DOUBLE_WIDTH))
		return wrong("'%s' is not 1 to 8, or 16", text);
	*width = number;
	return NULL;
}

const char *check_value(const char *text, unsigned int width, tool_value *value)
{
	tool_value most = ~(tool_value)0 >> (128 - 8 * width);
	bool negative = text[0] == '-';
	tool_value magnitude;
	const char *end = scan_value(text + negative, &magnitude);

	if (!end || *end)
		return wrong("'%s' is not a number that fits 128 bits", text);
	if (magnitude > (negative ? most / 2 + 1 : most))
		return wrong("%s does not fit a width of %u", text, width);
	*value = (negative ? -magnitude : magnitude) & most;
	return NULL;
}

/* Digits, perhaps a point and more: strtod(3) takes a lot besides. */
static const char *check_seconds(const char *text, double least, double most,
				 double *seconds)
{
	static const char digits[] = "0123456789";
	size_t length = strspn(text, digits);
	const char *end = text + length;

	if (length && *end == '.')
		end += 1 + strspn(end + 1, digits);
	if (!length || *end)
		return wrong("'%s' is not a number of seconds", text);
	*seconds = strtod(text, NULL);
	if (*seconds < least || *seconds > most)
		return wrong("%s is not in %.10g..%.10g", text, least, most);
	return NULL;
}

static void die_if_wrong(const char *what, const char *sentence)
{
	if (sentence)
		tool_die("%s: %s", what, sentence);
}

uint64_t parse_number(const char *what, const char *text, uint64_t least,
		      uint64_t most)
{
	uint64_t number = 0;

	die_if_wrong(what, check_number(text, least, most, &number));
	return number;
}

tool_value parse_value(const char *what, const char *text, unsigned int width)
{
	tool_value value = 0;

	die_if_wrong(what, check_value(text, width, &value));
	return value;
}

uint64_t parse_bytes(const char *what, const char *text)
{
	uint64_t bytes = 0;

	die_if_wrong(what, check_bytes(text, &bytes));
	return bytes;
}

size_t parse_size(const char *what, const char *text)
{
	uint64_t size = parse_bytes(what, text);

	if (!size)
		tool_die("%s: %s is less than 1 byte", what, text);
	if (size > SIZE_MAX)
		tool_die("%s: %s is too large", what, text);
	return size;
}

unsigned int parse_width(const char *what, const char *text)
{
	unsigned int width = 0;

	die_if_wrong(what, check_word_width(text, &width));
	return width;
}

double parse_seconds(const char *what, const char *text, double least,
		     double most)
{
	double seconds = 0;

	die_if_wrong(what, check_seconds(text, least, most, &seconds));
	return seconds;
}

mode_t parse_mode(const char *what, const char *text)
{
	size_t digits = strspn(text, "01234567");
	unsigned long mode;

	if (!digits || text[digits])
		tool_die("%s: '%s' is not an octal number", what, text);
	errno = 0;
	mode = strtoul(text, NULL, 8);
	if (errno || mode > 0777)
		tool_die("%s: %s is more than 0777", what, text);
	return mode;
}

void parse_numa(const char *what, const char *text,
		struct shatomic_create_options *options)
{
	static const char bind[] = "bind:", interleave[] = "interleave:";
	const char *at;
	uint64_t node;

	if (!strncmp(text, bind, strlen(bind))) {
		options->numa = SHATOMIC_NUMA_BIND;
		at = text + strlen(bind);
	} else if (!strncmp(text, interleave, strlen(interleave))) {
		options->numa = SHATOMIC_NUMA_INTERLEAVE;
		at = text + strlen(interleave);
	} else {
		tool_die("%s: '%s' is neither bind:NODE,... nor interleave:NODE,...",
			 what, text);
	}
	options->numa_nodes = 0;
	do {
		at = scan_digits(at, &node);
		if (!at || (*at && *at != ','))
			tool_die("%s: '%s' is not numbers of nodes", what,
				 text);
		if (node > 63)
			tool_die("%s: %llu is not in 0..63", what,
				 (unsigned long long)node);
		options->numa_nodes |= 1ULL << node;
	} while (*at++);
}

static error_t parse_backend(int key, char *text, struct argp_state *state)
{
	enum shatomic_backend *backend = state->input;

	if (key != 'b')
		return ARGP_ERR_UNKNOWN;
	if (!strcmp(text, "auto"))
		*backend = SHATOMIC_BACKEND_AUTO;
	else if (!strcmp(text, "device"))
		*backend = SHATOMIC_BACKEND_DEVICE;
	else if (!strcmp(text, "memfd"))
		*backend = SHATOMIC_BACKEND_MEMFD;
	else
		tool_die("--backend: '%s' is not auto, device or memfd", text);
	return 0;
}

const struct argp tool_backend_argp = {
	.options = (const struct argp_option[]){
		{ "backend", 'b', "BACKEND", 0,
		  "Where regions are: device, memfd, or auto (the default)",
		  0 },
		{ 0 },
	},
	.parser = parse_backend,
};
