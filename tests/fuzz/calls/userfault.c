// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that comes when a thread of ours says so, or never: what the kernel
 * reads or writes there waits in the middle of a call. In the end it is given
 * up, so that no call waits for ever.
 */
#include "calls.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* How long the memory is given out at most, after it was first asked for. */
#define MOST_MS 40

static int open_userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool cover(int fd, unsigned char *memory, uint8_t mode)
{
	struct uffdio_register args = {
		.range = { (uintptr_t)memory, WINDOW_BYTES },
		.mode = mode % 8 == 7 ? UFFDIO_REGISTER_MODE_WP :
					UFFDIO_REGISTER_MODE_MISSING,
	};

	return !ioctl(fd, UFFDIO_REGISTER, &args);
}

/* Answer one fault, as the input wants it; whether others may be. */
static bool serve(struct userfault *userfault, uintptr_t address)
{
	unsigned long page = address & ~4095UL;
	struct uffdio_copy copy = { .dst = page, .len = 4096,
				    .src = (uintptr_t)world_piece(0) };
	struct uffdio_zeropage zero = { .range = { page, 4096 } };
	struct uffdio_range range = { (uintptr_t)userfault->memory,
				      WINDOW_BYTES };

	switch (userfault->how % 8) {
	case 0:
	case 1:
		return !ioctl(userfault->fd, UFFDIO_COPY, &copy);
	case 2:
		return !ioctl(userfault->fd, UFFDIO_ZEROPAGE, &zero);
	case 3:
		ioctl(userfault->fd, UFFDIO_UNREGISTER, &range);
		return false;
	case 4:
		(void)mmap(userfault->memory, WINDOW_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		return false;
	default:
		usleep(MOST_MS * 1000);
		return false;
	}
}

/* The life of the thread that serves faults. */
static void *serve_all(void *data)
{
	struct userfault *userfault = data;
	struct pollfd poll_fd = { .fd = userfault->fd, .events = POLLIN };
	unsigned int most = MOST_MS;
	struct uffd_msg message;

	while (most-- && poll(&poll_fd, 1, MOST_MS) > 0 &&
	       read(userfault->fd, &message, sizeof(message)) ==
		       sizeof(message)) {
		usleep(userfault->delay_ms * 1000);
		if (message.event != UFFD_EVENT_PAGEFAULT ||
		    !serve(userfault, message.arg.pagefault.address))
			break;
	}
	close(userfault->fd);
	return NULL;
}

/* Wait until nothing is given out any more. */
void userfault_reset(struct world *world)
{
	if (!world->userfault.is_served)
		return;
	pthread_join(world->userfault.thread, NULL);
	world->userfault.is_served = false;
}

static bool begin(struct world *world, const uint8_t *bytes)
{
	struct userfault *userfault = &world->userfault;

	userfault->memory = world_window(bytes[2] % WINDOWS);
	userfault->how = bytes[3];
	userfault->delay_ms = bytes[4] % 16;
	userfault->fd = open_userfault();
	if (userfault->fd < 0)
		return false;
	/* A window of a region's memory has no such thing. */
	if (!(bytes[3] & 0x80) &&
	    mmap(userfault->memory, WINDOW_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) != userfault->memory)
		goto close;
	if (!cover(userfault->fd, userfault->memory, bytes[3] / 16) ||
	    pthread_create(&userfault->thread, NULL, serve_all, userfault))
		goto close;
	userfault->is_served = true;
	return true;
close:
	close(userfault->fd);
	return false;
}

/* A batch on a region that stays, with one column there. */
static long run_batch_there(struct actor *actor, const uint8_t *bytes,
			    unsigned char *memory)
{
	uint8_t call[CALL_BYTES] = { BATCH, bytes[1], 0, bytes[6], 0, bytes[7] };
	uint32_t size;
	struct shatomic_ioc_batch *args = batch_args(actor, call, &size);

	switch (bytes[6] / 64) {
	case 0:
		args->offsets = (uintptr_t)memory;
		break;
	case 1:
		args->operands = (uintptr_t)memory;
		break;
	case 2:
		args->results = (uintptr_t)memory + 4096 - 16;
		break;
	case 3:
		args->statuses = (uintptr_t)memory;
		break;
	}
	return ioctl(world_fd(actor->world, bytes[1]), SHATOMIC_IOC_BATCH, args);
}

/* What is to come upon it first; the rest of the input does later. */
static long use(struct actor *actor, const uint8_t *bytes, unsigned char *memory)
{
	int fd = world_fd(actor->world, bytes[1]);
	struct iovec parts[2] = { { world_piece(0), 64 }, { memory, 8192 } };

	switch (bytes[5] % 8) {
	case 0:
		return pwrite(fd, memory, 8192, 0);
	case 1:
		return pwritev(fd, parts, 2, 0);
	case 2:
		return pread(fd, memory, 8192, 0);
	case 3:
	case 4:
		return run_batch_there(actor, bytes, memory);
	case 5:
		return ioctl(fd, SHATOMIC_IOC_REGION_INFO, memory);
	case 6:
		return ioctl(actor->world->device, SHATOMIC_IOC_INFO, memory);
	default:
		return 0;
	}
}

void run_userfault(struct actor *actor, const uint8_t *bytes)
{
	struct world *world = actor->world;

	if (actor != &world->main)
		return;
	userfault_reset(world);
	world->has_mappings = true;
	if (!begin(world, bytes))
		return;
	CALL(actor, USERFAULT, use(actor, bytes, world->userfault.memory));
}
