/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_SUPERVISOR_IMPL_H
#define DEVICE_SUPERVISOR_IMPL_H

/*
 * What the three files behind supervisor.h share: supervisor.c (the loop, signals, keeper and
 * registrar), supervisor-domains.c (which domain is guarded by which server and process),
 * supervisor-hear.c (what a domain's process says).
 */
#include "device/supervisor.h"

#include "device/ioreq.h"
#include "device/packet.h"

#define SUPERVISOR_LOOK_MS 2000 /* domains that went unnoticed, or could not be guarded */
#define SUPERVISOR_LEAVE_MS 3000
#define DEATHS_MAX 5 /* of one domain's process within a minute */

struct domain {
	uint16_t domid;
	char name[PACKET_NAME_MAX]; /* as the toolstack wrote it: escape before showing */
	char uuid[64];
	ioreq_id server;
	bool guarded; /* server exists */
	bool attached;
	bool leaving; /* it was asked to */
	int64_t leave_by;
	bool again;	/* to be guarded anew when its process has left */
	bool hopeless;	/* not to be guarded again */
	int64_t try_at; /* it could not be guarded: when to try again, 0: not */
	bool rules_due; /* a message did not fit */
	pid_t pid;	/* 0: none */
	int sock, state, log;
	int64_t death[DEATHS_MAX];
	unsigned deaths;
	struct passed_over {
		uint64_t n; /* not told yet */
		int64_t told_ms;
	} text_lost, unreported; /* bytes, handshakes */
	int64_t messages, text;	 /* what it may say now, in 1/1000 */
	int64_t earned_ms;
	bool log_complained;
};

/* A process that may wait for what the supervisor never waits for. */
enum helper_kind {
	KEEPER,
	REGISTRAR,
	HELPERS,
};

struct helper {
	pid_t pid;
	int sock;
	int64_t at; /* when to start it again */
};

struct supervisor {
	const struct supervisor_options *o;
	struct ioreq_host *host;
	int lock, signals, rules;
	struct domain **domain;
	size_t n, cap;
	struct helper helper[HELPERS];
	bool listed, ready, stop;
	uint64_t untold; /* sightings that the registrar did not take, not told yet */
	int64_t untold_ms;
	struct { /* since the start */
		uint64_t verdict[VERDICTS], unreported, replaced, log_bytes, sightings;
	} count;
};

int64_t supervisor_now_ms(void);
/* One line for the log; LOG_DEBUG only when it is to say more. */
void supervisor_say(const struct supervisor *s, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Has the keeper tell which domains there are. */
void supervisor_ask_keeper(const struct supervisor *s);

/* ---- supervisor-domains.c ---- */

/* "domain 5 ('web')"; the caller frees. */
char *domain_title(const struct domain *d);
struct domain *domain_find(const struct supervisor *s, uint16_t domid);
void domain_forget(struct supervisor *s, struct domain *d);
/* Into the run directory, for a successor. False, and told, when that fails. */
bool domain_remember(struct supervisor *s, const struct domain *d);
/* Ends a server, by whomever it was made, and forgets that there is one. */
void domain_destroy_server(struct supervisor *s, uint16_t domid, ioreq_id server);
/* The domain's ports go back to its device model; its process has ended. */
void domain_unguard(struct supervisor *s, struct domain *d);
/*
 * A process that hears nothing more leaves. It may still say what its guest has said, and has some
 * time for it.
 */
void domain_dismiss(struct domain *d);
/* Its process has ended. */
void domain_bury(struct supervisor *s, struct domain *d, int status);
/* A domain as xenstore has it; its number may have belonged to another one before. */
void domain_take(struct supervisor *s, const struct packet *m);
/* Domains that are no more, and those that could not be guarded. */
void domains_look_after(struct supervisor *s);

/* ---- supervisor-hear.c ---- */

/* A new domain may say so much. */
void hear_begin(struct domain *d);
/* True when the domain's process has something left of what it may say. */
bool hear_allowed(struct domain *d);
/* What it says now. GONE: it can say no more than what waits. */
void hear_child(struct supervisor *s, struct domain *d, bool gone);
/* What a domain that ends has lost and nobody was told of. */
void hear_end(struct supervisor *s, struct domain *d);
/* Sightings that the registrar was too busy to take: one line for all of a while. */
void hear_tell_untold(struct supervisor *s);

#endif
