/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_PLATFORM_H
#define DEVICE_PLATFORM_H

/*
 * Whether a domain's QEMU was started without the platform device. libxl writes that to xenstore
 * for qemu-xen-traditional only.
 */
#include <stdbool.h>

/* PID as xenstore has it, "" when it has none. False when that cannot be known. */
bool platform_lacking(const char *pid);

#endif
