/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sync/store.h over a table; linked instead of the real one by defining the same functions. */
#include "tests/table-store.h"

#include <string.h>

struct table_store table_store;

int store_read(struct store *s, const char *path, char **ret, size_t *ret_n, struct err *err)
{
	(void)s;
	table_store.reads++;
	if (table_store.broken && strcmp(path, table_store.broken) == 0)
		return err_set(err, ERR_UNREACHABLE, "no answer");
	for (const struct table_node *n = table_store.node; n->path; n++) {
		if (strcmp(n->path, path) != 0)
			continue;
		*ret = xstrdup(n->value);
		*ret_n = strlen(n->value);
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "no node '%s'", path);
}

static bool among(char *const *names, size_t n, const char *p, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(names[i]) == len && memcmp(names[i], p, len) == 0)
			return true;
	return false;
}

int store_list(struct store *s, const char *path, char ***ret, size_t *ret_n, struct err *err)
{
	size_t len = strlen(path), n = 0, cap = 0;
	char **names = NULL;

	(void)s;
	if (table_store.broken && strcmp(path, table_store.broken) == 0)
		return err_set(err, ERR_UNREACHABLE, "no answer");
	for (const struct table_node *f = table_store.node; f->path; f++) {
		const char *name = f->path + len + 1;

		if (strncmp(f->path, path, len) != 0 || f->path[len] != '/' ||
		    among(names, n, name, strcspn(name, "/")))
			continue;
		GROW(names, n, cap);
		names[n++] = xstrndup(name, strcspn(name, "/"));
	}
	if (n == 0)
		return err_set(err, ERR_NOT_FOUND, "no node '%s'", path);
	*ret = names;
	*ret_n = n;
	return 0;
}

void store_list_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}
