/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides what becomes of the words of a domain's process, which its guest may have taken over: how
 * much it may say, the log, the guest's own log, and sightings.
 */
#include "device/supervisor-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <syslog.h>

#define LOST_MS 10000

/*
 * What a domain's process may say: no more than an honest one does, which limits itself. One that
 * was taken over is not listened to until it has earned it, so that it fills neither the log nor
 * the registry. Text counts by the byte, as in the handshake; the rest by the message.
 */
#define MESSAGES_BURST 256
#define MESSAGES_RATE 16 /* a second */

void hear_begin(struct domain *d)
{
	d->messages = MESSAGES_BURST * 1000;
	d->text = HANDSHAKE_LOG_BURST * 1000;
	d->earned_ms = supervisor_now_ms();
}

bool hear_allowed(struct domain *d)
{
	const int64_t messages = MESSAGES_BURST * 1000, text = HANDSHAKE_LOG_BURST * 1000;
	int64_t now = supervisor_now_ms(), passed = now - d->earned_ms;

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

/* What was passed over: one line in AFTER_MS, however the guest goes on. */
static void tell(struct supervisor *s, struct domain *d, struct passed_over *p, const char *what,
		 int64_t after_ms)
{
	CLEANUP(free) char *who = domain_title(d);
	int64_t now = supervisor_now_ms();

	if (!p->n || now - p->told_ms < after_ms)
		return;
	supervisor_say(s, LOG_NOTICE, "%s: %" PRIu64 " %s", who, p->n, what);
	*p = (struct passed_over){ .told_ms = now };
}

static void tell_both(struct supervisor *s, struct domain *d, int64_t after_ms)
{
	tell(s, d, &d->text_lost, "bytes of its log were dropped", after_ms);
	tell(s, d, &d->unreported, "handshakes were not reported", after_ms);
}

void hear_end(struct supervisor *s, struct domain *d)
{
	tell_both(s, d, 0);
}

static void take_verdict(struct supervisor *s, struct domain *d, const struct packet *m)
{
	CLEANUP(free) char *who = domain_title(d);
	struct packet sighting = *m;
	enum verdict_kind v = m->verdict;

	s->count.verdict[v]++;
	s->count.unreported += m->count;
	d->unreported.n += m->count;
	tell_both(s, d, LOST_MS);
	supervisor_say(s, v == VERDICT_ALLOWED ? LOG_INFO : LOG_NOTICE,
		       "%s: product %u build %" PRIu32 ": %s%s", who, m->product, m->build,
		       verdict_name(v),
		       v == VERDICT_ALLOWED || v == VERDICT_BLACKLISTED ? ""
		       : m->flag					? ", so blacklisted"
									: ", so allowed");
	sighting.kind = PACKET_SIGHTING;
	sighting.domid = d->domid;
	memcpy(sighting.name, d->name, sizeof(sighting.name));
	snprintf(sighting.text, sizeof(sighting.text), "%s", d->uuid);
	if (s->helper[REGISTRAR].sock >= 0 && packet_send(s->helper[REGISTRAR].sock, &sighting, -1))
		return;
	s->count.sightings++;
	if (!s->untold++)
		s->untold_ms = supervisor_now_ms();
}

void hear_tell_untold(struct supervisor *s)
{
	if (!s->untold || supervisor_now_ms() - s->untold_ms < LOST_MS)
		return;
	supervisor_say(s, LOG_WARNING,
		       "%" PRIu64 " sightings of guests were lost: the registrar does not answer",
		       s->untold);
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
	CLEANUP(free) char *who = domain_title(d), *text = escape_text(m->text);
	char when[TIME_TEXT_MAX];

	s->count.log_bytes += m->count;
	d->text_lost.n += m->count;
	tell_both(s, d, LOST_MS);
	if (!s->o->guest_logs) {
		supervisor_say(s, LOG_INFO, "%s says: %s", who, text);
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
		supervisor_say(s, LOG_WARNING, "%s: cannot write its log: %s", who,
			       strerror(errno));
	d->log_complained = true;
}

void hear_child(struct supervisor *s, struct domain *d, bool gone)
{
	CLEANUP(free) char *who = domain_title(d);
	struct packet m;
	int fd, r = 0;

	for (unsigned i = 0; i < 64 && (gone || hear_allowed(d)); i++) {
		r = packet_recv(d->sock, &m, &fd);
		if (r <= 0)
			break;
		close_fd(fd);
		spend(d, &m);
		if (m.kind == PACKET_ATTACHED) {
			d->attached = true;
			domain_remember(s, d);
			supervisor_say(s, LOG_INFO, "%s is guarded", who);
		} else if (m.kind == PACKET_VERDICT && m.verdict < VERDICTS) {
			take_verdict(s, d, &m);
		} else if (m.kind == PACKET_UNPLUG) {
			/* Others reach its device model, and nobody tells us. */
			supervisor_say(s, m.flag ? LOG_INFO : LOG_NOTICE,
				       "%s: unplug 0x%" PRIx32 " %s", who, m.value & 0xffff,
				       m.flag ? "refused"
					      : "lost: it came before the driver read its verdict");
		} else if (m.kind == PACKET_GUEST) {
			take_guest_text(s, d, &m);
		} else if (m.kind == PACKET_TALK) {
			CLEANUP(free) char *text = escape_text(m.text);

			supervisor_say(s, LOG_ERR, "%s: %s", who, text);
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
