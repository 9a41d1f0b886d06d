"""Answers for what each of Meta's error codes comes to, and for errors in every odd form."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pywa.errors import (
    AuthorizationError,
    IntegrityError,
    SendMessageError,
    ThrottlingError,
    WhatsAppError,
)

from adapters.channels.whatsapp_cloud_errors import OUTCOMES, error_of, failure_of
from core.outcomes import (
    Ambiguous,
    Config,
    Failure,
    Hold,
    OptOut,
    OutcomeName,
    Permanent,
    Rate,
    Recipient,
    Transient,
    name_of,
)
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US

pytestmark = pytest.mark.slow

# Written down a second time, by class, so that a slip in the table does not go unseen.
CLASSES: dict[OutcomeName, list[int]] = {
    "config": [
        *(0, 3, 10, 33, 102, 190, *range(200, 300), 368),
        *(131005, 131030, 131031, 131037, 131042, 131044, 131045, 131063, 133010),
    ],
    "rate": [4, 17, 32, 613, 80007, 130429, 131048, 131056, 131064, 133016],
    "transient": [1, 2, 131000, 131016, 131053, 131057, 133004, 135000],
    "recipient": [131021, 131026, 131062, 137000],
    "optout": [131050],
    "hold": [130472, 131049],
    "window": [131047],
    "permanent": [
        *(100, 130497, 131008, 131009, 131020, 131036, 131041, 131051, 131052),
        *(132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 132069),
    ],
}
# Not in the catalogue of the other client: Graph's own codes, and those of Meta's page that it leaves out.
UNCATALOGUED = {1, 2, 17, 32, 33, 100, 102, 131036, 133004, 133010}


def catalogue() -> dict[int, type[WhatsAppError]]:
    """Each code with the error that another client of Meta's raises for it."""
    named = [kind for family in WhatsAppError.__subclasses__() for kind in family.__subclasses__()]
    return {code: kind for kind in named for code in kind.__error_codes__ or ()}


def of_code(code: object, *, status: int | None = 400, **more: object) -> Failure:
    """What an error with this code comes to."""
    error = {"code": code, "message": "(#1) Title", "error_data": {"details": "In detail"}, **more}
    return failure_of(error_of(msgspec.json.encode(error)), status=status)


@pytest.mark.parametrize(("name", "code"), [(name, code) for name, codes in CLASSES.items() for code in codes])
def test_each_code_has_its_outcome_whatever_the_status(name: OutcomeName, code: int) -> None:
    """A code means the same under any status, as a number or as text, in an answer and in a hook."""
    for status in (None, 200, 400, 401, 429, 500, 503):
        for written in (code, str(code)):
            failure = of_code(written, status=status, is_transient=False)
            assert name_of(failure) == name
            assert (failure.code, failure.detail) == (str(code), "In detail")


def test_no_code_is_left_out() -> None:
    """The table has the codes above and no others."""
    assert sorted(OUTCOMES) == sorted(code for codes in CLASSES.values() for code in codes)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # Which scope a limiter pauses, and for how long at least.
        (131056, Rate(scope="pair", after_us=SECOND_US, growth=4)),
        (130429, Rate(scope="sender")),
        (131048, Rate(scope="sender", after_us=HOUR_US)),
        (131064, Rate(scope="sender", after_us=HOUR_US)),
        (80007, Rate(scope="account")),
        (4, Rate(scope="account")),
        # Codes that mostly mean a fault that stays end the message soon.
        (1, Transient(retries_max=2)),
        (135000, Transient(retries_max=2)),
        (131053, Transient(retries_max=2)),
        (131000, Transient()),
        (131057, Transient(after_us=MINUTE_US)),
        # Being unreachable once proves nothing; being the sender does.
        (131026, Recipient(soft=True)),
        (131021, Recipient()),
        (131050, OptOut(marketing=True)),
        (131049, Hold(after_us=DAY_US)),
        (130472, Hold(after_us=DAY_US)),
    ],
)
def test_the_numbers_of_a_code_are_those_that_meta_names(code: int, expected: Failure) -> None:
    """Scope, wait, growth and bounds are part of what a code means."""
    assert of_code(code) == msgspec.structs.replace(expected, code=str(code), detail="In detail")


def test_the_other_clients_catalogue_agrees() -> None:
    """What others group as authorization, throttling and integrity is config, rate and config here."""
    families: dict[type[WhatsAppError], set[OutcomeName]] = {
        AuthorizationError: {"config"},
        ThrottlingError: {"rate"},
        IntegrityError: {"config", "permanent"},
    }
    known = catalogue()
    for family, names in families.items():
        codes = [code for code, kind in known.items() if issubclass(kind, family)]
        assert codes
        assert {name_of(of_code(code)) for code in codes} <= names


