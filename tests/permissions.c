// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what with a region, on the backend of SHATOMIC_BACKEND: one table
 * of users, namespaces, and the region's owner and mode. What anybody may do by
 * a descriptor, opened by name or passed over a socket, is tried for each.
 *
 * Names are files: of the memfd backend in /dev/shm, of the device in
 * /run/shatomic. Other names are had by a mount namespace in which both are
 * mounts of its own.
 */
#include "common.h"
#include "names.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define DEVICE "/dev/shatomic"
#define NAMES "/run/shatomic"
#define PROTECTED_LINKS "/proc/sys/fs/protected_hardlinks"

/* The users and groups that the box has, where they begin with 0. */
#define BOX_FIRST 2000
#define BOX_COUNT 10

#define OWNER 2001
#define OTHER 2002
/* Who has no number in the box. */
#define STRANGER 3001

#define UNMAPPED 65534

#define ALL_CAPS UINT64_MAX
#define CAP(name) (1ULL << CAP_##name)
#define DAC_CAPS (CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH))

/* Where one is, and so which names one sees. */
enum place {
	HERE,		/* as the test itself */
	SECOND,		/* other names, the same users */
	BOX,		/* a container: other names, and users of its own */
	OWN,		/* one made by the user himself, who is all there is */
	NOWHERE,	/* of regions: without a name */
};

static const char *const places[] = { "here", "second", "the box", "his own",
				      "nowhere" };

/* Whom actors[] has. */
enum who {
	THE_OWNER,
	THE_OTHER,
	MEMBER,
	SETUID_TO_OWNER,
	SETUID_BY_OWNER,
	ROOT,
	ROOT_NO_OVERRIDE,
	ROOT_NO_FOWNER,
	ROOT_NO_CAPS,
	WITH_OVERRIDE,
	WITH_READ_SEARCH,
	WITH_FOWNER,
	BOX_ROOT,
	BOX_OWNER,
	BOX_OTHER,
	OWN_ROOT,
};

/**
 * struct actor - A kind of user
 * @what: What to call him.
 * @uid: Real user ID, as seen from here; so are the others.
 * @euid: Effective user ID.
 * @gid: Group ID.
 * @member_of: Another group, or 0.
 * @caps: The capabilities that he keeps.
 * @in: BOX or OWN when he is in that user namespace, which is another matter
 *	than where he looks for names.
 */
static const struct actor {
	const char *what;
	uid_t uid;
	uid_t euid;
	gid_t gid;
	gid_t member_of;
	uint64_t caps;
	enum place in;
} actors[] = {
#define PERSON(what, id, group, caps, in) \
	{ what, id, id, id, group, caps, in }
	[THE_OWNER] = PERSON("owner", OWNER, 0, 0, HERE),
	[THE_OTHER] = PERSON("other", OTHER, 0, 0, HERE),
	[MEMBER] = PERSON("member of the group", OTHER, OWNER, 0, HERE),
	/* Who counts is the effective one. */
	[SETUID_TO_OWNER] = { "setuid program of the owner's", OTHER, OWNER,
			      OTHER, 0, 0, HERE },
	[SETUID_BY_OWNER] = { "setuid program that the owner runs", OWNER,
			      OTHER, OTHER, 0, 0, HERE },
	[ROOT] = PERSON("root", 0, 0, ALL_CAPS, HERE),
	[ROOT_NO_OVERRIDE] = PERSON("root without CAP_DAC_OVERRIDE", 0, 0,
				    ALL_CAPS & ~DAC_CAPS, HERE),
	[ROOT_NO_FOWNER] = PERSON("root without CAP_FOWNER", 0, 0,
				  ALL_CAPS & ~CAP(FOWNER), HERE),
	[ROOT_NO_CAPS] = PERSON("root without capabilities", 0, 0, 0, HERE),
	[WITH_OVERRIDE] = PERSON("other with CAP_DAC_OVERRIDE", OTHER, 0,
				 CAP(DAC_OVERRIDE), HERE),
	[WITH_READ_SEARCH] = PERSON("other with CAP_DAC_READ_SEARCH", OTHER,
				    0, CAP(DAC_READ_SEARCH), HERE),
	[WITH_FOWNER] = PERSON("other with CAP_FOWNER", OTHER, 0, CAP(FOWNER),
			       HERE),
	[BOX_ROOT] = PERSON("root of the box", BOX_FIRST, 0, ALL_CAPS, BOX),
	[BOX_OWNER] = PERSON("owner in the box", OWNER, 0, 0, BOX),
	[BOX_OTHER] = PERSON("other in the box", OTHER, 0, 0, BOX),
	[OWN_ROOT] = PERSON("root of a namespace of his own", OTHER, 0,
			    ALL_CAPS, OWN),
};

