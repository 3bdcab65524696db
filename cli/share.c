/* SPDX-License-Identifier: MIT */
/*
 * share.c - what the programs of a run get: a world, stores, faces, a table,
 * and an address where to ask for them.
 *
 * Promise: nothing of it has a name in any file system, so nothing is left
 * behind, however the run ends.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/cmd.h"
#include "cli/run.h"
#include "mm/memfd.h"

/* A source without a wish: as much as is still quick to read. */
#define FILL_USUAL (64U << 10)
/* What a writable file may grow by; it costs nothing until it is used. */
#define ROOM (UINT64_C(16) << 30)

static int make_store(const struct mf_run *run, struct mf_run_file *file)
{
	uint64_t unit = mf_source_fill_size(file->source, run->fill_size,
					    FILL_USUAL);
	uint64_t length = file->size + (file->rw ? ROOM : 0);
	int r = mf_store_new(file->source, 0, length, unit, &file->store);

	if (r == 0)
		mf_store_limit(file->store, file->size);
	return r;
}

/*
 * Nobody may read it, whatever opens it anew through /proc: there are only
 * zeros. The size of a writable one changes with the file's.
 */
static int make_face(struct mf_run_file *file)
{
	_cleanup_close_ int fd = mf_sys.memfd_create(
		"mfill-face", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int seals = F_SEAL_WRITE;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (!file->rw)
		seals |= F_SEAL_GROW | F_SEAL_SHRINK;
	r = mf_sys.ftruncate(fd, file->size);
	if (r == 0 && fchmod(fd, 0222) < 0)
		r = -errno;
	if (r == 0)
		r = mf_sys.seal(fd, seals | F_SEAL_SEAL);
	if (r == 0)
		r = mf_sys.fstat(fd, &st);
	if (r < 0)
		return r;
	file->face_dev = st.st_dev;
	file->face_ino = st.st_ino;
	file->face_fd = TAKE_FD(fd);
	return 0;
}

/* The table while it is made: the strings follow the maps. */
struct draft {
	struct mf_run_table *table;
	size_t size, room;
};

static mf_run_text put_text(struct draft *draft, const char *text)
{
	size_t at = draft->size, len = strlen(text) + 1;

	memcpy((char *)draft->table + at, text, len);
	draft->size += len;
	return (mf_run_text)at;
}

static void put_file(struct draft *draft, struct mf_run_map *to,
		     const struct mf_run_file *file)
{
	*to = (struct mf_run_map){
		.path = put_text(draft, file->path),
		.shown = put_text(draft, file->shown),
		.uri = put_text(draft, file->uri.text),
		.flags = file->rw ? MF_RUN_MAP_RW : 0,
		.folder_dev = file->folder_dev,
		.folder_ino = file->folder_ino,
		.face_dev = file->face_dev,
		.face_ino = file->face_ino,
		.size = file->size,
		.mode = file->rw ? 0644 : 0444,
		.uid = geteuid(),
		.gid = getegid(),
		.block = (uint32_t)file->store->unit,
		.mtime_ns = file->mtime_ns,
	};
	mf_store_describe(file->store, &to->store);
}

static size_t room_for(const struct mf_run *run)
{
	size_t room = sizeof(struct mf_run_table) +
		      run->n_files * sizeof(struct mf_run_map) +
		      sizeof(run->library);

	for (unsigned i = 0; i < run->n_files; i++)
		room += sizeof(*run->files[i]) + strlen(run->files[i]->shown);
	return room;
}

static int make_table(struct mf_run *run)
{
	_cleanup_free_ struct mf_run_table *table = calloc(1, room_for(run));
	struct draft draft = { .table = table };
	int r;

	if (!table)
		return -ENOMEM;
	draft.size = sizeof(*table) + run->n_files * sizeof(table->maps[0]);
	*table = (struct mf_run_table){
		.magic = MF_RUN_MAGIC,
		.n_maps = run->n_files,
		.flags = (run->quiet ? MF_RUN_QUIET : 0) |
			 (run->uffd ? MF_RUN_UFFD : 0) |
			 (run->check ? MF_RUN_CHECK : 0),
		.filter = (uint32_t)run->filter,
		.backend = run->backend,
		.delivery = run->delivery,
		.library = put_text(&draft, run->library),
	};
	for (unsigned i = 0; i < run->n_files; i++)
		put_file(&draft, &table->maps[i], run->files[i]);
	table->size = (uint32_t)draft.size;
	run->table_fd = mf_memfd_new("mfill-run", draft.size);
	if (run->table_fd < 0)
		return run->table_fd;
	r = mf_pwrite_full(run->table_fd, table, draft.size, 0);
	return r < 0 ? r : mf_sys.seal(run->table_fd, F_SEAL_WRITE);
}

/* 128 bits that nobody can guess. */
static int make_name(char name[MF_RUN_NAME + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[MF_RUN_NAME / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		name[2 * i] = digits[bytes[i] >> 4];
		name[2 * i + 1] = digits[bytes[i] & 15];
	}
	name[MF_RUN_NAME] = '\0';
	return 0;
}

static int make_socket(struct mf_run *run)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1;
	int r = make_name(run->name);

	if (r == 0)
		r = make_name(run->token);
	if (r < 0)
		return r;
	memcpy(at.sun_path + 1, run->name, MF_RUN_NAME);
	run->listen_fd = socket(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (run->listen_fd < 0)
		return -errno;
	run->listen_fd = mf_fd_move_up(run->listen_fd);
	if (bind(run->listen_fd, (struct sockaddr *)&at, len + MF_RUN_NAME) <
		    0 ||
	    listen(run->listen_fd, SOMAXCONN) < 0)
		return -errno;
	return 0;
}

static int make_check(struct mf_run *run)
{
	void *addr;
	int r;

	run->check_fd = mf_memfd_new("mfill-check", sizeof(*run->found));
	if (run->check_fd < 0)
		return run->check_fd;
	r = mf_sys.mmap(NULL, sizeof(*run->found), PROT_READ | PROT_WRITE,
			MAP_SHARED, run->check_fd, 0, &addr);
	if (r < 0)
		return r;
	run->found = addr;
	mf_check_table_begin(run->found);
	return 0;
}

static int share_files(struct mf_run *run)
{
	run->world_fd = mf_world_fd();
	if (run->world_fd < 0)
		return run->world_fd;
	for (unsigned i = 0; i < run->n_files; i++) {
		struct mf_run_file *file = run->files[i];
		int r = make_store(run, file);

		if (r == 0)
			r = make_face(file);
		if (r < 0) {
			mf_say("--map %s: cannot be set up: %s", file->shown,
			       strerror(-r));
			return r;
		}
	}
	return 0;
}

int mf_run_share(struct mf_run *run)
{
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	for (unsigned i = 0; i < run->n_files; i++)
		if (!run->files[i]->mtime_ns)
			run->files[i]->mtime_ns = now.tv_sec *
						  INT64_C(1000000000);
	r = share_files(run);
	if (r < 0)
		return r;
	r = make_table(run);
	if (r == 0)
		r = make_socket(run);
	if (r == 0 && run->check)
		r = make_check(run);
	if (r < 0)
		mf_say("the run cannot be set up: %s", strerror(-r));
	return r;
}

bool mf_run_may_ask(int connection)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &len) ==
		       0 &&
	       (who.uid == geteuid() || geteuid() == 0);
}

