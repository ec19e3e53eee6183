/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the table of domains, the life and death of their processes, and that a server outlives
 * the process that served it: a successor takes the same server over, so that a guest that waits
 * in the middle of an access gets its answer.
 */
#include "device/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>

#include "device/child.h"
#include "device/packet.h"
#include "device/records.h"

#define DEATHS_MAX 5 /* of one domain's process within ... */
#define DEATHS_MS 60000
#define LOOK_MS 2000 /* domains that went unnoticed */
#define HELPER_RESTART_MS 1000
#define LEAVE_MS 3000
#define LOST_MS 10000

/*
 * What a domain's process may say: no more than an honest one does, which limits itself. One that
 * was taken over is not listened to until it has earned it, so that it fills neither the log nor
 * the registry. Text counts by the byte, as in the handshake; the rest by the message.
 */
#define MESSAGES_BURST 256
#define MESSAGES_RATE 16 /* a second */

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
	uint64_t lost, unreported; /* bytes of guest text, and handshakes, not told yet */
	int64_t lost_ms, unreported_ms;
	int64_t messages, text; /* what it may say now, in 1/1000 */
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

static const char *const helper_name[HELPERS] = { "keeper", "registrar" };
static const char *const helper_comm[HELPERS] = { "xenblacklistd-k", "xenblacklistd-r" };

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

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void __attribute__((format(printf, 3, 4)))
say(const struct supervisor *s, int priority, const char *fmt, ...)
{
	CLEANUP(free) char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	if (priority != LOG_DEBUG || s->o->verbose)
		s->o->say(priority, line);
}

/* "domain 5 ('web')"; the caller frees. */
static char *title(const struct domain *d)
{
	CLEANUP(free) char *name = escape_text(d->name);

	return xasprintf("domain %u ('%s')", d->domid, name);
}

/* ---- the table ---- */

static struct domain *find(const struct supervisor *s, uint16_t domid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->domain[i]->domid == domid)
			return s->domain[i];
	return NULL;
}

static struct domain *add(struct supervisor *s, uint16_t domid)
{
	struct domain *d = xcalloc(1, sizeof(*d));

	*d = (struct domain){
		.domid = domid,
		.sock = -1,
		.state = -1,
		.log = -1,
		.messages = MESSAGES_BURST * 1000,
		.text = HANDSHAKE_LOG_BURST * 1000,
		.earned_ms = now_ms(),
	};
	GROW(s->domain, s->n, s->cap);
	s->domain[s->n++] = d;
	return d;
}

/* Guest text that the limiter dropped: one line in AFTER_MS, however the guest goes on. */
static void tell_lost(struct supervisor *s, struct domain *d, int64_t after_ms)
{
	CLEANUP(free) char *who = title(d);
	int64_t now = now_ms();

	if (!d->lost || now - d->lost_ms < after_ms)
		return;
	say(s, LOG_NOTICE, "%s: %" PRIu64 " bytes of its log were dropped", who, d->lost);
	s->count.log_bytes += d->lost;
	d->lost = 0;
	d->lost_ms = now;
}

/* Handshakes beyond what is reported of one guest, in the same way. */
static void tell_unreported(struct supervisor *s, struct domain *d, int64_t after_ms)
{
	CLEANUP(free) char *who = title(d);
	int64_t now = now_ms();

	if (!d->unreported || now - d->unreported_ms < after_ms)
		return;
	say(s, LOG_NOTICE, "%s: %" PRIu64 " handshakes were not reported", who, d->unreported);
	d->unreported = 0;
	d->unreported_ms = now;
}

static void forget(struct supervisor *s, struct domain *d)
{
	tell_lost(s, d, 0);
	tell_unreported(s, d, 0);
	for (size_t i = 0; i < s->n; i++)
		if (s->domain[i] == d)
			s->domain[i] = s->domain[--s->n];
	close_fd(d->sock);
	close_fd(d->state);
	close_fd(d->log);
	free(d);
}

/* ---- servers and processes ---- */

