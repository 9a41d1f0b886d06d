-- A log of schema version 1 comes to version 2. Run within a transaction, while no daemon is at work on it.
--
-- Under version 1 there was one daemon at a time, and each of them minted its ids under slot 0.

ALTER TABLE node ADD COLUMN slot bigint NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN door bigint NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN ended timestamptz;
UPDATE node SET state = 'dead' WHERE state = 'up';
UPDATE node SET ended = clock_timestamp();
DELETE FROM beat;
UPDATE shard SET owner = NULL;

CREATE TABLE inbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    stream bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    asker bigint NOT NULL,
    number bigint NOT NULL,
    taken boolean NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX inbox_stream ON inbox (stream) WHERE kind = 'message';
CREATE INDEX inbox_asked ON inbox (asker, number) WHERE number <> 0;
ALTER TABLE inbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE answer (
    asker bigint NOT NULL,
    number bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (asker, number)
);

UPDATE meta SET value = 2 WHERE name = 'schema_version';
