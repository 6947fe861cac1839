// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doctor's checks of the module, its device and its filesystem.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "debugfs.h"
#include "doctor.h"
#include "tool.h"

#define MODULE "shatomic"
#define MODULE_SYSFS "/sys/module/" MODULE
#define GROUP "shatomic"
#define UDEV_RULE "60-shatomic.rules"

/* Room for a path, a name, a line of modules.dep. */
#define PATH_SIZE 512
#define NAME_SIZE 64

static bool is_loaded(void)
{
	return access(MODULE_SYSFS, F_OK) == 0;
}

/* Where the module's file for a kernel is, by what depmod(8) wrote. */
static bool find_module_file(const char *release, char *path, size_t size)
{
	char list[PATH_SIZE], line[PATH_SIZE];
	bool found = false;
	FILE *file;

	snprintf(list, sizeof(list), "/lib/modules/%s/modules.dep", release);
	file = fopen(list, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, ":")] = '\0';
		found = strstr(line, "/" MODULE ".ko");
	}
	fclose(file);
	if (found)
		snprintf(path, size, "/lib/modules/%s/%s", release, line);
	return found;
}

/* Whether the kernel takes signed modules only, as it does by Secure Boot. */
static bool wants_signature(void)
{
	char line[NAME_SIZE];

	if (read_first_line("/sys/kernel/security/lockdown", line,
			    sizeof(line)) && !strstr(line, "[none]"))
		return true;
	return read_first_line("/sys/module/module/parameters/sig_enforce",
			       line, sizeof(line)) && line[0] == 'Y';
}

static void advise_on_loading(struct finding *finding)
{
	if (wants_signature())
		advise(finding, "this kernel takes signed modules only (Secure Boot?). As root: mokutil --import /var/lib/dkms/mok.pub; restart, enroll the key as the firmware asks; modprobe " MODULE ". Or do without: SHATOMIC_BACKEND=memfd");
	else
		advise(finding, "as root: modprobe " MODULE "; for each boot: echo " MODULE " >/etc/modules-load.d/" MODULE ".conf");
}

void check_module(struct finding *finding, uint64_t size)
{
	char path[2 * PATH_SIZE];
	struct utsname kernel;

	(void)size;
	if (is_loaded()) {
		find(finding, FINDING_OK, "loaded");
		return;
	}
	uname(&kernel);
	if (find_module_file(kernel.release, path, sizeof(path))) {
		find(finding, FINDING_NO, "not loaded, but there: %.200s",
		     path);
		advise_on_loading(finding);
		return;
	}
	find(finding, FINDING_NO,
	     "not loaded, and there is none for kernel %.80s", kernel.release);
	advise(finding, "install the package " MODULE "-dkms and this kernel's headers, or build it (make install-module; as root: depmod); then as root: modprobe " MODULE ". Or do without: SHATOMIC_BACKEND=memfd");
}

/* Names are read from files, as a static program can't ask more than those. */
static const char *group_name(gid_t gid, char name[NAME_SIZE])
{
	FILE *file = fopen("/etc/group", "re");
	struct group *group;

	snprintf(name, NAME_SIZE, "%u", gid);
	if (!file)
		return name;
	while ((group = fgetgrent(file))) {
		if (group->gr_gid == gid) {
			snprintf(name, NAME_SIZE, "%s", group->gr_name);
			break;
		}
	}
	fclose(file);
	return name;
}

static const char *user_name(uid_t uid, char name[NAME_SIZE])
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *user;

	snprintf(name, NAME_SIZE, "%u", uid);
	if (!file)
		return name;
	while ((user = fgetpwent(file))) {
		if (user->pw_uid == uid) {
			snprintf(name, NAME_SIZE, "%s", user->pw_name);
			break;
		}
	}
	fclose(file);
	return name;
}

static void advise_on_absence(struct finding *finding)
{
	char number[NAME_SIZE];
	char *colon;

	if (!is_loaded()) {
		advise(finding, "it comes with the module");
		return;
	}
	if (!read_first_line("/sys/class/misc/" MODULE "/dev", number,
			     sizeof(number)))
		snprintf(number, sizeof(number), "10:MINOR");
	colon = strchr(number, ':');
	if (colon)
		*colon = ' ';
	advise(finding, "the module is loaded: give a container the device (--device " DOCTOR_DEVICE "); elsewhere, as root: mknod -m 600 " DOCTOR_DEVICE " c %s",
	       number);
}

void check_device(struct finding *finding, uint64_t size)
{
	char user[NAME_SIZE], group[NAME_SIZE];
	struct stat stat_of;

	(void)size;
	if (stat(DOCTOR_DEVICE, &stat_of)) {
		find(finding, FINDING_NO, DOCTOR_DEVICE ": %s",
		     strerror(errno));
		advise_on_absence(finding);
		return;
	}
	if (!S_ISCHR(stat_of.st_mode)) {
		find(finding, FINDING_NO, DOCTOR_DEVICE " is not a device");
		advise(finding, "as root: rm " DOCTOR_DEVICE ", then load the module anew");
		return;
	}
	find(finding, FINDING_OK, DOCTOR_DEVICE ", mode %04o, of %s:%s",
	     stat_of.st_mode & 07777, user_name(stat_of.st_uid, user),
	     group_name(stat_of.st_gid, group));
	if (!(stat_of.st_mode & 0006))
		return;
	finding->state = FINDING_NO;
	advise(finding, "everybody may use it. As root: chmod o= " DOCTOR_DEVICE "; the udev rule " UDEV_RULE " gives it to group " GROUP);
}

