// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a command on a pseudo-terminal of 24 lines and 80 columns, and copies
 * what it writes:
 *
 *   on_terminal KEYS COMMAND [ARGUMENT...]
 *
 * KEYS are typed once the command has written something. Exits as the command
 * does, or with 255.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 255;
}

static int run_command(const char *path, char **command)
{
	const struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int terminal;

	/* Without a terminal of its own a new session takes the first it opens. */
	setsid();
	terminal = open(path, O_RDWR);
	if (terminal < 0 || ioctl(terminal, TIOCSWINSZ, &size) ||
	    dup2(terminal, 0) < 0 || dup2(terminal, 1) < 0 ||
	    dup2(terminal, 2) < 0)
		return fail(path);
	if (terminal > 2)
		close(terminal);
	execvp(command[0], command);
	return fail(command[0]);
}

int main(int argc, char **argv)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
	bool typed = false;
	char text[4096];
	ssize_t got;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: on_terminal KEYS COMMAND...\n");
		return 255;
	}
	if (master < 0 || grantpt(master) || unlockpt(master))
		return fail("a pseudo-terminal");
	pid = fork();
	if (pid < 0)
		return fail("fork");
	if (!pid)
		return run_command(ptsname(master), argv + 2);

	/* EIO when the last who had the terminal has ended. */
	while ((got = read(master, text, sizeof(text))) > 0) {
		if (write(1, text, got) != got)
			return fail("standard output");
		if (!typed && write(master, argv[1], strlen(argv[1])) < 0)
			return fail("typing");
		typed = true;
	}
	if (waitpid(pid, &status, 0) != pid)
		return fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
