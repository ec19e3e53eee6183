/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sightings: records that merge, scans that go on where they stopped, QMP peers that misbehave. */
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "registry/sighting.h"
#include "sync/domains.h"
#include "sync/guests.h"
#include "sync/qmp.h"
#include "tests/registry.h"
#include "tests/table-store.h"

/* ---- files beside the registry ---- */

static char *beside(void *const *state, const char *name)
{
	const char *path = *state;

	return xasprintf("%.*s/%s", (int)(strrchr(path, '/') - path), path, name);
}

static void write_file(const char *path, const char *mode, const char *text, size_t n)
{
	FILE *f = fopen(path, mode);

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void append(const char *path, const char *text)
{
	write_file(path, "a", text, strlen(text));
}

static void run_tool(const char *fmt, const char *path)
{
	CLEANUP(free) char *command = xasprintf(fmt, path);

	assert_int_equal(system(command), 0);
}

struct warnings {
	char text[1024];
	size_t n;
};

static void warn(void *ctx, const char *text)
{
	struct warnings *w = ctx;

	w->n++;
	snprintf(w->text, sizeof(w->text), "%s", text);
}

static struct guests_report scan(struct db *db, char *glob, struct warnings *w)
{
	struct guests_report report = { 0 };
	struct err err = { 0 };

	w->n = 0;
	ok(guests_scan(db, &glob, 1, warn, w, &report, &err), &err);
	return report;
}

/* All sightings as "GUEST PRODUCT/BUILD VERDICT COUNT\n", ascending. */
static char *all(struct db *db)
{
	CLEANUP(sightings_free) struct sightings *ss = NULL;
	struct err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ok(sighting_list(db, -1, NULL, &ss, &err), &err);
	for (size_t i = 0; i < ss->n; i++) {
		const struct sighting *s = ss->sighting[i];

		fprintf(f, "%s %" PRIu16 "/%" PRIu32 " %s %" PRIu64 "\n", s->guest, s->product,
			s->build, sighting_verdict_name(s->verdict), s->count);
	}
	fclose(f);
	return text;
}

static void assert_all(struct db *db, const char *want)
{
	CLEANUP(free) char *got = all(db);

	assert_string_equal(got, want);
}

/* ---- records ---- */

static void records_merge(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(sightings_free) struct sightings *ss = NULL;
	struct sighting s = { .guest = (char *)"web\n1",
			      .product = 3,
			      .build = UINT32_MAX,
			      .source = SIGHTING_DAEMON,
			      .verdict = SIGHTING_BLACKLISTED,
			      .first_seen = 50,
			      .last_seen = 50,
			      .count = 1 };
	struct err err = { 0 };
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	ok(sighting_record(db, &s, &err), &err);
	s.first_seen = s.last_seen = 70;
	s.verdict = SIGHTING_UNKNOWN;
	ok(sighting_record(db, &s, &err), &err);
	s.first_seen = s.last_seen = 20;
	s.verdict = SIGHTING_ALLOWED;
	s.count = 3;
	ok(sighting_record(db, &s, &err), &err);
	s.guest = (char *)"";
	fails(sighting_record(db, &s, &err), ERR_INVALID, "guest name", &err);
	ok(db_commit(&tx, &err), &err);
	ok(sighting_list(db, 3, "web\\x0a1", &ss, &err), &err);
	assert_int_equal(ss->n, 1);
	assert_int_equal(ss->sighting[0]->first_seen, 20);
	assert_int_equal(ss->sighting[0]->last_seen, 70);
	assert_int_equal(ss->sighting[0]->count, 5);
	assert_int_equal(ss->sighting[0]->verdict, SIGHTING_BLACKLISTED);
	assert_int_equal(ss->sighting[0]->build, UINT32_MAX);
	assert_true(sighting_trusted(ss->sighting[0]->source));
	assert_int_equal(findings(db), 0);
}

/* A guest that announces a thousand builds has the last 64 of them. */
static void no_guest_fills_the_registry(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(sightings_free) struct sightings *ss = NULL;
	struct err err = { 0 };
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	for (uint32_t i = 0; i < 1000; i++) {
		struct sighting s = { .guest = (char *)"flood",
				      .product = 1,
				      .build = i,
				      .source = SIGHTING_DAEMON,
				      .first_seen = i,
				      .last_seen = i };

		ok(sighting_record(db, &s, &err), &err);
	}
	ok(db_commit(&tx, &err), &err);
	ok(sighting_list(db, -1, NULL, &ss, &err), &err);
	assert_int_equal(ss->n, 64);
	assert_int_equal(ss->sighting[0]->build, 999);
	assert_int_equal(ss->sighting[63]->build, 936);
}

/* ---- scans ---- */

static void names_of_files(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "/var/log/xen/qemu-dm-web.log", "web" },
		{ "/var/log/xen/qemu-dm-web.log.10", "web" },
		{ "/var/log/xen/qemu-dm-web.log.3.gz", "web" },
		{ "qemu-dm-a.b.2.log.gz", "a.b.2" },
		{ "/var/log/xen/qemu-dm-web.log-20260101", "web" },
		{ "/var/log/xen/qemu-dm-web.log-20260101-1767225600.gz", "web" },
		{ "/var/log/xen/qemu-dm-web-20260101", "web-20260101" },
		{ "qemu-dm-web-2.log", "web-2" },
		{ "/var/log/xen/console/guest-work-dm.log", "work" },
		{ "/var/log/xen/console/guest--dm.log", "guest--dm" },
		{ "/var/log/xen/console/guest-work.log", "guest-work" },
		{ "qemu-dm-.log", "qemu-dm-" },
		{ "/var/log/daemon.log", "daemon" },
		{ "/var/log/messages.1", "messages.1" },
		{ "/var/log/.gz", ".gz" },
		{ "/var/log/.log", ".log" },
		{ "/var/log/.1", ".1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(free) char *got = guests_name_of(cases[i].path);

		assert_string_equal(got, cases[i].want);
	}
}

