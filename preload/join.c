/* SPDX-License-Identifier: MIT */
/*
 * join.c - find the broker, and get from it what the run shares.
 *
 * Promise: a process has all maps of the run or, after a sentence, none.
 * Context: before main(), where other threads are rare but possible. Nothing
 * here uses a libc function that this library replaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "mm/memfd.h"
#include "preload/catch.h"
#include "preload/preload.h"
#include "preload/uffd.h"
#include "run/table.h"

#define FDS_MAX (3 + 2 * MF_RUN_MAPS)

struct pl_run pl_run;

static struct pl_map maps[MF_RUN_MAPS];
static uint32_t joined;
static struct mf_mutex join_mutex;

/* What the broker sent; its first two are only needed to join. */
struct parcel {
	int fds[FDS_MAX];
	unsigned n;
};

enum { FD_WORLD, FD_TABLE, FD_MAPS };

static void drop_parcel(struct parcel *parcel)
{
	for (unsigned i = 0; i < parcel->n; i++)
		if (parcel->fds[i] >= 0)
			(void)mf_sys.close(parcel->fds[i]);
}

/* No program hangs because of a broker that does. */
#define ANSWER_SECONDS 10

static int connect_to(const char *name, size_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	long fd, r;

	if (len != MF_RUN_NAME)
		return -EINVAL;
	/* A zero first: a name without a file. */
	memcpy(to.sun_path + 1, name, len);
	fd = mf_syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			0, 0, 0);
	if (fd < 0)
		return (int)fd;
	(void)mf_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO,
			 (long)&limit, sizeof(limit), 0);
	(void)mf_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO,
			 (long)&limit, sizeof(limit), 0);
	r = mf_syscall(SYS_connect, fd, (long)&to,
		       (long)(offsetof(struct sockaddr_un, sun_path) + 1 + len),
		       0, 0, 0);
	if (r == 0)
		return (int)fd;
	(void)mf_sys.close((int)fd);
	return (int)r;
}

static int say_hello(int fd, const char *token)
{
	struct mf_run_hello hello = { .magic = MF_RUN_MAGIC };
	long n;

	memcpy(hello.token, token, MF_RUN_NAME);
	n = mf_syscall(SYS_sendto, fd, (long)&hello, sizeof(hello),
		       MSG_NOSIGNAL, 0, 0);
	if (n < 0)
		return (int)n;
	return n == sizeof(hello) ? 0 : -EPROTO;
}

static void unpack(struct msghdr *message, struct parcel *ret)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);

	for (; c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		ret->n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(ret->fds, CMSG_DATA(c), ret->n * sizeof(int));
	}
	for (unsigned i = 0; i < ret->n; i++)
		ret->fds[i] = mf_fd_move_up(ret->fds[i]);
}

/* On failure the parcel still has to be dropped. */
static int receive(int fd, struct parcel *ret)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct mf_run_answer answer;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	long n;

	do
		n = mf_syscall(SYS_recvmsg, fd, (long)&message,
			       MSG_CMSG_CLOEXEC, 0, 0, 0);
	while (n == -EINTR);
	if (n == -EAGAIN)
		return -ETIMEDOUT;
	if (n < 0)
		return (int)n;
	unpack(&message, ret);
	if (n == 0)
		return -ECONNREFUSED;
	if (n != sizeof(answer) || answer.magic != MF_RUN_MAGIC)
		return -EPROTO;
	/* Cut short: this process may not have that many descriptors. */
	if (ret->n != answer.n_fds)
		return -EMFILE;
	return ret->n >= FD_MAPS ? 0 : -EPROTO;
}

/* address is the value of the environment variable. */
static int ask_broker(const char *address, struct parcel *ret)
{
	size_t len = strcspn(address, ":");
	int fd, r;

	if (address[len] != ':' || strlen(address + len + 1) != MF_RUN_NAME)
		return -EINVAL;
	fd = connect_to(address, len);
	if (fd < 0)
		return fd;
	r = say_hello(fd, address + len + 1);
	if (r == 0)
		r = receive(fd, ret);
	(void)mf_sys.close(fd);
	return r;
}

static int map_table(int fd, const struct mf_run_table **ret)
{
	const struct mf_run_table *table;
	struct stat st;
	void *addr;
	int r = mf_sys.fstat(fd, &st);

	if (r < 0)
		return r;
	if (st.st_size < (off_t)sizeof(*table))
		return -EPROTO;
	r = mf_sys.mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0,
			&addr);
	if (r < 0)
		return r;
	table = addr;
	if (table->magic == MF_RUN_MAGIC && table->size == st.st_size &&
	    table->n_maps <= MF_RUN_MAPS) {
		*ret = table;
		return 0;
	}
	(void)mf_sys.munmap(addr, (size_t)st.st_size);
	return -EPROTO;
}

static void fill_stat(const struct mf_run_map *from, struct stat *ret)
{
	*ret = (struct stat){
		.st_dev = from->face_dev,
		.st_ino = from->face_ino,
		.st_mode = S_IFREG | from->mode,
		.st_nlink = 1,
		.st_uid = from->uid,
		.st_gid = from->gid,
		.st_size = (off_t)from->size,
		.st_blksize = from->block,
		/* As if none of it was a hole. */
		.st_blocks = (blkcnt_t)((from->size + 511) / 512),
		.st_mtim = { from->mtime_ns / 1000000000,
			     from->mtime_ns % 1000000000 },
	};
	ret->st_atim = ret->st_ctim = ret->st_mtim;
}

