// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whoever keeps a region pays for it: once its creator has closed it, neither
 * his locked memory nor his number of regions has it any more, and those of
 * whoever keeps it by a file of his own do. So nobody can use up another's
 * limits by opening what is his. Root runs it.
 */
#include "pages.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* All that a user may lock, and what a region of his takes. */
#define ROOM (4 * MIB)

/* What a user can be told to do. */
enum order {
	CREATE, /* a region of all his room, which any user may open */
	SEND, /* the descriptor to who receives it next */
	RECEIVE_WRITER, /* receive it, open it for oneself, close what came */
	RECEIVE_READER,
	MAP,
	UNMAP,
	CLOSE,
	HAS_ROOM, /* whether a region of all the room can be had */
	HAS_NO_ROOM, /* whether one of a byte is refused by the right limit */
	REGIONS, /* how many INFO says are his */
};

/* A process of a user's, that does as it is told. */
struct user {
	int orders; /* a socket: an order, then what came of it, or -errno */
	pid_t child;
};

FIXTURE(payers)
{
	int device;
	struct shatomic_ioc_info before;
	int post[2]; /* by which descriptors go from one to another */
};

FIXTURE_SETUP(payers)
{
	self->device = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->device);
	self->before = get_info(self->device);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, self->post));
}

FIXTURE_TEARDOWN(payers)
{
	close(self->post[0]);
	close(self->post[1]);
	EXPECT_EQ(0, restore_parameter());
	EXPECT_EQ(true, all_is_back(self->device, &self->before));
	close(self->device);
}

/* A message with room for a descriptor. */
struct parcel {
	char room[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec data;
	struct msghdr message;
};

static struct msghdr *prepare(struct parcel *parcel)
{
	*parcel = (struct parcel){ .byte = 0 };
	parcel->data = (struct iovec){ &parcel->byte, 1 };
	parcel->message.msg_iov = &parcel->data;
	parcel->message.msg_iovlen = 1;
	parcel->message.msg_control = parcel->room;
	parcel->message.msg_controllen = sizeof(parcel->room);
	return &parcel->message;
}

static int send_descriptor(int socket, int fd)
{
	struct parcel parcel;
	struct msghdr *message = prepare(&parcel);
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, message, 0) == 1 ? 0 : -errno;
}

/* Open what was sent by a file of one's own, and keep only that. */
static int receive(int socket, int flags)
{
	struct parcel parcel;
	struct msghdr *message = prepare(&parcel);
	int sent, fd;

	if (recvmsg(socket, message, MSG_CMSG_CLOEXEC) != 1 ||
	    !CMSG_FIRSTHDR(message))
		return -EIO;
	memcpy(&sent, CMSG_DATA(CMSG_FIRSTHDR(message)), sizeof(sent));
	fd = reopen(sent, flags);
	close(sent);
	return fd;
}

static int create_open_to_all(int device)
{
	int region = new_region_fd(device, ROOM, 0);

	if (region < 0)
		return region;
	return fchmod(region, 0666) ? -errno : region;
}

static int refused_by_the_right_limit(int device)
{
	uint32_t limit;
	int region = create(device, 1, 0, &limit);

	if (region >= 0) {
		close(region);
		return 0;
	}
	return region == -EPERM && (limit == SHATOMIC_LIMIT_MEMLOCK ||
				    limit == SHATOMIC_LIMIT_USER_REGIONS);
}

static int obey(FIXTURE_DATA(payers) *self, enum order order, int *region,
		char **memory)
{
	int fd;

	switch (order) {
	case CREATE:
		*region = create_open_to_all(self->device);
		return *region < 0 ? *region : 0;
	case SEND:
		return send_descriptor(self->post[0], *region);
	case RECEIVE_WRITER:
	case RECEIVE_READER:
		*region = receive(self->post[1], order == RECEIVE_WRITER ?
						 O_RDWR : O_RDONLY);
		return *region < 0 ? *region : 0;
	case MAP:
		*memory = map_from(*region, 0, ROOM, PROT_READ);
		return *memory ? 0 : -errno;
	case UNMAP:
		return munmap(*memory, ROOM);
	case CLOSE:
		return close(*region);
	case HAS_ROOM:
		fd = new_region_fd(self->device, ROOM, 0);
		close(fd);
		return fd < 0 ? fd : 0;
	case HAS_NO_ROOM:
		return refused_by_the_right_limit(self->device) ? 0 : -EEXIST;
	case REGIONS:
		return get_info(self->device).user_regions;
	}
	return -EOPNOTSUPP;
}

/* Keep this capability of root's, whatever user one becomes. */
static bool keep_ipc_lock(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = 1 << CAP_IPC_LOCK,
		  .permitted = 1 << CAP_IPC_LOCK },
	};

	return !syscall(SYS_capset, &header, data);
}