static bool remember(struct supervisor *s, const struct domain *d)
{
	struct record r = {
		.domid = d->domid, .server = d->server, .pid = d->pid, .attached = d->attached
	};
	struct err err;

	snprintf(r.uuid, sizeof(r.uuid), "%s", d->uuid);
	if (record_write(s->o->run_dir, &r, &err) == 0)
		return true;
	if (!d->try_at)
		say(s, LOG_ERR, "%s", err.msg);
	return false;
}

static void destroy_server(struct supervisor *s, uint16_t domid, ioreq_id server)
{
	struct handshake hs;
	struct err err;

	handshake_init(&hs, &s->o->policy);
	if (ioreq_destroy(s->host, domid, server, child_last_answer, &hs, &err) < 0)
		say(s, LOG_ERR, "%s", err.msg);
	record_remove(s->o->run_dir, domid);
}

/* The domain's ports go back to its device model; its process has ended. */
static void unguard(struct supervisor *s, struct domain *d)
{
	if (d->guarded)
		destroy_server(s, d->domid, d->server);
	d->guarded = d->attached = false;
}

static void start_child(struct supervisor *s, struct domain *d)
{
	struct child_options o = {
		.domid = d->domid,
		.server = d->server,
		.rules = s->rules,
		.state = d->state,
		.policy = s->o->policy,
		.fail_closed = s->o->fail_closed,
		.user = s->o->user,
	};
	int pair[2];

	packet_pair(pair);
	o.sock = pair[1];
	d->attached = false;
	d->pid = fork();
	if (d->pid == 0) {
		const int keep[] = { o.sock, o.rules, o.state, s->lock };

		prctl(PR_SET_NAME, "xenblacklistd-g");
		jail_close_others(keep, ARRAY_SIZE(keep));
		_exit(child_run(&o));
	}
	close(pair[1]);
	close_fd(d->sock);
	d->sock = pair[0];
	if (d->pid < 0) {
		if (!d->try_at)
			say(s, LOG_ERR, "cannot start a process for domain %u: %s", d->domid,
			    strerror(errno));
		d->pid = 0;
		unguard(s, d);
		d->try_at = now_ms() + LOOK_MS;
		return;
	}
	d->try_at = 0;
	remember(s, d);
}

static void guard(struct supervisor *s, struct domain *d)
{
	CLEANUP(free) char *who = title(d);
	struct err err;

	d->again = false;
	if (ioreq_create(s->host, d->domid, &d->server, &err) < 0) {
		d->hopeless = err.kind == ERR_INVALID;
		if (!d->try_at)
			say(s, d->hopeless ? LOG_INFO : LOG_ERR, "%s is not guarded: %s", who,
			    err.msg);
		d->try_at = d->hopeless ? 0 : now_ms() + LOOK_MS;
		return;
	}
	d->guarded = true;
	/* A server that a successor does not know of would keep its guest waiting for ever. */
	if (!remember(s, d)) {
		unguard(s, d);
		d->try_at = now_ms() + LOOK_MS;
		return;
	}
	close_fd(d->state);
	d->state = child_state_make();
	start_child(s, d);
}

/*
 * A process that hears nothing more leaves. It may still say what its guest has said, and has some
 * time for it.
 */
static void dismiss(struct domain *d)
{
	if (!d->leaving)
		d->leave_by = now_ms() + LEAVE_MS;
	d->leaving = true;
	d->rules_due = false;
	if (d->sock >= 0)
		shutdown(d->sock, SHUT_WR);
}

static void hang_up(struct domain *d)
{
	close_fd(d->sock);
	d->sock = -1;
	d->rules_due = false;
}

/* Asks which domains there are. */
static void ask_keeper(const struct supervisor *s)
{
	const struct packet m = { .kind = PACKET_RELOAD };

	if (s->helper[KEEPER].sock >= 0)
		packet_send(s->helper[KEEPER].sock, &m, -1);
}

/* More than DEATHS_MAX within DEATHS_MS. */
static bool dies_too_often(struct domain *d)
{
	int64_t now = now_ms(), oldest = d->death[d->deaths % DEATHS_MAX];

	d->death[d->deaths++ % DEATHS_MAX] = now;
	return d->deaths > DEATHS_MAX && now - oldest < DEATHS_MS;
}

