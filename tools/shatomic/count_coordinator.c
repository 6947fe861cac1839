// SPDX-License-Identifier: GPL-2.0-only
/*
 * The coordinator: forks the workers, makes the table grow when one asks for
 * it, and sees to it that all of them finish or none of their counts is used.
 * The table has no name and a worker dies with its coordinator, so nothing is
 * left behind however the command ends.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "count.h"
#include "progress.h"
#include "tool.h"

/* The first generation has a slot for each so many bytes of input... */
#define BYTES_PER_SLOT 32
/* ...within these bounds: more may be streamed, and it can grow. */
#define FIRST_SLOTS_LEAST (1ULL << 12)
#define FIRST_SLOTS_MOST (1ULL << 18)

/* Room for a record with a word of 16 bytes, were all slots used. */
#define ARENA_BYTES_PER_SLOT 24

/* More would save lookups in old generations, but allocating costs more. */
#define GROWTH 2

/* How often progress is shown. */
#define PROGRESS_MS 200

/* A worker as the coordinator sees it; its socket is -1 when it has ended. */
struct link {
	pid_t pid;
	int socket;
};

/**
 * struct coordinator - The coordinator's state
 * @options: What the command line asks for.
 * @input: What is counted.
 * @result: What becomes of it.
 * @progress: The progress bar.
 * @links: The workers.
 * @running: How many of them have not ended.
 * @signals: Descriptor that tells of signals that end the command.
 * @old_mask: The signal mask to go back to.
 */
struct coordinator {
	const struct count_options *options;
	const struct count_input *input;
	struct count_result *result;
	struct progress progress;
	struct link *links;
	unsigned int running;
	int signals;
	sigset_t old_mask;
};

static uint64_t power_of_two_above(uint64_t number)
{
	uint64_t power = 1;

	while (power < number)
		power *= 2;
	return power;
}

static int add_generation(struct coordinator *coordinator, uint64_t slots,
			  uint64_t arena_bytes)
{
	struct count_result *result = coordinator->result;
	uint64_t bytes = slots * sizeof(struct count_slot) + arena_bytes;

	progress_erase(&coordinator->progress);
	if (result->table_count == COUNT_GENERATIONS ||
	    bytes >> COUNT_TAG_SHIFT) {
		tool_complain("the table cannot grow any further");
		return -E2BIG;
	}
	if (count_table_create(&result->tables[result->table_count],
			       coordinator->options->backend, slots,
			       arena_bytes)) {
		tool_complain("no %llu bytes of shared memory for the table: %s",
			      (unsigned long long)bytes, shatomic_error());
		return -ENOMEM;
	}
	result->table_count++;
	return 0;
}

static int first_generation(struct coordinator *coordinator)
{
	const struct count_options *options = coordinator->options;
	const struct count_input *input = coordinator->input;
	uint64_t slots = options->slots;
	uint64_t least = COUNT_SLOTS_LEAST * coordinator->result->workers;

	if (!slots) {
		slots = input->known_bytes / BYTES_PER_SLOT;
		if (slots < FIRST_SLOTS_LEAST)
			slots = FIRST_SLOTS_LEAST;
		if (slots > FIRST_SLOTS_MOST || input->streams)
			slots = FIRST_SLOTS_MOST;
	}
	slots = power_of_two_above(slots < least ? least : slots);
	return add_generation(coordinator, slots, slots * ARENA_BYTES_PER_SLOT);
}

/*
 * What was scarce grows: slots, or the arena, or both. At least one of them was
 * more than half used, or else the arena too small for one token.
 */
static int grow(struct coordinator *coordinator, uint64_t token_bytes)
{
	const struct count_result *result = coordinator->result;
	struct count_header *last =
		result->tables[result->table_count - 1].header;
	uint64_t slots = last->slots;
	uint64_t arena = last->arena_end - last->arena_begin;
	uint64_t arena_used =
		shatomic_get_u64(&last->arena_next.value) - last->arena_begin;
	uint64_t least = 2 * count_record_bytes(token_bytes);

	if (shatomic_get_u64(&last->slots_used.value) >= slots / 2)
		slots *= GROWTH;
	if (arena_used >= arena / 2)
		arena *= GROWTH;
	return add_generation(coordinator, slots,
			      arena < least ? least : arena);
}

/* Several workers may want the same generation; the first makes it. */
static int give_generation(struct coordinator *coordinator,
			   const struct link *link,
			   const struct count_message *wanted)
{
	const struct count_message answer = { .type = COUNT_HAVE_GENERATION };
	const struct count_result *result = coordinator->result;
	int error;

	if (wanted->generation == result->table_count) {
		error = grow(coordinator, wanted->token_bytes);
		if (error)
			return error;
	}
	/* If it has died meanwhile, reap() will tell. */
	count_send(link->socket, &answer,
		   shatomic_fd(result->tables[wanted->generation].region));
	return 0;
}

