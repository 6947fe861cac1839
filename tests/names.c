// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filesystem of named regions, as the ABI header has it under "Names of
 * regions": creating, linking, opening, renaming and removing them, who may,
 * what is refused, and mounts: their options, their ends, those of containers.
 * Root runs it. The library's view of it is in region.c and permissions.c.
 */
#include "device.h"
#include "names.h"

#include <dirent.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statfs.h>

#define MODE_OF(bits) (S_IFREG | (bits))
#define NAME "name"
#define OTHER "other"
#define OWNER 1001
#define STRANGER 1002

/* The longest name, and one more. */
#define LONGEST \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define TOO_LONG LONGEST "f"

/*
 * Each test has a mount namespace of its own, with an instance in it that is
 * mounted at @path.
 */
FIXTURE(names)
{
	int device;
	int names;
	char path[32];
	struct shatomic_ioc_info before;
};

FIXTURE_SETUP(names)
{
	umask(0);
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	strcpy(self->path, "/tmp/names-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->path));
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("shatomic", self->path, "shatomic", 0, NULL));
	self->names = open(self->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, self->names);
}

FIXTURE_TEARDOWN(names)
{
	close(self->names);
	umount2(self->path, MNT_DETACH);
	rmdir(self->path);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

/* It keeps the mount busy. */
static void close_names(FIXTURE_DATA(names) *self)
{
	close(self->names);
	self->names = -1;
}

static int new_region(FIXTURE_DATA(names) *self, const char *name, mode_t mode)
{
	return create_named(self->device, self->names, name, 4096, 0, mode);
}

/* The name that a region has now, by its descriptor. */
static struct shatomic_ioc_region_info info_of(int region)
{
	struct shatomic_ioc_region_info info = { .size = sizeof(info) };

	if (ioctl(region, SHATOMIC_IOC_REGION_INFO, &info))
		strcpy((char *)info.name, "no region");
	return info;
}

#define NAME_OF(region) ((char *)info_of(region).name)

/* How many names there are in a directory, or -errno. */
static int count_names(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static const char *inside(FIXTURE_DATA(names) *self, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", self->path, name);
	return path;
}

/* In a child: become a user of no group but one, who has no capabilities. */
static void become_user(uid_t uid)
{
	if (setgid(uid) || setuid(uid))
		_exit(100);
}

/* Whether @call returns 0 in a child that is @uid; what is its errno else. */
#define AS(uid, call)                                                         \
	({                                                                    \
		pid_t child_ = fork();                                        \
									      \
		if (!child_) {                                                \
			become_user(uid);                                     \
			_exit((call) ? errno : 0);                            \
		}                                                             \
		wait_child(child_);                                           \
	})

TEST_F(names, a_region_appears_by_its_link)
{
	int region = create_nameless(self->device, self->names, 4096, 0, 0640);
	struct stat stat_of;
	int other;

	ASSERT_LE(0, region);
	EXPECT_EQ(0, count_names(self->path));
	EXPECT_STREQ("", NAME_OF(region));
	ASSERT_EQ(0, fstat(region, &stat_of));
	EXPECT_EQ(0, stat_of.st_nlink);

	ASSERT_EQ(0, name_region(region, self->names, NAME));
	EXPECT_EQ(1, count_names(self->path));
	EXPECT_STREQ(NAME, NAME_OF(region));
	EXPECT_EQ(SHATOMIC_CREATE_IN_DIRECTORY, info_of(region).create_flags);
	ASSERT_EQ(0, fstatat(self->names, NAME, &stat_of, 0));
	EXPECT_EQ(1, stat_of.st_nlink);
	EXPECT_EQ(4096, stat_of.st_size);
	EXPECT_EQ(MODE_OF(0640), stat_of.st_mode);
	EXPECT_EQ(0, stat_of.st_uid);

	ASSERT_EQ(4, pwrite(region, "word", 4, 0));
	other = open_named(self->names, NAME, O_RDWR);
	ASSERT_LE(0, other);
	close(region);
	close(other);
	/* The name alone keeps it. */
	other = open_named(self->names, NAME, O_RDONLY);
	ASSERT_LE(0, other);
	EXPECT_EQ(SHATOMIC_OPEN_READ_ONLY, info_of(other).open_flags);
	EXPECT_EQ(0, remove_name(self->names, NAME));
	close(other);
}

/* Root may do it without /proc. */
TEST_F(names, linked_by_descriptor)
{
	int region = create_nameless(self->device, self->names, 8, 0, 0600);

	ASSERT_EQ(0, linkat(region, "", self->names, NAME, AT_EMPTY_PATH));
	EXPECT_STREQ(NAME, NAME_OF(region));
	close(region);
}

TEST_F(names, a_region_has_one_name)
{
	int region = new_region(self, NAME, 0600);

	ASSERT_LE(0, region);
	EXPECT_EQ(-EMLINK, name_region(region, self->names, OTHER));
	EXPECT_EQ(-1, linkat(self->names, NAME, self->names, OTHER, 0));
	EXPECT_EQ(EMLINK, errno);
	EXPECT_EQ(1, count_names(self->path));
	close(region);
}

TEST_F(names, a_name_is_taken_once)
{
	int first = new_region(self, NAME, 0600);
	int second = create_nameless(self->device, self->names, 8, 0, 0600);

	EXPECT_EQ(-EEXIST, name_region(second, self->names, NAME));
	EXPECT_STREQ("", NAME_OF(second));
	EXPECT_EQ(0, remove_name(self->names, NAME));
	EXPECT_EQ(0, name_region(second, self->names, NAME));
	EXPECT_STREQ("", NAME_OF(first));
	close(first);
	close(second);
}

/* It keeps its content, and gets no name any more. */
TEST_F(names, unlinked_while_open)
{
	int region = new_region(self, NAME, 0600);
	char text[4] = "";

	ASSERT_EQ(4, pwrite(region, "word", 4, 0));
	ASSERT_EQ(0, remove_name(self->names, NAME));
	EXPECT_EQ(-ENOENT, open_named(self->names, NAME, O_RDWR));
	EXPECT_EQ(-ENOENT, remove_name(self->names, NAME));
	EXPECT_STREQ("", NAME_OF(region));
	EXPECT_EQ(4, pread(region, text, 4, 0));
	EXPECT_EQ(0, memcmp(text, "word", 4));
	EXPECT_EQ(-ENOENT, name_region(region, self->names, NAME));
	EXPECT_EQ(-1, linkat(region, "", self->names, NAME, AT_EMPTY_PATH));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, count_names(self->path));
	close(region);
}

/* One that is not in a directory of regions has none to get. */
TEST_F(names, created_without_a_directory)
{
	uint32_t limit;
	int region = create(self->device, 4096, 0, &limit);

	ASSERT_LE(0, region);
	EXPECT_EQ(-EXDEV, name_region(region, self->names, NAME));
	EXPECT_STREQ("", NAME_OF(region));
	close(region);
}

static const struct {
	const char *name;
	int err;
} odd_names[] = {
	{ "~", 0 },
	{ "!", 0 },
	{ LONGEST, 0 },
	{ "(deleted)\\n[heap]`$%\"'<>|&;*?{}#=+,:", 0 },
	{ ".name", EINVAL },
	{ "..name", EINVAL },
	{ "a name", EINVAL },
	{ " ", EINVAL },
	{ "a\nname", EINVAL },
	{ "\x1f", EINVAL },
	{ "a\x7f", EINVAL },
	{ "\xc3\xa9", EINVAL },
	{ TOO_LONG, EINVAL },
};

/* Whether the only name there is, if any, is the right one. */
static void expect_only(struct __test_metadata *_metadata,
			FIXTURE_DATA(names) *self, const char *name)
{
	EXPECT_EQ(1, count_names(self->path));
	EXPECT_EQ(0, faccessat(self->names, name, F_OK, 0))
	{
		TH_LOG("'%s' is not there", name);
	}
}

TEST_F(names, rules)
{
	unsigned int i;

	for (i = 0; i < COUNT_OF(odd_names); i++) {
		const char *name = odd_names[i].name;
		int err = odd_names[i].err;
		int region = create_nameless(self->device, self->names, 8, 0,
					     0600);

		EXPECT_EQ(-err, name_region(region, self->names, name))
		{
			TH_LOG("'%s' by linking", name);
		}
		if (err) {
			EXPECT_EQ(-ENOENT, open_named(self->names, name,
						      O_RDWR));
			ASSERT_EQ(0, name_region(region, self->names, NAME));
			EXPECT_EQ(-1, renameat(self->names, NAME, self->names,
					       name));
			EXPECT_EQ(err, errno)
			{
				TH_LOG("'%s' by renaming", name);
			}
			name = NAME;
		}
		expect_only(_metadata, self, name);
		EXPECT_STREQ(name, NAME_OF(region));
		EXPECT_EQ(0, remove_name(self->names, name));
		close(region);
	}
}

TEST_F(names, renamed)
{
	int region = new_region(self, NAME, 0600);
	int other = new_region(self, OTHER, 0600);

	EXPECT_EQ(-1, renameat2(self->names, NAME, self->names, OTHER,
				RENAME_NOREPLACE));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, renameat2(self->names, NAME, self->names, OTHER,
			       RENAME_EXCHANGE));
	EXPECT_STREQ(OTHER, NAME_OF(region));
	EXPECT_STREQ(NAME, NAME_OF(other));
	EXPECT_EQ(-1, renameat2(self->names, NAME, self->names, OTHER,
				RENAME_WHITEOUT));
	EXPECT_EQ(EINVAL, errno);
	/* What has a name is replaced, and has none then. */
	ASSERT_EQ(0, renameat(self->names, OTHER, self->names, NAME));
	EXPECT_STREQ(NAME, NAME_OF(region));
	EXPECT_STREQ("", NAME_OF(other));
	EXPECT_EQ(-ENOENT, name_region(other, self->names, OTHER));
	ASSERT_EQ(0, renameat2(self->names, NAME, self->names, "third",
			       RENAME_NOREPLACE));
	expect_only(_metadata, self, "third");
	EXPECT_STREQ("third", NAME_OF(region));
	close(region);
	close(other);
}

