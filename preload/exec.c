/* SPDX-License-Identifier: MIT */
/*
 * exec.c - what a program starts belongs to the run, too.
 *
 * Promise: a program that is started with another environment still joins;
 * one that cannot is said so in a sentence, and runs without the maps.
 * Context: any: no malloc, since vfork() children execute programs.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/syscall.h"
#include "preload/face.h"
#include "preload/serve.h"
#include "preload/touch.h"
#include "run/reach.h"
#include "run/table.h"

#define PRELOAD "LD_PRELOAD="

/* What of the environment is not as it must be. */
struct missing {
	size_t n;	 /* its entries */
	bool run;	 /* no or another MFILL_RUN */
	bool preload;	 /* our library is not the first in LD_PRELOAD */
	const char *old; /* what LD_PRELOAD is instead */
};

static bool begins(const char *entry, const char *with)
{
	return strncmp(entry, with, strlen(with)) == 0;
}

/* "LIBRARY" or "LIBRARY:…" */
static bool preloads_us(const char *value)
{
	size_t len = strlen(pl_run.library);

	return strncmp(value, pl_run.library, len) == 0 &&
	       (!value[len] || value[len] == ':' || value[len] == ' ');
}

static struct missing look(char *const environment[])
{
	struct missing missing = { .run = true, .preload = true };

	for (; environment && environment[missing.n]; missing.n++) {
		const char *entry = environment[missing.n];

		if (strcmp(entry, pl_run.env_run) == 0)
			missing.run = false;
		if (begins(entry, PRELOAD))
			missing.old = entry + strlen(PRELOAD);
	}
	missing.preload = !missing.old || !preloads_us(missing.old);
	return missing;
}

/* Bytes for LD_PRELOAD=LIBRARY:OLD, and for its NUL. */
static size_t preload_size(const struct missing *missing)
{
	return strlen(PRELOAD) + strlen(pl_run.library) + 1 +
	       (missing->old ? strlen(missing->old) : 0) + 1;
}

static void build(char *const old[], const struct missing *missing,
		  char **entries, char *preload)
{
	size_t n = 0;

	for (size_t i = 0; i < missing->n; i++)
		if (!(missing->preload && begins(old[i], PRELOAD)) &&
		    !(missing->run && begins(old[i], MF_RUN_ENV "=")))
			entries[n++] = old[i];
	if (missing->run)
		entries[n++] = (char *)pl_run.env_run;
	if (missing->preload) {
		char *at = stpcpy(stpcpy(preload, PRELOAD), pl_run.library);

		if (missing->old && *missing->old)
			strcpy(stpcpy(at, ":"), missing->old);
		entries[n++] = preload;
	}
	entries[n] = NULL;
}

/*
 * The environment for a program of the run: the one given when it is right,
 * else a new one on the caller's stack. In a vfork() child memory from
 * malloc() would be the parent's, for good.
 */
#define WITH_RUN(given)                                                     \
	({                                                                  \
		char *const *ret_ = (given);                                \
		if (pl_run.env_run) {                                       \
			struct missing missing_ = look(ret_);               \
			if (missing_.run || missing_.preload) {             \
				char **new_ = __builtin_alloca(             \
					(missing_.n + 3) * sizeof(char *)); \
				build(ret_, &missing_, new_,                \
				      __builtin_alloca(                     \
					      preload_size(&missing_)));    \
				ret_ = new_;                                \
			}                                                   \
		}                                                           \
		ret_;                                                       \
	})

/* A program that we cannot get into will not find the maps. */
static void warn(const char *path)
{
	char interpreter[256] = "";
	enum mf_reach reach;

	if (!pl_run.env_run || !pl_run.n_maps || !path)
		return;
	reach = mf_reach(path, interpreter);
	if (reach != MF_REACH_YES)
		pl_say(*interpreter ? interpreter : path, " ",
		       mf_reach_says(reach), NULL);
}

/* As execvp() searches; what it finds is only looked at, not executed. */
static void warn_search(const char *name)
{
	const char *path = getenv("PATH");
	char at[4096];

	if (strchr(name, '/')) {
		warn(name);
		return;
	}
	for (path = path ? path : "/bin:/usr/bin"; *path;) {
		size_t len = strcspn(path, ":");

		if (len + 1 + strlen(name) < sizeof(at)) {
			memcpy(at, path, len);
			at[len] = '/';
			strcpy(at + len + (len > 0), name);
			if (mf_syscall(SYS_faccessat, AT_FDCWD, (long)at, X_OK,
				       0, 0, 0) == 0) {
				warn(at);
				return;
			}
		}
		path += len + (path[len] == ':');
	}
}

