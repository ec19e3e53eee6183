/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of things. Everything that can be known without writing is decided first, mirror by
 * mirror; then one transaction writes rows and memory together, or nothing.
 */
#include "sync/pull.h"

#include <inttypes.h>
#include <string.h>

#include "registry/acceptance.h"
#include "registry/history.h"
#include "sync/gates.h"
#include "sync/nodes.h"
#include "sync/pull-state.h"
#include "sync/source.h"

#define FEW_ENTRIES 3 /* losing fewer is never a tripwire */

/* What one source came to. */
struct candidate {
	struct source source;
	char *text;
	struct fetch_validators validators;
	char *digest, *signatures; /* of the manifest, of all signature files */
	struct manifest *manifest; /* NULL: nothing new */
	struct keyring *rotated;   /* NULL: no change of keys */
	bool not_modified;
	char **signer;
	size_t n_signers;
};

struct pull {
	struct db *db;
	const struct pull_options *o;
	struct pull_state *last;
	struct keyring *keys;
	char *trust; /* digest of keys */
	struct fetcher *fetcher;
	struct pull_result *result;
	struct impact *impact; /* NULL: nobody asks */
};

static void candidate_free(struct candidate *c)
{
	free(c->text);
	free(c->digest);
	free(c->signatures);
	source_end(&c->source);
	manifest_free(c->manifest);
	keyring_free(c->rotated);
	pull_strings_free(c->signer, c->n_signers);
}
#define CANDIDATE __attribute__((__cleanup__(candidate_free))) struct candidate

static void pull_clear(struct pull *p)
{
	pull_state_free(p->last);
	keyring_free(p->keys);
	free(p->trust);
	fetcher_close(p->fetcher);
	pull_result_free(p->result);
	impact_free(p->impact);
}
#define PULL __attribute__((__cleanup__(pull_clear))) struct pull

void pull_result_free(struct pull_result *r)
{
	if (!r)
		return;
	free(r->source);
	pull_strings_free(r->signer, r->n_signers);
	pull_strings_free(r->notices, r->n_notices);
	free(r);
}

static void notices(char ***list, size_t *n, const char *lines)
{
	struct span rest = span_str(lines), line;

	while (span_cut(rest, "\n", &line, &rest))
		pull_notice(list, n, line);
	if (rest.n)
		pull_notice(list, n, rest);
}

/* ---- without writing ---- */

