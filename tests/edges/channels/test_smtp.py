"""Answers for mail that arrives once, through connections that serve again, and for doubt only after the final dot."""

import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.policy import default

import anyio
import pytest

from adapters.channels.accounts import SmtpSettings
from adapters.channels.smtp import SmtpChannel
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Recipient, Taken, Transient
from core.policies import SECOND_US
from core.ports import Clock
from tests.edges.channels.mail_servers import DROPS, HANGS, Mailhost, Script
from tests.edges.channels.parcels import MAIL, MESSAGE, HandOver, parcel_of

pytestmark = pytest.mark.anyio

ANN = "ann@example.com"
LARGE = {"subject": "Large", "text": "".join(f"line {n} of a large mail{' and more' * 50}\n" for n in range(5_000))}


@asynccontextmanager
async def channel_of(clock: Clock, port: int, **changes: object) -> AsyncIterator[SmtpChannel]:
    """A channel to a server here, closed at the end."""
    asked: dict[str, object] = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "No Reply <no@example.com>"}
    channel = SmtpChannel(SmtpSettings(**{**asked, **changes}), clock=clock)  # type: ignore[arg-type]
    try:
        yield channel
    finally:
        await channel.close()


async def outcome_of(
    clock: Clock, script: Script, content: object = MAIL, *, within_us: int = 20 * SECOND_US, **changes: object
) -> tuple[Outcome, int]:
    """What one mail to a scripted server comes to, and how often it was handed over."""
    handed_over = HandOver()
    async with script, channel_of(clock, script.port, **changes) as channel:
        with anyio.fail_after(60):
            outcome = await channel.send(parcel_of(clock, ANN, content, within_us=within_us), handed_over)
    return outcome, handed_over.count


async def test_a_mail_arrives(clock: Clock) -> None:
    """One recipient, our sender, the mail as it was built, dots and all; the queue id is kept."""
    content = {"subject": "Größe", "text": ".\n..dots\n.\nGrüße\n"}
    handed_over = HandOver()
    async with Mailhost() as host, channel_of(clock, host.port) as channel:
        outcome = await channel.send(parcel_of(clock, ANN, content), handed_over)
    assert (outcome, handed_over.count) == (Taken(code="250 2.0.0", provider_id="Q1"), 1)
    (taken,) = host.taken
    assert (taken.sender, taken.recipients) == ("no@example.com", (ANN,))
    parsed = email.message_from_bytes(taken.data, policy=default)
    assert (parsed["Message-ID"], parsed["Subject"]) == (f"<{MESSAGE}@example.com>", "Größe")
    assert parsed.get_content().splitlines() == [".", "..dots", ".", "Grüße"]


async def test_a_large_mail_arrives_whole(clock: Clock) -> None:
    """What does not fit one write is sent in order, to the last line."""
    async with Mailhost() as host, channel_of(clock, host.port) as channel:
        assert isinstance(await channel.send(parcel_of(clock, ANN, LARGE), HandOver()), Taken)
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Taken)
    parsed = email.message_from_bytes(host.taken[0].data, policy=default)
    assert parsed.get_content().splitlines() == LARGE["text"].splitlines()
    assert (len(host.taken), host.connections) == (2, 1)


async def test_one_connection_serves_many_mails(clock: Clock) -> None:
    """A connection is kept and used again, and replaced after as many mails as it may carry."""
    async with Mailhost() as host, channel_of(clock, host.port, connection_mails_max=3) as channel:
        for _ in range(3):
            await channel.send(parcel_of(clock, ANN, MAIL), HandOver())
        assert host.connections == 1
        await channel.send(parcel_of(clock, ANN, MAIL), HandOver())
        assert (len(host.taken), host.connections) == (4, 2)


async def test_connections_are_bounded(clock: Clock) -> None:
    """However many mails come at once, the server never sees more connections than are allowed."""
    async with Mailhost() as host, channel_of(clock, host.port, connections_max=2) as channel:
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(channel.send, parcel_of(clock, ANN, MAIL), HandOver())
        assert (len(host.taken), host.connections_at_once) == (20, 2)


async def test_idle_connections_are_given_up(clock: Clock) -> None:
    """What nobody needs is closed after a while, with a goodbye, and mail goes on through a new one."""
    async with Script() as script, channel_of(clock, script.port, idle_us=20_000) as channel:
        await channel.send(parcel_of(clock, ANN, MAIL), HandOver())
        with anyio.fail_after(30):
            await script.farewell.wait()
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Taken)
        assert script.connections == 2


