-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Schema 1. The file defends itself: what the program forbids, the tables forbid too.
-- Times are seconds since 1970 UTC; NULL is "no limit".

CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('generation', '0');

CREATE TABLE encoding (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
		CHECK (length(name) BETWEEN 1 AND 64 AND name NOT GLOB '*[^A-Za-z0-9:._-]*'),
	scan TEXT NOT NULL,
	expression TEXT NOT NULL CHECK (expression <> ''),
	origin TEXT NOT NULL CHECK (origin IN ('shipped', 'upstream', 'local')),
	created INTEGER NOT NULL
) STRICT;

CREATE TABLE product (
	id INTEGER PRIMARY KEY,
	number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 65535),
	name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128 AND instr(name, '/') = 0),
	-- The directory in xenstore. '_' in front is kept for _products and _ranges.
	node TEXT NOT NULL
		CHECK (length(node) BETWEEN 1 AND 128 AND node NOT GLOB '*[^A-Za-z0-9@_-]*'
			AND substr(node, 1, 1) <> '_'),
	status TEXT NOT NULL
		CHECK (status IN ('assigned', 'provisional', 'reserved', 'experimental',
			'deprecated', 'retired', 'unregistered-use')),
	origin TEXT NOT NULL CHECK (origin IN ('shipped', 'upstream', 'local')),
	vendor TEXT NOT NULL DEFAULT '',
	contact TEXT NOT NULL DEFAULT '',
	reference TEXT NOT NULL DEFAULT '',
	deadline INTEGER,
	-- A row whose number, name or node upstream gave to somebody else: kept, not published.
	conflict INTEGER NOT NULL DEFAULT 0 CHECK (conflict IN (0, 1)),
	created INTEGER NOT NULL,
	CHECK (status NOT IN ('assigned', 'provisional') OR number BETWEEN 1 AND 65534),
	CHECK (status <> 'experimental' OR number = 65535),
	CHECK (deadline IS NULL OR status = 'provisional'),
	CHECK (deadline IS NOT NULL OR status <> 'provisional' OR origin <> 'local'),
	CHECK (conflict = 0 OR origin <> 'upstream')
) STRICT;

CREATE UNIQUE INDEX product_number ON product (number) WHERE conflict = 0;
CREATE UNIQUE INDEX product_name ON product (name) WHERE conflict = 0;
CREATE UNIQUE INDEX product_node ON product (node) WHERE conflict = 0;

CREATE TRIGGER product_is_kept BEFORE DELETE ON product
BEGIN
	SELECT RAISE(ABORT, 'a product is never deleted: its number and name are burned');
END;

CREATE TRIGGER product_stays_retired BEFORE UPDATE ON product
WHEN OLD.status = 'retired'
	AND (NEW.status <> 'retired' OR NEW.number <> OLD.number OR NEW.name <> OLD.name)
BEGIN
	SELECT RAISE(ABORT, 'a retired product stays retired, with its number and name');
END;

CREATE TRIGGER product_keeps_number BEFORE UPDATE ON product
WHEN NEW.id <> OLD.id OR (NEW.number <> OLD.number AND OLD.conflict = 0)
BEGIN
	SELECT RAISE(ABORT, 'the number of a product never changes');
END;

-- Ranges that are not handed out: closed to everybody, or only on request and with a warning.
CREATE TABLE reservation (
	id INTEGER PRIMARY KEY,
	first INTEGER NOT NULL CHECK (first BETWEEN 0 AND 65535),
	last INTEGER NOT NULL CHECK (last BETWEEN first AND 65535),
	kind TEXT NOT NULL CHECK (kind IN ('closed', 'warn')),
	origin TEXT NOT NULL CHECK (origin IN ('shipped', 'upstream', 'local')),
	reason TEXT NOT NULL CHECK (reason <> ''),
	created INTEGER NOT NULL
) STRICT;

CREATE TRIGGER reservation_alone BEFORE INSERT ON reservation
WHEN EXISTS (SELECT 1 FROM reservation o
	WHERE o.kind = NEW.kind AND o.first <= NEW.last AND o.last >= NEW.first)
BEGIN
	SELECT RAISE(ABORT, 'reserved ranges overlap');
END;

CREATE TRIGGER reservation_free BEFORE INSERT ON reservation
WHEN NEW.kind = 'closed' AND EXISTS (
	SELECT 1 FROM product p WHERE p.number BETWEEN NEW.first AND NEW.last)
BEGIN
	SELECT RAISE(ABORT, 'a number of the range is taken');
END;

CREATE TRIGGER reservation_fixed BEFORE UPDATE OF id, first, last, kind, reason ON reservation
BEGIN
	SELECT RAISE(ABORT, 'a reserved range does not change');
END;

CREATE TRIGGER product_not_reserved BEFORE INSERT ON product
WHEN NEW.origin = 'local' AND EXISTS (
	SELECT 1 FROM reservation r
	WHERE r.kind = 'closed' AND NEW.number BETWEEN r.first AND r.last)