static void scans_are_incremental(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *log = beside(state, "qemu-dm-web.log");
	CLEANUP(free) char *old = beside(state, "qemu-dm-web.log.1");
	CLEANUP(free) char *glob = beside(state, "qemu-dm-*.log*");
	struct warnings w = { .n = 0 };
	struct guests_report r;

	append(log, "Unknown PV product 2 loaded in guest\nPV driver bui");
	r = scan(db, glob, &w);
	assert_int_equal(r.files, 1);
	assert_int_equal(r.builds, 0);
	append(log, "ld 1\nUnknown PV product 3 lo");
	r = scan(db, glob, &w);
	assert_int_equal(r.builds, 1);
	assert_all(db, "web 2/1 allowed 1\n");
	r = scan(db, glob, &w);
	assert_int_equal(r.unchanged, 1);
	assert_int_equal(r.bytes, 0);
	append(log, "aded in guest\nPV driver build 9\nDrivers are blacklisted!\n");
	scan(db, glob, &w);
	assert_all(db, "web 2/1 allowed 1\nweb 3/9 blacklisted 1\n");
	/* Rotated: the same file under another name, and a new one. */
	assert_int_equal(rename(log, old), 0);
	append(log, "Unknown PV product 2 loaded in guest\nPV driver build 1\n");
	r = scan(db, glob, &w);
	assert_int_equal(r.files, 2);
	assert_int_equal(r.builds, 1);
	assert_all(db, "web 2/1 allowed 2\nweb 3/9 blacklisted 1\n");
	/* Cut to nothing and written anew. */
	write_file(log, "w", "Unknown PV product 2 loaded in guest\nPV driver build 4\n", 55);
	scan(db, glob, &w);
	assert_all(db, "web 2/1 allowed 2\nweb 2/4 allowed 1\nweb 3/9 blacklisted 1\n");
	assert_int_equal(w.n, 0);
	assert_int_equal(findings(db), 0);
}

