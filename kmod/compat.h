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
#include <linux/fs.h>
#include <linux/mm.h>
#ifdef HAVE_FOLIO_BATCH_HEADER
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif
#include <linux/splice.h>
#ifdef HAVE_CPUID_HEADER
#include <asm/cpuid/api.h>
#endif

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

/* By what a mount maps users and groups. */
#ifdef HAVE_MNT_IDMAP
#define compat_idmap mnt_idmap
#define compat_file_idmap(file) file_mnt_idmap(file)
#define compat_no_idmap (&nop_mnt_idmap)
#else
#define compat_idmap user_namespace
#define compat_file_idmap(file) file_mnt_user_ns(file)
#define compat_no_idmap (&init_user_ns)
#endif

static inline void compat_init_times(struct inode *inode)
{
#ifdef HAVE_INODE_INIT_TS
	simple_inode_init_ts(inode);
#else
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
#endif
}

/* Have an inode that has no name be one for linkat(2). */
static inline void compat_set_linkable(struct inode *inode)
{
	spin_lock(&inode->i_lock);
#ifdef HAVE_INODE_STATE_SET
	inode_state_set(inode, I_LINKABLE);
#else
	inode->i_state |= I_LINKABLE;
#endif
	spin_unlock(&inode->i_lock);
}

/* Work that runs on the CPU where it is queued; before, what was not unbound. */
#ifndef HAVE_WQ_PERCPU
#define WQ_PERCPU 0
#endif

/* Reads into pages of its own, or has ->read_iter copy into a pipe. */
#ifdef HAVE_COPY_SPLICE_READ
#define compat_splice_read copy_splice_read
#else
#define compat_splice_read generic_file_splice_read
#endif

/* What a filesystem of names without a medium ends by. */
#ifdef HAVE_KILL_LITTER_SUPER
#define compat_kill_super kill_litter_super
#else
#define compat_kill_super kill_anon_super
#endif

#ifdef HAVE_IMPORT_NS_TOKEN
#define COMPAT_IMPORT_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#else
#define COMPAT_IMPORT_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#endif

#endif /* KMOD_COMPAT_H */