static void bury_child(struct supervisor *s, struct domain *d, int status)
{
	CLEANUP(free) char *who = title(d);

	d->pid = 0;
	/*
	 * A domain that is dying stays in the table until Xen has forgotten it, so that nothing new
	 * is made for it. One that lives on without our server, because it was reset, is guarded
	 * again when the keeper says that it is still there.
	 */
	if (d->leaving || !d->guarded || !ioreq_alive(s->host, d->domid, d->server)) {
		bool again = d->again;

		hang_up(d);
		unguard(s, d);
		d->leaving = false;
		if (again && !s->stop && ioreq_domain_alive(s->host, d->domid))
			guard(s, d);
		else if (!s->stop)
			ask_keeper(s);
		return;
	}
	if (dies_too_often(d)) {
		say(s, LOG_CRIT,
		    "%s: its process dies again and again; the domain is not guarded any more",
		    who);
		hang_up(d);
		unguard(s, d);
		d->hopeless = true;
		return;
	}
	s->count.replaced++;
	say(s, LOG_ERR, "%s: its process ended (%s %d); another takes over", who,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	start_child(s, d);
}

static int run_helper(const struct supervisor *s, enum helper_kind kind, int sock)
{
	struct keeper_options keeper = s->o->keeper;
	struct registrar_options registrar = s->o->registrar;
	const int keep[] = { sock }; /* not the lock: a successor waits for no xenstored */

	keeper.sock = registrar.sock = sock;
	prctl(PR_SET_NAME, helper_comm[kind]);
	jail_close_others(keep, ARRAY_SIZE(keep));
	return kind == KEEPER ? keeper_run(&keeper) : registrar_run(&registrar);
}

static void end_helper(struct helper *h)
{
	close_fd(h->sock);
	h->sock = -1;
	h->pid = 0;
	h->at = now_ms() + HELPER_RESTART_MS;
}

static void start_helper(struct supervisor *s, enum helper_kind kind)
{
	struct helper *h = &s->helper[kind];
	int pair[2];

	packet_pair(pair);
	h->sock = pair[0];
	h->pid = fork();
	if (h->pid == 0)
		_exit(run_helper(s, kind, pair[1]));
	close(pair[1]);
	if (h->pid < 0) {
		say(s, LOG_ERR, "cannot start the %s: %s", helper_name[kind], strerror(errno));
		end_helper(h);
	}
}

static void bury_helper(struct supervisor *s, enum helper_kind kind, int status)
{
	end_helper(&s->helper[kind]);
	if (!s->stop)
		say(s, LOG_ERR, "the %s ended (%s %d); starting it again", helper_name[kind],
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- what the keeper and the registrar tell ---- */

static void take_rules(struct supervisor *s, const struct packet *m, int fd)
{
	if (fd < 0) {
		say(s, LOG_WARNING, "the blacklist cannot be read: %s",
		    s->rules >= 0	? "the last one stays in force"
		    : s->o->fail_closed ? "every driver counts as blacklisted"
					: "every driver is allowed");
		return;
	}
	close_fd(s->rules);
	s->rules = fd;
	say(s, LOG_INFO, "the blacklist has %" PRIu32 " builds and ranges", m->count);
	for (size_t i = 0; i < s->n; i++)
		s->domain[i]->rules_due = s->domain[i]->sock >= 0 && !s->domain[i]->leaving;
}

static void pass_rules(struct supervisor *s)
{
	const struct packet m = { .kind = PACKET_RULES };

	for (size_t i = 0; i < s->n; i++)
		if (s->domain[i]->rules_due && packet_send(s->domain[i]->sock, &m, s->rules))
			s->domain[i]->rules_due = false;
}

/* "/vm/UUID" was anybody's text: what goes into records and the registry is plain. */
static void take_uuid(struct domain *d, const char *text)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF-");

	snprintf(d->uuid, sizeof(d->uuid), "%.*s", text[n] ? 0 : 63, text);
}

/* Its log is called like it. */
static void rename_domain(struct domain *d, const char *name)
{
	snprintf(d->name, sizeof(d->name), "%s", name);
	close_fd(d->log);
	d->log = -1;
}

/* Our server has gone, its domain perhaps not. */
static void lose_server(struct supervisor *s, struct domain *d)
{
	if (d->leaving)
		return;
	record_remove(s->o->run_dir, d->domid);
	dismiss(d);
}

/* A domain as xenstore has it; its number may have belonged to another one before. */
static void take_domain(struct supervisor *s, const struct packet *m)
{
	struct domain *d = find(s, m->domid);

	if (!m->flag) {
		if (d) {
			d->again = false;
			d->try_at = 0;
		}
		if (d && d->guarded && !d->leaving) {
			CLEANUP(free) char *who = title(d);

			say(s, LOG_INFO, "%s is not guarded any more: %s", who, m->text);
			dismiss(d);
		}
		return;
	}
	if (d && !d->guarded && *m->text && *d->uuid && strcmp(d->uuid, m->text) != 0) {
		forget(s, d);
		d = NULL;
	}
	if (d) {
		if (*m->name && strcmp(d->name, m->name) != 0)
			rename_domain(d, m->name);
		if (*m->text && strcmp(d->uuid, m->text) != 0) {
			take_uuid(d, m->text);
			if (d->guarded && !d->leaving)
				remember(s, d);
		}
		if (d->guarded && !ioreq_alive(s->host, d->domid, d->server))
			lose_server(s, d);
		if (d->leaving)
			d->again = true;
		else if (!d->guarded && !d->hopeless && ioreq_domain_alive(s->host, d->domid))
			guard(s, d);
		return;
	}
	if (!ioreq_domain_alive(s->host, m->domid))
		return;
	d = add(s, m->domid);
	memcpy(d->name, m->name, sizeof(d->name));
	take_uuid(d, m->text);
	guard(s, d);
}

/* Domains that are no more, and those that could not be guarded. */
static void look_after(struct supervisor *s)
{
	for (size_t i = s->n; i-- > 0;) {
		struct domain *d = s->domain[i];

		if (d->guarded && !ioreq_alive(s->host, d->domid, d->server))
			lose_server(s, d);
		if (d->leaving && d->pid > 0 && now_ms() >= d->leave_by)
			kill(d->pid, SIGKILL);
		if (!d->pid && !d->guarded && !ioreq_domain_alive(s->host, d->domid))
			forget(s, d);
		else if (d->try_at && now_ms() >= d->try_at)
			guard(s, d);
	}
}

static void take_from_keeper(struct supervisor *s, const struct packet *m)
{
	if (m->kind == PACKET_DOMAIN)
		take_domain(s, m);
	else if (m->kind == PACKET_GONE)
		look_after(s);
	else if (m->kind == PACKET_LISTED)
		s->listed = true;
}

static void listen_helper(struct supervisor *s, enum helper_kind kind)
{
	struct helper *h = &s->helper[kind];
	struct packet m;
	int fd, r;

	while ((r = packet_recv(h->sock, &m, &fd)) > 0) {
		if (m.kind == PACKET_RULES && kind == KEEPER) {
			take_rules(s, &m, fd);
			continue;
		}
		close_fd(fd);
		if (m.kind == PACKET_TALK) {
			CLEANUP(free) char *text = escape_text(m.text);

			say(s, (int)(m.value & LOG_PRIMASK), "%s", text);
		} else if (kind == KEEPER) {
			take_from_keeper(s, &m);
		}
	}
	if (r < 0) {
		close(h->sock);
		h->sock = -1;
	}
}

/* ---- what a domain's process tells ---- */

static void take_verdict(struct supervisor *s, struct domain *d, const struct packet *m)
{
	CLEANUP(free) char *who = title(d);
	struct packet sighting = *m;
	enum verdict_kind v = m->verdict;

	s->count.verdict[v]++;
	s->count.unreported += m->count;
	d->unreported += m->count;
	tell_unreported(s, d, LOST_MS);
	say(s, v == VERDICT_ALLOWED ? LOG_INFO : LOG_NOTICE,
	    "%s: product %u build %" PRIu32 ": %s%s", who, m->product, m->build, verdict_name(v),
	    v == VERDICT_ALLOWED || v == VERDICT_BLACKLISTED ? ""
	    : m->flag					     ? ", so blacklisted"
							     : ", so allowed");
	sighting.kind = PACKET_SIGHTING;
	sighting.domid = d->domid;
	memcpy(sighting.name, d->name, sizeof(sighting.name));
	snprintf(sighting.text, sizeof(sighting.text), "%s", d->uuid);
	if (s->helper[REGISTRAR].sock >= 0 && packet_send(s->helper[REGISTRAR].sock, &sighting, -1))
		return;
	s->count.sightings++;
	if (!s->untold++)
		s->untold_ms = now_ms();
}

/* Sightings that the registrar was too busy to take: one line for all of a while. */
static void tell_untold(struct supervisor *s)
{
	if (!s->untold || now_ms() - s->untold_ms < LOST_MS)
		return;
	say(s, LOG_WARNING,
	    "%" PRIu64 " sightings of guests were lost: the registrar does not answer", s->untold);
	s->untold = 0;
}

/* A file name from a name that an administrator chose. */
static int open_guest_log(const char *dir, const struct domain *d)
{
	CLEANUP(free) char *path = NULL;
	char name[PACKET_NAME_MAX];
	size_t i;

	for (i = 0; d->name[i]; i++) {
		char c = d->name[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '_' || (c == '.' && i > 0);

		name[i] = plain ? c : '_';
	}
	name[i] = '\0';
	path = i ? xasprintf("%s/%s.log", dir, name) : xasprintf("%s/domain-%u.log", dir, d->domid);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		    0640);
}

static void take_guest_text(struct supervisor *s, struct domain *d, const struct packet *m)
{
	CLEANUP(free) char *who = title(d), *text = escape_text(m->text);
	char when[TIME_TEXT_MAX];

	d->lost += m->count;
	tell_lost(s, d, LOST_MS);
	if (!s->o->guest_logs) {
		say(s, LOG_INFO, "%s says: %s", who, text);
		return;
	}
	if (d->log < 0)
		d->log = open_guest_log(s->o->guest_logs, d);
	if (d->log >= 0 &&
	    dprintf(d->log, "%s guest says: %s\n", time_text(time_now(), when), text) >= 0) {
		d->log_complained = false;
		return;
	}
	if (!d->log_complained)
		say(s, LOG_WARNING, "%s: cannot write its log: %s", who, strerror(errno));
	d->log_complained = true;
}

/* True when the domain's process has something left of what it may say. */
static bool may_speak(struct domain *d)
{
	const int64_t messages = MESSAGES_BURST * 1000, text = HANDSHAKE_LOG_BURST * 1000;
	int64_t now = now_ms(), passed = now - d->earned_ms;

	if (passed > messages / MESSAGES_RATE)
		d->messages = messages;
	else
		d->messages += passed * MESSAGES_RATE;
	if (passed > text / HANDSHAKE_LOG_RATE)
		d->text = text;
	else
		d->text += passed * HANDSHAKE_LOG_RATE;
	if (d->messages > messages)
		d->messages = messages;
	if (d->text > text)
		d->text = text;
	d->earned_ms = now;
	return d->messages >= 1000 && d->text >= 0;
}

static void spend(struct domain *d, const struct packet *m)
{
	if (m->kind == PACKET_GUEST)
		d->text -= ((int64_t)strlen(m->text) + 1) * 1000;
	else
		d->messages -= 1000;
}

/* GONE: it can say no more than what waits. */
static void listen_child(struct supervisor *s, struct domain *d, bool gone)
{
	CLEANUP(free) char *who = title(d);
	struct packet m;
	int fd, r = 0;

	for (unsigned i = 0; i < 64 && (gone || may_speak(d)); i++) {
		r = packet_recv(d->sock, &m, &fd);
		if (r <= 0)
			break;
		close_fd(fd);
		spend(d, &m);
		if (m.kind == PACKET_ATTACHED) {
			d->attached = true;
			remember(s, d);
			say(s, LOG_INFO, "%s is guarded", who);
		} else if (m.kind == PACKET_VERDICT && m.verdict < VERDICTS) {
			take_verdict(s, d, &m);
		} else if (m.kind == PACKET_UNPLUG) {
			/* Others reach its device model, and nobody tells us. */
			say(s, m.flag ? LOG_INFO : LOG_NOTICE, "%s: unplug 0x%" PRIx32 " %s", who,
			    m.value & 0xffff,
			    m.flag ? "refused"
				   : "lost: it came before the driver read its verdict");
		} else if (m.kind == PACKET_GUEST) {
			take_guest_text(s, d, &m);
		} else if (m.kind == PACKET_TALK) {
			CLEANUP(free) char *text = escape_text(m.text);

			say(s, LOG_ERR, "%s: %s", who, text);
		}
	}
	if (r >= 0)
		return;
	/* It has died, or it lives, does not speak any more, and poll() would never rest. */
	close_fd(d->sock);
	d->sock = -1;
	if (d->pid > 0)
		kill(d->pid, SIGKILL);
}

/* ---- signals and the loop ---- */

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (enum helper_kind k = 0; k < HELPERS; k++)
			if (s->helper[k].pid == pid)
				bury_helper(s, k, status);
		for (size_t i = 0; i < s->n; i++)
			if (s->domain[i]->pid == pid) {
				s->domain[i]->pid = 0;
				if (s->domain[i]->sock >= 0)
					listen_child(s, s->domain[i], true);
				bury_child(s, s->domain[i], status);
				break;
			}
	}
}

