-- The log in SQLite, schema version 3. Run in one transaction on an empty file.
--
-- event is the truth; head, address and tally follow from it and can be made again; vault and idem are what may be
-- forgotten. Every index is paid for by each message, so each says what it is for.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- pos is the order of arrival, from 1 without a gap. The writer assigns it, so that it is never used again after a
-- deletion; nobody outside sees it. at_us never decreases along it. There is no index on (shard, seq): each event would
-- dirty a page of its own for it. Marks lead there instead.
CREATE TABLE event (
    pos INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    cause INTEGER NOT NULL,
    body BLOB NOT NULL,
    link BLOB NOT NULL
) STRICT;
-- The last fence against a second writer, and the way to a stream.
CREATE UNIQUE INDEX event_of_stream ON event (stream, version);

-- Every thousand events or so: the last number and link of all shards as of an event, 8 and 32 bytes each, in order.
-- Recovery and pages of the log begin at one.
CREATE TABLE mark (
    pos INTEGER PRIMARY KEY,
    seqs BLOB NOT NULL,
    links BLOB NOT NULL
) STRICT;

CREATE TABLE head (
    stream INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    shard INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    channel TEXT NOT NULL,
    lane TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    host INTEGER,
    due_us INTEGER,
    line INTEGER NOT NULL,
    place INTEGER,
    attempts INTEGER NOT NULL,
    accepted_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL,
    code TEXT NOT NULL,
    cause INTEGER NOT NULL DEFAULT 0,
    owes INTEGER NOT NULL DEFAULT 0,
    ends_us INTEGER
) STRICT;
-- The agenda: small as what waits, whatever the log holds. One daemon owns every shard here, so shard is not in it;
-- status is there so that a listing of what waits needs no row.
CREATE INDEX head_due ON head (lane, tenant, priority, due_us, stream, status) WHERE due_us IS NOT NULL;
-- The lines of a conversation: what an actor reads when it wakes.
CREATE INDEX head_place ON head (conversation, line, place) WHERE place IS NOT NULL;
-- Listing by status where a message flies, rests or failed. What waits is found by the agenda, and a plain success among
-- the newest, so that a message whose life is plain passes through here for its attempt alone. Not as IN (...): of such a
-- list in a condition of an index SQLite makes a table anew for each row that it writes or checks, half the cost of a head.
CREATE INDEX head_status ON head (status, stream, tenant)
    WHERE status = 'sending' OR status = 'held' OR status = 'dead' OR status = 'cancelled' OR status = 'expired'
        OR status = 'failed';
-- Listing by tenant and by conversation, newest first. Neither column ever changes, so only an acceptance pays.
CREATE INDEX head_tenant ON head (tenant) WHERE kind = 'msg';
CREATE INDEX head_conversation ON head (conversation) WHERE kind = 'msg';
-- The streams that are no messages and no conversations.
CREATE INDEX head_kind ON head (kind)
    WHERE kind = 'lane' OR kind = 'sys' OR kind = 'device' OR kind = 'plan' OR kind = 'stray';
-- Active devices, the one unheard of for longest first: what the sweep for stale ones reads, and only those pay for it.
CREATE INDEX head_silent ON head (changed_us) WHERE kind = 'device' AND status = 'active';
-- What one stream caused, and what concluded and still owes something. Few do either, and the others are in neither.
CREATE INDEX head_cause ON head (cause) WHERE cause <> 0;
CREATE INDEX head_owes ON head (owes) WHERE owes = 1;
-- What waits and has an end, the next one first: it ends on time though there is no room for it. Only such messages pay.
CREATE INDEX head_ends ON head (ends_us) WHERE ends_us IS NOT NULL;

-- Dedup rows in the order in which they came, so that the oldest are found without an index on their expiry.
CREATE TABLE idem (
    pos INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    key_hash BLOB NOT NULL,
    request_hash BLOB NOT NULL,
    stream INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    UNIQUE (tenant, key_hash)
) STRICT;

CREATE TABLE vault (
    stream INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    subject BLOB NOT NULL,
    salt BLOB NOT NULL,
    private BLOB NOT NULL,
    reference BLOB,
    key_id INTEGER NOT NULL
) STRICT;
CREATE INDEX vault_reference ON vault (reference) WHERE reference IS NOT NULL;

CREATE TABLE address (
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    subject BLOB NOT NULL,
    conversation INTEGER NOT NULL,
    PRIMARY KEY (tenant, channel, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX address_conversation ON address (conversation);

-- Names under which streams are found, as keyed hashes: a provider's id of a message, the device behind a token. It
-- follows from no event, and goes with what it leads to.
CREATE TABLE alias (
    space TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name BLOB NOT NULL,
    stream INTEGER NOT NULL,
    PRIMARY KEY (space, tenant, name, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally (
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    lane TEXT NOT NULL,
    status TEXT NOT NULL,
    messages INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (tenant, channel, lane, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot (
    stream INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

INSERT INTO meta (name, value) VALUES ('schema_version', 3), ('probes', 0);
