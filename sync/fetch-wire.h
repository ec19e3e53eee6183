/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_FETCH_WIRE_H
#define SYNC_FETCH_WIRE_H

/*
 * What sync and xenblacklist-fetch say to each other, over a stream socket that the helper has as
 * descriptor 3. Both are of one build; FETCH_WIRE tells when they are not.
 *
 *   helper                            parent
 *   frame HELLO                  ->
 *                                <-   setup, CA bytes
 *                                <-   request                   once or more
 *   frames DATA, FORGET, PROGRESS ->
 *   frame RESULT                 ->                             one a request
 */
#include "sync/fetch.h"

#define FETCH_WIRE 2 /* changes with everything below */
#define FETCH_WIRE_FD 3
#define FETCH_CHUNK (64 * 1024) /* bytes of one frame, at most */
#define FETCH_CA_MAX (16 * 1024 * 1024)
#define FETCH_URL_MAX 4096
#define FETCH_TEXT_MAX 512

struct fetch_setup {
	uint32_t retries;
	uint32_t ca_n; /* bytes of PEM that follow; 0: the system's authorities */
	char pinned_public_key[FETCH_TEXT_MAX];
};

enum fetch_as {
	FETCH_AS_BYTES,
	FETCH_AS_HEADER, /* the body is a pvdrivers.h: its rows are sent, see header_pack() */
};
struct fetch_request {
	uint64_t max_size;
	uint64_t left_ms;
	uint64_t as;
	struct fetch_validators known;
	char url[FETCH_URL_MAX];
};

enum fetch_frame_type {
	FETCH_HELLO,
	FETCH_DATA,
	FETCH_FORGET, /* what came so far is worth nothing: another try begins */
	FETCH_PROGRESS,
	FETCH_RESULT,
};
struct fetch_frame {
	uint32_t type, n; /* n bytes follow */
};

struct fetch_hello {
	uint32_t wire;
	char library[FETCH_TEXT_MAX];
	char trouble[FETCH_TEXT_MAX]; /* why it will not serve, or "" */
};
struct fetch_progress {
	uint64_t done, all;
};

enum fetch_outcome {
	FETCH_GOT,
	FETCH_NOT_MODIFIED,
	FETCH_NOT_THERE, /* status says which: 404, 410 */
	FETCH_TOO_BIG,
	FETCH_REDIRECT_SCHEME,
	FETCH_REDIRECT_MANY,
	FETCH_FAILED,	 /* text says why */
	FETCH_NO_HEADER, /* text says why */
};
struct fetch_result {
	uint32_t outcome, status;
	struct fetch_validators validators;
	char text[FETCH_TEXT_MAX];
};

#endif