static int enter_map(const struct mf_run_table *table, unsigned i,
		     struct parcel *parcel)
{
	const struct mf_run_map *from = &table->maps[i];
	int *store_fd = &parcel->fds[FD_MAPS + 2 * i], *face_fd = store_fd + 1;
	struct pl_map *map = &maps[i];
	int r = mf_store_attach(*store_fd, &from->store, &map->store);

	if (r < 0)
		return r;
	map->path = mf_run_text_at(table, from->path);
	map->base = strrchr(map->path, '/') + 1;
	map->shown = mf_run_text_at(table, from->shown);
	map->uri = mf_run_text_at(table, from->uri);
	map->folder_dev = from->folder_dev;
	map->folder_ino = from->folder_ino;
	map->size = from->size;
	map->rw = from->flags & MF_RUN_MAP_RW;
	map->face_fd = *face_fd;
	fill_stat(from, &map->stat);
	*store_fd = *face_fd = -EBADF; /* are the map's now */
	return 0;
}

/* Only ever called before anybody has seen the maps. */
static void leave_maps(void)
{
	for (unsigned i = 0; i < MF_RUN_MAPS && maps[i].store; i++) {
		(void)mf_sys.close(maps[i].face_fd);
		mf_store_free(maps[i].store);
		maps[i].store = NULL;
	}
}

static int enter_run(struct parcel *parcel)
{
	const struct mf_run_table *table;
	unsigned n_fds;
	int r = map_table(parcel->fds[FD_TABLE], &table);

	if (r < 0)
		return r;
	n_fds = FD_MAPS + 2 * table->n_maps;
	if (parcel->n != n_fds + !!(table->flags & MF_RUN_CHECK))
		return -EPROTO;
	/* Before anything takes a lock. */
	if ((table->flags & MF_RUN_CHECK) && pl_check_start)
		pl_check_start(parcel->fds[n_fds]);
	r = mf_world_adopt(parcel->fds[FD_WORLD]);
	for (unsigned i = 0; r == 0 && i < table->n_maps; i++)
		r = enter_map(table, i, parcel);
	if (r < 0) {
		leave_maps();
		return r;
	}
	pl_run.maps = maps;
	pl_run.quiet = table->flags & MF_RUN_QUIET;
	pl_run.uffd = table->flags & MF_RUN_UFFD;
	pl_run.filter = (int)table->filter;
	pl_run.backend = table->backend;
	pl_run.delivery = table->delivery;
	pl_run.library = mf_run_text_at(table, table->library);
	pl_run.n_maps = table->n_maps;
	return 0;
}

static void join(const char *entry)
{
	struct parcel parcel = { .n = 0 };
	int r = ask_broker(entry + strlen(MF_RUN_ENV "="), &parcel);

	if (r == 0)
		r = enter_run(&parcel);
	drop_parcel(&parcel);
	if (r < 0)
		pl_say("this program cannot join the run (",
		       strerrordesc_np(-r), ") and does not see its maps",
		       NULL);
	else
		pl_run.env_run = entry;
	/* A program that has nothing of ours has nothing to be caught at. */
	if (r == 0 && (pl_run.n_maps > 0 || pl_run.uffd))
		pl_catch_start(
			pl_run.filter == MF_RUN_FILTER_NONE  ? PL_FILTER_OFF
			: pl_run.filter == MF_RUN_FILTER_ALL ? PL_FILTER_ALL
							     : PL_FILTER_ARENA);
	if (r == 0 && pl_run.uffd)
		pl_uffd_start();
}

/* A copy, since a program may overwrite its environment. */
static const char *find_entry(char **environment)
{
	static char entry[sizeof(MF_RUN_ENV) + 2 * MF_RUN_NAME + 2];
	size_t len = strlen(MF_RUN_ENV "=");

	for (; environment && *environment; environment++) {
		if (strncmp(*environment, MF_RUN_ENV "=", len) != 0)
			continue;
		(void)strncpy(entry, *environment, sizeof(entry) - 1);
		return entry;
	}
	return NULL;
}

static void join_once(char **environment)
{
	const char *entry;

	if (mf_load_acquire(&joined))
		return;
	mf_mutex_lock(&join_mutex, MF_RANK_API);
	entry = mf_load_relaxed(&joined) ? NULL : find_entry(environment);
	if (entry)
		join(entry);
	mf_store_release(&joined, 1); /* pairs with the acquire above */
	mf_mutex_unlock(&join_mutex, MF_RANK_API);
}

void pl_join(void)
{
	join_once(environ);
}

/*
 * The library is linked with -z initfirst, so this runs before the
 * constructors of all others, and before libc knows its environment.
 */
__attribute__((constructor)) static void at_start(int argc, char **argv,
						  char **environment)
{
	(void)argc;
	(void)argv;
	pl_sanitizers_start();
	join_once(environment);
	if (pl_run.n_maps > 0)
		pl_stdio_start();
}