TEST_F(names, nothing_else_is_made_there)
{
	int region = new_region(self, NAME, 0600);
	int fd;

	EXPECT_EQ(-EACCES, open_named(self->names, OTHER, O_RDWR | O_CREAT));
	EXPECT_EQ(-EACCES, open_named(self->names, OTHER,
				      O_RDWR | O_CREAT | O_EXCL));
	EXPECT_EQ(-EEXIST, open_named(self->names, NAME,
				      O_RDWR | O_CREAT | O_EXCL));
	/* What is there already need not be made. */
	fd = open_named(self->names, NAME, O_RDWR | O_CREAT);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-EOPNOTSUPP, open_named(self->names, ".", O_RDWR | O_TMPFILE));
	EXPECT_EQ(-1, mkdirat(self->names, OTHER, 0700));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, symlinkat(NAME, self->names, OTHER));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mknodat(self->names, OTHER, S_IFIFO | 0600, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mknodat(self->names, OTHER, S_IFREG | 0600, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mknodat(self->names, OTHER, S_IFCHR | 0600, 0x103));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(1, count_names(self->path));
	close(region);
}

/* CREATE, with a descriptor that is not that of a directory of regions. */
TEST_F(names, what_is_no_directory_of_regions)
{
	struct shatomic_ioc_create create;
	int region = new_region(self, NAME, 0600);
	int fds[] = { -1, self->device, region, 4095,
		      open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC),
		      open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		      open_named(self->names, NAME, O_PATH) };
	unsigned int i;

	for (i = 0; i < COUNT_OF(fds); i++) {
		create = (struct shatomic_ioc_create){
			.size = sizeof(create), .region_size = 8,
			.flags = SHATOMIC_CREATE_IN_DIRECTORY,
			.directory = fds[i],
		};
		EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, &create));
		EXPECT_EQ(EBADF, errno)
		{
			TH_LOG("case %u", i);
		}
		EXPECT_EQ(SHATOMIC_FIELD_DIRECTORY, create.error_field);
		EXPECT_GT(0, create.fd);
	}
	close(fds[4]);
	close(fds[5]);
	close(fds[6]);
	close(region);
}

