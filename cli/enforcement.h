/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_ENFORCEMENT_H
#define CLI_ENFORCEMENT_H

/*
 * Who looks the blacklist up for each running guest, as far as xenstore and xenblacklistd's own
 * records tell.
 */
#include "cli/output.h"
#include "sync/store.h"

#define ENFORCEMENT_RUN_DIR "/run/xenblacklistd"

enum enforcer {
	ENFORCER_TRADITIONAL, /* qemu-xen-traditional: leaves of products 1, 2 and 65535 */
	ENFORCER_DAEMON,      /* xenblacklistd: everything that is published */
	ENFORCER_NONE,
	ENFORCER_UNKNOWN,
};
const char *enforcer_name(enum enforcer e); /* "traditional", "xenblacklistd", ... */

struct enforcement {
	uint32_t domid;
	char *name; /* "" when not known */
	enum enforcer enforcer;
	bool gap;    /* a driver in it could announce itself and nobody would look */
	bool unread; /* its device model looks, and may not read what only dom0 may */
	char *why;
};
struct enforcements {
	struct enforcement *guest; /* HVM domains, ascending by domid */
	size_t n, cap;
};
void enforcements_free(struct enforcements *es);
DEFINE_CLEANUP(struct enforcements *, enforcements_free)

/* DOM0_ONLY: nodes are published for dom0 alone. ERR_UNREACHABLE. */
int enforcement_list(struct store *s, const char *run_dir, bool dom0_only,
		     struct enforcements **ret, struct err *err);

/* JSON member "enforcement"; a table in text. */
void enforcement_show(struct out *out, const struct enforcements *es);

#endif