static int make_ring(const struct manifest_keys *mk, struct keyring **ret, struct err *err)
{
	CLEANUP(keyring_free) struct keyring *k = keyring_new(mk->threshold);
	int r;

	for (size_t i = 0; i < mk->n; i++) {
		r = keyring_add(k, mk->key[i], "manifest keys.keys", err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < mk->n_revoked; i++) {
		r = keyring_revoke(k, mk->revoked[i], "manifest keys.revoked", err);
		if (r < 0)
			return r;
	}
	*ret = TAKE(k);
	return 0;
}

static int check_rotation(struct pull *p, const struct verified *v, struct candidate *c,
			  struct err *err)
{
	CLEANUP(keyring_free) struct keyring *new = NULL;
	int r;

	if (!c->manifest->keys)
		return 0;
	r = make_ring(c->manifest->keys, &new, err);
	if (r < 0 || (r = pull_keyring_revoke(new, p->keys, err)) < 0)
		return r;
	if (keyring_size(new) < keyring_threshold(new))
		return err_refuse(err, REFUSAL_SCHEMA,
				  "manifest keys.keys: too few are left without those that were "
				  "revoked before");
	if (keyring_equal(new, p->keys))
		return 0;
	r = source_verify_again(&c->source, v, new, err);
	if (r < 0)
		return err_wrap(err, "the manifest's new keys have not signed it");
	c->rotated = TAKE(new);
	return 0;
}

static int examine(struct pull *p, const struct verified *v, struct candidate *c, struct err *err)
{
	CLEANUP(manifest_free) struct manifest *m = NULL;
	int64_t now = db_now(p->db);
	bool same;
	int r;

	c->digest = xstrdup(verified_digest(v));
	for (size_t i = 0; i < verified_signers(v); i++)
		pull_notice(&c->signer, &c->n_signers, span_str(verified_signer(v, i)));
	r = manifest_parse(v, &m, err);
	if (r < 0)
		return r;
	r = gate_version(p->last, m, c->digest, p->o->accept_version, err);
	if (r < 0)
		return r;
	same = r == 1;
	if ((r = gate_issued(m->issued, now, err)) < 0 ||
	    (r = gate_expires(m->expires, now, err)) < 0 || same)
		return r;
	c->manifest = TAKE(m);
	return check_rotation(p, v, c, err);
}

static int not_https(const char *url, struct err *err)
{
	CLEANUP(free) char *text = fetch_url_text(url);

	return err_set(err, ERR_USAGE, "'%s' is not an https URL", text);
}

static int try_source(struct pull *p, const char *where, struct candidate *c, struct err *err)
{
	CLEANUP(verified_free) struct verified *v = NULL;
	struct fetch_validators known = { 0 };
	int r;

	if (p->fetcher && !fetch_is_https(where))
		return not_https(where, err);
	c->source = (struct source){ .fetcher = p->fetcher,
				     .where = where,
				     .max_size = p->o->config->max_size,
				     .signatures = p->o->signatures,
				     .n_signatures = p->o->n_signatures };
	c->text = source_text(&c->source);
	r = source_signatures(&c->source, p->keys, err);
	if (r < 0)
		return r;
	/* Nothing new is nothing new only while URL, keys and signatures are what they were. */
	c->signatures = source_signature_digest(&c->source);
	if (p->fetcher && p->last->version) {
		r = pull_validators(p->db, where, p->trust, c->signatures, &known, err);
		if (r < 0)
			return r;
	}
	r = source_get(&c->source, p->keys, &known, &v, &c->validators, err);
	if (r < 0)
		return r;
	if (!v) {
		c->not_modified = true;
		r = gate_issued(p->last->issued, db_now(p->db), err);
		return r < 0 ? r : gate_expires(p->last->expires, db_now(p->db), err);
	}
	return examine(p, v, c, err);
}

/* A mirror that is down, stale or wrong must not keep us from the next one. */
static bool next_may_help(const struct err *err)
{
	return err->kind == ERR_REFUSED || err->kind == ERR_UNREACHABLE ||
	       err->kind == ERR_NOT_FOUND;
}

static int choose_url(struct pull *p, struct candidate *ret, struct err *err)
{
	const struct config *c = p->o->config;
	const char *first = p->o->url ? p->o->url : c->upstream_url;
	size_t n_mirrors = p->o->url ? 0 : c->n_mirrors;
	struct err first_err = { 0 };
	int r;

	if (!*first)
		return err_set(
			err, ERR_CONFIG,
			"nothing to sync from: set '[upstream] url', or give --url or --from");
	r = pull_fetcher(p->o, &p->fetcher, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i <= n_mirrors; i++) {
		CANDIDATE candidate = { 0 };
		struct err e = { 0 };

		r = try_source(p, i ? c->mirrors[i - 1] : first, &candidate, &e);
		if (r == 0) {
			*ret = candidate;
			candidate = (struct candidate){ 0 };
			return 0;
		}
		if (r < 0 && e.kind == ERR_NOT_FOUND)
			e.kind = ERR_UNREACHABLE;
		if (e.kind == ERR_USAGE && !p->o->url)
			e.kind = ERR_CONFIG;
		if (i == 0)
			first_err = e;
		if (!next_may_help(&e)) {
			*err = e;
			return -(int)e.kind;
		}
		if (i < n_mirrors || i > 0) {
			CLEANUP(free)
			char *text = xasprintf("'%s' was no help: %s", candidate.text, e.msg);

			pull_notice(&p->result->notices, &p->result->n_notices, span_str(text));
		}
	}
	*err = first_err;
	if (n_mirrors)
		return err_wrap(err, "all %zu mirrors failed too, first", n_mirrors);
	return -(int)err->kind;
}

/* ---- the transaction ---- */

static void count(struct pull_counts *c, enum put_result put)
{
	c->all++;
	c->added += put == PUT_ADDED;
	c->changed += put == PUT_CHANGED;
}

/* Upstream's data clashing with itself or with what is frozen is the manifest's fault. */
static int blame(struct err *err, const char *list, uint32_t at)
{
	if (err->kind == ERR_INVALID || err->kind == ERR_EXISTS || err->kind == ERR_NOT_FOUND)
		return err_refuse(err, REFUSAL_SCHEMA, "manifest %s[%" PRIu32 "]: %s", list, at,
				  err->msg);
	return -(int)err->kind;
}

static int put_rows(struct pull *p, const struct manifest *m, struct err *err)
{
	struct pull_result *to = p->result;
	struct product_notes notes;
	enum put_result put;

	for (size_t i = 0; i < m->encodings->n; i++) {
		if (encoding_put_upstream(p->db, &m->encodings->row[i], &put, &notes, err) < 0)
			return blame(err, "encodings", m->encoding_at[i]);
		count(&to->encodings, put);
		notices(&to->notices, &to->n_notices, notes.text);
	}
	for (size_t i = 0; i < m->products->n; i++) {
		if (product_put_upstream(p->db, m->products->product[i], &put, &notes, err) < 0)
			return blame(err, "products", m->product_at[i]);
		count(&to->products, put);
		notices(&to->notices, &to->n_notices, notes.text);
	}
	return 0;
}

/*
 * Growth and loss. --accept-version names one version that an administrator has looked at: that
 * one may do both.
 */
static int tripwires(struct pull *p, const struct coverage *before, const struct coverage *after,
		     size_t entries_before, const struct entries_change *change, uint64_t version,
		     struct err *err)
{
	uint32_t max_new = p->o->config->max_new;
	uint64_t lost = 0, had = coverage_count(before);
	int r;

	r = coverage_minus(after, before, &p->result->new_builds, err);
	if (r < 0)
		return r;
	r = coverage_minus(before, after, &lost, err);
	if (r < 0 || p->o->accept_version == version)
		return r;
	if (p->result->new_builds > max_new)
		return err_refuse(err, REFUSAL_TRIPWIRE,
				  "manifest version %" PRIu64 " blacklists %" PRIu64
				  " new builds, more than '[policy] max-new' = %" PRIu32
				  " (--accept-version %" PRIu64 " takes it)",
				  version, p->result->new_builds, max_new, version);
	if (change->removed >= FEW_ENTRIES && change->removed * 2 > entries_before &&
	    lost * 2 > had)
		return err_refuse(err, REFUSAL_TRIPWIRE,
				  "manifest version %" PRIu64
				  " removes %zu of %zu entries (--accept-version %" PRIu64
				  " takes it)",
				  version, change->removed, entries_before, version);
	return 0;
}

/* Before anything is changed. Without sightings what was blacklisted is nobody's concern. */
static int before_change(struct pull *p, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	int r;

	if (!p->o->impact)
		return 0;
	r = impact_new(p->db, &p->impact, err);
	if (r < 0 || !p->impact->n)
		return r;
	r = blacklist_load(p->db, db_now(p->db), &b, err);
	if (r == 0)
		impact_before(p->impact, b);
	return r;
}

static int accept_impact(struct pull *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->o->n_accept_impact && r == 0; i++)
		r = acceptance_add(p->db, p->o->accept_impact[i], err);
	return r;
}

