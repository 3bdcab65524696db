/* SPDX-License-Identifier: MIT */
/*
 * broker.c - the process that starts the command and gives maps to programs.
 *
 * Promise: it is there as long as there is a program of the run, in whatever
 * session and however its parents ended, and not longer: all of them are its
 * descendants, who become its children when they lose their parents. It is
 * in a session of its own, so no key at the terminal reaches it.
 * Context: a process of its own, with all signals blocked. Threads come when
 * the command has been started.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/syscall.h"
#include "cli/run.h"
#include "fault/ahead.h"

struct broker {
	struct mf_run *run;
	int control;   /* -1: the launcher is gone */
	pid_t command; /* 0: it ended */
	int epoll_fd, signal_fd;
};

void mf_run_let_go(const struct mf_run_before *before, bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (unsigned i = 0; i < before->n_fds; i++)
		(void)close(before->fds[i]);
	for (int fd = 0; fd < 3 - keep_stderr; fd++) {
		if (null >= 0)
			(void)dup2(null, fd);
		else
			(void)close(fd);
	}
	if (null > 2)
		(void)close(null);
}

static void tell(struct broker *broker, enum mf_run_news news, int value,
		 bool alone)
{
	struct mf_run_message message = {
		.news = news,
		.value = value,
		.alone = alone,
	};
	struct timespec now;

	if (broker->control < 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	message.time_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	(void)send(broker->control, &message, sizeof(message), MSG_NOSIGNAL);
}

/* The command */

/* What follows the library of a run that we are in. */
static const char *without_ours(const char *old)
{
	size_t len = old ? strcspn(old, " :") : 0, skip = len;

	while (skip > 0 && old[skip - 1] != '/')
		skip--;
	if (len - skip < 10 || strncmp(old + skip, "libmfill-", 9) != 0)
		return old;
	return old + len + (old[len] != '\0');
}

/* "LIBRARY", or "LIBRARY:WHAT-WAS-THERE". */
static void set_preload(const struct mf_run *run)
{
	const char *old = without_ours(getenv("LD_PRELOAD"));
	_cleanup_free_ char *new = NULL;

	if (asprintf(&new, "%s%s%s", run->library, old && *old ? ":" : "",
		     old ? old : "") < 0)
		new = NULL;
	else
		(void)setenv("LD_PRELOAD", new, 1);
}

static void set_environment(const struct mf_run *run)
{
	char address[2 * MF_RUN_NAME + 2];

	snprintf(address, sizeof(address), "%s:%s", run->name, run->token);
	(void)setenv(MF_RUN_ENV, address, 1);
	set_preload(run);
}

/*
 * Not through libc: this process may be in a run itself, and what is around us
 * would put its own name in the place of ours.
 */
static int exec_raw(const char *path, char **args)
{
	return (int)mf_syscall(SYS_execve, (long)path, (long)args,
			       (long)environ, 0, 0, 0);
}

/* A file without "#!" is the shell's, as for every other caller. -errno. */
static int execute(const struct mf_run *run)
{
	int r = exec_raw(run->program, run->command);
	size_t n = 0;
	char **args;

	if (r != -ENOEXEC)
		return r;
	while (run->command[n])
		n++;
	args = calloc(n + 2, sizeof(*args));
	if (!args)
		return -ENOMEM;
	args[0] = (char *)"sh";
	args[1] = (char *)run->program;
	memcpy(args + 2, run->command + 1, n * sizeof(*args));
	return exec_raw("/bin/sh", args);
}

static _Noreturn void be_command(const struct mf_run *run,
				 const struct mf_run_before *before, int news)
{
	int error;

	if (before->sigchld_ignored)
		(void)signal(SIGCHLD, SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
	set_environment(run);
	error = -execute(run);
	(void)!write(news, &error, sizeof(error));
	_exit(127);
}

/* Its process id, or -errno of the exec that failed. */
static int start_command(const struct mf_run *run,
			 const struct mf_run_before *before)
{
	int news[2], error = 0;
	pid_t pid;

	if (pipe2(news, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_command(run, before, news[1]);
	error = pid < 0 ? errno : 0;
	(void)close(news[1]);
	/* Until the exec has closed the other end, or told why not. */
	if (pid > 0)
		(void)!read(news[0], &error, sizeof(error));
	(void)close(news[0]);
	return error ? -error : pid;
}

/* Signals and deaths */

/*
 * Collect all who have ended. False: there is no child any more. The command's
 * status is kept for when it is known who is left.
 */
static bool reap(struct broker *broker, int *ret_status)
{
	for (;;) {
		siginfo_t info = { .si_pid = 0 };
		int status;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return errno != ECHILD;
		if (!info.si_pid)
			return true;
		if (waitpid(info.si_pid, &status, 0) != broker->command)
			continue;
		broker->command = 0;
		*ret_status = status;
	}
}

/* False: nobody is left. */
static bool on_children(struct broker *broker)
{
	bool had_command = broker->command;
	siginfo_t info = { .si_pid = 0 };
	int status = 0;
	bool any;

	if (had_command &&
	    waitid(P_PID, (id_t)broker->command, &info, WSTOPPED | WNOHANG) ==
		    0 &&
	    info.si_pid)
		tell(broker, MF_NEWS_STOPPED, info.si_status, false);
	any = reap(broker, &status);
	if (had_command && !broker->command)
		tell(broker, MF_NEWS_ENDED, status, !any);
	return any;
}

/* The launcher passes on a signal, or has ended. */
static void on_launcher(struct broker *broker)
{
	int32_t sig;

	if (recv(broker->control, &sig, sizeof(sig), MSG_DONTWAIT) ==
	    sizeof(sig)) {
		if (broker->command)
			(void)kill(broker->command, sig);
		return;
	}
	(void)close(broker->control);
	broker->control = -1;
	/*
	 * Killed, or it would have waited: and whoever did that meant the
	 * command, as without mfill.
	 */
	if (broker->command)
		(void)kill(broker->command, SIGKILL);
}

static void watch(const struct broker *broker, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(broker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		(void)close(fd);
}

/* False: nobody is left. */
static bool on_event(struct broker *broker, int fd)
{
	struct signalfd_siginfo info;
	int connection;

	if (fd == broker->signal_fd) {
		(void)!read(fd, &info, sizeof(info));
		return on_children(broker);
	}
	if (fd == broker->control) {
		on_launcher(broker);
	} else if (fd == broker->run->listen_fd) {
		connection = accept4(fd, NULL, NULL,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (connection >= 0 && mf_run_may_ask(connection))
			watch(broker, connection);
		else if (connection >= 0)
			(void)close(connection);
	} else {
		mf_run_answer(broker->run, fd);
		(void)close(fd);
	}
	return true;
}

static void serve(struct broker *broker)
{
	struct epoll_event event;

	for (;;) {
		int n = epoll_wait(broker->epoll_fd, &event, 1, -1);

		if (n == 1 && !on_event(broker, event.data.fd))
			return;
	}
}

/* Its own: the terminal, the parent's group and files are the command's. */
static void become_daemon(const struct mf_run_before *before)
{
	(void)setsid();
	(void)!chdir("/");
	(void)prctl(PR_SET_NAME, "mfill-broker");
	mf_run_let_go(before, false);
}

/* Reading ahead */

/* Few processors need no more, but a source that waits has several waits. */
#define AHEAD_THREADS 4
#define AHEAD_MOST    (UINT64_C(4) << 20)

static struct mf_store *stores[MF_RUN_MAPS];

static void *read_ahead(void *run)
{
	mf_ahead_serve(stores, ((struct mf_run *)run)->n_files);
}

/* Without threads everything works, but for the time that this saves. */
static void start_reading_ahead(struct mf_run *run)
{
	for (unsigned i = 0; i < run->n_files; i++)
		stores[i] = run->files[i]->store;
	for (int i = 0; i < AHEAD_THREADS && run->n_files > 0; i++)
		if (mf_sys.thread_create(read_ahead, run) < 0)
			return;
	for (unsigned i = 0; i < run->n_files; i++)
		mf_ahead_offer(stores[i], AHEAD_MOST);
}

_Noreturn void mf_run_broker(struct mf_run *run, int control,
			     const struct mf_run_before *before)
{
	struct broker broker = { .run = run, .control = control };
	sigset_t mask;
	int pid;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = start_command(run, before);
	if (pid < 0) {
		tell(&broker, MF_NEWS_FAILED, -pid, true);
		_exit(0);
	}
	broker.command = pid;
	tell(&broker, MF_NEWS_STARTED, pid, false);
	become_daemon(before);

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	broker.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	broker.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch(&broker, broker.signal_fd);
	watch(&broker, broker.control);
	watch(&broker, run->listen_fd);
	start_reading_ahead(run);
	serve(&broker);
	_exit(0);
}
