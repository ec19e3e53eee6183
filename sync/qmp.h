/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_QMP_H
#define SYNC_QMP_H

/*
 * What a running QEMU of XenServer or XCP-ng knows of its guest's driver. Unlike a log, no guest
 * can write it.
 */
#include "registry/base.h"
#include "registry/err.h"

/*
 * Asks one device model over its socket. ERR_NOT_FOUND: no socket, or it does not know the command
 * (stock QEMU), or no driver has spoken; ERR_UNREACHABLE: no answer within TIMEOUT_MS, or not QMP;
 * ERR_INVALID: a path too long for a socket.
 */
int qmp_driver(const char *socket_path, uint32_t timeout_ms, uint16_t *ret_product,
	       uint32_t *ret_build, struct err *err);

#endif
