/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict minisign: committed vectors, a mutation of every byte, and the stock minisign as the
 * judge of what must never be taken when it refuses.
 */
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sync/verify.h"

struct blob {
	char *p;
	size_t n;
};

static struct blob slurp(const char *path)
{
	struct blob b = { .p = xcalloc(1, 65536) };
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	b.n = fread(b.p, 1, 65535, f);
	fclose(f);
	return b;
}

static struct blob vector(const char *name)
{
	CLEANUP(free) char *path = xasprintf("%s/tests/minisign/%s", getenv("SRCDIR"), name);

	return slurp(path);
}

static void spit(const char *path, const char *p, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* A keyring from the letters in NAMES: "ab" trusts a.pub and b.pub, "a!b" revokes b. */
static struct keyring *ring(uint32_t threshold, const char *names)
{
	struct keyring *k = keyring_new(threshold);
	struct err err = { 0 };

	for (; *names; names++) {
		bool revoke = *names == '!';
		char file[] = "x.pub";
		struct blob b;

		if (revoke)
			names++;
		file[0] = *names;
		b = vector(file);
		if (revoke) {
			char *line = strchr(b.p, '\n') + 1;

			*strchr(line, '\n') = '\0';
			assert_int_equal(keyring_revoke(k, line, file, &err), 0);
		} else {
			assert_int_equal(keyring_add_file_text(k, b.p, b.n, file, &err), 0);
		}
		free(b.p);
	}
	return k;
}

static int check(const struct keyring *k, struct blob data, const struct signature_file *sigs,
		 size_t n, struct err *err)
{
	struct verified *v = NULL;
	char *copy = xmemdup(data.p, data.n);
	int r = verify(k, &copy, data.n, sigs, n, &v, err);

	if (r == 0) {
		assert_null(copy);
		assert_int_equal(verified_bytes(v).n, data.n);
		assert_memory_equal(verified_bytes(v).p, data.p, data.n);
		assert_true(verified_signers(v) >= keyring_threshold(k));
	} else {
		assert_non_null(copy);
		assert_null(v);
		assert_int_equal(err->kind, ERR_REFUSED);
	}
	verified_free(v);
	free(copy);
	return r;
}

static void thresholds(void **state)
{
	static const struct {
		const char *keys;
		uint32_t threshold;
		const char *sigs[3];
		enum refusal want;
		const char *says;
	} cases[] = {
		{ "a", 1, { "signed.a.minisig" }, REFUSAL_NONE, "" },
		{ "ab", 1, { "signed.b.minisig" }, REFUSAL_NONE, "" },
		{ "ab", 2, { "signed.a.minisig", "signed.b.minisig" }, REFUSAL_NONE, "" },
		{ "abc", 2, { "signed.b.minisig", "signed.a.minisig" }, REFUSAL_NONE, "" },
		{ "a", 1, { "signed.b.minisig", "signed.a.minisig" }, REFUSAL_NONE, "" },
		{ "a", 1, { NULL }, REFUSAL_BADSIG, "no signature" },
		{ "a", 1, { "signed.b.minisig" }, REFUSAL_BADSIG, "which is not trusted" },
		{ "a!b", 1, { "signed.b.minisig" }, REFUSAL_BADSIG, "which is revoked" },
		{ "!ab", 1, { "signed.a.minisig" }, REFUSAL_BADSIG, "which is revoked" },
		{ "ab!b", 1, { "signed.b.minisig", "signed.a.minisig" }, REFUSAL_NONE, "" },
		{ "a", 1, { "signed.legacy.minisig" }, REFUSAL_BADSIG, "legacy signature ('Ed')" },
		{ "ab", 2, { "signed.a.minisig" }, REFUSAL_THRESHOLD, "by 1 of the 2 trusted" },
		{ "ab",
		  2,
		  { "signed.a.minisig", "signed.a.minisig" },
		  REFUSAL_THRESHOLD,
		  "by 1 of" },
		{ "ac",
		  2,
		  { "signed.a.minisig", "signed.b.minisig" },
		  REFUSAL_THRESHOLD,
		  "by 1 of" },
		{ "abc!b",
		  2,
		  { "signed.a.minisig", "signed.b.minisig" },
		  REFUSAL_THRESHOLD,
		  "by 1" },
		{ "abc",
		  3,
		  { "signed.a.minisig", "signed.b.minisig" },
		  REFUSAL_THRESHOLD,
		  "by 2 of" },
		/* A threshold of none still wants one. */
		{ "a", 0, { NULL }, REFUSAL_BADSIG, "no signature" },
		{ "", 0, { "signed.a.minisig" }, REFUSAL_BADSIG, "not trusted" },
	};
	struct blob data = vector("signed");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(keyring_free) struct keyring *k = ring(cases[i].threshold, cases[i].keys);
		struct signature_file sigs[3];
		struct err err = { 0 };
		size_t n = 0;

		for (; n < 3 && cases[i].sigs[n]; n++) {
			struct blob b = vector(cases[i].sigs[n]);

			sigs[n] = (struct signature_file){ b.p, b.n, cases[i].sigs[n] };
		}
		check(k, data, sigs, n, &err);
		if (err.refusal != cases[i].want || !strstr(err.msg, cases[i].says))
			fail_msg("case %zu: %s '%s'", i, refusal_name(err.refusal), err.msg);
		while (n)
			free((char *)sigs[--n].bytes);
	}
	free(data.p);
}