BEGIN
	SELECT RAISE(ABORT, 'the number is in a reserved range');
END;

-- Which encoding a product uses for which builds. 'const:K' needs no row in encoding.
CREATE TABLE product_encoding (
	id INTEGER PRIMARY KEY,
	product_id INTEGER NOT NULL REFERENCES product (id),
	encoding TEXT NOT NULL,
	from_build INTEGER NOT NULL CHECK (from_build BETWEEN 0 AND 4294967295),
	to_build INTEGER NOT NULL CHECK (to_build BETWEEN from_build AND 4294967295),
	user TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX product_encoding_product ON product_encoding (product_id, from_build);

CREATE TRIGGER product_encoding_alone BEFORE INSERT ON product_encoding
WHEN EXISTS (SELECT 1 FROM product_encoding o WHERE o.product_id = NEW.product_id
	AND o.from_build <= NEW.to_build AND o.to_build >= NEW.from_build)
BEGIN
	SELECT RAISE(ABORT, 'the encodings of a product overlap');
END;

CREATE TRIGGER product_encoding_known BEFORE INSERT ON product_encoding
WHEN NEW.encoding NOT GLOB 'const:[0-9]*'
	AND NOT EXISTS (SELECT 1 FROM encoding e WHERE e.name = NEW.encoding)
BEGIN
	SELECT RAISE(ABORT, 'no such encoding');
END;

CREATE TRIGGER product_encoding_fixed
BEFORE UPDATE OF product_id, from_build, to_build ON product_encoding
BEGIN
	SELECT RAISE(ABORT, 'the range of an encoding does not change: delete and insert');
END;

CREATE TRIGGER encoding_in_use BEFORE DELETE ON encoding
WHEN EXISTS (SELECT 1 FROM product_encoding u WHERE u.encoding = OLD.name)
BEGIN
	SELECT RAISE(ABORT, 'the encoding is in use');
END;

CREATE TABLE entry (
	row INTEGER PRIMARY KEY,
	id TEXT NOT NULL
		CHECK (length(id) BETWEEN 1 AND 64 AND id NOT GLOB '*[^A-Za-z0-9._-]*'),
	origin TEXT NOT NULL CHECK (origin IN ('shipped', 'upstream', 'local')),
	product_id INTEGER NOT NULL REFERENCES product (id),
	builds TEXT NOT NULL CHECK (builds <> ''),
	mode TEXT NOT NULL CHECK (mode IN ('enforce', 'audit')),
	publish TEXT NOT NULL CHECK (publish IN ('nodes', 'range')),
	whole_family INTEGER NOT NULL CHECK (whole_family IN (0, 1)),
	reason TEXT NOT NULL CHECK (reason <> ''),
	not_before INTEGER,
	expires INTEGER,
	created INTEGER NOT NULL,
	UNIQUE (id, origin),
	CHECK (not_before IS NULL OR expires IS NULL OR not_before < expires)
) STRICT;

CREATE INDEX entry_product ON entry (product_id);

CREATE TABLE entry_reference (
	entry INTEGER NOT NULL REFERENCES entry (row) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	url TEXT NOT NULL CHECK (url <> ''),
	PRIMARY KEY (entry, position)
) STRICT, WITHOUT ROWID;

-- Builds that this host allows although an entry covers them.
CREATE TABLE exception (
	row INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE
		CHECK (length(id) BETWEEN 1 AND 64 AND id NOT GLOB '*[^A-Za-z0-9._-]*'),
	product_id INTEGER NOT NULL REFERENCES product (id),
	builds TEXT NOT NULL CHECK (builds <> ''),
	reason TEXT NOT NULL CHECK (reason <> ''),
	owner TEXT NOT NULL CHECK (owner <> ''),
	expires INTEGER,
	created INTEGER NOT NULL
) STRICT;

CREATE TABLE history (
	seq INTEGER PRIMARY KEY,
	time INTEGER NOT NULL,
	verb TEXT NOT NULL,
	act TEXT NOT NULL,
	subject TEXT NOT NULL,
	-- The table and row that "before" and "after" are states of; NULL for acts without a row.
	kind TEXT,
	row INTEGER,
	reason TEXT,
	uid INTEGER NOT NULL,
	sudo_user TEXT,
	host TEXT NOT NULL,
	before TEXT,
	after TEXT,
	hash TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT;

CREATE INDEX history_row ON history (kind, row, seq);
CREATE INDEX history_subject ON history (subject, seq);

CREATE TRIGGER history_in_order BEFORE INSERT ON history
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM history)
BEGIN
	SELECT RAISE(ABORT, 'the history only grows at its end');
END;

CREATE TRIGGER history_unchanged BEFORE UPDATE ON history
BEGIN
	SELECT RAISE(ABORT, 'the history is append-only');
END;

CREATE TRIGGER history_kept BEFORE DELETE ON history
BEGIN
	SELECT RAISE(ABORT, 'the history is append-only');
END;
