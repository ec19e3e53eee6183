/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Log files into sightings. Hides how far which file was read, and the reading of compressed ones.
 * The only user of zlib.h.
 */
#include "sync/guests.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "registry/digest.h"
#include "sync/dmlog.h"

#define CHUNK (256 * 1024)
#define HEAD_MAX 256			 /* bytes that identify a file together with its inode */
#define UNPACKED_MAX (UINT64_C(1) << 30) /* of one compressed file */
#define PACKER_READ "gzip"
#define BUILDS_A_GUEST 64  /* distinct ones kept; sightings keep no more either */
#define GUESTS_A_FILE 1024 /* the latest to appear; more is a forger's work */

/* What is cut leaves something. */
static bool cut_end(struct span *s, const char *end)
{
	size_t n = strlen(end);

	if (s->n <= n || memcmp(s->p + s->n - n, end, n) != 0)
		return false;
	s->n -= n;
	return true;
}

static bool cut_start(struct span *s, const char *start)
{
	size_t n = strlen(start);

	if (s->n < n || memcmp(s->p, start, n) != 0)
		return false;
	*s = span_of(s->p + n, s->n - n);
	return true;
}

/* ".3", or "-20260101" as logrotate's dateext has it. */
static bool cut_number(struct span *s)
{
	size_t n = s->n;

	while (n > 0 && s->p[n - 1] >= '0' && s->p[n - 1] <= '9')
		n--;
	if (n == s->n || n < 2 || (s->p[n - 1] != '.' && s->p[n - 1] != '-'))
		return false;
	s->n = n - 1;
	return true;
}

/* True when the name tells whose log PATH is; else *ret is what is left of it. */
static bool guest_of(const char *path, struct span *ret)
{
	const char *slash = strrchr(path, '/');
	struct span s = span_str(slash ? slash + 1 : path), whole;

	cut_end(&s, ".gz");
	whole = s;
	while (cut_number(&s))
		continue;
	if (!cut_end(&s, ".log"))
		s = whole;
	*ret = whole = s;
	if (cut_start(&s, "qemu-dm-") && s.n > 0) {
		*ret = s;
		return true;
	}
	s = whole;
	if (cut_start(&s, "guest-") && cut_end(&s, "-dm")) {
		*ret = s;
		return true;
	}
	return false;
}

char *guests_name_of(const char *path)
{
	struct span s;

	guest_of(path, &s);
	return xstrndup(s.p, s.n);
}

/* ---- one file's findings, merged ---- */

struct finding {
	struct dmlog_found f;
	uint64_t count;
};

/* Of one guest. A syslog file has many, and none of them costs another one its rows. */
struct findings {
	struct finding *row; /* oldest first */
	size_t n, cap;
};

#define OWNER DMLOG_DOMIDS /* the guest whose file it is */

struct collection {
	const char *path;
	bool owned; /* whatever a guest writes into its own log, it speaks for itself alone */
	struct findings guest[DMLOG_DOMIDS + 1];
	size_t appeared[GUESTS_A_FILE], n_appeared; /* a ring of those that have rows */
	uint64_t total;
};

static struct collection *collection_new(const char *path)
{
	struct collection *c = xcalloc(1, sizeof(*c));
	struct span ignored;

	c->path = path;
	c->owned = guest_of(path, &ignored);
	return c;
}

static void collection_free(struct collection *c)
{
	for (size_t i = 0; c && i < ARRAY_SIZE(c->guest); i++)
		free(c->guest[i].row);
	free(c);
}
DEFINE_CLEANUP(struct collection *, collection_free)

static struct findings *findings_of(struct collection *c, uint32_t domid)
{
	size_t who = c->owned || domid >= OWNER ? OWNER : domid;
	size_t *turn = &c->appeared[c->n_appeared % GUESTS_A_FILE];

	if (c->guest[who].n)
		return &c->guest[who];
	if (c->n_appeared >= GUESTS_A_FILE) {
		free(c->guest[*turn].row);
		c->guest[*turn] = (struct findings){ .n = 0 };
	}
	*turn = who;
	c->n_appeared++;
	return &c->guest[who];
}