/**
 * struct row - A region, who comes to it, and what that gives
 * @owner: Whose region.
 * @mode: Its mode; 0600 stands for that of one without a name, too.
 * @at: Where its name is.
 * @who: Who comes.
 * @from: Where he is.
 * @write: The error for opening it to write, by name or anew by way of /proc
 *	with a descriptor that was passed to him. From elsewhere than @at there
 *	is no such name.
 * @read: The same, read-only.
 * @unlink: The error for unlinking it, where there is the name.
 * @link: The error for giving another such region, whose descriptor was passed to
 *	him, a name where he is. He must own it, whatever its mode.
 */
struct row {
	uid_t owner;
	mode_t mode;
	enum place at;
	enum who who;
	enum place from;
	int write;
	int read;
	int unlink;
	int link;
};

#define NOT EACCES
#define NO_LINK EPERM
#define ELSEWHERE EXDEV

static const struct row rows[] = {
	{ OWNER, 0600, HERE, THE_OWNER, HERE, 0, 0, 0, 0 },
	{ OWNER, 0400, HERE, THE_OWNER, HERE, NOT, 0, 0, 0 },
	{ OWNER, 0200, HERE, THE_OWNER, HERE, NOT, NOT, 0, 0 },
	/* The owner is no member of the group. */
	{ OWNER, 0066, HERE, THE_OWNER, HERE, NOT, NOT, 0, 0 },
	{ OWNER, 0600, HERE, THE_OTHER, HERE, NOT, NOT, NOT, NO_LINK },
	{ OWNER, 0644, HERE, THE_OTHER, HERE, NOT, 0, NOT, NO_LINK },
	{ OWNER, 0666, HERE, THE_OTHER, HERE, 0, 0, NOT, NO_LINK },
	{ OWNER, 0660, HERE, THE_OTHER, HERE, NOT, NOT, NOT, NO_LINK },
	{ OWNER, 0662, HERE, THE_OTHER, HERE, NOT, NOT, NOT, NO_LINK },
	{ OWNER, 0660, HERE, MEMBER, HERE, 0, 0, NOT, NO_LINK },
	{ OWNER, 0640, HERE, MEMBER, HERE, NOT, 0, NOT, NO_LINK },
	{ OWNER, 0606, HERE, MEMBER, HERE, NOT, NOT, NOT, NO_LINK },
	{ OWNER, 0600, HERE, SETUID_TO_OWNER, HERE, 0, 0, 0, 0 },
	{ OWNER, 0600, HERE, SETUID_BY_OWNER, HERE, NOT, NOT, NOT, NO_LINK },
	{ OWNER, 0600, HERE, ROOT, HERE, 0, 0, 0, 0 },
	{ OWNER, 0000, HERE, ROOT, HERE, 0, 0, 0, 0 },
	{ OWNER, 0600, HERE, ROOT_NO_OVERRIDE, HERE, NOT, NOT, 0, 0 },
	/* The directory is his. */
	{ OWNER, 0600, HERE, ROOT_NO_FOWNER, HERE, 0, 0, 0, NO_LINK },
	{ OWNER, 0600, HERE, ROOT_NO_CAPS, HERE, NOT, NOT, 0, NO_LINK },
	{ OWNER, 0600, HERE, WITH_OVERRIDE, HERE, 0, 0, NOT, NO_LINK },
	{ OWNER, 0600, HERE, WITH_READ_SEARCH, HERE, NOT, 0, NOT, NO_LINK },
	{ OWNER, 0600, HERE, WITH_FOWNER, HERE, NOT, NOT, 0, 0 },

	/* Without a name, whoever has a descriptor has no more than that. */
	{ OWNER, 0600, NOWHERE, THE_OWNER, HERE, 0, 0, 0, 0 },
	{ OWNER, 0600, NOWHERE, THE_OTHER, HERE, NOT, NOT, 0, NO_LINK },
	{ OWNER, 0600, NOWHERE, MEMBER, HERE, NOT, NOT, 0, NO_LINK },
	{ OWNER, 0600, NOWHERE, ROOT, HERE, 0, 0, 0, 0 },
	{ OWNER, 0600, NOWHERE, BOX_ROOT, BOX, 0, 0, 0, ELSEWHERE },
	{ STRANGER, 0600, NOWHERE, BOX_ROOT, BOX, NOT, NOT, 0, ELSEWHERE },
	{ OWNER, 0600, NOWHERE, OWN_ROOT, OWN, NOT, NOT, 0, ELSEWHERE },

	/* Names are seen where they are alone; descriptors work anywhere. */
	{ OWNER, 0600, HERE, THE_OWNER, SECOND, 0, 0, 0, ELSEWHERE },
	{ OWNER, 0600, SECOND, THE_OWNER, HERE, 0, 0, 0, ELSEWHERE },
	{ OWNER, 0600, SECOND, THE_OWNER, SECOND, 0, 0, 0, 0 },
	{ OWNER, 0600, SECOND, THE_OTHER, SECOND, NOT, NOT, NOT, NO_LINK },
	{ OWNER, 0644, SECOND, THE_OTHER, HERE, NOT, 0, NOT, ELSEWHERE },
	{ OWNER, 0600, SECOND, ROOT, HERE, 0, 0, 0, ELSEWHERE },
	{ OWNER, 0600, SECOND, ROOT, SECOND, 0, 0, 0, 0 },

	/* A container, those in it, and those who come in from outside. */
	{ OWNER, 0600, BOX, BOX_OWNER, BOX, 0, 0, 0, 0 },
	{ OWNER, 0600, BOX, BOX_OTHER, BOX, NOT, NOT, NOT, NO_LINK },
	{ OWNER, 0644, BOX, BOX_OTHER, BOX, NOT, 0, NOT, NO_LINK },
	{ OWNER, 0600, BOX, BOX_ROOT, BOX, 0, 0, 0, 0 },
	{ OWNER, 0600, BOX, THE_OWNER, BOX, 0, 0, 0, 0 },
	{ OWNER, 0600, BOX, THE_OTHER, BOX, NOT, NOT, NOT, NO_LINK },
	/* To name one, he would need a number in the box. */
	{ OWNER, 0600, BOX, ROOT, BOX, 0, 0, 0, EOVERFLOW },
	{ OWNER, 0600, BOX, ROOT, HERE, 0, 0, 0, ELSEWHERE },
	{ OWNER, 0666, BOX, THE_OTHER, HERE, 0, 0, NOT, ELSEWHERE },

	/* Outside, a container's root is root over its own users, no others. */
	{ OWNER, 0600, HERE, BOX_ROOT, BOX, 0, 0, 0, ELSEWHERE },
	{ OWNER, 0600, HERE, BOX_ROOT, HERE, 0, 0, 0, 0 },
	{ OWNER, 0600, HERE, BOX_OTHER, HERE, NOT, NOT, NOT, NO_LINK },
	{ STRANGER, 0600, HERE, BOX_ROOT, BOX, NOT, NOT, NOT, ELSEWHERE },
	{ STRANGER, 0600, HERE, BOX_ROOT, HERE, NOT, NOT, NOT, NO_LINK },
	{ STRANGER, 0644, HERE, BOX_ROOT, HERE, NOT, 0, NOT, NO_LINK },
	{ STRANGER, 0666, HERE, BOX_ROOT, HERE, 0, 0, NOT, NO_LINK },
	{ 0, 0600, HERE, BOX_ROOT, BOX, NOT, NOT, NOT, ELSEWHERE },
	{ 0, 0600, HERE, BOX_ROOT, HERE, NOT, NOT, NOT, NO_LINK },

	/* Who makes namespaces to be root in gets nothing by that. */
	{ OWNER, 0600, HERE, OWN_ROOT, OWN, NOT, NOT, NOT, ELSEWHERE },
	{ OWNER, 0644, HERE, OWN_ROOT, OWN, NOT, 0, NOT, ELSEWHERE },
	{ OTHER, 0600, HERE, OWN_ROOT, OWN, 0, 0, 0, ELSEWHERE },
};

