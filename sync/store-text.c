/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be said with the calls of store.h alone, whatever store is behind them.
 */
#include "sync/store.h"

int store_text(struct store *s, char **ret, struct err *err, const char *path_fmt, ...)
{
	CLEANUP(free) char *path = NULL;
	struct err why = { 0 };
	size_t n;
	va_list ap;
	int r;

	va_start(ap, path_fmt);
	path = xvasprintf(path_fmt, ap);
	va_end(ap);
	r = store_read(s, path, ret, &n, &why);
	if (r < 0 && why.kind == ERR_NOT_FOUND) {
		*ret = xstrdup("");
		return 0;
	}
	if (r < 0)
		*err = why;
	return r;
}
