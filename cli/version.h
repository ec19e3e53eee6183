/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#include <stdio.h>

/* The program's version, its libraries' versions at run time, and how it was built. */
void version_print(FILE *f);

#endif
