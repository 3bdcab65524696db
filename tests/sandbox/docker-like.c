/* SPDX-License-Identifier: MIT */
/*
 * docker-like.c - run a command as in a container: docker-like COMMAND…
 *
 * Promise: the command has no privileges (when root starts this, it becomes
 * the user nobody) and may make the system calls that Docker's default
 * seccomp profile allows, no others. Its exit status is the command's; 125
 * when something went wrong before.
 *
 * The profile is read as Docker does it, for a container with the default
 * capabilities.
 */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NOBODY	   65534
#define FAILED	   125
#define CANNOT_RUN 126
#define NOT_FOUND  127

/* What a container's processes may have at most, unless told otherwise. */
static const char *const default_caps[] = {
	"CAP_CHOWN",	   "CAP_DAC_OVERRIDE",
	"CAP_FSETID",	   "CAP_FOWNER",
	"CAP_MKNOD",	   "CAP_NET_RAW",
	"CAP_SETGID",	   "CAP_SETUID",
	"CAP_SETFCAP",	   "CAP_SETPCAP",
	"CAP_SYS_CHROOT",  "CAP_KILL",
	"CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE",
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "docker-like: %s: %s\n", what, why);
	exit(FAILED);
}

static bool has_cap(const char *cap)
{
	for (size_t i = 0; i < N(default_caps); i++)
		if (!strcmp(default_caps[i], cap))
			return true;
	return false;
}

/* This machine, in Go's words. */
static const char *go_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#else
	return "";
#endif
}

static bool names_arch(json_t *arches)
{
	size_t i;
	json_t *arch;

	json_array_foreach(arches, i, arch) if (!strcmp(json_string_value(arch),
							go_arch())) return true;
	return false;
}

static bool all_caps(json_t *caps)
{
	size_t i;
	json_t *cap;

	json_array_foreach(caps, i, cap) if (!has_cap(json_string_value(
						     cap))) return false;
	return true;
}

static bool any_cap(json_t *caps)
{
	size_t i;
	json_t *cap;

	json_array_foreach(
		caps, i, cap) if (has_cap(json_string_value(cap))) return true;
	return false;
}

static bool new_enough(const char *least)
{
	int want_major = 0, want_minor = 0, major = 0, minor = 0;
	struct utsname name;

	if (!least)
		return true;
	uname(&name);
	if (sscanf(least, "%d.%d", &want_major, &want_minor) != 2 ||
	    sscanf(name.release, "%d.%d", &major, &minor) != 2)
		die("kernel version", least);
	return major > want_major ||
	       (major == want_major && minor >= want_minor);
}

static bool applies(json_t *entry)
{
	json_t *with = json_object_get(entry, "includes");
	json_t *without = json_object_get(entry, "excludes");
	json_t *arches = json_object_get(with, "arches");

	if (json_array_size(arches) > 0 && !names_arch(arches))
		return false;
	if (names_arch(json_object_get(without, "arches")))
		return false;
	if (!all_caps(json_object_get(with, "caps")) ||
	    any_cap(json_object_get(without, "caps")))
		return false;
	return new_enough(
		json_string_value(json_object_get(with, "minKernel")));
}

static enum scmp_compare operator_of(const char *name)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} operators[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};

	for (size_t i = 0; i < N(operators); i++)
		if (!strcmp(operators[i].name, name))
			return operators[i].op;
	die(name, "no such comparison");
}

static uint64_t number(json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static unsigned read_args(json_t *args, struct scmp_arg_cmp ret[6])
{
	size_t i;
	json_t *arg;

	json_array_foreach(args, i, arg)
	{
		ret[i] = (struct scmp_arg_cmp){
			.arg = (unsigned)number(arg, "index"),
			.op = operator_of(
				json_string_value(json_object_get(arg, "op"))),
			.datum_a = number(arg, "value"),
			.datum_b = number(arg, "valueTwo"),
		};
	}
	return (unsigned)json_array_size(args);
}

static uint32_t action_of(json_t *entry)
{
	const char *action = json_string_value(
		json_object_get(entry, "action"));

	if (!strcmp(action, "SCMP_ACT_ALLOW"))
		return SCMP_ACT_ALLOW;
	if (!strcmp(action, "SCMP_ACT_ERRNO"))
		return SCMP_ACT_ERRNO(number(entry, "errnoRet"));
	die(action, "no such action");
}

static void add_entry(scmp_filter_ctx filter, json_t *entry)
{
	struct scmp_arg_cmp args[6];
	unsigned n = read_args(json_object_get(entry, "args"), args);
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(entry, "names"), i, name)
	{
		int call = seccomp_syscall_resolve_name(
			json_string_value(name));
		int r;

		/* A name that this libseccomp does not know stays refused. */
		if (call == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add_array(filter, action_of(entry), call, n,
					   args);
		if (r < 0 && r != -EDOM)
			die(json_string_value(name), strerror(-r));
	}
}

static scmp_filter_ctx make_filter(const char *path)
{
	json_error_t error;
	json_t *profile = json_load_file(path, 0, &error);
	scmp_filter_ctx filter;
	size_t i;
	json_t *entry;

	if (!profile)
		die(path, error.text);
	filter = seccomp_init(
		SCMP_ACT_ERRNO(number(profile, "defaultErrnoRet")));
	if (!filter)
		die("seccomp_init", "no memory");
	json_array_foreach(json_object_get(profile, "syscalls"), i,
			   entry) if (applies(entry)) add_entry(filter, entry);
	json_decref(profile);
	return filter;
}

/* Root loads it as Docker does; others must give up setuid programs first. */
static void confine(scmp_filter_ctx filter)
{
	bool root = geteuid() == 0;
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, !root);

	if (r == 0)
		r = seccomp_load(filter);
	if (r < 0)
		die("seccomp", strerror(-r));
	seccomp_release(filter);
	if (!root)
		return;
	if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		die("to become nobody", strerror(errno));
}

int main(int argc, char **argv)
{
	int first = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;

	if (first >= argc)
		die("usage", "docker-like COMMAND [ARGUMENT...]");
	confine(make_filter(PROFILE));
	execvp(argv[first], argv + first);
	fprintf(stderr, "docker-like: %s: %s\n", argv[first], strerror(errno));
	return errno == ENOENT ? NOT_FOUND : CANNOT_RUN;
}
