/* SPDX-License-Identifier: MIT */
/*
 * launch.c - the process that the user started: it waits for the command.
 *
 * Promise: whoever started mfill run sees what they would see of the command
 * itself: it ends when the command ends, with its status, stops when it
 * stops, and passes on what signals it is sent.
 * Context: a process of one thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/run.h"

#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND	    127

/* Kept from us, and passed on; SIGCHLD only tells of a broker's death. */
static const int passed_on[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
				 SIGUSR1, SIGUSR2, SIGCONT };

struct launcher {
	struct mf_run *run;
	int control, signal_fd;
	pid_t broker;	      /* 0: it ended */
	pid_t command;	      /* 0: not known yet */
	int64_t continued_ns; /* last SIGCONT */
	bool ended;
	int status; /* of mfill */
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A number that is free is not taken by us: the command finds it free. */
static void keep_free(int fd)
{
	if (fcntl(fd, F_GETFD) < 0)
		(void)open("/dev/null", O_RDWR | O_CLOEXEC);
}

void mf_run_note(struct mf_run_before *ret)
{
	const struct dirent *entry;
	DIR *dir;

	ret->n_fds = 0;
	for (int fd = 0; fd < 3; fd++)
		keep_free(fd);
	dir = opendir("/proc/self/fd");
	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (fd > 2 && fd != dirfd(dir) && ret->n_fds < 1024)
			ret->fds[ret->n_fds++] = fd;
	}
	if (dir)
		(void)closedir(dir);
}

static void take_signals(struct mf_run_before *before, sigset_t *ret)
{
	struct sigaction action;

	sigemptyset(ret);
	sigaddset(ret, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
		sigaddset(ret, passed_on[i]);
	(void)sigprocmask(SIG_BLOCK, ret, &before->mask);
	(void)sigaction(SIGCHLD, NULL, &action);
	before->sigchld_ignored = action.sa_handler == SIG_IGN;
	/* Ignored, children would vanish without a status. */
	(void)signal(SIGCHLD, SIG_DFL);
}

static void on_end(struct launcher *launcher, int wait_status)
{
	launcher->ended = true;
	launcher->status = WEXITSTATUS(wait_status);
	if (!WIFSIGNALED(wait_status))
		return;
	launcher->run->ended_by = WTERMSIG(wait_status);
	launcher->status = 128 + WTERMSIG(wait_status);
}

static void on_failure(struct launcher *launcher, int error)
{
	mf_say("%s: %s", launcher->run->command[0], strerror(error));
	launcher->ended = true;
	launcher->run->failed = true;
	launcher->status = error == ENOENT ? EXIT_NOT_FOUND
					   : EXIT_CANNOT_EXECUTE;
}

/* Without a broker: its status, if there is one yet or ever will be. */
static void look_for_command(struct launcher *launcher)
{
	int status;
	pid_t pid = -1;

	if (launcher->command)
		pid = waitpid(launcher->command, &status, WNOHANG);
	if (pid > 0)
		on_end(launcher, status);
	else if (pid < 0)
		launcher->ended = true; /* never ours: nobody knows its end */
}

static void pass_on(const struct launcher *launcher, int32_t sig)
{
	if (launcher->control >= 0)
		(void)send(launcher->control, &sig, sizeof(sig), MSG_NOSIGNAL);
	else if (launcher->command)
		(void)kill(launcher->command, sig);
}

/* One of those that came; false: none did. */
static bool on_signal(struct launcher *launcher)
{
	struct signalfd_siginfo info;

	if (read(launcher->signal_fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGCHLD) {
		if (!launcher->broker)
			look_for_command(launcher);
		return true;
	}
	if (info.ssi_signo == SIGCONT)
		launcher->continued_ns = now_ns();
	/* From the terminal: the command has got it, too. */
	if (info.ssi_code != SI_KERNEL)
		pass_on(launcher, (int32_t)info.ssi_signo);
	return true;
}

/*
 * The command stopped, so we do, for a shell to see it. When the whole group
 * was stopped and continued by now, the news is old: the signal that says so
 * may not have been read yet.
 */
static void on_stop(struct launcher *launcher, int64_t time_ns)
{
	while (on_signal(launcher))
		;
	if (launcher->continued_ns < time_ns)
		(void)raise(SIGSTOP);
}

static void on_message(struct launcher *launcher,
		       const struct mf_run_message *message)
{
	switch ((enum mf_run_news)message->news) {
	case MF_NEWS_STARTED:
		launcher->command = message->value;
		break;
	case MF_NEWS_FAILED:
		on_failure(launcher, message->value);
		break;
	case MF_NEWS_STOPPED:
		on_stop(launcher, message->time_ns);
		break;
	case MF_NEWS_ENDED:
		on_end(launcher, message->value);
		break;
	}
	/* So that nobody sees it after we are gone. */
	if (launcher->ended && message->alone)
		(void)waitpid(launcher->broker, NULL, 0);
}

/*
 * Somebody killed the broker. All its children are ours now. What the programs
 * have they keep; those they execute from now on see no maps.
 */
static void on_broker_death(struct launcher *launcher)
{
	(void)close(launcher->control);
	launcher->control = -1;
	(void)waitpid(launcher->broker, NULL, 0);
	launcher->broker = 0;
	mf_say("the broker of this run was killed; programs that start from "
	       "now on do not see its maps");
	look_for_command(launcher);
}

static void on_control(struct launcher *launcher)
{
	struct mf_run_message message;
	ssize_t n;

	/*
	 * A broker that ends while there is a signal on its way to it resets
	 * the connection. That is told once; then come its last words.
	 */
	do
		n = recv(launcher->control, &message, sizeof(message), 0);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n == sizeof(message))
		on_message(launcher, &message);
	else
		on_broker_death(launcher);
}

static void wait_for_end(struct launcher *launcher)
{
	while (!launcher->ended) {
		struct pollfd fds[] = {
			{ .fd = launcher->signal_fd, .events = POLLIN },
			{ .fd = launcher->control, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			(void)on_signal(launcher);
		else if (fds[1].revents)
			on_control(launcher);
	}
}

static int start_broker(struct launcher *launcher,
			const struct mf_run_before *before)
{
	sigset_t all, mask;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	/* No key shall hit the broker while it is still in our group. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &mask);
	launcher->broker = fork();
	if (launcher->broker == 0) {
		(void)close(ends[0]);
		mf_run_broker(launcher->run, ends[1], before);
	}
	r = launcher->broker < 0 ? -errno : 0;
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	(void)close(ends[1]);
	/* When the broker is gone, nobody must seem to listen. */
	(void)close(launcher->run->listen_fd);
	launcher->control = ends[0];
	return r;
}

int mf_run_launch(struct mf_run *run, struct mf_run_before *before)
{
	struct launcher launcher = { .run = run, .status = MF_EXIT_FAILED };
	sigset_t signals;
	int r;

	take_signals(before, &signals);
	/* Should the broker die, its children become ours. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = start_broker(&launcher, before);
	if (r < 0) {
		run->failed = true;
		mf_say("the broker cannot be started: %s", strerror(-r));
		return MF_EXIT_FAILED;
	}
	mf_run_let_go(before, true);
	launcher.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	wait_for_end(&launcher);
	return launcher.status;
}
