"""Answers for what FCM is sent: the target, the collapse keys, the lifetime, and what is never sent at all."""

import msgspec
import pytest

from adapters.channels.fcm_message import LIFETIME_S
from core.outcomes import Outcome, Permanent, Taken
from core.policies import SECOND_US
from core.ports import Clock
from tests.edges.channels.fcm_pushes import PUSH, TO, channel_of
from tests.edges.channels.fcm_server import FcmServer, Message
from tests.edges.channels.parcels import MESSAGE, HandOver, parcel_of

pytestmark = pytest.mark.anyio


async def sent(clock: Clock, *contents: object, to: str = TO) -> list[Message]:
    """What FCM has taken once each content was sent."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        for content in contents:
            outcome = await channel.send(parcel_of(clock, to, content), HandOver())
            assert isinstance(outcome, Taken), outcome
        return server.taken


async def test_an_installation_may_be_named_by_its_id(clock: Clock) -> None:
    """`fid:` is a Firebase installation id, the target that takes the token's place."""
    (message,) = await sent(clock, PUSH, to="fid:cXyZ:0123456789abcdefgh")
    assert (message.fid, message.token) == ("cXyZ:0123456789abcdefgh", "")


async def test_a_repeat_replaces_what_it_repeats(clock: Clock) -> None:
    """Without a collapse key of its own a message has one all the same: its id, the same in every attempt."""
    first, second = await sent(clock, PUSH, PUSH)
    for message in (first, second):
        assert message.android.collapse_key == message.android.notification.tag == MESSAGE
        assert message.apns.headers["apns-collapse-id"] == message.webpush.headers["Topic"] == MESSAGE
        assert message.data["tidings_id"] == MESSAGE


@pytest.mark.parametrize(
    ("key", "fits_apns", "fits_web"),
    [
        ("score", True, True),
        ("k" * 32, True, True),
        ("k" * 33, True, False),
        ("k" * 64, True, False),
        ("match 42/score", True, False),
        (" led by a space", False, False),
        ("ключ", False, False),
        ("ü" * 64, False, False),
        ("\U0001f600" * 64, False, False),
        ("line\nend", False, False),
    ],
)
async def test_a_collapse_key_reaches_every_platform(
    clock: Clock, key: str, *, fits_apns: bool, fits_web: bool
) -> None:
    """As it is where it fits, and else as a shorter key that is the same for the same key alone."""
    first, again, other = await sent(
        clock, {**PUSH, "collapse_key": key}, {**PUSH, "collapse_key": key}, {**PUSH, "collapse_key": key[:-1] + "z"}
    )
    assert first.android.collapse_key == first.android.notification.tag == key
    assert (first.apns.headers["apns-collapse-id"] == key) == fits_apns
    assert (first.webpush.headers["Topic"] == key) == fits_web
    assert first.webpush == again.webpush
    assert first.apns.headers["apns-collapse-id"] == again.apns.headers["apns-collapse-id"]
    assert first.apns.headers["apns-collapse-id"] != other.apns.headers["apns-collapse-id"]
    assert first.webpush.headers["Topic"] != other.webpush.headers["Topic"]


async def test_a_push_waits_four_weeks_for_its_device(clock: Clock) -> None:
    """Each platform is told the same time."""
    (message,) = await sent(clock, PUSH)
    assert message.android.ttl == f"{LIFETIME_S}s"
    assert message.webpush.headers["TTL"] == str(LIFETIME_S)
    assert abs(int(message.apns.headers["apns-expiration"]) - clock.now_us() // SECOND_US - LIFETIME_S) <= 60


async def test_a_blank_title_is_left_out(clock: Clock) -> None:
    """A platform would show an empty line for it."""
    handed_over = HandOver()
    async with FcmServer() as server, channel_of(clock, server) as channel:
        await channel.send(parcel_of(clock, TO, {"title": "", "body": "Hi"}), handed_over)
    assert msgspec.json.decode(server.sends[0].body)["message"]["notification"] == {"body": "Hi"}


@pytest.mark.parametrize("key", ["from", "message_type", "gcm", "gcm.n.e", "google", "google.ttl", "tidings_id"])
async def test_reserved_keys_are_refused_here(clock: Clock, key: str) -> None:
    """What FCM keeps for itself, and what we put into the data, ends the message before anything is sent."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        handed_over = HandOver()
        outcome = await channel.send(parcel_of(clock, TO, {**PUSH, "data": {key: "x", "ok": "y"}}), handed_over)
    assert isinstance(outcome, Permanent)
    assert (outcome.code, handed_over.count) == ("data_key", 0)
    assert not server.sends
    assert not server.token_requests


@pytest.mark.parametrize(("more_bytes", "kind"), [(0, Taken), (1, Permanent)])
async def test_four_kilobytes_are_the_most(clock: Clock, more_bytes: int, kind: type[Outcome]) -> None:
    """Title, body and data, our own id among it, as FCM counts them: one byte more is refused here."""
    own_bytes = len("tidings_id") + len(MESSAGE)
    content = {"title": "ü", "body": "b" * (4_096 - 2 - 4 - own_bytes + more_bytes), "data": {"k": "ä!"}}
    async with FcmServer() as server, channel_of(clock, server) as channel:
        outcome = await channel.send(parcel_of(clock, TO, content), HandOver())
    assert isinstance(outcome, kind)
    assert len(server.sends) == 1 - more_bytes
