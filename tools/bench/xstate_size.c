// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints how many bytes of extended state ptrace(PTRACE_GETREGSET) gives of a
 * process on this machine, which user-mode Linux has to be built for. Exits
 * with 4 where ptrace is forbidden, and user-mode Linux so impossible.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what, int error)
{
	fprintf(stderr, "xstate_size: %s: %s\n", what, strerror(error));
	return error == EPERM || error == EACCES || error == ENOSYS ? 4 : 1;
}

int main(void)
{
	/* More than any machine has: the kernel tells how much it filled. */
	static char state[1 << 16];
	struct iovec area = { state, sizeof(state) };
	int status, ret = 0;
	pid_t child;

	child = fork();
	if (child < 0)
		return fail("fork", errno);
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(errno);
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0)
		return fail("waitpid", errno);
	if (WIFEXITED(status))
		return fail("PTRACE_TRACEME", WEXITSTATUS(status));

	if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &area))
		ret = fail("PTRACE_GETREGSET", errno);
	else
		printf("%zu\n", area.iov_len);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return ret;
}
