"""Answers for the small parts of the door, over all inputs: lines, cursors, pointers of events."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web import cursors
from adapters.web.lines import Lines
from adapters.web.problems import Declined
from adapters.web.telling import told
from core import events as e
from core.events import EVENT_TYPES
from core.outcomes import Transient
from core.records import Recorded

BYTES_MAX = 12


@given(
    lines=st.lists(st.text("ab \r", max_size=20).map(str.encode), max_size=12),
    cuts=st.lists(st.integers(min_value=1, max_value=9), max_size=40),
    is_ended=st.booleans(),
)
def test_lines_are_the_same_however_they_arrive(lines: list[bytes], cuts: list[int], *, is_ended: bool) -> None:
    """Whatever pieces a body comes in, each line that is not blank is given once, None where it is too long."""
    body = b"\n".join(lines) + (b"\n" if is_ended else b"")
    reader = Lines(line_bytes_max=BYTES_MAX)
    found: list[bytes | None] = []
    for cut in cuts:
        found += reader.fed(body[:cut])
        body = body[cut:]
    found += [*reader.fed(body), *reader.ended()]
    assert found == [None if len(line) > BYTES_MAX else line for line in lines if len(line) > BYTES_MAX or line.strip()]


@given(st.dictionaries(st.integers(0, 255), st.integers(0, (1 << 62) - 1), max_size=256))
def test_a_cursor_reads_as_it_was_written(position: dict[int, int]) -> None:
    """Any position of the 256 shards goes through a cursor unchanged, in characters that a URL takes as they are."""
    text = cursors.written(position)
    assert cursors.read(text, "?after") == position
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(text) < 8_190, "longer than a request line may be"


@given(st.text(max_size=60))
def test_what_is_no_cursor_is_declined(text: str) -> None:
    """Any text is declined, or it is a position that a cursor can be written of."""
    try:
        position = cursors.read(text, "?after")
    except Declined:
        return
    assert cursors.read(cursors.written(position), "?after") == position


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: str(kind.__name__))
def test_every_event_can_be_told(kind: type[e.Event]) -> None:
    """Each type of event has an outside form: JSON, without a bare instant, a digest or a seed."""
    values = {field.name: _SAMPLES[field.name] for field in msgspec.structs.fields(kind)}
    entry = Recorded(stream=5, version=1, shard=0, seq=1, at_us=1, tenant="t", cause=0, event=kind(**values), link=b"")
    shown = msgspec.json.decode(msgspec.json.encode(told(entry, "email")))
    assert (shown["type"], shown["at"]) == (kind.__name__, "1970-01-01T00:00:00.000001Z")
    assert not {name for name in shown["data"] if name.endswith("_us")} - {"took_us", "delayed_us", "longest_us"}
    assert not {"digest", "key_check", "seed"} & set(shown["data"])


def test_what_an_event_holds_within_is_told_alike() -> None:
    """A sample within an event has an id and instants as people read them, and names instead of positions."""
    fields = {field.name: _SAMPLES[field.name] for field in msgspec.structs.fields(e.ShadowTold)}
    event = e.ShadowTold(**fields)  # type: ignore[arg-type]  # Each of its own type.
    entry = Recorded(stream=5, version=1, shard=0, seq=1, at_us=1, tenant="", cause=0, event=event, link=b"")
    data = msgspec.json.decode(msgspec.json.encode(told(entry, "")))["data"]
    assert data["contrasts"] == [{"was": "retried", "would": "dead", "count": 2}]
    (sample,) = data["samples"]
    assert (sample["at"], sample["would_due"]) == ("1970-01-01T00:00:00.000007Z", None)
    assert sample["message"].startswith("msg_")


# A value for every field that an event has, by name: a new field fails here until somebody decided how it is told.
_SAMPLES: dict[str, object] = {
    **dict.fromkeys(("due_us", "expires_us", "deadline_us", "sent_at_us", "until_us", "before_us"), 1_000_000),
    **dict.fromkeys(("priority", "attempt", "policy_version", "streak", "openings", "faults", "outcomes"), 1),
    **dict.fromkeys(
        ("version", "boot", "seed", "job", "count", "moved", "after", "conversation", "host"), (1 << 62) + 1
    ),
    **dict.fromkeys(("channel", "lane", "policy", "trace", "zone", "code", "provider_id", "name", "label"), "x"),
    **dict.fromkeys(("reason", "status", "resolution", "evidence", "by", "role", "release", "order"), "x"),
    **dict.fromkeys(("used", "probe"), True),
    **dict.fromkeys(("fallback_by_us", "told_us"), 1_000_000),
    **dict.fromkeys(("message", "fallbacks", "refusals", "strikes", "revision", "reminders"), 3),
    **dict.fromkeys(("created", "cancelled", "kept", "messages", "devices", "plans"), 2),
    **dict.fromkeys(("caused_by",), "msg"),
    **dict.fromkeys(("scope", "platform", "app"), "x"),
    **dict.fromkeys(("has_template", "marketing", "by_template", "fans_out", "is_part"), False),
    **dict.fromkeys(("decisions", "alike", "starts", "delayed", "delayed_us", "longest_us"), 4),
    "contrasts": (e.Contrast(was="retried", would="dead", count=2),),
    "samples": (e.Sample(at_us=7, message=(1 << 62) + 1, attempt=1, was="retried", would="dead", was_due_us=9),),
    "instead_of": bytes(32),
    "lanes": ("a", "b"),
    "failure": Transient(code="503", after_us=1),
    "commitment": b"\x01",
    "digest": b"secret",
    "key_check": b"secret",
    "body": b'{"a": 1}',
    "size_bytes": 7,
    "took_us": 7,
    "outcome": Transient(code="503", after_us=1),
    "on_ambiguous": "hold",
    "tenant_of_key": None,
    "per_s": 0.5,
}
