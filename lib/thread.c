// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Threads of the library's own.
 */
#include "backend.h"

#include <errno.h>
#include <signal.h>

static int start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_t nobody;
	int err;

	if (thread)
		return pthread_create(thread, NULL, run, arg);
	err = pthread_create(&nobody, NULL, run, arg);
	return err ? err : pthread_detach(nobody);
}

int shatomic_thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int err;

	/* The program's signal handlers must not meet a foreign thread. */
	sigfillset(&all);
	err = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (err)
		return err;
	err = start(thread, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}
