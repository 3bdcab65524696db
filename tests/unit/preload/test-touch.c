/* SPDX-License-Identifier: MIT */
/*
 * test-touch.c - calls that take something put it down in memory that was not
 * there yet. Tried once and then again, each of these would lose it.
 */
#include "preload/touch.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "unit/preload/arena.h"

static void check_packets(int family, int type)
{
	char *map = arena_map('x', 0);
	int fds[2];

	ck_assert_int_eq(socketpair(family, type, 0, fds), 0);
	ck_assert_int_eq(send(fds[0], "first", 5, 0), 5);
	ck_assert_int_eq(send(fds[0], "second", 6, 0), 6);
	/* Across a page border, into two pages of which one is there. */
	map[0] = 'x';
	ck_assert_int_eq(RAW(recvfrom, fds[1], map + PAGE - 2, 100, 0, 0, 0),
			 5);
	ck_assert_mem_eq(map + PAGE - 2, "firstx", 6);
	ck_assert_int_eq(RAW(read, fds[1], map + 4 * PAGE, 100), 6);
	ck_assert_mem_eq(map + 4 * PAGE, "secondx", 7);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

TEST(a_packet_is_received_whole)
{
	start(PL_FILTER_ARENA);
	check_packets(AF_UNIX, SOCK_DGRAM);
	check_packets(AF_UNIX, SOCK_SEQPACKET);
}

static int bound_socket(int type, struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	ret->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)ret, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

TEST(a_datagram_and_its_sender_are_received)
{
	struct sockaddr_in to, from, *told;
	int in = bound_socket(SOCK_DGRAM, &to);
	int out = bound_socket(SOCK_DGRAM, &from);
	socklen_t *len;
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	told = (void *)(map + 8 * PAGE);
	len = (void *)(map + 9 * PAGE);
	*len = sizeof(*told);
	ck_assert_int_eq(
		sendto(out, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)),
		5);
	ck_assert_int_eq(RAW(recvfrom, in, map, 100, 0, told, len), 5);
	ck_assert_mem_eq(map, "hello", 6);
	ck_assert_uint_eq(*len, sizeof(*told));
	ck_assert_uint_eq(told->sin_port, from.sin_port);
	close(in);
	close(out);
	arena_unmap(map);
}

TEST(a_connection_and_its_address_are_accepted)
{
	struct sockaddr_in to, from, *told;
	int in = bound_socket(SOCK_STREAM, &to);
	int out = bound_socket(SOCK_STREAM, &from), fd;
	socklen_t len = sizeof(*told);
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	told = (void *)map;
	ck_assert_int_eq(listen(in, 1), 0);
	ck_assert_int_eq(connect(out, (struct sockaddr *)&to, sizeof(to)), 0);
	fd = (int)RAW(accept, in, told, &len);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(told->sin_port, from.sin_port);
	close(fd);
	close(in);
	close(out);
	arena_unmap(map);
}

