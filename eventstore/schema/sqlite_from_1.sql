-- A log of schema version 1 comes to version 2. Run within a transaction.
--
-- No release wrote a cause or a debt under version 1, so the defaults are true of every head that is there. When a
-- message expires stands in its first event, which expires_in reads.

ALTER TABLE head ADD COLUMN cause INTEGER NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN owes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN ends_us INTEGER;
UPDATE head SET ends_us = expires_in(event.schema_version, event.body) FROM event
  WHERE head.due_us IS NOT NULL AND head.kind = 'msg' AND event.stream = head.stream AND event.version = 1;
DROP INDEX head_kind;
CREATE INDEX head_kind ON head (kind) WHERE kind IN ('lane', 'sys', 'device', 'plan', 'stray');
CREATE INDEX head_silent ON head (changed_us) WHERE kind = 'device' AND status = 'active';
CREATE INDEX head_cause ON head (cause) WHERE cause <> 0;
CREATE INDEX head_owes ON head (owes) WHERE owes = 1;
CREATE INDEX head_ends ON head (ends_us) WHERE ends_us IS NOT NULL;

CREATE TABLE alias (
    space TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name BLOB NOT NULL,
    stream INTEGER NOT NULL,
    PRIMARY KEY (space, tenant, name, stream)
) STRICT, WITHOUT ROWID;

UPDATE meta SET value = 2 WHERE name = 'schema_version';