/* What an administrator asks for with SIGUSR1. */
static void tell_counts(const struct supervisor *s)
{
	uint64_t lost = s->count.log_bytes;
	size_t guarded = 0;

	for (size_t i = 0; i < s->n; i++) {
		guarded += s->domain[i]->guarded && s->domain[i]->attached;
		lost += s->domain[i]->lost;
	}
	say(s, LOG_NOTICE, "%zu domains are guarded", guarded);
	for (enum verdict_kind v = 0; v < VERDICTS; v++)
		say(s, LOG_NOTICE, "since the start: %" PRIu64 " handshakes: %s",
		    s->count.verdict[v], verdict_name(v));
	say(s, LOG_NOTICE, "since the start: %" PRIu64 " handshakes were not reported",
	    s->count.unreported);
	say(s, LOG_NOTICE, "since the start: %" PRIu64 " bytes of guests' logs were dropped", lost);
	say(s, LOG_NOTICE, "since the start: %" PRIu64 " sightings were lost", s->count.sightings);
	say(s, LOG_NOTICE, "since the start: %" PRIu64 " processes of domains were replaced",
	    s->count.replaced);
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			s->stop = true;
		if (si.ssi_signo == SIGUSR1)
			tell_counts(s);
		if (si.ssi_signo == SIGHUP) {
			const struct packet m = { .kind = PACKET_RELOAD };

			for (size_t i = 0; i < s->n; i++) {
				close_fd(s->domain[i]->log);
				s->domain[i]->log = -1;
			}
			for (size_t i = 0; i < HELPERS; i++)
				if (s->helper[i].sock >= 0)
					packet_send(s->helper[i].sock, &m, -1);
		}
	}
	reap(s);
}

