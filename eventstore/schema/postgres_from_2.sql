-- A log of schema version 2 comes to version 3. Run within a transaction, while no daemon is at work on it.
--
-- The table of events becomes the partition of all months up to that of its last stream, without a row being moved:
-- each of them is looked at once. What is born later goes to months of its own.

UPDATE node SET state = 'dead', ended = clock_timestamp() WHERE state = 'up';
DELETE FROM beat;
UPDATE shard SET owner = NULL;

ALTER TABLE event RENAME TO event_before;
ALTER INDEX event_pkey RENAME TO event_before_pkey;
ALTER INDEX event_of_stream RENAME TO event_before_stream_version_idx;

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
CREATE TABLE event_default (LIKE event, PRIMARY KEY (pos));
ALTER TABLE event_default SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- An id is 41 bits of milliseconds since 2025 before 22 others.
DO $$
DECLARE
    start CONSTANT timestamp := '2025-01-01';
    born CONSTANT timestamp := start + (SELECT coalesce(max(stream), 0) >> 22 FROM event_before) * interval '1 millisecond';
    ms CONSTANT bigint := extract(epoch FROM date_trunc('month', born) + interval '1 month' - start) * 1000;
BEGIN
    EXECUTE format(
        'ALTER TABLE event ATTACH PARTITION event_before FOR VALUES FROM (MINVALUE) TO (%s)',
        CASE WHEN ms < 1::bigint << 41 THEN (ms << 22)::text ELSE 'MAXVALUE' END
    );
END
$$;
ALTER TABLE event ATTACH PARTITION event_default DEFAULT;

UPDATE meta SET value = 3 WHERE name = 'schema_version';
