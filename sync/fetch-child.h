/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_FETCH_CHILD_H
#define SYNC_FETCH_CHILD_H

/*
 * Between the process that asks (fetcher.c) and the one that fetches (fetch.c): requests one way,
 * frames the other: data, "forget the data", progress, and one result a request.
 */
#include <sys/types.h>
#include <time.h>

#include "sync/fetch.h"

#define FETCH_URL_MAX 4096
#define FETCH_CHUNK (64 * 1024)

struct fetch_request {
	uint64_t max_size;
	struct fetch_validators known;
	char url[FETCH_URL_MAX];
};

enum fetch_frame_type {
	FRAME_DATA,
	FRAME_FORGET, /* what came so far is worth nothing: another try begins */
	FRAME_PROGRESS,
	FRAME_RESULT,
};

struct fetch_frame {
	uint32_t type, n;
};

struct fetch_progress {
	uint64_t done, all;
};

struct fetch_result {
	bool failed, not_modified;
	struct err err;
	struct fetch_validators validators;
};

static inline int64_t fetch_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* False when libcurl cannot be loaded. */
bool fetch_ready(void);

/* All that a child needs to know; CA is PEM text or NULL. */
struct fetch_task {
	const struct fetch_options *options;
	int64_t deadline_ms;
	char *ca;
	size_t ca_n;
};

/* Serves requests on FD until it is closed. */
_Noreturn void fetch_serve(const struct fetch_task *task, int fd);

#endif
