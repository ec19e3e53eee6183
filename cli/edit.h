/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_EDIT_H
#define CLI_EDIT_H

/* What the verbs that change the blacklist have in common. */
#include "cli/impact.h"
#include "cli/subject.h"
#include "registry/blacklist.h"

#define EDIT_REFERENCES_MAX 32

enum { /* the options, for edit_option() */
       EDIT_REASON = 0x100,
       EDIT_ID,
       EDIT_REFERENCE,
       EDIT_MODE,
       EDIT_NOT_BEFORE,
       EDIT_EXPIRES,
       EDIT_AS_RANGE,
       EDIT_WHOLE_FAMILY,
       EDIT_OWNER,
       EDIT_APPLY,
       EDIT_ACCEPT_IMPACT,
};

struct edit_args {
	const char *reason, *id, *owner;
	const char *reference[EDIT_REFERENCES_MAX];
	size_t n_references;
	enum entry_mode mode;
	bool as_range, whole_family, apply, accept_impact;
	bool has_not_before, has_expires;
	int64_t not_before, expires;
};

int edit_option(struct cli *cli, int key, const char *arg, struct err *err);

/* The set that TEXT means, with what is to be said of it. REFUSED/TRIPWIRE for a whole family. */
int edit_set(struct cli *cli, const struct subject *s, const char *text, const struct edit_args *a,
	     struct builds **ret, struct err *err);

/* A date that has passed already is no error. */
void edit_say_dates(struct cli *cli, const struct edit_args *a);

/* Puts what may have been meant behind "no entry 'X'", or exception. Returns -kind of ERR. */
int edit_not_found(struct cli *cli, const char *id, bool exceptions, struct err *err);

/*
 * Whom a change hits, inside its transaction: before it and after it. AT: the moment that it is
 * about. It is told, and refused if that is the policy (REFUSED/IMPACT).
 */
int edit_before(struct cli *cli, int64_t at, struct impact **ret, struct err *err);
int edit_after(struct cli *cli, int64_t at, struct impact *i, bool grows, struct err *err);

#endif
