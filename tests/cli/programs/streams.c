/* SPDX-License-Identifier: MIT */
/*
 * streams.c - prints what it reads of a file by libc's functions.
 *
 * Promise: the output depends on the file's content and name alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOW(expression) \
	printf("%s: %lld\n", #expression, (long long)(expression))
#define SHOW_ERROR(expression)                                                \
	do {                                                                  \
		int failed_ = (expression) == -1;                             \
		printf("%s: %d %s\n", #expression, failed_, strerror(errno)); \
	} while (0)

static unsigned sum(const void *buf, size_t len)
{
	const unsigned char *p = buf;
	unsigned n = 2166136261U;

	while (len-- > 0)
		n = (n ^ *p++) * 16777619U;
	return n;
}

static char buf[300000];
static void *volatile nowhere = (void *)1;

static void descriptors(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), twin = dup(fd);
	struct iovec iov[] = { { buf, 1000 }, { buf + 5000, 7000 } };

	SHOW(read(fd, buf, 100000));
	SHOW(sum(buf, 100000));
	SHOW(lseek(twin, 0, SEEK_CUR));
	SHOW(pread(fd, buf, 200000, 150000));
	SHOW(sum(buf, 200000));
	SHOW(readv(fd, iov, 2));
	SHOW(sum(buf, 12000));
	SHOW(preadv(fd, iov, 2, 99));
	SHOW(sum(buf, 12000));
	SHOW(preadv2(fd, iov, 2, -1, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, -10, SEEK_END));
	SHOW(read(fd, buf, 1000));
	SHOW(read(fd, buf, 1000));
	SHOW(read(fd, buf, 0));
	SHOW(lseek(fd, 1 << 30, SEEK_SET));
	SHOW(read(fd, buf, 1));
	SHOW_ERROR(read(fd, nowhere, 1));
	lseek(fd, 0, SEEK_SET);
	SHOW_ERROR(read(fd, nowhere, 1));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW_ERROR(pread(fd, buf, 1, -1));
	SHOW_ERROR(lseek(fd, -1, SEEK_SET));
	SHOW_ERROR(lseek(fd, 1 << 30, SEEK_DATA));
	SHOW(lseek(fd, 5, SEEK_DATA));
	SHOW(lseek(fd, 5, SEEK_HOLE));
	SHOW_ERROR(write(fd, buf, 1));
	SHOW_ERROR(pwrite(fd, buf, 1, 0));
	SHOW_ERROR(writev(fd, iov, 1));
	SHOW_ERROR(ftruncate(fd, 5));
	SHOW_ERROR(fallocate(fd, 0, 0, 5));
	SHOW(posix_fallocate(fd, 0, 5));
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
	SHOW(readahead(fd, 0, 4096));
	SHOW(fsync(fd));
	close(twin);
	close(fd);
	SHOW_ERROR(read(fd, buf, 1));
}

/* Whether a child finds us holding a read lock on that byte. */
static int lock_seen_by_child(int fd, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = at, .l_len = 1 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fcntl(fd, F_GETLK, &lock);
		_exit(lock.l_type == F_RDLCK && lock.l_pid == getppid());
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

/* Not in memory: the kernel does not copy from one kind to the other. */
static int make_file(void)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s/copies", getenv("OUT"));
	return open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
}

static void copies(const char *path)
{
	int fd = open(path, O_RDONLY), out = make_file();
	off_t from = 70000, to = 10;

	SHOW(sendfile(out, fd, &from, 100000));
	SHOW(from);
	SHOW(sendfile(out, fd, NULL, 1500));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(copy_file_range(fd, &from, out, &to, 30000, 0));
	SHOW(from);
	SHOW(to);
	SHOW(copy_file_range(fd, NULL, out, NULL, 1 << 30, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(copy_file_range(fd, NULL, out, NULL, 1 << 30, 0));
	for (off_t at = 0; (from = pread(out, buf, sizeof(buf), at)) > 0;
	     at += from)
		SHOW(sum(buf, (size_t)from));
	close(out);
	close(fd);
}

static void flags_and_locks(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_CUR };

	SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC));
	SHOW(fcntl(fd, F_SETFL, O_NONBLOCK));
	SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock.l_type = F_WRLCK;
	SHOW_ERROR(fcntl(fd, F_SETLK, &lock));
	SHOW(fcntl(fd, F_GETLK, &lock));
	SHOW(lock.l_type);
	/* From here on, which is not where the file begins. */
	SHOW(lseek(fd, 5000, SEEK_SET));
	lock = (struct flock){ .l_type = F_UNLCK, .l_whence = SEEK_CUR };
	SHOW(fcntl(fd, F_SETLK, &lock));
	SHOW(lock_seen_by_child(fd, 4999));
	SHOW(lock_seen_by_child(fd, 5000));
	lock = (struct flock){ .l_type = F_RDLCK };
	SHOW(fcntl(fd, F_OFD_SETLK, &lock));
	SHOW(flock(fd, LOCK_SH));
	SHOW(flock(fd, LOCK_UN));
	/* Any file of a tmpfs has the one seal that forbids others. */
	SHOW((fcntl(fd, F_GET_SEALS) & ~F_SEAL_SEAL) > 0);
	SHOW(fcntl(fd, F_DUPFD, 20));
	SHOW(read(20, buf, 500));
	close(20);
	close(fd);
}

