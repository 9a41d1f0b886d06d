"""Answers for Twilio's signatures, against its own library."""

import hashlib
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from multidict import MultiDict
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # It brings no types.

from adapters.hooks.accounts import SharedKey, TwilioHooks
from adapters.hooks.building import verifier_of
from adapters.hooks.requests import RawHook, Reason
from tests.edges.hooks.posts import assert_accepted, assert_refused, bent, post, without
from tests.edges.hooks.samples import FORM_TYPE, JSON_TYPE
from tests.edges.hooks.vectors import (
    TWILIO_FORM,
    TWILIO_JSON,
    TWILIO_JSON_PATH,
    TWILIO_JSON_SIGNATURE,
    TWILIO_PAGE_FORM,
    TWILIO_PAGE_PATH,
    TWILIO_PAGE_SIGNATURE,
    TWILIO_PAGE_URL,
    TWILIO_PATH,
    TWILIO_PUBLIC_URL,
    TWILIO_REPEATED_FORM,
    TWILIO_REPEATED_SIGNATURE,
    TWILIO_SHARED_SIGNATURE,
    TWILIO_SIGNATURE,
    TWILIO_SIGNATURE_WITH_PORT,
    TWILIO_TOKEN,
)

SETTINGS = TwilioHooks(secrets=(TWILIO_TOKEN,), public_url=TWILIO_PUBLIC_URL)
SHARED = SharedKey(id="webhooks_sharedkey_1", secret=TWILIO_TOKEN)
VERIFIER = verifier_of(SETTINGS)
LIBRARY = RequestValidator(TWILIO_TOKEN)
ALGORITHM_HEADER = "X-Twilio-Webhooks-Signature-Settings"

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
values = st.text(st.characters(codec="utf-8"), max_size=8)


def _form(body: bytes, signature: str, *, raw_path: str = TWILIO_PATH) -> RawHook:
    return post(body, [("X-Twilio-Signature", signature), FORM_TYPE], raw_path=raw_path)


def _json(body: bytes, signature: str, *, raw_path: str = TWILIO_JSON_PATH) -> RawHook:
    return post(body, [("X-Twilio-Signature", signature), JSON_TYPE], raw_path=raw_path)


@pytest.mark.parametrize(
    ("public_url", "raw_path", "body", "signature"),
    [
        (TWILIO_PUBLIC_URL, TWILIO_PATH, TWILIO_FORM, TWILIO_SIGNATURE),
        (TWILIO_PUBLIC_URL, TWILIO_PATH, TWILIO_FORM, TWILIO_SIGNATURE_WITH_PORT),
        (f"{TWILIO_PUBLIC_URL}:443", TWILIO_PATH, TWILIO_FORM, TWILIO_SIGNATURE),
        (f"{TWILIO_PUBLIC_URL}:443/", TWILIO_PATH, TWILIO_FORM, TWILIO_SIGNATURE_WITH_PORT),
        (f"{TWILIO_PUBLIC_URL}/hooks", "/twilio?src=a", TWILIO_FORM, TWILIO_SIGNATURE),
        (TWILIO_PUBLIC_URL, TWILIO_PATH, TWILIO_REPEATED_FORM, TWILIO_REPEATED_SIGNATURE),
        (TWILIO_PAGE_URL, TWILIO_PAGE_PATH, TWILIO_PAGE_FORM, TWILIO_PAGE_SIGNATURE),
    ],
)
def test_known_forms_are_accepted(public_url: str, raw_path: str, body: bytes, signature: str) -> None:
    """With the port and without it, with repeated fields, and behind a proxy that takes a part of the path away."""
    verifier = verifier_of(TwilioHooks(secrets=(TWILIO_TOKEN,), public_url=public_url))
    assert_accepted(verifier, _form(body, signature, raw_path=raw_path))


def test_known_json_is_accepted_and_bound_by_its_hash() -> None:
    """A body that is no form is genuine with the hash that the signed address names, and with no other."""
    hook = _json(TWILIO_JSON, TWILIO_JSON_SIGNATURE)
    assert LIBRARY.validate(TWILIO_PUBLIC_URL + TWILIO_JSON_PATH, TWILIO_JSON.decode(), TWILIO_JSON_SIGNATURE)
    assert_accepted(VERIFIER, hook)
    assert_refused(VERIFIER, replace(hook, body=TWILIO_JSON + b" "), "mismatch")
    own = hashlib.sha256(b"{}").hexdigest()
    forged = replace(hook, body=b"{}", raw_path=f"/hooks/twilio?bodySHA256={own}")
    assert_refused(VERIFIER, forged, "mismatch")


