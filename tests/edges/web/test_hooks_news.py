"""Answers for what hooks tell: receipts that find their message, people who write and stop, accounts that go down."""

import hmac
from pathlib import Path
from typing import Final, cast

import msgspec
import pytest

from core.outcomes import Taken
from eventstore.memory import MemoryLog
from tests.edges.hooks.meta_bodies import Object, body, change, entry, preference, status, updates
from tests.edges.hooks.meta_bodies import written as wrote
from tests.edges.hooks.test_green_api_items import of as green
from tests.edges.web.hook_house import STANDARD_SECRET, HookHouse, signed_by_the_standard, taking_hooks
from tests.edges.web.house import EMAIL, Given, Json

pytestmark = pytest.mark.anyio

CHAT: Final = """
[lanes.chat]
channel = "whatsapp"
provider = "whatsapp_cloud"
whatsapp_cloud = { phone_number_id = "106540352242922", token = "EAAG" }
policy = { limits = { tenant = "none", gap = "0s" } }
[hooks.meta]
scheme = "meta"
secrets = ["app-secret"]
"""
TWO_PHONES: Final = """
[lanes.one]
channel = "whatsapp"
provider = "green_api"
green_api = { instance = "1101", token = "token-of-one" }
[lanes.two]
channel = "whatsapp"
provider = "green_api"
green_api = { instance = "1102", token = "token-of-two" }
[hooks.green]
scheme = "green_api"
secrets = ["green-token"]
"""
RESEND: Final = f"""
[lanes.mail]
channel = "email"
provider = "resend"
resend = {{ key = "re_key", from = "us@example.com" }}
[hooks.resend]
scheme = "standard"
secrets = ["{STANDARD_SECRET}"]
lanes = ["mail"]
"""
ANN: Final = "+15550000001"
TEXT: Final[Json] = {"channel": "whatsapp", "to": ANN, "content": {"text": "See you at ten."}}


async def meta(house: HookHouse, *changes: Object) -> Given:
    """What Meta is told of a hook with these changes."""
    sent = body(entry(*changes))
    signature = hmac.digest(b"app-secret", sent, "sha256").hex()
    return await house.post("meta", sent, {"X-Hub-Signature-256": f"sha256={signature}"})


async def sent(house: HookHouse, message: Json, provider_id: str) -> Json:
    """A message that a provider has taken under its own id."""
    house.provider.answers.append(Taken(code="200", provider_id=provider_id))
    given = await house.ask("POST /v1/messages", message)
    assert given.status == 202, given.body
    return await house.until(given.json, "sent")


async def test_a_receipt_finds_its_message_before_the_sender_is_answered(tmp_path: Path) -> None:
    """When Meta hears 200 the message is delivered; then it is read, and an older word changes nothing any more."""
    async with taking_hooks(CHAT, tmp_path) as house:
        message = await sent(house, TEXT, "wamid.OUT0001")
        for word, shown in (("delivered", "delivered"), ("read", "read"), ("sent", "read")):
            assert (await meta(house, updates(statuses=[status(word)]))).json["taken"] == 1
            assert (await house.state(message))["status"] == shown
        assert len(await house.hooks()) == 3


async def test_a_receipt_may_come_twice_and_before_its_message(tmp_path: Path) -> None:
    """A receipt of an unknown message is kept until the message turns up, and a repeated one counts once."""
    async with taking_hooks(CHAT, tmp_path) as house:
        for _ in range(2):
            assert (
                await meta(house, updates(statuses=[status("delivered", biz_opaque_callback_data="")]))
            ).status == 200
        house.provider.answers.append(Taken(code="200", provider_id="wamid.OUT0001"))
        message = (await house.ask("POST /v1/messages", TEXT)).json
        await house.until(message, "delivered")
        assert (await house.types(str(message["id"]))).count("ReceiptSeen") == 1


async def test_a_batch_of_receipts_finds_each_its_message(tmp_path: Path) -> None:
    """Many statuses in one body, some twice and out of order, leave every message where its furthest one says."""
    async with taking_hooks(CHAT, tmp_path) as house:
        messages = [await sent(house, TEXT | {"to": f"+1555000{n:04}"}, f"wamid.OUT{n:04}") for n in range(1, 21)]
        told = [status(word, n) for word in ("read", "sent", "delivered", "sent") for n in range(1, 21)]
        given = await meta(house, updates(statuses=told))
        assert (given.json["taken"], given.json["duplicates"]) == (60, 20)
        for message in messages:
            assert (await house.state(message))["status"] == "read"


async def test_who_writes_first_is_known_when_we_answer(tmp_path: Path) -> None:
    """A person's first message opens their window in a conversation that a restart and our own first message find."""
    log = MemoryLog()
    async with taking_hooks(CHAT, tmp_path, log=log) as house:
        assert (await meta(house, updates(messages=[wrote(1, from_user_id="")]))).status == 200
        opened = [event for event in await events(house) if event["type"] == "WindowOpened"]
        assert len(opened) == 1
        shown = (await house.ask(f"GET /v1/conversations/{opened[0]['stream']}")).json
        assert (shown["tenant"], shown["channel"], shown["window"]) == ("default", None, "closed")
        assert (await house.ask(f"GET /v1/conversations/{opened[0]['stream']}", tenant="acme")).status == 404
    async with taking_hooks(CHAT, tmp_path, log=MemoryLog(log.durable)) as house:
        message = await sent(house, TEXT, "wamid.OUT0001")
        assert message["conversation"] == opened[0]["stream"]
        shown = (await house.ask(f"GET /v1/conversations/{message['conversation']}")).json
        assert (shown["channel"], shown["attempts"]) == ("whatsapp", 0)
        await meta(house, updates(messages=[wrote(1, from_user_id="", id="wamid.MORE", timestamp="1767300000")]))
        streams = {event["stream"] for event in await events(house) if event["type"] == "WindowOpened"}
        assert streams == {message["conversation"]}


