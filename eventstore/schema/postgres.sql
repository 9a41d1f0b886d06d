-- The log in PostgreSQL, schema version 3. Run in one transaction in an empty schema, which is first in search_path.
--
-- The tables and their columns mean what they mean in sqlite.sql; what is said here is where this store differs. Texts are
-- compared by their bytes (COLLATE "C"), so that every store gives the same order.

CREATE TABLE meta (
    name text PRIMARY KEY,
    value bigint NOT NULL
);

-- Every daemon on this log: a row for each start of a process, under a number that no other start has. A batch holds its
-- own row FOR SHARE while it is written, so marking a node dead waits for its batch, and no batch of a dead one is written
-- after that. `turn` grows with each connection that a node writes the log through, `door` with each through which it
-- takes in: what an earlier one sent and nobody waits for any more is then not written either. `slot` is in the ids that
-- a node mints; `ended` is when it stopped or was found dead.
CREATE TABLE node (
    node bigint PRIMARY KEY,
    state text COLLATE "C" NOT NULL,
    turn bigint NOT NULL,
    started timestamptz NOT NULL,
    slot bigint NOT NULL DEFAULT 0,
    door bigint NOT NULL DEFAULT 0,
    ended timestamptz
);

-- When a node was last heard of, by the clock of this database. A table of its own, since a beat must not wait for a
-- batch, nor a batch for a beat. Whoever takes a node for dead deletes its row here first: a beat at that moment either
-- comes before, and the node lives, or finds nothing.
CREATE TABLE beat (
    node bigint PRIMARY KEY REFERENCES node ON DELETE CASCADE,
    at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Who owns each shard. The epoch grows with every change of owner and stands in each event, so it never decreases along
-- a shard. One node owns all shards, and it is the one that acts; where nobody does, there is no owner.
CREATE TABLE shard (
    shard smallint PRIMARY KEY,
    owner bigint,
    epoch bigint NOT NULL
);

-- What daemons that stand by leave for the one that acts, oldest first by id: but ids become visible in any order. A row
-- goes with the commit that takes it in. A request is `taken` before it is carried out, so that nobody does it twice;
-- `number` is its asker's own for it.
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
-- It is nearly always nearly empty, and is read past dead rows until they are taken away.
ALTER TABLE inbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE answer (
    asker bigint NOT NULL,
    number bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (asker, number)
);

-- A partition for each month in which streams were born: their ids begin with the millisecond. A partitioned table can
-- keep together with its stream alone what is there once, so that `pos` is there once in each partition. `event_before`
-- has what was there before months were; what has no month goes to `event_default`.
CREATE TABLE event (
    pos bigint NOT NULL,
    shard smallint NOT NULL,
    seq bigint NOT NULL,
    stream bigint NOT NULL,
    version bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    schema_version bigint NOT NULL,
    at_us bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    cause bigint NOT NULL,
    body bytea NOT NULL,
    link bytea NOT NULL,
    epoch bigint NOT NULL
) PARTITION BY RANGE (stream);
CREATE UNIQUE INDEX event_of_stream ON event (stream, version);
CREATE TABLE event_before (LIKE event, PRIMARY KEY (pos));
CREATE TABLE event_default (LIKE event, PRIMARY KEY (pos));
-- To the end of January 2025, in which ids begin: the installation's own stream.
ALTER TABLE event ATTACH PARTITION event_before FOR VALUES FROM (MINVALUE) TO (11234023833600000);
ALTER TABLE event ATTACH PARTITION event_default DEFAULT;
-- Rows are only added, so that vacuum has nothing to do here until they are old; statistics matter sooner.
ALTER TABLE event_before SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE event_default SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE mark (
    pos bigint PRIMARY KEY,
    seqs bytea NOT NULL,
    links bytea NOT NULL
);

CREATE TABLE head (
    stream bigint PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    shard bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    conversation bigint NOT NULL,
    priority bigint NOT NULL,
    host bigint,
    due_us bigint,
    line bigint NOT NULL,
    place bigint,
    attempts bigint NOT NULL,
    accepted_us bigint NOT NULL,
    changed_us bigint NOT NULL,
    code text COLLATE "C" NOT NULL,
    cause bigint NOT NULL,
    owes boolean NOT NULL,
    ends_us bigint
) WITH (fillfactor = 70);
-- Each change of a head leaves a dead row, and every index is read past them until they are taken away.
ALTER TABLE head SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX head_due ON head (lane, tenant, priority, due_us, stream) WHERE due_us IS NOT NULL;
CREATE INDEX head_place ON head (conversation, line, place, stream) WHERE place IS NOT NULL;
CREATE INDEX head_status ON head (status, stream)
    WHERE status IN ('sending', 'held', 'dead', 'cancelled', 'expired', 'failed');
-- Here an index does not end with the row's key by itself, so `stream` is named where the order is asked for.
CREATE INDEX head_tenant ON head (tenant, stream) WHERE kind = 'msg';
CREATE INDEX head_conversation ON head (conversation, stream) WHERE kind = 'msg';
CREATE INDEX head_kind ON head (kind, stream) WHERE kind IN ('lane', 'sys', 'device', 'plan', 'stray');
CREATE INDEX head_silent ON head (changed_us, stream) WHERE kind = 'device' AND status = 'active';
CREATE INDEX head_cause ON head (cause, stream) WHERE cause <> 0;
CREATE INDEX head_owes ON head (stream) WHERE owes;
CREATE INDEX head_ends ON head (ends_us, stream) WHERE ends_us IS NOT NULL;

CREATE TABLE idem (
    pos bigint GENERATED ALWAYS AS IDENTITY,
    tenant text COLLATE "C" NOT NULL,
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    stream bigint NOT NULL,
    expires_us bigint NOT NULL,
    PRIMARY KEY (tenant, key_hash)
);
CREATE INDEX idem_pos ON idem (pos);

CREATE TABLE vault (
    stream bigint PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    subject bytea NOT NULL,
    salt bytea NOT NULL,
    private bytea NOT NULL,
    reference bytea,
    key_id bigint NOT NULL
);
CREATE INDEX vault_reference ON vault (reference) WHERE reference IS NOT NULL;

CREATE TABLE address (
    tenant text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    subject bytea NOT NULL,
    conversation bigint NOT NULL,
    PRIMARY KEY (tenant, channel, subject)
);
CREATE INDEX address_conversation ON address (conversation);

CREATE TABLE alias (
    space text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    name bytea NOT NULL,
    stream bigint NOT NULL,
    PRIMARY KEY (space, tenant, name, stream)
);

CREATE TABLE tally (
    tenant text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    messages bigint NOT NULL,
    attempts bigint NOT NULL,
    PRIMARY KEY (tenant, channel, lane, status)
) WITH (fillfactor = 50);

CREATE TABLE snapshot (
    stream bigint PRIMARY KEY,
    version bigint NOT NULL,
    body bytea NOT NULL
);

-- Undoes the whole batch that asked, by an error of a class of its own.
CREATE FUNCTION contradicted(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', what USING ERRCODE = 'TD001';
END
$$;

INSERT INTO shard (shard, owner, epoch) SELECT number, NULL, 0 FROM generate_series(0, 255) AS number;
INSERT INTO meta (name, value) VALUES ('schema_version', 3), ('probes', 0);
