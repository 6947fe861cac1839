// SPDX-License-Identifier: GPL-2.0-only
/*
 * What outlives a region in pipes, sockets and rings. What splice(2) and
 * sendfile(2) take is a copy: it is what it was then, and nothing of the region
 * stays for it. Pages that a caller hands out himself, by vmsplice(2) or as
 * io_uring's buffers, count as pinned until they are let go. Root runs it.
 */
#include "pages.h"

#include <liburing.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SIZE (4 * MIB)
/* What a pipe holds without being asked to hold more. */
#define HELD (16 * PAGE)

FIXTURE(pipes)
{
	int device;
	struct shatomic_ioc_info before;
	int region;
	char *memory;
	int pipe[2];
};

FIXTURE_SETUP(pipes)
{
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	self->region = new_region_fd(self->device, SIZE, 0);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE);
	ASSERT_NE(NULL, self->memory);
	fill_pages(self->memory, SIZE);
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(pipes)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

/* Nothing but what went into a pipe, socket or ring has the region any more. */
static void close_region(FIXTURE_DATA(pipes) *self)
{
	munmap(self->memory, SIZE);
	close(self->region);
}

/* Have another word in each page, as whoever goes on to use the region does. */
static void change_words(FIXTURE_DATA(pipes) *self)
{
	size_t at;

	for (at = 0; at < SIZE; at += PAGE)
		*(uint64_t *)(self->memory + at) = ~0ULL;
}

/* Read what is held there; whether it is the words of before the change. */
static bool is_of_before(int fd)
{
	char *seen = calloc(1, HELD);
	size_t got = 0;
	bool right;

	while (got < HELD) {
		ssize_t ret = read(fd, seen + got, HELD - got);

		if (ret <= 0)
			break;
		got += ret;
	}
	right = got == HELD && are_filled(seen, HELD);
	free(seen);
	return right;
}

TEST_F(pipes, splice_copies)
{
	off_t at = 0;

	ASSERT_EQ((ssize_t)HELD, splice(self->region, &at, self->pipe[1], NULL,
					HELD, 0));
	change_words(self);
	close_region(self);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	EXPECT_EQ(true, is_of_before(self->pipe[0]));
}

TEST_F(pipes, sendfile_to_a_pipe_copies)
{
	off_t at = 0;

	ASSERT_EQ((ssize_t)HELD,
		  sendfile(self->pipe[1], self->region, &at, HELD));
	change_words(self);
	close_region(self);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	EXPECT_EQ(true, is_of_before(self->pipe[0]));
}

/* Which keeps the pages it is given, where they are the file's. */
TEST_F(pipes, sendfile_to_a_socket_copies)
{
	int sockets[2], bytes = 2 * HELD;
	off_t at = 0;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	ASSERT_EQ((ssize_t)HELD, sendfile(sockets[0], self->region, &at, HELD));
	change_words(self);
	close_region(self);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	EXPECT_EQ(true, is_of_before(sockets[1]));
	close(sockets[0]);
	close(sockets[1]);
}

/* A second pipe with the same, after the first has been read. */
TEST_F(pipes, tee_has_copies)
{
	int second[2];
	off_t at = 0;

	ASSERT_EQ(0, pipe(second));
	ASSERT_EQ((ssize_t)HELD, splice(self->region, &at, self->pipe[1], NULL,
					HELD, 0));
	ASSERT_EQ((ssize_t)HELD, tee(self->pipe[0], second[1], HELD, 0));
	change_words(self);
	close_region(self);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	EXPECT_EQ(true, is_of_before(self->pipe[0]));
	EXPECT_EQ(true, is_of_before(second[0]));
	close(second[0]);
	close(second[1]);
}