#define BEGINNINGS_MAX 64

/* The blacklist as it will be at the moments that matter: now, and whenever an entry begins. */
struct future {
	struct blacklist *at[1 + BEGINNINGS_MAX];
	size_t n;
};

static void future_end(struct future *f)
{
	while (f->n)
		blacklist_free(f->at[--f->n]);
}

static int64_t next_beginning(const struct entries *es, int64_t after)
{
	int64_t next = TIME_NONE;

	for (size_t i = 0; i < es->n; i++) {
		int64_t begins = es->entry[i]->not_before;

		if (begins != TIME_NONE && begins > after && (next == TIME_NONE || begins < next))
			next = begins;
	}
	return next;
}

/* Hits borrow from the blacklist that hits them. */
static bool is_needed(const struct impact *i, const struct blacklist *b)
{
	for (size_t k = 0; i && k < i->n_hit; k++)
		if (i->guest[k].from == blacklist_now(b))
			return true;
	return false;
}

/* What could not be published later must not be taken now: no apply is to fail then. */
static int check_moment(struct pull *p, int64_t at, struct future *f, struct err *err)
{
	const struct config *c = p->o->config;
	struct nodes_options o = { .dom0_only = c->nodes_dom0_only,
				   .expand_limit = c->expand_limit,
				   .total_limit = c->total_limit };
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(tree_free) struct tree *tree = NULL;
	int r = blacklist_load(p->db, at, &b, err);

	if (r == 0)
		r = nodes_desired(b, &o, &tree, err);
	if (r == 0 && p->impact)
		r = impact_after(p->impact, p->db, b, err);
	if (r == 0 && (!f->n || is_needed(p->impact, b)))
		f->at[f->n++] = TAKE(b);
	return r;
}

