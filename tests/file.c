// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions and files, on the backend of SHATOMIC_BACKEND: the first content of
 * a region, standalone regions, dumps, copies while others write.
 */
#include "common.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

/* A file of sysfs: it is shorter than fstat(2) says. */
#define SHORT_FILE "/sys/kernel/mm/transparent_hugepage/enabled"

/* A regular file that holds more than fstat(2) says. */
#define LONG_FILE "/proc/self/comm"

/* A regular file that nobody can remove. */
#define LASTING_FILE "/sys/kernel/notes"

/* What a child tells that could not do its part. */
#define CHILD_SKIPS 77

FIXTURE(files)
{
	char directory[64];
	char name[SHATOMIC_NAME_SIZE];
};

/* Each test runs in a process of its own, and in a directory of its own. */
FIXTURE_SETUP(files)
{
	strcpy(self->directory, "/tmp/shatomic-file-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->directory));
	ASSERT_EQ(0, chdir(self->directory));
	unique_name(self->name, "file");
	umask(022);
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

FIXTURE_TEARDOWN(files)
{
	shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name);
	nftw(self->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* How many files the present directory has. */
static int count_files(void)
{
	DIR *directory = opendir(".");
	int count = -2;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static bool write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	bool done = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;

	close(fd);
	return done;
}

/* Whether a file is just these bytes. */
static bool file_is(const char *path, const void *bytes, size_t size)
{
	unsigned char *found = malloc(size + 1);
	int fd = open(path, O_RDONLY);
	bool same = fd >= 0 && read(fd, found, size + 1) == (ssize_t)size &&
		    !memcmp(found, bytes, size);

	close(fd);
	free(found);
	return same;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_mode & 07777;
}

static bool name_exists(const char *name)
{
	struct shatomic_region *region;

	if (shatomic_open(SHATOMIC_BACKEND_AUTO, name, 0, &region))
		return false;
	shatomic_close(region);
	return true;
}

/* Files of named regions that this process is making, or left unfinished. */
static int count_hidden(void)
{
	DIR *directory = opendir("/dev/shm");
	struct dirent *entry;
	char prefix[32];
	int count = 0;

	if (!directory)
		return 0;
	snprintf(prefix, sizeof(prefix), ".shatomic.%d.", getpid());
	while ((entry = readdir(directory)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(directory);
	return count;
}

/* A region that stands on @path. */
static struct shatomic_region *new_standalone(const char *path, size_t length)
{
	struct shatomic_create_options options = {
		.size = length, .standalone_path = path,
	};
	struct shatomic_region *region = NULL;

	if (shatomic_create(&options, &region))
		printf("# shatomic_create: %s\n", shatomic_error());
	return region;
}

/* What byte @at of a region made by @options from @content has to be. */
static unsigned char expected_byte(const struct shatomic_create_options *options,
				   const unsigned char *content, size_t count,
				   size_t size, size_t at)
{
	const unsigned char *padding = options->padding_bytes;
	size_t padded = count < size ? size - count : 0;
	bool padded_left = options->padding_direction ==
			   SHATOMIC_DIRECTION_LEFT;

	if (count >= size)
		return content[options->trimming_direction ==
					       SHATOMIC_DIRECTION_LEFT ?
				       count - size + at :
				       at];
	if (padded_left && at >= padded)
		return content[at - padded];
	if (!padded_left && at < count)
		return content[at];
	if (!padding || !options->size ||
	    options->padding_direction == SHATOMIC_DIRECTION_NONE)
		return 0;
	return padding[(padded_left ? at : at - count) % options->padding_size];
}

static void expect_content(struct __test_metadata *_metadata,
			   const struct shatomic_create_options *options,
			   const unsigned char *content, size_t count)
{
	size_t size = options->size ? options->size : count ? count : 1;
	struct shatomic_region *region;
	unsigned char *memory;
	size_t i;

	ASSERT_EQ(0, shatomic_create(options, &region))
	{
		TH_LOG("%s", shatomic_error());
	}
	ASSERT_EQ(size, shatomic_size(region));
	memory = shatomic_buf(region, NULL);
	for (i = 0; i < size; i++)
		ASSERT_EQ(expected_byte(options, content, count, size, i),
			  memory[i])
		{
			TH_LOG("byte %zu: content %zu, length %zu, source %d, padding %d of %zu, trimming %d",
			       i, count, options->size, options->source,
			       options->padding_direction,
			       options->padding_size,
			       options->trimming_direction);
		}
	shatomic_close(region);
}

TEST_F(files, first_content)
{
	static const size_t counts[] = { 0, 1, 5, 8, 4097 };
	static const size_t lengths[] = { 0, 1, 5, 8, 9, 4099 };
	static const size_t paddings[] = { 0, 1, 3 };
	unsigned char content[4097];
	unsigned int i, count, length, padding, pad, trim;

	for (i = 0; i < sizeof(content); i++)
		content[i] = i % 251 + 1;
	for (count = 0; count < COUNT_OF(counts); count++) {
		ASSERT_TRUE(write_file("content", content, counts[count]));
		for (length = 0; length < COUNT_OF(lengths); length++)
		for (padding = 0; padding < COUNT_OF(paddings); padding++)
		for (pad = 0; pad < 3; pad++)
		for (trim = 0; trim < 3; trim++) {
			struct shatomic_create_options options = {
				.size = lengths[length],
				.initial = counts[count] ? content : NULL,
				.initial_size = counts[count],
				.padding_direction = pad,
				.padding_bytes = paddings[padding] ? "xyz" :
								     NULL,
				.padding_size = paddings[padding],
				.trimming_direction = trim,
			};

			expect_content(_metadata, &options, content,
				       counts[count]);
			options.initial = NULL;
			options.initial_size = 0;
			options.source = SHATOMIC_SOURCE_FILE;
			options.previous_path = "content";
			expect_content(_metadata, &options, content,
				       counts[count]);
		}
	}
}

/* Memory of the process's own that is as large would exceed its limit. */
TEST_F(files, padding_needs_no_buffer)
{
	struct shatomic_create_options options = {
		.size = 32 * MIB,
		.padding_direction = SHATOMIC_DIRECTION_RIGHT,
		.padding_bytes = "abc",
		.padding_size = 3,
	};
	struct rlimit limit = { 16 * MIB, 16 * MIB };
	struct shatomic_region *region;
	char *memory;
	void *buffer;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	SKIP(return, "sanitizers take more memory than the limit");
#endif
	ASSERT_EQ(0, setrlimit(RLIMIT_DATA, &limit));
	buffer = malloc(options.size);
	free(buffer);
	if (buffer)
		SKIP(return, "no limit on memory holds here");
	ASSERT_EQ(0, shatomic_create(&options, &region));
	memory = shatomic_buf(region, NULL);
	EXPECT_EQ("abc"[(32 * MIB - 1) % 3], memory[32 * MIB - 1]);
	shatomic_close(region);
}

/* Reading all of it would take hours. */
TEST_F(files, only_the_part_that_is_needed_is_read)
{
	struct shatomic_create_options options = {
		.size = 8,
		.source = SHATOMIC_SOURCE_FILE,
		.previous_path = "sparse",
		.trimming_direction = SHATOMIC_DIRECTION_LEFT,
	};
	struct shatomic_region *region;
	int fd = open("sparse", O_RDWR | O_CREAT, 0666);

	if (ftruncate(fd, (off_t)1 << 40))
		SKIP(return, "no file of 1 TiB here: %s", strerror(errno));
	ASSERT_EQ(8, pwrite(fd, "the last", 8, ((off_t)1 << 40) - 8));
	close(fd);
	ASSERT_EQ(0, shatomic_create(&options, &region));
	EXPECT_EQ(0, memcmp("the last", shatomic_buf(region, NULL), 8));
	shatomic_close(region);
}

#define FROM_FILE(path) \
	.source = SHATOMIC_SOURCE_FILE, .previous_path = (path)

TEST_F(files, errors_of_create)
{
	const unsigned int removing = SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE;
	const struct {
		struct shatomic_create_options options;
		int err;
		const char *says;
	} cases[] = {
		{ { .source = 7 }, -EINVAL, "source" },
		{ { .initial_size = 1 }, -EINVAL, "initial" },
		{ { .previous_path = "content" }, -EINVAL, "previous_path" },
		{ { .flags = removing }, -EINVAL, "REMOVE_PREVIOUS_FILE" },
		{ { .padding_size = 1 }, -EINVAL, "padding_bytes" },
		{ { .padding_direction = 3 }, -EINVAL, "padding_direction" },
		{ { .trimming_direction = 3 }, -EINVAL, "trimming_direction" },
		{ { .flags = 1 << 2 }, -EOPNOTSUPP, "flags" },
		{ { FROM_FILE(NULL) }, -EINVAL, "previous_path" },
		{ { FROM_FILE("content"), .initial = "x" }, -EINVAL,
		  "initial" },
		{ { FROM_FILE("content"), .initial_size = 1 }, -EINVAL,
		  "initial" },
		{ { FROM_FILE("missing") }, -ENOENT, "'missing'" },
		{ { FROM_FILE("") }, -ENOENT, "previous_path" },
		{ { FROM_FILE("content/x") }, -ENOTDIR, "'content/x'" },
		{ { FROM_FILE("directory") }, -EISDIR, "'directory'" },
		{ { FROM_FILE("pipe") }, -EINVAL, "'pipe'" },
		{ { FROM_FILE("/dev/null") }, -EINVAL, "'/dev/null'" },
		{ { FROM_FILE(SHORT_FILE) }, -EIO, SHORT_FILE },
		{ { FROM_FILE(SHORT_FILE), .standalone_path = "new" }, -EIO,
		  SHORT_FILE },
		{ { FROM_FILE(LONG_FILE) }, -EIO, LONG_FILE },
		{ { FROM_FILE(LONG_FILE), .size = 100,
		    .standalone_path = "new" }, -EIO, LONG_FILE },
		{ { FROM_FILE("content"), .flags = removing,
		    .standalone_path = "content" }, -EINVAL,
		  "standalone_path" },
		{ { FROM_FILE("content"), .flags = removing,
		    .standalone_path = "link" }, -EINVAL, "standalone_path" },
		{ { FROM_FILE("content"), .flags = removing,
		    .standalone_path = "directory" }, -EISDIR, "'directory'" },
		{ { .standalone_path = "pipe" }, -EINVAL, "'pipe'" },
		{ { .standalone_path = "/dev/null" }, -EINVAL, "'/dev/null'" },
		{ { .standalone_path = "nowhere/new" }, -ENOENT,
		  "'nowhere/new'" },
		{ { .standalone_path = "dangling" }, -ENOENT, "'dangling'" },
		{ { FROM_FILE(LASTING_FILE), .flags = removing,
		    .standalone_path = "new" }, 0, "removing" },
		{ { FROM_FILE("content"), .size = SIZE_MAX / 2,
		    .flags = removing, .standalone_path = "new" }, 0, "" },
	};
	struct shatomic_create_options options;
	struct shatomic_region *region;
	unsigned int i;
	int before, ret;

	ASSERT_TRUE(write_file("content", "content", 7));
	ASSERT_EQ(0, mkdir("directory", 0777));
	ASSERT_EQ(0, mkfifo("pipe", 0666));
	ASSERT_EQ(0, symlink("content", "link"));
	ASSERT_EQ(0, symlink("missing", "dangling"));
	before = count_files();
	for (i = 0; i < COUNT_OF(cases); i++) {
		if (cases[i].options.previous_path &&
		    cases[i].options.previous_path[0] == '/' &&
		    access(cases[i].options.previous_path, R_OK))
			continue;
		options = cases[i].options;
		options.name = self->name;
		region = (void *)1;
		ret = shatomic_create(&options, &region);
		EXPECT_GT(0, ret);
		if (cases[i].err)
			EXPECT_EQ(cases[i].err, ret);
		EXPECT_NE(NULL, strstr(shatomic_error(), cases[i].says))
		{
			TH_LOG("case %u: %s", i, shatomic_error());
		}
		EXPECT_EQ((void *)1, region);
		EXPECT_EQ(before, count_files());
		EXPECT_TRUE(file_is("content", "content", 7));
		EXPECT_FALSE(name_exists(self->name))
		{
			TH_LOG("case %u", i);
		}
	}
	EXPECT_EQ(0, count_hidden());
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length &&
	       !strcmp(text + length - end_length, end);
}

/* A path of any length to @file, which is here. */
static void make_path(char path[PATH_MAX], unsigned int steps, const char *file)
{
	unsigned int i;

	for (i = 0; i < steps; i++)
		memcpy(&path[2 * i], "./", 2);
	strcpy(&path[2 * i], file);
}

/* However long the path that it is about. */
TEST_F(files, a_sentence_says_what_and_why)
{
	static const struct {
		const char *file, *begins, *ends;
		bool stands_on_it;
	} cases[] = {
		{ "missing", "previous_path './",
		  "/missing': No such file or directory", false },
		{ "", "previous_path './", "/./' is a directory", false },
		{ "content", "standalone_path './",
		  "' is previous_path, which flags says to remove", true },
	};
	static const unsigned int steps[] = { 2, 100, 220, 240, 250, 2000 };
	struct shatomic_create_options options;
	struct shatomic_region *region;
	char path[PATH_MAX];
	unsigned int i, j;

	ASSERT_TRUE(write_file("content", "content", 7));
	for (i = 0; i < COUNT_OF(cases); i++) {
		for (j = 0; j < COUNT_OF(steps); j++) {
			make_path(path, steps[j], cases[i].file);
			options = (struct shatomic_create_options){
				.source = SHATOMIC_SOURCE_FILE,
				.previous_path = path,
			};
			if (cases[i].stands_on_it) {
				options.flags =
					SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE;
				options.standalone_path = path;
			}
			EXPECT_GT(0, shatomic_create(&options, &region));
			EXPECT_EQ(shatomic_error(),
				  strstr(shatomic_error(), cases[i].begins));
			EXPECT_TRUE(ends_with(shatomic_error(), cases[i].ends))
			{
				TH_LOG("%s", shatomic_error());
			}
		}
	}
}

#define NOBODY 65534

/* In a child, as nobody: its exit status is the check that failed. */
static void use_files_of_others(void)
{
	struct shatomic_create_options options = {
		/* The device may be nobody's. */
		.backend = SHATOMIC_BACKEND_MEMFD, .size = 8,
		.standalone_path = "read-only",
	};
	struct shatomic_region *region = (void *)1;

	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(CHILD_SKIPS);
	if (shatomic_create(&options, &region) != -EACCES ||
	    !strstr(shatomic_error(), "'read-only'"))
		_exit(1);
	options.standalone_path = "new";
	if (shatomic_create(&options, &region) != -EACCES)
		_exit(2);
	options.standalone_path = NULL;
	options.source = SHATOMIC_SOURCE_FILE;
	options.previous_path = "secret";
	if (shatomic_create(&options, &region) != -EACCES ||
	    region != (void *)1)
		_exit(3);
	/* It may read the file, but not take it out of its directory. */
	options.previous_path = "read-only";
	options.flags = SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE;
	if (shatomic_create(&options, &region) != -EACCES ||
	    !strstr(shatomic_error(), "removing"))
		_exit(4);
	options.flags = 0;
	if (shatomic_create(&options, &region) ||
	    shatomic_memdump(region, "read-only", 0, 0) != -EACCES)
		_exit(5);
	_exit(0);
}

TEST_F(files, files_of_others)
{
	pid_t child;
	int status;

	ASSERT_TRUE(write_file("read-only", "content", 7));
	ASSERT_TRUE(write_file("secret", "content", 7));
	ASSERT_EQ(0, chmod("read-only", 0444));
	ASSERT_EQ(0, chmod("secret", 0600));
	ASSERT_EQ(0, chmod(".", 0755));
	child = fork();
	if (!child)
		use_files_of_others();
	status = wait_child(child);
	if (status == CHILD_SKIPS)
		SKIP(return, "only root can become another user");
	EXPECT_EQ(0, status);
	EXPECT_TRUE(file_is("read-only", "content", 7));
	EXPECT_EQ(2, count_files());
}

TEST_F(files, a_taken_name_costs_nothing)
{
	struct shatomic_create_options options = {
		.size = 8, .name = self->name,
	};
	struct shatomic_region *region, *other = NULL;

	ASSERT_EQ(0, shatomic_create(&options, &region));
	ASSERT_TRUE(write_file("content", "content", 7));
	options.source = SHATOMIC_SOURCE_FILE;
	options.previous_path = "content";
	options.standalone_path = "new";
	options.flags = SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE;
	EXPECT_EQ(-EEXIST, shatomic_create(&options, &other));
	EXPECT_EQ(NULL, other);
	EXPECT_EQ(1, count_files());
	EXPECT_TRUE(file_is("content", "content", 7));
	EXPECT_TRUE(name_exists(self->name));
	shatomic_close(region);
}

/* In a child: its exit status tells whether it got the name. */
static void race_for_name(const char *name, const char *path)
{
	struct shatomic_create_options options = {
		FROM_FILE(path),
		.flags = SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE,
		.name = name,
		.size = 8 * MIB,
		.padding_direction = SHATOMIC_DIRECTION_RIGHT,
		.padding_bytes = "x",
		.padding_size = 1,
	};
	struct shatomic_region *region;
	int ret = shatomic_create(&options, &region);

	if (ret && ret != -EEXIST)
		_exit(2);
	_exit(count_hidden() ? 3 : !!ret);
}

/* Both may have filled a region before one learns that the name is taken. */
TEST_F(files, a_race_for_a_name_has_one_winner)
{
	static const char *const paths[] = { "one", "two" };
	pid_t children[2];
	int round, i, losses, lost;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < 2; i++)
			ASSERT_TRUE(write_file(paths[i], "content", 7));
		for (i = 0; i < 2; i++) {
			children[i] = fork();
			if (!children[i])
				race_for_name(self->name, paths[i]);
		}
		for (i = losses = 0; i < 2; i++) {
			lost = wait_child(children[i]);
			ASSERT_LE(lost, 1);
			EXPECT_EQ(lost, file_is(paths[i], "content", 7));
			EXPECT_EQ(lost ? 0 : -1, access(paths[i], F_OK));
			losses += lost;
		}
		ASSERT_EQ(1, losses);
		ASSERT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO,
					     self->name));
	}
}

/* In a child: gives the name and takes it back, over and over. */
static void hold_name_now_and_then(const char *name)
{
	struct shatomic_create_options options = { .size = 8, .name = name };
	struct shatomic_region *region;

	for (;;) {
		if (shatomic_create(&options, &region))
			continue;
		shatomic_close(region);
		shatomic_unlink(SHATOMIC_BACKEND_AUTO, name);
	}
}

/* How many files have been made in a directory that is watched. */
static int count_made(int watch)
{
	const struct inotify_event *event;
	char events[4096];
	ssize_t size, at;
	int count = 0;

	while ((size = read(watch, events, sizeof(events))) > 0) {
		for (at = 0; at < size; at += sizeof(*event) + event->len) {
			event = (const void *)(events + at);
			count += event->mask & IN_CREATE ? 1 : 0;
		}
	}
	return count;
}

/*
 * Who loses the race for a name makes no file: the winner may stand on it by
 * the time that the loser would take it back.
 */
TEST_F(files, who_does_not_get_the_name_makes_no_file)
{
	struct shatomic_create_options options = {
		.size = MIB, .name = self->name,
		.standalone_path = "standalone",
	};
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct shatomic_region *region;
	int round, made = 0, lost = 0;
	pid_t child;

	ASSERT_LE(0, watch);
	/* Of two equal events in a row only one would be told. */
	ASSERT_LE(0, inotify_add_watch(watch, ".", IN_CREATE | IN_DELETE));
	child = fork();
	if (!child)
		hold_name_now_and_then(self->name);
	for (round = 0; round < 2000 && (made < 5 || lost < 100); round++) {
		if (shatomic_create(&options, &region)) {
			lost++;
			continue;
		}
		made++;
		shatomic_close(region);
		ASSERT_EQ(0, unlink(options.standalone_path));
		ASSERT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO,
					     self->name));
	}
	kill(child, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, wait_child(child));
	EXPECT_LT(0, lost);
	EXPECT_EQ(made, count_made(watch));
	close(watch);
}