TEST(counters_and_timers_are_read_once)
{
	struct itimerspec soon = { .it_value = { 0, 1 } };
	int event = eventfd(7, EFD_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	ck_assert_int_eq(RAW(read, event, map, 8), 8);
	ck_assert_uint_eq(*(uint64_t *)map, 7);
	ck_assert_int_eq(timerfd_settime(timer, 0, &soon, NULL), 0);
	ck_assert_int_eq(RAW(read, timer, map + PAGE, 8), 8);
	ck_assert_uint_eq(*(uint64_t *)(map + PAGE), 1);
	close(event);
	close(timer);
	arena_unmap(map);
}

TEST(signals_are_taken_once)
{
	siginfo_t *info;
	uint64_t set = UINT64_C(1) << (SIGUSR1 - 1);
	struct signalfd_siginfo *read_info;
	sigset_t mask;
	char *map;
	int fd;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	info = (void *)map;
	read_info = (void *)(map + PAGE);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	raise(SIGUSR1);
	ck_assert_int_eq(RAW(rt_sigtimedwait, &set, info, 0, 8), SIGUSR1);
	ck_assert_int_eq(info->si_pid, getpid());
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	raise(SIGUSR1);
	ck_assert_int_eq(RAW(read, fd, read_info, sizeof(*read_info)),
			 sizeof(*read_info));
	ck_assert_uint_eq(read_info->ssi_signo, SIGUSR1);
	close(fd);
	arena_unmap(map);
}

TEST(a_change_of_a_directory_is_read_once)
{
	char path[] = "/tmp/mfill-test-XXXXXX", file[64];
	int fd = inotify_init1(IN_CLOEXEC);
	struct inotify_event *event;
	char *map;

	ck_assert_ptr_nonnull(mkdtemp(path));
	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	event = (void *)(map + PAGE - 4);
	ck_assert_int_ge(inotify_add_watch(fd, path, IN_CREATE), 0);
	snprintf(file, sizeof(file), "%s/new", path);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ck_assert_int_gt(RAW(read, fd, event, 4096), (long)sizeof(*event));
	ck_assert_str_eq(event->name, "new");
	unlink(file);
	rmdir(path);
	close(fd);
	arena_unmap(map);
}

TEST(the_status_of_a_child_is_not_lost)
{
	pid_t child;
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	child = fork();
	if (child == 0)
		_exit(42);
	ck_assert_int_eq(RAW(wait4, child, map, 0, map + PAGE), child);
	ck_assert_int_eq(WEXITSTATUS(*(int *)map), 42);
	child = fork();
	if (child == 0)
		_exit(43);
	ck_assert_int_eq(RAW(waitid, P_PID, child, map + 2 * PAGE, WEXITED, 0),
			 0);
	ck_assert_int_eq(((siginfo_t *)(map + 2 * PAGE))->si_status, 43);
	arena_unmap(map);
}

TEST(a_queued_message_is_received_whole)
{
	struct {
		long type;
		char text[8];
	} message = { 5, "message" };
	int queue = msgget(IPC_PRIVATE, 0600);
	char *map;

	if (queue < 0)
		SKIP("System V message queues");
	start(PL_FILTER_ARENA);
	map = arena_map('x', 0);
	ck_assert_int_eq(msgsnd(queue, &message, 8, 0), 0);
	/* The type in one page, the text in the next. */
	ck_assert_int_eq(RAW(msgrcv, queue, map + PAGE - 8, 8, 0, 0), 8);
	msgctl(queue, IPC_RMID, NULL);
	ck_assert_mem_eq(map + PAGE, "message", 8);
	ck_assert_int_eq(*(long *)(map + PAGE - 8), 5);
	arena_unmap(map);
}

static struct mq_attr_kernel {
	long flags, maxmsg, msgsize, curmsgs, reserved[4];
} attributes = { 0, 4, 64, 0, { 0 } };

TEST(a_posix_message_is_received_whole)
{
	long queue;
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map(0, 0);
	queue = RAW(mq_open, "mfill-test", O_CREAT | O_RDWR | O_EXCL, 0600,
		    &attributes);
	if (queue < 0)
		SKIP("POSIX message queues");
	RAW(mq_unlink, "mfill-test");
	ck_assert_int_eq(RAW(mq_timedsend, queue, "mail", 4, 9, 0), 0);
	ck_assert_int_eq(RAW(mq_timedreceive, queue, map, 64, map + PAGE, 0),
			 4);
	ck_assert_mem_eq(map, "mail", 5);
	ck_assert_uint_eq(*(unsigned *)(map + PAGE), 9);
	close((int)queue);
	arena_unmap(map);
}

TEST(the_buffers_of_a_message_are_filled_on_demand)
{
	struct iovec iov[2];
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	int fds[2];
	char *map;

	start(PL_FILTER_ALL);
	map = arena_map('x', 0);
	iov[0] = (struct iovec){ map, 2 };
	iov[1] = (struct iovec){ map + 3 * PAGE - 1, 50 };
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	ck_assert_int_eq(send(fds[0], "packet", 6, 0), 6);
	ck_assert_int_eq(RAW(recvmsg, fds[1], &message, 0), 6);
	ck_assert_mem_eq(map, "pax", 3);
	ck_assert_mem_eq(map + 3 * PAGE - 1, "cketx", 5);
	iov[0].iov_base = map + 5 * PAGE;
	ck_assert_int_eq(RAW(writev, fds[0], iov, 2), 52);
	ck_assert_int_eq(RAW(readv, fds[1], iov, 2), 52);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

TEST(an_array_may_be_long_and_lie_there_itself)
{
	enum { N = 16 };
	struct iovec *iov;
	char buf[3 * N];
	int fds[2];
	char *map;

	start(PL_FILTER_ALL);
	map = arena_map('x', 0);
	iov = (struct iovec *)arena_map(0, 0);
	for (int i = 0; i < N; i++)
		iov[i] = (struct iovec){ map + PAGE * (size_t)i, 3 };
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(RAW(writev, fds[1], iov, N), 3 * N);
	ck_assert_int_eq(read(fds[0], buf, sizeof(buf)), 3 * N);
	for (int i = 0; i < 3 * N; i++)
		ck_assert_int_eq(buf[i], 'x');
	close(fds[0]);
	close(fds[1]);
	arena_unmap((char *)iov);
	arena_unmap(map);
}

/* Failures */

TEST(who_cannot_put_it_down_does_not_take_it)
{
	char buf[10];
	int fds[2];
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map('x', 1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	ck_assert_int_eq(send(fds[0], "packet", 6, 0), 6);
	ck_assert_int_eq(RAW(read, fds[1], map + PAGE, 6), -EFAULT);
	ck_assert_int_eq(recv(fds[1], buf, 10, MSG_DONTWAIT), 6);
	close(fds[0]);
	close(fds[1]);
	arena_unmap(map);
}

TEST(a_write_stops_where_the_source_fails)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char *map;

	start(PL_FILTER_ARENA);
	map = arena_map('x', 2);
	ck_assert_int_eq(RAW(write, fd, map, 4 * PAGE), 2 * PAGE);
	ck_assert_int_eq(RAW(write, fd, map + 2 * PAGE, PAGE), -EFAULT);
	close(fd);
	arena_unmap(map);
}
