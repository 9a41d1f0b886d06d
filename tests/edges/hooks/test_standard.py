"""Answers for Standard Webhooks and Svix, against the standard's library, Resend's own verifier and our own signer."""

import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from resend import Webhooks
from standardwebhooks import Webhook

from adapters.channels.signing import Signer, key_of
from adapters.hooks.accounts import StandardHooks
from adapters.hooks.building import verifier_of
from adapters.hooks.requests import RawHook
from adapters.hooks.verifying import Verifier
from tests.edges.hooks.posts import AT_S, NOW_US, SECOND_US, assert_accepted, assert_refused, bent, post
from tests.edges.hooks.samples import standard_headers
from tests.edges.hooks.vectors import (
    BY_KEY,
    BY_ONE,
    BY_TWO,
    STANDARD,
    STANDARD_BODY,
    STANDARD_ID,
    STANDARD_ONE,
    STANDARD_PRIVATE,
    STANDARD_PUBLIC,
    STANDARD_SEED,
    STANDARD_TWO,
)

ROTATION = f"{BY_TWO} {BY_ONE} {BY_KEY}"
ids = st.text(st.characters(codec="utf-8", exclude_characters=".", exclude_categories=["C"]), min_size=1)


def _verifier(*secrets: str) -> Verifier:
    return verifier_of(StandardHooks(secrets=secrets))


def _hook(signature: str, *, family: str = "webhook", event: str = STANDARD_ID) -> RawHook:
    return post(STANDARD_BODY, standard_headers(signature, family=family, event=event))


@pytest.mark.parametrize("family", ["webhook", "svix", "Webhook", "SVIX"])
@pytest.mark.parametrize("vector", STANDARD)
def test_known_signatures_are_accepted(vector: tuple[str, str, int, bytes, str], family: str) -> None:
    """Known secrets, ids, seconds and bodies verify under both sets of names, HMAC and Ed25519 alike."""
    secret, event, at_s, body, signature = vector
    headers = [(f"{family}-id", event), (f"{family}-timestamp", str(at_s)), (f"{family}-signature", signature)]
    assert_accepted(_verifier(secret), post(body, headers), now_us=(at_s + 1) * SECOND_US)


@pytest.mark.parametrize("secret", [STANDARD_ONE, STANDARD_TWO, STANDARD_PUBLIC, STANDARD_PRIVATE, STANDARD_SEED])
@pytest.mark.parametrize("family", ["webhook", "svix"])
def test_while_keys_rotate_any_entry_is_enough(secret: str, family: str) -> None:
    """A list of entries under several keys and versions passes with each of these keys alone."""
    assert_accepted(_verifier(secret), _hook(ROTATION, family=family))


@pytest.mark.parametrize(
    "junk",
    [
        "",
        " ",
        "v1",
        "v1,",
        "v1,===",
        "v1,AAAA",
        "v1a,AAAA",
        "v1a,é",
        "v1a",
        "v1a,",
        ",",
        "v2,AAAA",
        "v1,v1,v1",
        "\udcff",
    ],
)
@pytest.mark.parametrize(("secret", "good"), [(STANDARD_ONE, BY_ONE), (STANDARD_PUBLIC, BY_KEY)])
def test_malformed_entries_are_skipped(secret: str, good: str, junk: str) -> None:
    """What stands beside a good entry, before it or after it, does not matter; alone it vouches for nothing."""
    for signature in (f"{junk} {good}", f"{good} {junk}", f"{junk} {junk} {good}"):
        assert_accepted(_verifier(secret), _hook(signature))
    assert_refused(_verifier(secret), _hook(junk))


@pytest.mark.parametrize(
    ("secret", "signature"),
    [
        (STANDARD_ONE, f"v2,{BY_ONE[3:]}"),
        (STANDARD_ONE, f"v1a,{BY_ONE[3:]}"),
        (STANDARD_ONE, f"V1,{BY_ONE[3:]}"),
        (STANDARD_ONE, BY_ONE[3:]),
        (STANDARD_ONE, BY_ONE.rstrip("=")),
        (STANDARD_ONE, BY_ONE.replace("+", "-").replace("/", "_")),
        (STANDARD_ONE, "v1," + b64decode(BY_ONE[3:]).hex()),
        (STANDARD_ONE, f"{BY_TWO} {BY_KEY}"),
        (STANDARD_PUBLIC, f"v1,{BY_KEY[4:]}"),
        (STANDARD_PUBLIC, f"v2a,{BY_KEY[4:]}"),
        (STANDARD_PUBLIC, BY_KEY.rstrip("=")),
        (STANDARD_PUBLIC, f"{BY_KEY[:20]}!{BY_KEY[20:]}"),
        (STANDARD_PUBLIC, f"{BY_ONE} {BY_TWO}"),
    ],
)
def test_no_other_entry_vouches(secret: str, signature: str) -> None:
    """Neither another version, another alphabet, a part of a signature, nor other keys' entries."""
    assert_refused(_verifier(secret), _hook(signature), "mismatch")


def test_an_id_with_a_dot_is_refused() -> None:
    """The dot parts what is signed, so with one in the id a genuine text could be cut elsewhere."""
    whole = Webhook(STANDARD_ONE).sign("msg_1", datetime.fromtimestamp(AT_S, UTC), f"{AT_S + 1}.5")
    genuine = [("webhook-id", "msg_1"), ("webhook-timestamp", str(AT_S)), ("webhook-signature", whole)]
    shifted = [("webhook-id", f"msg_1.{AT_S}"), ("webhook-timestamp", str(AT_S + 1)), ("webhook-signature", whole)]
    assert_accepted(_verifier(STANDARD_ONE), post(f"{AT_S + 1}.5".encode(), genuine))
    assert_refused(_verifier(STANDARD_ONE), post(b"5", shifted), "malformed")


