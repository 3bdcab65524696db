/* SPDX-License-Identifier: MIT */
/*
 * writev.c - print a line by writev(): linked statically, nobody is there who
 * could handle a signal of the filter's.
 */
#include <signal.h>
#include <sys/uio.h>

int main(void)
{
	struct iovec iov[2] = { { "all ", 4 }, { "right\n", 6 } };
	struct sigaction action = { .sa_handler = SIG_DFL };

	if (sigaction(SIGSEGV, &action, NULL) < 0)
		return 2;
	return writev(1, iov, 2) != 10;
}