static void advise_on_permission(struct finding *finding)
{
	char group[NAME_SIZE], user[NAME_SIZE];
	struct stat stat_of;

	if (stat(DOCTOR_DEVICE, &stat_of))
		return;
	if ((stat_of.st_mode & 0060) == 0060 && stat_of.st_gid)
		advise(finding, "as root: usermod -aG %s %s; then log in anew",
		       group_name(stat_of.st_gid, group),
		       user_name(geteuid(), user));
	else
		advise(finding, "install the udev rule " UDEV_RULE " (make install), then as root: systemd-sysusers; udevadm trigger --name-match=" MODULE "; usermod -aG " GROUP " %s; then log in anew",
		       user_name(geteuid(), user));
}

void check_permission(struct finding *finding, uint64_t size)
{
	char user[NAME_SIZE];
	int fd = open(DOCTOR_DEVICE, O_RDWR | O_CLOEXEC);

	(void)size;
	user_name(geteuid(), user);
	if (fd >= 0) {
		close(fd);
		find(finding, FINDING_OK, "%s may use it", user);
	} else if (errno == EACCES) {
		find(finding, FINDING_NO, "%s may not use it", user);
		advise_on_permission(finding);
	} else if (errno == EPERM) {
		find(finding, FINDING_NO, "a device cgroup forbids it");
		advise(finding, "give the container the device (--device " DOCTOR_DEVICE "), or the service DeviceAllow=" DOCTOR_DEVICE);
	} else {
		find(finding, FINDING_UNKNOWN, "there is no device");
	}
}

/* What the module tells of itself; false when it can't be asked. */
static bool ask_module(struct shatomic_ioc_info *info)
{
	int fd = open(DOCTOR_DEVICE, O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0)
		return false;
	*info = (struct shatomic_ioc_info){ .size = sizeof(*info) };
	err = ioctl(fd, SHATOMIC_IOC_INFO, info);
	close(fd);
	return !err;
}

void check_abi(struct finding *finding, uint64_t size)
{
	struct shatomic_ioc_info info;

	(void)size;
	if (!ask_module(&info)) {
		find(finding, FINDING_UNKNOWN, "the module can't be asked");
		return;
	}
	find(finding, FINDING_OK, "version %u, %u operations; of the command %u, %u",
	     info.abi_version, info.op_count, SHATOMIC_ABI_VERSION,
	     SHATOMIC_OP_COUNT);
	if (info.abi_version >= SHATOMIC_ABI_VERSION &&
	    info.op_count >= SHATOMIC_OP_COUNT)
		return;
	finding->state = FINDING_NO;
	advise(finding, "the module is older than the command: install that of the same version, then as root: modprobe -r " MODULE "; modprobe " MODULE);
}

static void advise_on_mounting(struct finding *finding, const char *path)
{
	if (strcmp(path, DOCTOR_DIRECTORY))
		advise(finding, "named regions need it. As root: mount -t " MODULE " " MODULE " %.80s; or unset SHATOMIC_DIRECTORY",
		       path);
	else
		advise(finding, "named regions need it. As root: systemctl start run-shatomic.mount; or: mkdir -p %s; mount -t " MODULE " -o mode=1770,gid=" GROUP " " MODULE " %s",
		       path, path);
}

static void advise_on_directory(struct finding *finding, const char *path,
				const struct stat *stat_of)
{
	char group[NAME_SIZE], user[NAME_SIZE];

	if ((stat_of->st_mode & 0030) == 0030 && stat_of->st_gid)
		advise(finding, "as root: usermod -aG %s %s; then log in anew",
		       group_name(stat_of->st_gid, group),
		       user_name(geteuid(), user));
	else
		advise(finding, "as root: chgrp " GROUP " %.60s; chmod 1770 %.60s",
		       path, path);
}

void check_names(struct finding *finding, uint64_t size)
{
	const char *path = getenv("SHATOMIC_DIRECTORY");
	char user[NAME_SIZE], group[NAME_SIZE];
	struct statfs filesystem;
	struct stat stat_of;

	(void)size;
	if (!path)
		path = DOCTOR_DIRECTORY;
	if (!is_loaded()) {
		find(finding, FINDING_UNKNOWN, "they come with the module");
	} else if (statfs(path, &filesystem) || stat(path, &stat_of) ||
		   filesystem.f_type != SHATOMIC_SUPER_MAGIC) {
		find(finding, FINDING_NO,
		     "no filesystem of type " MODULE " is mounted at %.80s",
		     path);
		advise_on_mounting(finding, path);
	} else if (!faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS)) {
		find(finding, FINDING_OK, "%.80s, mode %04o, of %s:%s", path,
		     stat_of.st_mode & 07777, user_name(stat_of.st_uid, user),
		     group_name(stat_of.st_gid, group));
	} else if (errno == EROFS) {
		find(finding, FINDING_NO, "%.80s is mounted read-only", path);
		advise(finding, "as root: mount -o remount,rw %.80s", path);
	} else {
		find(finding, FINDING_NO, "%s may not create regions in %.80s",
		     user_name(geteuid(), user), path);
		advise_on_directory(finding, path, &stat_of);
	}
}

void check_debugfs(struct finding *finding, uint64_t size)
{
	(void)size;
	if (!debugfs_is_mounted()) {
		find(finding, FINDING_NO, "not mounted at " DEBUGFS_MOUNT);
		advise(finding, "to see all regions there, as root: mount -t debugfs debugfs " DEBUGFS_MOUNT);
	} else if (access(DEBUGFS_MOUNT, X_OK)) {
		find(finding, FINDING_UNKNOWN, "only root can look into it");
	} else if (access(DEBUGFS_SHATOMIC, F_OK)) {
		find(finding, FINDING_UNKNOWN,
		     "mounted; the module shows nothing there");
	} else {
		find(finding, FINDING_OK, DEBUGFS_SHATOMIC);
	}
}
