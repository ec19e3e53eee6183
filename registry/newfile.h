/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_NEWFILE_H
#define REGISTRY_NEWFILE_H

/* A new file, whole or not at all, also when the machine dies or a hundred make it at once. */
#include <stddef.h>

/*
 * Makes PATH with the N bytes at P, mode 0644, in a directory that is made if need be (one level,
 * 0755). 0 or an errno; EEXIST: PATH is there, perhaps because somebody was quicker.
 */
int newfile_make(const char *path, const char *p, size_t n);

#endif
