"""What every log promises about names of streams and rows of the vault that an append brings along."""

import asyncio
from collections.abc import Awaitable

import pytest
from msgspec.structs import replace

from core.errors import StreamConflict
from core.ports import Log
from core.records import Alias, Append, MessageFilter, Repeated, Stored
from tests.contracts.scribe import Scribe, alias, digest, vault_row
from tests.contracts.stores import Store

pytestmark = pytest.mark.anyio


async def found(log: Log, name: str, *, space: str = "provider_id", tenant: str = "org1") -> list[int]:
    """The streams that a name leads to."""
    return await log.aliased(space, tenant, digest("name", name))


def stream_of(append: Append) -> int:
    """The one stream of an append."""
    return append.heads[0].head.stream


async def test_a_name_leads_to_streams(log: Log, scribe: Scribe) -> None:
    """One name leads to several streams, in the order of their ids, and several names lead to one."""
    assert await found(log, "ann") == []
    phones = [scribe.opened("device", f"phone{n}") for n in range(3)]
    for phone in reversed(phones):
        stream = stream_of(phone)
        await log.append(replace(phone, aliases=(alias(stream, "ann"), alias(stream, f"token{stream}"))))
    assert await found(log, "ann") == [stream_of(phone) for phone in phones]
    assert await found(log, f"token{stream_of(phones[1])}") == [stream_of(phones[1])]


async def test_names_of_spaces_and_tenants_are_their_own(log: Log, scribe: Scribe) -> None:
    """The same name in another space or of another tenant is another name."""
    opened = scribe.opened("plan", "welcome")
    stream = stream_of(opened)
    elsewhere = alias(stream, "x", space="plan"), alias(stream, "x", tenant="org2")
    await log.append(replace(opened, aliases=(alias(stream, "x"),)))
    assert await found(log, "x") == [stream]
    assert await found(log, "x", space="plan") == []
    assert await found(log, "x", tenant="org2") == []
    await log.append(replace(scribe.opened("plan", "other"), aliases=elsewhere, dropped=(alias(stream, "x"),)))
    assert (await found(log, "x"), await log.sealed_of(5)) == ([], None)
    assert await found(log, "x", space="plan") == [stream]
    assert await found(log, "x", tenant="org2") == [stream]


async def test_adding_and_dropping_twice_changes_nothing(log: Log, scribe: Scribe) -> None:
    """What is there may be added and what is not may be dropped; only the named stream loses its name."""
    first, second = scribe.opened("device", "one"), scribe.opened("device", "two")
    names = alias(stream_of(first), "ann"), alias(stream_of(second), "ann")
    await log.append(replace(first, aliases=(*names, *names)))
    await log.append(replace(second, aliases=names, dropped=(alias(5, "ann"), alias(stream_of(second), "nobody"))))
    assert await found(log, "ann") == [stream_of(first), stream_of(second)]
    for _ in range(2):
        await log.append(replace(scribe.opened("device", "x"), dropped=(names[0], names[0])))
        assert await found(log, "ann") == [stream_of(second)]


async def test_of_one_append_what_is_dropped_goes_first(log: Log, scribe: Scribe) -> None:
    """A name that one append drops and adds leads there afterwards."""
    opened = scribe.opened("device", "phone")
    name = alias(stream_of(opened), "token")
    await log.append(replace(opened, aliases=(name,), dropped=(name,)))
    await log.append(replace(scribe.opened("device", "x"), aliases=(name,), dropped=(name,)))
    assert await found(log, "token") == [stream_of(opened)]


