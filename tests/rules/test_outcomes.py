"""Answers for the closed set of outcomes, and for reading HTTP answers and Retry-After into it."""

import time
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.outcomes import (
    Ambiguous,
    Config,
    Outcome,
    OutcomeName,
    Permanent,
    Rate,
    Recipient,
    Taken,
    Transient,
    is_fault,
    name_of,
    of_endpoint_status,
    of_provider_status,
    retry_after_us,
)

# RFC 9110 section 5.6.7 gives one instant in its three forms.
INSTANT_US = 784_111_777_000_000
FORMS = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_there_are_ten_outcomes_with_a_word_each() -> None:
    """The set is closed, and each outcome's word is its own."""
    names = [name_of(kind()) for kind in get_args(Outcome)]
    assert sorted(names) == sorted(get_args(OutcomeName))
    assert len(names) == 10


def test_only_what_the_other_side_broke_is_a_fault() -> None:
    """Circuits and breakers count transient and ambiguous outcomes, and nothing else."""
    assert {name_of(kind()) for kind in get_args(Outcome) if is_fault(kind())} == {"transient", "ambiguous"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Taken),
        (202, Taken),
        (299, Taken),
        (300, Permanent),
        (400, Permanent),
        (401, Config),
        (403, Config),
        (404, Permanent),
        (408, Transient),
        (425, Transient),
        (429, Rate),
        (500, Transient),
        (501, Transient),
        (502, Ambiguous),
        (503, Transient),
        (504, Ambiguous),
        (599, Transient),
    ],
)
def test_a_providers_status_has_one_reading(status: int, kind: type[Outcome]) -> None:
    """A gateway's answer is ambiguous, a refusal permanent, broken credentials are ours."""
    outcome = of_provider_status(status, after_us=5, detail="why")
    assert type(outcome) is kind
    assert outcome.code == str(status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Taken),
        (204, Taken),
        (301, Transient),
        (400, Transient),
        (401, Transient),
        (404, Transient),
        (410, Recipient),
        (429, Rate),
        (500, Transient),
        (502, Transient),
        (504, Transient),
    ],
)
def test_an_endpoints_status_has_one_reading(status: int, kind: type[Outcome]) -> None:
    """Only 2xx is success, 410 is the end of the endpoint, and everything else its owner may mend."""
    assert type(of_endpoint_status(status)) is kind


@given(status=st.integers(100, 999), after_us=st.one_of(st.none(), st.integers(0, 10**12)))
def test_every_status_is_an_outcome(status: int, after_us: int | None) -> None:
    """However odd a status, it is read, with its code, and Retry-After is kept wherever the outcome has a place."""
    for outcome in (of_provider_status(status, after_us=after_us), of_endpoint_status(status, after_us=after_us)):
        assert outcome.code == str(status)
        if isinstance(outcome, Rate | Transient):
            assert outcome.after_us == after_us


def test_a_429_pauses_its_own_scope() -> None:
    """A provider's 429 speaks for the sender, an endpoint's for its conversation."""
    provider, endpoint = of_provider_status(429), of_endpoint_status(429)
    assert isinstance(provider, Rate)
    assert isinstance(endpoint, Rate)
    assert (provider.scope, endpoint.scope) == ("sender", "pair")


@pytest.mark.parametrize(
    ("value", "wait_us"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("0", 0),
        ("120", 120_000_000),
        (" 7 ", 7_000_000),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("١٢", None),
        ("Fri, 99 Foo 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +9999999999999999999", None),
        ("Sun, 06 Nov 1994 08:49:37", 0),
    ],
)
def test_retry_after_reads_seconds_and_ignores_garbage(value: str | None, wait_us: int | None) -> None:
    """Delta-seconds are read exactly; what cannot be read is None, never an error."""
    assert retry_after_us(value, INSTANT_US + 10**12) == wait_us


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("far_from_greenwich")
def test_retry_after_reads_the_three_dates(form: str) -> None:
    """Each form of an HTTP date is in GMT, whatever the machine's own zone is; a past one is no wait."""
    assert retry_after_us(form, INSTANT_US - 90_000_000) == 90_000_000
    assert retry_after_us(form, INSTANT_US + 1) == 0


@given(value=st.text(max_size=40))
def test_retry_after_never_raises(value: str) -> None:
    """Whatever a peer writes into the header, it is a wait or nothing."""
    wait_us = retry_after_us(value, INSTANT_US)
    assert wait_us is None or wait_us >= 0


def test_a_huge_retry_after_stays_a_number() -> None:
    """A header of a thousand digits is a long wait, not a slow conversion."""
    wait_us = retry_after_us("9" * 1_000, INSTANT_US)
    assert wait_us is not None
    assert wait_us > 10**15