/* In a child, who is @uid: the errno and error_field of CREATE, as one number. */
static int try_create(FIXTURE_DATA(names) *self, uid_t uid)
{
	struct shatomic_ioc_create create = {
		.size = sizeof(create), .region_size = 8,
		.flags = SHATOMIC_CREATE_IN_DIRECTORY,
		.directory = self->names,
	};
	pid_t child = fork();

	if (!child) {
		become_user(uid);
		if (!ioctl(self->device, SHATOMIC_IOC_CREATE, &create))
			_exit(0);
		_exit(create.error_field == SHATOMIC_FIELD_DIRECTORY ? errno :
								       255);
	}
	return wait_child(child);
}

TEST_F(names, who_may_create)
{
	EXPECT_EQ(0, try_create(self, OWNER));
	ASSERT_EQ(0, chmod(self->path, 01770));
	EXPECT_EQ(EACCES, try_create(self, OWNER));
	ASSERT_EQ(0, chown(self->path, 0, OWNER));
	EXPECT_EQ(0, try_create(self, OWNER));
	ASSERT_EQ(0, chmod(self->path, 01750));
	EXPECT_EQ(EACCES, try_create(self, OWNER));
	/* To get on to names takes no less. */
	ASSERT_EQ(0, chmod(self->path, 01766));
	EXPECT_EQ(EACCES, try_create(self, STRANGER));
}