/* True when the second of two logs got the inode of the first, which others may snatch away. */
static bool second_boot(void **state, struct db *db)
{
	static const char text[] = "domid: 1\n%0300d\nUnknown PV product 2 loaded in guest\n"
				   "PV driver build %d\n";
	CLEANUP(free) char *log = beside(state, "qemu-dm-web.log");
	CLEANUP(free) char *first = xasprintf(text, 0, 1), *second = xasprintf(text, 0, 2);
	struct warnings w = { .n = 0 };
	struct stat before, after;

	append(log, first);
	assert_int_equal(stat(log, &before), 0);
	scan(db, log, &w);
	assert_int_equal(unlink(log), 0);
	append(log, second);
	assert_int_equal(stat(log, &after), 0);
	if (after.st_ino == before.st_ino)
		scan(db, log, &w);
	assert_int_equal(unlink(log), 0);
	return after.st_ino == before.st_ino;
}

/* Another log at the same inode, alike for its first lines. */
static void an_inode_used_again(void **state)
{
	bool again = false;

	for (int i = 0; i < 50 && !again; i++) {
		CLEANUP(db_close) struct db *db = registry_open(*state);
		CLEANUP(sightings_free) struct sightings *ss = NULL;
		struct err err = { 0 };

		again = second_boot(state, db);
		ok(sighting_list(db, -1, "web", &ss, &err), &err);
		assert_int_equal(ss->n, again ? 2 : 1);
	}
	if (!again) {
		print_message("this file system uses no inode again\n");
		skip();
	}
}

/* Times that no clock tells are no reason to fail. */
static void odd_times(void **state)
{
	static const time_t times[] = { 15000000000, -1000000000 };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *log = beside(state, "qemu-dm-web.log");
	struct warnings w = { .n = 0 };

	append(log, "Unknown PV product 2 loaded in guest\nPV driver build 1\n");
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		const struct timespec both[2] = { { .tv_sec = times[i] }, { .tv_sec = times[i] } };

		assert_int_equal(utimensat(AT_FDCWD, log, both, 0), 0);
		scan(db, log, &w);
		assert_int_equal(scan(db, log, &w).unchanged, 1);
	}
	assert_all(db, "web 2/1 allowed 1\n");
	assert_int_equal(findings(db), 0);
}

/* A verdict that is written just after a scan has read the build. */
static void a_late_verdict(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *log = beside(state, "guest-web-dm.log");
	struct warnings w = { .n = 0 };

	append(log, "Citrix Windows PV drivers loaded in guest\nPV driver build 5\n");
	scan(db, log, &w);
	assert_all(db, "web 1/5 allowed 1\n");
	append(log, "Drivers are blacklisted!\n");
	scan(db, log, &w);
	assert_all(db, "web 1/5 blacklisted 2\n");
}

static void compressed_files(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *log = beside(state, "qemu-dm-web.log.2");
	CLEANUP(free) char *packed = beside(state, "qemu-dm-web.log.2.gz");
	CLEANUP(free) char *glob = beside(state, "qemu-dm-*");
	struct warnings w = { .n = 0 };
	struct guests_report r;

	append(log, "Unknown PV product 2 loaded in guest\nPV driver build 1\n");
	run_tool("gzip '%s'", log);
	r = scan(db, glob, &w);
	assert_int_equal(r.builds, 1);
	assert_all(db, "web 2/1 allowed 1\n");
	r = scan(db, glob, &w);
	assert_int_equal(r.unchanged, 1);
	/* Damaged behind its start: what could be read counts, and it is told. */
	run_tool("truncate -s -4 '%s'", packed);
	r = scan(db, glob, &w);
	assert_int_equal(r.failed, 1);
	assert_non_null(strstr(w.text, "damaged"));
	assert_all(db, "web 2/1 allowed 2\n");
}