/* Renames "newer" to the path as soon as somebody opens that. */
static void *replace_when_opened(void *path)
{
	char event[sizeof(struct inotify_event) + NAME_MAX + 1];
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd >= 0 && inotify_add_watch(fd, path, IN_OPEN) >= 0 &&
	    write_file("watched", "", 0) && read(fd, event, sizeof(event)) > 0)
		rename("newer", path);
	close(fd);
	return NULL;
}

/* What takes the place of a file that is being read is nobody's to remove. */
TEST_F(files, a_previous_file_that_was_replaced_is_kept)
{
	struct shatomic_create_options options = {
		FROM_FILE("content"),
		.flags = SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE,
		.name = self->name,
		.standalone_path = "new",
	};
	unsigned char *content = calloc(1, 32 * MIB);
	struct shatomic_region *region;
	int tries, ret = 0;
	pthread_t thread;

	/* Now and then the other thread may come too late. */
	for (tries = 0; tries < 100 && !ret; tries++) {
		ASSERT_TRUE(write_file("content", content, 32 * MIB));
		ASSERT_TRUE(write_file("newer", "newer", 5));
		ASSERT_EQ(0, pthread_create(&thread, NULL, replace_when_opened,
					    "content"));
		while (access("watched", F_OK))
			sched_yield();
		ret = shatomic_create(&options, &region);
		pthread_join(thread, NULL);
		ASSERT_EQ(0, unlink("watched"));
		EXPECT_TRUE(file_is("content", "newer", 5));
		if (!ret) {
			shatomic_close(region);
			ASSERT_EQ(0, unlink("new"));
			ASSERT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO,
						     self->name));
		}
	}
	EXPECT_EQ(-EBUSY, ret);
	EXPECT_NE(NULL, strstr(shatomic_error(), "'content'"));
	EXPECT_EQ(1, count_files());
	EXPECT_FALSE(name_exists(self->name));
	free(content);
}

