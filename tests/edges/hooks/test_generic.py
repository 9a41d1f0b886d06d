"""Answers for the schemes without a vendor's library: keyed hashes and shown secrets, Green API's among them."""

import hashlib
import hmac
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.accounts import Encoding, GreenApiHooks, Hash, HmacHooks, TokenHooks
from adapters.hooks.building import verifier_of
from tests.edges.hooks.posts import assert_accepted, assert_refused, post
from tests.edges.hooks.samples import basic

NOTICE = b'{"typeWebhook":"stateInstanceChanged","instanceData":{"idInstance":%s}}'
GREEN = verifier_of(GreenApiHooks(secrets=("abc", "Bearer def"), instances=("1101", "1102")))


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sha256=", "v1 "])
def test_every_form_of_keyed_hash_is_accepted(algorithm: Hash, encoding: Encoding, prefix: str) -> None:
    """A sender's hash, encoding and prefix are what the settings say, and nothing else is taken for them."""
    settings = HmacHooks(secrets=("ключ",), header="X-Sum", hash=algorithm, encoding=encoding, prefix=prefix)
    digest = hmac.new("ключ".encode(), b"body", getattr(hashlib, algorithm)).digest()
    forms = {"hex": digest.hex(), "base64": b64encode(digest).decode()}
    verifier = verifier_of(settings)
    assert_accepted(verifier, post(b"body", [("x-sum", prefix + forms.pop(encoding))]))
    for wrong in (*forms.values(), digest.hex()[:-1], b64encode(digest[:-1]).decode()):
        assert_refused(verifier, post(b"body", [("x-sum", prefix + wrong)]), "mismatch")
    if prefix:
        assert_refused(verifier, post(b"body", [("x-sum", digest.hex())]), "malformed")


def test_hexadecimal_digits_count_in_either_case() -> None:
    """Some senders write them in upper case."""
    digest = hmac.digest(b"k", b"body", "sha256").hex()
    verifier = verifier_of(HmacHooks(secrets=("k",), header="X-Sum"))
    for text in (digest, digest.upper()):
        assert_accepted(verifier, post(b"body", [("X-Sum", text)]))


@given(body=st.binary(), secret=st.text(min_size=1))
def test_any_bytes_are_hashed_as_they_came(body: bytes, secret: str) -> None:
    """Any bytes under any secret verify, and with one byte more they do not."""
    verifier = verifier_of(HmacHooks(secrets=(secret,), header="X-Sum", encoding="base64"))
    given_hash = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    assert_accepted(verifier, post(body, [("X-Sum", given_hash)]))
    assert_refused(verifier, post(body + b"\x00", [("X-Sum", given_hash)]), "mismatch")


def test_a_password_is_found_where_basic_auth_puts_it() -> None:
    """Any user passes where none is configured, and only that one where one is; colons belong to the password."""
    anybody = verifier_of(TokenHooks(secrets=("pass:wörd",)))
    only = verifier_of(TokenHooks(secrets=("pass:wörd",), user="postmark"))
    for verifier in (anybody, only):
        assert_accepted(verifier, post(b"", [("Authorization", basic("postmark", "pass:wörd"))]))
        assert_accepted(verifier, post(b"", [("authorization", "bASIC" + basic("postmark", "pass:wörd")[5:])]))
        assert_refused(verifier, post(b"", [("Authorization", basic("postmark", "pass:word"))]), "mismatch")
        assert_refused(verifier, post(b"", [("Authorization", basic("postmark", ""))]), "mismatch")
    for user in ("", "Postmark", "postmark "):
        assert_accepted(anybody, post(b"", [("Authorization", basic(user, "pass:wörd"))]))
        assert_refused(only, post(b"", [("Authorization", basic(user, "pass:wörd"))]), "mismatch")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic " + b64encode(b"opensesame").decode(),
            "Bearer opensesame",
            "opensesame",
        ),
        *("Basic" + b64encode(b"a:opensesame").decode(), "Basic  " + b64encode(b"a:opensesame").decode(), "Basic é"),
        "Basic " + b64encode(b"\xff\xfe:\xff").decode(),
    ],
)
def test_what_is_no_basic_auth_is_refused(value: str) -> None:
    """Other words, other encodings, and a password without a user."""
    verifier = verifier_of(TokenHooks(secrets=("opensesame",)))
    assert_refused(verifier, post(b"", [("Authorization", value)]), "malformed", "mismatch")


def test_a_shown_secret_is_the_whole_value_of_its_header() -> None:
    """Neither a part of it nor the same in another header will do."""
    verifier = verifier_of(TokenHooks(secrets=("opensesame", "Bearer x"), header="X-Token"))
    for good in ("opensesame", "Bearer x"):
        assert_accepted(verifier, post(b"any", [("X-Token", good)]))
    for bad in ("open", "opensesame ", "Opensesame", "x", "Bearer opensesame"):
        assert_refused(verifier, post(b"any", [("X-Token", bad)]), "mismatch")
    assert_refused(verifier, post(b"any", [("X-Tokens", "opensesame")]), "missing")


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "Basic abc", "abc", "Bearer def", "def", "Basic def"])
def test_a_green_token_counts_with_or_without_its_word(value: str) -> None:
    """The account's settings decide what stands before the token, so neither side's word matters."""
    assert_accepted(GREEN, post(NOTICE % b"1101", [("Authorization", value)]))


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic ", "Bearer ab", "Token abc", "Bearer Bearer abc", "ABC"])
def test_another_green_token_is_refused(value: str) -> None:
    """Without the token no word helps."""
    assert_refused(GREEN, post(NOTICE % b"1101", [("Authorization", value)]), "mismatch", "malformed")


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        (NOTICE % b"1101", True),
        (NOTICE % b'"1102"', True),
        (NOTICE % b"1103", False),
        (NOTICE % b"11010", False),
        (NOTICE % b"true", False),
        (NOTICE % b"null", True),
        (b'{"instanceData":[]}', True),
        (b"{", True),
        (b"\xff", True),
        (b"", True),
    ],
)
def test_a_notice_about_another_instance_is_refused(body: bytes, *, accepted: bool) -> None:
    """A token vouches for its own instances; a body that names none is taken, or it would hold up all behind it."""
    hook = post(body, [("Authorization", "Bearer abc")])
    if accepted:
        assert_accepted(GREEN, hook)
    else:
        assert_refused(GREEN, hook, "mismatch")
    assert_accepted(verifier_of(GreenApiHooks(secrets=("abc",))), hook)
