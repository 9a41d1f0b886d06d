"""Answers for the door for hooks: what it takes, what it refuses, and what senders are told."""

import gzip
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from adapters.web.front import WebBounds
from tests.edges.hooks.meta_bodies import body as meta_body
from tests.edges.hooks.meta_bodies import entry, updates, written
from tests.edges.hooks.samples import basic
from tests.edges.web.hook_house import (
    STANDARD_SECRET,
    STRIPE,
    STRIPE_SECRET,
    signed_by_stripe,
    signed_by_the_standard,
    taking_hooks,
)
from tests.edges.web.house import Json, bare_line

pytestmark = pytest.mark.anyio

EVENT: Json = {"id": "evt_1", "object": "event", "type": "invoice.paid"}
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = b64encode(PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
ALL = f"""
[server]
public_url = "https://tidings.example"
{STRIPE}
[hooks.meta]
scheme = "meta"
secrets = ["app-secret"]
verify_token = "agreed"
[hooks.github]
scheme = "github"
secrets = ["gh-secret"]
[hooks.standard]
scheme = "standard"
secrets = ["{STANDARD_SECRET}"]
[hooks.twilio]
scheme = "twilio"
secrets = ["12345"]
[hooks.green]
scheme = "green_api"
secrets = ["green-token"]
[hooks.sendgrid]
scheme = "sendgrid"
secrets = ["{PUBLIC}"]
[hooks.shop]
scheme = "hmac"
secrets = ["shop-secret"]
header = "X-Shop"
prefix = "v="
[hooks.postmark]
scheme = "token"
secrets = ["opensesame"]
user = "postmark"
"""


def keyed(body: bytes, secret: bytes) -> str:
    """The keyed hash that several senders put into a header."""
    return hmac.digest(secret, body, hashlib.sha256).hex()


def genuine(source: str) -> tuple[bytes, Mapping[str, str]]:
    """A hook that a source's sender signs, mostly with its own library."""
    body = b'{"id":"evt_1","type":"x","instanceData":{"idInstance":1101}}'
    match source:
        case "stripe":
            return body, {"Stripe-Signature": signed_by_stripe(body)}
        case "meta":
            return body, {"X-Hub-Signature-256": f"sha256={keyed(body, b'app-secret')}"}
        case "github":
            return body, {"X-Hub-Signature-256": f"sha256={keyed(body, b'gh-secret')}", "X-GitHub-Delivery": "72d3"}
        case "standard":
            return body, signed_by_the_standard(body, "msg_1")
        case "twilio":
            fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "From": "+14155550100"}
            signature = RequestValidator("12345").compute_signature("https://tidings.example/hooks/twilio?a=b", fields)
            form = b"MessageSid=SM1&MessageStatus=delivered&From=%2B14155550100"
            return form, {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        case "green":
            return body, {"Authorization": "Bearer green-token"}
        case "sendgrid":
            at_s = signed_by_the_standard(body, "m")["webhook-timestamp"]
            signature = b64encode(PRIVATE.sign(at_s.encode() + body, ec.ECDSA(SHA256()))).decode()
            name = "X-Twilio-Email-Event-Webhook"
            return body, {f"{name}-Signature": signature, f"{name}-Timestamp": at_s}
        case "shop":
            return body, {"X-Shop": f"v={keyed(body, b'shop-secret')}"}
        case _:
            return body, {"Authorization": basic("postmark", "opensesame")}


SOURCES = ["stripe", "meta", "github", "standard", "twilio", "green", "sendgrid", "shop", "postmark"]


@pytest.mark.parametrize("source", SOURCES)
async def test_a_genuine_hook_is_taken_once(source: str, tmp_path: Path) -> None:
    """Each scheme takes what its sender signs with 200, and the same again as well, without a second message."""
    async with taking_hooks(ALL, tmp_path) as house:
        body, headers = genuine(source)
        path = "twilio?a=b" if source == "twilio" else source
        for _ in range(3):
            given = await house.post(path, body, headers)
            assert given.status == 200, given.body
        [hook] = await house.hooks()
        assert (hook["lane"], hook["status"], str(hook["id"])[:5]) == (source, "delivered", "hook_")
        assert await house.metric("tidings_hooks_taken_total", source=source) == 1
        assert await house.metric("tidings_hooks_repeated_total", source=source) == 2


@pytest.mark.parametrize("source", SOURCES)
async def test_a_forged_hook_leaves_nothing_but_a_count(source: str, tmp_path: Path) -> None:
    """Without headers, under another secret or with another byte: 401, the same words for all, and no event."""
    async with taking_hooks(ALL, tmp_path) as house:
        body, headers = genuine(source)
        path = "twilio?a=b" if source == "twilio" else source
        forged = [(body, {}), (body, {name: value[:-2] for name, value in headers.items()})]
        if source not in {"green", "postmark"}:
            forged.append((body + b" ", dict(headers)))
        for sent, with_headers in forged:
            given = await house.post(path, sent, with_headers)
            assert (given.status, given.body) == (401, b'{"error":"invalid_signature"}')
            assert given.headers["Content-Type"] == "application/json"
        assert await house.hooks() == []
        refused = [line for line in (await house.ask("GET /metrics")).body.decode().splitlines()
                   if line.startswith("tidings_hooks_refused_total{")]  # fmt: skip  # One list of lines.
        assert sum(float(line.rpartition(" ")[2]) for line in refused) == len(forged)
        assert all(f'source="{source}"' in line for line in refused)


async def test_a_refusal_is_counted_by_its_reason(tmp_path: Path) -> None:
    """Who runs the house can tell a wrong secret from a clock, a replay or a proxy that doubles headers."""
    async with taking_hooks(STRIPE, tmp_path) as house:
        body = msgspec.json.encode(EVENT)
        for headers in (
            {},
            {"Stripe-Signature": "nonsense"},
            {"Stripe-Signature": signed_by_stripe(body, "another")},
            {"Stripe-Signature": signed_by_stripe(body, ago_s=400)},
        ):
            assert (await house.post("stripe", body, headers)).status == 401
        line = f"Stripe-Signature: {signed_by_stripe(body)}\r\n"
        async with bare_line(house) as bare:
            head = f"POST /hooks/stripe HTTP/1.1\r\nHost: x\r\n{line * 2}Content-Length: {len(body)}\r\n"
            await bare.send(f"{head}Connection: close\r\n\r\n".encode() + body)
            assert (await bare.all()).startswith(b"HTTP/1.1 401 ")
        for reason in ("missing", "malformed", "mismatch", "stale", "repeated"):
            assert await house.metric("tidings_hooks_refused_total", source="stripe", reason=reason) == 1, reason
        assert b'"note":"hook_refused"' in house.said.getvalue()
        assert b"nonsense" not in house.said.getvalue()


async def test_either_secret_will_do_while_one_is_rolled(tmp_path: Path) -> None:
    """A source with two secrets takes what is signed under either."""
    text = STRIPE.replace(f'"{STRIPE_SECRET}"', f'"whsec_new", "{STRIPE_SECRET}"')
    async with taking_hooks(text, tmp_path) as house:
        for number, secret in enumerate(("whsec_new", STRIPE_SECRET)):
            assert (await house.stripe({"id": f"evt_{number}"}, secret=secret)).status == 200
        assert (await house.stripe({"id": "evt_9"}, secret="whsec_old")).status == 401


async def test_what_verifies_but_cannot_be_read_is_kept(tmp_path: Path) -> None:
    """Bytes that make no sense are stored raw and answered 200, once for the same bytes."""
    async with taking_hooks(ALL, tmp_path) as house:
        for body in (b"", b"no json \xff\x00", b"[" * 5_000, b"null"):
            headers = {"X-Hub-Signature-256": f"sha256={keyed(body, b'app-secret')}"}
            answers = [await house.post("meta", body, headers) for _ in range(2)]
            assert [(given.status, given.json["taken"]) for given in answers] == [(200, 1), (200, 0)]
        assert len(await house.hooks()) == 4


async def test_a_sender_is_told_what_became_of_its_hook(tmp_path: Path) -> None:
    """The answer names a single hook, and counts new ones and repeats of a batch."""
    async with taking_hooks(ALL, tmp_path) as house:
        first, again = await house.stripe(EVENT), await house.stripe(EVENT)
        assert again.json == {"id": first.json["id"], "taken": 0, "duplicates": 1}
        assert (await house.ask(f"GET /v1/messages/{first.json['id']}")).json["lane"] == "stripe"
        batches = [meta_body(entry(updates(messages=[written(n) for n in range(*span)]))) for span in ((0, 3), (2, 5))]
        for body, taken, duplicates in ((batches[0], 3, 0), (batches[1], 2, 1)):
            headers = {"X-Hub-Signature-256": f"sha256={keyed(body, b'app-secret')}"}
            assert (await house.post("meta", body, headers)).json == {
                "id": None, "taken": taken, "duplicates": duplicates
            }  # fmt: skip  # One answer.


async def test_twilio_is_answered_in_its_own_language(tmp_path: Path) -> None:
    """It takes an empty document of its markup for "nothing to do", and complains of anything else."""
    async with taking_hooks(ALL, tmp_path) as house:
        body, headers = genuine("twilio")
        given = await house.post("twilio?a=b", body, headers)
        assert given.headers["Content-Type"].startswith("text/xml")
        assert given.body.endswith(b"<Response></Response>")


@pytest.mark.slow
async def test_a_thousand_updates_are_taken_at_once(tmp_path: Path) -> None:
    """The largest batch that Meta sends becomes a message each, with one answer after all of them are durable."""
    body = meta_body(entry(updates(messages=[written(n) for n in range(1_000)])))
    async with taking_hooks(ALL, tmp_path, door=WebBounds(hook_within_s=60)) as house:
        headers = {"X-Hub-Signature-256": f"sha256={keyed(body, b'app-secret')}"}
        given = await house.post("meta", body, headers)
        assert (given.status, given.json["taken"]) == (200, 1_000)
        assert await house.count() == 1_000
        again = await house.post("meta", body, headers)
        assert (again.json["taken"], again.json["duplicates"]) == (0, 1_000)


async def test_the_same_id_at_two_sources_is_two_events(tmp_path: Path) -> None:
    """A key is its source's own; nor can a client of the API take one away."""
    text = (
        STRIPE + STRIPE.replace("hooks.stripe", "hooks.other") + '[lanes.mail]\nchannel="email"\nprovider="sandbox"\n'
    )
    async with taking_hooks(text, tmp_path) as house:
        await house.accepted(idempotency_key="hook/stripe/evt_1")
        for source in ("stripe", "other"):
            assert (await house.stripe(EVENT, source=source)).json["taken"] == 1
        assert len(await house.hooks()) == 2


async def test_metas_challenge_is_answered_with_the_agreed_word_alone(tmp_path: Path) -> None:
    """The right token gets the challenge back as plain text, a wrong one 403, and no source but Meta's answers GET."""
    async with taking_hooks(ALL, tmp_path) as house:
        ask = "GET /hooks/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
        right = await house.ask(f"{ask}agreed", role=None)
        assert (right.status, right.body) == (200, b"1158201444")
        assert right.headers["Content-Type"].startswith("text/plain")
        assert right.headers["X-Content-Type-Options"] == "nosniff"
        wrong = await house.ask(f"{ask}guessed", role=None)
        assert (wrong.status, wrong.body) == (403, b'{"error":"invalid_signature"}')
        scripted = await house.ask(f"{ask}agreed".replace("1158201444", "%3Cscript%3E"), role=None)
        assert scripted.status == 403
        other = await house.ask("GET /hooks/stripe", role=None)
        assert (other.status, other.kind, other.headers["Allow"]) == (405, "method", "POST")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(method: str, tmp_path: Path) -> None:
    """A hook is posted, and a sender asked for: any other method is answered with these."""
    async with taking_hooks(STRIPE, tmp_path) as house:
        given = await house.ask(f"{method} /hooks/stripe", role=None)
        assert (given.status, given.kind, given.headers["Allow"]) == (405, "method", "GET, HEAD, POST")


@pytest.mark.parametrize("path", ["/hooks/unknown", "/hooks/", "/hooks/stripe/more", "/hooks/STRIPE"])
async def test_an_unknown_source_is_nothing(path: str, tmp_path: Path) -> None:
    """What no table configures answers 404, whatever the body says, and is no label of a figure."""
    async with taking_hooks(STRIPE, tmp_path) as house:
        given = await house.ask(f"POST {path}", raw=b"{}", role=None)
        assert (given.status, given.kind) == (404, "not-found")
        assert b'source="unknown"' not in (await house.ask("GET /metrics")).body


async def test_packed_bodies_are_kept_as_they_were_signed(tmp_path: Path) -> None:
    """What a sender packed is verified and stored packed, since that is what it signed."""
    packed = gzip.compress(b'{"id":"evt_1"}')
    async with taking_hooks(ALL, tmp_path) as house:
        headers = {"X-Shop": f"v={keyed(packed, b'shop-secret')}", "Content-Encoding": "gzip"}
        assert (await house.post("shop", packed, headers)).status == 200


async def test_nothing_private_is_in_events_or_log_lines(tmp_path: Path) -> None:
    """What a hook brings lies in the vault: neither its body nor its key nor its customer stands in an event."""
    async with taking_hooks(STRIPE + 'order_by = "/data/object/customer"\n', tmp_path) as house:
        event: Json = {"id": "evt_private", "data": {"object": {"customer": "cus_private", "name": "Ann Private"}}}
        given = await house.stripe(event)
        assert given.status == 200
        events = (await house.ask("GET /v1/events?limit=1000")).body
        for text in (b"evt_private", b"cus_private", b"Private", STRIPE_SECRET.encode()):
            assert text not in events
            assert text not in house.said.getvalue()


async def test_a_reload_takes_up_changed_sources(tmp_path: Path) -> None:
    """A new source answers, a changed secret counts, and one that is gone is nothing any more."""
    async with taking_hooks(STRIPE, tmp_path) as house:
        assert (await house.stripe(EVENT)).status == 200
        changed = STRIPE.replace(STRIPE_SECRET, "whsec_new") + STRIPE.replace("hooks.stripe", "hooks.fresh")
        await house.adopt(changed, tmp_path)
        assert (await house.stripe({"id": "evt_2"})).status == 401
        assert (await house.stripe({"id": "evt_2"}, secret="whsec_new")).status == 200
        assert (await house.stripe({"id": "evt_3"}, source="fresh")).status == 200
        await house.adopt(STRIPE.replace("hooks.stripe", "hooks.fresh"), tmp_path)
        assert (await house.stripe({"id": "evt_4"})).status == 404
        assert cast("str", (await house.hooks())[0]["lane"]) == "fresh"