TEST_F(files, the_previous_file_is_removed)
{
	struct shatomic_create_options options = {
		FROM_FILE("content"),
		.flags = SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE,
		.name = self->name,
		.standalone_path = "new",
	};
	struct shatomic_region *region;

	ASSERT_TRUE(write_file("content", "content", 7));
	ASSERT_EQ(0, shatomic_create(&options, &region));
	EXPECT_EQ(7, shatomic_size(region));
	EXPECT_EQ(0, memcmp("content", shatomic_buf(region, NULL), 7));
	EXPECT_EQ(-1, access("content", F_OK));
	EXPECT_EQ(1, count_files());
	EXPECT_TRUE(name_exists(self->name));
	shatomic_close(region);
}

/* Without the flag it stays. */
TEST_F(files, the_previous_file_is_kept)
{
	struct shatomic_create_options options = { FROM_FILE("content") };
	struct shatomic_region *region;

	ASSERT_TRUE(write_file("content", "content", 7));
	ASSERT_EQ(0, shatomic_create(&options, &region));
	EXPECT_TRUE(file_is("content", "content", 7));
	shatomic_close(region);
}

/* Opens a name until it can, and then looks at once at the last byte. */
static void watch_name(const char *name, size_t length)
{
	struct shatomic_region *region;
	unsigned char *memory;

	/* The name may never come. */
	alarm(20);
	while (shatomic_open(SHATOMIC_BACKEND_AUTO, name,
			     SHATOMIC_OPEN_READ_ONLY, &region))
		;
	memory = shatomic_buf(region, NULL);
	_exit(shatomic_size(region) == length && memory[length - 1] == 0xab ?
		      0 :
		      1);
}

