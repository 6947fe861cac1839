// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a command for which io_uring is forbidden, as it is in many containers:
 *
 *   without-uring COMMAND [ARGUMENT...]
 */
#include "basics.h"

#include <sys/syscall.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: without-uring COMMAND [ARGUMENT...]\n");
		return 2;
	}
	if (fail_call(SYS_io_uring_setup, EPERM)) {
		perror("without-uring: seccomp");
		return 2;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 2;
}
