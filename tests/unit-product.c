/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products and encodings: reading, the maintainer's acts, and what upstream does to them. */
#include "tests/unit.h"

#include "registry/entry.h"
#include "registry/history.h"
#include "registry/product.h"
#include "tests/registry.h"

static struct product *find(struct db *db, const char *name)
{
	struct err err = { 0 };
	struct product *p = NULL;

	ok(product_find(db, name, &p, &err), &err);
	return p;
}

/* "act act act" of a product, oldest first. The caller frees. */
static char *acts(struct db *db, const char *subject)
{
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	struct err err = { 0 };
	char *text = xstrdup("");

	ok(history_list(db, TIME_NONE, subject, &rows, &err), &err);
	for (size_t i = 0; i < rows->n; i++) {
		char *longer = xasprintf("%s%s%s", text, i ? " " : "", rows->row[i].act);

		free(text);
		text = longer;
	}
	return text;
}

/* ---- reading ---- */

static void seed(void **state)
{
	static const struct {
		uint16_t number;
		const char *name, *node;
		enum product_status status;
		size_t n_encodings;
	} want[] = {
		{ 1, "xensource-windows", "xensource-windows", STATUS_ASSIGNED, 1 },
		{ 2, "gplpv-windows", "gplpv-windows", STATUS_ASSIGNED, 1 },
		{ 3, "linux", "linux", STATUS_ASSIGNED, 2 },
		{ 4, "xenserver-windows-v7.0+", "xenserver-windows-v7-0-", STATUS_ASSIGNED, 1 },
		{ 5, "xenserver-windows-v7.2+", "xenserver-windows-v7-2-", STATUS_ASSIGNED, 1 },
		{ 205, "suse-vmdp", "suse-vmdp", STATUS_UNREGISTERED_USE, 1 },
		{ 65535, "experimental", "experimental", STATUS_EXPERIMENTAL, 3 },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(encoding_rows_free) struct encoding_rows *rows = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	struct err err = { 0 };

	ok(product_list(db, &ps, &err), &err);
	assert_int_equal(ps->n, ARRAY_SIZE(want));
	for (size_t i = 0; i < ps->n; i++) {
		CLEANUP(product_uses_free) struct product_uses *uses = NULL;
		const struct product *p = ps->product[i];

		assert_int_equal(p->number, want[i].number);
		assert_string_equal(p->name, want[i].name);
		assert_string_equal(p->node, want[i].node);
		assert_int_equal(p->status, want[i].status);
		assert_int_equal(p->origin, ORIGIN_SHIPPED);
		assert_int_equal(p->n_encodings, want[i].n_encodings);
		assert_int_equal(p->created, 1000);
		assert_true(p->deadline == TIME_NONE);
		ok(product_uses(db, p, &uses, &err), &err);
		assert_int_equal(uses->n, p->n_encodings);
		/* Together they cover every build, once. */
		assert_int_equal(uses->use[0].from, 0);
		assert_int_equal(uses->use[uses->n - 1].to, UINT32_MAX);
		for (size_t k = 1; k < uses->n; k++)
			assert_int_equal(uses->use[k].from, uses->use[k - 1].to + 1);
	}
	ok(encoding_list(db, &rows, &err), &err);
	assert_int_equal(rows->n, 6);
	for (size_t i = 0; i < rows->n; i++) {
		CLEANUP(encoding_free) struct encoding *e = NULL;

		ok(encoding_find(db, rows->row[i].name, &e, &err), &err);
		assert_string_equal(encoding_expression(e), rows->row[i].expression);
	}
}

static void finding(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(encoding_free) struct encoding *e = NULL;
	static const char *const names[] = { "linux", "3", "0x3", "0X03" };
	struct product *p = NULL;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		p = find(db, names[i]);
		assert_int_equal(p->number, 3);
		product_free(p);
	}
	fails(product_find(db, "linix", &p, &err), ERR_NOT_FOUND, "did you mean 'linux'", &err);
	fails(product_find(db, "7", &p, &err), ERR_NOT_FOUND, "no product '7'", &err);
	fails(product_find(db, "0", &p, &err), ERR_NOT_FOUND, "never announced", &err);
	fails(product_find(db, "150", &p, &err), ERR_NOT_FOUND, "VMDP", &err);
	fails(product_find(db, "65536", &p, &err), ERR_NOT_FOUND, "no product", &err);
	fails(product_find(db, "", &p, &err), ERR_NOT_FOUND, "no product ''", &err);
	fails(product_find(db, "\x1b[1m", &p, &err), ERR_NOT_FOUND, "\\x1b", &err);
	fails(product_find(db, "' OR 1 --", &p, &err), ERR_NOT_FOUND, "no product", &err);

	ok(encoding_find(db, "const:4294967295", &e, &err), &err);
	assert_true(encoding_facts(e).constant);
	fails(encoding_find(db, "xen-wim", &e, &err), ERR_NOT_FOUND, "did you mean 'xen-win'",
	      &err);
	fails(encoding_find(db, "const:4294967296", &e, &err), ERR_NOT_FOUND, "no encoding", &err);
	fails(encoding_find(db, "const:", &e, &err), ERR_NOT_FOUND, "no encoding", &err);
}