async def test_a_restarted_server_costs_no_attempt(clock: Clock) -> None:
    """Kept connections that turn out to be dead are replaced within the same attempt."""
    handed_over = HandOver()
    async with Mailhost() as host, channel_of(clock, host.port) as channel:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(channel.send, parcel_of(clock, ANN, MAIL), HandOver())
        host.drop_all()
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), handed_over), Taken)
        assert handed_over.count == 1


@pytest.mark.parametrize("second", ["421 4.4.2 idle for too long", DROPS])
@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
async def test_a_connection_that_was_used_up_is_replaced(clock: Clock, verb: str, second: str) -> None:
    """A goodbye or an end before the mail, on a connection that was used before, says nothing about this mail."""
    ordinary = "354 go on" if verb == "data" else "250 ok"
    script = Script(**{verb: [ordinary, second, ordinary]})
    handed_over = HandOver()
    async with script, channel_of(clock, script.port) as channel:
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Taken)
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), handed_over), Taken)
        assert (handed_over.count, script.connections) == (1, 2)


async def test_a_refused_envelope_is_taken_back(clock: Clock) -> None:
    """After a refusal the same connection is reset and carries the next mail."""
    script = Script(rcpt=["550 5.1.1 no such user", "250 ok"])
    handed_over = HandOver()
    async with script, channel_of(clock, script.port) as channel:
        refused = await channel.send(parcel_of(clock, ANN, MAIL), handed_over)
        taken = await channel.send(parcel_of(clock, ANN, MAIL), HandOver())
    assert (type(refused), refused.code, handed_over.count, type(taken)) == (Recipient, "550 5.1.1", 0, Taken)
    verbs = [line.partition(" ")[0] for line in script.commands]
    assert verbs[:7] == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]
    assert script.connections == 1


@pytest.mark.parametrize(
    ("verb", "said", "expected"),
    [
        ("greeting", "421 4.3.2 busy", Transient),
        ("greeting", "554 your address is listed", Config),
        ("greeting", "SSH-2.0-OpenSSH", Transient),
        ("greeting", DROPS, Transient),
        ("ehlo", "502 what", Config),
        ("mail", "421 4.3.2 shutting down", Transient),
        ("mail", DROPS, Transient),
        ("rcpt", "451 4.3.0 try later", Transient),
        ("rcpt", "550 no such user", Recipient),
        ("data", "554 5.7.1 spam", Permanent),
        ("data", "250 what", Transient),
        ("data", DROPS, Transient),
    ],
)
async def test_what_ends_before_the_mail_is_never_in_doubt(
    clock: Clock, verb: str, said: str, expected: type[Outcome]
) -> None:
    """Whatever a server does before it asked for the mail, nothing was handed over."""
    outcome, handed_over = await outcome_of(clock, Script(**{verb: said}))
    assert (type(outcome), handed_over) == (expected, 0)


async def test_a_server_that_lost_count_gets_a_new_connection(clock: Clock) -> None:
    """After an answer that is neither yes nor no, that connection is given up, and nothing counts as sent."""
    script = Script(data=["250 what", "354 go on"])
    async with script, channel_of(clock, script.port) as channel:
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Transient)
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Taken)
    assert (script.connections, script.commands.count("RSET")) == (2, 0)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("250 2.0.0 Ok: queued as ABC", Taken(code="250 2.0.0", provider_id="ABC")),
        ("451 4.3.0 try later", Transient(code="451 4.3.0", detail="4.3.0 try later")),
        ("550 5.7.1 spam", Permanent(code="550 5.7.1", detail="5.7.1 spam")),
        ("421 4.3.2 shutting down", Transient(code="421 4.3.2", detail="4.3.2 shutting down")),
        (DROPS, Ambiguous(code="disconnected")),
        ("what", Ambiguous(code="disconnected")),
        ("354 go on", Ambiguous(code="354", detail="go on")),
    ],
)
async def test_only_the_answer_to_the_dot_can_be_missing(clock: Clock, said: str, expected: Outcome) -> None:
    """An answer is believed, whatever it is; a connection that ends instead leaves the mail in doubt."""
    outcome, handed_over = await outcome_of(clock, Script(dot=said))
    assert (outcome, handed_over) == (expected, 1)


async def test_a_mail_that_breaks_off_before_its_dot_was_not_taken(clock: Clock) -> None:
    """Bytes had left, but a server never keeps half a mail: it can be tried again without doubt."""
    # More than the kernels of both sides hold between them, so that its end is still with us when the other side goes.
    huge = {"subject": "Huge", "text": f"a line of a huge mail{' and more' * 100}\n" * 24_000}
    outcome, handed_over = await outcome_of(clock, Script(body=DROPS), huge)
    assert (outcome, handed_over) == (Transient(code="disconnected"), 1)