/* Whether a file that the caller owns gets a name: 0 or -1 and errno. */
static int link_one(FIXTURE_DATA(names) *self)
{
	int region = create_nameless(self->device, self->names, 8, 0, 0600);
	int err = region < 0 ? region : name_region(region, self->names, OTHER);

	errno = -err;
	return err ? -1 : 0;
}

TEST_F(names, who_may_name_and_remove)
{
	int region = new_region(self, NAME, 0666);

	EXPECT_EQ(0, AS(OWNER, link_one(self)));
	/* Sticky: one's own only, removed or renamed or replaced. */
	EXPECT_EQ(EPERM, AS(OWNER, unlinkat(self->names, NAME, 0)));
	EXPECT_EQ(EPERM, AS(STRANGER, unlinkat(self->names, OTHER, 0)));
	EXPECT_EQ(EPERM, AS(STRANGER, renameat(self->names, OTHER, self->names,
					       "third")));
	EXPECT_EQ(EPERM, AS(OWNER, renameat(self->names, OTHER, self->names,
					    NAME)));
	EXPECT_EQ(0, AS(OWNER, unlinkat(self->names, OTHER, 0)));
	/* Without, everybody's who may write to the directory. */
	ASSERT_EQ(0, chmod(self->path, 0777));
	EXPECT_EQ(0, AS(OWNER, renameat(self->names, NAME, self->names,
					OTHER)));
	EXPECT_EQ(0, AS(OWNER, unlinkat(self->names, OTHER, 0)));
	ASSERT_EQ(0, chmod(self->path, 0755));
	EXPECT_EQ(EACCES, AS(OWNER, link_one(self)));
	close(region);
}

static int open_and_close(FIXTURE_DATA(names) *self, int flags)
{
	int fd = open_named(self->names, NAME, flags);

	if (fd < 0) {
		errno = -fd;
		return -1;
	}
	return close(fd);
}

/* Mode and owner are those of a file, and may be changed. */
TEST_F(names, who_may_open)
{
	int region = new_region(self, NAME, 0640);

	EXPECT_EQ(EACCES, AS(OWNER, open_and_close(self, O_RDONLY)));
	ASSERT_EQ(0, fchownat(self->names, NAME, 5, OWNER, 0));
	EXPECT_EQ(0, AS(OWNER, open_and_close(self, O_RDONLY)));
	EXPECT_EQ(EACCES, AS(OWNER, open_and_close(self, O_RDWR)));
	ASSERT_EQ(0, fchmodat(self->names, NAME, 0660, 0));
	EXPECT_EQ(0, AS(OWNER, open_and_close(self, O_RDWR)));
	EXPECT_EQ(EPERM, AS(OWNER, fchmodat(self->names, NAME, 0666, 0)));
	EXPECT_EQ(EPERM, AS(OWNER, fchownat(self->names, NAME, OWNER, OWNER,
					    0)));
	EXPECT_EQ(EACCES, AS(STRANGER, open_and_close(self, O_RDONLY)));
	EXPECT_EQ(0660, info_of(region).mode);
	EXPECT_EQ(5, info_of(region).uid);
	EXPECT_EQ(OWNER, info_of(region).gid);
	/* The directory's mode counts as well. */
	ASSERT_EQ(0, chmod(self->path, 01770));
	EXPECT_EQ(EACCES, AS(OWNER, open_and_close(self, O_RDWR)));
	close(region);
}

