// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region as a file: it is read, written, sought and spliced like one of fixed
 * size, its mode, owner and times are those of any file, and locks belong to
 * whoever opened it. Its memory serves as a buffer for the input and output of
 * other files. Root runs it.
 */
#include "pages.h"

#include <liburing.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SIZE (2 * MIB + 100)

FIXTURE(region_file)
{
	int device;
	struct shatomic_ioc_info before;
	int region;
	char *memory;
};

FIXTURE_SETUP(region_file)
{
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	self->region = new_region_fd(self->device, SIZE, 0);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(region_file)
{
	munmap(self->memory, SIZE);
	close(self->region);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

TEST_F(region_file, reading_ends_at_its_size)
{
	char text[16];
	struct iovec parts[] = { { text, 3 }, { text + 3, 8 } };
	void *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);

	memcpy(self->memory + SIZE - 5, "hello", 5);
	EXPECT_EQ(10, pread(self->region, text, 10, 2 * MIB - 5));
	EXPECT_EQ(5, pread(self->region, text, sizeof(text), SIZE - 5));
	EXPECT_EQ(0, memcmp(text, "hello", 5));
	EXPECT_EQ(5, preadv(self->region, parts, 2, SIZE - 5));
	EXPECT_EQ(0, pread(self->region, text, 1, SIZE));
	EXPECT_EQ(0, pread(self->region, text, 1, 1LL << 40));
	EXPECT_EQ(-1, pread(self->region, text, 1, -1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(self->region, nowhere, 10, 0));
	EXPECT_EQ(EFAULT, errno);

	/* Read in turns: the position moves along. */
	EXPECT_EQ((off_t)SIZE - 5, lseek(self->region, -5, SEEK_END));
	EXPECT_EQ(3, read(self->region, text, 3));
	EXPECT_EQ(2, read(self->region, text, 3));
	EXPECT_EQ(0, read(self->region, text, 3));
	EXPECT_EQ((off_t)SIZE, lseek(self->region, 0, SEEK_CUR));
}

/* There is no space behind it, as on a full disk or a whole block device. */
TEST_F(region_file, writing_ends_at_its_size)
{
	struct iovec parts[] = { { "ab", 2 }, { "cdefgh", 6 } };
	struct stat st;

	EXPECT_EQ(2, pwrite(self->region, "hello", 5, SIZE - 2));
	EXPECT_EQ(0, memcmp(self->memory + SIZE - 2, "he", 2));
	EXPECT_EQ(3, pwritev(self->region, parts, 2, SIZE - 3));
	EXPECT_EQ(0, memcmp(self->memory + SIZE - 3, "abc", 3));
	/* What is mapped behind the end is nobody's to write by the file. */
	EXPECT_EQ(0, self->memory[SIZE]);
	EXPECT_EQ(-1, pwrite(self->region, "x", 1, SIZE));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, pwrite(self->region, "x", 1, 1LL << 40));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, pwrite(self->region, "x", 0, SIZE));
	EXPECT_EQ(-1, pwrite(self->region, "x", 1, -1));
	EXPECT_EQ(EINVAL, errno);

	EXPECT_EQ((off_t)SIZE - 1, lseek(self->region, -1, SEEK_END));
	EXPECT_EQ(1, write(self->region, "xy", 2));
	EXPECT_EQ((off_t)SIZE, lseek(self->region, 0, SEEK_CUR));
	EXPECT_EQ(-1, write(self->region, "z", 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ('x', self->memory[SIZE - 1]);
	ASSERT_EQ(0, fstat(self->region, &st));
	EXPECT_EQ((off_t)SIZE, st.st_size);
}

/* A source that ends in nothing gives what there was of it. */
TEST_F(region_file, writing_from_bad_memory)
{
	char *source = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, source);
	memset(source, 'a', PAGE);
	munmap(source + PAGE, PAGE);
	EXPECT_EQ(-1, pwrite(self->region, source + PAGE, 8, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ((ssize_t)PAGE,
		  pwrite(self->region, source, 2 * PAGE, 2 * PAGE + 10));
	EXPECT_EQ('a', self->memory[3 * PAGE + 9]);
	EXPECT_EQ(0, self->memory[3 * PAGE + 10]);
	EXPECT_EQ(0, self->memory[0]);
	munmap(source, PAGE);
	/* From a region to itself. */
	EXPECT_EQ((ssize_t)PAGE,
		  pwrite(self->region, self->memory + 2 * PAGE + 10, PAGE, 0));
	EXPECT_EQ('a', self->memory[0]);
}

/* Big ones, which cross pages and huge pages, arrive as they were sent. */
TEST_F(region_file, what_is_written_is_read)
{
	const size_t size = 2 * MIB - 999;
	uint64_t *data = malloc(size), *seen = malloc(size);
	size_t i;

	ASSERT_NE(NULL, data);
	ASSERT_NE(NULL, seen);
	for (i = 0; i < size / 8; i++)
		data[i] = i * 0x9e3779b97f4a7c15;
	ASSERT_EQ((ssize_t)size, pwrite(self->region, data, size, 1001));
	EXPECT_EQ(0, memcmp(self->memory + 1001, data, size));
	ASSERT_EQ((ssize_t)size, pread(self->region, seen, size, 1001));
	EXPECT_EQ(0, memcmp(seen, data, size));
	free(data);
	free(seen);
}

TEST_F(region_file, positions)
{
	static const off_t inside[] = { 0, 1, PAGE, SIZE - 1 };
	unsigned int i;

	for (i = 0; i < COUNT_OF(inside); i++) {
		off_t at = inside[i];

		EXPECT_EQ(at, lseek(self->region, at, SEEK_SET));
		EXPECT_EQ(at, lseek(self->region, 0, SEEK_CUR));
		/* All of it is data, and the only hole is behind its end. */
		EXPECT_EQ(at, lseek(self->region, at, SEEK_DATA));
		EXPECT_EQ((off_t)SIZE, lseek(self->region, at, SEEK_HOLE));
	}
	EXPECT_EQ((off_t)SIZE, lseek(self->region, 0, SEEK_END));
	EXPECT_EQ(-1, lseek(self->region, SIZE, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(self->region, SIZE, SEEK_HOLE));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(self->region, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->region, 0, 99));
	EXPECT_EQ(EINVAL, errno);
	/* Each opened file has its own, and a duplicate has the same. */
	i = reopen(self->region, O_RDONLY);
	lseek(self->region, 10, SEEK_SET);
	EXPECT_EQ(0, lseek(i, 0, SEEK_CUR));
	close(i);
	i = dup(self->region);
	EXPECT_EQ(10, lseek(i, 0, SEEK_CUR));
	close(i);
}

TEST_F(region_file, nothing_is_appended)
{
	struct iovec part = { "x", 1 };
	int appending = reopen(self->region, O_WRONLY | O_APPEND);

	ASSERT_LE(0, appending);
	EXPECT_EQ(-1, write(appending, "x", 1));
	EXPECT_EQ(ENOSPC, errno);
	close(appending);
	EXPECT_EQ(-1, pwritev2(self->region, &part, 1, 0, RWF_APPEND));
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_EQ(0, fcntl(self->region, F_SETFL, O_APPEND));
	EXPECT_EQ(-1, write(self->region, "x", 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, self->memory[0]);
	ASSERT_EQ(0, fcntl(self->region, F_SETFL, 0));
	EXPECT_EQ(1, pwrite(self->region, "x", 1, 0));
}

TEST_F(region_file, splice_and_sendfile)
{
	off_t at = 100;
	int pipes[2], file = memfd_create("other", MFD_CLOEXEC);
	char text[16] = "";

	ASSERT_EQ(0, pipe(pipes));
	strcpy(self->memory + 100, "spliced");
	EXPECT_EQ(8, splice(self->region, &at, pipes[1], NULL, 8, 0));
	EXPECT_EQ(108, at);
	EXPECT_EQ(8, read(pipes[0], text, 8));
	EXPECT_STREQ("spliced", text);

	at = 100;
	EXPECT_EQ(8, sendfile(file, self->region, &at, 8));
	EXPECT_EQ(8, pread(file, text, 8, 0));
	EXPECT_STREQ("spliced", text);
	EXPECT_EQ(10, write(pipes[1], "to a page", 10));
	at = 3 * PAGE - 4;
	EXPECT_EQ(10, splice(pipes[0], NULL, self->region, &at, 10, 0));
	EXPECT_STREQ("to a page", self->memory + 3 * PAGE - 4);

	/* From another file; up to the end; behind it. */
	EXPECT_EQ(8, pwrite(file, "sent on", 8, 0));
	at = 0;
	lseek(self->region, 200, SEEK_SET);
	EXPECT_EQ(8, sendfile(self->region, file, &at, 8));
	EXPECT_STREQ("sent on", self->memory + 200);
	at = SIZE - 3;
	EXPECT_EQ(3, splice(self->region, &at, pipes[1], NULL, 100, 0));
	EXPECT_EQ(3, read(pipes[0], text, sizeof(text)));
	EXPECT_EQ(0, splice(self->region, &at, pipes[1], NULL, 100, 0));
	EXPECT_EQ(8, write(pipes[1], "the end", 8));
	at = SIZE - 3;
	EXPECT_EQ(3, splice(pipes[0], NULL, self->region, &at, 8, 0));
	EXPECT_EQ(-1, splice(pipes[0], NULL, self->region, &at, 8, 0));
	EXPECT_EQ(ENOSPC, errno);
	close(pipes[0]);
	close(pipes[1]);
	close(file);
}

TEST_F(region_file, copy_file_range_copies)
{
	int other = new_region_fd(self->device, PAGE + 8, 0);
	int file = memfd_create("other", MFD_CLOEXEC);
	off_t from = PAGE, to = 8;
	char text[16] = "";

	strcpy(self->memory + PAGE, "copied");
	EXPECT_EQ(7, copy_file_range(self->region, &from, other, &to, 7, 0));
	EXPECT_EQ(7, pread(other, text, 7, 8));
	EXPECT_STREQ("copied", text);
	/* As much as there is room for. */
	from = 0;
	to = PAGE;
	EXPECT_EQ(8, copy_file_range(self->region, &from, other, &to, 100, 0));
	/* Onto itself. */
	from = PAGE;
	to = PAGE + 3;
	EXPECT_EQ(-1, copy_file_range(self->region, &from, self->region, &to, 7,
				      0));
	EXPECT_EQ(EINVAL, errno);
	/* Linux leaves copying between filesystems to the caller. */
	from = 0;
	to = 0;
	EXPECT_EQ(-1, copy_file_range(self->region, &from, file, &to, 7, 0));
	EXPECT_EQ(EXDEV, errno);
	from = 0;
	EXPECT_EQ(4, write(file, "data", 4));
	EXPECT_EQ(-1, copy_file_range(file, &from, other, &to, 4, 0));
	EXPECT_EQ(EXDEV, errno);
	close(file);
	close(other);
}

#define DISK "/dev/ram0"
#define DISK_MODULE "/tests/brd.ko"

/* A disk in memory, which reads and writes pages where they are. */
static int open_disk(void)
{
	int module;

	if (access(DISK, F_OK)) {
		module = open(DISK_MODULE, O_RDONLY | O_CLOEXEC);
		syscall(SYS_finit_module, module, "rd_nr=1 rd_size=16384", 0);
		close(module);
	}
	return open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
}

TEST_F(region_file, a_disk_reads_and_writes_its_pages)
{
	int disk = open_disk();
	size_t i, at;

	if (disk < 0)
		SKIP(return, "no " DISK " nor " DISK_MODULE);
	for (i = 0; i < MIB / 8; i++)
		((uint64_t *)self->memory)[i] = i * 0x9e3779b97f4a7c15;
	EXPECT_EQ((ssize_t)MIB, pwrite(disk, self->memory, MIB, 0));
	EXPECT_EQ((ssize_t)MIB, pread(disk, self->memory + MIB, MIB, 0));
	EXPECT_EQ(0, memcmp(self->memory, self->memory + MIB, MIB));
	/* Into pages that nobody has touched by this mapping. */
	memset(self->memory + MIB, 0, MIB);
	munmap(self->memory, SIZE);
	self->memory = map(self->region, SIZE);
	ASSERT_NE(NULL, self->memory);
	EXPECT_EQ((ssize_t)MIB, pread(disk, self->memory + MIB, MIB, 0));
	for (i = 0, at = 0; at < MIB; at += 8)
		i += *(uint64_t *)(self->memory + at) ==
		     *(uint64_t *)(self->memory + MIB + at);
	EXPECT_EQ(MIB / 8, i);
	/* A reader's mapping is no place to read into. */
	munmap(self->memory, SIZE);
	self->memory = map_from(self->region, 0, SIZE, PROT_READ);
	EXPECT_EQ(-1, pread(disk, self->memory, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	close(disk);
	/* The region itself is memory: there is nothing to be direct about. */
	EXPECT_EQ(-EINVAL, reopen(self->region, O_RDWR | O_DIRECT));
}

/* Buffers that a ring has for as long as it likes. */
TEST_F(region_file, io_uring_has_it_as_a_buffer)
{
	int file = memfd_create("source", MFD_CLOEXEC), ret;
	struct iovec buffer = { self->memory, SIZE };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	ret = io_uring_queue_init(4, &ring, 0);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(14, write(file, "fixed buffers", 14));
	ret = io_uring_register_buffers(&ring, &buffer, 1);
	if (ret == -EOPNOTSUPP) {
		/* Linux 6.1 takes files of tmpfs and hugetlbfs alone. */
		io_uring_queue_exit(&ring);
		close(file);
		SKIP(return, "this kernel's io_uring takes no such buffers");
	}
	ASSERT_EQ(0, ret);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read_fixed(sqe, file, self->memory + MIB, 14, 0, 0);
	ASSERT_EQ(1, io_uring_submit_and_wait(&ring, 1));
	ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
	EXPECT_EQ(14, cqe->res);
	EXPECT_STREQ("fixed buffers", self->memory + MIB);
	io_uring_queue_exit(&ring);
	close(file);
}

/* It is no memfd. */
TEST_F(region_file, it_has_no_seals)
{
	int reader = reopen(self->region, O_RDONLY);

	EXPECT_EQ(-1, fcntl(self->region, F_GET_SEALS));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, fcntl(self->region, F_ADD_SEALS, F_SEAL_SEAL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, fcntl(reader, F_GET_SEALS));
	EXPECT_EQ(EINVAL, errno);
	close(reader);
}

/* By which a reader's descriptor would become memory to write to. */
TEST_F(region_file, udmabuf_takes_it_for_no_memfd)
{
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int reader = reopen(self->region, O_RDONLY);
	struct {
		uint32_t memfd;
		uint32_t flags;
		uint64_t offset;
		uint64_t size;
	} args = { .size = PAGE };
	const unsigned long command = _IOW('u', 0x42, args);

	if (device < 0) {
		close(reader);
		SKIP(return, "this kernel has no udmabuf");
	}
	args.memfd = self->region;
	EXPECT_EQ(-1, ioctl(device, command, &args));
	args.memfd = reader;
	EXPECT_EQ(-1, ioctl(device, command, &args));
	close(device);
	close(reader);
}

/* Who holds a lease makes others wait who open the file. */
TEST_F(region_file, it_takes_no_lease)
{
	int reader = reopen(self->region, O_RDONLY);

	munmap(self->memory, SIZE);
	close(self->region);
	EXPECT_EQ(-1, fcntl(reader, F_SETLEASE, F_RDLCK));
	EXPECT_EQ(EINVAL, errno);
	self->region = reopen(reader, O_RDWR);
	ASSERT_LE(0, self->region);
	close(reader);
	EXPECT_EQ(-1, fcntl(self->region, F_SETLEASE, F_WRLCK));
	EXPECT_EQ(EINVAL, errno);
	self->memory = map(self->region, SIZE);
	ASSERT_NE(NULL, self->memory);
}

static int lock_record(int fd, int command, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET,
			      .l_len = 8 };

	return fcntl(fd, command, &lock) ? -errno : 0;
}

/* Locks are of an opened file, and end with it. */
TEST_F(region_file, locks)
{
	int other = reopen(self->region, O_RDWR);
	pid_t child;

	EXPECT_EQ(0, flock(self->region, LOCK_EX | LOCK_NB));
	EXPECT_EQ(-1, flock(other, LOCK_EX | LOCK_NB));
	EXPECT_EQ(EWOULDBLOCK, errno);
	EXPECT_EQ(0, flock(self->region, LOCK_UN));
	EXPECT_EQ(0, flock(other, LOCK_SH | LOCK_NB));
	EXPECT_EQ(0, flock(self->region, LOCK_SH | LOCK_NB));
	EXPECT_EQ(0, flock(self->region, LOCK_UN));
	EXPECT_EQ(0, flock(other, LOCK_UN));

	EXPECT_EQ(0, lock_record(self->region, F_OFD_SETLK, F_WRLCK));
	EXPECT_EQ(-EAGAIN, lock_record(other, F_OFD_SETLK, F_WRLCK));
	EXPECT_EQ(-EAGAIN, lock_record(other, F_OFD_SETLK, F_RDLCK));
	EXPECT_EQ(0, lock_record(self->region, F_OFD_SETLK, F_UNLCK));
	EXPECT_EQ(0, lock_record(other, F_OFD_SETLK, F_WRLCK));
	close(other);
	EXPECT_EQ(0, lock_record(self->region, F_OFD_SETLK, F_WRLCK));
	EXPECT_EQ(0, lock_record(self->region, F_OFD_SETLK, F_UNLCK));

	/* Those of POSIX are of a process. */
	EXPECT_EQ(0, lock_record(self->region, F_SETLK, F_WRLCK));
	child = fork();
	if (!child)
		_exit(lock_record(self->region, F_SETLK, F_WRLCK) == -EAGAIN);
	EXPECT_EQ(1, wait_child(child));
}

TEST_F(region_file, what_stat_tells)
{
	struct timespec now;
	struct statx statx_;
	struct statfs fs;
	struct stat st, other_st;
	int other = new_region_fd(self->device, 1, 0);

	ASSERT_EQ(0, fstat(self->region, &st));
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	EXPECT_EQ((off_t)SIZE, st.st_size);
	EXPECT_EQ((blkcnt_t)round_up_pages(SIZE) / 512, st.st_blocks);
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(getuid(), st.st_uid);
	EXPECT_EQ(getgid(), st.st_gid);
	EXPECT_LE((blksize_t)PAGE, st.st_blksize);
	clock_gettime(CLOCK_REALTIME, &now);
	EXPECT_GE(now.tv_sec, st.st_mtim.tv_sec);
	EXPECT_LE(now.tv_sec - 600 * time_scale(), st.st_mtim.tv_sec);
	EXPECT_EQ(st.st_mtim.tv_sec, st.st_ctim.tv_sec);

	ASSERT_EQ(0, fstat(other, &other_st));
	EXPECT_EQ(st.st_dev, other_st.st_dev);
	EXPECT_NE(st.st_ino, other_st.st_ino);
	EXPECT_EQ((blkcnt_t)PAGE / 512, other_st.st_blocks);
	close(other);

	ASSERT_EQ(0, statx(self->region, "", AT_EMPTY_PATH, STATX_BASIC_STATS,
			   &statx_));
	EXPECT_EQ(SIZE, statx_.stx_size);
	EXPECT_EQ(st.st_ino, statx_.stx_ino);
	EXPECT_EQ(S_IFREG | 0600, statx_.stx_mode);
	ASSERT_EQ(0, fstatfs(self->region, &fs));
	EXPECT_EQ(PAGE, (unsigned long)fs.f_bsize);
#ifdef SHATOMIC_SUPER_MAGIC
	EXPECT_EQ(SHATOMIC_SUPER_MAGIC, fs.f_type);
#endif
}

TEST_F(region_file, times_mode_and_owner_can_be_set)
{
	const struct timespec times[] = { { 1000, 5 }, { 2000, 6 } };
	struct stat st;

	EXPECT_EQ(0, futimens(self->region, times));
	ASSERT_EQ(0, fstat(self->region, &st));
	EXPECT_EQ(1000, st.st_atim.tv_sec);
	EXPECT_EQ(2000, st.st_mtim.tv_sec);
	EXPECT_EQ(6, st.st_mtim.tv_nsec);
	EXPECT_EQ(1, pwrite(self->region, "x", 1, 0));
	ASSERT_EQ(0, fstat(self->region, &st));
	EXPECT_LT(2000, st.st_mtim.tv_sec);

	EXPECT_EQ(0, fchmod(self->region, 0640));
	EXPECT_EQ(0, fchown(self->region, 5, 6));
	ASSERT_EQ(0, fstat(self->region, &st));
	EXPECT_EQ(S_IFREG | 0640, st.st_mode);
	EXPECT_EQ(5, st.st_uid);
	EXPECT_EQ(6, st.st_gid);
	EXPECT_EQ(5, region_info(self->region).uid);
	EXPECT_EQ(6, region_info(self->region).gid);
	EXPECT_EQ(0640, region_info(self->region).mode);
	EXPECT_EQ((off_t)SIZE, st.st_size);
}

/* What another user gets who opens the file that a descriptor is of. */
static int reopen_as(uid_t uid, int fd, int flags)
{
	pid_t child = fork();
	int again;

	if (!child) {
		if (!become(uid))
			_exit(255);
		again = reopen(fd, flags);
		_exit(again < 0 ? -again : 0);
	}
	return -wait_child(child);
}

TEST_F(region_file, the_mode_says_who_opens_it_again)
{
	static const struct {
		mode_t mode;
		uid_t owner;
		int read, write;
	} rows[] = {
		{ 0600, 0, -EACCES, -EACCES },
		{ 0604, 0, 0, -EACCES },
		{ 0602, 0, -EACCES, 0 },
		{ 0606, 0, 0, 0 },
		{ 0400, NOBODY, 0, -EACCES },
		{ 0200, NOBODY, -EACCES, 0 },
		{ 0066, NOBODY, -EACCES, -EACCES },
		{ 0600, NOBODY, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		ASSERT_EQ(0, fchown(self->region, rows[i].owner, 0));
		ASSERT_EQ(0, fchmod(self->region, rows[i].mode));
		EXPECT_EQ(rows[i].read,
			  reopen_as(NOBODY, self->region, O_RDONLY))
			TH_LOG("mode %o of %u", rows[i].mode, rows[i].owner);
		EXPECT_EQ(rows[i].write,
			  reopen_as(NOBODY, self->region, O_WRONLY))
			TH_LOG("mode %o of %u", rows[i].mode, rows[i].owner);
		EXPECT_EQ(rows[i].read ? rows[i].read : rows[i].write,
			  reopen_as(NOBODY, self->region, O_RDWR))
			TH_LOG("mode %o of %u", rows[i].mode, rows[i].owner);
	}
}

TEST_F(region_file, descriptors_do_what_they_were_opened_for)
{
	int reader = reopen(self->region, O_RDONLY);
	int writer = reopen(self->region, O_WRONLY);
	int path = reopen(self->region, O_PATH);
	char byte;

	EXPECT_EQ(1, read(reader, &byte, 1));
	EXPECT_EQ(-1, write(reader, "x", 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, read(writer, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ('x', self->memory[0]);
	EXPECT_EQ(NULL, map_from(writer, 0, PAGE, PROT_READ));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, read(path, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, lseek(path, 0, SEEK_SET));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(NULL, map_from(path, 0, PAGE, PROT_READ));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(0, region_info(path).region_size);
	close(path);
	close(writer);
	close(reader);
}

/* What files of filesystems on disks are good for, and a region is not. */
TEST_F(region_file, what_it_is_not_for)
{
	struct {
		struct file_handle handle;
		char room[MAX_HANDLE_SZ];
	} handle = { .handle.handle_bytes = MAX_HANDLE_SZ };
	struct fd_path path = fd_path(self->region);
	int mount_id;

	EXPECT_EQ(-1, linkat(AT_FDCWD, path.text, AT_FDCWD, "/tmp/region-file",
			     AT_SYMLINK_FOLLOW));
	EXPECT_EQ(-1, swapon(path.text, 0));
	EXPECT_EQ(-1, name_to_handle_at(AT_FDCWD, path.text, &handle.handle,
					&mount_id, AT_SYMLINK_FOLLOW));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, chdir(path.text));
	EXPECT_EQ(ENOTDIR, errno);
}

TEST_HARNESS_MAIN
