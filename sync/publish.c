/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Publication: rows to documents, versions that rise only with content or dates, and a directory
 * that a reader never sees half written.
 */
#include "sync/publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "registry/digest.h"
#include "registry/history.h"
#include "sync/csv.h"
#include "sync/header.h"
#include "sync/page.h"

#define META_VERSION "publish.version"
#define META_DIGEST "publish.digest"
#define META_ISSUED "publish.issued"

/* ---- rows to a manifest ---- */

static bool wanted(enum publish_rows which, enum origin origin)
{
	return which == PUBLISH_ALL || origin != ORIGIN_LOCAL;
}

static void drop_products(struct products *ps, enum publish_rows which)
{
	size_t kept = 0;

	for (size_t i = 0; i < ps->n; i++) {
		struct product *p = ps->product[i];

		if (wanted(which, p->origin) && !p->conflict)
			ps->product[kept++] = p;
		else
			product_free(p);
	}
	ps->n = kept;
}

static void drop_encodings(struct encoding_rows *rows, enum publish_rows which)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->n; i++) {
		struct encoding_row *row = &rows->row[i];

		if (wanted(which, row->origin)) {
			rows->row[kept++] = *row;
			continue;
		}
		free(row->name);
		free(row->scan);
		free(row->expression);
	}
	rows->n = kept;
}

static bool has_product(const struct products *ps, int64_t id)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->product[i]->id == id)
			return true;
	return false;
}

/* Entries are unique by id only within an origin; the local one of two is the publisher's word. */
static void drop_entries(struct entries *es, const struct products *ps, enum publish_rows which)
{
	size_t kept = 0;

	for (size_t i = 0; i < es->n; i++) {
		struct entry *e = es->entry[i];
		bool twin = i + 1 < es->n && strcmp(e->id, es->entry[i + 1]->id) == 0;
		bool after = kept && strcmp(e->id, es->entry[kept - 1]->id) == 0;

		if (!wanted(which, e->origin) || !has_product(ps, e->product_id) ||
		    (which == PUBLISH_ALL && e->origin != ORIGIN_LOCAL && (twin || after))) {
			entry_free(e);
			continue;
		}
		if (after)
			entry_free(es->entry[--kept]);
		es->entry[kept++] = e;
	}
	es->n = kept;
}

int publish_manifest(struct db *db, enum publish_rows which, struct manifest **ret, struct err *err)
{
	CLEANUP(manifest_free) struct manifest *m = xcalloc(1, sizeof(*m));
	int r;

	m->issued = m->expires = TIME_NONE;
	if ((r = encoding_list(db, &m->encodings, err)) < 0 ||
	    (r = product_list(db, &m->products, err)) < 0 ||
	    (r = entry_list(db, &m->entries, err)) < 0)
		return r;
	drop_encodings(m->encodings, which);
	drop_products(m->products, which);
	drop_entries(m->entries, m->products, which);
	*ret = TAKE(m);
	return 0;
}

int publish_header(struct db *db, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(header_free) struct header *base = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(free) char *text = NULL;
	int r;

	if ((r = product_list(db, &ps, err)) < 0 ||
	    (r = db_meta_get(db, HEADER_META, &text, err)) < 0)
		return r;
	if (text && (r = header_parse(text, strlen(text), &base, err)) < 0)
		return err_wrap(err, "the header that was imported last");
	header_write(base, ps, ret, ret_n);
	return 0;
}

/* ---- the documents of one publication ---- */

struct document {
	const char *name;
	char *bytes;
	size_t n;
};

#define N_DOCUMENTS 4

static void documents_free(struct document *d)
{
	for (size_t i = 0; i < N_DOCUMENTS; i++)
		free(d[i].bytes);
}

static int publish_version(struct db *db, struct manifest *m, struct publish_result *ret,
			   struct err *err)
{
	CLEANUP(digest_free) struct digest *d = digest_new();
	CLEANUP(free) char *last = NULL;
	CLEANUP(free) char *version = NULL;
	CLEANUP(free) char *issued = NULL;
	CLEANUP(free) char *content = NULL;
	char hex[DIGEST_HEX], buf[TIME_TEXT_MAX];
	size_t n;
	int r;

	if ((r = db_meta_get(db, META_DIGEST, &last, err)) < 0 ||
	    (r = db_meta_get(db, META_VERSION, &version, err)) < 0 ||
	    (r = db_meta_get(db, META_ISSUED, &issued, err)) < 0)
		return r;
	ret->version = 0;
	if (version && !parse_u64(span_str(version), &ret->version))
		return err_set(err, ERR_INVALID, "published version '%s' is not a number", version);

