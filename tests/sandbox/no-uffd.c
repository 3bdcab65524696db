/* SPDX-License-Identifier: MIT */
/*
 * no-uffd.c - run a command without the kernel's userfaultfd: no-uffd COMMAND…
 *
 * Promise: in the command and all it starts, the system call is EPERM and
 * /dev/userfaultfd makes none. Who is not root may not open that in any case.
 * Its exit status is the command's; 125 when something went wrong before.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEVICE	   "/dev/userfaultfd"
#define FAILED	   125
#define CANNOT_RUN 126
#define NOT_FOUND  127

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "no-uffd: %s: %s\n", what, strerror(errno));
	exit(FAILED);
}

static void hide_device(void)
{
	if (access(DEVICE, R_OK) < 0)
		return;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("/dev/null", DEVICE, NULL, MS_BIND, NULL) < 0)
		die(DEVICE);
}

static void refuse_call(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("seccomp");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		errno = EINVAL;
		die("usage: no-uffd COMMAND [ARGUMENT...]");
	}
	hide_device();
	refuse_call();
	execvp(argv[1], argv + 1);
	fprintf(stderr, "no-uffd: %s: %s\n", argv[1], strerror(errno));
	return errno == ENOENT ? NOT_FOUND : CANNOT_RUN;
}
