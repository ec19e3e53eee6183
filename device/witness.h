/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_WITNESS_H
#define DEVICE_WITNESS_H

/*
 * What guests said of themselves, on its way into the registry: kept in memory while the registry
 * is locked, told from one that an audit-mode entry would have blocked.
 */
#include "device/packet.h"
#include "registry/err.h"

struct witness;

/* REGISTRY is a borrowed file name. */
struct witness *witness_new(const char *registry);
/* A PACKET_SIGHTING that happened now. When WITNESS_MAX wait already the oldest is lost. */
#define WITNESS_MAX 4096
void witness_saw(struct witness *w, const struct packet *m);
/* How many were lost since the last call. */
uint64_t witness_lost(struct witness *w);
/* True while something waits to be written. */
bool witness_waits(const struct witness *w);
/* Writes what waits in one transaction; on failure it goes on waiting. */
int witness_write(struct witness *w, struct err *err);

#endif