/* Where a byte of a signature file may differ: the text of the untrusted comment only. */
static bool is_free_text(const struct blob *sig, size_t at)
{
	size_t end = (size_t)(strchr(sig->p, '\n') - sig->p);

	return at >= strlen("untrusted comment: ") && at < end;
}

static void every_byte_of_a_signature_counts(void **state)
{
	CLEANUP(keyring_free) struct keyring *k = ring(1, "a");
	struct blob data = vector("signed"), sig = vector("signed.a.minisig");
	char *m = xcalloc(1, sig.n + 2);
	size_t taken = 0;

	(void)state;
	for (size_t at = 0; at < sig.n; at++) {
		static const unsigned char flips[] = { 0x01, 0x20, 0x80 };

		for (size_t i = 0; i < ARRAY_SIZE(flips) + 3; i++) {
			struct signature_file f = { m, sig.n, "mutant" };
			struct err err = { 0 };
			int r;

			memcpy(m, sig.p, sig.n);
			if (i < ARRAY_SIZE(flips)) {
				m[at] = (char)(m[at] ^ flips[i]);
			} else if (i == ARRAY_SIZE(flips)) { /* one byte less */
				memmove(m + at, m + at + 1, sig.n - at - 1);
				f.n--;
			} else if (i == ARRAY_SIZE(flips) + 1) { /* one byte twice */
				memmove(m + at + 1, m + at, sig.n - at);
				f.n++;
			} else { /* cut */
				f.n = at;
			}
			r = check(k, data, &f, 1, &err);
			if (r == 0 && !is_free_text(&sig, at) &&
			    !(i == ARRAY_SIZE(flips) + 1 && is_free_text(&sig, at + 1)))
				fail_msg("byte %zu, mutation %zu taken", at, i);
			if (r != 0 && err.refusal != REFUSAL_BADSIG)
				fail_msg("byte %zu: %s", at, err.msg);
			taken += r == 0;
		}
	}
	assert_true(taken > 0);
	free(m);
	free(sig.p);
	free(data.p);
}

static void every_byte_of_the_data_counts(void **state)
{
	CLEANUP(keyring_free) struct keyring *k = ring(1, "a");
	struct blob data = vector("signed"), sig = vector("signed.a.minisig");
	struct signature_file f = { sig.p, sig.n, "signed.a.minisig" };
	struct err err = { 0 };

	(void)state;
	for (size_t at = 0; at < data.n; at++) {
		data.p[at] ^= 1;
		assert_int_not_equal(check(k, data, &f, 1, &err), 0);
		data.p[at] ^= 1;
		assert_int_not_equal(check(k, (struct blob){ data.p, at }, &f, 1, &err), 0);
	}
	assert_int_equal(check(k, data, &f, 1, &err), 0);
	free(sig.p);
	free(data.p);
}

