// SPDX-License-Identifier: GPL-2.0-only
/*
 * `shatomic doctor': what works here, and what to do about what does not.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "tool.h"

/* A huge page, so that it can be seen whether there are any. */
#define DEFAULT_SIZE (2ULL << 20)

/* Which backends a check is about. */
#define ON_DEVICE (1U << SHATOMIC_BACKEND_DEVICE)
#define ON_MEMFD (1U << SHATOMIC_BACKEND_MEMFD)
/* About which backend is taken when --backend does not say. */
#define ON_AUTO (1U << SHATOMIC_BACKEND_AUTO)

/* What a value of SHATOMIC_BACKEND, or NULL, leaves: 0 when it is no backend. */
static unsigned int backends_by_environment(const char *value)
{
	if (!value)
		return ON_DEVICE | ON_MEMFD;
	if (!strcmp(value, "device"))
		return ON_DEVICE;
	return strcmp(value, "memfd") ? 0 : ON_MEMFD;
}

static void check_environment(struct finding *finding, uint64_t size)
{
	const char *value = getenv("SHATOMIC_BACKEND");

	(void)size;
	if (!value) {
		find(finding, FINDING_OK, "no SHATOMIC_BACKEND: device where there is one, else memfd");
	} else if (backends_by_environment(value)) {
		find(finding, FINDING_OK, "SHATOMIC_BACKEND is %s", value);
	} else {
		find(finding, FINDING_NO, "SHATOMIC_BACKEND is '%.80s', not device or memfd",
		     value);
		advise(finding, "every command and program that is not told a backend fails: set it to one of them, or unset it");
	}
}

static const struct {
	const char *name;
	unsigned int backends;
	void (*run)(struct finding *finding, uint64_t size);
} checks[] = {
	{ "environment", ON_AUTO, check_environment },
	{ "module", ON_DEVICE, check_module },
	{ "device", ON_DEVICE, check_device },
	{ "permission", ON_DEVICE, check_permission },
	{ "abi", ON_DEVICE, check_abi },
	{ "names", ON_DEVICE, check_names },
	{ "memlock", ON_DEVICE | ON_MEMFD, check_memlock },
	{ "device region", ON_DEVICE, check_device_region },
	{ "device huge pages", ON_DEVICE, check_device_huge_pages },
	{ "memfd region", ON_MEMFD, check_memfd_region },
	{ "memfd huge pages", ON_MEMFD, check_memfd_huge_pages },
	{ "io_uring", ON_DEVICE | ON_MEMFD, check_io_uring },
	{ "debugfs", ON_DEVICE, check_debugfs },
};

/**
 * struct doctor_arguments - The command line
 * @backend: What is to work; SHATOMIC_BACKEND_AUTO for all there is.
 * @output: How to print.
 * @size: Size of the regions to try.
 */
struct doctor_arguments {
	enum shatomic_backend backend;
	struct output output;
	uint64_t size;
};

void find(struct finding *finding, const char *state, const char *detail, ...)
{
	va_list arguments;

	finding->state = state;
	va_start(arguments, detail);
	vsnprintf(finding->detail, sizeof(finding->detail), detail, arguments);
	va_end(arguments);
}

void advise(struct finding *finding, const char *remedy, ...)
{
	va_list arguments;

	va_start(arguments, remedy);
	vsnprintf(finding->remedy, sizeof(finding->remedy), remedy, arguments);
	va_end(arguments);
}

bool read_first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found;

	if (!file)
		return false;
	found = fgets(line, size, file);
	fclose(file);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

static error_t parse_doctor(int key, char *text, struct argp_state *state)
{
	struct doctor_arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->backend;
		state->child_inputs[1] = &arguments->output.json;
		return 0;
	case 's':
		arguments->size = parse_size("--size", text);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: too many arguments", text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp doctor_argp = {
	.options = (const struct argp_option[]){
		{ "size", 's', "SIZE", 0,
		  "Size of the regions to try (default 2M)", 0 },
		{ 0 },
	},
	.parser = parse_doctor,
	.doc = "Tell what works here and what to do about what does not. With a backend, by --backend or SHATOMIC_BACKEND, only what that needs. The exit status is 1 when something does not work; what can't be told, by this user or for lack of something else, is unknown.",
	.children = (const struct argp_child[]){
		{ &tool_backend_argp, 0, NULL, 0 },
		{ &json_argp, 0, NULL, 0 },
		{ 0 },
	},
};

/* The environment says what every other command would use. */
static unsigned int wanted_backends(enum shatomic_backend backend)
{
	unsigned int by_environment =
		backends_by_environment(getenv("SHATOMIC_BACKEND"));

	if (backend != SHATOMIC_BACKEND_AUTO)
		return 1U << backend;
	return ON_AUTO |
	       (by_environment ? by_environment : ON_DEVICE | ON_MEMFD);
}

/* Advice for people comes below the table, where there is room for it. */
static void print_remedies(struct json_object *rows)
{
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		struct json_object *remedy =
			json_object_object_get(row, "remedy");

		if (remedy)
			printf("\n%s: %s\n",
			       json_object_get_string(
				       json_object_object_get(row, "check")),
			       json_object_get_string(remedy));
	}
}

int command_doctor(int argc, char **argv)
{
	static const struct column columns[] = {
		{ "check", "CHECK", COLUMN_TEXT },
		{ "state", "STATE", COLUMN_STATE },
		{ "detail", "DETAIL", COLUMN_TEXT },
		{ 0 },
	};
	struct doctor_arguments arguments = { .size = DEFAULT_SIZE };
	struct json_object *rows = new_array();
	unsigned int backends;
	int status = TOOL_OK;

	argp_parse(&doctor_argp, argc, argv, 0, NULL, &arguments);
	backends = wanted_backends(arguments.backend);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct finding finding = { 0 };
		struct json_object *row;

		if (!(checks[i].backends & backends))
			continue;
		checks[i].run(&finding, arguments.size);
		row = new_object();
		add_text(row, "check", checks[i].name);
		add_text(row, "state", finding.state);
		add_text(row, "detail", finding.detail);
		if (finding.remedy[0])
			add_text(row, "remedy", finding.remedy);
		json_object_array_add(rows, row);
		if (!strcmp(finding.state, FINDING_NO))
			status = TOOL_DIFFERED;
	}
	print_table(&arguments.output, columns, "checks",
		    json_object_get(rows));
	if (!arguments.output.json)
		print_remedies(rows);
	json_object_put(rows);
	return status;
}