static struct user start_user(FIXTURE_DATA(payers) *self, uid_t uid,
			      bool exempt)
{
	struct rlimit memlock = { ROOM, ROOM };
	struct user user = { .orders = -1 };
	int sockets[2], region = -1, ret;
	char *memory = NULL;
	enum order order;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return user;
	user.orders = sockets[0];
	user.child = fork();
	if (user.child) {
		close(sockets[1]);
		return user;
	}
	close(sockets[0]);
	if (setrlimit(RLIMIT_MEMLOCK, &memlock) || prctl(PR_SET_KEEPCAPS, 1) ||
	    !become(uid) || (exempt && !keep_ipc_lock()) ||
	    prctl(PR_SET_DUMPABLE, 1))
		_exit(1);
	while (read(sockets[1], &order, sizeof(order)) == sizeof(order)) {
		ret = obey(self, order, &region, &memory);
		if (write(sockets[1], &ret, sizeof(ret)) != sizeof(ret))
			break;
	}
	_exit(0);
}

static int tell(const struct user *user, enum order order)
{
	int ret;

	if (write(user->orders, &order, sizeof(order)) != sizeof(order) ||
	    read(user->orders, &ret, sizeof(ret)) != sizeof(ret))
		return -EIO;
	return ret;
}

/* What is given back by a close may take a moment. */
static int tell_soon(const struct user *user, enum order order, int right)
{
	unsigned int i;
	int ret = right - 1;

	for (i = 0; i < 300 && ret != right; i++) {
		ret = tell(user, order);
		if (ret != right)
			usleep(10000);
	}
	return ret;
}

static void end_user(struct user *user)
{
	/* Users that came later have the socket, too. */
	shutdown(user->orders, SHUT_RDWR);
	close(user->orders);
	wait_child(user->child);
}

#define EXPECT_TOLD(right, user, order)                                       \
	EXPECT_EQ(right, tell_soon(user, order, right))

/* The user has no region and all his room. */
static void expect_free(struct __test_metadata *_metadata,
			const struct user *user)
{
	EXPECT_TOLD(0, user, REGIONS);
	EXPECT_TOLD(0, user, HAS_ROOM);
}

/* He has one, which takes all his room. */
static void expect_paying(struct __test_metadata *_metadata,
			  const struct user *user)
{
	EXPECT_TOLD(1, user, REGIONS);
	EXPECT_TOLD(0, user, HAS_NO_ROOM);
}

/* By a descriptor for reading, or for both. */
static void try_keeper(struct __test_metadata *_metadata,
		       FIXTURE_DATA(payers) *self, enum order order)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user keeper = start_user(self, NOBODY - 1, false);

	ASSERT_EQ(0, tell(&owner, CREATE));
	expect_paying(_metadata, &owner);
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&keeper, order));
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	expect_paying(_metadata, &keeper);
	ASSERT_EQ(0, tell(&keeper, CLOSE));
	expect_free(_metadata, &keeper);
	expect_free(_metadata, &owner);
	end_user(&owner);
	end_user(&keeper);
}

TEST_F(payers, who_keeps_it_pays)
{
	try_keeper(_metadata, self, RECEIVE_WRITER);
}

TEST_F(payers, who_keeps_it_to_read_pays)
{
	try_keeper(_metadata, self, RECEIVE_READER);
}

/* The number of regions is a limit of its own. */
TEST_F(payers, it_counts_as_one_of_his_who_keeps_it)
{
	struct user owner, keeper;

	ASSERT_EQ(0, set_parameter("max_user_regions", 1));
	owner = start_user(self, NOBODY, false);
	keeper = start_user(self, NOBODY - 1, false);
	ASSERT_EQ(0, tell(&owner, CREATE));
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&keeper, RECEIVE_WRITER));
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	expect_paying(_metadata, &keeper);
	end_user(&keeper);
	end_user(&owner);
}

/* A mapping of his is the owner's, whatever he closes. */
TEST_F(payers, who_maps_it_pays)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user keeper = start_user(self, NOBODY - 1, false);

	ASSERT_EQ(0, tell(&owner, CREATE));
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&owner, MAP));
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_paying(_metadata, &owner);
	ASSERT_EQ(0, tell(&keeper, RECEIVE_WRITER));
	expect_paying(_metadata, &owner);
	ASSERT_EQ(0, tell(&owner, UNMAP));
	expect_free(_metadata, &owner);
	ASSERT_EQ(0, tell(&keeper, MAP));
	ASSERT_EQ(0, tell(&keeper, CLOSE));
	expect_paying(_metadata, &keeper);
	ASSERT_EQ(0, tell(&keeper, UNMAP));
	expect_free(_metadata, &keeper);
	end_user(&owner);
	end_user(&keeper);
}

