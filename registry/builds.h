/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_BUILDS_H
#define REGISTRY_BUILDS_H

/*
 * Sets of builds: the BUILDS argument of the command line and of manifests. Pure. A set is kept
 * as disjoint arithmetic progressions, so that 5.10.0..5.10.255 in linux-kvc8 is one piece of
 * 256 builds, and 0..4294967295 is one piece too; nothing here enumerates what it can count.
 */
#include "registry/encoding.h"

/* One encoding that a product uses, for builds FROM to TO inclusive. Borrowed. */
struct encoding_use {
	const struct encoding *encoding;
	uint32_t from, to;
	const char *user; /* who uses it, "" when not known */
};

struct builds; /* a set; immutable once made */

/* What a reader of the set should be told about how the text was understood. */
struct builds_notes {
	/*
	 * Every build, or the one that stands for every version of a constant encoding, whether
	 * it came as "all", as a version or as a number: needs --whole-family.
	 */
	bool whole_family;
	bool versions;	/* at least one part was a version or a version range */
	char text[512]; /* sentences for stderr (spill stopped at its nominal width, ...), or "" */
};

/*
 * Parses BUILDS: BUILD, BUILD..BUILD, VERSION.*, "all", several with commas; an encoding prefix
 * ("xen-win:8.2.0..8.2.9") names the encoding of both ends. USES are the encodings of the
 * product. ERR_INVALID tells column and reason: unknown or unneeded encoding, reversed range,
 * version beyond a field, build outside of the encoding's range for the product, several
 * encodings and none named. ERR_REFUSED/BUDGET: a set of more than BUILDS_PIECES_MAX pieces, or
 * one version range that falls into more than BUILDS_EXPAND_MAX.
 *
 * A version range means the versions between in version order (field by field, as the scan names
 * them), through the encoding. In it a spilling field stops at its nominal width: the next
 * greater weight divided by its own, minus one.
 */
#define BUILDS_PIECES_MAX 65536
#define BUILDS_EXPAND_MAX 1024
int builds_parse(const char *text, const struct encoding_use *uses, size_t n_uses,
		 struct builds **ret, struct builds_notes *ret_notes, struct err *err);

/* One BUILD (number or version); same rules, never whole_family unless the encoding is constant. */
int build_parse(const char *text, const struct encoding_use *uses, size_t n_uses, uint32_t *ret,
		struct builds_notes *ret_notes, struct err *err);

/* Pieces in ascending order of their first build; extents of strided pieces may interleave. */
struct builds_piece {
	uint32_t first, last; /* inclusive; last - first is a multiple of stride */
	uint32_t stride;      /* >= 1 */
};

/* The set of any pieces, in any order, overlapping as they like. ERR_REFUSED/BUDGET. */
int builds_make(const struct builds_piece *pieces, size_t n, struct builds **ret, struct err *err);
struct builds *builds_empty(void);
struct builds *builds_range(uint32_t first, uint32_t last);
void builds_free(struct builds *b);
DEFINE_CLEANUP(struct builds *, builds_free)

/*
 * New sets; the arguments stay the caller's. Exact for every mix of ranges and strides. Work and
 * memory are bounded: ERR_REFUSED/BUDGET when sets of many different strides shatter each other,
 * or more than BUILDS_EXPAND_MAX progressions lie over each other.
 * Many sets are united in one call: N calls of two would take quadratic time.
 */
int builds_union(const struct builds *const *sets, size_t n, struct builds **ret, struct err *err);
int builds_subtract(const struct builds *a, const struct builds *b, struct builds **ret,
		    struct err *err);
int builds_intersect(const struct builds *a, const struct builds *b, struct builds **ret,
		     struct err *err);
struct builds *builds_hull(const struct builds *b); /* every piece made a range of all numbers */

bool builds_contains(const struct builds *b, uint32_t build);
uint64_t builds_count(const struct builds *b); /* distinct builds, 0 to 2^32 */

/* Disjoint, every build in one piece. Borrowed. */
size_t builds_pieces(const struct builds *b, const struct builds_piece **ret);

/*
 * For whoever keeps many sets from one source: adds the pieces of B to *TOTAL. ERR_REFUSED/BUDGET
 * when that is more than BUILDS_TOTAL_MAX.
 */
#define BUILDS_TOTAL_MAX (1u << 22)
int builds_charge(const struct builds *b, size_t *total, struct err *err);

/* The smallest member >= *build: true and *build set, or false when there is none. */
bool builds_next(const struct builds *b, uint32_t *build);

/*
 * Canonical numeric BUILDS text ("524800..524809,590080"; strided pieces as single numbers), at
 * most MAX_PARTS of them, then ",...". Two equal sets have equal texts. The caller frees.
 */
char *builds_text(const struct builds *b, size_t max_parts);

#endif
