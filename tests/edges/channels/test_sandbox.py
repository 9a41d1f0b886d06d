"""Answers for mail that any mail reader finds, lines that any program reads, and misbehaviour to order."""

import email
import mailbox
from email.policy import default
from pathlib import Path

import anyio
import msgspec
import pytest

from adapters.chance import KeyedChance
from adapters.channels.accounts import Misbehaviour, SandboxSettings
from adapters.channels.sandbox import SandboxChannel
from core.outcomes import Ambiguous, OutcomeName, Rate, Taken, Transient, name_of
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock
from tests.edges.channels.parcels import ACCEPTED_US, EVENT, MAIL, MESSAGE, HandOver, parcel_of

pytestmark = pytest.mark.anyio

ANN = "ann@example.com"


def sandbox(clock: Clock, directory: Path, *misbehave: Misbehaviour, channel: str = "email") -> SandboxChannel:
    """A sandbox lane called `lane`."""
    settings = SandboxSettings(directory=str(directory), misbehave=misbehave)
    return SandboxChannel(settings, lane="lane", channel=channel, clock=clock, chance=KeyedChance(1))


async def test_mail_lies_in_a_maildir(clock: Clock, tmp_path: Path) -> None:
    """The standard library reads it as a new mail with its subject, once a send; nothing half-written lies about."""
    channel = sandbox(clock, tmp_path / "deep")
    handed_over = HandOver()
    outcome = await channel.send(parcel_of(clock, ANN, MAIL), handed_over)
    assert (name_of(outcome), handed_over.count) == ("taken", 1)
    assert isinstance(outcome, Taken)
    box = mailbox.Maildir(str(tmp_path / "deep" / "lane"), create=False)
    ((key, message),) = box.items()
    assert (key, message.get_subdir()) == (outcome.provider_id, "new")
    parsed = email.message_from_bytes(bytes(message), policy=default)
    assert (parsed["Subject"], parsed["To"], parsed["Message-ID"]) == ("Tomorrow", ANN, f"<{MESSAGE}@localhost>")
    assert not list((tmp_path / "deep" / "lane" / "tmp").iterdir())


async def test_a_mail_that_is_sent_twice_lies_there_twice(clock: Clock, tmp_path: Path) -> None:
    """Another attempt is another delivery, as in a real mailbox; the same attempt is the same file."""
    channel = sandbox(clock, tmp_path)
    for attempt in (1, 2, 2):
        await channel.send(parcel_of(clock, ANN, MAIL, attempt=attempt), HandOver())
    assert len(mailbox.Maildir(str(tmp_path / "lane"), create=False)) == 2


async def test_everything_else_is_a_line_each(clock: Clock, tmp_path: Path) -> None:
    """Whatever line breaks a content holds, however many are sent at once: one line a message, and none mixed."""
    channel = sandbox(clock, tmp_path, channel="webhook")
    content = b'{"type":"a",\n "data": {\r\n"b": 1.50}}'
    async with anyio.create_task_group() as group:
        for attempt in range(1, 21):
            group.start_soon(channel.send, parcel_of(clock, "https://x.example/", content, attempt=attempt), HandOver())
    lines = (tmp_path / "lane.jsonl").read_bytes().splitlines()
    read = sorted((msgspec.json.decode(line) for line in lines), key=lambda line: int(line["attempt"]))
    assert [line["attempt"] for line in read] == list(range(1, 21))
    assert b'"content":{"type":"a","data":{"b":1.50}}' in lines[0]
    assert (read[0]["message"], read[0]["to"], read[0]["tenant"], read[0]["channel"], read[0]["accepted_us"]) == (
        MESSAGE, "https://x.example/", "default", "webhook", ACCEPTED_US,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["permanent", "transient", "rate", "recipient", "optout", "config", "hold", "window"],
)
async def test_every_refusal_can_be_ordered(clock: Clock, tmp_path: Path, name: OutcomeName) -> None:
    """Whatever a provider may answer, the sandbox answers on demand, and then delivers nothing."""
    ordered = Misbehaviour(outcome=name, code="why", after_us=MINUTE_US)
    outcome = await sandbox(clock, tmp_path, ordered).send(parcel_of(clock, ANN, MAIL), HandOver())
    assert (name_of(outcome), outcome.code, list(tmp_path.iterdir())) == (name, "why", [])


async def test_the_first_attempts_can_be_made_to_fail(clock: Clock, tmp_path: Path) -> None:
    """`times` counts attempts of a message, so that it is the same after a restart, and only where the address fits."""
    channel = sandbox(clock, tmp_path, Misbehaviour(match="fail-*@*", times=2, code="503", after_us=SECOND_US))
    names = [
        await channel.send(parcel_of(clock, "fail-2@example.com", MAIL, attempt=attempt), HandOver())
        for attempt in (1, 2, 3)
    ]
    refused = Transient(code="503", after_us=SECOND_US)
    assert names == [refused, refused, Taken(code="sandbox", provider_id=names[2].provider_id)]  # type: ignore[union-attr]
    assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Taken)


async def test_the_first_order_that_fits_decides(clock: Clock, tmp_path: Path) -> None:
    """Orders are read from the top."""
    channel = sandbox(clock, tmp_path, Misbehaviour(match="ann@*", outcome="rate"), Misbehaviour())
    assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Rate)
    assert isinstance(await channel.send(parcel_of(clock, "bob@example.com", MAIL), HandOver()), Transient)


async def test_a_share_is_drawn_by_key(clock: Clock, tmp_path: Path) -> None:
    """About so many attempts fail, and the same ones in every run."""
    ordered = Misbehaviour(share=0.3)

    async def run(directory: Path) -> list[str]:
        channel = sandbox(clock, directory, ordered, channel="webhook")
        parcels = [parcel_of(clock, "https://x.example/", EVENT, attempt=attempt) for attempt in range(1, 201)]
        return [name_of(await channel.send(parcel, HandOver())) for parcel in parcels]

    first, second = await run(tmp_path / "a"), await run(tmp_path / "b")
    assert first == second
    assert 30 < first.count("transient") < 90


async def test_an_answer_can_be_lost(clock: Clock, tmp_path: Path) -> None:
    """An ambiguous order delivers and then says nothing: the duplicate that follows can be seen."""
    channel = sandbox(clock, tmp_path, Misbehaviour(outcome="ambiguous", times=1))
    assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Ambiguous)
    assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL, attempt=2), HandOver()), Taken)
    assert len(mailbox.Maildir(str(tmp_path / "lane"), create=False)) == 2


async def test_an_answer_can_be_slow(clock: Clock, tmp_path: Path) -> None:
    """A delay passes between hand-over and answer, and past the deadline there is no answer."""
    channel = sandbox(clock, tmp_path, Misbehaviour(outcome="taken", delay_us=50_000))
    before_us = clock.now_us()
    assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Taken)
    assert clock.now_us() - before_us >= 50_000
    hurried = await channel.send(parcel_of(clock, ANN, MAIL, within_us=40_000), HandOver())
    assert hurried == Ambiguous(code="timeout")


async def test_a_disk_that_does_not_take_it_is_transient(clock: Clock, tmp_path: Path) -> None:
    """A file that stands where the mailbox should be is an outcome, not an error."""
    (tmp_path / "lane").write_text("in the way")
    outcome = await sandbox(clock, tmp_path).send(parcel_of(clock, ANN, MAIL), HandOver())
    assert isinstance(outcome, Transient)
    assert outcome.code == "disk"
