/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_FIND_H
#define CLI_FIND_H

/* Finds verbs by what was typed, and says what may have been meant. */
#include "cli/verb.h"

/*
 * The verb that ARGV begins with, and how many words its name took, 1 or 2. NULL when there is
 * none: that was told, and the exit status says how (0: it was a question about a group).
 */
const struct verb *find_verb(int argc, char **argv, int *ret_words, int *ret_status);

/* A line for each verb, under the headings of their sections. The caller frees. */
char *find_list(void);

#endif