static char scratch[] = "/tmp/unit-verify-XXXXXX";

static int run(const char *const *argv)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 127);
	return WEXITSTATUS(status);
}

static bool minisign_takes(const char *pub, const char *data, const char *sig)
{
	return run((const char *const[]){ "minisign", "-V", "-H", "-p", pub, "-m", data, "-x", sig,
					  NULL }) == 0;
}

/*
 * Changes of one line each, judged by minisign as well: it may take what we refuse (LAXER), never
 * the other way round.
 */
static void the_stock_tool_agrees(void **state)
{
	enum { AGREES, LAXER };
	static const struct {
		const char *name;
		int line;	     /* 1 to 4, 0: the whole file */
		const char *prepend; /* before the line */
		const char *append;  /* before its LF */
		bool ok;	     /* ours */
		int minisign;
	} cases[] = {
		{ "as it is", 0, "", "", true, AGREES },
		{ "untrusted comment changed", 1, "", " more", true, AGREES },
		{ "no untrusted comment", 1, "x", "", false, AGREES },
		{ "CR in line 1", 1, "", "\r", false, LAXER },
		{ "escape in line 1", 1, "", "\033[2J", false, LAXER },
		{ "CR in line 2", 2, "", "\r", false, LAXER },
		{ "space after line 2", 2, "", " ", false, AGREES },
		{ "space before line 2", 2, " ", "", false, AGREES },
		{ "more base64 in line 2", 2, "", "AAAA", false, AGREES },
		{ "trusted comment changed", 3, "", "x", false, AGREES },
		{ "trusted comment without prefix", 3, "x", "", false, AGREES },
		{ "CR and unsigned text in line 3", 3, "", "\rversion 99", false, LAXER },
		{ "line 3 twice", 3, "trusted comment: x\n", "", false, AGREES },
		{ "space after line 4", 4, "", " ", false, AGREES },
		{ "CR in line 4", 4, "", "\r", false, LAXER },
		{ "a fifth line", 4, "", "\nmore", false, LAXER },
		{ "an empty fifth line", 4, "", "\n", false, LAXER },
	};
	struct blob data, sig;
	CLEANUP(keyring_free) struct keyring *k = NULL;
	CLEANUP(free) char *key = NULL, *pub = NULL, *file = NULL, *good = NULL, *bad = NULL;
	struct err err = { 0 };

	(void)state;
	key = xasprintf("%s/key", scratch);
	pub = xasprintf("%s/key.pub", scratch);
	file = xasprintf("%s/data", scratch);
	good = xasprintf("%s/good", scratch);
	bad = xasprintf("%s/bad", scratch);
	spit(file, "some data\n", 10);
	assert_int_equal(run((const char *const[]){ "minisign", "-G", "-W", "-f", "-p", pub, "-s",
						    key, NULL }),
			 0);
	assert_int_equal(run((const char *const[]){ "minisign", "-S", "-W", "-s", key, "-m", file,
						    "-x", good, NULL }),
			 0);
	assert_int_equal(keyring_load(scratch, 1, &k, &err), 0);
	data = slurp(file);
	sig = slurp(good);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&text, &n);
		struct span rest = span_of(sig.p, sig.n), line;
		struct signature_file s;
		bool ours, theirs;

		for (int at = 1; span_cut(rest, "\n", &line, &rest); at++) {
			bool here = at == cases[i].line;

			fprintf(f, "%s%.*s%s\n", here ? cases[i].prepend : "", (int)line.n, line.p,
				here ? cases[i].append : "");
		}
		fclose(f);
		spit(bad, text, n);
		s = (struct signature_file){ text, n, "mutant" };
		ours = check(k, data, &s, 1, &err) == 0;
		theirs = minisign_takes(pub, file, bad);
		if (ours != cases[i].ok)
			fail_msg("%s: ours %d (%s)", cases[i].name, ours, err.msg);
		if (ours && !theirs)
			fail_msg("%s: taken, and minisign refuses it", cases[i].name);
		if (cases[i].minisign == AGREES && ours != theirs)
			fail_msg("%s: ours %d, minisign %d", cases[i].name, ours, theirs);
		free(text);
	}
	free(sig.p);
	free(data.p);
}

