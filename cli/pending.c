/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for modules that are not there yet; goes as soon as they are.
 */
#include "registry/db.h"
#include "sync/store.h"

#define WEAK __attribute__((weak))

WEAK int db_open(const char *path, enum db_mode mode, const struct actor *actor, int64_t now,
		 struct db **ret, struct err *err)
{
	(void)mode, (void)actor, (void)now, (void)ret;
	return err_set(err, ERR_INTERNAL, "cannot open '%s': not built in", path);
}

WEAK void db_close(struct db *db)
{
	(void)db;
}

WEAK const char *db_library_version(void)
{
	return "none";
}

WEAK int store_open(const struct store_options *options, struct store **ret, struct err *err)
{
	(void)options, (void)ret;
	return err_set(err, ERR_INTERNAL, "cannot open xenstore: not built in");
}

WEAK void store_close(struct store *s)
{
	(void)s;
}
