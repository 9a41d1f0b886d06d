"""Answers for the ids by which hooks are taken once, and the keys that they are kept in order by."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.hooks.accounts import GitHubHooks, HmacHooks, HookSettings, StripeHooks, TokenHooks
from adapters.hooks.identities import KEY_CHARS_MAX, body_hash, event_id, order_key
from adapters.hooks.requests import RawHook
from tests.edges.hooks.posts import post
from tests.edges.hooks.samples import FORM_TYPE, JSON_TYPE, SAMPLES
from tests.edges.hooks.vectors import STANDARD_ID

SETTINGS = {sample.name: sample.settings for sample in SAMPLES}
HOOKS = {sample.name: sample.hook for sample in SAMPLES}
TOKEN = ("I-Twilio-Idempotency-Token", "0d1a")
GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def _named(hook: RawHook, name: str, value: str) -> RawHook:
    return replace(hook, headers=(*hook.headers, (name, value)))


@pytest.mark.parametrize(
    ("settings", "hook", "expected"),
    [
        (SETTINGS["stripe"], HOOKS["stripe"], "evt_tidings_1"),
        (SETTINGS["github"], _named(HOOKS["github"], "x-github-delivery", GUID), GUID),
        (SETTINGS["standard"], HOOKS["standard"], STANDARD_ID),
        (SETTINGS["svix"], HOOKS["svix"], STANDARD_ID),
        (SETTINGS["svix"], _named(HOOKS["svix"], "webhook-id", "unsigned"), STANDARD_ID),
        (SETTINGS["standard"], _named(HOOKS["standard"], "svix-id", "unsigned"), STANDARD_ID),
        (SETTINGS["twilio-form"], post(b"MessageSid=SM1&MessageStatus=sent", [FORM_TYPE]), "SM1:sent"),
        (SETTINGS["twilio-form"], post(b"MessageSid=SM1&MessageStatus=sent", [FORM_TYPE, TOKEN]), "SM1:sent"),
        (SETTINGS["twilio-form"], post(b"MessageSid=SM1&MessageStatus=", [FORM_TYPE, TOKEN]), TOKEN[1]),
        (SETTINGS["twilio-form"], post(b"{}", [JSON_TYPE, TOKEN]), TOKEN[1]),
        (HmacHooks(secrets=("s",), header="X", id_header="X-Id"), post(b"{}", [("x-id", "7")]), "7"),
        (TokenHooks(secrets=("s",), id_pointer="/data/0/id"), post(b'{"data":[{"id":7}]}'), "7"),
    ],
)
def test_the_providers_own_id_is_the_key(settings: HookSettings, hook: RawHook, expected: str) -> None:
    """Each scheme says where its event's id stands, and only what was signed counts where something was."""
    assert event_id(settings, hook) == expected


@pytest.mark.parametrize(
    ("settings", "hook"),
    [
        *((SETTINGS[name], HOOKS[name]) for name in ("meta", "green_api", "sendgrid", "hmac", "token", "twilio-form")),
        (SETTINGS["github"], HOOKS["github"]),
        (SETTINGS["github"], _named(_named(HOOKS["github"], "X-GitHub-Delivery", "1"), "X-GitHub-Delivery", "2")),
        (SETTINGS["github"], _named(HOOKS["github"], "X-GitHub-Delivery", "")),
        (SETTINGS["twilio-form"], post(b"MessageSid=SM1", [FORM_TYPE])),
        (SETTINGS["twilio-form"], post(b"MessageSid=SM1&MessageStatus=sent", [FORM_TYPE, FORM_TYPE])),
        (SETTINGS["twilio-form"], post(b"a&" * 2_000, [FORM_TYPE])),
        (SETTINGS["stripe"], post(b'{"id":null}')),
        (SETTINGS["stripe"], post(b'{"id":""}')),
        (SETTINGS["stripe"], post(b'{"id":{"a":1}}')),
        (SETTINGS["stripe"], post(b"\xff")),
        (SETTINGS["stripe"], post(b"")),
        (HmacHooks(secrets=("s",), header="X", id_header="X-Id"), post(b'{"id":1}')),
        (TokenHooks(secrets=("s",), id_pointer="/id"), post(b"[]")),
    ],
)
def test_what_has_no_id_is_known_by_its_body(settings: HookSettings, hook: RawHook) -> None:
    """A hook that says nothing readable has the hash of its bytes, the same whenever it is repeated."""
    expected = f"sha256:{hashlib.sha256(hook.body).hexdigest()}"
    assert event_id(settings, hook) == body_hash(hook.body) == expected


@pytest.mark.parametrize("text", ["x" * 256, "line\nbreak", "nul\x00", "tab\t", "\u202eright"])
def test_an_id_that_cannot_be_kept_stands_by_its_hash(text: str) -> None:
    """Ids are bounded and printable; two that differ still do, and so do keys of order."""
    body = json.dumps({"id": text}).encode()
    key = event_id(StripeHooks(secrets=("s",)), post(body))
    assert key == order_key(body, "/id") == body_hash(text.encode())
    assert key != body_hash(body)
    hook = post(b"", [("X-GitHub-Delivery", text + "\udcff")])
    assert event_id(GitHubHooks(secrets=("s",)), hook) == body_hash((text + "\udcff").encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(('"cus_1"', "cus_1"), ("42", "42"), ("true", "true"), ("false", "false"), ("-1.5", "-1.5"), ("0", "0")),
        *(('""', None), ("null", None), ("[]", None), ("{}", None), ('["cus_1"]', None)),
        ('"' + "k" * KEY_CHARS_MAX + '"', "k" * KEY_CHARS_MAX),
    ],
)
def test_a_key_of_order_is_a_scalar(value: str, expected: str | None) -> None:
    """Texts, numbers and truth values keep hooks in order; without one a hook waits for nobody."""
    body = b'{"data":{"object":{"customer":%s}}}' % value.encode()
    assert order_key(body, "/data/object/customer") == expected
    assert order_key(body, "/data/object/other") is None
    assert order_key(body[:-1], "/data/object/customer") is None


def test_a_pointer_that_is_none_is_told() -> None:
    """A configuration can refuse it at the start."""
    with pytest.raises(ValueError, match="expected a JSON pointer"):
        order_key(b"{}", "customer")


HEADERS = [
    "X-GitHub-Delivery",
    "webhook-id",
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "X-Id",
    TOKEN[0],
    "Content-Type",
]


@given(
    body=st.binary() | st.sampled_from([b'{"id":"\xff"}', b"MessageSid=%FF&MessageStatus=%00"]),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), st.text(st.characters()) | st.just(FORM_TYPE[1]))),
)
def test_any_hook_has_a_key_that_can_be_kept(body: bytes, headers: list[tuple[str, str]]) -> None:
    """Nothing is raised for any bytes, and what comes out is short and prints."""
    more: list[HookSettings] = [
        HmacHooks(secrets=("s",), header="X", id_header="X-Id"),
        TokenHooks(secrets=("s",), id_pointer="/id"),
    ]
    for settings in (*SETTINGS.values(), *more):
        key = event_id(settings, post(body, headers))
        assert 0 < len(key) <= KEY_CHARS_MAX
        assert key.isprintable()