TEST_F(names, mode_less_umask)
{
	struct stat stat_of;
	int region;

	umask(027);
	region = new_region(self, NAME, 0666);
	ASSERT_EQ(0, fstat(region, &stat_of));
	EXPECT_EQ(MODE_OF(0640), stat_of.st_mode);
	close(region);
	umask(0);
}

/* Its size is fixed, whatever a file could be made to. */
TEST_F(names, sizes_stay)
{
	int region = new_region(self, NAME, 0600);
	struct stat stat_of;

	EXPECT_EQ(-1, truncate(inside(self, NAME), 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-EPERM, open_named(self->names, NAME, O_RDWR | O_TRUNC));
	EXPECT_EQ(-1, ftruncate(region, 8192));
	ASSERT_EQ(0, fstat(region, &stat_of));
	EXPECT_EQ(4096, stat_of.st_size);
	close(region);
}

/* Read an event of the directory; its mask, and whether it is about @name. */
static uint32_t next_event(int inotify, const char *name)
{
	_Alignas(struct inotify_event) char buffer[512];
	struct inotify_event *event = (struct inotify_event *)buffer;

	/* One at a time: the next has no room. */
	if (read(inotify, buffer, sizeof(*event) + 16) <= 0)
		return 0;
	return strcmp(event->name, name) ? 0 : event->mask;
}

TEST_F(names, watched)
{
	int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int region;

	ASSERT_LE(0, inotify_add_watch(inotify, self->path,
				       IN_CREATE | IN_DELETE | IN_MOVE |
				       IN_ATTRIB));
	region = new_region(self, NAME, 0600);
	EXPECT_EQ(IN_CREATE, next_event(inotify, NAME));
	ASSERT_EQ(0, fchmodat(self->names, NAME, 0640, 0));
	EXPECT_EQ(IN_ATTRIB, next_event(inotify, NAME));
	ASSERT_EQ(0, renameat(self->names, NAME, self->names, OTHER));
	EXPECT_EQ(IN_MOVED_FROM, next_event(inotify, NAME));
	EXPECT_EQ(IN_MOVED_TO, next_event(inotify, OTHER));
	ASSERT_EQ(0, remove_name(self->names, OTHER));
	EXPECT_EQ(IN_DELETE, next_event(inotify, OTHER));
	close(region);
	close(inotify);
}

TEST_F(names, listed)
{
	char name[SHATOMIC_NAME_SIZE];
	unsigned int i;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		close(new_region(self, name, 0600));
	}
	EXPECT_EQ(100, count_names(self->path));
	for (i = 0; i < 100; i += 2) {
		snprintf(name, sizeof(name), "name-%u", i);
		EXPECT_EQ(0, remove_name(self->names, name));
	}
	EXPECT_EQ(50, count_names(self->path));
}

