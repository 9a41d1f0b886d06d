"""Answers for Stripe's signatures, against its own library."""

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from stripe import SignatureVerificationError, WebhookSignature

from adapters.hooks.accounts import StripeHooks
from adapters.hooks.building import verifier_of
from adapters.hooks.requests import RawHook
from adapters.hooks.stripe import StripeVerifier
from adapters.hooks.verifying import Verifier
from tests.edges.hooks.posts import AT_S, NOW_US, SECOND_US, assert_accepted, assert_refused, post
from tests.edges.hooks.vectors import (
    NEW_V1,
    OLD_V1,
    STRIPE_BODY,
    STRIPE_NEW,
    STRIPE_OLD,
    STRIPE_WIDE_BODY,
    STRIPE_WIDE_V1,
    V0,
)

TOLERANCE_S = 300


def _verifier(*secrets: str) -> Verifier:
    return verifier_of(StripeHooks(secrets=secrets))


def _hook(header: str, body: bytes = STRIPE_BODY) -> RawHook:
    return post(body, [("Stripe-Signature", header)])


@pytest.mark.parametrize(
    ("secret", "entry", "body"),
    [
        (STRIPE_OLD, OLD_V1, STRIPE_BODY),
        (STRIPE_NEW, NEW_V1, STRIPE_BODY),
        (STRIPE_NEW, STRIPE_WIDE_V1, STRIPE_WIDE_BODY),
    ],
)
def test_known_signatures_are_accepted(secret: str, entry: str, body: bytes) -> None:
    """What Stripe's library signed under a secret is genuine, letters beyond ASCII included."""
    assert_accepted(_verifier(secret), _hook(f"t={AT_S},{entry}", body))


def test_while_a_secret_is_rolled_either_is_enough() -> None:
    """A header with an entry for the old and one for the new secret passes with either, in any company."""
    rolling = f"t={AT_S},{OLD_V1},{NEW_V1},{V0}"
    for secrets in ((STRIPE_OLD,), (STRIPE_NEW,), ("whsec_other", STRIPE_NEW), (STRIPE_NEW, STRIPE_OLD)):
        assert_accepted(_verifier(*secrets), _hook(rolling))
    assert_refused(_verifier("whsec_other"), _hook(rolling), "mismatch")


@pytest.mark.parametrize("junk", ["v1", "v1=", "=", "", "v1=zz", "v2=" + OLD_V1[3:], "x=y=z", " ", "\udcff"])
def test_malformed_entries_are_skipped(junk: str) -> None:
    """What stands beside a good entry, before it or after it, does not matter."""
    assert_accepted(_verifier(STRIPE_OLD), _hook(f"t={AT_S},{junk},{OLD_V1}"))
    assert_accepted(_verifier(STRIPE_OLD), _hook(f"{junk},{OLD_V1},t={AT_S},{junk}"))


@pytest.mark.parametrize(
    "header",
    [
        f"t={AT_S}",
        f"t={AT_S},{V0}",
        f"t={AT_S},v0={OLD_V1[3:]}",
        f"t={AT_S},v2={OLD_V1[3:]}",
        f"t={AT_S},{NEW_V1}",
        f"t={AT_S + 1},{OLD_V1}",
        f"t=0{AT_S},{OLD_V1}",
        OLD_V1,
        f"t=,{OLD_V1}",
        f"t={AT_S},t={AT_S},{OLD_V1}",
        f"t={AT_S},t,{OLD_V1}",
        f"t={AT_S + 1},t={AT_S},{OLD_V1}",
    ],
)
def test_no_other_entry_vouches(header: str) -> None:
    """Neither another version, another secret's entry, nor a second that is missing, changed or told twice."""
    assert_refused(_verifier(STRIPE_OLD), _hook(header), "mismatch", "malformed")


def test_a_second_of_the_future_is_bounded_where_stripe_lets_it_pass() -> None:
    """Its library accepts a hook from an hour ahead, we do not; both refuse one of an hour ago."""
    header = f"t={AT_S},{OLD_V1}"
    with freeze_time(datetime.fromtimestamp(AT_S - 3_600, UTC)):
        WebhookSignature.verify_header(STRIPE_BODY, header, STRIPE_OLD, TOLERANCE_S)
    with freeze_time(datetime.fromtimestamp(AT_S + 3_600, UTC)), pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(STRIPE_BODY, header, STRIPE_OLD, TOLERANCE_S)
    for away_s in (-3_600, 3_600):
        assert_refused(_verifier(STRIPE_OLD), _hook(header), "stale", now_us=(AT_S + away_s) * SECOND_US)


def test_the_tolerance_is_a_setting() -> None:
    """A source may be stricter or more patient than Stripe's library."""
    settings = StripeHooks(secrets=(STRIPE_OLD,), tolerance_us=10 * SECOND_US)
    hook = _hook(f"t={AT_S},{OLD_V1}")
    assert_accepted(StripeVerifier(settings), hook, now_us=(AT_S + 10) * SECOND_US)
    assert_refused(StripeVerifier(settings), hook, "stale", now_us=(AT_S + 11) * SECOND_US)
    assert_accepted(StripeVerifier(replace(settings, tolerance_us=3_600 * SECOND_US)), hook, now_us=NOW_US + 10**9)


@given(body=st.text(), secret=st.text(min_size=1), at_s=st.integers(0, 999_999_999_999))
def test_what_stripes_library_signs_is_accepted(body: str, secret: str, at_s: int) -> None:
    """Any body under any secret at any second: signed there, genuine here, and no longer with a byte more."""
    header = WebhookSignature.generate_signature_header(body, secret, at_s)
    assert_accepted(_verifier(secret), _hook(header, body.encode()), now_us=at_s * SECOND_US)
    assert_refused(_verifier(secret), _hook(header, body.encode() + b"\x00"), "mismatch", now_us=at_s * SECOND_US)