async def test_names_follow_the_order_of_calls_within_a_commit(log: Log, scribe: Scribe) -> None:
    """Of calls made back to back the last one says where a name leads."""
    opened = [scribe.opened("device", f"{n}") for n in range(6)]
    kept, gone = alias(stream_of(opened[0]), "kept"), alias(stream_of(opened[0]), "gone")
    await asyncio.gather(
        log.append(replace(opened[0], aliases=(kept, gone))),
        log.append(replace(opened[1], dropped=(kept, gone))),
        log.append(replace(opened[2], aliases=(kept, gone))),
        log.append(replace(opened[3], dropped=(kept, gone))),
        log.append(replace(opened[4], aliases=(kept,))),
    )
    assert await found(log, "kept") == [stream_of(opened[0])]
    assert await found(log, "gone") == []


async def test_an_acceptance_brings_names_and_rows_with_it(log: Log, scribe: Scribe) -> None:
    """A message is found by the names that it was accepted with; of one that was a repetition nothing is written."""
    first, again = scribe.acceptance(key="k"), scribe.acceptance(key="k")
    stream, other = first.sealed.stream, again.sealed.stream
    plan = vault_row(7, "plan")
    append = replace(first.append, aliases=(alias(stream, "m1"),), sealed=(plan,))
    late = replace(again.append, aliases=(alias(other, "m1"),), dropped=append.aliases, sealed=(vault_row(7, "late"),))
    assert await log.accept(replace(first, append=append)) == Stored()
    assert isinstance(await log.accept(replace(again, append=late)), Repeated)
    assert await found(log, "m1") == [stream]
    assert await log.sealed_of(stream) == first.sealed
    assert await log.sealed_of(7) == plan


async def test_what_a_provider_calls_a_message_comes_with_a_later_append(log: Log, scribe: Scribe) -> None:
    """The name that a provider gives when it takes a message leads to it from that commit on."""
    acceptance = scribe.acceptance()
    stream = acceptance.sealed.stream
    await log.accept(acceptance)
    await log.append(scribe.start(stream))
    taken = scribe.taken(stream)
    await log.append(replace(taken, aliases=(alias(stream, "wamid.1"),)))
    assert await found(log, "wamid.1") == [stream]


@pytest.mark.parametrize("together", [False, True])
async def test_a_conflict_brings_nothing_along(log: Log, scribe: Scribe, together: bool) -> None:  # noqa: FBT001  # A column of the table above.
    """Of an append that is refused no name and no row is written or dropped, alone or with others in its commit."""
    phone = scribe.opened("device", "phone")
    stream = stream_of(phone)
    name, row = alias(stream, "token"), vault_row(stream, "token one")
    await log.append(replace(phone, aliases=(name,), sealed=(row,)))
    wrong = replace(phone, aliases=(alias(stream, "new"),), dropped=(name,), sealed=(vault_row(stream, "token two"),))
    tablet = scribe.opened("device", "tablet")
    beside = replace(tablet, aliases=(alias(stream_of(tablet), "tablet"),))
    calls = [log.append(wrong), *([log.append(beside)] if together else [])]
    conflict, *others = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(conflict, StreamConflict)
    assert others == [None] * together
    assert await found(log, "token") == [stream]
    assert await found(log, "new") == []
    assert await found(log, "tablet") == [stream_of(tablet)] * together
    assert await log.sealed_of(stream) == row


async def test_a_vault_row_takes_the_place_of_the_one_before(log: Log, scribe: Scribe) -> None:
    """The row of a stream that is no message is read as it was last written, right after its commit."""
    phone = scribe.opened("device", "phone")
    stream = stream_of(phone)
    assert await log.sealed_of(stream) is None
    calls: list[Append] = [phone, scribe.opened("device", "x"), scribe.opened("device", "y")]
    for call, private in zip(calls, ("one", "two", "three"), strict=True):
        await log.append(replace(call, sealed=(vault_row(stream, private), vault_row(stream + 1, f"not {private}"))))
        assert await log.sealed_of(stream) == vault_row(stream, private)
        assert await log.sealed_of(stream + 1) == vault_row(stream + 1, f"not {private}")


