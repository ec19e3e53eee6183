/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_FILE_H
#define CLI_FILE_H

/* Whole files in and out. */
#include "registry/base.h"
#include "registry/err.h"

/*
 * Writes a file under a temporary name beside it and renames it: whole or not at all. What exists
 * and is no regular file (/dev/stdout, a pipe) is written as it is. ERR_CREATE, ERR_IO.
 */
int file_write(const char *path, const char *bytes, size_t n, struct err *err);

/*
 * Reads at most MAX bytes; "-" is stdin. Terminated by a NUL that *ret_n does not count; the
 * caller frees. ERR_NOT_FOUND, ERR_DENIED, ERR_IO; ERR_REFUSED/TOOBIG.
 */
int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct err *err);

#endif