/* Into another region, which does not get the first one's pages. */
TEST_F(pipes, splice_into_a_region_copies)
{
	int other = new_region_fd(self->device, SIZE, 0);
	char *memory = map(other, SIZE);
	off_t from = 0, to = 0;

	ASSERT_NE(NULL, memory);
	ASSERT_EQ((ssize_t)HELD, splice(self->region, &from, self->pipe[1],
					NULL, HELD, 0));
	ASSERT_EQ((ssize_t)HELD, splice(self->pipe[0], NULL, other, &to, HELD,
					SPLICE_F_MOVE));
	change_words(self);
	EXPECT_EQ(true, are_filled(memory, HELD));
	munmap(memory, SIZE);
	close(other);
	close_region(self);
}

static ssize_t give_pages(FIXTURE_DATA(pipes) *self, unsigned int flags)
{
	struct iovec pages = { self->memory, HELD };

	return vmsplice(self->pipe[1], &pages, 1, flags);
}

/* At least the pages that it keeps, at most all that the region had. */
static void expect_pinned(struct __test_metadata *_metadata,
			  FIXTURE_DATA(pipes) *self)
{
	uint64_t pinned = get_info(self->device).pinned_bytes;

	EXPECT_LE(self->before.pinned_bytes + HELD, pinned);
	EXPECT_GE(self->before.pinned_bytes + SIZE, pinned);
}

TEST_F(pipes, pages_in_a_pipe_count_until_it_is_read)
{
	ASSERT_EQ((ssize_t)HELD, give_pages(self, 0));
	close_region(self);
	/* Long enough for whatever happens later. */
	sleep(1);
	expect_pinned(_metadata, self);
	EXPECT_EQ(true, is_of_before(self->pipe[0]));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

TEST_F(pipes, pages_in_a_pipe_count_until_it_is_closed)
{
	ASSERT_EQ((ssize_t)HELD, give_pages(self, SPLICE_F_GIFT));
	close_region(self);
	sleep(1);
	expect_pinned(_metadata, self);
	close(self->pipe[0]);
	close(self->pipe[1]);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	ASSERT_EQ(0, pipe(self->pipe));
}

/* Nobody else gets a page that a pipe still has. */
TEST_F(pipes, pages_in_a_pipe_are_nobody_elses)
{
	unsigned int i;

	ASSERT_EQ((ssize_t)HELD, give_pages(self, 0));
	close_region(self);
	for (i = 0; i < 20; i++) {
		int other = new_region_fd(self->device, 16 * MIB, 0);
		char *memory = map(other, 16 * MIB);

		ASSERT_NE(NULL, memory);
		memset(memory, 0xff, 16 * MIB);
		munmap(memory, 16 * MIB);
		close(other);
	}
	EXPECT_EQ(true, is_of_before(self->pipe[0]));
}

/* However many: limits hold for what is pinned so, too. */
TEST_F(pipes, pages_in_pipes_do_not_get_past_the_limit)
{
	ASSERT_EQ((ssize_t)HELD, give_pages(self, 0));
	close_region(self);
	sleep(1);
	ASSERT_EQ(0, set_parameter("max_pinned_bytes",
				   self->before.pinned_bytes + HELD));
	EXPECT_EQ(-ENOMEM, new_region_fd(self->device, PAGE, 0));
	EXPECT_EQ(true, is_of_before(self->pipe[0]));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	self->region = new_region_fd(self->device, PAGE, 0);
	EXPECT_LE(0, self->region);
	close(self->region);
	EXPECT_EQ(0, restore_parameter());
}

TEST_F(pipes, buffers_of_a_ring_count_until_they_are_given_back)
{
	struct iovec buffer = { self->memory, HELD };
	struct io_uring ring;
	int ret;

	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	ret = io_uring_register_buffers(&ring, &buffer, 1);
	close_region(self);
	if (ret == -EOPNOTSUPP) {
		/* Linux 6.1 takes files of tmpfs and hugetlbfs alone. */
		io_uring_queue_exit(&ring);
		SKIP(return, "this kernel's io_uring takes no such buffers");
	}
	ASSERT_EQ(0, ret);
	sleep(1);
	expect_pinned(_metadata, self);
	EXPECT_EQ(0, io_uring_unregister_buffers(&ring));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	io_uring_queue_exit(&ring);
}

TEST_HARNESS_MAIN