static bool is_ours(const struct mf_run *run, int connection)
{
	struct mf_run_hello hello;
	ssize_t n = recv(connection, &hello, sizeof(hello), MSG_DONTWAIT);

	return n == sizeof(hello) && hello.magic == MF_RUN_MAGIC &&
	       memcmp(hello.token, run->token, MF_RUN_NAME) == 0;
}

void mf_run_answer(const struct mf_run *run, int connection)
{
	int fds[3 + 2 * MF_RUN_MAPS] = { run->world_fd, run->table_fd };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
	} control;
	struct mf_run_answer answer = {
		.magic = MF_RUN_MAGIC,
		.n_fds = 2 + 2 * run->n_files + run->check,
	};
	size_t fds_len = answer.n_fds * sizeof(int);
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(fds_len),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	if (!is_ours(run, connection))
		return;
	for (unsigned i = 0; i < run->n_files; i++) {
		fds[2 + 2 * i] = run->files[i]->store->fd;
		fds[3 + 2 * i] = run->files[i]->face_fd;
	}
	if (run->check)
		fds[answer.n_fds - 1] = run->check_fd;
	memset(&control, 0, sizeof(control));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(fds_len);
	memcpy(CMSG_DATA(c), fds, fds_len);
	/* Who does not wait for the answer has died meanwhile. */
	(void)sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}
