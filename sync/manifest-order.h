/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_MANIFEST_ORDER_H
#define SYNC_MANIFEST_ORDER_H

/* For manifest_parse() only. */
#include "sync/manifest.h"

/* Sorts the rows and fills in their places. ERR_REFUSED/SCHEMA: a name, number or id is twice. */
int manifest_order(struct manifest *m, struct err *err);

#endif
