/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_MISTAKE_H
#define CLI_MISTAKE_H

/*
 * Mistakes on the command line that no verb gets to see: told on stderr, and with --json as an
 * error object too, whoever finds them, getopt and argp included.
 */
#include <stdbool.h>

#include <argp.h>

/* Before anything is parsed. JSON: --json stands somewhere on the line, also behind a mistake. */
void mistake_start(int argc, char **argv);

/*
 * argp_parse(). What argp says of a mistake before it leaves with 64 becomes an object of VERB,
 * "" while the verb is not known.
 */
void mistake_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *ret_first,
		   const char *verb, void *input);

/* Tells a mistake of ours. The exit status: 64, or 74 when stdout takes no object. */
int mistake_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, when people were told already. */
int mistake_object(const char *verb, const char *message);

#endif
