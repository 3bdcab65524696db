/* SPDX-License-Identifier: MIT */
/*
 * progress.c - how far it is, for somebody who waits at a terminal.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"

#define NS_PER_S   1000000000ULL
#define INTERVAL   (NS_PER_S / 10)
#define BAR_CELLS  30
#define CLEAR_LINE "\r\033[K"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void mf_progress_begin(struct mf_progress *progress, uint64_t total, bool quiet)
{
	*progress = (struct mf_progress){
		.on = !quiet && isatty(STDERR_FILENO),
		.total = total,
		.begun_ns = now_ns(),
	};
}

static void draw_bar(uint64_t done, uint64_t total)
{
	char bar[BAR_CELLS + 1];
	double share = done < total ? (double)done / (double)total : 1;
	int full = (int)(share * BAR_CELLS);

	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', (size_t)full);
	bar[BAR_CELLS] = '\0';
	fprintf(stderr, "[%s] %3d %%  ", bar, (int)(share * 100));
}

void mf_progress_show(struct mf_progress *progress, uint64_t done)
{
	struct mf_human amount, speed;
	uint64_t now;
	double seconds;

	if (!progress->on)
		return;
	now = now_ns();
	if (now - progress->shown_ns < INTERVAL)
		return;
	progress->shown_ns = now;
	seconds = (double)(now - progress->begun_ns) / (double)NS_PER_S;
	fputs(CLEAR_LINE, stderr);
	if (progress->total)
		draw_bar(done, progress->total);
	fprintf(stderr, "%s, %s/s", mf_human(done, &amount),
		mf_human((uint64_t)((double)done / (seconds + 1e-9)), &speed));
	fflush(stderr);
}

void mf_progress_end(struct mf_progress *progress)
{
	if (progress->on && progress->shown_ns)
		fputs(CLEAR_LINE, stderr);
}
