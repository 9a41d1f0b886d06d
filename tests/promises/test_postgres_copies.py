"""A log leaves a database whole: nothing that was accepted stays behind, and nobody goes on with it there."""

from pathlib import Path

import pytest
from anyio import to_thread

from core.errors import StoreRefused, StreamConflict
from core.parked import append_of, unparked
from core.records import Stored
from eventstore.copying.copying import copy_to_file, copy_to_server, extract
from eventstore.postgres.opening import open_log, open_node
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from tests.contracts.eraser import ANN, Eraser
from tests.contracts.scribe import Scribe

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_copy_waits_until_everything_is_taken_in_and_everybody_has_gone(
    postgres_url: str, tmp_path: Path
) -> None:
    """It is refused while a message waits for the log, and while a daemon stands by that would act on it afterwards."""
    target, scribe = tmp_path / "back.db", Scribe()
    standing = await open_node(postgres_url, identity=1)
    acceptance = scribe.acceptance(key="k1")
    assert await standing.door.accept(acceptance) == Stored()
    with pytest.raises(StoreRefused, match=r"daemons use .* \(1\): stop all of them first; nothing was changed"):
        await copy_to_file(postgres_url, target, identity=2)
    await standing.close()
    with pytest.raises(StoreRefused, match=r"waits in .* to be taken in \(1\): start a daemon"):
        await copy_to_file(postgres_url, target, identity=3)
    assert not target.exists()

    node = await open_node(postgres_url, identity=4)
    log = await node.acted()
    assert log.inbox is not None
    (row,) = await log.inbox.waiting(after=0, limit=10)
    await log.append(append_of(unparked(row.body), scribe.tick(), row.id))
    await log.close()
    copied = await copy_to_file(postgres_url, target, identity=5)
    assert (copied.events, copied.messages) == (1, 1)
    back = await SqliteLog.open(target)
    assert await back.head_of(row.stream) is not None
    assert await back.sealed_of(row.stream) == acceptance.sealed
    await back.close()


async def test_a_database_that_daemons_wait_on_is_not_copied_to(postgres_url: str, tmp_path: Path) -> None:
    """They would act on what is there while it is still served from where it comes from."""
    source = tmp_path / "tidings.db"
    log = await SqliteLog.open(source)
    await log.accept(Scribe().acceptance())
    await log.close()
    standing = await open_node(postgres_url, identity=1)
    with pytest.raises(StoreRefused, match="stop all of them first"):
        await copy_to_server(source, postgres_url, identity=2)
    await standing.close()
    assert (await copy_to_server(source, postgres_url, identity=3)).messages == 1


async def test_a_copy_to_look_at_holds_the_log_and_nothing_that_waits(postgres_url: str, tmp_path: Path) -> None:
    """Beside daemons it is the log as it is: sound, without what has no event yet."""
    acting, standing = await open_node(postgres_url, identity=1), await open_node(postgres_url, identity=2)
    log = await acting.acted()
    await log.accept(Scribe().acceptance())
    await standing.door.accept(Scribe("org2", slot=1).acceptance())
    await extract(postgres_url, tmp_path / "seen.db")
    report = await to_thread.run_sync(verify, tmp_path / "seen.db")
    assert (report.faults, report.messages) == ((), 1)
    await standing.close()
    await acting.close()


@pytest.mark.parametrize("is_swept", [False, True])
async def test_an_erasure_goes_on_where_its_log_was_copied_to(
    postgres_url: str,
    tmp_path: Path,
    is_swept: bool,  # noqa: FBT001  # A column of the table above.
) -> None:
    """A closed address is closed there too, with or without a message's row; and what was erased stays so."""
    source, back, scribe = tmp_path / "tidings.db", tmp_path / "back.db", Scribe()
    log = await SqliteLog.open(source)
    first = scribe.acceptance(ANN)
    await log.accept(first)
    eraser = Eraser(scribe, first.conversation)
    await log.append(eraser.start())
    if is_swept:
        await log.append(eraser.erase(first.sealed.stream))
    await log.append(eraser.close())
    await log.close()

    await copy_to_server(source, postgres_url, identity=1)
    server = await open_log(postgres_url, identity=2)
    assert [head.status for head in await server.heads_of_kind("sys")] == ["erasing"]
    assert await server.sealed_of(eraser.stream) is not None
    with pytest.raises(StreamConflict):
        await server.accept(scribe.acceptance(ANN))
    for call in (eraser.erase(first.sealed.stream), eraser.end()):
        await server.append(call)
    await server.close()

    await copy_to_file(postgres_url, back, identity=3)
    log = await SqliteLog.open(back)
    assert await log.conversation_at("org1", "email", first.sealed.subject) is None
    assert (await log.sealed_of(eraser.stream), await log.sealed_of(first.sealed.stream)) == (None, None)
    await log.close()
    assert ANN.encode() not in back.read_bytes()