/* In the middle of a scan: another process writes, and scans the same files. */
static void meanwhile(void *ctx, const char *text)
{
	const char *path = ctx;
	CLEANUP(db_close) struct db *other = registry_open(path);
	CLEANUP(free)
	char *glob = xasprintf("%.*s/*.log.1", (int)(strrchr(path, '/') - path), path);
	struct warnings w = { .n = 0 };

	(void)text;
	tamper(path, "BEGIN IMMEDIATE; ROLLBACK");
	scan(other, glob, &w);
	assert_int_equal(w.n, 1);
}

static void reading_locks_nobody_out(void **state)
{
	static const char line[] = "Unknown PV product 2 loaded in guest\nPV driver build 1\n";
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *log = beside(state, "qemu-dm-web.log");
	CLEANUP(free) char *torn = beside(state, "qemu-dm-web.log.1");
	CLEANUP(free) char *glob = beside(state, "qemu-dm-*");
	struct guests_report report;
	struct err err = { 0 };
	struct stat st;

	append(torn, line);
	run_tool("gzip '%s'", torn);
	run_tool("f='%s'; mv \"$f.gz\" \"$f\"", torn);
	assert_int_equal(stat(torn, &st), 0);
	assert_int_equal(truncate(torn, st.st_size - 4), 0);
	append(log, line);
	ok(guests_scan(db, &glob, 1, meanwhile, *state, &report, &err), &err);
	assert_all(db, "web 2/1 allowed 2\n");
}

/* What cannot be read is told, not passed over as a log without lines. */
static void packed_by_others(void **state)
{
	static const char *const packers[] = { "xz", "bzip2", "zstd", "lz4" };
	static const char *const starts[] = { "\xfd\x37zXZ", "BZh91AY&SY", "\x28\xb5\x2f\xfd",
					      "\x04\x22\x4d\x18" };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct warnings w = { .n = 0 };

	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		CLEANUP(free) char *log = beside(state, "qemu-dm-web.log.2");
		CLEANUP(free) char *want = xasprintf("compressed with %s", packers[i]);
		struct guests_report r;

		write_file(log, "w", starts[i], strlen(starts[i]));
		r = scan(db, log, &w);
		assert_int_equal(r.failed, 1);
		assert_non_null(strstr(w.text, want));
		r = scan(db, log, &w);
		assert_int_equal(r.failed, 1);
	}
}

static void things_that_are_no_logs(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *fifo = beside(state, "qemu-dm-fifo.log");
	CLEANUP(free) char *dir = beside(state, "qemu-dm-dir.log");
	CLEANUP(free) char *link = beside(state, "qemu-dm-link.log");
	CLEANUP(free) char *empty = beside(state, "qemu-dm-empty.log");
	CLEANUP(free) char *glob = beside(state, "qemu-dm-*");
	struct warnings w = { .n = 0 };
	struct guests_report r;

	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(symlink("/nowhere", link), 0);
	append(empty, "");
	r = scan(db, glob, &w);
	assert_int_equal(r.failed, w.n);
	assert_int_equal(r.failed, 2 + (r.files == 4));
	assert_all(db, "");
	r = scan(db, (char *)"/nowhere/*", &w);
	assert_int_equal(r.files, 0);
}

static void syslog_of_many(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *log = beside(state, "daemon.log");
	struct warnings w = { .n = 0 };

	append(log, "Jan 10 12:00:00 h qemu-dm-5[1]: UNPLUG: product_id: 3 build_number: 1\n"
		    "Jan 10 12:00:00 h qemu-dm-6[2]: UNPLUG: product_id: 4 build_number: 513\n"
		    "Jan 10 12:00:00 h qemu-dm-5[1]: UNPLUG: drivers not blacklisted\n"
		    "Jan 10 12:00:00 h qemu-dm-6[2]: UNPLUG: drivers blacklisted\n");
	scan(db, log, &w);
	assert_all(db, "domain-5 3/1 allowed 1\ndomain-6 4/513 blacklisted 1\n");
}