def test_an_id_that_is_no_text_is_verified_as_its_bytes() -> None:
    """What a header held on the wire is what was signed, whatever it reads as here."""
    wire = b"msg_\xff"
    signature = "v1," + b64encode(hmac.digest(key_of(STANDARD_ONE), wire + f".{AT_S}.".encode(), "sha256")).decode()
    hook = post(b"", standard_headers(signature, event=wire.decode("utf-8", "surrogateescape")))
    assert_accepted(_verifier(STANDARD_ONE), hook)
    for event in ("msg_\xff", "msg_", "msg_\ud800"):
        assert_refused(_verifier(STANDARD_ONE), post(b"", standard_headers(signature, event=event)))


def test_names_are_not_mixed() -> None:
    """Svix's names go first where all three are there; of an incomplete set nothing is taken."""
    good, bad = standard_headers(BY_ONE), standard_headers(BY_TWO, family="svix")
    assert_refused(_verifier(STANDARD_ONE), post(STANDARD_BODY, [*good, *bad]), "mismatch")
    assert_accepted(_verifier(STANDARD_TWO), post(STANDARD_BODY, [*good, *bad]))
    assert_accepted(_verifier(STANDARD_ONE), post(STANDARD_BODY, [*good, *bad[:2]]))
    assert_refused(_verifier(STANDARD_ONE), post(STANDARD_BODY, [*good[:2], *bad[2:]]), "missing")


def test_a_flood_of_entries_costs_little() -> None:
    """Only the first few Ed25519 entries are tried, since each costs a pass over the body."""
    junk = "v1a," + b64encode(bytes(64)).decode()
    assert_accepted(_verifier(STANDARD_PUBLIC), _hook(" ".join([*[junk] * 7, BY_KEY])))
    assert_refused(_verifier(STANDARD_PUBLIC), _hook(" ".join([*[junk] * 8, BY_KEY])), "mismatch")


@given(secret=st.binary(min_size=1, max_size=64), event=ids, at_s=st.integers(0, 10**10), body=st.text())
def test_what_the_standards_library_signs_is_accepted(secret: bytes, event: str, at_s: int, body: str) -> None:
    """Any body under any key, id and second: signed there, genuine here, and no longer with a byte more."""
    configured = "whsec_" + b64encode(secret).decode()
    signature = Webhook(configured).sign(event, datetime.fromtimestamp(at_s, UTC), body)
    headers = [("webhook-id", event), ("webhook-timestamp", str(at_s)), ("webhook-signature", signature)]
    assert_accepted(_verifier(configured), post(body.encode(), headers), now_us=at_s * SECOND_US)
    assert_refused(_verifier(configured), post(body.encode() + b" ", headers), "mismatch", now_us=at_s * SECOND_US)


@given(seed=st.binary(min_size=32, max_size=32), event=ids, body=st.binary())
def test_what_an_ed25519_key_signs_is_accepted(seed: bytes, event: str, body: bytes) -> None:
    """The public key and both forms of the private one verify the same, any bytes."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes_raw()
    signature = "v1a," + b64encode(key.sign(f"{event}.{AT_S}.".encode() + body)).decode()
    hook = post(body, standard_headers(signature, event=event))
    for prefix, secret in (("whpk_", public), ("whsk_", seed), ("whsk_", seed + public)):
        assert_accepted(_verifier(prefix + b64encode(secret).decode()), hook)


@given(event=ids, body=st.binary())
def test_what_we_send_we_would_accept(event: str, body: bytes) -> None:
    """Our own signer and our own verifier agree, raw secrets and bytes that are no text included."""
    for secret in ("geheim-ü", STANDARD_TWO):
        signature = Signer([secret, STANDARD_ONE]).signatures(event, AT_S, body)
        for family in ("webhook", "svix"):
            hook = post(body, standard_headers(signature, family=family, event=event))
            assert_accepted(_verifier(secret), hook)


def test_what_we_accept_the_libraries_accept() -> None:
    """The same headers pass with the standard's library and with Resend's own verifier, and altered with neither."""
    signature = Signer([STANDARD_ONE]).signatures("msg_ü", AT_S, STANDARD_BODY)
    hook = post(STANDARD_BODY, standard_headers(signature, event="msg_ü"))
    assert_accepted(_verifier(STANDARD_ONE), hook)
    with freeze_time(datetime.fromtimestamp(NOW_US // SECOND_US, UTC)):
        assert Webhook(STANDARD_ONE).verify(STANDARD_BODY, dict(hook.headers))["data"] == {"id": "ntf_1"}
        assert _resend(STANDARD_BODY, "msg_ü", signature)["data"] == {"id": "ntf_1"}
        with pytest.raises(ValueError, match="no matching"):
            _resend(STANDARD_BODY + b" ", "msg_ü", signature)
    assert_refused(_verifier(STANDARD_ONE), bent(hook, "webhook-id", "msg_u"), "mismatch")


def _resend(body: bytes, event: str, signature: str) -> dict[str, object]:
    headers = {"id": event, "timestamp": str(AT_S), "signature": signature}
    return dict(
        Webhooks.verify({"payload": body.decode(), "headers": headers, "webhook_secret": STANDARD_ONE})  # type: ignore[typeddict-item]
    )
