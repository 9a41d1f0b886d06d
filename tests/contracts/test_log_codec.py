"""What the log's bytes mean for ever: event bodies, links and commitments."""

from hashlib import sha256
from pathlib import Path
from typing import cast

import msgspec
import pytest

from core.errors import CorruptLog, StreamParked
from core.events import EVENT_TYPES, SCHEMA_VERSIONS, MessageAccepted, MessageDead
from core.records import Head, Private, Sealed
from core.sealing import seal, unseal
from eventstore.chain import FIRST_LINK, Content, link_of, linked_bytes
from eventstore.codec import EventRow, UnknownEvent, decode, encode, readable, recorded, type_of
from eventstore.rows import HEAD_COLUMNS, head, head_row
from tests.contracts.event_examples import EXAMPLES

# A line an example, in their order: the type, its schema version, and the body in hexadecimal.
GOLDEN = Path(__file__).with_name("golden_events.txt")


def golden() -> list[tuple[str, int, bytes]]:
    """What was written once and must be read for ever."""
    lines = [line.split(" ") for line in GOLDEN.read_text(encoding="ascii").splitlines()]
    return [(name, int(schema_version), bytes.fromhex(body)) for name, schema_version, body in lines]


def row(name: str, schema_version: int, body: bytes) -> EventRow:
    """A row that holds such a body."""
    return (1, 40, 1, 4711, 3, name, schema_version, 0, "org1", 0, body, FIRST_LINK)


def test_every_event_keeps_its_golden_bytes() -> None:
    """Each example encodes to the bytes of its release, and those bytes decode to the example.

    A new event, or a new schema version of one, adds an example and a line; a line that was released never changes.
    Lines of older schema versions decode to the same examples, and are written no more.
    """
    lines = golden()
    assert [decode(*line) for line in lines] == list(EXAMPLES)
    present = [
        (example, line) for example, line in zip(EXAMPLES, lines, strict=True) if line[1] == SCHEMA_VERSIONS[line[0]]
    ]
    assert [encode(example) for example, _ in present] == [line for _, line in present]


def test_every_event_has_golden_bytes() -> None:
    """No type is without a line, at its present schema version."""
    lines = {(name, schema_version) for name, schema_version, _ in golden()}
    assert lines >= set(SCHEMA_VERSIONS.items())
    assert {name for name, _ in lines} == set(EVENT_TYPES)


def test_fields_that_came_later_read_as_their_defaults() -> None:
    """A body from before its last fields were added decodes, and what it lacks has its default."""
    whole = golden()[0]
    fields = msgspec.msgpack.decode(whole[2])
    early = msgspec.msgpack.encode(fields[:4])
    assert decode("MessageAccepted", 1, early) == MessageAccepted(
        channel="email", lane="mail", conversation=77, due_us=1_767_225_600_000_000
    )


@pytest.mark.parametrize(("name", "schema_version"), [("MessageBlessed", 1), ("MessageDead", 9)])
def test_what_a_newer_release_wrote_is_kept_as_it_is(name: str, schema_version: int) -> None:
    """An unknown type or schema version is handed on unread, by its own name, and encodes to the same bytes again."""
    event = decode(name, schema_version, b"\x91\xc0")
    assert event == UnknownEvent(type=name, schema_version=schema_version, body=b"\x91\xc0")
    assert encode(event) == (name, schema_version, b"\x91\xc0")
    assert type_of(event) == name
    shown = recorded(row(name, schema_version, b"\x91\xc0"))
    with pytest.raises(StreamParked, match=rf"stream 4711 .* event 3 is {name}/{schema_version}"):
        readable([shown])


def test_a_body_that_cannot_be_decoded_is_named() -> None:
    """Garbage under a known type is a damaged log, told with shard, number, stream, version and type."""
    for body in (b"", b"\xc1", b"\x91\xa5", msgspec.msgpack.encode(["no such reason"])):
        with pytest.raises(CorruptLog, match=r"shard 40, seq 1: .* stream 4711, event 3 \(MessageDead\)"):
            recorded(row("MessageDead", 1, body))
    assert recorded(row("MessageDead", 1, encode(MessageDead(reason="refused"))[2])).event == MessageDead(
        reason="refused"
    )