static void streams(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t room = 0;
	char *line = NULL;

	SHOW(fileno(f) > 2);
	SHOW(getc(f));
	SHOW(ungetc('x', f));
	SHOW(ftell(f));
	SHOW(fgets(buf, 100, f) != NULL);
	printf("%s", buf);
	SHOW(getline(&line, &room, f));
	printf("%s", line);
	SHOW(fscanf(f, "%s", buf));
	printf("%s\n", buf);
	SHOW(fread(buf, 3, 50000, f));
	SHOW(sum(buf, 150000));
	SHOW(ftell(f));
	SHOW(fseek(f, 33333, SEEK_SET));
	SHOW(fread(buf, 1, 10, f));
	printf("%.10s\n", buf);
	SHOW(fflush(f));
	SHOW(lseek(fileno(f), 0, SEEK_CUR));
	SHOW(fseek(f, -20, SEEK_END));
	SHOW(fread(buf, 1, 100, f));
	SHOW(feof(f));
	SHOW(ferror(f));
	rewind(f);
	SHOW(getc(f));
	SHOW(fclose(f));
	free(line);
	f = fdopen(open(path, O_RDONLY), "r");
	SHOW(fread(buf, 1, 100000, f));
	SHOW(sum(buf, 100000));
	SHOW(ftell(f));
	SHOW(fclose(f));
	f = freopen(path, "r", stdin);
	SHOW(f == stdin);
	SHOW(fileno(stdin));
	SHOW(fgets(buf, 100, stdin) != NULL);
	printf("%s", buf);
	SHOW(getchar());
	f = fopen("/dev/stdin", "r");
	SHOW(fgets(buf, 100, f) != NULL);
	fclose(f);
	SHOW(fopen(path, "w") == NULL || fopen(path, "r+") == NULL);
	SHOW(fopen(path, "nonsense") == NULL && errno == EINVAL);
}

static const char *shared_path;
static volatile unsigned handler_sum;

static void on_signal(int sig)
{
	char local[5000];
	int fd = open(shared_path, O_RDONLY);

	(void)sig;
	if (pread(fd, local, sizeof(local), 123456) == sizeof(local))
		handler_sum = sum(local, sizeof(local));
	close(fd);
}

static void *reader(void *fd)
{
	char local[1000];
	uintptr_t n = 0;

	while (read((int)(intptr_t)fd, local, sizeof(local)) == sizeof(local))
		n++;
	return (void *)n;
}

static int read_in_vfork_child(int fd)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		dup2(fd, 7);
		_exit(read(7, buf, 70000) == 70000 ? 33 : 1);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void contexts(const char *path)
{
	pthread_t threads[4];
	uintptr_t total = 0;
	int fd;

	shared_path = path;
	signal(SIGALRM, on_signal);
	raise(SIGALRM);
	SHOW(handler_sum);
	fd = open(path, O_RDONLY);
	SHOW(read_in_vfork_child(fd));
	SHOW(sum(buf, 70000));
	SHOW(lseek(fd, 0, SEEK_SET));
	/* A piece for each, none twice. */
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, reader, (void *)(intptr_t)fd);
	for (int i = 0; i < 4; i++) {
		void *n;

		pthread_join(threads[i], &n);
		total += (uintptr_t)n;
	}
	SHOW(total);
	close(fd);
	/* Whoever takes all numbers, and closes all, can still open it. */
	for (int i = 3; i < 1024; i++)
		dup2(2, i);
	close_range(3, ~0U, 0);
	closefrom(3);
	for (int i = 3; i < 2000; i++)
		close(i);
	fd = open(path, O_RDONLY);
	SHOW(fd);
	SHOW(pread(fd, buf, 100000, 500000));
	SHOW(sum(buf, 100000));
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	descriptors(argv[1]);
	copies(argv[1]);
	flags_and_locks(argv[1]);
	streams(argv[1]);
	contexts(argv[1]);
	return 0;
}
