-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Schema 3. Whose impact was accepted: what the entry covered then. When that changes, it lapses.
CREATE TABLE impact_accepted (
	entry INTEGER PRIMARY KEY REFERENCES entry (row) ON DELETE CASCADE,
	covers TEXT NOT NULL,
	accepted INTEGER NOT NULL
) STRICT;
