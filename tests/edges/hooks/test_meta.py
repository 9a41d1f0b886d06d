"""Answers for Meta's signatures and its challenge, against pywa."""

from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pywa.client import WhatsApp
from pywa.utils import webhook_updates_validator

from adapters.hooks.accounts import MetaHooks
from adapters.hooks.building import verifier_of
from adapters.hooks.meta import challenge_answer
from adapters.hooks.requests import BadSignature, RawHook, Reason
from tests.edges.hooks.hashing import hexdigest
from tests.edges.hooks.posts import assert_accepted, assert_refused, post
from tests.edges.hooks.vectors import META_BODY, META_SECRET, META_SIGNATURE

SETTINGS = MetaHooks(secrets=(META_SECRET,), verify_token="our word + é")
VERIFIER = verifier_of(SETTINGS)
KNOCK = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token="
QUERY = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "our word + é"}


def _hook(signature: str, body: bytes = META_BODY) -> RawHook:
    return post(body, [("X-Hub-Signature-256", signature)])


def _asked(*pairs: tuple[str, str]) -> RawHook:
    hook = post(b"", raw_path="/hooks/meta?" + urlencode(pairs))
    return replace(hook, method="GET")


def test_a_known_signature_is_accepted() -> None:
    """A body with Meta's own escapes verifies as it came."""
    assert_accepted(VERIFIER, _hook(META_SIGNATURE))
    assert webhook_updates_validator(META_SECRET, META_BODY, META_SIGNATURE)


def test_a_body_that_was_read_and_written_again_is_refused() -> None:
    """The same JSON in another spelling is not what was signed."""
    rewritten = msgspec.json.encode(msgspec.json.decode(META_BODY))
    for body in (rewritten, META_BODY + b" "):
        assert msgspec.json.decode(body) == msgspec.json.decode(META_BODY)
        assert_refused(VERIFIER, _hook(META_SIGNATURE, body), "mismatch")


@pytest.mark.parametrize(
    "signature",
    [
        META_SIGNATURE.removeprefix("sha256="),
        META_SIGNATURE.replace("sha256", "sha1"),
        META_SIGNATURE.replace("sha256", "SHA256"),
        f" {META_SIGNATURE}",
        f"{META_SIGNATURE},{META_SIGNATURE}",
        "sha256=",
        "sha256=" + "0" * 64,
    ],
)
def test_another_form_of_signature_is_refused(signature: str) -> None:
    """Only one hash, under its own prefix."""
    assert_refused(VERIFIER, _hook(signature), "malformed", "mismatch")


def test_the_old_header_counts_for_nothing() -> None:
    """A hash with SHA-1 is neither taken nor in the way."""
    old = ("X-Hub-Signature", "sha1=" + hexdigest(META_SECRET, META_BODY, "sha1"))
    assert_refused(VERIFIER, post(META_BODY, [old]), "missing")
    assert_accepted(VERIFIER, post(META_BODY, [old, ("X-Hub-Signature-256", META_SIGNATURE)]))


@given(body=st.binary(), secret=st.text(min_size=1))
def test_pywa_and_we_accept_the_same(body: bytes, secret: str) -> None:
    """Any bytes under any secret: genuine for both, and with a byte more for neither."""
    verifier, signature = verifier_of(MetaHooks(secrets=(secret,))), "sha256=" + hexdigest(secret, body)
    assert webhook_updates_validator(secret, body, signature)
    assert_accepted(verifier, _hook(signature, body))
    assert not webhook_updates_validator(secret, body + b"\x00", signature)
    assert_refused(verifier, _hook(signature, body + b"\x00"), "mismatch")


def test_the_challenge_is_answered_with_itself() -> None:
    """Who knows our word gets the challenge back, as pywa answers too."""
    client = WhatsApp(phone_id="1", token="t", verify_token=QUERY["hub.verify_token"])
    for challenge in ("1158201444", "a-b_c.9", "x" * 200):
        asked = QUERY | {"hub.challenge": challenge}
        assert challenge_answer(_asked(*asked.items()), SETTINGS) == challenge
        assert client.webhook_challenge_handler(asked["hub.verify_token"], challenge) == (challenge, 200)
    assert client.webhook_challenge_handler("other", "1")[1] == 403


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"hub.verify_token": "other"}, "mismatch"),
        ({"hub.verify_token": ""}, "mismatch"),
        ({"hub.mode": "unsubscribe"}, "malformed"),
        ({"hub.mode": ""}, "malformed"),
        ({"hub.challenge": ""}, "malformed"),
        ({"hub.challenge": "<script>"}, "malformed"),
        ({"hub.challenge": "12 34"}, "malformed"),
        ({"hub.challenge": "1\n"}, "malformed"),
        ({"hub.challenge": "١٢"}, "malformed"),
        ({"hub.challenge": "x" * 201}, "malformed"),
        ({f"x{number}": "y" for number in range(20)}, "malformed"),
    ],
)
def test_a_challenge_of_another_is_refused(changed: dict[str, str], reason: Reason) -> None:
    """Neither a wrong word is answered nor anything that is more than a word itself."""
    with pytest.raises(BadSignature) as raised:
        challenge_answer(_asked(*(QUERY | changed).items()), SETTINGS)
    assert raised.value.reason == reason


@pytest.mark.parametrize("name", list(QUERY))
def test_each_part_of_a_challenge_stands_once(name: str) -> None:
    """A part that is missing or told twice is refused."""
    for pairs, reason in (
        ([pair for pair in QUERY.items() if pair[0] != name], "missing"),
        ([*QUERY.items(), (name, QUERY[name])], "repeated"),
    ):
        with pytest.raises(BadSignature) as raised:
            challenge_answer(_asked(*pairs), SETTINGS)
        assert raised.value.reason == reason


@pytest.mark.parametrize("verify_token", [None, ""])
def test_without_a_word_of_ours_no_challenge_is_answered(verify_token: str | None) -> None:
    """Not even one that says nothing either."""
    settings = MetaHooks(secrets=(META_SECRET,), verify_token=verify_token)
    for said in ("", "None", "our word + é"):
        with pytest.raises(BadSignature):
            challenge_answer(_asked(*(QUERY | {"hub.verify_token": said}).items()), settings)


@given(query=st.text(st.characters()), at=st.sampled_from(["?", KNOCK]))
def test_any_challenge_is_refused_and_no_more(query: str, at: str) -> None:
    """Whatever a query is made of, it comes to a refusal."""
    with pytest.raises(BadSignature):
        challenge_answer(replace(post(b"", raw_path=f"/hooks/meta{at}{query}"), method="GET"), SETTINGS)
