/* SPDX-License-Identifier: MIT */
/*
 * words.c - words FILE HOW OFFSET...: run a command whose words are in FILE, at
 * these offsets: by execv(), posix_spawn(), system() or popen().
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc > 3 ? open(argv[1], O_RDONLY) : -1;
	char *map, *words[10] = { NULL };
	struct stat st;
	pid_t child;

	if (fd < 0 || fstat(fd, &st) < 0 || argc > 10)
		return perror("open"), 1;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return perror("mmap"), 1;
	for (int i = 3; i < argc; i++)
		words[i - 3] = map + atol(argv[i]);
	if (strcmp(argv[2], "system") == 0)
		return system(words[0]);
	if (strcmp(argv[2], "popen") == 0)
		return pclose(popen(words[0], "w"));
	if (strcmp(argv[2], "execv") == 0)
		return execv(words[0], words), perror("execv"), 1;
	if (posix_spawn(&child, words[0], NULL, NULL, words, environ) != 0)
		return fputs("posix_spawn failed\n", stderr), 1;
	waitpid(child, NULL, 0);
	return 0;
}