async def test_vault_rows_follow_the_order_of_calls_within_a_commit(log: Log, scribe: Scribe) -> None:
    """Of calls made back to back the last one's row stays, and within one append the last of its rows."""
    acceptance = scribe.acceptance()
    stream = acceptance.sealed.stream
    new = replace(acceptance.sealed, private=b"new", salt=bytes(16))
    calls: list[Awaitable[object]] = [
        log.append(replace(scribe.opened("device", "a"), sealed=(vault_row(7, "one"), vault_row(7, "two")))),
        log.append(replace(scribe.opened("device", "b"), sealed=(vault_row(7, "three"),))),
        log.accept(acceptance),
        log.append(replace(scribe.opened("device", "c"), sealed=(new,))),
    ]
    await asyncio.gather(*calls)
    assert await log.sealed_of(7) == vault_row(7, "three")
    assert await log.sealed_of(stream) == new


@pytest.mark.parametrize("together", [False, True])
async def test_an_acceptance_never_takes_the_place_of_a_row(log: Log, scribe: Scribe, together: bool) -> None:  # noqa: FBT001  # A column of the table above.
    """A message whose vault row is there already was accepted before, or is a bug: it is a conflict."""
    acceptance = scribe.acceptance()
    row = vault_row(acceptance.sealed.stream, "somebody else's")
    before = log.append(replace(scribe.opened("device", "a"), sealed=(row,)))
    if not together:
        await before
    with pytest.raises(StreamConflict):
        await log.accept(acceptance)
    await before
    assert await log.sealed_of(row.stream) == row
    assert await log.events_of(row.stream) == []


async def test_a_message_is_found_by_its_present_reference(log: Log, scribe: Scribe) -> None:
    """A vault row that is replaced takes its reference with it, and rows of other streams are no messages."""
    acceptance = scribe.acceptance(reference="before")
    stream = acceptance.sealed.stream
    await log.accept(acceptance)
    row = replace(acceptance.sealed, reference=digest("reference", "after"))
    plan = scribe.opened("plan", "welcome")
    others = vault_row(stream_of(plan), "plan", reference="after"), vault_row(7, "nothing", reference="after")

    async def by(reference: str) -> list[int]:
        wanted = MessageFilter(reference=digest("reference", reference))
        heads = await log.heads(wanted, limit=9)
        assert await log.count(wanted, at_most=9) == len(heads)
        return [head.stream for head in heads]

    assert await by("before") == [stream]
    await log.append(replace(plan, sealed=(row, *others)))
    assert await by("before") == []
    assert await by("after") == [stream]
    await log.append(replace(scribe.opened("plan", "x"), sealed=(replace(row, reference=None),)))
    assert await by("after") == []


async def test_names_and_rows_outlive_a_restart(store: Store, scribe: Scribe) -> None:
    """After closing and opening again names lead where they led, and rows are what they were."""
    log = await store.open()
    phone = scribe.opened("device", "phone")
    stream = stream_of(phone)
    aliases: tuple[Alias, ...] = tuple(alias(stream, f"name{n}") for n in range(4))
    await log.append(replace(phone, aliases=aliases, sealed=(vault_row(stream, "token"),)))
    await log.append(replace(scribe.opened("device", "x"), dropped=aliases[2:]))
    await log.close()
    again = await store.open()
    try:
        assert [await found(again, f"name{n}") for n in range(4)] == [[stream], [stream], [], []]
        assert await again.sealed_of(stream) == vault_row(stream, "token")
    finally:
        await again.close()


async def test_names_and_rows_never_come_without_an_event(log: Log, scribe: Scribe) -> None:
    """An append of nothing but names and rows is a bug: what changes is told by an event."""
    bare = replace(scribe.opened("device", "phone"), drafts=(), heads=())
    append = replace(bare, aliases=(alias(5, "x"),), sealed=(vault_row(5, "x"),))
    with pytest.raises(AssertionError):
        await log.append(append)
    assert (await found(log, "x"), await log.sealed_of(5)) == ([], None)