/* What does not match, in a child; its count is the child's exit status. */
static int mismatches;

static void expect(const char *what, long long expected, long long got)
{
	if (expected == got)
		return;
	printf("# %s: expected %lld, got %lld\n", what, expected, got);
	fflush(stdout);
	mismatches++;
}

static bool is_device(const struct shatomic_region *region)
{
	struct shatomic_info info;

	return !shatomic_get_info(region, &info) &&
	       info.backend == SHATOMIC_BACKEND_DEVICE;
}

static int send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return fd;
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A region that may be written to, by whatever way. */
static void check_writer(struct shatomic_region *region)
{
	uint64_t offset = 8, operand = 1, result = 0;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_ADD_AND_FETCH, .width = 8, .rows = 1,
		.offsets = &offset, .operands = &operand, .results = &result,
	};
	struct shatomic_info info;
	uint64_t *word = shatomic_at(region, 8, 8);

	expect("info", 0, shatomic_get_info(region, &info));
	expect("writable", 1, info.writable);
	shatomic_set_u64(word, 70);
	expect("a batch that writes", 0, shatomic_batch_run(region, &batch));
	expect("its result", 71, result);
	expect("pwrite", 8, pwrite(shatomic_fd(region), word, 8, 16));
}

/* The kernel writes to it for nobody, either. */
static void check_no_other_way(int fd, char *memory)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	expect("/proc/self/mem", true, mem >= 0);
	expect("writing by way of it", -1,
	       pwrite(mem, "x", 1, (uintptr_t)memory));
	close(mem);
	expect("mapping it to write", true,
	       mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	expect("its error", EACCES, errno);
	expect("mprotect", -1, mprotect(memory, 4096, PROT_READ | PROT_WRITE));
	expect("its error", EACCES, errno);
	expect("pwrite", -1, pwrite(fd, "x", 1, 0));
	expect("its error", EBADF, errno);
	expect("ftruncate", -1, ftruncate(fd, 0));
	expect("fallocate", -1, fallocate(fd, 0, 0, 4096));
}