/* A line of a syslog is no more than a guest's word when it stands in that guest's own file. */
static void a_guest_speaks_for_itself(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *log = beside(state, "qemu-dm-evil.log");
	CLEANUP(free) char *console = beside(state, "guest-evil-dm.log.2");
	CLEANUP(free) char *glob = beside(state, "*evil*");
	struct warnings w = { .n = 0 };

	append(log, "Jan 10 12:00:00 h qemu-dm-5[1]: UNPLUG: product_id: 3 build_number: 1\n");
	append(console, "Jan 10 12:00:00 h qemu-dm-6: PV driver build 1\n"
			"Jan 10 12:00:00 h qemu-dm-6: Unknown PV product 2 loaded in guest\n"
			"Jan 10 12:00:00 h qemu-dm-6: PV driver build 1\n");
	scan(db, glob, &w);
	assert_all(db, "evil 2/1 allowed 1\nevil 3/1 unknown 1\n");
}

/* One guest that floods a syslog costs the others nothing, nor do many of them. */
static void a_flood_in_a_syslog(void **state)
{
	static const char line[] =
		"Jan 10 12:00:00 h qemu-dm-%u[1]: UNPLUG: product_id: 3 build_number: %u\n";
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(sightings_free) struct sightings *ss = NULL, *flood = NULL;
	CLEANUP(free) char *log = beside(state, "daemon.log");
	struct warnings w = { .n = 0 };
	struct err err = { 0 };
	FILE *f = fopen(log, "w");

	assert_non_null(f);
	for (unsigned i = 1; i <= 200; i++)
		fprintf(f, line, i, 1u);
	for (unsigned i = 0; i < 5000; i++)
		fprintf(f, line, 7u, 100 + i);
	fprintf(f, line, 0x7ff0u, 1u); /* no domain's number */
	fclose(f);
	scan(db, log, &w);
	ok(sighting_list(db, -1, NULL, &ss, &err), &err);
	assert_int_equal(ss->n, 199 + 64);
	ok(sighting_list(db, -1, "domain-7", &flood, &err), &err);
	assert_int_equal(flood->n, 64);

	/* As many domains as no host has: the last ones count. */
	f = fopen(log, "a");
	assert_non_null(f);
	for (unsigned i = 300; i < 3300; i++)
		fprintf(f, line, i, 1u);
	fclose(f);
	scan(db, log, &w);
	sightings_free(TAKE(ss));
	ok(sighting_list(db, -1, NULL, &ss, &err), &err);
	assert_int_equal(ss->n, 199 + 64 + 1024);
}

/* ---- QMP ---- */

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define DONE "{\"return\": {}}\r\n"

/* A peer that sends FIRST, then a part after each line that it reads; then ends or hangs. */
struct peer {
	const char *name, *part[3];
	bool hangs;
	unsigned repeat; /* the last part that often */
	enum err_kind kind;
	uint16_t product;
	uint32_t build;
};

static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	if (write(fd, text, n) != (ssize_t)n)
		_exit(0);
}

static void serve(int listener, const struct peer *p)
{
	int fd = accept(listener, NULL, NULL);
	char c = 0;

	for (size_t i = 0; i < ARRAY_SIZE(p->part) && p->part[i]; i++) {
		bool last = i + 1 == ARRAY_SIZE(p->part) || !p->part[i + 1];

		for (unsigned n = 0; n < (last && p->repeat ? p->repeat : 1); n++)
			say(fd, p->part[i]);
		while (!last && read(fd, &c, 1) == 1 && c != '\n')
			;
	}
	while (p->hangs)
		pause();
	_exit(0);
}

