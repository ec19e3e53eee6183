/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_EXCEPTION_H
#define CLI_EXCEPTION_H

/*
 * Exceptions in force, as the verbs tell them that are about something else: always with their
 * owner and their date.
 */
#include "cli/output.h"
#include "registry/blacklist.h"

/* "owner ops, until 2026-12-01T00:00:00Z" or "owner ops, for ever". The caller frees. */
char *exception_terms(const struct exception *x);

/* How many are in force at the time that B was loaded for. */
size_t exceptions_count(const struct blacklist *b);

/* A note for each that is in force; JSON members "exceptions", their ids, and as below. */
void exceptions_note(struct out *out, const struct blacklist *b);

/* JSON member "exceptions_in_force": id, owner, product, builds, reason and expires of each. */
void exceptions_json(struct out *out, const struct blacklist *b);

/* How many, and the first few with owner and date: "1: 'a' (owner ops, for ever)". Freed by the caller. */
char *exceptions_text(const struct blacklist *b);

#endif
