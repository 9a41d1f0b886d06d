"""Answers for GitHub's signatures, against gidgethub."""

import pytest
from gidgethub import ValidationFailure
from gidgethub.sansio import Event, validate_event
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.accounts import GitHubHooks
from adapters.hooks.building import verifier_of
from adapters.hooks.requests import RawHook
from tests.edges.hooks.hashing import hexdigest
from tests.edges.hooks.posts import assert_accepted, assert_refused, post
from tests.edges.hooks.vectors import GITHUB


def _hook(signature: str, body: bytes) -> RawHook:
    return post(body, [("X-Hub-Signature-256", signature), ("X-GitHub-Event", "issues")])


@pytest.mark.parametrize("vector", GITHUB)
def test_known_signatures_are_accepted(vector: tuple[str, bytes, str]) -> None:
    """The signature that GitHub publishes is genuine, and so is one over letters beyond ASCII."""
    secret, body, signature = vector
    assert_accepted(verifier_of(GitHubHooks(secrets=(secret,))), _hook(signature, body))
    validate_event(body, signature=signature, secret=secret)


def test_the_hash_with_sha1_counts_for_nothing() -> None:
    """What GitHub still sends for old receivers is not taken, under its own name or the new one's."""
    secret, body, signature = GITHUB[0]
    verifier, old = verifier_of(GitHubHooks(secrets=(secret,))), "sha1=" + hexdigest(secret, body, "sha1")
    validate_event(body, signature=old, secret=secret)
    assert_refused(verifier, _hook(old, body), "malformed")
    assert_refused(verifier, post(body, [("X-Hub-Signature", signature)]), "missing")


def test_a_form_is_signed_as_it_came() -> None:
    """Where a webhook is set to send forms, the encoded form is what is verified, as gidgethub does too."""
    body = b"payload=%7B%22zen%22%3A%22Keep+it+logically+awesome.%22%7D"
    signature = "sha256=" + hexdigest("gh-secret", body)
    headers = {
        "x-hub-signature-256": signature,
        "content-type": "application/x-www-form-urlencoded",
        "x-github-event": "ping",
        "x-github-delivery": "d",
    }
    assert Event.from_http(headers, body, secret="gh-secret").data == {"zen": "Keep it logically awesome."}
    assert_accepted(verifier_of(GitHubHooks(secrets=("gh-secret",))), post(body, headers.items()))


@given(body=st.binary(), secret=st.text(min_size=1))
def test_gidgethub_and_we_accept_the_same(body: bytes, secret: str) -> None:
    """Any bytes under any secret: genuine for both, and with a byte more for neither."""
    verifier, signature = verifier_of(GitHubHooks(secrets=(secret,))), "sha256=" + hexdigest(secret, body)
    validate_event(body, signature=signature, secret=secret)
    assert_accepted(verifier, _hook(signature, body))
    with pytest.raises(ValidationFailure):
        validate_event(body + b"\x00", signature=signature, secret=secret)
    assert_refused(verifier, _hook(signature, body + b"\x00"), "mismatch")