CONTENT: Content = (40, 7, 4711, 3, "MessageDead", 1, 1_767_225_600_000_000, "org1", 12, b"\x91\xa7refused")


def test_a_link_keeps_its_golden_bytes() -> None:
    """The link of an event is the same on every store and in every release."""
    assert link_of(FIRST_LINK, CONTENT).hex() == "b25a8ffac76be93b8d27143a6d422fde93c1e0c9be83133d6fe128934d31ff00"
    assert (
        link_of(bytes(range(32)), CONTENT).hex() == "43d3bc2dadaff5ee21f012035a17759e374f92c428ca0023d39d65ebeac8802c"
    )


def test_links_of_many_events_are_those_of_each() -> None:
    """Made of whole columns a link is the same as made of one event, and what no store holds is refused alike."""
    contents: list[Content] = [
        CONTENT,
        (41, 1, 5, 1, "Zoë", 9, 3, "", 0, b""),
        (255, 2, -1, 1, "a", 1, 0, "bc", -4, b"d"),
    ]
    shards, seqs, streams, versions, names, schemas, instants, tenants, causes, bodies = zip(*contents, strict=True)
    types, owners = tuple(map(str.encode, names)), tuple(map(str.encode, tenants))
    columns = shards, seqs, streams, versions, types, schemas, instants, owners, causes, bodies
    before = [FIRST_LINK, bytes(range(32)), FIRST_LINK]
    links = [sha256(linked).digest() for linked in linked_bytes(before, columns)]
    assert links == list(map(link_of, before, contents))
    with pytest.raises(OverflowError):
        list(linked_bytes(before, (shards, (7, 1 << 63, 2), *columns[2:])))


def test_a_link_covers_every_part_of_an_event() -> None:
    """Changing any one part, or moving a letter from one text to the next, gives another link."""
    links = {link_of(FIRST_LINK, CONTENT), link_of(bytes([1, *bytes(31)]), CONTENT)}
    parts: tuple[int | str | bytes, ...] = CONTENT
    for place, part in enumerate(parts):
        other = part + 1 if isinstance(part, int) else part * 2
        links.add(link_of(FIRST_LINK, cast("Content", (*CONTENT[:place], other, *CONTENT[place + 1 :]))))
    shifted: Content = (*CONTENT[:4], "MessageDeado", *CONTENT[5:7], "rg1", *CONTENT[8:])
    links.add(link_of(FIRST_LINK, shifted))
    assert len(links) == 2 + len(CONTENT) + 1


def test_a_head_is_the_same_in_its_row() -> None:
    """Its fields stand in the order of the columns, and what is read is what was written."""
    assert ", ".join(Head.__struct_fields__) == HEAD_COLUMNS
    written = Head(
        stream=7, kind="msg", shard=3, tenant="org1", version=2, status="queued", host=5, due_us=9, owes=True
    )
    assert head(head_row(written)) == written


def test_a_commitment_binds_the_log_to_a_vault_row() -> None:
    """Sealed bytes open again under their commitment, and any other bytes, salt or commitment is refused."""
    private = Private(to="ann@example.com", content=b'{"text":"hi"}', reference="event42", correlation="c1")
    body, commitment = seal(private, bytes(range(16)))
    assert body.hex() == "97af616e6e406578616d706c652e636f6dc40d7b2274657874223a226869227da76576656e743432c0a26331c0c0"
    assert commitment.hex() == "a1bee77f534a0837086ad1e960b360133ef58becc8e31a18c666816c14bc8799"
    sealed = Sealed(stream=4711, tenant="org1", subject=b"s", salt=bytes(range(16)), private=body)
    assert unseal(sealed, commitment) == private
    others = (
        (msgspec.structs.replace(sealed, private=body + b"\0"), commitment),
        (msgspec.structs.replace(sealed, salt=bytes(16)), commitment),
        (sealed, bytes(32)),
    )
    for other, claimed in others:
        with pytest.raises(CorruptLog, match="4711"):
            unseal(other, claimed)
    with pytest.raises(AssertionError):
        seal(private, b"short")
