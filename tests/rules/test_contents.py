"""Answers for reading a request: strict, telling where a mistake stands, and the same bytes for the same wish."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contents import METADATA_BYTES_MAX, PAST_TOLERANCE_US, Submission, in_time, read, submission_of
from core.errors import Invalid, Malformed
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tests.rules.asking import CHAT, EVENT, MAIL, NOW_US, PUSH, SEND_AT_MAX_US, Request, mail_with, submission


def test_a_request_becomes_a_submission() -> None:
    """Everything that was asked for arrives, in normal form and with units."""
    asked = MAIL | {
        "idempotency_key": "k", "reference": "event42", "send_at": "2026-01-31T10:00:00+02:00", "lane": "mail",
        "expires_at": "2026-02-01T08:00:00Z", "order": "any", "priority": 9, "on_ambiguous": "hold",
        "policy": "patient", "time_zone": "Asia/Jerusalem", "metadata": {"campaign": "spring"},
    }  # fmt: skip
    body = msgspec.json.encode(asked)
    made = submission_of(body, now_us=NOW_US, send_at_max_us=SEND_AT_MAX_US, trace="t", correlation="c")
    assert made.request != b""
    assert msgspec.structs.replace(made, request=b"") == Submission(
        channel="email", to="ann@example.com", content=b'{"subject":"Hi","text":"Hello"}', host=None,
        subject="ann@example.com", idempotency_key="k", reference="event42", send_at_us=NOW_US + DAY_US,
        expires_at_us=NOW_US + 2 * DAY_US, lane="mail", order="any", priority=9, on_ambiguous="hold", policy="patient",
        zone="Asia/Jerusalem", metadata=b'{"campaign":"spring"}', trace="t", correlation="c", request=b"",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "to", "host"),
    [
        (MAIL, "ann@example.com", None),
        (EVENT, "https://example.com/", "example.com"),
        (CHAT, "+15551234567", None),
        (PUSH, "user-1", None),
    ],
)
def test_the_peer_is_known_by_its_normal_address(asked: Request, to: str, host: str | None) -> None:
    """Each channel has its own kind of address, and only a webhook has a host."""
    made = submission(asked)
    assert (made.to, made.subject, made.host) == (to, to, host)
    assert (made.send_at_us, made.priority, made.request) == (None, 5, b"")


def test_the_data_of_an_event_is_kept_as_it_was_written() -> None:
    """Numbers, spaces and the order of keys in `data` are the caller's: what it signs or compares must not change."""
    body = b'{"channel":"webhook","to":"https://x.example/","content":{"type":"t","data":{"b": 1.50, "a":1e400}}}'
    assert submission(body).content == b'{"type":"t","data":{"b": 1.50, "a":1e400}}'


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b"", ""),
        (b"{", ""),
        (msgspec.json.encode(MAIL) + b" x", ""),
        (b'{"channel":"webhook","to":"https://x.example","content":{"type":"t","data":"\xff"}}', ""),
        (b'{"channel":"webhook","to":"https://x.example","content":{"type":"t","data":"\\ud800"}}', ""),
        (b'{"channel":"webhook","to":"https://x.example","content":' + b"[" * 100_000, ""),
    ],
)
def test_what_is_no_json_is_malformed(body: bytes, at: str) -> None:
    """Broken JSON, broken UTF-8 and absurd nesting are told apart from a request that is merely wrong."""
    with pytest.raises(Malformed) as raised:
        submission(body)
    assert raised.value.at == at


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ([], ""),
        ({}, "/channel"),
        (MAIL | {"channel": "fax"}, "/channel"),
        (MAIL | {"chanel": "email"}, "/chanel"),
        (MAIL | {"a/b~c": 1}, "/a~1b~0c"),
        ({"channel": "email", "content": {}}, "/to"),
        ({"channel": "email", "to": "ann@example.com"}, "/content"),
        (MAIL | {"to": ""}, "/to"),
        (MAIL | {"to": "ann"}, "/to"),
        (MAIL | {"to": 7}, "/to"),
        (EVENT | {"to": "ftp://x.example/"}, "/to"),
        (CHAT | {"to": "0501234567"}, "/to"),
        (MAIL | {"content": None}, "/content"),
        (MAIL | {"content": []}, "/content"),
        (MAIL | {"priority": 10}, "/priority"),
        (MAIL | {"priority": -1}, "/priority"),
        (MAIL | {"priority": 1.5}, "/priority"),
        (MAIL | {"order": "lifo"}, "/order"),
        (MAIL | {"on_ambiguous": "panic"}, "/on_ambiguous"),
        (MAIL | {"idempotency_key": ""}, "/idempotency_key"),
        (MAIL | {"idempotency_key": "k" * 256}, "/idempotency_key"),
        (MAIL | {"reference": "r" * 256}, "/reference"),
        (MAIL | {"lane": ""}, "/lane"),
        (MAIL | {"policy": "p" * 101}, "/policy"),
        (MAIL | {"time_zone": "../etc/passwd"}, "/time_zone"),
        (MAIL | {"time_zone": "Europe/"}, "/time_zone"),
        (MAIL | {"metadata": []}, "/metadata"),
        (MAIL | {"metadata": {"a": {"b": {"c": 1}}}}, "/metadata"),
        (MAIL | {"metadata": {"a": "b" * METADATA_BYTES_MAX}}, "/metadata"),
        (MAIL | {"metadata": {"a" * 101: 1}}, "/metadata"),
        (MAIL | {"send_at": "2026-02-01"}, "/send_at"),
        (MAIL | {"send_at": "2026-02-01T00:00:00"}, "/send_at"),
        (MAIL | {"send_at": 1_769_760_000}, "/send_at"),
        (MAIL | {"send_at": "2026-13-01T00:00:00Z"}, "/send_at"),
        (MAIL | {"expires_at": "tomorrow"}, "/expires_at"),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(asked: object, at: str) -> None:
    """Each mistake of the envelope is refused with the JSON pointer of the field."""
    with pytest.raises(Invalid) as raised:
        submission(asked)
    assert (raised.value.at, type(raised.value)) == (at, Invalid)