/* A guest takes up to three descriptors, and what is usual for one process does for 340 guests. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_signals(struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : err_set(err, ERR_INTERNAL, "signalfd: %s", strerror(errno));
}

static bool everyone_attached(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->domain[i]->guarded && !s->domain[i]->attached && !s->domain[i]->leaving)
			return false;
	return true;
}

static void wait_for_something(struct supervisor *s)
{
	size_t n = 0, guests = s->n;
	struct pollfd *fds = xcalloc(guests + 1 + HELPERS, sizeof(*fds)), *guest_fds;
	bool helpless = false;
	uint16_t *domid = xcalloc(guests + 1, sizeof(*domid));

	fds[n++] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	for (size_t i = 0; i < HELPERS; i++) {
		fds[n++] = (struct pollfd){ .fd = s->helper[i].sock, .events = POLLIN };
		helpless |= s->helper[i].sock < 0;
	}
	guest_fds = fds + n;
	for (size_t i = 0; i < guests; i++) {
		domid[i] = s->domain[i]->domid;
		fds[n++] = (struct pollfd){
			.fd = s->domain[i]->sock,
			.events = (short)((may_speak(s->domain[i]) ? POLLIN : 0) |
					  (s->domain[i]->rules_due ? POLLOUT : 0)),
		};
	}
	poll(fds, n, helpless ? HELPER_RESTART_MS / 4 : LOOK_MS);
	if (fds[0].revents)
		take_signals(s);
	for (enum helper_kind k = 0; k < HELPERS; k++)
		if (fds[k + 1].revents && s->helper[k].sock == fds[k + 1].fd)
			listen_helper(s, k);
	for (size_t i = 0; i < guests; i++) {
		struct domain *d = find(s, domid[i]);

		if (d && d->sock >= 0 && d->sock == guest_fds[i].fd &&
		    (guest_fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
			listen_child(s, d, guest_fds[i].revents & POLLHUP);
	}
	free(fds);
	free(domid);
}

/* Ends everything in order; what does not end in time is killed and its ports taken away. */
static void leave(struct supervisor *s)
{
	int64_t end = now_ms() + LEAVE_MS;

	for (size_t i = 0; i < s->n; i++)
		dismiss(s->domain[i]);
	for (size_t i = 0; i < HELPERS; i++) {
		close_fd(s->helper[i].sock);
		s->helper[i].sock = -1;
	}
	for (;;) {
		bool waiting = false;
		struct pollfd p = { .fd = s->signals, .events = POLLIN };

		for (size_t i = 0; i < HELPERS; i++)
			waiting |= s->helper[i].pid > 0;
		for (size_t i = 0; i < s->n; i++)
			waiting |= s->domain[i]->pid > 0;
		if (!waiting || now_ms() >= end)
			break;
		poll(&p, 1, 50);
		take_signals(s);
	}
	for (size_t i = 0; i < HELPERS; i++)
		if (s->helper[i].pid > 0)
			kill(s->helper[i].pid, SIGKILL);
	while (s->n) {
		struct domain *d = s->domain[0];

		if (d->pid > 0) {
			kill(d->pid, SIGKILL);
			waitpid(d->pid, NULL, 0);
		}
		unguard(s, d);
		forget(s, d);
	}
}

