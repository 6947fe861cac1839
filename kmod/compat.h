/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernels differ in. Kbuild finds it out by compiling kmod/probe/NAME.c
 * and defines HAVE_NAME, since version numbers do not tell: distributions
 * bring to their old kernels what is new.
 */
#ifndef KMOD_COMPAT_H
#define KMOD_COMPAT_H

#ifdef HAVE_URING_CMD_HEADER
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif
#include <linux/mm.h>

/* The payload of a command's SQE, which userspace may be writing to. */
static inline const void *compat_uring_payload(const struct io_uring_cmd *cmd)
{
#ifdef HAVE_URING_SQE
	/* As io_uring_sqe_cmd() has it, whose arguments kernels differ in. */
	return cmd->sqe->cmd;
#else
	return cmd->cmd;
#endif
}

static inline void compat_uring_done(struct io_uring_cmd *cmd, int result,
				     unsigned int issue_flags)
{
#if defined(HAVE_URING_DONE_RES2_FLAGS)
	io_uring_cmd_done(cmd, result, 0, issue_flags);
#elif defined(HAVE_URING_DONE_FLAGS)
	io_uring_cmd_done(cmd, result, issue_flags);
#else
	io_uring_cmd_done(cmd, result, 0);
#endif
}

static inline void compat_vm_flags_clear(struct vm_area_struct *vma,
					 unsigned long flags)
{
#ifdef HAVE_VM_FLAGS_CLEAR
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

#ifdef HAVE_IMPORT_NS_TOKEN
#define COMPAT_IMPORT_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#else
#define COMPAT_IMPORT_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#endif

#endif /* KMOD_COMPAT_H */