/*
 * A region that may be read only, by whatever way; @writer is the same, or
 * another, that may be written to. Its word at 8 is 77.
 */
static void check_reader(struct shatomic_region *reader,
			 struct shatomic_region *writer)
{
	uint64_t offset = 8, operand = 1, result = 0;
	struct shatomic_batch batch = {
		.op = SHATOMIC_OP_FETCH_AND_ADD, .width = 8, .rows = 1,
		.offsets = &offset, .operands = &operand, .results = &result,
	};
	char *memory = shatomic_buf(reader, NULL);
	struct shatomic_info info;

	expect("info", 0, shatomic_get_info(reader, &info));
	expect("writable", 0, info.writable);
	expect("word", 77, shatomic_get_u64(shatomic_at(reader, 8, 8)));
	check_no_other_way(shatomic_fd(reader), memory);

	expect("a batch that writes", -EACCES,
	       shatomic_batch_run(reader, &batch));
	expect("its row", 0, batch.error_row);
	expect("its field", SHATOMIC_FIELD_OP, batch.error_field);
	expect("a local one", -EACCES,
	       shatomic_batch_run_local(reader, &batch));
	batch.op = SHATOMIC_OP_GET;
	expect("a batch that reads", 0, shatomic_batch_run(reader, &batch));
	expect("its result", 77, result);

	batch.columns = reader;
	batch.operands = NULL;
	batch.offsets = (uint64_t *)memory;
	batch.results = (uint64_t *)(memory + 64);
	expect("results in it", -EACCES, shatomic_batch_run(writer, &batch));
	expect("their field", SHATOMIC_FIELD_RESULTS, batch.error_field);
	batch.columns = NULL;
	batch.operands = &operand;
	batch.offsets = &offset;
	batch.results = &result;

	batch.peers = &reader;
	batch.peer_count = 1;
	batch.peer_offsets = &offset;
	batch.op = SHATOMIC_OP_COMPARE_AND_SET;
	expect("a peer to write to", -EACCES,
	       shatomic_batch_run(writer, &batch));
	expect("its field", SHATOMIC_FIELD_PEER_INDEXES, batch.error_field);
	batch.op = SHATOMIC_OP_STORE;
	expect("a peer to read", 0, shatomic_batch_run(writer, &batch));
	expect("word", 77, shatomic_get_u64(shatomic_at(reader, 8, 8)));
}

