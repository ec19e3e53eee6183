-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Schema 2: what was seen of guests, and how far their logs were read. Observations, in no history.

-- Which guest was seen with which build. Text of guests: hostile, only ever shown escaped.
CREATE TABLE sighting (
	id INTEGER PRIMARY KEY,
	guest TEXT NOT NULL CHECK (guest <> ''),
	uuid TEXT NOT NULL DEFAULT '',
	product INTEGER NOT NULL CHECK (product BETWEEN 0 AND 65535),
	build INTEGER NOT NULL CHECK (build BETWEEN 0 AND 4294967295),
	source TEXT NOT NULL CHECK (source IN ('log', 'qmp', 'xenstore', 'daemon')),
	verdict TEXT NOT NULL CHECK (verdict IN ('unknown', 'allowed', 'blacklisted', 'audit')),
	first_seen INTEGER NOT NULL,
	last_seen INTEGER NOT NULL CHECK (last_seen >= first_seen),
	count INTEGER NOT NULL CHECK (count > 0),
	origin TEXT NOT NULL DEFAULT '',
	UNIQUE (guest, uuid, product, build, source)
) STRICT;

CREATE INDEX sighting_build ON sighting (product, build);

-- How far a log was read.
CREATE TABLE scan_state (
	key TEXT PRIMARY KEY,
	state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