/* Memory is charged as long as the name or a descriptor keeps it, no longer. */
TEST_F(names, charged_until_removed_and_closed)
{
	uint64_t before = self->before.pinned_bytes;
	int region = create_named(self->device, self->names, NAME, MIB, 0,
				  0600);

	close(region);
	EXPECT_EQ(before + MIB, get_info(self->device).pinned_bytes);
	region = open_named(self->names, NAME, O_RDONLY);
	ASSERT_EQ(0, remove_name(self->names, NAME));
	EXPECT_EQ(before + MIB, get_info(self->device).pinned_bytes);
	close(region);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

TEST_F(names, an_unmount_frees_them)
{
	close(create_named(self->device, self->names, NAME, MIB, 0, 0600));
	close(create_named(self->device, self->names, OTHER, MIB,
			   SHATOMIC_CREATE_ASYNC_FREE, 0600));
	EXPECT_EQ(self->before.regions + 2, get_info(self->device).regions);
	close_names(self);
	ASSERT_EQ(0, umount(self->path));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	EXPECT_EQ(0, count_names(self->path));
}

/* But for those that are open, mapped or nameless still. */
TEST_F(names, an_unmount_waits_for_what_is_open)
{
	uint64_t before = self->before.pinned_bytes;
	int region = create_named(self->device, self->names, NAME, MIB, 0,
				  0600);
	uint64_t *words;

	close(create_named(self->device, self->names, OTHER, MIB, 0, 0600));
	EXPECT_EQ(-1, umount(self->path));
	EXPECT_EQ(EBUSY, errno);
	close_names(self);
	ASSERT_EQ(0, umount2(self->path, MNT_DETACH));
	EXPECT_EQ(-1, access(inside(self, NAME), F_OK));
	EXPECT_EQ(ENOENT, errno);
	/* The other one's name keeps it for as long as the instance stays. */
	EXPECT_EQ(before + 2 * MIB, get_info(self->device).pinned_bytes);

	words = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, region, 0);
	ASSERT_NE(MAP_FAILED, words);
	close(region);
	words[1] = 1;
	EXPECT_EQ(before + 2 * MIB, get_info(self->device).pinned_bytes);
	munmap(words, MIB);
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

TEST_F(names, a_nameless_region_keeps_the_mount_busy)
{
	int region = create_nameless(self->device, self->names, 8, 0, 0600);

	close_names(self);
	EXPECT_EQ(-1, umount(self->path));
	EXPECT_EQ(EBUSY, errno);
	close(region);
	EXPECT_EQ(0, umount(self->path));
}

TEST_F(names, mounted_read_only)
{
	struct shatomic_ioc_create create = {
		.size = sizeof(create), .region_size = 8,
		.flags = SHATOMIC_CREATE_IN_DIRECTORY,
		.directory = self->names,
	};
	int region = create_nameless(self->device, self->names, 8, 0, 0600);
	int reader;

	close(new_region(self, NAME, 0600));
	/* Not while anything is open to write. */
	EXPECT_EQ(-1, mount(NULL, self->path, NULL, MS_REMOUNT | MS_RDONLY,
			    NULL));
	EXPECT_EQ(EBUSY, errno);
	close(region);
	ASSERT_EQ(0, mount(NULL, self->path, NULL, MS_REMOUNT | MS_RDONLY,
			   NULL));
	EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, &create));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(SHATOMIC_FIELD_DIRECTORY, create.error_field);
	EXPECT_EQ(-EROFS, remove_name(self->names, NAME));
	EXPECT_EQ(-EROFS, open_named(self->names, NAME, O_RDWR));
	EXPECT_EQ(-1, fchmodat(self->names, NAME, 0666, 0));
	EXPECT_EQ(EROFS, errno);
	reader = open_named(self->names, NAME, O_RDONLY);
	EXPECT_LE(0, reader);
	close(reader);

	ASSERT_EQ(0, mount(NULL, self->path, NULL, MS_REMOUNT, NULL));
	EXPECT_EQ(0, remove_name(self->names, NAME));
}

/* One view of it may be read-only, as a container's. */
TEST_F(names, bound_read_only)
{
	struct shatomic_ioc_create create = {
		.size = sizeof(create), .region_size = 8,
		.flags = SHATOMIC_CREATE_IN_DIRECTORY,
	};
	char path[] = "/tmp/names-XXXXXX";
	int region;

	ASSERT_NE(NULL, mkdtemp(path));
	ASSERT_EQ(0, mount(self->path, path, NULL, MS_BIND, NULL));
	ASSERT_EQ(0, mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
			   NULL));
	create.directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(-1, ioctl(self->device, SHATOMIC_IOC_CREATE, &create));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(SHATOMIC_FIELD_DIRECTORY, create.error_field);
	region = new_region(self, NAME, 0600);
	EXPECT_LE(0, region);
	EXPECT_EQ(-EROFS, open_named(create.directory, NAME, O_RDWR));
	close(region);
	region = open_named(create.directory, NAME, O_RDONLY);
	EXPECT_LE(0, region);
	close(region);
	close(create.directory);
	EXPECT_EQ(0, umount(path));
	rmdir(path);
}