TEST_F(files, a_name_is_seen_with_its_content)
{
	struct shatomic_create_options options = {
		.size = 8 * MIB,
		.name = self->name,
		.padding_direction = SHATOMIC_DIRECTION_RIGHT,
		.padding_bytes = "\xab",
		.padding_size = 1,
	};
	struct shatomic_region *region;
	pid_t child;
	int i;

	for (i = 0; i < 5; i++) {
		child = fork();
		if (!child)
			watch_name(self->name, options.size);
		ASSERT_EQ(0, shatomic_create(&options, &region));
		EXPECT_EQ(0, wait_child(child));
		shatomic_close(region);
		ASSERT_EQ(0, shatomic_unlink(SHATOMIC_BACKEND_AUTO,
					     self->name));
	}
}

TEST_F(files, the_file_of_a_standalone_region)
{
	struct shatomic_region *region;
	struct stat by_path, by_fd;

	umask(027);
	region = new_standalone("new", 100);
	ASSERT_NE(NULL, region);
	EXPECT_EQ(shatomic_buf(region, NULL), shatomic_standalone(region));
	ASSERT_EQ(0, stat("new", &by_path));
	ASSERT_EQ(0, fstat(shatomic_f(region), &by_fd));
	EXPECT_EQ(by_path.st_ino, by_fd.st_ino);
	EXPECT_EQ(0640, mode_of("new"));
	EXPECT_EQ(0, by_path.st_size);
	EXPECT_EQ(FD_CLOEXEC, fcntl(shatomic_f(region), F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(shatomic_f(region), F_GETFL) & O_ACCMODE);
	shatomic_close(region);
	EXPECT_TRUE(file_is("new", "", 0));

	/* One that is there is neither read nor written. */
	ASSERT_TRUE(write_file("old", "something", 9));
	region = new_standalone("old", 4);
	ASSERT_NE(NULL, region);
	EXPECT_EQ(0, memcmp("\0\0\0", shatomic_buf(region, NULL), 4));
	EXPECT_TRUE(file_is("old", "something", 9));
	shatomic_close(region);
	EXPECT_TRUE(file_is("old", "something", 9));

	region = new_region(8);
	EXPECT_EQ(NULL, shatomic_standalone(region));
	EXPECT_EQ(-EINVAL, shatomic_f(region));
	shatomic_close(region);
}

TEST_F(files, the_file_has_what_was_synced)
{
	struct shatomic_create_options again = {
		FROM_FILE("file"), .standalone_path = "file",
	};
	struct shatomic_region *region = new_standalone("file", 100);
	unsigned char synced[100];
	unsigned char *memory;

	ASSERT_NE(NULL, region);
	memory = shatomic_standalone(region);
	memset(memory, 'a', 100);
	EXPECT_TRUE(file_is("file", "", 0));
	ASSERT_EQ(0, shatomic_file_sync(region, 0, 0, 0));
	memset(synced, 'a', 100);
	EXPECT_TRUE(file_is("file", synced, 100));

	/* A range, and nothing outside it. */
	memset(memory, 'b', 100);
	ASSERT_EQ(0, shatomic_file_sync(region, 0, 11, 25));
	memset(synced + 11, 'b', 25);
	EXPECT_TRUE(file_is("file", synced, 100));
	memset(memory, 'c', 100);
	ASSERT_EQ(0, shatomic_file_sync(region, SHATOMIC_SYNC_ASYNC, 93, 0));
	memset(synced + 93, 'c', 7);
	EXPECT_TRUE(file_is("file", synced, 100));

	/* Its size comes back, whatever happened to it. */
	ASSERT_EQ(0, truncate("file", 500));
	memset(memory, 'd', 100);
	ASSERT_EQ(0, shatomic_file_sync(region, 0, 0, 99));
	memset(synced, 'd', 99);
	EXPECT_TRUE(file_is("file", synced, 100));
	shatomic_close(region);

	ASSERT_EQ(0, shatomic_create(&again, &region));
	ASSERT_EQ(100, shatomic_size(region));
	memory = shatomic_standalone(region);
	EXPECT_EQ(0, memcmp(synced, memory, 100));
	memory[0] = 'e';
	EXPECT_TRUE(file_is("file", synced, 100));
	ASSERT_EQ(0, shatomic_file_sync(region, 0, 0, 1));
	synced[0] = 'e';
	EXPECT_TRUE(file_is("file", synced, 100));
	shatomic_close(region);
}

TEST_F(files, a_dump)
{
	struct shatomic_region *region = new_region(100);
	char name[NAME_MAX + 1];
	unsigned char *memory;
	struct stat st;
	int i;

	ASSERT_NE(NULL, region);
	memory = shatomic_buf(region, NULL);
	for (i = 0; i < 100; i++)
		memory[i] = i;
	memset(name, 'n', sizeof(name));
	umask(027);
	EXPECT_EQ(100, shatomic_memdump(region, "dump", 0, 0));
	EXPECT_TRUE(file_is("dump", memory, 100));
	EXPECT_EQ(0640, mode_of("dump"));
	EXPECT_EQ(23, shatomic_memdump(region, "dump", 13, 23));
	EXPECT_TRUE(file_is("dump", memory + 13, 23));
	EXPECT_EQ(97, shatomic_memdump(region, "dump", 3, 0));
	EXPECT_TRUE(file_is("dump", memory + 3, 97));

	/* A link stays one; the mode stays too, which no umask could give. */
	ASSERT_EQ(0, mkdir("directory", 0777));
	ASSERT_TRUE(write_file("directory/far", "old", 3));
	ASSERT_EQ(0, chmod("directory/far", 0606));
	ASSERT_EQ(0, symlink("directory/far", "link"));
	EXPECT_EQ(100, shatomic_memdump(region, "link", 0, 100));
	EXPECT_TRUE(file_is("directory/far", memory, 100));
	EXPECT_EQ(0606, mode_of("directory/far"));
	ASSERT_EQ(0, lstat("link", &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	EXPECT_EQ(3, count_files());

	/* The file in the making has a name that is not too long either. */
	for (i = NAME_MAX; i > NAME_MAX - 8; i--) {
		name[i] = '\0';
		EXPECT_EQ(100, shatomic_memdump(region, name, 0, 0));
		EXPECT_TRUE(file_is(name, memory, 100));
		ASSERT_EQ(0, unlink(name));
	}
	EXPECT_EQ(3, count_files());
	ASSERT_EQ(0, chdir("directory"));
	EXPECT_EQ(1, count_files());
	shatomic_close(region);
}

/* The functions on files and bytes that a table can call alike. */
enum call { SYNC, DUMP, MOVE };

struct call_case {
	enum call call;
	bool standalone;
	unsigned int flags;
	const char *path;
	uint64_t start;
	uint64_t length;
	int err;
	const char *says;
};

static int make_call(struct shatomic_region *region,
		     const struct call_case *call, char *buffer)
{
	switch (call->call) {
	case SYNC:
		return shatomic_file_sync(region, call->flags, call->start,
					  call->length);
	case DUMP:
		return shatomic_memdump(region, call->path, call->start,
					call->length);
	default:
		return shatomic_memmove(region, buffer, call->start,
					call->length, call->flags);
	}
}

TEST_F(files, errors_of_calls)
{
	static const struct call_case cases[] = {
		{ SYNC, false, 0, NULL, 0, 0, -EINVAL, "standalone" },
		{ SYNC, true, 2, NULL, 0, 0, -EOPNOTSUPP, "flags" },
		{ SYNC, true, 0, NULL, 16, 0, -ERANGE, "start 16" },
		{ SYNC, true, 0, NULL, 17, 1, -ERANGE, "start 17" },
		{ SYNC, true, 0, NULL, 9, 8, -ERANGE, "length 8" },
		{ SYNC, true, 0, NULL, 8, UINT64_MAX, -ERANGE, "length" },
		{ DUMP, false, 0, NULL, 0, 0, -EINVAL, "path" },
		{ DUMP, false, 0, "", 0, 0, -ENOENT, "path" },
		{ DUMP, false, 0, "file", 16, 0, -ERANGE, "start 16" },
		{ DUMP, false, 0, "new", 9, 8, -ERANGE, "length 8" },
		{ DUMP, false, 0, "new", UINT64_MAX, 2, -ERANGE, "start" },
		{ DUMP, false, 0, "directory", 0, 0, -EISDIR, "'directory'" },
		{ DUMP, false, 0, "new/", 0, 0, -EISDIR, "'new/'" },
		{ DUMP, false, 0, "pipe", 0, 0, -EINVAL, "'pipe'" },
		{ DUMP, false, 0, "/dev/null", 0, 0, -EINVAL, "'/dev/null'" },
		{ DUMP, false, 0, "nowhere/new", 0, 0, -ENOENT,
		  "'nowhere/new'" },
		{ DUMP, false, 0, "file/new", 0, 0, -ENOTDIR, "'file/new'" },
		{ DUMP, false, 0, "dangling", 0, 0, -ENOENT, "'dangling'" },
		{ MOVE, false, 2, NULL, 0, 1, -EINVAL, "direction" },
		{ MOVE, false, 0, NULL, 17, 0, -ERANGE, "offset 17" },
		{ MOVE, false, 1, NULL, 9, 8, -ERANGE, "length 8" },
		{ MOVE, false, 1, NULL, 8, UINT64_MAX, -ERANGE, "length" },
	};
	struct shatomic_region *plain = new_region(16);
	struct shatomic_region *standalone = new_standalone("stand", 16);
	char buffer[16] = "untouched";
	unsigned int i;
	int before;

	ASSERT_NE(NULL, plain);
	ASSERT_NE(NULL, standalone);
	ASSERT_TRUE(write_file("file", "content", 7));
	ASSERT_EQ(0, mkdir("directory", 0777));
	ASSERT_EQ(0, mkfifo("pipe", 0666));
	ASSERT_EQ(0, symlink("missing", "dangling"));
	before = count_files();
	for (i = 0; i < COUNT_OF(cases); i++) {
		EXPECT_EQ(cases[i].err,
			  make_call(cases[i].standalone ? standalone : plain,
				    &cases[i], buffer));
		EXPECT_NE(NULL, strstr(shatomic_error(), cases[i].says))
		{
			TH_LOG("case %u: %s", i, shatomic_error());
		}
		EXPECT_EQ(before, count_files());
		EXPECT_TRUE(file_is("file", "content", 7));
		EXPECT_TRUE(file_is("stand", "", 0));
		EXPECT_STREQ("untouched", buffer);
		EXPECT_EQ('\0', *(char *)shatomic_buf(plain, NULL));
	}
	EXPECT_EQ(-EINVAL, shatomic_memmove(plain, NULL, 0, 1, 0));
	EXPECT_EQ(0, shatomic_memmove(plain, NULL, 16, 0, 0));
	EXPECT_EQ(-EINVAL, shatomic_memmove(NULL, buffer, 0, 1, 0));
	EXPECT_EQ(-EINVAL, shatomic_memdump(NULL, "new", 0, 0));
	EXPECT_EQ(-EINVAL, shatomic_file_sync(NULL, 0, 0, 0));
	EXPECT_EQ(-EINVAL, shatomic_f(NULL));
	EXPECT_EQ(NULL, shatomic_standalone(NULL));
	shatomic_close(plain);
	shatomic_close(standalone);
}

TEST_F(files, a_reader_is_not_moved_into)
{
	struct shatomic_create_options options = {
		.initial = "content!", .initial_size = 8, .name = self->name,
	};
	struct shatomic_region *region, *reader;
	char buffer[8] = "";

	ASSERT_EQ(0, shatomic_create(&options, &region));
	ASSERT_EQ(0, shatomic_open(SHATOMIC_BACKEND_AUTO, self->name,
				   SHATOMIC_OPEN_READ_ONLY, &reader));
	EXPECT_EQ(-EACCES, shatomic_memmove(reader, buffer, 0, 8,
					    SHATOMIC_MEMMOVE_IN));
	EXPECT_EQ(0, shatomic_memmove(reader, buffer, 0, 8,
				      SHATOMIC_MEMMOVE_OUT));
	EXPECT_EQ(0, memcmp("content!", buffer, 8));
	EXPECT_EQ(8, shatomic_memdump(reader, "dump", 0, 0));
	EXPECT_TRUE(file_is("dump", "content!", 8));
	shatomic_close(reader);
	shatomic_close(region);
}

#define KILL_BYTES (4 * MIB)

/* Dumps all 1s and all 2s in turn, for ever. */
static void dump_for_ever(struct shatomic_region *region)
{
	unsigned char byte;

	for (byte = 1;; byte = 3 - byte) {
		memset(shatomic_buf(region, NULL), byte, KILL_BYTES);
		if (shatomic_memdump(region, "dump", 0, 0) < 0)
			_exit(1);
	}
}

static bool is_all_one_byte(const char *path)
{
	unsigned char *found = malloc(KILL_BYTES);
	int fd = open(path, O_RDONLY);
	bool whole = read(fd, found, KILL_BYTES) == (ssize_t)KILL_BYTES &&
		     !memcmp(found, found + 1, KILL_BYTES - 1) &&
		     (found[0] == 1 || found[0] == 2);

	close(fd);
	free(found);
	return whole;
}

/* What those who were killed left; how many of them. */
static int remove_temporaries(void)
{
	DIR *directory = opendir(".");
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(directory))) {
		if (strlen(entry->d_name) == strlen("dump") + 6 &&
		    !strncmp(entry->d_name, "dump", 4))
			count += !unlink(entry->d_name);
	}
	closedir(directory);
	return count;
}

TEST_F(files, a_dump_that_is_killed)
{
	struct shatomic_region *region = new_region(KILL_BYTES);
	time_t until = time(NULL) + 5;
	int round, left = 0;
	pid_t child;

	ASSERT_NE(NULL, region);
	seed_random();
	memset(shatomic_buf(region, NULL), 1, KILL_BYTES);
	ASSERT_EQ(KILL_BYTES, shatomic_memdump(region, "dump", 0, 0));
	/* Fewer on slow machines. */
	for (round = 0; round < 60 && time(NULL) < until; round++) {
		child = fork();
		if (!child)
			dump_for_ever(region);
		usleep(next_random() % 20000);
		kill(child, SIGKILL);
		ASSERT_EQ(256 + SIGKILL, wait_child(child));
		ASSERT_TRUE(is_all_one_byte("dump"))
		{
			TH_LOG("round %d", round);
		}
		left += remove_temporaries();
		ASSERT_EQ(1, count_files());
	}
	TH_LOG("%d of %d were killed in the middle", left, round);
	shatomic_close(region);
}

/* A small disk at "disk", that nobody but this process sees. */
static bool mount_small_disk(void)
{
	char users[32], groups[32];

	if (unshare(CLONE_NEWNS)) {
		snprintf(users, sizeof(users), "0 %d 1", getuid());
		snprintf(groups, sizeof(groups), "0 %d 1", getgid());
		/* Who has no group there can make no files. */
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
		    write_text("/proc/self/uid_map", users) ||
		    write_text("/proc/self/setgroups", "deny") ||
		    write_text("/proc/self/gid_map", groups))
			return false;
	}
	return !mkdir("disk", 0777) &&
	       !mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", "disk", "tmpfs", 0, "size=64k");
}