static void publishable(void **state)
{
	static const struct {
		const char *name;
		bool want;
	} cases[] = {
		{ "linux", true },	 { "a_b-c@D9", true },
		{ "", false },		 { "xenserver-windows-v7.0+", false },
		{ "a/b", false },	 { "a b", false },
		{ "gr\xc3\xbc", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(product_publishable_name(cases[i].name), cases[i].want);
}

/* ---- allocation ---- */

static struct product_request request(const char *name)
{
	return (struct product_request){
		.name = name,
		.number = -1,
		.vendor = "V",
		.contact = "c@example.org",
		.provisional_until = TIME_NONE,
	};
}

static uint16_t allocate(struct db *db, const struct product_request *rq)
{
	struct product_notes notes;
	struct err err = { 0 };
	uint16_t number = 0;
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	ok(product_allocate(db, rq, &number, &notes, &err), &err);
	ok(db_commit(&tx, &err), &err);
	return number;
}

static void lowest_number(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct product_notes notes;
	struct err err = { 0 };
	uint16_t number;
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	ok(product_reserve(db, 8, 10, &err), &err);
	for (unsigned i = 0; i < 100; i++) {
		CLEANUP(free) char *name = xasprintf("driver%u", i);
		struct product_request rq = request(name);
		/* 6, 7, then past what was reserved, then past the block of VMDP. */
		unsigned want = i < 2 ? 6 + i : i < 91 ? 9 + i : 209 + i;

		ok(product_allocate(db, &rq, &number, &notes, &err), &err);
		assert_int_equal(number, want);
		assert_string_equal(notes.text, "");
	}
	ok(db_commit(&tx, &err), &err);
	assert_int_equal(findings(db), 0);
}

static void no_number_left(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct product_request rq = request("last");
	struct product_notes notes;
	struct err err = { 0 };
	uint16_t number;
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	ok(product_reserve(db, 206, 65533, &err), &err);
	ok(product_reserve(db, 6, 204, &err), &err);
	ok(product_allocate(db, &rq, &number, &notes, &err), &err);
	assert_int_equal(number, 65534);
	rq.name = "none";
	fails(product_allocate(db, &rq, &number, &notes, &err), ERR_EXISTS, "every number", &err);
}

static void names(void **state)
{
	static const struct {
		const char *name;
		enum err_kind kind; /* 0: taken */
		const char *why;    /* or the note */
	} cases[] = {
		{ "good-name", 0, "" },
		{ "v2.0", 0, "xenstore cannot hold" },
		{ "gr\xc3\xbcn", 0, "xenstore cannot hold" },
		{ "", ERR_INVALID, "empty" },
		{ NULL, ERR_INVALID, "empty" },
		{ "linux", ERR_EXISTS, "name of product 3" },
		{ "LINUX", ERR_EXISTS, "looks like 'linux'" },
		{ "gplpv_windows", ERR_EXISTS, "looks like 'gplpv-windows'" },
		{ "xenserver-windows-v7-0-", ERR_EXISTS, "looks like" },
		{ "_products", ERR_INVALID, "kept for" },
		{ "-rf", ERR_INVALID, "letter or digit" },
		{ "@x", ERR_INVALID, "letter or digit" },
		{ "../etc", ERR_INVALID, "letter or digit" },
		{ "a/b", ERR_INVALID, "'/'" },
		{ "42", ERR_INVALID, "taken for a number" },
		{ "007", ERR_INVALID, "taken for a number" },
		{ "0x10", ERR_INVALID, "taken for a number" },
		{ "99999999999999999999", ERR_INVALID, "taken for a number" },
		{ "a ", ERR_INVALID, "space" },
		{ "a\nb", ERR_INVALID, "control" },
		{ "a\xff", ERR_INVALID, "UTF-8" },
		{ "a\xe2\x80\xae"
		  "b",
		  ERR_INVALID, "control or invisible" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ERR_INVALID,
		  "longer than 64" },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct product_request rq = request(cases[i].name);
		struct product_notes notes = { 0 };
		struct err err = { 0 };
		uint16_t number = 77;
		DB_TX tx = { 0 };
		int r;

		ok(db_begin(db, &tx, &err), &err);
		r = product_allocate(db, &rq, &number, &notes, &err);
		if (cases[i].kind) {
			fails(r, cases[i].kind, cases[i].why, &err);
			assert_int_equal(number, 77);
			continue;
		}
		ok(r, &err);
		assert_int_equal(number, 6);
		if (!strstr(notes.text, cases[i].why) || (!*cases[i].why && *notes.text))
			fail_msg("'%s': note '%s'", cases[i].name, notes.text);
	}
}

static void requests(void **state)
{
	static const struct product_encoding overlap[] = {
		{ (char *)"xen-win", 0, 100, NULL },
		{ (char *)"raw", 100, 200, NULL },
	};
	static const struct product_encoding reversed[] = { { (char *)"raw", 2, 1, NULL } };
	static const struct product_encoding unknown[] = { { (char *)"xen-wim", 0, 1, NULL } };
	static const struct {
		struct product_request rq;
		enum err_kind kind;
		const char *why;
	} cases[] = {
		{ { .number = 0 }, ERR_INVALID, "cannot be allocated" },
		{ { .number = 65535 }, ERR_INVALID, "cannot be allocated" },
		{ { .number = 65536 }, ERR_INVALID, "cannot be allocated" },
		{ { .number = 3 }, ERR_EXISTS, "number 3 is taken: 'linux'" },
		{ { .number = 205 }, ERR_EXISTS, "'suse-vmdp', unregistered-use" },
		{ { .number = 500 }, 0, "" },
		{ { .number = 150 }, 0, "take care with 100 to 299" },
		{ { .number = 20 }, ERR_INVALID, "number 20 is reserved (20 to 30): a test" },
		{ { .number = -1, .node = "linux" }, ERR_EXISTS, "node of product 3" },
		{ { .number = -1, .node = "a.b" }, ERR_INVALID, "no node name" },
		{ { .number = -1, .node = "" }, ERR_INVALID, "no node name" },
		{ { .number = -1, .node = "_ranges" }, ERR_INVALID, "no node name" },
		{ { .number = -1, .node = "a/b" }, ERR_INVALID, "no node name" },
		{ { .number = -1, .node = "mine" }, 0, "" },
		{ { .number = -1, .vendor = "\x07" }, ERR_INVALID, "the vendor" },
		{ { .number = -1, .contact = "\xff" }, ERR_INVALID, "the contact" },
		{ { .number = -1, .reference = "\x1b" }, ERR_INVALID, "the reference" },
		{ { .number = -1, .provisional_until = 1000 }, ERR_INVALID, "has passed" },
		{ { .number = -1, .provisional_until = 1001 }, 0, "" },
		{ { .number = -1, .encoding = overlap, .n_encodings = 2 },
		  ERR_INVALID,
		  "overlap: 'xen-win' for 0..100 and 'raw' for 100..200" },
		{ { .number = -1, .encoding = reversed, .n_encodings = 1 },
		  ERR_INVALID,
		  "reversed" },
		{ { .number = -1, .encoding = unknown, .n_encodings = 1 },
		  ERR_NOT_FOUND,
		  "did you mean 'xen-win'" },
		{ { .number = -1, .encoding = overlap, .n_encodings = 1 }, 0, "" },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct err err = { 0 };
	DB_TX first = { 0 };

	ok(db_begin(db, &first, &err), &err);
	ok(product_reserve(db, 20, 30, &err), &err);
	ok(db_commit(&first, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct product_request rq = cases[i].rq;
		struct product_notes notes = { 0 };
		uint16_t number = 0;
		DB_TX tx = { 0 };
		int r;

		rq.name = "new-one";
		if (!rq.provisional_until)
			rq.provisional_until = TIME_NONE;
		ok(db_begin(db, &tx, &err), &err);
		r = product_allocate(db, &rq, &number, &notes, &err);
		if (cases[i].kind) {
			fails(r, cases[i].kind, cases[i].why, &err);
			continue;
		}
		ok(r, &err);
		assert_non_null(strstr(notes.text, cases[i].why));
		assert_int_equal(!*cases[i].why, !*notes.text);
		ok(db_commit(&tx, &err), &err);
		assert_int_equal(findings(db), 0);
		db_close(TAKE(db));
		unlink(*state);
		db = registry_open(*state);
		ok(db_begin(db, &tx, &err), &err);
		ok(product_reserve(db, 20, 30, &err), &err);
		ok(db_commit(&tx, &err), &err);
	}
}

static void derived_nodes(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct product_request rq = request("a.b");
	struct product *p;

	assert_int_equal(allocate(db, &rq), 6);
	p = find(db, "a.b");
	assert_string_equal(p->node, "a-b");
	product_free(p);
	rq.name = "a+b";
	assert_int_equal(allocate(db, &rq), 7);
	p = find(db, "a+b");
	assert_string_equal(p->node, "a-b-2");
	product_free(p);
}

static void reservations(void **state)
{
	static const struct {
		uint16_t first, last;
		enum err_kind kind;
		const char *why;
	} cases[] = {
		{ 9, 8, ERR_INVALID, "reversed" },
		{ 0, 0, ERR_EXISTS, "reserved already" },
		{ 1, 1, ERR_EXISTS, "number 1 is taken" },
		{ 200, 210, ERR_EXISTS, "number 205 is taken: 'suse-vmdp'" },
		{ 60000, 65535, ERR_EXISTS, "number 65535 is taken" },
		{ 110, 120, 0, "" },
		{ 120, 130, ERR_EXISTS, "110 to 120 are reserved already: a test" },
		{ 121, 121, 0, "" },
	};
	static const struct actor nobody = { .verb = "test", .reason = "  " };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(reservations_free) struct reservations *rs = NULL;
	struct err err = { 0 };
	{
		DB_TX tx = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			int r = product_reserve(db, cases[i].first, cases[i].last, &err);

			if (cases[i].kind)
				fails(r, cases[i].kind, cases[i].why, &err);
			else
				ok(r, &err);
		}
		ok(db_commit(&tx, &err), &err);
	}
	ok(reservation_list(db, &rs, &err), &err);
	assert_int_equal(rs->n, 4);
	assert_int_equal(rs->row[1].first, 100);
	assert_int_equal(rs->row[1].kind, RESERVED_WARN);
	assert_int_equal(rs->row[2].first, 110);
	assert_string_equal(rs->row[2].reason, "a test");
	assert_int_equal(findings(db), 0);

	db_close(TAKE(db));
	ok(db_open(*state, DB_WRITE, &nobody, 1000, &db, &err), &err);
	{
		DB_TX tx = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		fails(product_reserve(db, 400, 500, &err), ERR_USAGE, "--reason", &err);
		fails(product_retire(db, "linux", &err), ERR_USAGE, "--reason", &err);
		fails(product_revoke(db, "linux", &err), ERR_USAGE, "--reason", &err);
		fails(product_release(db, "linux", &err), ERR_USAGE, "--reason", &err);
		fails(product_transfer(db, "linux", "a", "b", &err), ERR_USAGE, "--reason", &err);
	}
}

/* ---- update and the other acts ---- */

static int update(struct db *db, const char *name, const struct product_change *c,
		  struct product_notes *notes, struct err *err)
{
	DB_TX tx = { 0 };
	int r;

	ok(db_begin(db, &tx, err), err);
	if ((r = product_update(db, name, c, notes, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

static void updates(void **state)
{
	static const struct product_encoding more[] = {
		{ (char *)"raw", 300, 400, (char *)"somebody" },
	};
	static const struct product_encoding base[] = {
		{ (char *)"xen-win", 0, 299, NULL },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(product_free) struct product *p = NULL;
	CLEANUP(free) char *acted = NULL;
	struct product_request rq = request("mine");
	struct product_change c = PRODUCT_CHANGE_NONE;
	struct product_notes notes = { 0 };
	struct err err = { 0 };
	uint64_t before, after;

	rq.encoding = base;
	rq.n_encodings = 1;
	allocate(db, &rq);

	ok(db_generation(db, &before, &err), &err);
	ok(update(db, "mine", &c, &notes, &err), &err); /* nothing to change: no history */
	ok(db_generation(db, &after, &err), &err);
	assert_int_equal(before, after);

	c.vendor = "W";
	c.encoding = more;
	c.n_encodings = 1;
	ok(update(db, "6", &c, &notes, &err), &err);
	p = find(db, "mine");
	assert_string_equal(p->vendor, "W");
	assert_string_equal(p->contact, "c@example.org");
	assert_int_equal(p->n_encodings, 2);
	assert_string_equal(p->encoding[1].user, "somebody");

	fails(update(db, "mine", &c, &notes, &err), ERR_INVALID, "overlap", &err);
	c.drop_encodings = true;
	ok(update(db, "mine", &c, &notes, &err), &err);
	product_free(TAKE(p));
	p = find(db, "mine");
	assert_int_equal(p->n_encodings, 1);

	c = PRODUCT_CHANGE_NONE;
	c.number = 9;
	fails(update(db, "mine", &c, &notes, &err), ERR_INVALID, "keeps its number", &err);
	c = PRODUCT_CHANGE_NONE;
	c.name = "Linux";
	fails(update(db, "mine", &c, &notes, &err), ERR_EXISTS, "looks like", &err);
	c.name = "Mine";
	ok(update(db, "mine", &c, &notes, &err), &err);
	c.node = "linux";
	fails(update(db, "Mine", &c, &notes, &err), ERR_EXISTS, "node of product 3", &err);
	c = PRODUCT_CHANGE_NONE;
	c.set_deadline = true;
	c.deadline = 5000;
	fails(update(db, "Mine", &c, &notes, &err), ERR_INVALID, "only a provisional", &err);
	c = PRODUCT_CHANGE_NONE;
	c.deprecate = true;
	ok(update(db, "Mine", &c, &notes, &err), &err);
	fails(update(db, "Mine", &c, &notes, &err), ERR_INVALID, "is deprecated", &err);
	acted = acts(db, "product 6");
	assert_string_equal(acted, "allocate update update update update");

	/* A shipped row that is changed here may still be taken over. */
	c = PRODUCT_CHANGE_NONE;
	c.contact = "xen-devel";
	ok(update(db, "linux", &c, &notes, &err), &err);
	product_free(TAKE(p));
	p = find(db, "linux");
	assert_int_equal(p->origin, ORIGIN_SHIPPED);
	assert_string_equal(p->contact, "xen-devel");
	assert_int_equal(findings(db), 0);
}

static void an_entry_would_not_parse(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct product_change c = PRODUCT_CHANGE_NONE;
	struct entry e = { .product = 65535,
			   .builds = (char *)"xen-win:8.2.0",
			   .reason = (char *)"r",
			   .not_before = TIME_NONE,
			   .expires = TIME_NONE };
	struct product_notes notes = { 0 };
	struct err err = { 0 };
	{
		DB_TX tx = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		ok(entry_add(db, &e, &err), &err);
		ok(db_commit(&tx, &err), &err);
	}
	c.drop_encodings = true;
	fails(update(db, "experimental", &c, &notes, &err), ERR_INVALID, "entry 'local-1'", &err);
	assert_int_equal(findings(db), 0);
	free(e.id);
}

static int act(struct db *db, int (*fn)(struct db *db, const char *name, struct err *err),
	       const char *name, struct err *err)
{
	DB_TX tx = { 0 };
	int r;

	ok(db_begin(db, &tx, err), err);
	if ((r = fn(db, name, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

static void provisional_numbers(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *acted = NULL;
	struct product_request rq = request("trial");
	struct product_change c = PRODUCT_CHANGE_NONE;
	struct product_notes notes;
	struct err err = { 0 };
	struct product *p;

	rq.provisional_until = 2000;
	assert_int_equal(allocate(db, &rq), 6);
	p = find(db, "trial");
	assert_int_equal(p->status, STATUS_PROVISIONAL);
	assert_true(p->deadline == 2000);
	product_free(p);
	c.set_deadline = true;
	c.deadline = 900;
	fails(update(db, "trial", &c, &notes, &err), ERR_INVALID, "has passed", &err);
	c.deadline = 3000;
	ok(update(db, "trial", &c, &notes, &err), &err);

	ok(act(db, product_release, "trial", &err), &err);
	p = find(db, "6");
	assert_int_equal(p->status, STATUS_RESERVED);
	assert_string_equal(p->vendor, "");
	product_free(p);
	/* Not the lowest free number any more, but on request. */
	rq = request("next");
	assert_int_equal(allocate(db, &rq), 7);
	rq = request("heir");
	rq.number = 6;
	assert_int_equal(allocate(db, &rq), 6);
	p = find(db, "6");
	assert_string_equal(p->name, "heir");
	assert_int_equal(p->status, STATUS_ASSIGNED);
	product_free(p);
	/* Its old name is free again. */
	rq = request("trial");
	assert_int_equal(allocate(db, &rq), 8);

	fails(act(db, product_release, "heir", &err), ERR_INVALID, "only a provisional", &err);
	acted = acts(db, "product 6");
	assert_string_equal(acted, "allocate update release allocate");
	assert_int_equal(findings(db), 0);
}

static void other_acts(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *acted = NULL;
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	struct product_request rq = request("mine");
	struct product_change c = PRODUCT_CHANGE_NONE;
	struct product_notes notes;
	struct err err = { 0 };
	uint16_t number;
	struct product *p;

	allocate(db, &rq);
	{
		DB_TX tx = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		fails(product_transfer(db, "mine", "", "x", &err), ERR_INVALID, "new vendor", &err);
		fails(product_transfer(db, "mine", "x", NULL, &err), ERR_INVALID, "new contact",
		      &err);
		fails(product_transfer(db, "experimental", "x", "y", &err), ERR_INVALID,
		      "nobody holds it", &err);
		ok(product_transfer(db, "mine", "W", "w@example.org", &err), &err);
		ok(db_commit(&tx, &err), &err);
	}
	ok(act(db, product_revoke, "mine", &err), &err);
	p = find(db, "mine");
	assert_int_equal(p->status, STATUS_DEPRECATED);
	assert_string_equal(p->vendor, "W");
	product_free(p);
	fails(act(db, product_revoke, "mine", &err), ERR_INVALID, "is deprecated", &err);
	ok(act(db, product_retire, "mine", &err), &err);
	fails(act(db, product_retire, "mine", &err), ERR_INVALID, "for ever", &err);
	fails(act(db, product_retire, "experimental", &err), ERR_INVALID, "everybody's", &err);
	fails(update(db, "mine", &c, &notes, &err), ERR_INVALID, "for ever", &err);
	/* Number and name are burned. */
	rq.number = 6;
	{
		DB_TX tx = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		fails(product_allocate(db, &rq, &number, &notes, &err), ERR_EXISTS,
		      "number 6 is burned", &err);
		rq.number = -1;
		fails(product_allocate(db, &rq, &number, &notes, &err), ERR_EXISTS,
		      "'mine' is burned", &err);
	}
	rq.name = "other";
	assert_int_equal(allocate(db, &rq), 7);
	acted = acts(db, "product 6");
	assert_string_equal(acted, "allocate transfer revoke retire");
	ok(history_list(db, TIME_NONE, "product 6", &rows, &err), &err);
	assert_non_null(strstr(rows->row[1].before, "\"vendor\":\"V\""));
	assert_non_null(strstr(rows->row[1].after, "\"vendor\":\"W\""));
	assert_string_equal(rows->row[1].reason, "a test");
	assert_string_equal(rows->row[1].verb, "test");
	assert_int_equal(rows->row[1].uid, getuid());
	assert_int_equal(findings(db), 0);
}

/* ---- upstream ---- */

static struct product upstream(uint16_t number, const char *name)
{
	return (struct product){
		.number = number,
		.name = (char *)name,
		.status = STATUS_ASSIGNED,
		.vendor = (char *)"U",
		.deadline = TIME_NONE,
	};
}

static int put(struct db *db, const struct product *p, enum put_result *ret,
	       struct product_notes *notes, struct err *err)
{
	DB_TX tx = { 0 };
	int r;

	ok(db_begin(db, &tx, err), err);
	if ((r = product_put_upstream(db, p, ret, notes, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

static void upstream_rows(void **state)
{
	static const struct product_encoding uses[] = {
		{ (char *)"raw", 256, 300, NULL },
		{ (char *)"const:7", 0, 255, (char *)"u" },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *acted = NULL;
	struct product u = upstream(9, "upstream.9");
	struct product_change c = PRODUCT_CHANGE_NONE;
	struct product_notes notes;
	struct err err = { 0 };
	enum put_result result;
	uint64_t before, after;
	struct product *p;

	u.encoding = (struct product_encoding *)uses;
	u.n_encodings = 2;
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_ADDED);
	p = find(db, "9");
	assert_int_equal(p->origin, ORIGIN_UPSTREAM);
	assert_string_equal(p->node, "upstream-9");
	assert_int_equal(p->n_encodings, 2);
	assert_int_equal(p->encoding[0].from, 0);
	product_free(p);

	ok(db_generation(db, &before, &err), &err);
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_UNCHANGED);
	ok(db_generation(db, &after, &err), &err);
	assert_int_equal(before, after);

	u.vendor = (char *)"U2";
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_CHANGED);
	fails(update(db, "9", &c, &notes, &err), ERR_DENIED, "only sync", &err);
	fails(act(db, product_retire, "9", &err), ERR_DENIED, "only sync", &err);

	/* A shipped row is taken over, whatever it was called. */
	u = upstream(205, "vmdp");
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_CHANGED);
	assert_string_equal(notes.text, "");
	acted = acts(db, "product 205");
	assert_string_equal(acted, "create adopt");

	u = upstream(10, "vmdp");
	fails(put(db, &u, &result, &notes, &err), ERR_INVALID, "clashes with upstream's own", &err);
	u = upstream(9, "upstream.9");
	u.status = STATUS_RETIRED;
	ok(put(db, &u, &result, &notes, &err), &err);
	u.status = STATUS_ASSIGNED;
	fails(put(db, &u, &result, &notes, &err), ERR_INVALID, "for ever", &err);
	assert_int_equal(findings(db), 0);
}

static void upstream_refused(void **state)
{
	static const struct product_encoding overlap[] = {
		{ (char *)"raw", 0, 300, NULL },
		{ (char *)"raw", 300, 301, NULL },
	};
	struct product cases[] = {
		upstream(0, "zero"),   upstream(65535, "exp"), upstream(9, ""),
		upstream(9, "a/b"),    upstream(9, "_x"),      upstream(9, "12"),
		upstream(9, "a\x01"),  upstream(9, "a\xff"),   upstream(9, "bad-node"),
		upstream(9, "status"), upstream(9, "overlap"), upstream(9, "deadline"),
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);

	cases[8].node = (char *)"a.b";
	cases[9].status = STATUS_EXPERIMENTAL;
	cases[10].encoding = (struct product_encoding *)overlap;
	cases[10].n_encodings = 2;
	cases[11].deadline = 5000;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct product_notes notes;
		enum put_result result;
		struct err err = { 0 };

		fails(put(db, &cases[i], &result, &notes, &err), ERR_INVALID, "product ", &err);
	}
	assert_int_equal(findings(db), 0);
}

static void conflicts(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct product_request rq = request("mine");
	struct product_change c = PRODUCT_CHANGE_NONE;
	struct product_notes notes;
	struct err err = { 0 };
	enum put_result result;
	struct product u, *p;

	allocate(db, &rq); /* 6 */
	rq = request("theirs");
	allocate(db, &rq); /* 7 */
	rq = request("node-holder");
	rq.node = "wanted";
	allocate(db, &rq); /* 8 */
	rq = request("both");
	allocate(db, &rq); /* 9 */

	u = upstream(6, "stranger"); /* by number */
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_ADDED);
	assert_non_null(strstr(
		notes.text, "local product 6, 'mine', is in conflict: upstream gave its number"));
	u = upstream(20, "theirs"); /* by name */
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_non_null(strstr(notes.text, "gave its name to product 20"));
	u = upstream(21, "node-wanter"); /* by node */
	u.node = (char *)"wanted";
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_non_null(strstr(notes.text, "gave its node"));
	u = upstream(9, "both"); /* the same claim: it is that product */
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_CHANGED);
	assert_string_equal(notes.text, "");

	p = find(db, "6");
	assert_string_equal(p->name, "stranger");
	product_free(p);
	p = find(db, "mine");
	assert_true(p->conflict);
	assert_int_equal(p->number, 6);
	product_free(p);
	p = find(db, "theirs");
	assert_int_equal(p->number, 20);
	product_free(p);
	p = find(db, "7");
	assert_true(p->conflict);
	product_free(p);
	assert_int_equal(findings(db), 0);

	/* Ways out: another number, another name. */
	c.number = 20;
	fails(update(db, "mine", &c, &notes, &err), ERR_EXISTS, "number 20 is taken", &err);
	c.number = 30;
	ok(update(db, "mine", &c, &notes, &err), &err);
	assert_non_null(strstr(notes.text, "with nobody any more"));
	p = find(db, "30");
	assert_false(p->conflict);
	assert_string_equal(p->name, "mine");
	product_free(p);
	c = PRODUCT_CHANGE_NONE;
	c.vendor = "still";
	ok(update(db, "7", &c, &notes, &err), &err);
	assert_non_null(strstr(notes.text, "still in conflict with product 20"));
	c.name = "ours";
	c.node = "ours";
	ok(update(db, "7", &c, &notes, &err), &err);
	p = find(db, "ours");
	assert_false(p->conflict);
	assert_int_equal(p->number, 7);
	product_free(p);

	/* Also when upstream has taken number and name. */
	u = upstream(7, "stranger-7");
	ok(put(db, &u, &result, &notes, &err), &err);
	u = upstream(40, "ours");
	ok(put(db, &u, &result, &notes, &err), &err);
	c = PRODUCT_CHANGE_NONE;
	c.vendor = "still";
	fails(update(db, "7", &c, &notes, &err), ERR_DENIED, "only sync changes it", &err);
	c.number = 41;
	ok(update(db, "7", &c, &notes, &err), &err);
	assert_non_null(strstr(notes.text, "still in conflict with product 40"));
	c = PRODUCT_CHANGE_NONE;
	c.name = "ours-again";
	c.node = "ours-again";
	ok(update(db, "ours", &c, &notes, &err), &err);
	p = find(db, "41");
	assert_string_equal(p->name, "ours-again");
	assert_false(p->conflict);
	product_free(p);
	assert_int_equal(findings(db), 0);
}

static void retired_here_given_upstream(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct product_request rq = request("mine");
	struct product_notes notes;
	struct err err = { 0 };
	enum put_result result;
	struct product u = upstream(6, "mine"), *p;

	allocate(db, &rq);
	ok(act(db, product_retire, "mine", &err), &err);
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_ADDED);
	assert_non_null(strstr(notes.text, "in conflict"));
	p = find(db, "6");
	assert_int_equal(p->origin, ORIGIN_UPSTREAM);
	product_free(p);
	ok(act(db, product_retire, "suse-vmdp", &err), &err);
	u = upstream(205, "suse-vmdp");
	ok(put(db, &u, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_ADDED);
	assert_non_null(strstr(notes.text, "shipped product 205, 'suse-vmdp', is in conflict"));
	assert_int_equal(findings(db), 0);
}

/* ---- encodings ---- */

static void defined(void **state)
{
	static const struct {
		const char *name, *scan, *expression;
		enum err_kind kind;
		const char *why;
	} cases[] = {
		{ "mine", "a.b", "a[255]<<8 | b[255]", 0, "" },
		{ "mine", "a.b", "a[255]<<8 | b[255]", 0, "" },
		{ "mine", "a.b", "a[255]<<8 | b[254]", ERR_EXISTS, "another text" },
		{ "xen-win", "a", "a[1]", ERR_EXISTS, "(shipped)" },
		{ "a:b", "a", "a[1]", ERR_INVALID, "no encoding name" },
		{ "", "a", "a[1]", ERR_INVALID, "no encoding name" },
		{ "12", "a", "a[1]", ERR_INVALID, "no encoding name" },
		{ "\x1b", "a", "a[1]", ERR_INVALID, "\\x1b" },
		{ "const:9", "...", "9", 0, "" },
		{ "const:9", "...", "8", ERR_INVALID, "const:K" },
		{ "bad", "a", "b[1]", ERR_INVALID, "" },
		{ "big", "a.b", "a[0xffffffff]<<8 | b[255]", ERR_INVALID, "" },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *acted = NULL;
	struct err err = { 0 };
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = encoding_define(db, cases[i].name, cases[i].scan, cases[i].expression,
					&err);

		if (cases[i].kind)
			fails(r, cases[i].kind, cases[i].why, &err);
		else
			ok(r, &err);
	}
	ok(db_commit(&tx, &err), &err);
	acted = acts(db, "encoding mine");
	assert_string_equal(acted, "define");
	assert_int_equal(findings(db), 0);
}

static void encodings_from_upstream(void **state)
{
	static const struct product_encoding use[] = { { (char *)"mine", 0, 65535, NULL } };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct encoding_row row = { (char *)"mine", (char *)"a.b", (char *)"a[255]<<8 | b[255]",
				    ORIGIN_LOCAL };
	struct product_request rq = request("user");
	struct product_notes notes;
	struct err err = { 0 };
	enum put_result result;
	uint16_t number;
	struct product *p;
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	ok(encoding_define(db, "mine", "a", "a[9]", &err), &err);
	rq.encoding = use;
	rq.n_encodings = 1;
	ok(product_allocate(db, &rq, &number, &notes, &err), &err);

	ok(encoding_put_upstream(db, &row, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_ADDED);
	assert_non_null(strstr(notes.text, "'mine-local'"));
	p = find(db, "user");
	assert_string_equal(p->encoding[0].encoding, "mine-local");
	product_free(p);
	ok(encoding_put_upstream(db, &row, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_UNCHANGED);
	row.expression = (char *)"a[255]<<8 | b[100]";
	ok(encoding_put_upstream(db, &row, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_CHANGED);
	row = (struct encoding_row){ (char *)"raw", (char *)"n", (char *)"n[0xffffffff]",
				     ORIGIN_LOCAL };
	ok(encoding_put_upstream(db, &row, &result, &notes, &err), &err);
	assert_int_equal(result, PUT_CHANGED); /* shipped becomes upstream's */
	row.expression = (char *)"n[";
	fails(encoding_put_upstream(db, &row, &result, &notes, &err), ERR_INVALID, "", &err);
	ok(db_commit(&tx, &err), &err);
	assert_int_equal(findings(db), 0);
}

static const struct CMUnitTest tests[] = {
	registry_test(seed),
	registry_test(finding),
	cmocka_unit_test(publishable),
	registry_test(lowest_number),
	registry_test(no_number_left),
	registry_test(names),
	registry_test(requests),
	registry_test(derived_nodes),
	registry_test(reservations),
	registry_test(updates),
	registry_test(an_entry_would_not_parse),
	registry_test(provisional_numbers),
	registry_test(other_acts),
	registry_test(upstream_rows),
	registry_test(upstream_refused),
	registry_test(conflicts),
	registry_test(retired_here_given_upstream),
	registry_test(defined),
	registry_test(encodings_from_upstream),
};

UNIT_MAIN(tests)