static pid_t start_peer(const char *path, const struct peer *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	if (pid == 0) {
		/* A test that dies takes its peers along: one that lives on holds its stdout. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		serve(fd, p);
	}
	close(fd);
	return pid;
}

static void qmp_peers(void **state)
{
	static const struct peer peers[] = {
		{ "xcp-ng",
		  { GREETING, DONE, "{\"return\": {\"product-num\": 3, \"build-num\": 1}}\r\n" },
		  .product = 3,
		  .build = 1 },
		{ "events in between",
		  { GREETING, "{\"event\": \"X\", \"data\": {\"return\": 1}}\r\n" DONE,
		    "{\"event\": \"Y\"}\r\n"
		    "{\"return\": {\"build-num\": 4294967295, \"product-num\": 65535}}\r\n" },
		  .product = 65535,
		  .build = UINT32_MAX },
		{ "nobody has spoken",
		  { GREETING, DONE, "{\"return\": {\"product-num\": 0, \"build-num\": 0}}\r\n" },
		  .kind = ERR_NOT_FOUND },
		{ "stock",
		  { GREETING, DONE, "{\"error\": {\"class\": \"CommandNotFound\"}}\r\n" },
		  .kind = ERR_NOT_FOUND },
		{ "no numbers", { GREETING, DONE, DONE }, .kind = ERR_UNREACHABLE },
		{ "number too big",
		  { GREETING, DONE,
		    "{\"return\": {\"product-num\": 65536, \"build-num\": 1}}\r\n" },
		  .kind = ERR_UNREACHABLE },
		{ "something else", { "220 mail ESMTP\r\n" }, .kind = ERR_UNREACHABLE },
		{ "closes", { NULL }, .kind = ERR_UNREACHABLE },
		{ "closes later", { GREETING, DONE }, .kind = ERR_UNREACHABLE },
		{ "silent", { NULL }, .hangs = true, .kind = ERR_UNREACHABLE },
		{ "silent later", { GREETING, DONE }, .hangs = true, .kind = ERR_UNREACHABLE },
		{ "a line without an end",
		  { GREETING, "0123456789abcdef" },
		  .repeat = 10000,
		  .kind = ERR_UNREACHABLE },
		{ "events without an end",
		  { GREETING, DONE, "{\"event\": \"FLOOD\"}\r\n" },
		  .repeat = 4000000,
		  .kind = ERR_UNREACHABLE },
	};
	CLEANUP(free) char *path = beside(state, "qmp");

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		const struct peer *p = &peers[i];
		pid_t pid = start_peer(path, p);
		uint16_t product = 0;
		uint32_t build = 0;
		struct err err = { 0 };
		int r = qmp_driver(path, p->kind ? 300 : 10000, &product, &build, &err);

		if (r != -(int)p->kind)
			fail_msg("%s: %d %s", p->name, r, err.msg);
		assert_int_equal(product, p->product);
		assert_int_equal(build, p->build);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		unlink(path);
	}
}

static void qmp_paths(void **state)
{
	CLEANUP(free) char *path = beside(state, "nothing");
	char big[200];
	uint16_t product;
	uint32_t build;
	struct err err = { 0 };

	fails(qmp_driver(path, 100, &product, &build, &err), ERR_NOT_FOUND, "nothing", &err);
	append(path, "");
	fails(qmp_driver(path, 100, &product, &build, &err), ERR_UNREACHABLE, "nothing", &err);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	fails(qmp_driver(big, 100, &product, &build, &err), ERR_INVALID, "too long", &err);
}

/* ---- running domains ---- */

static void hints(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "XenProject XENBUS 9.1.0", "9.1.0" },
		{ "XCP-ng xenbus 9.0.9030.0 debug build", "9.0.9030.0" },
		{ "XenProject XENVBD 9.1.0", NULL },
		{ "XENBUS 9.1.0", NULL },
		{ "a XENBUS ", NULL },
		{ "a XENBUS", NULL },
		{ " XENBUS 9.1.0", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span version;
		bool got = domains_hint(span_str(cases[i].line), &version);

		assert_int_equal(got, cases[i].want != NULL);
		if (got)
			assert_true(span_eq(version, cases[i].want));
	}
}

#define UUID "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
#define DOMAIN "/local/domain/"

static const struct table_node domains[] = {
	{ DOMAIN "0/name", "Domain-0" },
	{ DOMAIN "0/drivers/0", "a XENBUS 9.1.0" },
	{ DOMAIN "5/name", "web" },
	{ DOMAIN "5/vm", "/vm/" UUID },
	{ DOMAIN "5/drivers/0", "XenProject XENVBD 9.1.0" },
	{ DOMAIN "5/drivers/1", "XenProject XENBUS 9.1.0.47 checked" },
	{ DOMAIN "5/drivers/2", "XenProject XENBUS 999.1.0" },
	{ DOMAIN "5/drivers/3", "XenProject XENBUS \033[2J" },
	{ DOMAIN "6/vm", "/vm/not a uuid" },
	{ DOMAIN "6/drivers/0", "XenProject XENBUS 8.2.1" },
	{ DOMAIN "7/name", "silent" },
	{ DOMAIN "07/drivers/0", "a XENBUS 9.1.0" },
	{ DOMAIN "x/drivers/0", "a XENBUS 9.1.0" },
	{ NULL, NULL },
};

static void running_domains(void **state)
{
	static const struct peer answers = {
		.part = { GREETING, DONE,
			  "{\"return\": {\"product-num\": 3, \"build-num\": 1}}\r\n" }
	};
	static const struct peer mute = { .hangs = true };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(sightings_free) struct sightings *ss = NULL;
	CLEANUP(free) char *dir = beside(state, ".");
	CLEANUP(free) char *web = beside(state, "qmp-libxl-5");
	CLEANUP(free) char *silent = beside(state, "qmp-event-7");
	struct domains_report report;
	struct warnings w = { .n = 0 };
	struct err err = { 0 };
	pid_t peers[] = { start_peer(web, &answers), start_peer(silent, &mute) };

	table_store.node = domains;
	ok(domains_scan(db, NULL, dir, warn, &w, &report, &err), &err);
	assert_int_equal(report.domains, 3);
	assert_int_equal(report.answers, 3);
	assert_int_equal(w.n, 1);
	assert_non_null(strstr(w.text, "qmp-event-7"));
	assert_all(db, "domain-6 65535/524801 unknown 1\n"
		       "web 3/1 unknown 1\n"
		       "web 65535/590080 unknown 1\n");
	ok(sighting_list(db, 3, "web", &ss, &err), &err);
	assert_string_equal(ss->sighting[0]->uuid, UUID);
	assert_string_equal(sighting_source_name(ss->sighting[0]->source), "qmp");
	assert_int_equal(ss->sighting[0]->last_seen, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		kill(peers[i], SIGKILL);
		waitpid(peers[i], NULL, 0);
	}
	table_store.broken = DOMAIN "6/name";
	fails(domains_scan(db, NULL, "/nowhere", warn, &w, &report, &err), ERR_UNREACHABLE,
	      "no answer", &err);
	table_store.broken = NULL;
}

static const struct CMUnitTest tests[] = {
	registry_test(records_merge),
	registry_test(no_guest_fills_the_registry),
	cmocka_unit_test(names_of_files),
	registry_test(scans_are_incremental),
	registry_test(an_inode_used_again),
	registry_test(odd_times),
	registry_test(a_late_verdict),
	registry_test(compressed_files),
	registry_test(packed_by_others),
	registry_test(things_that_are_no_logs),
	registry_test(reading_locks_nobody_out),
	registry_test(syslog_of_many),
	registry_test(a_guest_speaks_for_itself),
	registry_test(a_flood_in_a_syslog),
	registry_test(qmp_peers),
	registry_test(qmp_paths),
	cmocka_unit_test(hints),
	registry_test(running_domains),
};

UNIT_MAIN(tests)
