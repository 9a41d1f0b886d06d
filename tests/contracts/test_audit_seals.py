"""Answers for what seals find that the chain alone cannot: a log made anew, one cut short, and checkpoints changed."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.errors import CorruptLog, StoreRefused
from core.ids import encode
from eventstore.audit.checkpoints import Checkpoint, public_key_of
from eventstore.audit.checkpoints import decoded as known
from eventstore.audit.excerpts import Excerpt, decoded, encoded, wrong_in
from eventstore.chain import FIRST_LINK, link_of
from eventstore.sqlite.checking import verify
from eventstore.sqlite.files import seals_path
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.sealing import excerpt, read_seals, seal, verify_sealed
from tests.contracts.scribe import Scribe
from tests.contracts.sqlite_cells import cells_of
from tests.contracts.test_log_integrity import damaged, lived

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SEED = bytes(range(32))
PUBLIC = public_key_of(SEED)
NOW_US = 1_800_000_000_000_000


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The file of a log that was sealed twice, with life before each."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    for _ in range(2):
        log = await SqliteLog.open(path)
        await lived(log, scribe, messages=6)
        await log.close()
        assert seal(path, SEED, NOW_US) is not None
    return path


def wrong(path: Path, checkpoints: list[Checkpoint] | None = None) -> list[str]:
    """What does not hold of a log's seals."""
    known = read_seals(seals_path(path)) if checkpoints is None else checkpoints
    return [fault.what for fault in verify_sealed(path, known, PUBLIC)]


def made_anew(path: Path) -> None:
    """Makes all links of a log again, as somebody would who owns the file and knows the rules."""
    with closing(sqlite3.connect(path)) as connection:
        links: dict[int, bytes] = {}
        for row in connection.execute("SELECT * FROM event ORDER BY pos").fetchall():
            links[row[1]] = link_of(links.get(row[1], FIRST_LINK), row[1:11])
            connection.execute("UPDATE event SET link = ? WHERE pos = ?", (links[row[1]], row[0]))
        connection.commit()


async def test_a_sealed_log_holds(path: Path) -> None:
    """Two checkpoints follow on each other, and the log is as they say, also with unsealed events behind it."""
    first, second = read_seals(seals_path(path))
    assert (first.seal.number, second.seal.number) == (1, 2)
    assert (first.seal.after, first.seal.up_to) == (0, second.seal.after)
    assert wrong(path) == []
    assert seal(path, SEED, NOW_US) is None
    log = await SqliteLog.open(path)
    await log.append(Scribe(slot=5).opened("lane", "mail"))
    await log.close()
    assert wrong(path) == []


async def test_only_its_owner_reads_the_checkpoints(path: Path) -> None:
    """The file beside the log has the log's own mode."""
    assert seals_path(path).stat().st_mode & 0o777 == 0o600


async def test_a_log_made_anew_is_found(path: Path) -> None:
    """Whoever changes an event and makes every link again passes the chain, and not the seal."""
    damaged(path, "UPDATE event SET cause = 9 WHERE pos = (SELECT min(pos) FROM event WHERE version = 2)")
    made_anew(path)
    assert verify(path).faults == ()
    assert wrong(path) == ["checkpoint 1: events 1 to 17 are not those that were sealed: they were changed since"]


async def test_a_log_cut_short_is_found(path: Path) -> None:
    """An end that is missing leaves no gap in any shard, but fewer events than were sealed."""
    sealed = read_seals(seals_path(path))[-1].seal.up_to
    damaged(path, "DELETE FROM event WHERE pos = ?", sealed)
    assert wrong(path) == [f"checkpoint 2 seals {sealed} events, and the log ends at event {sealed - 1}"]
    with pytest.raises(CorruptLog, match="nothing was sealed"):
        seal(path, SEED, NOW_US)


async def test_events_that_cannot_be_read_are_found(path: Path) -> None:
    """Whatever becomes of how a sealed event's row begins, a check of the seals tells it and never breaks on it."""
    content, found = path.read_bytes(), []
    for cell in cells_of(path, "event")[:4]:
        for at in cell[:16]:
            for mask in (1, 2, 128):
                path.write_bytes(content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :])
                found += wrong(path)
    assert {what.split(":")[0] for what in found} == {
        "checkpoint 1",
        "the events that were sealed cannot be read any more",
    }


async def test_changed_checkpoints_are_found(path: Path) -> None:
    """One that is left out, changed or signed by somebody else does not hold."""
    first, second = read_seals(seals_path(path))
    assert "follow" in wrong(path, [second])[0]
    assert "signature" in wrong(path, [first, replace(second, seal=replace(second.seal, up_to=1))])[0]
    assert "shards" in wrong(path, [replace(first, shards={**first.shards, 3: (9, "00" * 32)})])[0]
    assert "signature" in verify_sealed(path, [first], public_key_of(bytes(32)))[0].what
    for damage in (b'"number":-1', b'"number":9223372036854775808'):
        with pytest.raises(CorruptLog, match="line 1 of the checkpoints is none"):
            known(seals_path(path).read_bytes().replace(b'"number":1', damage, 1).splitlines())
    for damage in (b'"shards":{"256":[1,"00"]}', b'"shards":{"1":[1,"zz"]}'):
        with pytest.raises(CorruptLog, match="line 1 of the checkpoints is none"):
            known([re.sub(rb'"shards":\{[^}]*\}', damage, seals_path(path).read_bytes().splitlines()[0])])
    seals_path(path).write_bytes(seals_path(path).read_bytes().replace(b'"up_to":17', b'"up_to":16', 1))
    with pytest.raises(CorruptLog, match="signature"):
        seal(path, SEED, NOW_US)


