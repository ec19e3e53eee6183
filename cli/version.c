/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What --version says.
 */
#include "cli/version.h"

#include "cli/output.h"
#include "registry/db.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZERS " sanitizers"
#else
#define SANITIZERS ""
#endif

void version_print(FILE *f)
{
	fprintf(f, "%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
	fprintf(f, "sqlite %s\n", db_library_version());
	fprintf(f, "jansson %s\n", out_library_version());
	fprintf(f, "features: https minisign xenstore%s\n", SANITIZERS);
}