/* In a child: its exit status is the number of the check that failed. */
static void fill_the_disk(struct shatomic_region *region)
{
	struct shatomic_region *standalone;

	if (!mount_small_disk())
		_exit(CHILD_SKIPS);
	if (chdir("disk") || !write_file("dump", "old", 3))
		_exit(1);
	if (shatomic_memdump(region, "dump", 0, 0) != -ENOSPC)
		_exit(2);
	if (!strstr(shatomic_error(), "dump"))
		_exit(3);
	if (!file_is("dump", "old", 3) || count_files() != 1)
		_exit(4);
	if (shatomic_memdump(region, "new", 0, 0) != -ENOSPC ||
	    count_files() != 1)
		_exit(5);
	if (shatomic_memdump(region, "dump", 0, 5) != 5)
		_exit(6);
	standalone = new_standalone("stand", MIB);
	if (!standalone)
		_exit(7);
	if (shatomic_file_sync(standalone, 0, 0, 0) != -ENOSPC)
		_exit(8);
	/* It is as usable as before once there is room for the part. */
	if (shatomic_file_sync(standalone, 0, 0, 100))
		_exit(9);
	_exit(0);
}

TEST_F(files, a_full_disk)
{
	struct shatomic_region *region = new_region(MIB);
	pid_t child;
	int status;

	ASSERT_NE(NULL, region);
	child = fork();
	if (!child)
		fill_the_disk(region);
	status = wait_child(child);
	shatomic_close(region);
	if (status == CHILD_SKIPS)
		SKIP(return, "no mount namespace with a tmpfs can be had here");
	EXPECT_EQ(0, status);
}