FIXTURE(permissions)
{
	char name[SHATOMIC_NAME_SIZE];
	char second_name[SHATOMIC_NAME_SIZE];
	bool device;
	mode_t device_mode;
	/* What the sysctl was, or "". */
	char protected_links[4];
	/* Mount namespaces, by place. */
	int mounts[BOX + 1];
	int users;
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* Nobody else's names, wherever they are. */
static int unshare_names(int more)
{
	if (unshare(CLONE_NEWNS | more))
		return -errno;
	return 0;
}

static int mount_own_names(bool device)
{
	/* The type means nothing here, but valgrind wants it to be text. */
	if (mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777") ||
	    (device && mount("shatomic", NAMES, "shatomic", 0, "mode=1777")))
		return -errno;
	return 0;
}

static int open_namespace(pid_t pid, const char *kind)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int write_map(pid_t pid, const char *file, unsigned int first,
		     unsigned int count)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	snprintf(text, sizeof(text), "0 %u %u", first, count);
	return write_file(path, text);
}

/* In a child: make the namespaces, tell so, and keep them until killed. */
static void keep_namespaces(FIXTURE_DATA(permissions) *self, enum place place,
			    int socket)
{
	char byte = 0;

	if (unshare_names(place == BOX ? CLONE_NEWUSER : 0) ||
	    write(socket, &byte, 1) != 1 || read(socket, &byte, 1) != 1)
		_exit(1);
	/* The users have been mapped by now. */
	if ((place == BOX && (setgid(0) || setuid(0))) ||
	    mount_own_names(self->device) ||
	    write(socket, &byte, 1) != 1)
		_exit(2);
	for (;;)
		pause();
}

static bool make_namespaces(FIXTURE_DATA(permissions) *self, enum place place)
{
	int sockets[2];
	bool made;
	pid_t pid;
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return false;
	pid = fork();
	if (!pid) {
		close(sockets[0]);
		keep_namespaces(self, place, sockets[1]);
	}
	close(sockets[1]);
	made = read(sockets[0], &byte, 1) == 1 &&
	       (place != BOX ||
		(!write_map(pid, "uid_map", BOX_FIRST, BOX_COUNT) &&
		 !write_map(pid, "gid_map", BOX_FIRST, BOX_COUNT))) &&
	       write(sockets[0], &byte, 1) == 1 &&
	       read(sockets[0], &byte, 1) == 1;
	if (made) {
		self->mounts[place] = open_namespace(pid, "mnt");
		if (place == BOX)
			self->users = open_namespace(pid, "user");
	}
	kill(pid, SIGKILL);
	wait_child(pid);
	close(sockets[0]);
	return made;
}

/* The kernel is not to refuse to link others' files, as the module does so itself. */
static void unprotect_links(FIXTURE_DATA(permissions) *self)
{
	int fd = open(PROTECTED_LINKS, O_RDONLY | O_CLOEXEC);

	if (read(fd, self->protected_links, 1) == 1)
		write_text(PROTECTED_LINKS, "0");
	close(fd);
}

FIXTURE_SETUP(permissions)
{
	struct shatomic_region *region;
	struct stat st;

	umask(0);
	unique_name(self->name, "permissions");
	unique_name(self->second_name, "permissions-2");
	region = new_region(4096);
	ASSERT_NE(NULL, region);
	self->device = is_device(region);
	shatomic_close(region);
	self->device_mode = 0;
	if (self->device) {
		/* It is about the mode of regions, not about the device's. */
		ASSERT_EQ(0, stat(DEVICE, &st));
		self->device_mode = st.st_mode & 0777;
		if (!getuid()) {
			ASSERT_EQ(0, chmod(DEVICE, 0666));
			unprotect_links(self);
		}
	}
}

FIXTURE_TEARDOWN(permissions)
{
	shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name);
	if (self->device_mode)
		chmod(DEVICE, self->device_mode);
	if (self->protected_links[0])
		EXPECT_EQ(0, write_text(PROTECTED_LINKS,
					self->protected_links));
}