async def test_who_wants_no_more_before_we_wrote_can_be_let_back_in(tmp_path: Path) -> None:
    """A person's stop shows in a conversation without a message, and an operator may end it as any other."""
    async with taking_hooks(CHAT, tmp_path) as house:
        await meta(house, change("user_preferences", user_preferences=[preference("stop", 2)]))
        told, *_ = [event for event in await events(house) if event["type"] == "PeerSuppressed"]
        path = f"/v1/conversations/{told['stream']}"
        shown = (await house.ask(f"GET {path}")).json
        assert (shown["channel"], shown["open"], shown["suppressed"]) == (
            *(None, {}),
            {"scope": "marketing", "reason": "optout"},
        )
        assert (await house.ask(f"POST {path}/release")).json == {"released": 0}
        assert (await house.ask(f"GET {path}")).json["suppressed"] is None
        strange = str((await sent(house, TEXT, "wamid.OUT0001"))["id"]).replace("msg_", "conv_")
        assert (await house.ask(f"GET /v1/conversations/{strange}")).status == 404


async def events(house: HookHouse) -> list[Json]:
    """The whole log."""
    return cast("list[Json]", (await house.ask("GET /v1/events?limit=1000")).json["events"])


async def test_what_one_person_did_is_heeded_in_its_order(tmp_path: Path) -> None:
    """Of a stop and a resumption in one body the last counts, however many other people are told of between."""
    others = [preference("stop", n) for n in range(2, 40)]
    async with taking_hooks(CHAT, tmp_path) as house:
        wishes = [preference("stop", 1), *others, preference("resume", 1), preference("stop", 1, timestamp=2)]
        assert (await meta(house, change("user_preferences", user_preferences=wishes))).status == 200
        marketing = TEXT | {"content": {"text": "Sale!", "marketing": True}}
        for n in (1, 2):
            given = await house.ask("POST /v1/messages", marketing | {"to": f"+1555000{n:04}"})
            assert (await house.until(given.json, "dead"))["reason"] == "suppressed"
        resumed = change("user_preferences", user_preferences=[preference("resume", 1, timestamp=3)])
        assert (await meta(house, resumed)).status == 200
        await house.until((await house.ask("POST /v1/messages", marketing)).json, "sent")


async def test_an_account_that_goes_down_pauses_its_own_lane(tmp_path: Path) -> None:
    """An instance that lost its phone pauses its own lane alone, which goes on when it is linked again."""
    async with taking_hooks(TWO_PHONES, tmp_path) as house:

        async def told(state: str) -> dict[object, object]:
            notification = msgspec.json.decode(green("stateInstanceChanged", stateInstance=state))
            notification["instanceData"]["idInstance"] = 1102
            sent = msgspec.json.encode(notification | {"timestamp": len(await house.hooks())})
            assert (await house.post("green", sent, {"Authorization": "Bearer green-token"})).status == 200
            lanes = cast("list[Json]", (await house.ask("GET /v1/lanes")).json["lanes"])
            return {lane["name"]: lane["paused_by"] for lane in lanes}

        assert await told("notAuthorized") == {"one": None, "two": "provider", "green": None}
        assert await told("authorized") == {"one": None, "two": None, "green": None}


async def test_mail_that_bounces_is_known_by_its_hook(tmp_path: Path) -> None:
    """Resend's word about a mail fails it, and its address gets nothing more."""
    async with taking_hooks(RESEND, tmp_path) as house:
        message = await sent(house, EMAIL, "re_1")
        data = {"email_id": "re_1", "to": ["ann@example.com"], "bounce": {"type": "Permanent", "subType": "General"}}
        told = msgspec.json.encode({"type": "email.bounced", "created_at": "2026-01-01T00:00:00Z", "data": data})
        headers = signed_by_the_standard(told, "msg_1", family="svix")
        assert (await house.post("resend", told, headers)).json["taken"] == 1
        assert (await house.state(message))["status"] == "failed"
        again = await house.ask("POST /v1/messages", EMAIL)
        assert (await house.until(again.json, "dead"))["reason"] == "suppressed"


async def test_news_of_another_sources_lanes_are_not_believed(tmp_path: Path) -> None:
    """A source vouches for its own lanes: what it says of other lanes' messages changes nothing."""
    strangers = RESEND + CHAT
    async with taking_hooks(strangers, tmp_path) as house:
        message = await sent(house, EMAIL, "wamid.OUT0001")
        told = status("failed", biz_opaque_callback_data=message["id"])
        assert (await meta(house, updates(statuses=[told]))).status == 200
        assert (await house.state(message))["status"] == "sent"