static void destroy_leftover(void *ctx, const struct record *r)
{
	struct supervisor *s = ctx;

	say(s, LOG_NOTICE, "destroying the server that was left behind in domain %u", r->domid);
	destroy_server(s, r->domid, r->server);
}

/* Told to stop, it stops when no domain waits any more for what an earlier one left behind. */
static int run(struct supervisor *s, struct err *err)
{
	int r = open_signals(err);

	if (r < 0)
		return r;
	s->signals = r;
	raise_descriptors();
	r = record_lock(s->o->run_dir, &s->lock, err);
	if (r == 0)
		r = ioreq_host_open(&s->host, err);
	if (r == 0)
		r = record_each(s->o->run_dir, destroy_leftover, s, err);
	if (r < 0)
		return r;
	while (!s->stop) {
		for (enum helper_kind k = 0; k < HELPERS; k++)
			if (!s->helper[k].pid && now_ms() >= s->helper[k].at)
				start_helper(s, k);
		wait_for_something(s);
		look_after(s);
		pass_rules(s);
		tell_untold(s);
		if (s->listed && !s->ready && everyone_attached(s)) {
			s->ready = true;
			s->o->ready();
		}
	}
	leave(s);
	return 0;
}

int supervisor_run(const struct supervisor_options *o, struct err *err)
{
	struct supervisor s = { .o = o, .lock = -1, .signals = -1, .rules = -1 };
	int r;

	for (size_t i = 0; i < HELPERS; i++)
		s.helper[i].sock = -1;
	r = run(&s, err);
	close_fd(s.signals);
	close_fd(s.rules);
	ioreq_host_close(s.host);
	free(s.domain);
	close_fd(s.lock);
	return r;
}
