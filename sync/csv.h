/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_CSV_H
#define SYNC_CSV_H

/* The registry as a table for spreadsheets (RFC 4180, UTF-8, CRLF). Pure. */
#include "registry/product.h"

/*
 * One line a product, with a header line: number,hex,name,node,status,origin,vendor,contact,
 * reference,deadline,encodings. A field that a spreadsheet would run as a formula (it begins with
 * = + - @ or a tab) gets a leading apostrophe. Errors of OUT are the caller's to check.
 */
void csv_write(const struct products *products, FILE *out);

#endif