static bool go_to(FIXTURE_DATA(permissions) *self, enum place place)
{
	if (place == HERE || place == NOWHERE || place == OWN)
		return true;
	return !setns(self->mounts[place], CLONE_NEWNS);
}

static int keep_caps(uint64_t caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	unsigned int i;

	if (syscall(SYS_capget, &header, data))
		return -1;
	for (i = 0; i < 2; i++) {
		data[i].permitted &= caps >> (32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data);
}

/* A user or group as those in a user namespace see it. */
static unsigned int seen_in(enum place users, unsigned int id)
{
	switch (users) {
	case BOX:
		return id >= BOX_FIRST && id < BOX_FIRST + BOX_COUNT ?
			       id - BOX_FIRST : UNMAPPED;
	case OWN:
		return id == OTHER ? 0 : UNMAPPED;
	default:
		return id;
	}
}

static bool set_ids(const struct actor *actor, enum place users)
{
	gid_t member_of = seen_in(users, actor->member_of);
	uid_t uid = seen_in(users, actor->uid);
	uid_t euid = seen_in(users, actor->euid);
	gid_t gid = seen_in(users, actor->gid);

	return !setgroups(actor->member_of ? 1 : 0, &member_of) &&
	       !setresgid(gid, gid, gid) && !prctl(PR_SET_KEEPCAPS, 1) &&
	       !setresuid(uid, euid, euid) && !keep_caps(actor->caps) &&
	       /* What /proc/self has is his again. */
	       !prctl(PR_SET_DUMPABLE, 1);
}

static bool make_own_namespaces(const struct actor *actor, bool device)
{
	return !unshare_names(CLONE_NEWUSER) &&
	       !write_file("/proc/self/setgroups", "deny") &&
	       !write_map(getpid(), "uid_map", actor->uid, 1) &&
	       !write_map(getpid(), "gid_map", actor->gid, 1) &&
	       !mount_own_names(device);
}

/* In a child: be that user there. */
static bool become(FIXTURE_DATA(permissions) *self, const struct actor *actor,
		   enum place place)
{
	if (!go_to(self, place))
		return false;
	if (actor->in == BOX && setns(self->users, CLONE_NEWUSER))
		return false;
	if (!set_ids(actor, actor->in == BOX ? BOX : HERE))
		return false;
	return actor->in != OWN || make_own_namespaces(actor, self->device);
}

static int open_names(void)
{
	return open(NAMES, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int create_to_link(mode_t mode)
{
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);
	int names = open_names();
	int fd = create_nameless(device, names, 4096, 0, mode);

	close(device);
	close(names);
	return fd;
}

/* As the owner, in a child: make the row's regions and send descriptors. */
static void create_regions(FIXTURE_DATA(permissions) *self,
			   const struct row *row, int socket)
{
	const struct actor owner = { .uid = row->owner, .euid = row->owner,
				     .gid = row->owner };
	struct shatomic_create_options options = { .size = 4096 };
	struct shatomic_region *region;
	int fd;

	if (!become(self, &owner, row->at))
		_exit(1);
	if (row->at != NOWHERE) {
		options.name = self->name;
		options.mode = row->mode;
	}
	if (shatomic_create(&options, &region)) {
		printf("# %s\n", shatomic_error());
		_exit(2);
	}
	fd = shatomic_fd(region);
	/* When creating, 0 is the library's word for 0600. */
	if (options.name && !row->mode && fchmod(fd, 0))
		_exit(3);
	shatomic_set_u64(shatomic_at(region, 8, 8), 77);
	if (send_fd(socket, fd))
		_exit(4);
	if (self->device) {
		fd = create_to_link(row->mode);
		if (fd < 0 || send_fd(socket, fd))
			_exit(5);
	}
	_exit(0);
}

static void check_list(FIXTURE_DATA(permissions) *self, const struct row *row)
{
	enum place users = actors[row->who].in;
	struct shatomic_listed *entries;
	size_t count, i;
	bool listed = false;

	if (shatomic_list(SHATOMIC_BACKEND_AUTO, &entries, &count)) {
		expect(shatomic_error(), 0, 1);
		return;
	}
	for (i = 0; i < count; i++) {
		if (strcmp(entries[i].name, self->name))
			continue;
		listed = true;
		expect("uid listed", seen_in(users, row->owner),
		       entries[i].uid);
		expect("gid listed", seen_in(users, row->owner),
		       entries[i].gid);
		expect("mode listed", row->mode, entries[i].mode);
	}
	expect("listed", row->at == row->from, listed);
	free(entries);
}

/* By name, from where he is. */
static void check_names(FIXTURE_DATA(permissions) *self, const struct row *row,
			struct shatomic_region *passed)
{
	bool there = row->at == row->from;
	struct shatomic_region *region;
	int ret;

	check_list(self, row);
	ret = shatomic_open(SHATOMIC_BACKEND_AUTO, self->name,
			    SHATOMIC_OPEN_READ_ONLY, &region);
	expect("opening to read", there ? -row->read : -ENOENT, ret);
	if (!ret) {
		check_reader(region, passed);
		shatomic_close(region);
	}
	ret = shatomic_open(SHATOMIC_BACKEND_AUTO, self->name, 0, &region);
	expect("opening to write", there ? -row->write : -ENOENT, ret);
	if (!ret) {
		check_writer(region);
		shatomic_close(region);
	}
}

/* A descriptor opened anew gives what the mode lets, whatever it was. */
static void check_reopening(const struct row *row, int fd, bool device)
{
	int again;

	again = reopen(fd, O_RDONLY);
	expect("reopening to read", -row->read, again < 0 ? again : 0);
	close(again);
	again = reopen(fd, O_RDWR);
	expect("reopening to write", -row->write, again < 0 ? again : 0);
	close(again);
	if (!device)
		return;
	again = reopen(fd, O_RDWR | O_TRUNC);
	expect("reopening to truncate", row->write ? -EACCES : -EPERM, again);
}

/* It is the file that is linked, and no matter how the descriptor is open. */
static void check_linking(FIXTURE_DATA(permissions) *self,
			  const struct row *row, int fd)
{
	struct shatomic_region *region;
	int names = open_names();
	int ret;

	expect("linking", -row->link,
	       name_region(fd, names, self->second_name));
	close(names);
	ret = shatomic_open(SHATOMIC_BACKEND_AUTO, self->second_name, 0,
			    &region);
	expect("opening what was linked", row->link ? -ENOENT : -row->write,
	       ret);
	if (!ret)
		shatomic_close(region);
	if (row->link)
		return;
	ret = shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->second_name);
	expect("unlinking it", -row->unlink, ret);
}

/* As the actor, in a child: try everything. */
static void act(FIXTURE_DATA(permissions) *self, const struct row *row,
		int socket)
{
	const struct actor *actor = &actors[row->who];
	struct shatomic_region *writer, *reader;
	struct shatomic_info info;
	int fd, read_only, ret;

	if (!become(self, actor, row->from))
		_exit(100);
	fd = receive_fd(socket);
	read_only = receive_fd(socket);
	if (shatomic_import(fd, &writer) ||
	    shatomic_import(read_only, &reader))
		_exit(101);

	/* Before anybody writes to it. */
	check_reader(reader, writer);
	shatomic_set_u64(shatomic_at(writer, 8, 8), 77);
	check_names(self, row, writer);
	check_writer(writer);
	expect("info", 0, shatomic_get_info(writer, &info));
	expect("uid", seen_in(actor->in, row->owner), info.uid);
	expect("gid", seen_in(actor->in, row->owner), info.gid);
	check_reopening(row, fd, self->device);
	check_reopening(row, read_only, self->device);
	if (self->device) {
		close(receive_fd(socket));
		check_linking(self, row, receive_fd(socket));
	}

	ret = shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name);
	expect("unlinking", row->at == row->from ? -row->unlink : -ENOENT, ret);
	/* Not _exit(), by which LeakSanitizer looks: it can't at one of two users. */
	syscall(SYS_exit_group, mismatches);
}