/* The counts are complete only if every worker has ended well. */
static int reap(struct coordinator *coordinator, struct link *link)
{
	int status;

	while (waitpid(link->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(link->socket);
	link->socket = -1;
	coordinator->running--;
	if (WIFEXITED(status) && WEXITSTATUS(status) == TOOL_OK)
		return 0;
	progress_erase(&coordinator->progress);
	if (WIFSIGNALED(status))
		tool_complain("worker %d was killed by signal %d; counts would be incomplete",
			      link->pid, WTERMSIG(status));
	else
		tool_complain("worker %d ended with status %d; counts would be incomplete",
			      link->pid, WEXITSTATUS(status));
	return -ECHILD;
}

static int serve(struct coordinator *coordinator, struct link *link)
{
	struct count_message message = { 0 };
	int fd;

	if (count_receive(link->socket, &message, &fd))
		return reap(coordinator, link);
	if (message.type == COUNT_WANT_GENERATION)
		return give_generation(coordinator, link, &message);
	progress_erase(&coordinator->progress);
	tool_complain("%.*s", (int)sizeof(message.text), message.text);
	return -ECANCELED;
}

static void show_progress(struct coordinator *coordinator)
{
	struct count_header *header = coordinator->result->tables[0].header;

	progress_show(&coordinator->progress,
			    shatomic_get_u64(&header->bytes_read.value));
}

static int serve_all(struct coordinator *coordinator)
{
	unsigned int workers = coordinator->result->workers;
	struct pollfd *polls =
		tool_realloc(NULL, workers + 1, sizeof(*polls));
	int timeout = coordinator->progress.enabled ? PROGRESS_MS : -1;
	int error = 0;

	polls[workers] = (struct pollfd){ coordinator->signals, POLLIN, 0 };
	while (!error && coordinator->running) {
		for (unsigned int i = 0; i < workers; i++)
			polls[i] = (struct pollfd){
				coordinator->links[i].socket, POLLIN, 0
			};
		if (poll(polls, workers + 1, timeout) < 0 && errno != EINTR)
			error = -errno;
		if (polls[workers].revents)
			error = -EINTR;
		for (unsigned int i = 0; i < workers && !error; i++) {
			if (polls[i].revents)
				error = serve(coordinator,
					      &coordinator->links[i]);
		}
		if (!error)
			show_progress(coordinator);
	}
	free(polls);
	return error;
}

static void kill_all(struct coordinator *coordinator)
{
	for (unsigned int i = 0; i < coordinator->result->workers; i++) {
		struct link *link = &coordinator->links[i];

		if (link->socket < 0)
			continue;
		kill(link->pid, SIGKILL);
		while (waitpid(link->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(link->socket);
		link->socket = -1;
	}
}

/* A signal that is ignored, as by nohup(1), stays so: a signalfd would not. */
static void add_signal(sigset_t *mask, int number)
{
	struct sigaction action;

	sigaction(number, NULL, &action);
	if (action.sa_handler != SIG_IGN)
		sigaddset(mask, number);
}

/* The signals stay blocked in the workers: the coordinator ends those. */
static void block_signals(struct coordinator *coordinator)
{
	sigset_t mask;

	sigemptyset(&mask);
	add_signal(&mask, SIGINT);
	add_signal(&mask, SIGTERM);
	add_signal(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, &coordinator->old_mask);
	coordinator->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (coordinator->signals < 0)
		tool_die("signalfd: %s", strerror(errno));
}

/* A signal that had come ends the command here, as it would have then. */
static void unblock_signals(struct coordinator *coordinator)
{
	struct signalfd_siginfo info;
	ssize_t got = read(coordinator->signals, &info, sizeof(info));

	close(coordinator->signals);
	if (got == sizeof(info))
		raise(info.ssi_signo);
	sigprocmask(SIG_SETMASK, &coordinator->old_mask, NULL);
}

_Noreturn static void be_worker(struct coordinator *coordinator, int socket,
				pid_t coordinator_pid)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before that. */
	if (getppid() != coordinator_pid)
		_exit(TOOL_TROUBLE);
	for (unsigned int i = 0; i < coordinator->running; i++)
		close(coordinator->links[i].socket);
	count_worker_run(coordinator->options, coordinator->input,
			 &coordinator->result->tables[0], socket);
}

static int start_worker(struct coordinator *coordinator)
{
	struct link *link = &coordinator->links[coordinator->running];
	pid_t coordinator_pid = getpid();
	int sockets[2];
	int error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		error = errno;
		tool_complain("no socket for worker %u of %u: %s",
			      coordinator->running + 1,
			      coordinator->result->workers, strerror(error));
		return -error;
	}
	link->pid = fork();
	if (link->pid < 0) {
		error = errno;
		tool_complain("cannot fork worker %u of %u: %s",
			      coordinator->running + 1,
			      coordinator->result->workers, strerror(error));
		close(sockets[0]);
		close(sockets[1]);
		return -error;
	}
	if (!link->pid) {
		close(sockets[0]);
		be_worker(coordinator, sockets[1], coordinator_pid);
	}
	close(sockets[1]);
	link->socket = sockets[0];
	coordinator->running++;
	return 0;
}

static int start_workers(struct coordinator *coordinator)
{
	int error = 0;

	for (unsigned int i = 0; i < coordinator->result->workers && !error; i++)
		error = start_worker(coordinator);
	return error;
}

/* No more workers than pieces. */
static unsigned int choose_workers(const struct count_options *options,
				   const struct count_input *input)
{
	if (input->piece_count < options->jobs)
		return input->piece_count;
	return options->jobs;
}

int count_coordinate(const struct count_options *options,
		     const struct count_input *input,
		     struct count_result *result)
{
	struct coordinator coordinator = {
		.options = options,
		.input = input,
		.result = result,
	};
	int error;

	progress_begin(&coordinator.progress, options->progress,
		       input->streams ? 0 : input->known_bytes);
	result->workers = choose_workers(options, input);
	coordinator.links = tool_realloc(NULL, result->workers,
					 sizeof(*coordinator.links));
	for (unsigned int i = 0; i < result->workers; i++)
		coordinator.links[i].socket = -1;
	block_signals(&coordinator);
	error = first_generation(&coordinator);
	if (!error)
		error = start_workers(&coordinator);
	if (!error)
		error = serve_all(&coordinator);
	kill_all(&coordinator);
	progress_erase(&coordinator.progress);
	unblock_signals(&coordinator);
	free(coordinator.links);
	result->seconds = tool_now() - coordinator.progress.started;
	return error ? TOOL_TROUBLE : TOOL_OK;
}
