/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SANDBOX_EVENT_H
#define SANDBOX_EVENT_H

/* What a guest writes into the pipe "events": who it is and which of its ports rings. */
#include <stdint.h>

struct event {
	uint32_t domid;
	uint32_t port;
};

#endif
