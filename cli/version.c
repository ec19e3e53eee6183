/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What --version says.
 */
#include "cli/version.h"

#include "cli/output.h"
#include "registry/db.h"
#include "sync/fetch.h"
#include "sync/verify.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZERS " sanitizers"
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZERS " sanitizers"
#endif
#ifndef SANITIZERS
#define SANITIZERS ""
#endif

void version_print(FILE *f)
{
	CLEANUP(free) char *curl = NULL, *safe = NULL;
	struct err err = { 0 };

	fprintf(f, "%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
	fprintf(f, "sqlite %s\n", db_library_version());
	fprintf(f, "jansson %s\n", out_library_version());
	fprintf(f, "libsodium %s\n", verify_library_version());
	if (fetch_library_version(&curl, &err) == 0) {
		fprintf(f, "curl %s, in xenblacklist-fetch\n", curl);
	} else {
		safe = escape_text(err.msg);
		fprintf(f, "curl: %s\n", safe);
	}
	fprintf(f, "features: https minisign xenstore%s\n", SANITIZERS);
}
