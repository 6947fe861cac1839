// SPDX-License-Identifier: GPL-2.0-only
/*
 * A terminal that is painted over and over, and whose keys act at once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "terminal.h"

static struct termios before;
static bool taken;
static sigset_t signals_before;
static volatile sig_atomic_t ending;
static volatile sig_atomic_t stopping;

static void on_end(int number)
{
	(void)number;
	ending = 1;
}

static void on_stop(int number)
{
	(void)number;
	stopping = 1;
}

static void on_change(int number)
{
	(void)number;
}

bool terminal_is_there(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb");
}

static void give_back(void)
{
	if (taken)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	/* The cursor stands below what has been painted. */
	fputs("\033[?25h", stdout);
	fflush(stdout);
}

/* Keys come at once, and are not shown. */
static void take_keys(void)
{
	struct termios now = before;

	now.c_lflag &= ~(ICANON | ECHO);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	if (taken)
		tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

static void catch(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigaction(number, &action, NULL);
}

/* Who has no job control ignores stops, and so do we. */
static void catch_stop(void)
{
	struct sigaction action;

	sigaction(SIGTSTP, NULL, &action);
	if (action.sa_handler != SIG_IGN)
		catch(SIGTSTP, on_stop);
}

void terminal_begin(void)
{
	sigset_t caught;

	taken = !tcgetattr(STDIN_FILENO, &before);
	atexit(give_back);
	/* They come while we wait and at no other time. */
	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGQUIT);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGHUP);
	sigaddset(&caught, SIGWINCH);
	sigaddset(&caught, SIGTSTP);
	sigaddset(&caught, SIGCONT);
	sigprocmask(SIG_BLOCK, &caught, &signals_before);
	catch(SIGINT, on_end);
	catch(SIGQUIT, on_end);
	catch(SIGTERM, on_end);
	catch(SIGHUP, on_end);
	catch(SIGWINCH, on_change);
	catch(SIGCONT, on_change);
	catch_stop();
	fputs("\033[2J", stdout);
}

void terminal_size(unsigned int *lines, unsigned int *columns)
{
	struct winsize size;

	*lines = 24;
	*columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return;
	if (size.ws_row)
		*lines = size.ws_row;
	if (size.ws_col)
		*columns = size.ws_col;
}

void terminal_home(void)
{
	/* Again each time: while we were stopped it was a shell's. */
	take_keys();
	fputs("\033[?25l\033[H", stdout);
}

void terminal_end_line(void)
{
	fputs("\033[K", stdout);
}

void terminal_end_page(void)
{
	fputs("\033[J", stdout);
}

/* Stop as we would have; who paints next takes the terminal again. */
static void stop(void)
{
	sigset_t blocked;

	stopping = 0;
	putchar('\n');
	give_back();
	catch(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	/* It comes now, and so does what has us go on. */
	sigprocmask(SIG_SETMASK, &signals_before, &blocked);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	catch(SIGTSTP, on_stop);
}

bool terminal_wait(double seconds)
{
	struct pollfd keys = { .fd = taken ? STDIN_FILENO : -1,
			       .events = POLLIN };
	struct timespec most = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};
	int got = ppoll(&keys, 1, &most, &signals_before);
	char key;

	if (stopping)
		stop();
	if (ending)
		return false;
	if (got <= 0)
		return true;
	/* A terminal that has gone away has no keys. */
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q';
}
