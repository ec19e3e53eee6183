/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hides how libxl tells its QEMU. */
#include "device/platform.h"

#include <inttypes.h>
#include <string.h>

#include "registry/base.h"

/*
 * A QEMU of today is told by its machine type alone that there is to be no platform device:
 * "xenfv" has one, "pc,accel=xen" has not.
 */
bool platform_lacking(const char *pid)
{
	CLEANUP(free) char *path = NULL, *arg = NULL;
	CLEANUP(close_file) FILE *f = NULL;
	bool lacks = false;
	size_t size = 0;
	uint32_t number;

	if (!parse_u32(span_str(pid), &number))
		return false;
	path = xasprintf("/proc/%" PRIu32 "/cmdline", number);
	f = fopen(path, "re");
	while (f && getdelim(&arg, &size, '\0', f) > 0) {
		if (strncmp(arg, "xen-platform", 12) == 0)
			return false;
		if (strncmp(arg, "pc,accel=xen", 12) == 0 || strncmp(arg, "q35,accel=xen", 13) == 0)
			lacks = true;
	}
	return lacks;
}