TEST_F(payers, who_has_closed_it_first_pays_nothing)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user keeper = start_user(self, NOBODY - 1, false);

	ASSERT_EQ(0, tell(&owner, CREATE));
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&keeper, RECEIVE_WRITER));
	ASSERT_EQ(0, tell(&keeper, CLOSE));
	expect_free(_metadata, &keeper);
	expect_paying(_metadata, &owner);
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	end_user(&owner);
	end_user(&keeper);
}

/* Limits do not bind him, so that nothing is counted either. */
TEST_F(payers, who_may_lock_all_he_likes_pays_nothing)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user keeper = start_user(self, NOBODY - 1, true);

	ASSERT_EQ(0, tell(&owner, CREATE));
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&keeper, RECEIVE_WRITER));
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	expect_free(_metadata, &keeper);
	ASSERT_EQ(0, tell(&keeper, CLOSE));
	expect_free(_metadata, &owner);
	end_user(&owner);
	end_user(&keeper);
}

/* Of two who keep it, each of them or one after the other pays. */
TEST_F(payers, the_last_of_three_pays)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user second = start_user(self, NOBODY - 1, false);
	struct user third = start_user(self, NOBODY - 2, false);

	ASSERT_EQ(0, tell(&owner, CREATE));
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&second, RECEIVE_WRITER));
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&third, RECEIVE_READER));
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	/* Somebody does. */
	EXPECT_LE(1, tell(&second, REGIONS) + tell(&third, REGIONS));
	ASSERT_EQ(0, tell(&second, CLOSE));
	expect_free(_metadata, &second);
	expect_paying(_metadata, &third);
	/* Who had it first opens it again, and pays again. */
	ASSERT_EQ(0, tell(&third, SEND));
	ASSERT_EQ(0, tell(&owner, RECEIVE_READER));
	ASSERT_EQ(0, tell(&third, CLOSE));
	expect_free(_metadata, &third);
	expect_paying(_metadata, &owner);
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	end_user(&owner);
	end_user(&second);
	end_user(&third);
}

/* Ends that nobody asked for. */
TEST_F(payers, who_is_killed_pays_no_more)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user keeper = start_user(self, NOBODY - 1, false), again;

	ASSERT_EQ(0, tell(&owner, CREATE));
	ASSERT_EQ(0, tell(&owner, SEND));
	ASSERT_EQ(0, tell(&keeper, RECEIVE_WRITER));
	ASSERT_EQ(0, tell(&keeper, MAP));
	kill(owner.child, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, wait_child(owner.child));
	close(owner.orders);
	again = start_user(self, NOBODY, false);
	expect_free(_metadata, &again);
	end_user(&again);

	expect_paying(_metadata, &keeper);
	kill(keeper.child, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, wait_child(keeper.child));
	close(keeper.orders);
	again = start_user(self, NOBODY - 1, false);
	expect_free(_metadata, &again);
	end_user(&again);
}

/*
 * Whoever has no room left for it: either he can't open it, or whoever created
 * it is free of it all the same.
 */
TEST_F(payers, who_cannot_pay_makes_nobody_else_pay)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user keeper = start_user(self, NOBODY - 1, false);
	struct user stranger = start_user(self, NOBODY - 1, false);

	/* By another process of the same user. */
	ASSERT_EQ(0, tell(&stranger, CREATE));
	ASSERT_EQ(0, tell(&owner, CREATE));
	ASSERT_EQ(0, tell(&owner, SEND));
	tell(&keeper, RECEIVE_WRITER);
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	end_user(&keeper);
	end_user(&stranger);
	end_user(&owner);
}

/* As often as he likes: only the last of his files is an end. */
TEST_F(payers, many_files_of_a_user_are_one_region)
{
	struct user owner = start_user(self, NOBODY, false);
	struct user keepers[8];
	unsigned int i;

	ASSERT_EQ(0, tell(&owner, CREATE));
	for (i = 0; i < COUNT_OF(keepers); i++) {
		keepers[i] = start_user(self, NOBODY - 1, false);
		ASSERT_EQ(0, tell(&owner, SEND));
		ASSERT_EQ(0, tell(&keepers[i], i % 2 ? RECEIVE_WRITER :
						       RECEIVE_READER));
	}
	ASSERT_EQ(0, tell(&owner, CLOSE));
	expect_free(_metadata, &owner);
	for (i = 0; i < COUNT_OF(keepers); i++) {
		expect_paying(_metadata, &keepers[COUNT_OF(keepers) - 1]);
		if (i < COUNT_OF(keepers) - 1)
			end_user(&keepers[i]);
	}
	ASSERT_EQ(0, tell(&keepers[COUNT_OF(keepers) - 1], CLOSE));
	expect_free(_metadata, &keepers[COUNT_OF(keepers) - 1]);
	end_user(&keepers[COUNT_OF(keepers) - 1]);
	end_user(&owner);
}

TEST_HARNESS_MAIN