def test_the_other_clients_catalogue_is_covered() -> None:
    """Every code that others know for sending has an outcome, and what only we know is listed."""
    known = catalogue()
    sending = {code for code, kind in known.items() if issubclass(kind, SendMessageError)}
    assert sending <= OUTCOMES.keys()
    assert OUTCOMES.keys() - known.keys() == UNCATALOGUED


@pytest.mark.parametrize(
    ("status", "is_transient", "name"),
    [
        (400, True, "transient"),
        (None, True, "transient"),
        (400, False, "permanent"),
        (None, False, "permanent"),
        (200, False, "permanent"),
        (404, False, "permanent"),
        (401, False, "config"),
        (429, False, "rate"),
        (500, False, "transient"),
        (503, False, "transient"),
        (502, False, "ambiguous"),
        (504, False, "ambiguous"),
    ],
)
def test_an_unknown_code_is_judged_by_what_else_is_said(status: int | None, *, is_transient: bool, name: str) -> None:
    """What Meta says of it counts first, then the status; the code is kept for whoever looks into it."""
    failure = of_code(987654, status=status, is_transient=is_transient)
    assert (name_of(failure), failure.code) == (name, "987654")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Permanent(code="400")),
        (401, Config(code="401")),
        (429, Rate(code="429", scope="sender")),
        (500, Transient(code="500")),
        (502, Ambiguous(code="502")),
        (503, Transient(code="503")),
        (504, Ambiguous(code="504")),
        (302, Permanent(code="302")),
    ],
)
@pytest.mark.parametrize("error", [None, b"", b"<html>", b'"text"', b"[]", b"{}", b"null"])
def test_without_an_error_the_status_decides(status: int, expected: Failure, error: bytes | None) -> None:
    """A gateway's page has no code; a 502 or 504 may hide that the message was taken."""
    assert failure_of(error_of(error), status=status) == expected


def test_the_details_may_be_a_text() -> None:
    """Some endpoints write `error_data` as plain text, and some errors have a title alone."""
    plain = error_of(b'{"code":100,"message":"m","error_data":"The parameter to is missing"}')
    titled = error_of(b'{"code":131026,"title":"Message undeliverable"}')
    assert (failure_of(plain).detail, failure_of(titled).detail) == (
        "The parameter to is missing",
        "Message undeliverable",
    )


def test_an_unknown_object_is_our_mistake() -> None:
    """Graph calls a wrong phone number id a bad parameter, but it is no fault of the message."""
    assert of_code(100, error_subcode=33) == Config(code="100", detail="In detail")
    assert of_code(100, error_subcode=2494010) == Permanent(code="100", detail="In detail")
    assert of_code(131026, error_subcode=33) == Recipient(code="131026", detail="In detail", soft=True)


def test_a_wait_that_the_answer_asks_for_is_a_floor() -> None:
    """The longer of our table's wait and the answer's own holds, and only where waiting helps."""
    long = error_of(b'{"code":131048}')
    assert failure_of(long, status=429, after_us=5) == Rate(code="131048", scope="sender", after_us=HOUR_US)
    assert failure_of(long, after_us=DAY_US) == Rate(code="131048", scope="sender", after_us=DAY_US)
    assert failure_of(None, status=503, after_us=5) == Transient(code="503", after_us=5)
    assert failure_of(error_of(b'{"code":100}'), after_us=5) == Permanent(code="100")


def test_a_detail_names_nobody() -> None:
    """Numbers, addresses and links do not reach the log, whatever Meta repeats."""
    said = {
        "code": 131026,
        "error_data": {"details": "15550001111 (+1 555 000 1111, ann@example.com) see https://x.example/15550001111"},
    }
    failure = failure_of(error_of(msgspec.json.encode(said)), to="+15550001111")
    assert "555" not in failure.detail
    assert "ann" not in failure.detail
    assert "https" not in failure.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("code", "error_subcode", "message", "title", "error_data", "is_transient")


@given(
    st.dictionaries(st.sampled_from(NAMES), JSON).map(msgspec.json.encode) | st.binary(),
    st.none() | st.integers(200, 599),
)
def test_nothing_that_comes_as_an_error_raises(part: bytes, status: int | None) -> None:
    """Whatever its members are, it is classified and its text is short."""
    failure = failure_of(error_of(part), status=status)
    assert failure.code
    assert len(failure.detail) <= 200