@pytest.mark.parametrize(
    ("send_at_us", "expires_at_us", "at"),
    [
        (NOW_US - PAST_TOLERANCE_US - SECOND_US, None, "/send_at"),
        (NOW_US + SEND_AT_MAX_US + SECOND_US, None, "/send_at"),
        (None, NOW_US, "/expires_at"),
        (None, NOW_US - DAY_US, "/expires_at"),
        (NOW_US + HOUR_US, NOW_US + HOUR_US, "/expires_at"),
        (NOW_US + HOUR_US, NOW_US + MINUTE_US, "/expires_at"),
    ],
)
def test_an_instant_that_makes_no_sense_is_refused(send_at_us: int | None, expires_at_us: int | None, at: str) -> None:
    """Neither the past, nor further ahead than the bound, nor expired before it is due."""
    with pytest.raises(Invalid) as raised:
        in_time(at_instants(send_at_us, expires_at_us), now_us=NOW_US, send_at_max_us=SEND_AT_MAX_US)
    assert raised.value.at == at


@pytest.mark.parametrize(
    ("send_at_us", "becomes_us"),
    [
        (NOW_US - PAST_TOLERANCE_US, None),
        (NOW_US, None),
        (NOW_US + 1, NOW_US + 1),
        (NOW_US + SEND_AT_MAX_US, NOW_US + SEND_AT_MAX_US),
    ],
)
def test_just_now_means_now(send_at_us: int, becomes_us: int | None) -> None:
    """A request that travelled for up to a minute is not refused for it."""
    made = in_time(at_instants(send_at_us, None), now_us=NOW_US, send_at_max_us=SEND_AT_MAX_US)
    assert made.send_at_us == becomes_us


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        ("2026-01-30T08:00:00Z", NOW_US),
        ("2026-01-30T08:00:00.000001Z", NOW_US + 1),
        ("2026-01-30T13:30:00+05:30", NOW_US),
        ("2026-01-30t08:00:00z", NOW_US),
        ("9999-12-31T23:59:59-14:00", 253_402_351_199_000_000),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000_000),
    ],
)
def test_a_moment_is_read_to_the_microsecond(text: str, at_us: int) -> None:
    """RFC 3339 in every form, whatever its offset, without the rounding of floats."""
    assert read(msgspec.json.encode(MAIL | {"send_at": text})).send_at_us == at_us


def at_instants(send_at_us: int | None, expires_at_us: int | None) -> Submission:
    """A submission that was asked for these instants."""
    return msgspec.structs.replace(submission(MAIL), send_at_us=send_at_us, expires_at_us=expires_at_us)


def test_the_header_may_stand_for_the_key() -> None:
    """Idempotency-Key works like the field; both may be given only where they agree."""
    assert submission(MAIL, idempotency_key="k").idempotency_key == "k"
    assert submission(MAIL | {"idempotency_key": "k"}, idempotency_key="k").idempotency_key == "k"
    for field, header in (("k", "other"), (None, ""), (None, "k" * 256)):
        with pytest.raises(Invalid) as raised:
            submission(MAIL | ({"idempotency_key": field} if field else {}), idempotency_key=header)
        assert raised.value.at == "/idempotency_key"


KEY = {"idempotency_key": "k"}


def test_the_same_wish_in_other_words_is_the_same_request() -> None:
    """Order of fields, letter escapes, spaces and the spelling of an address make no new request."""
    one = b'{"channel":"webhook","to":"https://X.example","content":{"type":"t","data":{"a":1,"b":"\\u00e9"}}}'
    two = '{"content": {"data":{ "b":"é","a":1}, "type":"t"},"to":"https://x.example/","channel":"webhook"}'.encode()
    assert submission(one, idempotency_key="k").request == submission(two, idempotency_key="other").request