static void collect(void *ctx, const struct dmlog_found *f)
{
	struct collection *c = ctx;
	struct findings *fs = findings_of(c, f->domid);
	struct finding row = { *f, 1 };
	size_t i;

	c->total++;
	for (i = 0; i < fs->n; i++) {
		const struct dmlog_found *o = &fs->row[i].f;

		if (o->product == f->product && o->build == f->build)
			break;
	}
	if (i < fs->n) {
		row.count += fs->row[i].count;
		if (f->verdict == SIGHTING_UNKNOWN)
			row.f.verdict = fs->row[i].f.verdict;
	} else if (fs->n == BUILDS_A_GUEST) {
		i = 0;
	} else {
		GROW(fs->row, fs->n, fs->cap);
		fs->n++;
	}
	memmove(&fs->row[i], &fs->row[i + 1], (fs->n - 1 - i) * sizeof(row));
	fs->row[fs->n - 1] = row;
}

static int record_guest(struct db *db, const struct collection *c, size_t domid, int64_t when,
			struct err *err)
{
	const struct findings *fs = &c->guest[domid];
	CLEANUP(free)
	char *name = domid == OWNER ? guests_name_of(c->path) : xasprintf("domain-%zu", domid);
	int r = 0;

	for (size_t i = 0; i < fs->n && r == 0; i++) {
		const struct finding *row = &fs->row[i];
		const struct sighting s = {
			.guest = name,
			.product = row->f.product,
			.build = row->f.build,
			.source = SIGHTING_LOG,
			.verdict = row->f.verdict,
			.first_seen = when,
			.last_seen = when,
			.count = row->count,
			.origin = (char *)c->path,
		};

		r = sighting_record(db, &s, err);
	}
	return r;
}

static int record(struct db *db, const struct collection *c, int64_t when, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(c->guest) && r == 0; i++)
		if (c->guest[i].n)
			r = record_guest(db, c, i, when, err);
	return r;
}

/* ---- reading ---- */

struct source {
	const char *path;
	int fd;
	struct stat st;
	bool packed;
	char key[96];
};

static void head_digest(const char *p, size_t n, char ret[static DIGEST_HEX])
{
	CLEANUP(digest_free) struct digest *d = digest_new();

	digest_bytes(d, p, n);
	digest_hex(d, ret);
}

/* What the first bytes of a file say that it is compressed with, or NULL. */
static const char *packer_of(int fd)
{
	static const struct {
		const char *packer;
		unsigned char magic[4];
	} packers[] = {
		{ "xz", { 0xfd, '7', 'z', 'X' } }, { "zstd", { 0x28, 0xb5, 0x2f, 0xfd } },
		{ "bzip2", { 'B', 'Z', 'h' } },	   { "lz4", { 0x04, 0x22, 0x4d, 0x18 } },
		{ PACKER_READ, { 0x1f, 0x8b } },
	};
	unsigned char start[4] = { 0 };
	ssize_t n = pread(fd, start, sizeof(start), 0);

	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		size_t len = strnlen((const char *)packers[i].magic, sizeof(start));

		if (n >= (ssize_t)len && memcmp(start, packers[i].magic, len) == 0)
			return packers[i].packer;
	}
	return NULL;
}

/*
 * The file under whatever name. Its time of birth tells it from a later one that got the same inode
 * and, as logs do, begins with the same lines.
 */
static void identify(struct source *src)
{
	struct statx sx = { .stx_mask = 0 };

	if (statx(src->fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) < 0 || !(sx.stx_mask & STATX_BTIME))
		sx.stx_btime = (struct statx_timestamp){ .tv_sec = 0 };
	snprintf(src->key, sizeof(src->key), "%jx:%jx:%jx.%" PRIx32, (uintmax_t)src->st.st_dev,
		 (uintmax_t)src->st.st_ino, (uintmax_t)sx.stx_btime.tv_sec, sx.stx_btime.tv_nsec);
}

static int open_source(const char *path, struct source *ret, struct err *err)
{
	const char *packer;

	ret->path = path;
	/* A pipe or device in a log directory must not hold us up. */
	ret->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (ret->fd < 0)
		return err_set(err, ERR_IO, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(ret->fd, &ret->st) < 0 || !S_ISREG(ret->st.st_mode))
		return err_set(err, ERR_IO, "cannot read '%s': not a regular file", path);
	packer = packer_of(ret->fd);
	if (packer && strcmp(packer, PACKER_READ) != 0)
		return err_set(err, ERR_INVALID,
			       "cannot read '%s': compressed with %s, only " PACKER_READ
			       " is known",
			       path, packer);
	ret->packed = packer;
	identify(ret);
	return 0;
}

