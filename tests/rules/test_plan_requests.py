"""Answers for reading a plan: strict, and telling where a mistake stands before anything is recorded."""

from typing import Final

import msgspec
import pytest

from core.errors import Invalid, Malformed
from core.plan_requests import PARTICIPANTS_MAX, REMINDERS_MAX, check_reference, read_plan
from core.plan_rows import encoded_request
from tests.rules.plan_samples import ANN, BOB, CONTENT, EVENT, Json, asked, is_zone, read


def test_a_plan_is_read_as_it_was_meant() -> None:
    """Everything that was asked for arrives; what was left out has its default."""
    nudge: Json = {"kind": "nudge", "offset": "-PT3H", "relative_to": "end", "expires_after": "PT1H"}
    fallback = {"channel": "whatsapp", "to": "+972501234568", "lane": "green"}
    ann = ANN | {"time_zone": "Europe/Berlin", "lane": "mail", "fallback": [fallback]}
    plan = read(asked("activation", nudge, people=(ann, BOB)))
    assert [who.channels for who in plan.participants] == [("email", "whatsapp"), ("whatsapp",)]
    assert plan.participants[0].values == {"name": "Ann"}
    assert [reminder.kind for reminder in plan.reminders] == ["activation", "nudge"]
    assert plan.reminders[1].timing().anchor == "end"
    assert plan.event.starts_at.isoformat() == "2026-06-10T18:30:00+03:00"


def test_a_plan_may_be_empty() -> None:
    """An event that nobody takes part in yet, or of which nobody is reminded, is a plan."""
    assert read(asked()).reminders == ()
    assert read(asked("activation", people=())).participants == ()


def test_the_same_plan_has_the_same_bytes() -> None:
    """What was asked for is kept in one form, in whatever order the fields of its request came."""
    plan = asked("activation", "day_before")
    other = {name: plan[name] for name in reversed(plan)}
    other["event"] = dict(reversed(EVENT.items()))
    assert encoded_request(read(plan)) == encoded_request(read(other))


MAIL_ONLY: Final[Json] = {"email": CONTENT["email"]}
KINDS: Final[list[Json]] = [{"kind": f"k{number}", "offset": "P0D"} for number in range(REMINDERS_MAX + 1)]
MANY: Final = tuple(ANN | {"id": f"p{number}"} for number in range(PARTICIPANTS_MAX + 1))

