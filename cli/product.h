/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_PRODUCT_H
#define CLI_PRODUCT_H

/* How verbs show a product. */
#include "cli/output.h"
#include "registry/product.h"

void product_json(struct out *out, const struct product *p); /* members of the open object */
void product_text(struct out *out, const struct product *p);

#endif
