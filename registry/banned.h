/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_BANNED_H
#define REGISTRY_BANNED_H

/*
 * Included by the Makefile into every file: functions that overflow, that cannot report an error
 * or that share static storage do not compile here. base.h has what to call instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets
#pragma GCC poison atoi atol atoll atof strtol strtoul strtoll strtoull
#pragma GCC poison gmtime localtime ctime asctime

#endif