/* Compressed files are whole: read to the end each time that they change. */
static int read_packed(const struct source *src, struct dmlog *d, uint64_t *ret_bytes,
		       struct err *err)
{
	CLEANUP(free) char *buf = xcalloc(1, CHUNK);
	int fd = dup(src->fd), n;
	uint64_t bytes = 0;
	gzFile gz = fd < 0 ? NULL : gzdopen(fd, "rb");

	if (!gz) {
		close_fd(fd);
		return err_set(err, ERR_IO, "cannot read '%s': %s", src->path, strerror(errno));
	}
	while ((n = gzread(gz, buf, CHUNK)) > 0 && (bytes += (uint64_t)n) <= UNPACKED_MAX)
		dmlog_feed(d, buf, (size_t)n);
	dmlog_end(d);
	*ret_bytes = bytes;
	/* A file cut off while it was written ends without its checksum. */
	if (gzclose(gz) != Z_OK || n < 0)
		return err_set(err, ERR_IO, "cannot read all of '%s': damaged", src->path);
	if (bytes > UNPACKED_MAX)
		return err_set(err, ERR_IO, "cannot read all of '%s': more than %" PRIu64 " bytes",
			       src->path, UNPACKED_MAX);
	return 0;
}

static int read_plain(const struct source *src, struct dmlog *d, uint64_t *offset,
		      uint64_t *ret_bytes, struct err *err)
{
	CLEANUP(free) char *buf = xcalloc(1, CHUNK);
	uint64_t from = *offset;
	ssize_t n;

	/* Not past the size seen at the start: a guest that writes on keeps nobody here. */
	while (from < (uint64_t)src->st.st_size) {
		uint64_t left = (uint64_t)src->st.st_size - from;

		n = pread(src->fd, buf, left < CHUNK ? (size_t)left : CHUNK, (off_t)from);
		if (n < 0)
			return err_set(err, ERR_IO, "cannot read '%s': %s", src->path,
				       strerror(errno));
		if (n == 0)
			break;
		dmlog_feed(d, buf, (size_t)n);
		from += (uint64_t)n;
	}
	*ret_bytes = from - *offset;
	*offset = from - dmlog_half(d);
	return 0;
}

/*
 * What is remembered of a file: "OFFSET SIZE MTIME HEAD DIGEST PARSER", HEAD being how many bytes
 * of its start DIGEST covers.
 */
struct progress {
	uint64_t offset, size;
	int64_t mtime_ns;
	uint32_t head;
	char digest[DIGEST_HEX];
	const char *parser; /* within the text that was parsed */
};

static bool parse_progress(const char *text, struct progress *ret)
{
	int at = 0;

	return sscanf(text, "%20" SCNu64 " %20" SCNu64 " %20" SCNd64 " %3" SCNu32 " %64[0-9a-f] %n",
		      &ret->offset, &ret->size, &ret->mtime_ns, &ret->head, ret->digest,
		      &at) == 5 &&
	       at > 0 && ret->head <= HEAD_MAX && (ret->parser = text + at);
}

static bool same_file(const struct source *src, const struct progress *p)
{
	char head[HEAD_MAX], digest[DIGEST_HEX];

	if (p->offset > (uint64_t)src->st.st_size ||
	    pread(src->fd, head, p->head, 0) != (ssize_t)p->head)
		return false;
	head_digest(head, p->head, digest);
	return strcmp(digest, p->digest) == 0;
}

/* Only to be compared: of a time beyond the year 2262 whatever is left. */
static int64_t mtime_ns(const struct stat *st)
{
	return (int64_t)((uint64_t)st->st_mtim.tv_sec * UINT64_C(1000000000) +
			 (uint64_t)st->st_mtim.tv_nsec);
}

static char *progress_text(const struct source *src, uint64_t offset, struct dmlog *d)
{
	CLEANUP(free) char *parser = dmlog_state(d);
	char head[HEAD_MAX], digest[DIGEST_HEX];
	uint64_t want = offset < HEAD_MAX ? offset : HEAD_MAX;
	ssize_t n = pread(src->fd, head, want, 0);

	head_digest(head, n < 0 ? 0 : (size_t)n, digest);
	return xasprintf("%" PRIu64 " %jd %" PRId64 " %zd %s %s", offset, (intmax_t)src->st.st_size,
			 mtime_ns(&src->st), n < 0 ? 0 : n, digest, parser);
}

struct scan {
	struct db *db;
	void (*warn)(void *ctx, const char *text);
	void *ctx;
	struct guests_report *report;
	char **key; /* of the files that are there */
	size_t n, cap;
};