/* In a child, as root: remove what the row has left. */
static void remove_names(FIXTURE_DATA(permissions) *self,
			 const struct row *row)
{
	if (!go_to(self, row->at))
		_exit(1);
	shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->name);
	if (!go_to(self, row->from))
		_exit(2);
	shatomic_unlink(SHATOMIC_BACKEND_AUTO, self->second_name);
	_exit(0);
}

static int pass_on(int from, int to, int how_many)
{
	int fd, read_only, ret = 0;

	while (how_many-- && !ret) {
		fd = receive_fd(from);
		read_only = reopen(fd, O_RDONLY);
		ret = fd < 0 || read_only < 0 || send_fd(to, fd) ||
		      send_fd(to, read_only);
		close(fd);
		close(read_only);
	}
	return ret;
}

static void try_row(struct __test_metadata *_metadata,
		    FIXTURE_DATA(permissions) *self, const struct row *row)
{
	int to_owner[2], to_actor[2], status;
	pid_t owner, actor, remover;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, to_owner));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, to_actor));
	owner = fork();
	if (!owner)
		create_regions(self, row, to_owner[1]);
	status = wait_child(owner);
	EXPECT_EQ(0, status);
	if (!status) {
		actor = fork();
		if (!actor)
			act(self, row, to_actor[1]);
		EXPECT_EQ(0, pass_on(to_owner[0], to_actor[0],
				     self->device ? 2 : 1));
		status = wait_child(actor);
		EXPECT_EQ(0, status);
	}
	if (status)
		TH_LOG("%s, from %s; region of %u, mode %03o, named in: %s",
		       actors[row->who].what, places[row->from], row->owner,
		       row->mode, places[row->at]);
	remover = fork();
	if (!remover)
		remove_names(self, row);
	EXPECT_EQ(0, wait_child(remover));
	close(to_owner[0]);
	close(to_owner[1]);
	close(to_actor[0]);
	close(to_actor[1]);
}