_SPELLED = [
    ("webhook", "https://x.example/", b'{"type":"t","data":{"a":1,"b":[{"c":1,"d":2}]}}',
     b'{ "data": {"b":[ {"d":2, "c":1} ], "a": 1}, "type": "t" }'),
    ("whatsapp", "+14155550123", b'{"template":{"name":"n","language":"en","components":[{"a":1,"b":2}]}}',
     b'{"template":{"components":[ {"b":2,"a":1} ],"language":"en","name":"n"}}'),
    ("push", "user-1", b'{"title":"t","body":"b","data":{"a":"1","b":"2"}}',
     b'{"data":{"b":"2","a":"1"}, "body":"b","title":"t"}'),
    ("email", "a@example.com", b'{"subject":"s","text":"t","headers":{"X-A":"1","X-B":"2"}}',
     b'{"headers":{"X-B":"2", "X-A":"1"},"text":"t","subject":"s"}'),
]  # fmt: skip  # One row a channel: its address, and one content in two spellings.


def _with_fallback(channel: str, to: str, content: bytes) -> Submission:
    other = {"channel": channel, "to": to, "content": msgspec.Raw(content)}
    return submission(MAIL | KEY | {"fallback": [other]})


@pytest.mark.parametrize(("channel", "to", "one", "two"), _SPELLED)
def test_a_fallback_in_other_words_is_the_same_request(channel: str, to: str, one: bytes, two: bytes) -> None:
    """Spaces and the order of keys inside a fallback's content make no new request, and are kept."""
    plain, spaced = _with_fallback(channel, to, one), _with_fallback(channel, to, two)
    assert plain.request == spaced.request
    assert plain.fallbacks != spaced.fallbacks
    assert _with_fallback(channel, to, one.replace(b"1", b"7")).request != plain.request


@pytest.mark.parametrize(("channel", "to", "one", "two"), _SPELLED)
def test_a_fallback_from_before_is_known_again(channel: str, to: str, one: bytes, two: bytes) -> None:
    """What an earlier release kept of a request with a fallback, as it was written, is still compared with."""
    plain, spaced = _with_fallback(channel, to, one), _with_fallback(channel, to, two)
    assert plain.request_before == b""
    assert spaced.request_before != spaced.request
    for made in (plain, spaced):
        kept = made.request_before or made.request
        assert msgspec.json.decode(kept)[-1][1] == msgspec.json.decode(msgspec.json.encode(made.fallbacks))


@pytest.mark.parametrize(
    "change",
    [
        *({"to": "bob@example.com"}, {"reference": "r"}, {"send_at": "2026-02-01T00:00:00Z"}, {"lane": "l"}),
        *({"expires_at": "2026-02-01T00:00:00Z"}, {"order": "fifo"}, {"priority": 4}, {"on_ambiguous": "hold"}),
        *(
            {"policy": "p"},
            {"time_zone": "UTC"},
            {"metadata": {"a": 1}},
            {"content": {"subject": "Hi", "text": "Hello!"}},
        ),
    ],
)
def test_every_field_is_part_of_the_request(change: Request) -> None:
    """The same key with any other wish is another request, which the intake can then refuse."""
    assert submission(MAIL | KEY | change).request != submission(MAIL | KEY).request


def test_a_request_that_comes_later_is_the_same() -> None:
    """A repetition after its own `send_at` still compares equal: instants are kept as they were asked for."""
    body = msgspec.json.encode(MAIL | KEY | {"send_at": "2026-01-30T08:00:30Z"})
    early = submission_of(body, now_us=NOW_US, send_at_max_us=SEND_AT_MAX_US)
    late = submission_of(body, now_us=NOW_US + MINUTE_US, send_at_max_us=SEND_AT_MAX_US)
    assert (early.send_at_us, late.send_at_us) == (NOW_US + 30 * SECOND_US, None)
    assert early.request == late.request


_scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(st.characters(codec="utf-8"), max_size=10)
_json = st.recursive(
    _scalars | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_whatever_data_an_event_has_survives(data: object) -> None:
    """Any JSON value is taken and kept, and asking twice is the same request."""
    asked = EVENT | KEY | {"content": {"type": "t", "data": data}}
    assert msgspec.json.decode(submission(asked).content)["data"] == data
    assert submission(asked).request == submission(asked).request


@given(st.binary(max_size=200) | st.text(st.characters(codec="utf-8"), max_size=200).map(str.encode))
def test_no_body_makes_it_stumble(body: bytes) -> None:
    """Whatever arrives that is no message is a plain refusal, never another error."""
    with pytest.raises(Invalid, match=r"."):
        submission(body)


@given(
    _json, st.sampled_from(["channel", "to", "content", "send_at", "metadata", "headers", "attachments", "priority"])
)
def test_no_value_makes_it_stumble(value: object, field: str) -> None:
    """Any JSON value in any field is taken, or refused with a pointer to it."""
    asked = mail_with({field: value}) if field in {"headers", "attachments"} else MAIL | {field: value}
    at = None
    try:
        submission(asked)
    except Invalid as invalid:
        at = invalid.at
    assert at is None or at.startswith(("/content", f"/{field}"))