static bool seen_key(const struct scan *scan, const char *key)
{
	for (size_t i = 0; i < scan->n; i++)
		if (strcmp(scan->key[i], key) == 0)
			return true;
	return false;
}

/* Into the registry in one transaction, unless another scan has been there meanwhile. */
static int save(struct scan *scan, const struct source *src, const struct collection *found,
		const char *old, const char *progress, int64_t when, struct err *err)
{
	CLEANUP(free) char *now = NULL;
	DB_TX tx = { 0 };
	int r = db_begin(scan->db, &tx, err);

	if (r == 0)
		r = sighting_scan_get(scan->db, src->key, &now, err);
	if (r < 0)
		return r;
	if (strcmp(old ? old : "", now ? now : "") != 0) {
		scan->report->unchanged++;
		return 0;
	}
	scan->report->builds += found->total;
	r = record(scan->db, found, when, err);
	if (r == 0)
		r = sighting_scan_set(scan->db, src->key, progress, err);
	return r < 0 ? r : db_commit(&tx, err);
}

/* An unreadable file is told and skipped; what fails here is the registry. */
static int scan_source(struct scan *scan, const struct source *src, struct err *err)
{
	CLEANUP(collection_free) struct collection *found = collection_new(src->path);
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(collect, found);
	CLEANUP(free) char *old = NULL, *text = NULL;
	struct progress p = { 0 };
	struct err why = { 0 };
	uint64_t offset = 0, bytes = 0;
	int64_t when = src->st.st_mtim.tv_sec;
	int r = sighting_scan_get(scan->db, src->key, &old, err);

	if (r < 0)
		return r;
	if (old && parse_progress(old, &p) && same_file(src, &p)) {
		if (p.size == (uint64_t)src->st.st_size && p.mtime_ns == mtime_ns(&src->st)) {
			scan->report->unchanged++;
			return 0;
		}
		if (!src->packed && dmlog_restore(d, p.parser))
			offset = p.offset;
	}
	if (src->packed) {
		r = read_packed(src, d, &bytes, &why);
		offset = (uint64_t)src->st.st_size;
	} else {
		r = read_plain(src, d, &offset, &bytes, &why);
		dmlog_settle(d);
	}
	if (r < 0) {
		scan->report->failed++;
		scan->warn(scan->ctx, why.msg);
	}
	scan->report->bytes += bytes;
	if (when > db_now(scan->db))
		when = db_now(scan->db);
	text = progress_text(src, offset, d);
	return save(scan, src, found, old, text, when, err);
}

static int scan_file(struct scan *scan, const char *path, struct err *err)
{
	struct source src = { .fd = -1 };
	struct err why = { 0 };
	int r;

	scan->report->files++;
	r = open_source(path, &src, &why);
	if (r < 0) {
		close_fd(src.fd);
		scan->report->failed++;
		scan->warn(scan->ctx, why.msg);
		return 0;
	}
	if (!seen_key(scan, src.key)) { /* two globs, or two names, for one file */
		GROW(scan->key, scan->n, scan->cap);
		scan->key[scan->n++] = xstrdup(src.key);
		r = scan_source(scan, &src, err);
	}
	close_fd(src.fd);
	return r;
}

static int scan_glob(struct scan *scan, const char *pattern, struct err *err)
{
	glob_t g = { 0 };
	int r = glob(pattern, 0, NULL, &g);

	if (r == GLOB_NOMATCH || r == GLOB_ABORTED)
		return 0;
	if (r != 0)
		abort(); /* out of memory */
	for (size_t i = 0; i < g.gl_pathc && r == 0; i++)
		r = scan_file(scan, g.gl_pathv[i], err);
	globfree(&g);
	return r;
}

int guests_scan(struct db *db, char *const *globs, size_t n_globs,
		void (*warn)(void *ctx, const char *text), void *ctx, struct guests_report *ret,
		struct err *err)
{
	struct guests_report report = { 0 };
	struct scan scan = { .db = db, .warn = warn, .ctx = ctx, .report = &report };
	DB_TX tx = { 0 };
	int r = 0;

	for (size_t i = 0; i < n_globs && r == 0; i++)
		r = scan_glob(&scan, globs[i], err);
	if (r == 0)
		r = db_begin(db, &tx, err);
	if (r == 0)
		r = sighting_scan_keep(db, scan.key, scan.n, err);
	if (r == 0)
		r = db_commit(&tx, err);
	for (size_t i = 0; i < scan.n; i++)
		free(scan.key[i]);
	free(scan.key);
	if (r == 0)
		*ret = report;
	return r;
}
