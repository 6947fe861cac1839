// SPDX-License-Identifier: GPL-2.0-only
/*
 * Touching mappings, where there may be nothing: by instructions, and by calls
 * that have the kernel do so. What a signal answers is as well.
 */
#include "calls.h"

#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

/* How many ways to touch there are, and how many of them are instructions. */
#define WAYS 20
#define BY_INSTRUCTION 3

/* Where the thread goes on when an instruction of its touching fails. */
static __thread sigjmp_buf after_signal;
static __thread volatile sig_atomic_t is_touching;

static void take_signal(int number, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;

	if (is_touching)
		siglongjmp(after_signal, 1);
	/* A bug of the fuzzer's: the instruction fails again, and ends it. */
	fprintf(stderr, "# signal %d at %p, by %#llx\n", number, info->si_addr,
		(unsigned long long)user->uc_mcontext.gregs[REG_RIP]);
	signal(number, SIG_DFL);
}

bool touch_begin(void)
{
	struct sigaction action = { .sa_sigaction = take_signal,
				    .sa_flags = SA_NODEFER | SA_SIGINFO };

	return !sigaction(SIGBUS, &action, NULL) &&
	       !sigaction(SIGSEGV, &action, NULL);
}

/* Load, store or change what is there; 0, or -1 where nothing is. */
static long use_byte(unsigned char *at, unsigned int way)
{
	is_touching = true;
	if (sigsetjmp(after_signal, 0)) {
		is_touching = false;
		return -1;
	}
	switch (way) {
	case 0:
		(void)*(volatile unsigned char *)at;
		break;
	case 1:
		*(volatile unsigned char *)at = 1;
		break;
	case 2:
		__atomic_fetch_add((uint64_t *)((uintptr_t)at & ~7UL), 1,
				   __ATOMIC_SEQ_CST);
		break;
	}
	is_touching = false;
	return 0;
}

static long futex(void *at, int what, unsigned int value, void *other)
{
	/* Also how many waiters to requeue, which is what the pointer is then. */
	struct timespec soon = { .tv_nsec = 1 };
	bool is_requeue = what == FUTEX_CMP_REQUEUE;

	return syscall(SYS_futex, (uintptr_t)at & ~3UL, what, value,
		       is_requeue ? (void *)1 : &soon, other, value);
}

/* Through the memory of a process as a file, which writes what others can't. */
static long use_memory_file(unsigned char *at, size_t length, bool write)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	off_t offset = (uintptr_t)at;
	long ret;

	ret = write ? pwrite(fd, world_piece(0), length, offset) :
		      pread(fd, world_piece(0), length, offset);
	close(fd);
	return ret;
}

static long use_from_outside(pid_t pid, unsigned char *at, size_t length,
			     bool write)
{
	struct iovec mine = { world_piece(0), length }, its = { at, length };

	return write ? process_vm_writev(pid, &mine, 1, &its, 1, 0) :
		       process_vm_readv(pid, &mine, 1, &its, 1, 0);
}

/* What is told of all mappings: each is walked. */
static long read_of_mappings(uint8_t which)
{
	static const char *const paths[] = {
		"/proc/self/smaps_rollup", "/proc/self/numa_maps",
		"/proc/self/maps",
	};
	char text[4096];
	int fd = open(paths[which % COUNT_OF(paths)], O_RDONLY | O_CLOEXEC);
	long ret = read(fd, text, sizeof(text));

	close(fd);
	return ret;
}

static long move_pages_of(unsigned char *at, uint8_t how)
{
	void *pages[2] = { at, at + 4096 };
	int nodes[2] = { 0, 0 }, status[2];

	return syscall(SYS_move_pages, 0, 2UL, pages, how % 2 ? nodes : NULL,
		       status, how & 2 ? 2 /* MPOL_MF_MOVE */ : 0);
}

static long touch(struct world *world, const uint8_t *bytes, unsigned char *at)
{
	static const size_t lengths[] = { 8, 1, 4096, 8192, 16384, PIECE_BYTES };
	size_t length = lengths[bytes[5] % COUNT_OF(lengths)];
	int fd = world_fd(world, bytes[1]);
	pid_t pid = world->child && bytes[6] % 2 ? world->child : getpid();

	switch (bytes[4] % WAYS) {
	case 0:
	case 1:
	case 2:
		return use_byte(at, bytes[4] % WAYS);
	case 3:
		return futex(at, FUTEX_WAKE, 1, NULL);
	case 4:
		return futex(at, FUTEX_WAIT, 0, NULL);
	case 5:
		return futex(at, FUTEX_LOCK_PI, 0, NULL) ?:
		       futex(at, FUTEX_UNLOCK_PI, 0, NULL);
	case 6:
		return futex(at, FUTEX_CMP_REQUEUE, 0,
			     world->bases[0].memory);
	case 7:
		return pread(world->plain, at, length, 0);
	case 8:
		return pwrite(world->plain, at, length, 0);
	case 9:
		return pread(fd, at, length, 0);
	case 10:
		return pwrite(fd, at, length, 0);
	case 11:
		return use_from_outside(pid, at, length, false);
	case 12:
		return use_from_outside(pid, at, length, true);
	case 13:
		return use_memory_file(at, length, false);
	case 14:
		return use_memory_file(at, length, true);
	case 15:
		return read_of_mappings(bytes[6]);
	case 16:
		return move_pages_of(at, bytes[6]);
	case 17:
		return ioctl(world->device, SHATOMIC_IOC_INFO, at);
	case 18:
		return madvise((void *)((uintptr_t)at & ~4095UL), length,
			       bytes[6] % 2 ? MADV_POPULATE_READ :
					      MADV_POPULATE_WRITE);
	default:
		return mlock(at, length);
	}
}

/*
 * A place in a window, or just beyond what is mapped there: not in other mappings,
 * which may have anything behind them.
 */
void run_touch(struct actor *actor, const uint8_t *bytes)
{
	static const size_t places[] = {
		0, 4096, 1, 4095, 4092, 8191, 8192, 12288, 16384, 65536,
		2 * MIB - 1, 2 * MIB, 2 * MIB + 4096, 3 * MIB, 4 * MIB - 1,
		4 * MIB,
	};
	unsigned char *at = world_window(bytes[2] % WINDOWS);
	unsigned int fault = actor->fault;

	/*
	 * A fault may not be injected into what the kernel writes for the handler
	 * of a signal: the signal would end the process instead.
	 */
	if (bytes[4] % WAYS < BY_INSTRUCTION)
		actor->fault = 0;
	CALL(actor, TOUCH,
	     touch(actor->world, bytes,
		   at + places[bytes[3] % COUNT_OF(places)]));
	actor->fault = fault;
}