	/* Version and issue date follow from the content, so they are no part of it. */
	m->version = 1;
	m->issued = 0;
	manifest_write(m, &content, &n);
	digest_bytes(d, content, n);
	digest_hex(d, hex);
	ret->raised = !last || strcmp(last, hex) != 0 || !issued ||
		      !time_parse(span_str(issued), &ret->issued);
	if (ret->raised) {
		ret->version++;
		ret->issued = db_now(db);
	}
	m->version = ret->version;
	m->issued = ret->issued;
	if (!ret->raised)
		return 0;
	free(version);
	version = xasprintf("%" PRIu64, ret->version);
	if ((r = db_meta_set(db, META_DIGEST, hex, err)) < 0 ||
	    (r = db_meta_set(db, META_VERSION, version, err)) < 0)
		return r;
	return db_meta_set(db, META_ISSUED, time_text(ret->issued, buf), err);
}

static int publish_page(struct db *db, const struct manifest *m, struct document *d,
			struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	struct page_info info = { .version = m->version,
				  .issued = m->issued,
				  .expires = m->expires };
	FILE *f;
	int r;

	r = blacklist_load(db, db_now(db), &b, err);
	if (r < 0)
		return r;
	f = open_memstream(&d->bytes, &d->n);
	if (!f)
		return err_set(err, ERR_IO, "cannot make the page: %s", strerror(errno));
	page_write(b, m->encodings, &info, f);
	fclose(f);
	return 0;
}

static int publish_csv(const struct manifest *m, struct document *d, struct err *err)
{
	FILE *f = open_memstream(&d->bytes, &d->n);

	if (!f)
		return err_set(err, ERR_IO, "cannot make the table: %s", strerror(errno));
	csv_write(m->products, f);
	fclose(f);
	return 0;
}

/* ---- the directory ---- */

static int write_document(int dir, const struct document *d, struct err *err)
{
	CLEANUP(close_fd)
	int fd = openat(dir, d->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t done = 0;

	if (fd < 0)
		return err_set(err, ERR_CREATE, "cannot create '%s': %s", d->name, strerror(errno));
	while (done < d->n) {
		ssize_t n = write(fd, d->bytes + done, d->n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, ERR_IO, "cannot write '%s': %s", d->name,
				       strerror(errno));
		done += (size_t)n;
	}
	if (fchmod(fd, 0644) < 0 || fsync(fd) < 0)
		return err_set(err, ERR_IO, "cannot write '%s': %s", d->name, strerror(errno));
	return 0;
}

static bool is_signature(const char *name)
{
	size_t n = strlen(name);

	return strncmp(name, "manifest.json.", 14) == 0 && n > 8 &&
	       strcmp(name + n - 8, ".minisig") == 0;
}

static bool is_document(const char *name)
{
	return is_signature(name) || strcmp(name, "manifest.json") == 0 ||
	       strcmp(name, "pvdrivers.h") == 0 || strcmp(name, "registry.csv") == 0 ||
	       strcmp(name, "index.html") == 0;
}

static void close_dir(DIR *d)
{
	if (d)
		closedir(d);
}
DEFINE_CLEANUP(DIR *, close_dir)

/* Calls EACH for every name in the directory FD; stops at the first non-zero result. */
static int each_name(int fd, int (*each)(int fd, const char *name, void *ctx), void *ctx)
{
	CLEANUP(close_dir) DIR *d = NULL;
	struct dirent *e;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		close_fd(copy);
		return -1;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((r = each(fd, e->d_name, ctx)) != 0)
			return r;
	}
	return 0;
}

static int find_stranger(int fd, const char *name, void *ctx)
{
	(void)fd;
	if (is_document(name))
		return 0;
	*(char **)ctx = xstrdup(name);
	return 1;
}

static int unlink_document(int fd, const char *name, void *ctx)
{
	(void)ctx;
	if (is_document(name))
		unlinkat(fd, name, 0);
	return 0;
}

static void remove_directory(const char *path)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		each_name(fd, unlink_document, NULL);
	rmdir(path);
}

static bool same_file(int dir, const struct document *d)
{
	CLEANUP(close_fd) int fd = openat(dir, d->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(free) char *bytes = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != d->n)
		return false;
	bytes = xcalloc(1, d->n);
	return read(fd, bytes, d->n) == (ssize_t)d->n && memcmp(bytes, d->bytes, d->n) == 0;
}

