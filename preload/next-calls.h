/* SPDX-License-Identifier: MIT */
/*
 * next-calls.h - the part of next.h's list that is about memory and signals.
 *
 * Context: see next.h.
 */
#ifndef MF_PRELOAD_NEXT_CALLS_H
#define MF_PRELOAD_NEXT_CALLS_H

#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* clang-format off */
#define PL_NEXT_CALLS(X) \
	X(int, accept, (int, void *, socklen_t *)) \
	X(int, accept4, (int, void *, socklen_t *, int)) \
	X(int, bind, (int, const void *, socklen_t)) \
	X(int, connect, (int, const void *, socklen_t)) \
	X(int, getsockname, (int, void *, socklen_t *)) \
	X(int, getpeername, (int, void *, socklen_t *)) \
	X(int, setsockopt, (int, int, int, const void *, socklen_t)) \
	X(int, getsockopt, (int, int, int, void *, socklen_t *)) \
	X(int, socketpair, (int, int, int, int[2])) \
	X(ssize_t, send, (int, const void *, size_t, int)) \
	X(ssize_t, sendto, \
	  (int, const void *, size_t, int, const void *, socklen_t)) \
	X(ssize_t, sendmsg, (int, const struct msghdr *, int)) \
	X(int, sendmmsg, (int, struct mmsghdr *, unsigned, int)) \
	X(ssize_t, recv, (int, void *, size_t, int)) \
	X(ssize_t, __recv_chk, (int, void *, size_t, size_t, int)) \
	X(ssize_t, recvfrom, \
	  (int, void *, size_t, int, void *, socklen_t *)) \
	X(ssize_t, __recvfrom_chk, \
	  (int, void *, size_t, size_t, int, void *, socklen_t *)) \
	X(ssize_t, recvmsg, (int, struct msghdr *, int)) \
	X(int, recvmmsg, \
	  (int, struct mmsghdr *, unsigned, int, struct timespec *)) \
	X(pid_t, wait, (int *)) \
	X(pid_t, waitpid, (pid_t, int *, int)) \
	X(pid_t, wait3, (int *, int, struct rusage *)) \
	X(pid_t, wait4, (pid_t, int *, int, struct rusage *)) \
	X(int, waitid, (idtype_t, id_t, siginfo_t *, int)) \
	X(int, poll, (struct pollfd *, nfds_t, int)) \
	X(int, __poll_chk, (struct pollfd *, nfds_t, int, size_t)) \
	X(int, ppoll, \
	  (struct pollfd *, nfds_t, const struct timespec *, \
	   const sigset_t *)) \
	X(int, __ppoll_chk, \
	  (struct pollfd *, nfds_t, const struct timespec *, \
	   const sigset_t *, size_t)) \
	X(int, select, \
	  (int, fd_set *, fd_set *, fd_set *, struct timeval *)) \
	X(int, pselect, \
	  (int, fd_set *, fd_set *, fd_set *, const struct timespec *, \
	   const sigset_t *)) \
	X(int, epoll_ctl, (int, int, int, struct epoll_event *)) \
	X(int, epoll_wait, (int, struct epoll_event *, int, int)) \
	X(int, epoll_pwait, \
	  (int, struct epoll_event *, int, int, const sigset_t *)) \
	X(int, epoll_pwait2, \
	  (int, struct epoll_event *, int, const struct timespec *, \
	   const sigset_t *)) \
	X(int, msgsnd, (int, const void *, size_t, int)) \
	X(ssize_t, msgrcv, (int, void *, size_t, long, int)) \
	X(int, semop, (int, struct sembuf *, size_t)) \
	X(int, semtimedop, \
	  (int, struct sembuf *, size_t, const struct timespec *)) \
	X(int, mq_send, (mqd_t, const char *, size_t, unsigned)) \
	X(int, mq_timedsend, \
	  (mqd_t, const char *, size_t, unsigned, \
	   const struct timespec *)) \
	X(ssize_t, mq_receive, (mqd_t, char *, size_t, unsigned *)) \
	X(ssize_t, mq_timedreceive, \
	  (mqd_t, char *, size_t, unsigned *, const struct timespec *)) \
	X(ssize_t, getrandom, (void *, size_t, unsigned)) \
	X(int, getentropy, (void *, size_t)) \
	X(int, uname, (struct utsname *)) \
	X(int, sysinfo, (struct sysinfo *)) \
	X(clock_t, times, (struct tms *)) \
	X(int, getrusage, (int, struct rusage *)) \
	X(int, getrlimit, (int, struct rlimit *)) \
	X(int, getrlimit64, (int, struct rlimit *)) \
	X(int, pipe, (int[2])) \
	X(int, pipe2, (int[2], int)) \
	X(int, getgroups, (int, gid_t *)) \
	X(int, timerfd_settime, \
	  (int, int, const struct itimerspec *, struct itimerspec *)) \
	X(int, timerfd_gettime, (int, struct itimerspec *)) \
	X(char *, getcwd, (char *, size_t)) \
	X(int, ioctl, (int, unsigned long, ...)) \
	X(int, system, (const char *)) \
	X(FILE *, popen, (const char *, const char *)) \
	X(size_t, fwrite, (const void *, size_t, size_t, FILE *)) \
	X(size_t, fwrite_unlocked, (const void *, size_t, size_t, FILE *)) \
	X(size_t, fread, (void *, size_t, size_t, FILE *)) \
	X(size_t, fread_unlocked, (void *, size_t, size_t, FILE *)) \
	X(size_t, __fread_chk, (void *, size_t, size_t, size_t, FILE *)) \
	X(int, sigaction, \
	  (int, const struct sigaction *, struct sigaction *)) \
	X(sighandler_t, signal, (int, sighandler_t)) \
	X(sighandler_t, sysv_signal, (int, sighandler_t)) \
	X(int, siginterrupt, (int, int)) \
	X(int, sighold, (int)) \
	X(int, sigrelse, (int)) \
	X(int, sigignore, (int)) \
	X(sighandler_t, sigset, (int, sighandler_t)) \
	X(int, sigprocmask, (int, const sigset_t *, sigset_t *)) \
	X(int, sigsuspend, (const sigset_t *)) \
	X(int, sigpending, (sigset_t *)) \
	X(int, sigtimedwait, \
	  (const sigset_t *, siginfo_t *, const struct timespec *)) \
	X(int, pthread_attr_setsigmask_np, \
	  (pthread_attr_t *, const sigset_t *))
/* clang-format on */

#endif
