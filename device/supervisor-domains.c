/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides which domain is guarded by which server and process, and that a server outlives the
 * process that served it: a successor takes the same server over, so that a guest that waits in
 * the middle of an access gets its answer.
 */
#include "device/supervisor-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>

#include "device/child.h"
#include "device/records.h"

#define DEATHS_MS 60000

/* ---- the table ---- */

char *domain_title(const struct domain *d)
{
	CLEANUP(free) char *name = escape_text(d->name);

	return xasprintf("domain %u ('%s')", d->domid, name);
}

struct domain *domain_find(const struct supervisor *s, uint16_t domid)
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
	};
	hear_begin(d);
	GROW(s->domain, s->n, s->cap);
	s->domain[s->n++] = d;
	return d;
}

void domain_forget(struct supervisor *s, struct domain *d)
{
	hear_end(s, d);
	for (size_t i = 0; i < s->n; i++)
		if (s->domain[i] == d)
			s->domain[i] = s->domain[--s->n];
	close_fd(d->sock);
	close_fd(d->state);
	close_fd(d->log);
	free(d);
}

/* ---- servers and processes ---- */

bool domain_remember(struct supervisor *s, const struct domain *d)
{
	struct record r = {
		.domid = d->domid, .server = d->server, .pid = d->pid, .attached = d->attached
	};
	struct err err;

	snprintf(r.uuid, sizeof(r.uuid), "%s", d->uuid);
	if (record_write(s->o->run_dir, &r, &err) == 0)
		return true;
	if (!d->try_at)
		supervisor_say(s, LOG_ERR, "%s", err.msg);
	return false;
}

void domain_destroy_server(struct supervisor *s, uint16_t domid, ioreq_id server)
{
	struct handshake hs;
	struct err err;

	handshake_init(&hs, &s->o->policy);
	if (ioreq_destroy(s->host, domid, server, child_last_answer, &hs, &err) < 0)
		supervisor_say(s, LOG_ERR, "%s", err.msg);
	record_remove(s->o->run_dir, domid);
}

void domain_unguard(struct supervisor *s, struct domain *d)
{
	if (d->guarded)
		domain_destroy_server(s, d->domid, d->server);
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
			supervisor_say(s, LOG_ERR, "cannot start a process for domain %u: %s",
				       d->domid, strerror(errno));
		d->pid = 0;
		domain_unguard(s, d);
		d->try_at = supervisor_now_ms() + SUPERVISOR_LOOK_MS;
		return;
	}
	d->try_at = 0;
	domain_remember(s, d);
}

static void guard(struct supervisor *s, struct domain *d)
{
	CLEANUP(free) char *who = domain_title(d);
	struct err err;

	d->again = false;
	if (ioreq_create(s->host, d->domid, &d->server, &err) < 0) {
		d->hopeless = err.kind == ERR_INVALID;
		if (!d->try_at)
			supervisor_say(s, d->hopeless ? LOG_INFO : LOG_ERR, "%s is not guarded: %s",
				       who, err.msg);
		d->try_at = d->hopeless ? 0 : supervisor_now_ms() + SUPERVISOR_LOOK_MS;
		return;
	}
	d->guarded = true;
	/* A server that a successor does not know of would keep its guest waiting for ever. */
	if (!domain_remember(s, d)) {
		domain_unguard(s, d);
		d->try_at = supervisor_now_ms() + SUPERVISOR_LOOK_MS;
		return;
	}
	close_fd(d->state);
	d->state = child_state_make();
	start_child(s, d);
}

void domain_dismiss(struct domain *d)
{
	if (!d->leaving)
		d->leave_by = supervisor_now_ms() + SUPERVISOR_LEAVE_MS;
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

/* More than DEATHS_MAX within DEATHS_MS. */
static bool dies_too_often(struct domain *d)
{
	int64_t now = supervisor_now_ms(), oldest = d->death[d->deaths % DEATHS_MAX];

	d->death[d->deaths++ % DEATHS_MAX] = now;
	return d->deaths > DEATHS_MAX && now - oldest < DEATHS_MS;
}

void domain_bury(struct supervisor *s, struct domain *d, int status)
{
	CLEANUP(free) char *who = domain_title(d);

	d->pid = 0;
	/*
	 * A domain that is dying stays in the table until Xen has forgotten it, so that nothing new
	 * is made for it. One that lives on without our server, because it was reset, is guarded
	 * again when the keeper says that it is still there.
	 */
	if (d->leaving || !d->guarded || !ioreq_alive(s->host, d->domid, d->server)) {
		bool again = d->again;

		hang_up(d);
		domain_unguard(s, d);
		d->leaving = false;
		if (again && !s->stop && ioreq_domain_alive(s->host, d->domid))
			guard(s, d);
		else if (!s->stop)
			supervisor_ask_keeper(s);
		return;
	}
	if (dies_too_often(d)) {
		supervisor_say(
			s, LOG_CRIT,
			"%s: its process dies again and again; the domain is not guarded any more",
			who);
		hang_up(d);
		domain_unguard(s, d);
		d->hopeless = true;
		return;
	}
	s->count.replaced++;
	supervisor_say(s, LOG_ERR, "%s: its process ended (%s %d); another takes over", who,
		       WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	start_child(s, d);
}

/* ---- what the keeper tells ---- */

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
	domain_dismiss(d);
}

void domain_take(struct supervisor *s, const struct packet *m)
{
	struct domain *d = domain_find(s, m->domid);

	if (!m->flag) {
		if (d) {
			d->again = false;
			d->try_at = 0;
		}
		if (d && d->guarded && !d->leaving) {
			CLEANUP(free) char *who = domain_title(d);

			supervisor_say(s, LOG_INFO, "%s is not guarded any more: %s", who, m->text);
			domain_dismiss(d);
		}
		return;
	}
	if (d && !d->guarded && *m->text && *d->uuid && strcmp(d->uuid, m->text) != 0) {
		domain_forget(s, d);
		d = NULL;
	}
	if (d) {
		if (*m->name && strcmp(d->name, m->name) != 0)
			rename_domain(d, m->name);
		if (*m->text && strcmp(d->uuid, m->text) != 0) {
			take_uuid(d, m->text);
			if (d->guarded && !d->leaving)
				domain_remember(s, d);
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

void domains_look_after(struct supervisor *s)
{
	for (size_t i = s->n; i-- > 0;) {
		struct domain *d = s->domain[i];

		if (d->guarded && !ioreq_alive(s->host, d->domid, d->server))
			lose_server(s, d);
		if (d->leaving && d->pid > 0 && supervisor_now_ms() >= d->leave_by)
			kill(d->pid, SIGKILL);
		if (!d->pid && !d->guarded && !ioreq_domain_alive(s->host, d->domid))
			domain_forget(s, d);
		else if (d->try_at && supervisor_now_ms() >= d->try_at)
			guard(s, d);
	}
}