MISTAKES: Final[dict[str, tuple[Json, str, str]]] = {
    "no event": ({"participants": [], "reminders": []}, "/event", "is required"),
    "an unknown field": (asked("activation") | {"colour": 1}, "/colour", "no known field"),
    "an unknown field inside": (asked(people=(ANN | {"phone": "1"},)), "/participants/0/phone", "no known field"),
    "a start without a zone": (asked(starts_at="2026-06-10T18:30:00"), "/event/starts_at", "with its offset"),
    "a start in another age": (asked(starts_at="1999-06-10T18:30:00Z"), "/event/starts_at", "2000"),
    "an end before the start": (asked(ends_at="2026-06-10T18:00:00+03:00"), "/event/ends_at", "starts_at"),
    "an unknown zone": (asked(time_zone="Mars/Olympus"), "/event/time_zone", "Europe/Berlin"),
    "somebody's unknown zone": (
        asked(people=(BOB, ANN | {"time_zone": "Nowhere"})),
        "/participants/1/time_zone",
        "Nowhere",
    ),
    "an unknown channel": (asked(people=(ANN | {"channel": "fax"},)), "/participants/0/channel", "email, whatsapp"),
    "a bad address": (asked(people=(ANN | {"to": "ann"},)), "/participants/0/to", "ann@example.com"),
    "a bad address to fall back on": (
        asked(people=(ANN | {"fallback": [{"channel": "whatsapp", "to": "12"}]},)),
        "/participants/0/fallback/0/to",
        "E.164",
    ),
    "the same person twice": (asked(people=(ANN, BOB, ANN)), "/participants/2/id", "once"),
    "a slash in an id": (asked(people=(ANN | {"id": "a/b"},)), "/participants/0/id", "without '/'"),
    "a line break in an id": (asked(people=(ANN | {"id": "a\n"},)), "/participants/0/id", "printable"),
    "an id of no letters": (asked(people=(ANN | {"id": ""},)), "/participants/0/id", "length >= 1"),
    "too many people": (asked(people=MANY), "/participants", f"<= {PARTICIPANTS_MAX}"),
    "the name of a value": (
        asked(people=(ANN | {"values": {"first name": "Ann"}},)),
        "/participants/0/values/first name",
        "letters",
    ),
    "a value that is no text": (asked(people=(ANN | {"values": {"n": 1}},)), "/participants/0/values", "expected"),
    "the same kind twice": (asked("day_before", "day_before"), "/reminders/1/kind", "once"),
    "a kind in capitals": (asked({"kind": "Nudge", "offset": "P0D"}), "/reminders/0/kind", "small letters"),
    "a kind that begins with a digit": (asked({"kind": "2", "offset": "P0D"}), "/reminders/0/kind", "small letters"),
    "a kind with a line break": (asked({"kind": "nudge\n", "offset": "P0D"}), "/reminders/0/kind", "small letters"),
    "a kind without a time": (asked({"kind": "nudge"}), "/reminders/0/offset", "is required"),
    "too many kinds": (
        asked(*KINDS),
        "/reminders",
        f"<= {REMINDERS_MAX}",
    ),
    "an end that is not there": (
        {**asked("event_end"), "event": {"starts_at": EVENT["starts_at"], "time_zone": "UTC"}},
        "/event/ends_at",
        "event_end",
    ),
    "no time until it expires": (
        asked({"kind": "activation", "expires_after": "PT0S"}),
        "/reminders/0/expires_after",
        "above zero",
    ),
    "less than no time": (
        asked({"kind": "activation", "expires_after": "-PT1H"}),
        "/reminders/0/expires_after",
        "above zero",
    ),
    "a channel without a content": (
        asked({"kind": "activation", "content": MAIL_ONLY}),
        "/reminders/0/content",
        "whatsapp too: 'bob'",
    ),
    "a fallback without a content": (
        asked(
            {"kind": "activation", "content": MAIL_ONLY},
            people=(ANN | {"fallback": [{"channel": "whatsapp", "to": "+972501234568"}]},),
        ),
        "/reminders/0/content",
        "whatsapp too: 'ann'",
    ),
    "a content of no channel": (
        asked({"kind": "activation", "content": {"fax": {}}}),
        "/reminders/0/content",
        "invalid enum value",
    ),
    "a value that is missing": (
        asked("activation", people=(ANN | {"values": {}},)),
        "/participants/0/values",
        "'name'",
    ),
    "a lone brace": (
        asked({"kind": "activation", "content": {"email": {"subject": "}", "text": "x"}}}, people=(ANN,)),
        "/reminders/0/content/email",
        "written twice",
    ),
    "an unknown field of a content": (
        asked({"kind": "activation", "content": {"email": {"subject": "s", "body": "x"}}}, people=(ANN,)),
        "/reminders/0/content/email/body",
        "no known field",
    ),
    "a content that cannot be sent": (
        asked({"kind": "activation", "content": {"email": {"subject": "s"}}}, people=(ANN,)),
        "/reminders/0/content/email/text",
        "html",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(name: str) -> None:
    """Whatever cannot be meant is refused with a JSON pointer and what was expected."""
    body, at, expected = MISTAKES[name]
    with pytest.raises(Invalid) as refused:
        read(body)
    assert refused.value.at == at, refused.value
    assert expected in refused.value.detail


@pytest.mark.parametrize("body", [b"", b"{", b'{"event": "\xff"}', msgspec.json.encode(asked("activation")) + b" x"])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    """A body that cannot be read at all is another mistake than one that asks for something impossible."""
    with pytest.raises(Malformed):
        read_plan(body, is_zone=is_zone)


@pytest.mark.parametrize("reference", ["", "a" * 129, "a\n", "\ud800"])
def test_a_name_that_no_plan_can_have(reference: str) -> None:
    """Empty, too long or not printable: whoever made such a reference made a mistake."""
    with pytest.raises(Invalid, match="printable"):
        check_reference(reference)