async def test_what_does_not_verify_is_not_sealed(path: Path) -> None:
    """A changed event behind the last checkpoint is named, and no checkpoint is made."""
    log = await SqliteLog.open(path)
    await log.append(Scribe(slot=5).opened("lane", "mail"))
    await log.close()
    damaged(path, "UPDATE event SET cause = 7 WHERE pos = (SELECT max(pos) FROM event)")
    with pytest.raises(CorruptLog, match="its link does not follow"):
        seal(path, SEED, NOW_US)
    assert len(read_seals(seals_path(path))) == 2


async def test_a_checkpoint_that_was_cut_short_is_made_again(path: Path) -> None:
    """Half a line, as a crash leaves it, counts for nothing and goes with the next one."""
    content = seals_path(path).read_bytes()
    seals_path(path).write_bytes(content[:-100])
    assert len(read_seals(seals_path(path))) == 1
    assert seal(path, SEED, NOW_US) is not None
    assert wrong(path) == []


def excerpt_of(path: Path, message: int) -> Excerpt:
    """The excerpt of one message of the fixture, by its place."""
    with closing(sqlite3.connect(path)) as connection:
        (stream,) = connection.execute(
            "SELECT stream FROM event WHERE type = 'MessageAccepted' ORDER BY pos LIMIT 1 OFFSET ?", (message,)
        ).fetchone()
    made = excerpt(path, stream, read_seals(seals_path(path)), message=encode("msg", stream), public_key=PUBLIC)
    return decoded(encoded(made))


async def test_an_excerpt_proves_itself(path: Path) -> None:
    """Each message's history holds with the public key alone, and names no other stream."""
    for message in range(12):
        made = excerpt_of(path, message)
        assert wrong_in(made, PUBLIC) == []
        assert {event.stream for event in made.events} == {made.events[0].stream}
        assert "signature" in wrong_in(made, public_key_of(bytes(32)))[0]


async def test_a_changed_excerpt_does_not(path: Path) -> None:
    """A field, a body, the order, a missing event, another message's id: whatever is changed is said."""
    made = excerpt_of(path, 4)
    first, *rest = made.events
    for changed in (
        replace(made, events=[replace(first, at_us=first.at_us + 1), *rest]),
        replace(made, events=[replace(first, body=first.body[:-2] + "00"), *rest]),
        replace(made, events=[replace(first, previous_link="11" * 32), *rest]),
        replace(made, events=[replace(first, proof=replace(first.proof, path=first.proof.path[1:])), *rest]),
        replace(made, events=[replace(first, proof=replace(first.proof, checkpoint=9)), *rest]),
        replace(made, events=rest),
        replace(made, events=[]),
        replace(made, message=encode("msg", 5)),
    ):
        assert wrong_in(changed, PUBLIC), changed


async def test_what_no_log_could_hold_is_no_excerpt(path: Path) -> None:
    """An excerpt comes from anybody: numbers, instants and hashes beyond what a log can hold are refused in words."""
    made = excerpt_of(path, 4)
    first, seal_ = made.events[0], made.checkpoints[0]
    beyond = {"shard": 256, "seq": 1 << 63, "stream": -1, "cause": 1 << 63, "at_us": 1 << 62, "schema_version": 1 << 32}
    events = [replace(first, **{name: value}) for name, value in beyond.items()]
    events += [replace(first, body="7"), replace(first, previous_link="none")]
    seals = [replace(seal_, number=-1), replace(seal_, at_us=1 << 62), replace(seal_, root="zz")]
    changed = [replace(made, events=[event]) for event in events] + [replace(made, checkpoints=[one]) for one in seals]
    for content in (b"{}", b"", b"\xff", *map(encoded, changed)):
        with pytest.raises(CorruptLog, match="no excerpt"):
            decoded(content)


async def test_what_is_not_sealed_cannot_be_exported(path: Path) -> None:
    """A message with events behind the last checkpoint, and one that nobody knows, are refused in words."""
    seals = read_seals(seals_path(path))
    with pytest.raises(StoreRefused, match="not sealed yet"):
        excerpt(path, excerpt_of(path, 11).events[0].stream, seals[:1], message="msg_x", public_key=PUBLIC)
    with pytest.raises(StoreRefused, match="knows nothing"):
        excerpt(path, 5, seals, message="msg_x", public_key=PUBLIC)
