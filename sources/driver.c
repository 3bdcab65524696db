/* SPDX-License-Identifier: MIT */
/*
 * driver.c - find the source that a name asks for, and open it.
 *
 * Promise: on failure nothing is left open, and there is a sentence.
 * Context: not in a signal handler, except mfill_source_size().
 */
#include "sources/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct mf_source_driver *const drivers[] = {
	&mf_source_file,
#ifdef MF_HAVE_ZSTD
	&mf_source_zstd,
#endif
	&mf_source_error,
	&mf_source_delay,
};

/*
 * Two paths' worth: wrappers open what they wrap by calling back here, and
 * this bounds how deep.
 */
#define MAX_NAME 8192

#define N_DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

void mf_why(struct mf_why *why, const char *format, ...)
{
	va_list args;

	if (why->size == 0)
		return;
	va_start(args, format);
	(void)vsnprintf(why->text, why->size, format, args);
	va_end(args);
}

static const struct mf_source_driver *find(const char *scheme, size_t len)
{
	for (size_t i = 0; i < N_DRIVERS; i++)
		if (strlen(drivers[i]->scheme) == len &&
		    !memcmp(drivers[i]->scheme, scheme, len))
			return drivers[i];
	return NULL;
}

static int unknown_scheme(const char *uri, size_t len, struct mf_why *why)
{
	char known[128];
	size_t n = 0;

	for (size_t i = 0; i < N_DRIVERS; i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n,
				      " %s:", drivers[i]->scheme);
	mf_why(why, "%s: no source is called %.*s: here; there are%s", uri,
	       (int)len, uri, known);
	return -EPROTONOSUPPORT;
}

int mf_source_open(const char *uri, struct mfill_source **ret,
		   struct mf_why *why)
{
	size_t len = strcspn(uri, ":/");
	const struct mf_source_driver *driver;
	int r;

	if (strlen(uri) > MAX_NAME) {
		mf_why(why, "the name of a source is at most %d bytes long",
		       MAX_NAME);
		return -ENAMETOOLONG;
	}
	if (len == 0 || uri[len] != ':') {
		mf_why(why,
		       "%s: a source is named SCHEME:REST, such as file:%s",
		       uri, *uri ? uri : "PATH");
		return -EINVAL;
	}
	driver = find(uri, len);
	if (!driver)
		return unknown_scheme(uri, len, why);
	r = driver->open(uri + len + 1, ret, why);
	if (r < 0 && why->size && !*why->text)
		mf_why(why, "%s: %s", uri, strerrordesc_np(-r));
	return r;
}

const char *mf_source_path(const char *uri)
{
	for (;;) {
		size_t len = strcspn(uri, ":/");
		const struct mf_source_driver *driver = uri[len] == ':'
								? find(uri, len)
								: NULL;

		if (!driver || driver->rest == MF_REST_OPAQUE)
			return NULL;
		uri += len + 1;
		if (driver->rest == MF_REST_PATH)
			return uri;
		uri = strchr(uri, ':');
		if (!uri)
			return NULL;
		uri++;
	}
}

int mfill_source_open_why(const char *uri, struct mfill_source **ret,
			  char *why_text, size_t why_size)
{
	struct mf_why why = { why_text, why_text ? why_size : 0 };

	if (why.size)
		*why.text = '\0';
	if (!uri || !ret || (!why_text && why_size))
		return -EINVAL;
	return mf_source_open(uri, ret, &why);
}

int mfill_source_open(const char *uri, struct mfill_source **ret)
{
	return mfill_source_open_why(uri, ret, NULL, 0);
}

int mfill_source_size(struct mfill_source *src, uint64_t *ret)
{
	if (!src || !ret)
		return -EINVAL;
	*ret = src->size;
	return 0;
}