async def test_silence_after_the_dot_lasts_until_the_deadline(clock: Clock) -> None:
    """The answer to the mail may take longer than any step before it, but not longer than the attempt."""
    before_us = clock.now_us()
    outcome, handed_over = await outcome_of(clock, Script(dot=HANGS), within_us=300_000, step_timeout_us=50_000)
    assert (outcome, handed_over) == (Ambiguous(code="timeout"), 1)
    assert clock.now_us() - before_us >= 290_000


@pytest.mark.parametrize("verb", ["greeting", "ehlo", "mail", "rcpt", "data"])
async def test_silence_before_the_mail_lasts_one_step(clock: Clock, verb: str) -> None:
    """A step that gets no answer is given up long before the deadline, and without doubt."""
    outcome, handed_over = await outcome_of(
        clock, Script(**{verb: HANGS}), within_us=3600 * SECOND_US, step_timeout_us=50_000
    )
    assert (outcome, handed_over) == (Transient(code="timeout"), 0)


async def test_waiting_for_a_connection_ends_with_the_deadline(clock: Clock) -> None:
    """A mail that finds all connections busy is given up in time, without doubt."""
    script = Script(dot=HANGS)
    handed_over = HandOver()
    async with (
        script,
        channel_of(clock, script.port, connections_max=1) as channel,
        anyio.create_task_group() as group,
    ):
        group.start_soon(channel.send, parcel_of(clock, ANN, MAIL), HandOver())
        while "DATA" not in script.commands:
            await anyio.lowlevel.checkpoint()
        late = await channel.send(parcel_of(clock, ANN, MAIL, within_us=50_000), handed_over)
        group.cancel_scope.cancel()
    assert (late, handed_over.count) == (Transient(code="timeout"), 0)


async def test_nothing_listening_is_transient(clock: Clock) -> None:
    """A refused connection, a host that does not exist and a passed deadline have sent nothing."""
    async with Script() as script, channel_of(clock, script.port) as channel:
        late = await channel.send(parcel_of(clock, ANN, MAIL, within_us=0), HandOver())
    async with channel_of(clock, script.port) as channel:
        refused = await channel.send(parcel_of(clock, ANN, MAIL), HandOver())
    async with channel_of(clock, 25, host="no-such-host.invalid") as channel:
        nameless = await channel.send(parcel_of(clock, ANN, MAIL), HandOver())
    assert (late, refused, nameless) == (
        Transient(code="timeout"), Transient(code="connect"), Transient(code="dns"),
    )  # fmt: skip
    assert script.connections == 0


async def test_a_mail_that_the_server_cannot_take_is_not_offered(clock: Clock) -> None:
    """Size and letters that the server rules out beforehand end the message; the connection goes on."""
    async with Mailhost(size_max=1_000) as host, channel_of(clock, host.port) as channel:
        large = await channel.send(parcel_of(clock, ANN, {"subject": "s", "text": "x\n" * 1_000}), HandOver())
        wide = await channel.send(parcel_of(clock, "zoë@example.com", MAIL), HandOver())
        plain = await channel.send(parcel_of(clock, ANN, MAIL), HandOver())
        assert host.connections == 1
    assert (type(large), large.code, type(wide), wide.code) == (
        Permanent, "too_large", Permanent, "smtputf8_missing",
    )  # fmt: skip
    assert isinstance(plain, Taken)


async def test_an_address_beyond_ascii_arrives_where_the_server_takes_it(clock: Clock) -> None:
    """SMTPUTF8 is asked for exactly when it is needed."""
    async with Mailhost(utf8=True) as host, channel_of(clock, host.port) as channel:
        for to in (ANN, "zoë@example.com"):
            assert isinstance(await channel.send(parcel_of(clock, to, MAIL), HandOver()), Taken)
    plain, wide = host.taken
    assert ("SMTPUTF8" in plain.options, "SMTPUTF8" in wide.options) == (False, True)
    assert wide.recipients == ("zoë@example.com",)


async def test_a_cancelled_send_leaves_no_half_used_connection(clock: Clock) -> None:
    """Stopping in the middle of a mail gives its connection up, and the next mail gets one of its own."""
    script = Script(dot=[HANGS, "250 ok"])
    handed_over = HandOver()
    async with script, channel_of(clock, script.port) as channel:
        async with anyio.create_task_group() as group:
            group.start_soon(channel.send, parcel_of(clock, ANN, MAIL), handed_over)
            while "DATA" not in script.commands or not handed_over.count:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert isinstance(await channel.send(parcel_of(clock, ANN, MAIL), HandOver()), Taken)
        assert script.connections == 2
