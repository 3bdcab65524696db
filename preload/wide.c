/* SPDX-License-Identifier: MIT */
/*
 * wide.c - wide characters from streams on maps.
 *
 * Promise: a stream on a map gives the wide characters that a file would.
 * Context: as getwc(): not in a signal handler.
 *
 * A stream of fopencookie() is one of bytes for ever. For wide ones libc would
 * change what fills the buffer to something that reads the descriptor itself.
 * So these take bytes and make characters of them. Encodings with a state that
 * outlasts a character are not among those that glibc has as a locale.
 */
#include <stdio.h>
#include <wchar.h>

#include "preload/stream.h"

static wint_t invalid(FILE *stream)
{
	stream->_flags |= _IO_ERR_SEEN;
	errno = EILSEQ;
	return WEOF;
}

static wint_t read_wide(FILE *stream)
{
	mbstate_t state = { 0 };
	int byte;

	while ((byte = getc_unlocked(stream)) != EOF) {
		char c = (char)byte;
		wchar_t wide;
		size_t n = mbrtowc(&wide, &c, 1, &state);

		if (n == (size_t)-1)
			return invalid(stream);
		if (n != (size_t)-2)
			return (wint_t)wide;
	}
	return mbsinit(&state) ? WEOF : invalid(stream);
}

INTERPOSE(wint_t, fgetwc_unlocked, (FILE * stream))
{
	return pl_stream_is_ours(stream) ? read_wide(stream)
					 : NEXT(fgetwc_unlocked)(stream);
}
INTERPOSE_ALSO(getwc_unlocked, fgetwc_unlocked);

INTERPOSE(wint_t, fgetwc, (FILE * stream))
{
	wint_t wide;

	if (!pl_stream_is_ours(stream))
		return NEXT(fgetwc)(stream);
	flockfile(stream);
	wide = read_wide(stream);
	funlockfile(stream);
	return wide;
}
INTERPOSE_ALSO(getwc, fgetwc);

INTERPOSE(wint_t, getwchar, (void))
{
	return pl_libc_fgetwc(stdin);
}

INTERPOSE(wint_t, getwchar_unlocked, (void))
{
	return pl_libc_fgetwc_unlocked(stdin);
}

static wchar_t *read_line(wchar_t *line, int room, FILE *stream)
{
	int error_before = stream->_flags & _IO_ERR_SEEN;
	bool error;
	wint_t wide = 0;
	int n = 0;

	stream->_flags &= ~_IO_ERR_SEEN;
	while (n < room - 1 && wide != L'\n' &&
	       (wide = read_wide(stream)) != WEOF)
		line[n++] = (wchar_t)wide;
	error = stream->_flags & _IO_ERR_SEEN;
	stream->_flags |= error_before;
	if (n == 0 || error)
		return NULL;
	line[n] = L'\0';
	return line;
}

INTERPOSE(wchar_t *, fgetws, (wchar_t * line, int room, FILE *stream))
{
	wchar_t *ret;

	if (!pl_stream_is_ours(stream) || room <= 1)
		return NEXT(fgetws)(line, room, stream);
	flockfile(stream);
	ret = read_line(line, room, stream);
	funlockfile(stream);
	return ret;
}
INTERPOSE_ALSO(fgetws_unlocked, fgetws);

/* libc ends a program whose buffer is too small. */
INTERPOSE(wchar_t *, __fgetws_chk,
	  (wchar_t * line, size_t size, int room, FILE *stream))
{
	return (size_t)room > size
		       ? NEXT(__fgetws_chk)(line, size, room, stream)
		       : pl_libc_fgetws(line, room, stream);
}

static wint_t unread(wint_t wide, FILE *stream)
{
	char bytes[MB_LEN_MAX];
	mbstate_t state = { 0 };
	size_t n = wcrtomb(bytes, (wchar_t)wide, &state);

	if (wide == WEOF || n == (size_t)-1)
		return WEOF;
	while (n > 0)
		if (ungetc((unsigned char)bytes[--n], stream) == EOF)
			return WEOF;
	return wide;
}

INTERPOSE(wint_t, ungetwc, (wint_t wide, FILE *stream))
{
	return pl_stream_is_ours(stream) ? unread(wide, stream)
					 : NEXT(ungetwc)(wide, stream);
}

/* What the program asked for is what it gets, as far as it can see. */
INTERPOSE(int, fwide, (FILE * stream, int mode))
{
	return pl_stream_is_ours(stream) ? mode : NEXT(fwide)(stream, mode);
}