/* In a child: its exit status is the number of the check that failed. */
static void use_a_read_only_disk(struct shatomic_region *region,
				 const char *name)
{
	struct shatomic_create_options options = {
		.size = 8, .name = name, .standalone_path = "new",
	};
	struct shatomic_region *created = (void *)1;

	if (!mount_small_disk() || !write_file("disk/content", "content", 7) ||
	    mount("none", "disk", "none", MS_REMOUNT | MS_RDONLY, NULL))
		_exit(CHILD_SKIPS);
	if (chdir("disk"))
		_exit(1);
	if (shatomic_memdump(region, "content", 0, 0) != -EROFS ||
	    !strstr(shatomic_error(), "content"))
		_exit(2);
	if (shatomic_memdump(region, "new", 0, 0) != -EROFS ||
	    !strstr(shatomic_error(), "new"))
		_exit(3);
	if (shatomic_create(&options, &created) != -EROFS ||
	    !strstr(shatomic_error(), "'new'"))
		_exit(4);
	options.standalone_path = "content";
	if (shatomic_create(&options, &created) != -EROFS ||
	    !strstr(shatomic_error(), "'content'"))
		_exit(5);
	options.standalone_path = NULL;
	options.source = SHATOMIC_SOURCE_FILE;
	options.previous_path = "content";
	options.flags = SHATOMIC_CREATE_REMOVE_PREVIOUS_FILE;
	if (shatomic_create(&options, &created) != -EROFS ||
	    !strstr(shatomic_error(), "removing"))
		_exit(6);
	/* What stands beside it, on another disk, goes as well. */
	options.standalone_path = "../new";
	if (shatomic_create(&options, &created) != -EROFS ||
	    !access("../new", F_OK))
		_exit(7);
	if (created != (void *)1 || name_exists(name) || count_hidden())
		_exit(8);
	if (count_files() != 1 || !file_is("content", "content", 7))
		_exit(9);
	/* To be read is what it is there for. */
	options.standalone_path = NULL;
	options.flags = 0;
	if (shatomic_create(&options, &created) ||
	    memcmp("content", shatomic_buf(created, NULL), 7))
		_exit(10);
	_exit(0);
}