def test_a_shared_key_counts_under_its_id_and_hash() -> None:
    """A hook that names a configured key is verified with that key alone, and with SHA-256."""
    verifier = verifier_of(replace(SETTINGS, secrets=(), shared_keys=(SHARED,)))
    hook = _form(TWILIO_FORM, TWILIO_SHARED_SIGNATURE)
    said = f"key={SHARED.id},algorithm=HMAC_SHA256"
    for text in (said, f"algorithm=HMAC_SHA256, key={SHARED.id}", f"{said},version=2"):
        assert_accepted(verifier, replace(hook, headers=(*hook.headers, (ALGORITHM_HEADER, text))))
    # Without the header a hook is one of the auth token's, of which this source has none.
    assert_refused(verifier, hook, "mismatch")
    assert_refused(verifier, _form(TWILIO_FORM, TWILIO_SIGNATURE), "mismatch")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("key=webhooks_sharedkey_2,algorithm=HMAC_SHA256", "mismatch"),
        ("algorithm=HMAC_SHA256", "mismatch"),
        ("key=,algorithm=HMAC_SHA256", "mismatch"),
        ("key=webhooks_sharedkey_1", "malformed"),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA1", "malformed"),
        ("key=webhooks_sharedkey_1,algorithm=NONE", "malformed"),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256,algorithm=HMAC_SHA256", "malformed"),
        ("", "malformed"),
        (",", "malformed"),
        ("\udcff", "malformed"),
    ],
)
def test_no_other_key_or_hash_is_ever_tried(said: str, reason: Reason) -> None:
    """A request cannot choose what it is verified with, only name what is configured."""
    verifier = verifier_of(replace(SETTINGS, shared_keys=(SHARED,)))
    for signature in (TWILIO_SHARED_SIGNATURE, TWILIO_SIGNATURE):
        hook = _form(TWILIO_FORM, signature)
        assert_refused(verifier, replace(hook, headers=(*hook.headers, (ALGORITHM_HEADER, said))), reason)
    twice = [(ALGORITHM_HEADER, f"key={SHARED.id},algorithm=HMAC_SHA256")] * 2
    hook = _form(TWILIO_FORM, TWILIO_SHARED_SIGNATURE)
    assert_refused(verifier, replace(hook, headers=(*hook.headers, *twice)), "repeated")


@pytest.mark.parametrize(
    "raw_path",
    [
        *(
            "/hooks/twilio",
            "/hooks/twilio?src=b",
            "/hooks/twilio?src=a&",
            "/hooks/Twilio?src=a",
            "/hooks/twilio?src=%61",
        ),
        *("", "*", "https://tidings.example/hooks/twilio?src=a", "tidings.example:443", "/\ud800"),
    ],
)
def test_another_address_is_refused(raw_path: str) -> None:
    """Path and query are signed as they were configured at Twilio, byte for byte."""
    assert_refused(VERIFIER, _form(TWILIO_FORM, TWILIO_SIGNATURE, raw_path=raw_path), "mismatch", "malformed")


def test_the_request_says_nothing_about_its_host() -> None:
    """Headers that name a host are not looked at: the configured address alone is."""
    hook = _form(TWILIO_FORM, TWILIO_SIGNATURE)
    for name in ("Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"):
        assert_accepted(VERIFIER, replace(hook, headers=(*hook.headers, (name, "other.example"))))
    other = verifier_of(replace(SETTINGS, public_url="https://other.example"))
    assert_refused(other, bent(hook, "Host", "tidings.example"), "mismatch")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/json", "multipart/form-data; boundary=x"])
