/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of verbs, in the order in which help lists them, and the values that options of
 * several verbs share.
 */
#include "cli/verb.h"

#include <inttypes.h>
#include <string.h>

const struct verb *const verbs[] = {
	&verb_product_list,
	&verb_product_show,
	&verb_product_allocate,
	&verb_product_reserve,
	&verb_product_update,
	&verb_product_transfer,
	&verb_product_release,
	&verb_product_revoke,
	&verb_product_retire,
	&verb_publish,
	&verb_encoding_list,
	&verb_encoding_show,
	&verb_encoding_define,
	&verb_encode,
	&verb_decode,
	&verb_import,
	&verb_export,
	&verb_add,
	&verb_remove,
	&verb_list,
	&verb_exception_add,
	&verb_exception_remove,
	&verb_exception_list,
	&verb_check,
	&verb_explain,
	&verb_plan,
	&verb_apply,
	&verb_audit,
	&verb_simulate,
	&verb_status,
	&verb_history,
	&verb_guests,
	&verb_sync,
	&verb_verify,
	NULL,
};

#define TEXT_MAX 4096

int option_date(struct cli *cli, const char *name, const char *arg, int64_t *ret, struct err *err)
{
	if (*arg == '-' || !date_parse(span_str(arg), cli->now, ret))
		return err_set(
			err, ERR_USAGE,
			"bad date for '%s': '%.64s' (2026-12-31, 2026-12-31T12:00:00Z or +30d)",
			name, arg);
	return 0;
}

int option_past(struct cli *cli, const char *name, const char *arg, int64_t *ret, struct err *err)
{
	if (!date_parse(span_str(arg), cli->now, ret))
		return err_set(
			err, ERR_USAGE,
			"bad date for '%s': '%.64s' (2026-12-31, 2026-12-31T12:00:00Z or -7d)",
			name, arg);
	return 0;
}

int option_u32(const char *name, const char *arg, uint32_t max, uint32_t *ret, struct err *err)
{
	uint64_t v;

	if (!parse_number(span_str(arg), max, &v))
		return err_set(err, ERR_USAGE, "bad value for '%s': '%.64s' is not 0 to %" PRIu32,
			       name, arg, max);
	*ret = (uint32_t)v;
	return 0;
}

int option_text(const char *name, const char *arg, const char **ret, struct err *err)
{
	size_t n = strlen(arg);

	if (!span_trim(span_str(arg)).n)
		return err_set(err, ERR_USAGE, "empty value for '%s'", name);
	if (n > TEXT_MAX)
		return err_set(err, ERR_USAGE, "value for '%s' is longer than %d bytes", name,
			       TEXT_MAX);
	if (!utf8_valid(arg, n))
		return err_set(err, ERR_USAGE, "value for '%s' is not UTF-8: '%.64s'", name, arg);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)arg[i] < 0x20 || arg[i] == 0x7f)
			return err_set(err, ERR_USAGE,
				       "value for '%s' has a control character at byte %zu", name,
				       i + 1);
	*ret = arg;
	return 0;
}
