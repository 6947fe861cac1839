// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages between coordinator and workers, over a SOCK_SEQPACKET socket:
 * whole or not at all, with a region's descriptor where one belongs to it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "count.h"

union descriptor_control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int count_send(int socket, const struct count_message *message, int fd)
{
	struct iovec data = { (void *)message, sizeof(*message) };
	union descriptor_control control = { 0 };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
	}
	do {
		sent = sendmsg(socket, &header, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

int count_receive(int socket, struct count_message *message, int *fd)
{
	struct iovec data = { message, sizeof(*message) };
	union descriptor_control control;
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights;
	ssize_t got;

	do {
		got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got == 0)
		return -EPIPE;
	*fd = -1;
	rights = CMSG_FIRSTHDR(&header);
	if (rights && rights->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(rights), sizeof(*fd));
	return 0;
}