TEST_F(names, each_mount_is_an_instance)
{
	int other_names = new_names();
	int region = new_region(self, NAME, 0600);
	int nameless = create_nameless(self->device, self->names, 8, 0, 0600);
	int other;

	ASSERT_LE(0, other_names);
	EXPECT_EQ(-ENOENT, open_named(other_names, NAME, O_RDWR));
	other = create_named(self->device, other_names, NAME, 4096, 0, 0600);
	ASSERT_LE(0, other);
	ASSERT_EQ(1, pwrite(other, "x", 1, 0));
	EXPECT_EQ(-EXDEV, name_region(nameless, other_names, OTHER));
	EXPECT_EQ(-1, renameat(self->names, NAME, other_names, OTHER));
	EXPECT_EQ(EXDEV, errno);
	EXPECT_EQ(0, remove_name(other_names, NAME));
	EXPECT_STREQ(NAME, NAME_OF(region));
	EXPECT_EQ(1, count_names(self->path));
	close(other);
	close(other_names);
	close(nameless);
	close(region);
}

/* The options of the mount at @path, as /proc tells them. */
static void read_options(const char *path, char *options, size_t size)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], at[64], found[256];

	options[0] = '\0';
	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "shatomic %63s shatomic %255s", at, found) ==
			    2 &&
		    !strcmp(at, path))
			snprintf(options, size, "%s", found);
	}
	if (mounts)
		fclose(mounts);
}

/* Those of the filesystem, behind those of any. */
static const char *own_options(const char *options)
{
	const char *at = strstr(options, "relatime,");

	return at ? at + strlen("relatime,") : options;
}

static bool has_option(const char *options, const char *option)
{
	char all[300], wanted[64];

	snprintf(all, sizeof(all), ",%s,", options);
	snprintf(wanted, sizeof(wanted), ",%s,", option);
	return strstr(all, wanted);
}

/* What options say the directory is, and what is told goes in again. */
TEST_F(names, mount_options)
{
	char options[256];
	struct stat stat_of;

	ASSERT_EQ(0, stat(self->path, &stat_of));
	EXPECT_EQ(S_IFDIR | 01777, stat_of.st_mode);
	EXPECT_EQ(0, stat_of.st_uid);
	EXPECT_EQ(0, stat_of.st_gid);

	ASSERT_EQ(0, mount("shatomic", self->path, "shatomic", 0,
			   "mode=1750,uid=7,gid=900"));
	ASSERT_EQ(0, stat(self->path, &stat_of));
	EXPECT_EQ(S_IFDIR | 01750, stat_of.st_mode);
	EXPECT_EQ(7, stat_of.st_uid);
	EXPECT_EQ(900, stat_of.st_gid);
	read_options(self->path, options, sizeof(options));
	EXPECT_TRUE(has_option(options, "mode=1750"));
	EXPECT_TRUE(has_option(options, "uid=7"));
	EXPECT_TRUE(has_option(options, "gid=900"));
	ASSERT_EQ(0, umount(self->path));

	ASSERT_EQ(0, mount("shatomic", self->path, "shatomic", 0,
			   own_options(options)));
	ASSERT_EQ(0, stat(self->path, &stat_of));
	EXPECT_EQ(S_IFDIR | 01750, stat_of.st_mode);
	EXPECT_EQ(7, stat_of.st_uid);
	EXPECT_EQ(900, stat_of.st_gid);
	ASSERT_EQ(0, umount(self->path));
}

TEST_F(names, bad_mount_options)
{
	static const char *const bad[] = {
		"mode=10000", "mode=8", "mode=", "mode", "mode=-1", "uid=-1",
		"uid=4294967295", "gid=many", "size=1M", "frobnicate",
	};
	unsigned int i;

	for (i = 0; i < COUNT_OF(bad); i++) {
		EXPECT_EQ(-1, mount("shatomic", self->path, "shatomic", 0,
				    bad[i]))
		{
			TH_LOG("%s", bad[i]);
			umount(self->path);
		}
		EXPECT_EQ(EINVAL, errno);
	}
}

