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
 */
#include "registry/base.h"
#include "registry/err.h"

#define ENCODING_FIELDS_MAX 8
#define ENCODING_NAME_MAX 64

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

/* What follows from the expression alone (facts: RFC-style notes in xenblacklist-encoding(7)). */
struct encoding_facts {
	bool constant;	 /* every version has the same build: it stands for a whole family */
	bool ordered;	 /* a later version never has a smaller build */
	bool injective;	 /* two versions never share a build */
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

#endif