static int check_outcome(struct pull *p, struct err *err)
{
	__attribute__((cleanup(future_end))) struct future f = { .n = 0 };
	int64_t at = db_now(p->db);
	int r = check_moment(p, at, &f, err);

	for (int n = 0; n < BEGINNINGS_MAX && r == 0; n++) {
		char date[TIME_TEXT_MAX];

		at = next_beginning(blacklist_entries(f.at[0]), at);
		if (at == TIME_NONE)
			break;
		r = check_moment(p, at, &f, err);
		if (r < 0)
			err_wrap(err, "from %s on", time_text(at, date));
	}
	if (r < 0 || !p->impact)
		return r;
	p->o->impact(p->o->ctx, p->impact, f.at[0], p->result->new_builds > 0);
	if (!p->o->config->impact_refuse)
		return 0;
	return impact_gate(p->impact, "make an exception, or '--accept-impact ID' takes that entry",
			   err);
}

static int count_upstream(struct db *db, size_t *ret, struct coverage **ret_coverage,
			  struct err *err)
{
	CLEANUP(entries_free) struct entries *es = NULL;
	int r = entry_list(db, &es, err);

	if (r < 0)
		return r;
	*ret = 0;
	for (size_t i = 0; i < es->n; i++)
		*ret += es->entry[i]->origin == ORIGIN_UPSTREAM;
	return coverage_new(db, es, NULL, true, ret_coverage, err);
}

/* Sync never touches local rows: nor what they mean, by encodings that are others than before. */
static int put_rows_safely(struct pull *p, const struct manifest *m, struct err *err)
{
	CLEANUP(meaning_free) struct meaning *before = NULL, *after = NULL;
	int r;

	if ((r = meaning_new(p->db, &before, err)) < 0 || (r = put_rows(p, m, err)) < 0)
		return r;
	if (!p->result->encodings.changed && !p->result->products.changed)
		return 0;
	r = meaning_new(p->db, &after, err);
	if (r < 0 && err->kind == ERR_INVALID)
		return err_refuse(err, REFUSAL_TRIPWIRE,
				  "with the manifest's encodings, the local %s "
				  "(write its builds as numbers first)",
				  err->msg);
	if (r < 0 || p->o->accept_version == m->version)
		return r;
	r = meaning_kept(before, after, err);
	if (r < 0 && err->kind == ERR_REFUSED)
		return err_refuse(err, REFUSAL_TRIPWIRE,
				  "%s (--accept-version %" PRIu64 " takes it)", err->msg,
				  m->version);
	return r;
}

static int replace_entries(struct pull *p, struct manifest *m, struct err *err)
{
	CLEANUP(coverage_free) struct coverage *before = NULL, *after = NULL;
	bool family = p->o->config->family_allow || p->o->whole_family;
	struct entries_change change = { 0 };
	size_t entries_before;
	int r;

	if ((r = count_upstream(p->db, &entries_before, &before, err)) < 0 ||
	    (r = put_rows_safely(p, m, err)) < 0 ||
	    (r = coverage_new(p->db, m->entries, m->entry_at, family, &after, err)) < 0)
		return r;
	for (size_t i = 0; i < m->entries->n; i++)
		m->entries->entry[i]->whole_family = family;
	r = entries_replace_upstream(p->db, m->entries->entry, m->entries->n, &change, err);
	if (r < 0 && (err->kind == ERR_INVALID || err->kind == ERR_NOT_FOUND))
		return err_refuse(err, REFUSAL_SCHEMA, "manifest entries: %s", err->msg);
	if (r < 0)
		return r;
	p->result->entries = (struct pull_counts){ .added = change.added,
						   .changed = change.changed,
						   .removed = change.removed,
						   .all = m->entries->n };
	return tripwires(p, before, after, entries_before, &change, m->version, err);
}