static int keep_signature(int old, const char *name, void *ctx)
{
	const int *new = ctx;

	return is_signature(name) && linkat(old, name, *new, name, 0) < 0 ? -1 : 0;
}

/* Refuses a directory that somebody uses for something else; *ret_fd is -1 when there is none. */
static int open_previous(const char *dir, int *ret_fd, struct err *err)
{
	CLEANUP(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(free) char *stranger = NULL;

	if (fd < 0 && errno == ENOENT) {
		*ret_fd = -1;
		return 0;
	}
	if (fd < 0)
		return err_set(err, ERR_CREATE, "cannot use '%s' as a directory: %s", dir,
			       strerror(errno));
	if (each_name(fd, find_stranger, &stranger) != 0)
		return err_set(err, ERR_EXISTS,
			       "'%s' holds '%s', which no publication made; name another directory",
			       dir, stranger ? stranger : "?");
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int fill_directory(const char *path, const struct document *d, int previous, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_set(err, ERR_CREATE, "cannot open '%s': %s", path, strerror(errno));
	for (size_t i = 0; i < N_DOCUMENTS; i++)
		if ((r = write_document(fd, &d[i], err)) < 0)
			return r;
	if (previous >= 0 && same_file(previous, &d[0]) &&
	    each_name(previous, keep_signature, &fd) != 0)
		return err_set(err, ERR_IO, "cannot keep the signatures: %s", strerror(errno));
	if (fchmod(fd, 0755) < 0 || fsync(fd) < 0)
		return err_set(err, ERR_IO, "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

static int write_directory(const char *dir, const struct document *d, struct err *err)
{
	CLEANUP(close_fd) int previous = -1;
	CLEANUP(free) char *temporary = NULL;
	size_t n = strlen(dir);
	int r;

	while (n > 1 && dir[n - 1] == '/')
		n--;
	r = open_previous(dir, &previous, err);
	if (r < 0)
		return r;
	temporary = xasprintf("%.*s.XXXXXX", (int)n, dir);
	if (!mkdtemp(temporary))
		return err_set(err, ERR_CREATE, "cannot create a directory beside '%s': %s", dir,
			       strerror(errno));
	r = fill_directory(temporary, d, previous, err);
	if (r == 0 && renameat2(AT_FDCWD, temporary, AT_FDCWD, dir,
				previous >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
		r = err_set(err, ERR_CREATE, "cannot put '%s' in place: %s", dir, strerror(errno));
	if (r < 0 || previous >= 0)
		remove_directory(temporary);
	return r;
}

static int documents(struct db *db, int64_t expires, struct document *d, struct publish_result *ret,
		     struct err *err)
{
	CLEANUP(manifest_free) struct manifest *m = NULL;
	DB_TX tx = { 0 };
	int r;

	if ((r = db_begin(db, &tx, err)) < 0 ||
	    (r = publish_manifest(db, PUBLISH_ALL, &m, err)) < 0)
		return r;
	m->expires = expires;
	if ((r = publish_version(db, m, ret, err)) < 0)
		return r;
	ret->expires = expires;
	ret->n_products = m->products->n;
	ret->n_encodings = m->encodings->n;
	ret->n_entries = m->entries->n;
	manifest_write(m, &d[0].bytes, &d[0].n);
	if ((r = publish_header(db, &d[1].bytes, &d[1].n, err)) < 0 ||
	    (r = publish_csv(m, &d[2], err)) < 0 || (r = publish_page(db, m, &d[3], err)) < 0)
		return r;
	return db_commit(&tx, err);
}

int publish(struct db *db, const char *dir, int64_t expires, struct publish_result *ret,
	    struct err *err)
{
	struct document d[N_DOCUMENTS] = {
		{ .name = "manifest.json" },
		{ .name = "pvdrivers.h" },
		{ .name = "registry.csv" },
		{ .name = "index.html" },
	};
	struct publish_result result = { 0 };
	CLEANUP(close_fd) int previous = -1;
	int r;

	if (expires <= db_now(db))
		return err_set(err, ERR_INVALID, "the expiry date has passed already");
	r = open_previous(dir, &previous, err);
	if (r == 0)
		r = documents(db, expires, d, &result, err);
	if (r == 0)
		r = write_directory(dir, d, err);
	documents_free(d);
	if (r < 0)
		return r;
	*ret = result;
	return 0;
}