def test_a_body_that_nothing_covers_is_refused(kind: str | None) -> None:
    """A genuine signature over an address alone does not carry a body along."""
    bare = post(b"", [("X-Twilio-Signature", LIBRARY.compute_signature(TWILIO_PUBLIC_URL + TWILIO_PATH, {}))])
    bare = replace(bare, raw_path=TWILIO_PATH)
    assert_accepted(VERIFIER, bare)
    assert_accepted(VERIFIER, replace(bare, method="GET"))
    typed = bare if kind is None else replace(bare, headers=(*bare.headers, ("Content-Type", kind)))
    assert_refused(VERIFIER, replace(typed, body=b"{}"), "missing")
    as_form = replace(bare, headers=(*bare.headers, FORM_TYPE))
    assert_accepted(VERIFIER, as_form)
    assert_refused(VERIFIER, replace(as_form, body=b"&&"), "malformed")
    assert_refused(VERIFIER, replace(as_form, body=b"a=1"), "mismatch")


def test_a_json_hook_cannot_pass_as_a_form() -> None:
    """What a body is called is not signed, so it must not matter: neither kind passes as the other."""
    as_form = replace(_json(TWILIO_JSON, TWILIO_JSON_SIGNATURE))
    assert_refused(VERIFIER, bent(as_form, "Content-Type", FORM_TYPE[1]), "mismatch")
    as_json = _form(TWILIO_FORM, TWILIO_SIGNATURE)
    for bare in (without(as_json, "Content-Type"), bent(as_json, "Content-Type", "application/json")):
        assert_refused(VERIFIER, bare, "missing")
    assert_refused(VERIFIER, replace(as_json, headers=(*as_json.headers, JSON_TYPE)), "repeated")


def test_a_hash_stands_once_in_an_address() -> None:
    """Of two hashes neither is taken, even where Twilio had signed both."""
    raw_path = TWILIO_JSON_PATH + "&bodySHA256=" + "0" * 64
    signature = LIBRARY.compute_signature(TWILIO_PUBLIC_URL + raw_path, {})
    assert_refused(VERIFIER, _json(TWILIO_JSON, signature, raw_path=raw_path), "repeated")


def test_a_form_of_too_many_fields_is_refused() -> None:
    """Sorting is bounded, far above what Twilio sends."""
    fields = [(f"f{number}", "v") for number in range(1_001)]
    signature = LIBRARY.compute_signature(TWILIO_PUBLIC_URL + TWILIO_PATH, dict(fields))
    assert_refused(VERIFIER, _form(urlencode(fields).encode(), signature), "malformed")
    signature = LIBRARY.compute_signature(TWILIO_PUBLIC_URL + TWILIO_PATH, dict(fields[:1_000]))
    assert_accepted(VERIFIER, _form(urlencode(fields[:1_000]).encode(), signature))


@given(fields=st.lists(st.tuples(names, values), min_size=1, max_size=8), port=st.booleans())
def test_what_twilios_library_signs_is_accepted(fields: list[tuple[str, str]], *, port: bool) -> None:
    """Any fields, repeated, empty or untrimmed: signed there with or without the port, genuine here."""
    url = f"{TWILIO_PUBLIC_URL}{':443' if port else ''}{TWILIO_PATH}"
    body = urlencode(fields).encode()
    assert parse_qsl(body.decode(), keep_blank_values=True) == fields
    signature = LIBRARY.compute_signature(url, MultiDict(fields))
    assert LIBRARY.validate(TWILIO_PUBLIC_URL + TWILIO_PATH, MultiDict(fields), signature)
    assert_accepted(VERIFIER, _form(body, signature))
    assert_refused(VERIFIER, _form(body + b"&more=", signature), "mismatch")


@given(body=st.text(min_size=1), shared=st.booleans())
def test_what_twilios_library_signs_as_json_is_accepted(body: str, *, shared: bool) -> None:
    """Any body that is no form, under the auth token or a shared key."""
    raw_path = f"/hooks/twilio?a=b&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    algorithm = "HMAC_SHA256" if shared else "HMAC_SHA1"
    signature = LIBRARY.compute_signature(TWILIO_PUBLIC_URL + raw_path, {}, algorithm)
    assert LIBRARY.validate(TWILIO_PUBLIC_URL + raw_path, body, signature, algorithm)
    hook = _json(body.encode(), signature, raw_path=raw_path)
    if shared:
        hook = replace(hook, headers=(*hook.headers, (ALGORITHM_HEADER, f"key={SHARED.id},algorithm=HMAC_SHA256")))
    assert_accepted(verifier_of(replace(SETTINGS, shared_keys=(SHARED,))), hook)
