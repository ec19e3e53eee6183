/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_ENCODING_H
#define REGISTRY_ENCODING_H

/*
 * How a driver's version becomes its 32-bit build number, and back: the small language of
 * encodings (xenblacklist-encoding(7)). Pure: memory only.
 *
 *   enc    := term ( op term )*      op := '+' | '|'   (one kind of op per encoding)
 *   term   := const | field
 *   field  := name '[' max policy? ']' ( '<<' shift | '*' weight )?
 *   policy := '!' reject (default) | '^' clamp to max | '~' spill into higher bits
 *   scan   := "a.b.c?..."            '?' optional, 0 if absent; "..." ignore the rest; ":x" hex
 *
 * Numbers are decimal or 0x. Field names are [a-z][a-z0-9]*, separators one of . / - _ +. With
 * '|' weights are powers of two. In versions a decimal field takes decimal (no leading zero) or
 * 0x, a hexadecimal one 1 to 8 digits with or without 0x.
 */
#include "registry/base.h"
#include "registry/err.h"

#define ENCODING_FIELDS_MAX 8
#define ENCODING_NAME_MAX 64	    /* bytes, [A-Za-z0-9._-]; also "const:" and a number */
#define ENCODING_SCAN_MAX 128	    /* bytes */
#define ENCODING_EXPRESSION_MAX 256 /* bytes */
#define ENCODING_VERSION_MAX 128    /* bytes of one version text */

struct encoding; /* one compiled encoding; immutable */

/*
 * Compiles SCAN and EXPRESSION. ERR_INVALID names the text, the column and what was expected;
 * also when a field of one is not in the other, or the largest build does not fit 32 bits.
 */
int encoding_compile(const char *name, const char *scan, const char *expression,
		     struct encoding **ret, struct err *err);
void encoding_free(struct encoding *e);
DEFINE_CLEANUP(struct encoding *, encoding_free)

const char *encoding_name(const struct encoding *e);
const char *encoding_scan(const struct encoding *e);
const char *encoding_expression(const struct encoding *e);

/*
 * What follows from the expression alone. With '+', ordered is exact ('^' keeps the order
 * in the last field that counts, and loses it before); injective is derived from
 * the weights sorted by size and may be false for a set of weights that happens never to meet.
 * With '|', fields that share bits make both false. True is always true.
 */
struct encoding_facts {
	bool constant;	 /* every version has the same build: it stands for a whole family */
	bool ordered;	 /* a later version never has a smaller build */
	bool injective;	 /* two versions (all fields named) never share a build */
	uint32_t stride; /* builds are multiples of this apart; 0 for a constant */
	uint32_t least;	 /* smallest build that can be produced */
	uint32_t largest;
};
struct encoding_facts encoding_facts(const struct encoding *e);

/*
 * Version text to build. ERR_INVALID: the text does not match the scan (column told), a field is
 * beyond its maximum (field, value and maximum told), or the sum leaves 32 bits.
 */
int encoding_encode(const struct encoding *e, struct span version, uint32_t *ret, struct err *err);

/* Result of decoding, greedy by weight. */
struct encoding_version {
	char text[128];	 /* the version as the scan spells it; "" when impossible or constant */
	bool impossible; /* no version of this encoding has this build */
	bool ambiguous;	 /* other versions have it too */
	char why[192];	 /* why impossible or ambiguous, "" otherwise */
};
void encoding_decode(const struct encoding *e, uint32_t build, struct encoding_version *ret);

/* What an encoding is made of, for builds.c and for `encoding show`. */
enum encoding_policy {
	POLICY_REJECT, /* '!' values above max are errors */
	POLICY_CLAMP,  /* '^' they count as max */
	POLICY_SPILL,  /* '~' as '!', and values above nominal reach into the next field */
};
struct encoding_field {
	char name[16];
	char separator; /* before it; 0 for the first */
	bool optional;	/* 0 when absent */
	bool hex;
	enum encoding_policy policy;
	uint32_t max, weight;
	uint32_t nominal; /* POLICY_SPILL: the widest that stays out of the next field; else max */
};
/* Fields in the order of the scan, which is the order of versions. Borrowed. */
size_t encoding_fields(const struct encoding *e, const struct encoding_field **ret);
bool encoding_is_or(const struct encoding *e);	  /* joined by '|', not by '+' */
uint32_t encoding_base(const struct encoding *e); /* the constant terms together */

/*
 * Reads VERSION into the values of all fields, unclamped, absent ones 0. "PREFIX.*" (the
 * separator that the scan has there) is taken when RET_GIVEN is not NULL: it becomes the number
 * of fields that the prefix fixes, or SIZE_MAX for a version without a star. COLUMN is that of
 * the first byte, for messages that begin with "column N: ".
 */
int encoding_read(const struct encoding *e, struct span version, size_t column,
		  uint32_t values[static ENCODING_FIELDS_MAX], size_t *ret_given, struct err *err);
/* The build of values that encoding_read() made; applies the policies, cannot fail. */
uint32_t encoding_eval(const struct encoding *e, const uint32_t values[static ENCODING_FIELDS_MAX]);

#endif
