/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_CONFIG_H
#define REGISTRY_CONFIG_H

/*
 * xenblacklist.conf (ini, xenblacklist.conf(5)) as one struct with the defaults filled in. A key
 * that nobody knows is an error with file, line and the nearest known key.
 */
#include "registry/base.h"
#include "registry/err.h"

struct config {
	char *upstream_url; /* "" when not set */
	char **mirrors;
	size_t n_mirrors;
	char *keys_dir;
	uint32_t threshold;
	char *ca_file;		 /* "" when not set */
	char *pinned_public_key; /* "sha256//..." or "" */
	uint64_t max_size;	 /* bytes */
	uint32_t timeout;	 /* seconds, the whole budget of one sync */
	uint32_t retries;
	char *header_url;
	bool nodes_dom0_only;  /* node-access = dom0: n0 instead of r0 */
	uint32_t expand_limit; /* nodes an entry */
	uint32_t total_limit;  /* nodes in all */
	bool impact_refuse;
	bool family_allow;
	uint32_t max_new;
	char **logs; /* globs */
	size_t n_logs;
};
/* Reads PATH; a missing default file is fine (MUST_EXIST false). ERR_CONFIG with file and line. */
int config_load(const char *path, bool must_exist, struct config **ret, struct err *err);
void config_free(struct config *c);
DEFINE_CLEANUP(struct config *, config_free)

#endif