TEST_F(files, a_read_only_disk)
{
	struct shatomic_region *region = new_region(8);
	pid_t child;
	int status;

	ASSERT_NE(NULL, region);
	child = fork();
	if (!child)
		use_a_read_only_disk(region, self->name);
	status = wait_child(child);
	shatomic_close(region);
	if (status == CHILD_SKIPS)
		SKIP(return, "no mount namespace with a tmpfs can be had here");
	EXPECT_EQ(0, status);
}

#define MOVE_BYTES 80

TEST(memmove_is_memcpy)
{
	struct shatomic_region *region = new_region(MOVE_BYTES);
	unsigned char expected[MOVE_BYTES], buffer[MOVE_BYTES + 1];
	unsigned char *memory;
	unsigned int start, length, i;

	ASSERT_NE(NULL, region);
	memory = shatomic_buf(region, NULL);
	for (start = 0; start < 16; start++) {
		for (length = 0; length <= 40; length++) {
			for (i = 0; i < MOVE_BYTES; i++) {
				memory[i] = i + 1;
				buffer[i] = 255 - i;
			}
			memcpy(expected, memory, MOVE_BYTES);
			memcpy(expected + start, buffer + 1, length);
			ASSERT_EQ(0, shatomic_memmove(region, buffer + 1,
						      start, length,
						      SHATOMIC_MEMMOVE_IN));
			ASSERT_EQ(0, memcmp(expected, memory, MOVE_BYTES))
			{
				TH_LOG("in: start %u length %u", start, length);
			}
			memset(buffer, 0, sizeof(buffer));
			memset(expected, 0, sizeof(expected));
			memcpy(expected + 1, memory + start, length);
			ASSERT_EQ(0, shatomic_memmove(region, buffer + 1,
						      start, length,
						      SHATOMIC_MEMMOVE_OUT));
			ASSERT_EQ(0, memcmp(expected, buffer, MOVE_BYTES))
			{
				TH_LOG("out: start %u length %u", start,
				       length);
			}
		}
	}
	shatomic_close(region);
}

