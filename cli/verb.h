/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_VERB_H
#define CLI_VERB_H

/*
 * A verb is one const object in one file. main.c finds it in the table of verbs.c, parses the
 * global options and the verb's own, checks the count of arguments, opens what the verb needs
 * and turns what run() returns into an exit status; usage, help, completion and tests read the
 * same object.
 */
#include <argp.h>

#include "cli/output.h"
#include "registry/config.h"
#include "registry/db.h"
#include "registry/err.h"
#include "sync/store.h"

enum {
	NEED_CONFIG = 1 << 0,
	NEED_DB_READ = 1 << 1,
	NEED_DB_WRITE = 1 << 2,
	NEED_STORE = 1 << 3,
	NEED_NOTHING_YET = 1 << 4, /* nothing is opened before run(), which tells failures itself */
};

/* Exit status of a verb whose answer is "yes": blacklisted, changes, findings. */
#define EXIT_YES 1

/* One run of the program. */
struct cli {
	const struct verb *verb;
	struct out *out;
	int64_t now;
	const char *reason; /* set by option(); goes into every history row */
	void *args;	    /* verb->args_size zeroed bytes: the verb's own options */
	char **arg;	    /* positional arguments, verb->min_args to verb->max_args */
	size_t n_args;
	bool impact_shown; /* impact_show() was called, about so many hits */
	size_t impact_hits;

	/* Open when the verb declared the need or called cli_need(); else NULL. */
	const struct config *config;
	struct db *db;
	struct store *store;
};

/* Opens what is not open yet. Any error of config_load(), db_open() and store_open(). */
int cli_need(struct cli *cli, unsigned needs, struct err *err);

struct verb {
	const char *section;  /* heading in the list of verbs */
	const char *name;     /* "product list": a group and a word, or one word */
	const char *args_doc; /* "PRODUCT BUILDS", "" for none */
	const char *summary;  /* one line, no full stop */
	const char *help;     /* paragraphs after the options in --help, or NULL */
	unsigned needs;
	unsigned min_args, max_args;
	/*
	 * Own options, ended by {0}; NULL for none. Keys of options without a short form start at
	 * 0x100; q, v, ? and V are taken. A key named here goes to option(), which returns 0 or
	 * -kind; ERR_USAGE and ERR_INVALID both leave with 64 there.
	 */
	const struct argp_option *options;
	int (*option)(struct cli *cli, int key, const char *arg, struct err *err);
	size_t args_size;
	/* 0 and above: the exit status; -kind with ERR filled in on failure. */
	int (*run)(struct cli *cli, struct err *err);
};

/* The table, in the order of the help; ended by NULL. */
extern const struct verb *const verbs[];

extern const struct verb verb_product_list;
extern const struct verb verb_product_show;
extern const struct verb verb_product_allocate;
extern const struct verb verb_product_reserve;
extern const struct verb verb_product_update;
extern const struct verb verb_product_transfer;
extern const struct verb verb_product_release;
extern const struct verb verb_product_revoke;
extern const struct verb verb_product_retire;
extern const struct verb verb_publish;
extern const struct verb verb_encoding_list;
extern const struct verb verb_encoding_show;
extern const struct verb verb_encoding_define;
extern const struct verb verb_encode;
extern const struct verb verb_decode;
extern const struct verb verb_import;
extern const struct verb verb_export;
extern const struct verb verb_add;
extern const struct verb verb_remove;
extern const struct verb verb_list;
extern const struct verb verb_exception_add;
extern const struct verb verb_exception_remove;
extern const struct verb verb_exception_list;
extern const struct verb verb_check;
extern const struct verb verb_explain;
extern const struct verb verb_plan;
extern const struct verb verb_apply;
extern const struct verb verb_audit;
extern const struct verb verb_simulate;
extern const struct verb verb_status;
extern const struct verb verb_history;
extern const struct verb verb_guests;
extern const struct verb verb_sync;
extern const struct verb verb_verify;

/* Options that several verbs share. Return 0 or -ERR_USAGE. */
/* A date; PAST also takes "-7d", which as an expiry date would be a slip. */
int option_past(struct cli *cli, const char *name, const char *arg, int64_t *ret, struct err *err);
int option_date(struct cli *cli, const char *name, const char *arg, int64_t *ret, struct err *err);
int option_u32(const char *name, const char *arg, uint32_t max, uint32_t *ret, struct err *err);
/* Text for a person (reason, owner, vendor ...): not empty, UTF-8, no control bytes, <= 4096. */
int option_text(const char *name, const char *arg, const char **ret, struct err *err);

#endif