/* Which manifest the rows of this transaction came from, and who signed it. */
static int record(struct pull *p, const struct candidate *c, struct err *err)
{
	CLEANUP(free) char *before = NULL, *after = NULL;
	size_t n;
	FILE *f = open_memstream(&after, &n);

	if (!f)
		abort();
	fprintf(f, "{\"version\":%" PRIu64 ",\"digest\":\"%s\",\"signers\":[", c->manifest->version,
		c->digest);
	for (size_t i = 0; i < c->n_signers; i++)
		fprintf(f, "%s\"%s\"", i ? "," : "", c->signer[i]);
	fprintf(f, "],\"keys_changed\":%s}", c->rotated ? "true" : "false");
	fclose(f);
	if (p->last->version)
		before = xasprintf("{\"version\":%" PRIu64 ",\"digest\":\"%s\"}", p->last->version,
				   p->last->digest);
	return history_add(p->db, "take", "manifest", before, after, err);
}

static int write_manifest(struct pull *p, struct candidate *c, struct err *err)
{
	struct manifest *m = c->manifest;
	int r = before_change(p, err);

	if (r < 0 || (r = replace_entries(p, m, err)) < 0)
		return r;
	if ((r = record(p, c, err)) < 0)
		return r;
	/* They are rows now; what comes next loads them from there. */
	entries_free(TAKE(m->entries));
	m->entries = xcalloc(1, sizeof(*m->entries));
	if ((r = accept_impact(p, err)) < 0 || (r = check_outcome(p, err)) < 0 ||
	    (r = pull_state_change(p->db, m, c->digest, err)) < 0)
		return r;
	if (!c->rotated)
		return 0;
	p->result->keys_changed = true;
	return pull_keyring_set(p->db, p->o->config, c->rotated, err);
}

static int commit(struct pull *p, struct candidate *c, struct err *err)
{
	CLEANUP(free)
	char *trust = c->rotated ? pull_keyring_digest(c->rotated) : xstrdup(p->trust);
	DB_TX tx = { 0 };
	int r;

	if (p->o->progress)
		p->o->progress(p->o->ctx, "registry", 0, 0);
	r = db_begin(p->db, &tx, err);
	if (r == 0)
		r = c->manifest ? write_manifest(p, c, err) : accept_impact(p, err);
	if (r < 0)
		return r;
	/* A 304 brings no new validators of its own: those that were sent still hold. */
	if (!c->not_modified)
		r = pull_state_contact(p->db, c->text, p->fetcher ? &c->validators : NULL,
				       c->source.where, trust, c->signatures, err);
	else
		r = pull_state_touch(p->db, err);
	if (r < 0 || p->o->dry_run)
		return r;
	return db_commit(&tx, err);
}

static void report(struct pull *p, struct candidate *c)
{
	struct pull_result *r = p->result;

	r->outcome = c->manifest ? PULL_CHANGED : PULL_SAME;
	r->not_modified = c->not_modified;
	r->source = TAKE(c->text);
	r->previous = p->last->version;
	r->version = c->manifest ? c->manifest->version : p->last->version;
	r->issued = c->manifest ? c->manifest->issued : p->last->issued;
	r->expires = c->manifest ? c->manifest->expires : p->last->expires;
	r->signer = TAKE(c->signer);
	r->n_signers = c->n_signers;
	c->n_signers = 0;
	for (size_t i = 0; c->manifest && i < c->manifest->n_notices; i++)
		pull_notice(&r->notices, &r->n_notices, span_str(c->manifest->notices[i]));
}

int pull(struct db *db, const struct pull_options *o, struct pull_result **ret, struct err *err)
{
	PULL p = { .db = db, .o = o };
	CANDIDATE c = { 0 };
	int r;

	p.result = xcalloc(1, sizeof(*p.result));
	if ((r = pull_state(db, &p.last, err)) < 0 ||
	    (r = pull_keyring(db, o->config, &p.keys, err)) < 0)
		return r;
	p.trust = pull_keyring_digest(p.keys);
	r = o->from ? try_source(&p, o->from, &c, err) : choose_url(&p, &c, err);
	if (r == 0)
		r = commit(&p, &c, err);
	if (r < 0)
		return r;
	report(&p, &c);
	*ret = TAKE(p.result);
	return 0;
}
