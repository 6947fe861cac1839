/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests/dmabuf.c asks of /dev/importer: to do to DMA buffers what drivers
 * of devices do.
 */
#ifndef TESTS_IMPORTER_H
#define TESTS_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * enum importer_way - How a word is reached
 * @IMPORTER_BY_PAGE: By the pages of the scatter list.
 * @IMPORTER_BY_DMA_ADDRESS: By what a device is given as addresses.
 * @IMPORTER_BY_VMAP: By a mapping in the kernel.
 */
enum importer_way {
	IMPORTER_BY_PAGE		= 0,
	IMPORTER_BY_DMA_ADDRESS		= 1,
	IMPORTER_BY_VMAP		= 2,
};

/**
 * struct importer_exchange - Put another value into a word
 * @way: enum importer_way
 * @offset: Where in the buffer the word of 8 bytes is.
 * @value: What becomes its value.
 * @old: [out] What was its value.
 */
struct importer_exchange {
	__u64 way;
	__u64 offset;
	__u64 value;
	__u64 old;
};

/* Attach to the buffer of a descriptor, the argument, and map it. */
#define IMPORTER_ATTACH		_IO('i', 0)
/* End that, as closing does. */
#define IMPORTER_DETACH		_IO('i', 1)
/* How many bytes are mapped for the device: the argument points to a __u64. */
#define IMPORTER_BYTES		_IOR('i', 2, __u64)
#define IMPORTER_EXCHANGE	_IOWR('i', 3, struct importer_exchange)

#endif /* TESTS_IMPORTER_H */
