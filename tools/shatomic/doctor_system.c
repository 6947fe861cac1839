// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doctor's checks of what the machine allows: memory, huge pages, io_uring.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "tool.h"

#define HUGE_PAGE_BYTES (2ULL << 20)
#define THP "/sys/kernel/mm/transparent_hugepage"

/* The number behind a name in /proc/self/status, 0 when it is not there. */
static uint64_t own_status(const char *name, int base)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t number = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, name, strlen(name)))
			number = strtoull(line + strlen(name), NULL, base);
	}
	fclose(file);
	return number;
}

static bool may_exceed_memlock(void)
{
	return own_status("CapEff:", 16) & 1ULL << CAP_IPC_LOCK;
}

void check_memlock(struct finding *finding, uint64_t size)
{
	char text[SIZE_TEXT_SIZE];
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY) {
		find(finding, FINDING_OK, "unlimited");
		return;
	}
	find(finding, FINDING_OK, "%s (ulimit -l)%s",
	     size_text(limit.rlim_cur, text),
	     may_exceed_memlock() ? ", which CAP_IPC_LOCK exceeds" : "");
	if (may_exceed_memlock() || limit.rlim_cur >= size)
		return;
	finding->state = FINDING_NO;
	advise(finding, "for pinned regions of %s: as root, a line `USER - memlock %" PRIu64 "' in /etc/security/limits.conf, or LimitMEMLOCK= of a service",
	       size_text(size, text), (size + 1023) >> 10);
}

static bool device_is_usable(void)
{
	return access(DOCTOR_DEVICE, R_OK | W_OK) == 0;
}

static void check_region(struct finding *finding, enum shatomic_backend backend,
			 uint64_t size)
{
	char text[SIZE_TEXT_SIZE];
	struct shatomic_info info;

	if (!tool_try_region(backend, size, &info)) {
		find(finding, FINDING_NO, "%s", shatomic_error());
		advise(finding, "raise the limit that is told; `shatomic ls' shows what named regions hold");
		return;
	}
	find(finding, FINDING_OK, "%s, %s", size_text(size, text),
	     info.pinned ? "pinned" : "not pinned, see memlock");
}

void check_device_region(struct finding *finding, uint64_t size)
{
	if (device_is_usable())
		check_region(finding, SHATOMIC_BACKEND_DEVICE, size);
	else
		find(finding, FINDING_UNKNOWN, "the device can't be used");
}

void check_memfd_region(struct finding *finding, uint64_t size)
{
	check_region(finding, SHATOMIC_BACKEND_MEMFD, size);
}

static void advise_on_huge_pages(struct finding *finding)
{
	char setting[128];

	if (!read_first_line(THP "/shmem_enabled", setting, sizeof(setting)))
		advise(finding, "this kernel has none (CONFIG_TRANSPARENT_HUGEPAGE): regions do without, and random access to large ones is slower");
	else if (strstr(setting, "[deny]"))
		advise(finding, "as root: echo advise >" THP "/shmem_enabled");
	else
		advise(finding, "memory may be in pieces: as root, echo 1 >/proc/sys/vm/compact_memory, then create regions anew. Before Linux 6.1 memfd needs: echo always >" THP "/shmem_enabled");
}

static void check_huge_pages(struct finding *finding,
			     enum shatomic_backend backend, uint64_t size)
{
	char huge[SIZE_TEXT_SIZE], all[SIZE_TEXT_SIZE];
	struct shatomic_info info;

	if (size < HUGE_PAGE_BYTES) {
		find(finding, FINDING_UNKNOWN,
		     "regions of less than 2M have none");
		return;
	}
	if (!tool_try_region(backend, size, &info)) {
		find(finding, FINDING_UNKNOWN, "there is no region");
		return;
	}
	find(finding, info.huge_bytes ? FINDING_OK : FINDING_NO,
	     "%s of %s", size_text(info.huge_bytes, huge),
	     size_text(size, all));
	if (!info.huge_bytes)
		advise_on_huge_pages(finding);
}

void check_device_huge_pages(struct finding *finding, uint64_t size)
{
	if (device_is_usable())
		check_huge_pages(finding, SHATOMIC_BACKEND_DEVICE, size);
	else
		find(finding, FINDING_UNKNOWN, "the device can't be used");
}

void check_memfd_huge_pages(struct finding *finding, uint64_t size)
{
	check_huge_pages(finding, SHATOMIC_BACKEND_MEMFD, size);
}

/* Who forbids it: the sysctl, or a filter of system calls. */
static void explain_forbidden_uring(struct finding *finding)
{
	char setting[16];

	if (read_first_line("/proc/sys/kernel/io_uring_disabled", setting,
			    sizeof(setting)) && strcmp(setting, "0")) {
		find(finding, FINDING_NO, "kernel.io_uring_disabled is %s",
		     setting);
		advise(finding, "queues then run each batch as it is submitted. As root: sysctl kernel.io_uring_disabled=0%s",
		       strcmp(setting, "1") ?
			       "" : ", or kernel.io_uring_group=GROUP");
	} else if (own_status("Seccomp:", 10)) {
		find(finding, FINDING_NO, "a seccomp filter forbids it");
		advise(finding, "queues then run each batch as it is submitted. Give the container or service a filter that allows io_uring_setup, io_uring_enter and io_uring_register");
	} else {
		find(finding, FINDING_NO, "it is forbidden");
		advise(finding, "queues then run each batch as it is submitted. Ask the security module of this kernel (AppArmor, SELinux)");
	}
}

void check_io_uring(struct finding *finding, uint64_t size)
{
	struct io_uring_params parameters = { 0 };
	int fd = syscall(SYS_io_uring_setup, 1, &parameters);

	(void)size;
	if (fd >= 0) {
		close(fd);
		find(finding, FINDING_OK, "can be had");
	} else if (errno == EPERM || errno == EACCES) {
		explain_forbidden_uring(finding);
	} else if (errno == ENOSYS) {
		find(finding, FINDING_NO, "this kernel has none, or a seccomp filter says so");
		advise(finding, "queues then run each batch as it is submitted. A kernel with CONFIG_IO_URING has it");
	} else {
		find(finding, FINDING_NO, "%s", strerror(errno));
		advise(finding, "queues then run each batch as it is submitted. Before Linux 5.12 it takes of ulimit -l");
	}
}
