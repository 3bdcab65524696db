/* SPDX-License-Identifier: MIT */
/*
 * probe.c - what this kernel and this process may use, and why not.
 *
 * Promise: each facility is tried, and leaves nothing behind.
 * Context: not in a signal handler.
 */
#include "mfill.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "backends/backend.h"
#include "backends/uffd.h"
#include "base/cleanup.h"
#include "base/sync.h"
#include "base/sys.h"
#include "base/userfaultfd.h"

static int try_memfd(void)
{
	_cleanup_close_ int fd = mf_sys.memfd_create("mfill-probe", 1);

	return fd < 0 ? fd : mf_sys.ftruncate(fd, 4096);
}

static int try_guard(void)
{
	return mf_backend_guard.probe();
}

static int try_mprotect(void)
{
	return mf_backend_mprotect.probe();
}

static int try_uffd_inline(void)
{
	return mf_backend_uffd.probe();
}

static int try_uffd_thread(void)
{
	return mf_uffd_probe_messages(NULL);
}

static int try_wipeonfork(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page;
	int r = mf_sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &page);

	if (r < 0)
		return r;
	r = mf_sys.madvise(page, size, MADV_WIPEONFORK);
	(void)mf_sys.munmap(page, size);
	return r;
}

struct trial {
	uint32_t done;
	int result;
};

/* A filter goes with the thread it was made for. */
static void *try_filter(void *arg)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };
	struct trial *trial = arg;

	(void)mf_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	trial->result = (int)mf_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0,
					(long)&program, 0, 0, 0);
	mf_store_release(&trial->done, 1); /* pairs with the acquire below */
	mf_futex_wake(&trial->done, 1, MF_FUTEX_LOCAL);
	return NULL;
}

static int try_seccomp(void)
{
	struct trial trial = { 0 };
	int r = mf_sys.thread_create(try_filter, &trial);

	while (r == 0 && !mf_load_acquire(&trial.done))
		(void)mf_futex_wait(&trial.done, 0, 0, MF_FUTEX_LOCAL);
	return r < 0 ? r : trial.result;
}

static int try_userfaultfd(int flags)
{
	int fd = mf_sys.userfaultfd(O_CLOEXEC | flags);

	if (fd >= 0)
		(void)mf_sys.close(fd);
	return fd < 0 ? fd : 0;
}

static int try_uffd(void)
{
	return try_userfaultfd(0);
}

static int try_uffd_user(void)
{
	return try_userfaultfd(UFFD_USER_MODE_ONLY);
}

static int try_uffd_device(void)
{
	_cleanup_close_ int fd = mf_sys.open("/dev/userfaultfd",
					     O_RDWR | O_CLOEXEC, 0);

	return fd < 0 ? fd : 0;
}

/* What an error means here, and what would help. The first match counts. */
struct verdict {
	int error; /* 0: any */
	const char *reason;
	const char *remedy;
};

struct facility {
	const char *name;
	const char *use;
	int (*try)(void);
	struct verdict verdicts[3];
};

#define REFUSED	      "a seccomp filter or security module refuses it"
#define ALLOW_SYSCALL "allow the system call in the container's profile"

static const struct facility facilities[] = {
	{ "memfd",
	  "keeps the pages of every map",
	  try_memfd,
	  { { EPERM, REFUSED, ALLOW_SYSCALL },
	    { 0, "the kernel refuses it", "use Linux 5.10 or later" } } },
	{ "guard",
	  "hides pages by guard markers: the default backend",
	  try_guard,
	  { { EINVAL, "this kernel has no guard markers on files",
	      "use Linux 6.15 or later" },
	    { EOPNOTSUPP, "markers are accepted but have no effect: emulated",
	      "" },
	    { 0, "the kernel refuses it", "" } } },
	{ "mprotect",
	  "hides pages where guard markers are missing",
	  try_mprotect,
	  { { EOPNOTSUPP, "PROT_NONE has no effect: emulated", "" },
	    { 0, "the kernel refuses it", "" } } },
	{ "uffd",
	  "hides pages by userfaultfd, fills in the faulting thread",
	  try_uffd_inline,
	  { { EOPNOTSUPP,
	      "userfaultfd is refused, or cannot do MINOR faults of memfds",
	      "see userfaultfd-user; use Linux 5.13 or later" },
	    { 0, "the kernel refuses it", "" } } },
	{ "uffd-thread",
	  "the same with handler threads",
	  try_uffd_thread,
	  { { EOPNOTSUPP,
	      "userfaultfd is refused, or cannot say that a page failed",
	      "see userfaultfd-user; use Linux 6.6 or later" },
	    { 0, "the kernel refuses it", "" } } },
	{ "wipeonfork",
	  "notices a child that was made without fork()",
	  try_wipeonfork,
	  { { 0, "this kernel has no MADV_WIPEONFORK; fork() is still noticed",
	      "use Linux 4.14 or later" } } },
	{ "seccomp-trap",
	  "finds system calls that the wrappers of mfill run do not see",
	  try_seccomp,
	  { { ENOSYS, "this kernel was built without seccomp", "" },
	    { 0, REFUSED,
	      "allow the system call in the container's profile; mfill run "
	      "goes on without" } } },
	{ "userfaultfd",
	  "serves faults inside system calls too",
	  try_uffd,
	  { { EPERM, "only CAP_SYS_PTRACE may, or a seccomp filter refuses it",
	      "sysctl vm.unprivileged_userfaultfd=1, and allow the system call "
	      "in the container's profile" },
	    { ENOSYS, "this kernel was built without userfaultfd", "" },
	    { 0, "the kernel refuses it", "" } } },
	{ "userfaultfd-user",
	  "serves faults outside system calls",
	  try_uffd_user,
	  { { EPERM, REFUSED, ALLOW_SYSCALL },
	    { EINVAL, "this kernel does not know UFFD_USER_MODE_ONLY",
	      "use Linux 5.11 or later" },
	    { 0, "the kernel refuses it", "" } } },
	{ "dev-userfaultfd",
	  "the same, by file permission",
	  try_uffd_device,
	  { { ENOENT, "there is no /dev/userfaultfd here",
	      "give the container the device (Linux 6.1 or later)" },
	    { EACCES, "/dev/userfaultfd may not be opened",
	      "chmod or chown /dev/userfaultfd" },
	    { 0, "it cannot be opened", "" } } },
};

static void describe(const struct facility *facility,
		     struct mfill_facility *ret)
{
	int error = -facility->try();
	const struct verdict *verdict = facility->verdicts;

	*ret = (struct mfill_facility){ facility->name, facility->use, error,
					"", "" };
	if (error == 0)
		return;
	while (verdict->error && verdict->error != error)
		verdict++;
	ret->reason = verdict->reason;
	ret->remedy = verdict->remedy;
}

int mfill_probe(struct mfill_facility *ret, size_t n, size_t struct_size)
{
	size_t count = sizeof(facilities) / sizeof(facilities[0]);

	if (struct_size < sizeof(*ret) || (n > 0 && !ret))
		return -EINVAL;
	for (size_t i = 0; i < n && i < count; i++) {
		struct mfill_facility facility;
		char *to = (char *)ret + i * struct_size;

		describe(&facilities[i], &facility);
		memset(to, 0, struct_size);
		memcpy(to, &facility, sizeof(facility));
	}
	return (int)count;
}