/* The kernel reads them, in a child where no handler of ours is left. */
static void touch(const char *path, char *const argv[],
		  char *const environment[])
{
	if (path)
		pl_touch_string(path);
	pl_touch_strings(argv);
	pl_touch_strings(environment);
}

INTERPOSE(int, execve,
	  (const char *path, char *const argv[], char *const environment[]))
{
	touch(path, argv, environment);
	warn(path);
	return NEXT(execve)(path, argv, WITH_RUN(environment));
}

INTERPOSE(int, execv, (const char *path, char *const argv[]))
{
	return pl_libc_execve(path, argv, environ);
}

INTERPOSE(int, execvpe,
	  (const char *name, char *const argv[], char *const environment[]))
{
	touch(name, argv, environment);
	warn_search(name);
	return NEXT(execvpe)(name, argv, WITH_RUN(environment));
}

INTERPOSE(int, execvp, (const char *name, char *const argv[]))
{
	return pl_libc_execvpe(name, argv, environ);
}

INTERPOSE(int, fexecve, (int fd, char *const argv[], char *const environment[]))
{
	touch(NULL, argv, environment);
	return NEXT(fexecve)(fd, argv, WITH_RUN(environment));
}

INTERPOSE(int, execveat,
	  (int dirfd, const char *path, char *const argv[],
	   char *const environment[], int flags))
{
	touch(path, argv, environment);
	return NEXT(execveat)(dirfd, path, argv, WITH_RUN(environment), flags);
}

/* Arguments one by one: from first to NULL, into an array on the stack. */
static size_t count(va_list args)
{
	size_t n = 0;

	while (va_arg(args, char *))
		n++;
	return n + 2;
}

static void collect(char **argv, const char *first, va_list args)
{
	for (*argv = (char *)first; *argv; *argv = va_arg(args, char *))
		argv++;
}

#define ARGV_FROM(first, args)                                              \
	({                                                                  \
		va_list counted_;                                           \
		char **argv_;                                               \
		va_copy(counted_, args);                                    \
		argv_ = __builtin_alloca(count(counted_) * sizeof(char *)); \
		va_end(counted_);                                           \
		collect(argv_, first, args);                                \
		argv_;                                                      \
	})

INTERPOSE(int, execl, (const char *path, const char *first, ...))
{
	va_list args;
	char **argv;

	va_start(args, first);
	argv = ARGV_FROM(first, args);
	va_end(args);
	return pl_libc_execve(path, argv, environ);
}

INTERPOSE(int, execlp, (const char *name, const char *first, ...))
{
	va_list args;
	char **argv;

	va_start(args, first);
	argv = ARGV_FROM(first, args);
	va_end(args);
	return pl_libc_execvpe(name, argv, environ);
}

INTERPOSE(int, execle, (const char *path, const char *first, ...))
{
	char *const *environment;
	va_list args;
	char **argv;

	va_start(args, first);
	argv = ARGV_FROM(first, args);
	environment = va_arg(args, char *const *);
	va_end(args);
	return pl_libc_execve(path, argv, environment);
}

INTERPOSE(int, posix_spawn,
	  (pid_t * ret, const char *path, const pl_actions *actions,
	   const posix_spawnattr_t *attributes, char *const argv[],
	   char *const environment[]))
{
	touch(path, argv, environment);
	warn(path);
	return NEXT(posix_spawn)(ret, path, actions, attributes, argv,
				 WITH_RUN(environment));
}

INTERPOSE(int, posix_spawnp,
	  (pid_t * ret, const char *name, const pl_actions *actions,
	   const posix_spawnattr_t *attributes, char *const argv[],
	   char *const environment[]))
{
	touch(name, argv, environment);
	warn_search(name);
	return NEXT(posix_spawnp)(ret, name, actions, attributes, argv,
				  WITH_RUN(environment));
}

/* libc will open it in the child, without asking us: so it opens a face. */
INTERPOSE(int, posix_spawn_file_actions_addopen,
	  (pl_actions * actions, int fd, const char *path, int flags,
	   mode_t mode))
{
	struct pl_map *map = pl_map_by_path(AT_FDCWD, path);
	char face[PL_FD_PATH_MAX];

	if (map && (map->rw || (flags & O_ACCMODE) == O_RDONLY)) {
		pl_fd_path(map->face_fd, face);
		path = face;
		flags = pl_face_flags(map, flags);
	}
	return NEXT(posix_spawn_file_actions_addopen)(actions, fd, path, flags,
						      mode);
}
