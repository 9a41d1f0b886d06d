"""Answers for the signatures of SendGrid's events, against its own library."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook  # type: ignore[import-untyped]  # It brings no types.

from adapters.hooks.accounts import SendGridHooks
from adapters.hooks.building import verifier_of
from tests.edges.hooks.posts import AT_S, assert_accepted, assert_refused, post
from tests.edges.hooks.samples import sendgrid_headers
from tests.edges.hooks.vectors import SENDGRID_BODY, SENDGRID_KEY, SENDGRID_SIGNATURE

VERIFIER = verifier_of(SendGridHooks(secrets=(SENDGRID_KEY,)))
PRIVATE = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
PUBLIC = b64encode(PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def test_a_known_signature_is_accepted() -> None:
    """The body verifies with its line break at the end, for us and for SendGrid's library."""
    assert EventWebhook(SENDGRID_KEY).verify_signature(SENDGRID_BODY.decode(), SENDGRID_SIGNATURE, str(AT_S))
    assert_accepted(VERIFIER, post(SENDGRID_BODY, sendgrid_headers(SENDGRID_SIGNATURE)))


def test_a_stripped_body_is_refused() -> None:
    """The line break at the end is signed."""
    for body in (SENDGRID_BODY.rstrip(), SENDGRID_BODY.replace(b"\r\n", b"\n"), SENDGRID_BODY + b"\r\n"):
        assert_refused(VERIFIER, post(body, sendgrid_headers(SENDGRID_SIGNATURE)), "mismatch")


@pytest.mark.parametrize(
    "signature",
    [
        SENDGRID_SIGNATURE[:-4],
        SENDGRID_SIGNATURE.rstrip("="),
        SENDGRID_SIGNATURE + "AAAA",
        b64decode(SENDGRID_SIGNATURE).hex(),
        b64encode(bytes(64)).decode(),
        b64encode(bytes.fromhex("3006020100020100")).decode(),
        b64encode(b"\x30\x84\xff\xff\xff\xff").decode(),
        "AAAA",
        "====",
        "не base64",
    ],
)
def test_what_is_no_signature_is_refused(signature: str) -> None:
    """Neither parts, other encodings, zeros, nor what is no DER at all."""
    assert_refused(VERIFIER, post(SENDGRID_BODY, sendgrid_headers(signature)), "mismatch", "malformed")


@given(body=st.text(), at_s=st.integers(0, 10**12 - 1))
def test_sendgrids_library_and_we_accept_the_same(body: str, at_s: int) -> None:
    """Any body at any second: genuine for both, and with a byte more for neither."""
    signature = b64encode(PRIVATE.sign(f"{at_s}{body}".encode(), ec.ECDSA(SHA256()))).decode()
    verifier, library = verifier_of(SendGridHooks(secrets=(SENDGRID_KEY, PUBLIC))), EventWebhook(PUBLIC)
    headers, now_us = sendgrid_headers(signature, at_s), at_s * 1_000_000
    assert library.verify_signature(body, signature, str(at_s))
    assert_accepted(verifier, post(body.encode(), headers), now_us=now_us)
    assert not library.verify_signature(body + " ", signature, str(at_s))
    assert_refused(verifier, post(body.encode() + b" ", headers), "mismatch", now_us=now_us)
