/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_PACKET_H
#define DEVICE_PACKET_H

/*
 * What xenblacklistd's processes say to each other: one fixed-size message and at most one file
 * descriptor a packet, over a socket pair. No call but packet_push() and packet_talk() ever waits.
 * The receiver checks everything, for a domain's process may have been taken over by its guest.
 */
#include "registry/base.h"

enum packet_kind {
	/* the keeper of the tree to the supervisor */
	PACKET_RULES,  /* with a descriptor: the blacklist; without: the tree cannot be read */
	PACKET_DOMAIN, /* domid, flag: to be guarded, name, text: uuid, or why it is not guarded */
	PACKET_GONE,   /* some domain has gone: look after yours */
	PACKET_LISTED, /* every domain of this moment has been told */
	/* the supervisor to the registrar */
	PACKET_SIGHTING, /* name, text: uuid, product, build, flag: blacklisted */
	/* the supervisor to the keeper and the registrar */
	PACKET_RELOAD,
	/* the supervisor to a domain's process: PACKET_RULES; end of file means: leave */
	/* a domain's process to the supervisor */
	PACKET_ATTACHED,
	PACKET_VERDICT, /* product, build, verdict, count: verdicts not told before this one */
	PACKET_UNPLUG,	/* value: the mask, flag: refused, else nobody has done it */
	PACKET_GUEST,	/* text: a line of the guest's; count: bytes lost before it */
	/* both */
	PACKET_TALK, /* text for the log; value: its syslog priority */
	PACKET_KINDS,
};

enum verdict_kind {
	VERDICT_ALLOWED,
	VERDICT_BLACKLISTED,
	VERDICT_UNKNOWN_PRODUCT, /* nobody told which product that is */
	VERDICT_NO_RULES,	 /* the tree could not be read yet */
	VERDICTS,
};
const char *verdict_name(enum verdict_kind v); /* "allowed", "blacklisted", ... */

#define PACKET_NAME_MAX 256
#define PACKET_TEXT_MAX 4200

struct packet {
	uint16_t kind, domid, product;
	uint8_t verdict;
	bool flag;
	uint32_t build, value, count;
	char name[PACKET_NAME_MAX];
	char text[PACKET_TEXT_MAX];
};

/* A connected pair, close-on-exec, non-blocking. Aborts when the process has no descriptors left. */
void packet_pair(int ret[2]);
/* False when the message was not taken: the other end is slow (errno EAGAIN) or gone. */
bool packet_send(int fd, const struct packet *m, int pass_fd);
/* Waits until the message is taken. False: the other end is gone. */
bool packet_push(int fd, const struct packet *m, int pass_fd);
/* Pushes a PACKET_TALK. */
bool packet_talk(int fd, int priority, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/*
 * 1 and a message (its strings terminated), *ret_fd the descriptor that came with it (the caller
 * closes it) or -1; 0: none waits; -1: the other end is gone.
 */
int packet_recv(int fd, struct packet *ret, int *ret_fd);

#endif