/* More than the library writes at once. */
#define BUSY_BYTES (MIB + 4096)

/* Words at both ends of what it writes at once. */
static const size_t busy_words[] = { 1, 2, 3, MIB / 8 - 1, MIB / 8,
				     MIB / 8 + 1 };

struct adder {
	uint64_t *words;
	bool stop;
};

/* Both halves of each word count, so that halves of two times differ. */
static void *add_for_ever(void *arg)
{
	struct adder *adder = arg;
	unsigned int i;

	while (!__atomic_load_n(&adder->stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < COUNT_OF(busy_words); i++)
			shatomic_fetch_and_add_u64(
				&adder->words[busy_words[i]], 0x100000001);
	}
	return NULL;
}

/* Compare what of the region from @start on was copied with the copy before. */
static void expect_whole_words(struct __test_metadata *_metadata,
			       const unsigned char *copy, size_t start,
			       uint64_t before[COUNT_OF(busy_words)])
{
	unsigned int i;
	uint64_t word;

	for (i = 0; i < COUNT_OF(busy_words); i++) {
		memcpy(&word, copy + busy_words[i] * 8 - start, 8);
		ASSERT_EQ(word >> 32, word & UINT32_MAX)
		{
			TH_LOG("word %zu, copied from %zu on", busy_words[i],
			       start);
		}
		ASSERT_LE(before[i], word);
		before[i] = word;
	}
}

static void read_file(struct __test_metadata *_metadata, const char *path,
		      unsigned char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(size, read(fd, bytes, size));
	close(fd);
}

TEST_F(files, copies_have_whole_words)
{
	struct shatomic_region *region = new_standalone("stand", BUSY_BYTES);
	uint64_t before[COUNT_OF(busy_words)] = { 0 };
	unsigned char *copy = malloc(BUSY_BYTES);
	struct adder adder = { 0 };
	pthread_t thread;
	size_t start;
	int i;

	ASSERT_NE(NULL, region);
	adder.words = shatomic_buf(region, NULL);
	ASSERT_EQ(0, pthread_create(&thread, NULL, add_for_ever, &adder));
	for (i = 0; i < 40; i++) {
		start = i % 8;
		ASSERT_EQ(0, shatomic_memmove(region, copy, start,
					      BUSY_BYTES - start,
					      SHATOMIC_MEMMOVE_OUT));
		expect_whole_words(_metadata, copy, start, before);
		if (i % 2)
			continue;
		start = i / 2 % 8;
		ASSERT_EQ(BUSY_BYTES - start,
			  shatomic_memdump(region, "dump", start, 0));
		read_file(_metadata, "dump", copy, BUSY_BYTES - start);
		expect_whole_words(_metadata, copy, start, before);
		ASSERT_EQ(0, shatomic_file_sync(region, SHATOMIC_SYNC_ASYNC,
						start, 0));
		read_file(_metadata, "stand", copy, BUSY_BYTES);
		expect_whole_words(_metadata, copy, 0, before);
	}
	__atomic_store_n(&adder.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_LT(0, before[0]);
	shatomic_close(region);
	free(copy);
}

struct reader {
	const uint64_t *words;
	unsigned int torn;
	bool stop;
};

static void *read_for_ever(void *arg)
{
	struct reader *reader = arg;
	uint64_t word;
	unsigned int i;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
		for (i = 1; i < 8; i++) {
			word = __atomic_load_n(&reader->words[i],
					       __ATOMIC_SEQ_CST);
			reader->torn += word >> 32 != (word & UINT32_MAX);
		}
	}
	return NULL;
}

/* The other way: whole words that are moved in appear whole. */
TEST_F(files, words_are_moved_in_whole)
{
	struct shatomic_region *region = new_region(64);
	struct reader reader = { 0 };
	unsigned char buffer[64];
	pthread_t thread;
	uint64_t value;
	unsigned int i, j;

	ASSERT_NE(NULL, region);
	reader.words = shatomic_buf(region, NULL);
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_for_ever, &reader));
	for (i = 0; i < 100000; i++) {
		value = (uint64_t)i << 32 | i;
		for (j = 0; j < 8; j++)
			memcpy(buffer + j * 8, &value, 8);
		ASSERT_EQ(0, shatomic_memmove(region, buffer + i % 8, i % 8,
					      64 - i % 8,
					      SHATOMIC_MEMMOVE_IN));
	}
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, reader.torn);
	shatomic_close(region);
}

TEST_HARNESS_MAIN
