// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reading of arguments. Strict: no leading blanks, nothing after the
 * number, no silent wrapping.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/*
 * strtoull(3) takes blanks, signs and octal, and wraps "-1": none of that is
 * wanted. Returns what follows the digits, or NULL if there are none or too
 * many.
 */
static const char *scan_digits(const char *text, uint64_t *number)
{
	int base = 10;
	char *end;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (!isxdigit((unsigned char)text[0]))
		return NULL;
	errno = 0;
	*number = strtoull(text, &end, base);
	return errno || end == text ? NULL : end;
}

uint64_t parse_number(const char *what, const char *text, uint64_t least,
		      uint64_t most)
{
	uint64_t number;
	const char *end = scan_digits(text, &number);

	if (!end || *end)
		tool_die("%s: '%s' is not a number that fits 64 bits", what,
			 text);
	if (number < least || number > most)
		tool_die("%s: %s is not in %llu..%llu", what, text,
			 (unsigned long long)least, (unsigned long long)most);
	return number;
}

size_t parse_size(const char *what, const char *text)
{
	static const char suffixes[] = "KMGT";
	uint64_t number;
	const char *end = scan_digits(text, &number);
	const char *suffix;
	unsigned int shift;

	if (!end)
		tool_die("%s: '%s' is not a size", what, text);
	if (!number)
		tool_die("%s: %s is less than 1 byte", what, text);
	if (!*end)
		return number;
	suffix = strchr(suffixes, toupper((unsigned char)*end));
	if (!suffix || end[1])
		tool_die("%s: '%s' is not a size: a number, then nothing, K, M, G or T",
			 what, text);
	shift = 10 * (suffix - suffixes + 1);
	if (number > SIZE_MAX >> shift)
		tool_die("%s: %s is too large", what, text);
	return number << shift;
}

unsigned int parse_width(const char *what, const char *text)
{
	return parse_number(what, text, 1, 8);
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

uint64_t parse_value(const char *what, const char *text, unsigned int width)
{
	uint64_t most = UINT64_MAX >> (64 - 8 * width);
	bool negative = text[0] == '-';
	uint64_t magnitude;
	const char *end = scan_digits(text + negative, &magnitude);

	if (!end || *end)
		tool_die("%s: '%s' is not a number that fits 64 bits", what,
			 text);
	if (magnitude > (negative ? most / 2 + 1 : most))
		tool_die("%s: %s does not fit a width of %u", what, text,
			 width);
	return (negative ? -magnitude : magnitude) & most;
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