static void malformed_files(void **state)
{
	static const char long_line[SIGNATURE_FILE_MAX] = { [0 ... SIGNATURE_FILE_MAX - 1] = 'x' };
	static const struct {
		const char *p;
		size_t n;
		const char *says;
	} cases[] = {
		{ "", 0, "exactly 4 lines" },
		{ "\n\n\n\n", 4, "line 1 does not begin with" },
		{ "untrusted comment: x\n", 21, "exactly 4 lines" },
		{ "untrusted comment: \0\n\n\n\n", 24, "line 1 holds a control byte" },
		{ "<html>captive portal</html>\n", 28, "exactly 4 lines" },
		{ "untrusted comment: x\nRUQ=\ntrusted comment: y\nRUQ=\n", 50,
		  "line 2 is not 100 characters of base64" },
		{ long_line, sizeof(long_line), "exactly 4 lines" },
	};
	CLEANUP(keyring_free) struct keyring *k = ring(1, "a");
	struct blob data = vector("signed"), sig = vector("signed.a.minisig");
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct signature_file f = { cases[i].p, cases[i].n, "f" };

		assert_int_not_equal(check(k, data, &f, 1, &err), 0);
		if (err.refusal != REFUSAL_BADSIG || !strstr(err.msg, cases[i].says))
			fail_msg("case %zu: %s", i, err.msg);
	}
	/* One good signature does not excuse a malformed one. */
	assert_int_not_equal(
		check(k, data,
		      (struct signature_file[]){ { sig.p, sig.n, "good" }, { "x\n", 2, "bad" } }, 2,
		      &err),
		0);
	/* 4096 bytes are fine, one more is not. */
	{
		size_t pad = SIGNATURE_FILE_MAX - sig.n, head = strlen("untrusted comment: ");
		char *big = xcalloc(1, SIGNATURE_FILE_MAX + 1);

		memcpy(big, sig.p, head);
		memset(big + head, 'x', pad + 1);
		memcpy(big + head + pad, sig.p + head, sig.n - head);
		assert_int_equal(check(k, data,
				       &(struct signature_file){ big, SIGNATURE_FILE_MAX, "big" },
				       1, &err),
				 0);
		memset(big + head, 'x', pad + 1);
		memcpy(big + head + pad + 1, sig.p + head, sig.n - head);
		assert_int_not_equal(
			check(k, data,
			      &(struct signature_file){ big, SIGNATURE_FILE_MAX + 1, "big" }, 1,
			      &err),
			0);
		assert_non_null(strstr(err.msg, "larger than 4096"));
		free(big);
	}
	free(sig.p);
	free(data.p);
}

static void keys(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "exactly 2 lines" },
		{ "RWRfna3xGOaVi6U51zfy99q2D3IRkAhViX8+bHDmyNQTis7jNPXMVkHB\n", "exactly 2 lines" },
		{ "untrusted comment: x\nRWQ=\n", "want 56 characters" },
		{ "untrusted comment: x\r\nRWRf\n", "line 1 holds a control byte" },
		{ "comment: x\nRWRf\n", "line 1 does not begin" },
		/* legacy and foreign algorithms, white space, stray bits */
		{ "untrusted comment: x\n"
		  "RURfna3xGOaVi6U51zfy99q2D3IRkAhViX8+bHDmyNQTis7jNPXMVkHB\n",
		  "not an Ed25519 key" },
		{ "untrusted comment: x\n"
		  "RWRfna3xGOaVi6U51zfy99q2D3IRkAhViX8+bHDmyNQTis7jNPXMVkH \n",
		  "not a minisign public key" },
		{ "untrusted comment: x\n"
		  "RWRfna3xGOaVi6U51zfy99q2D3IRkAhViX8-bHDmyNQTis7jNPXMVkHB\n",
		  "not a minisign public key" },
		{ "untrusted comment: x\n"
		  "RWRfna3xGOaVi6U51zfy99q2D3IRkAhViX8+bHDmyNQTis7jNPXMVkHB\n\n",
		  "goes on after line 2" },
	};
	struct err err = { 0 };
	CLEANUP(keyring_free) struct keyring *k = keyring_new(1), *other = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(keyring_add_file_text(k, cases[i].text, strlen(cases[i].text),
						       "k.pub", &err),
				 -ERR_INVALID);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("case %zu: %s", i, err.msg);
		assert_int_equal(keyring_size(k), 0);
	}
	keyring_free(k);
	k = ring(1, "ab!c");
	other = ring(1, "b!ca");
	assert_true(keyring_equal(k, other));
	assert_int_equal(keyring_add(k, keyring_base64(k, 0), "again", &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "is there already"));
	assert_int_equal(keyring_revoke(k, keyring_base64(k, 0), "gone", &err), 0);
	assert_int_equal(keyring_size(k), 1);
	assert_int_equal(keyring_revoked_size(k), 2);
	assert_false(keyring_equal(k, other));
	keyring_free(other);
	other = NULL;
	assert_int_equal(keyring_load("/nonexistent", 1, &other, &err), -ERR_CONFIG);
	assert_int_equal(keyring_load("/", 1, &other, &err), -ERR_CONFIG);
	assert_non_null(strstr(err.msg, "no trusted key in '/'"));
	assert_null(other);
}