TEST_F(names, what_the_filesystem_is)
{
	struct statfs statfs_of;
	struct stat directory, file;
	int region = new_region(self, NAME, 0600);

	ASSERT_EQ(0, statfs(self->path, &statfs_of));
	EXPECT_EQ(SHATOMIC_SUPER_MAGIC, statfs_of.f_type);
	EXPECT_LE(SHATOMIC_NAME_SIZE - 1, statfs_of.f_namelen);
	ASSERT_EQ(0, stat(self->path, &directory));
	ASSERT_EQ(0, fstat(region, &file));
	EXPECT_EQ(directory.st_dev, file.st_dev);
	EXPECT_NE(directory.st_ino, file.st_ino);
	ASSERT_EQ(0, fstatfs(region, &statfs_of));
	EXPECT_EQ(SHATOMIC_SUPER_MAGIC, statfs_of.f_type);
	close(region);
}

/* In a child: make user and mount namespaces of one's own. */
static void enter_namespaces(uid_t uid)
{
	char text[64];

	become_user(uid);
	/* What /proc/self has is his again. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		_exit(101);
	snprintf(text, sizeof(text), "0 %u 1", uid);
	if (write_text("/proc/self/setgroups", "deny") ||
	    write_text("/proc/self/uid_map", text) ||
	    write_text("/proc/self/gid_map", text))
		_exit(102);
}

/*
 * What is not as it should be of an instance that a user without privilege has
 * mounted, or 0.
 */
static int use_own_mount(FIXTURE_DATA(names) *self)
{
	struct stat stat_of;
	int names, region;

	if (mount("shatomic", self->path, "shatomic", 0, "mode=0700"))
		return 1;
	names = open(self->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (stat(self->path, &stat_of) || stat_of.st_uid ||
	    count_names(self->path))
		return 2;
	region = create_named(self->device, names, NAME, 8, 0, 0600);
	if (region < 0)
		return 3;
	if (info_of(region).uid || info_of(region).gid)
		return 4;
	/* Ids that are not his are none there. */
	if (!fchown(region, OWNER, -1) || errno != EINVAL)
		return 5;
	if (mount("shatomic", self->path, "shatomic", 0, "uid=1001") != -1)
		return 6;
	/* Others' regions stay what they are. */
	if (open_named(self->names, NAME, O_RDWR) != -EACCES ||
	    remove_name(self->names, NAME) != -EPERM)
		return 7;
	return 0;
}

TEST_F(names, mounted_by_a_user_in_a_namespace)
{
	int region = new_region(self, NAME, 0600);
	pid_t child = fork();

	if (!child) {
		enter_namespaces(STRANGER);
		_exit(use_own_mount(self));
	}
	EXPECT_EQ(0, wait_child(child));
	/* All of it went with the namespace. */
	close(region);
	EXPECT_EQ(0, remove_name(self->names, NAME));
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
}

/* What they mount is charged to them, namespaces or not. */
TEST_F(names, namespaces_lift_no_limit)
{
	struct rlimit memlock = { 4096, 4096 };
	pid_t child = fork();

	if (!child) {
		int names;

		if (setrlimit(RLIMIT_MEMLOCK, &memlock))
			_exit(103);
		enter_namespaces(STRANGER);
		if (mount("shatomic", self->path, "shatomic", 0, NULL))
			_exit(1);
		names = open(self->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(create_named(self->device, names, NAME, 4096, 0, 0600));
		_exit(create_nameless(self->device, names, 1, 0, 0600) !=
		      -EPERM);
	}
	EXPECT_EQ(0, wait_child(child));
}

TEST_F(names, a_region_is_no_directory)
{
	int region = new_region(self, NAME, 0600);

	EXPECT_EQ(-1, access(inside(self, NAME "/" OTHER), F_OK));
	EXPECT_EQ(ENOTDIR, errno);
	EXPECT_EQ(-1, rmdir(inside(self, NAME)));
	EXPECT_EQ(ENOTDIR, errno);
	close(region);
}

TEST_HARNESS_MAIN