TEST_F_TIMEOUT(permissions, table, 300)
{
	unsigned int i;

	if (getuid())
		SKIP(return, "only root can become another user");
	if (!make_namespaces(self, SECOND) || !make_namespaces(self, BOX))
		SKIP(return, "namespaces can't be made here");
	for (i = 0; i < COUNT_OF(rows); i++)
		try_row(_metadata, self, &rows[i]);
}

/* A region's owner has a number where its name is. */
TEST_F(permissions, strangers_name_nothing)
{
	const struct actor stranger = { .uid = STRANGER, .euid = STRANGER,
					.gid = STRANGER };
	struct shatomic_create_options options = { .size = 4096,
						   .name = self->name };
	struct shatomic_region *region;
	pid_t child;

	if (getuid())
		SKIP(return, "only root can become another user");
	if (!make_namespaces(self, BOX))
		SKIP(return, "namespaces can't be made here");
	child = fork();
	if (!child) {
		if (!become(self, &stranger, BOX))
			_exit(100);
		expect("creating", -EOVERFLOW,
		       shatomic_create(&options, &region));
		_exit(mismatches);
	}
	EXPECT_EQ(0, wait_child(child));
}

/* What takes no privilege to see. */
TEST_F(permissions, read_only_is_read_only)
{
	struct shatomic_create_options options = { .size = 4096,
						   .name = self->name };
	struct shatomic_region *writer, *reader;

	ASSERT_EQ(0, shatomic_create(&options, &writer));
	ASSERT_EQ(0, shatomic_open(SHATOMIC_BACKEND_AUTO, self->name,
				   SHATOMIC_OPEN_READ_ONLY, &reader));
	shatomic_set_u64(shatomic_at(writer, 8, 8), 77);
	check_reader(reader, writer);
	check_writer(writer);
	EXPECT_EQ(0, mismatches);
	shatomic_close(reader);
	shatomic_close(writer);
}

TEST(passed_over_a_socket)
{
	struct shatomic_region *region, *imported;
	int sockets[2];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child) {
		int fd = receive_fd(sockets[1]);

		if (shatomic_import(fd, &imported))
			_exit(1);
		close(fd);
		shatomic_fetch_and_add_u64(shatomic_at(imported, 0, 8), 6);
		shatomic_close(imported);
		_exit(0);
	}
	region = new_region(4096);
	ASSERT_NE(NULL, region);
	ASSERT_EQ(0, send_fd(sockets[0], shatomic_fd(region)));
	EXPECT_EQ(0, wait_child(child));
	EXPECT_EQ(6, shatomic_get_u64(shatomic_at(region, 0, 8)));
	shatomic_close(region);
}

TEST_HARNESS_MAIN