/* The key number of one key in front of the bytes of another counts only once. */
static void one_key_under_two_numbers(void **state)
{
	CLEANUP(keyring_free) struct keyring *k = ring(1, "a");
	struct err err = { 0 };
	char twin[64];

	(void)state;
	snprintf(twin, sizeof(twin), "%s", keyring_base64(k, 0));
	twin[4] = twin[4] == 'A' ? 'B' : 'A';
	assert_int_equal(keyring_add(k, twin, "twin", &err), -ERR_INVALID);
	assert_int_equal(keyring_size(k), 1);
}

static void rotation(void **state)
{
	static const struct {
		const char *old, *new;
		uint32_t threshold;
		bool more; /* give b's signature only for the second look */
		enum refusal want;
	} cases[] = {
		{ "a", "ab", 1, false, REFUSAL_NONE }, { "a", "b", 1, false, REFUSAL_THRESHOLD },
		{ "a", "b", 1, true, REFUSAL_NONE },   { "a", "ab", 2, false, REFUSAL_THRESHOLD },
		{ "a", "ab", 2, true, REFUSAL_NONE },  { "a", "b!a", 1, true, REFUSAL_NONE },
		{ "a", "a!b", 1, true, REFUSAL_NONE }, { "a", "c", 1, true, REFUSAL_THRESHOLD },
	};
	struct blob data = vector("signed"), a = vector("signed.a.minisig"),
		    b = vector("signed.b.minisig");
	struct signature_file first = { a.p, a.n, "a" }, second = { b.p, b.n, "b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(keyring_free) struct keyring *old = ring(1, cases[i].old);
		CLEANUP(keyring_free) struct keyring *new = ring(cases[i].threshold, cases[i].new);
		CLEANUP(verified_free) struct verified *v = NULL;
		CLEANUP(free) char *copy = xmemdup(data.p, data.n);
		struct err err = { 0 };

		assert_int_equal(verify(old, &copy, data.n, &first, 1, &v, &err), 0);
		assert_string_equal(verified_comment(v, 0), "version 1, key a");
		assert_int_equal(strlen(verified_digest(v)), 128);
		verify_again(v, new, &second, cases[i].more ? 1 : 0, &err);
		if (err.refusal != cases[i].want)
			fail_msg("case %zu: %s", i, err.msg);
	}
	free(data.p);
	free(a.p);
	free(b.p);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(scratch) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return run((const char *const[]){ "rm", "-r", scratch, NULL });
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(thresholds),
	cmocka_unit_test(every_byte_of_a_signature_counts),
	cmocka_unit_test(every_byte_of_the_data_counts),
	cmocka_unit_test_setup_teardown(the_stock_tool_agrees, setup, teardown),
	cmocka_unit_test(malformed_files),
	cmocka_unit_test(keys),
	cmocka_unit_test(one_key_under_two_numbers),
	cmocka_unit_test(rotation),
};

UNIT_MAIN(tests)
