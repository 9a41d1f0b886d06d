"""Answers for what a plan wants: who gets what and when, and the message that is made of it."""

from typing import Final
from zoneinfo import ZoneInfo

import pytest

from core.errors import Invalid
from core.plans import Plan, Wanted
from core.policies import DAY_US, HOUR_US
from tests.rules.plan_samples import ANN, BOB, Json, asked, local, plan_of, read, us

NOW_US: Final = us("2026-05-01T12:00:00Z")


def by_key(plan: Plan) -> dict[tuple[str, str], Wanted]:
    """What a plan wants, by participant and kind."""
    return {want.key: want for want in plan.wanted(NOW_US)}


def test_everybody_gets_each_kind_once() -> None:
    """A plan wants one message for each participant and kind, in the order of both."""
    wanted = list(plan_of("activation", "week_before", "event_end").wanted(NOW_US))
    assert [want.key for want in wanted] == [
        (who, kind) for who in ("ann", "bob") for kind in ("activation", "week_before", "event_end")
    ]
    assert [want.at_us for want in wanted[:3]] == [
        None, us("2026-06-03T18:30:00+03:00"), us("2026-06-10T20:00:00+03:00"),
    ]  # fmt: skip


def test_each_has_the_time_of_their_own_zone() -> None:
    """Nine in the morning is where a participant lives; the event's zone is that of all others."""
    wanted = by_key(plan_of("day_before", people=(ANN, BOB | {"time_zone": "America/New_York"})))
    ann, bob = wanted["ann", "day_before"].at_us, wanted["bob", "day_before"].at_us
    assert ann is not None
    assert bob is not None
    assert local(ann, "Asia/Jerusalem") == "2026-06-09T09:00:00+03:00"
    assert local(bob, "America/New_York") == "2026-06-09T09:00:00-04:00"


def test_a_message_expires_from_its_own_moment_on() -> None:
    """What is due at once counts from the instant at which the plan was set."""
    kinds: list[Json] = [{"kind": kind, "expires_after": "P1D"} for kind in ("activation", "hour_before")]
    wanted = list(plan_of(*kinds, people=(ANN,)).wanted(NOW_US))
    assert [want.expires_us for want in wanted] == [NOW_US + DAY_US, us("2026-06-10T17:30:00+03:00") + DAY_US]


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"values": {"name": "Anna"}}, True),
        ({"values": {"name": "Ann", "unused": "x"}}, False),
        ({"to": "ann@example.org"}, True),
        ({"lane": "spare"}, True),
        ({"time_zone": "Europe/Berlin"}, True),
        ({"fallback": [{"channel": "email", "to": "a@example.com"}]}, True),
        ({"channel": "whatsapp", "to": "+972501234569"}, True),
    ],
)
def test_a_message_is_another_where_its_receiver_would_see_it(change: Json, other: bool) -> None:  # noqa: FBT001 - a column of the table above
    """The digest follows all that goes into a message, and nothing that does not."""
    before = next(plan_of("day_before", people=(ANN,)).wanted(NOW_US))
    after = next(plan_of("day_before", people=(ANN | change,)).wanted(NOW_US))
    assert (before.digest != after.digest) is other


def test_a_moved_message_is_the_same_one() -> None:
    """The digest knows nothing of the event's time: a message that only moves need not be made anew."""
    before = list(plan_of("day_before").wanted(NOW_US))
    after = list(plan_of("day_before", starts_at="2026-07-01T10:00:00Z", ends_at=None).wanted(NOW_US + HOUR_US))
    assert [want.digest for want in before] == [want.digest for want in after]
    assert [want.at_us for want in before] != [want.at_us for want in after]


def test_a_content_whose_fields_come_in_another_order_is_the_same() -> None:
    """Whoever writes the same plan again with another library changes nothing."""
    one: Json = {"kind": "activation", "content": {"email": {"subject": "{name}", "text": "t"}}}
    other: Json = {"kind": "activation", "content": {"email": {"text": "t", "subject": "{name}"}}}
    first, second = (next(plan_of(kind, people=(ANN,)).wanted(NOW_US)) for kind in (one, other))
    assert first.digest == second.digest


def test_a_message_is_made_of_the_plan() -> None:
    """Address, content with its places filled, moment, zone, fallbacks, and a key that names what it is."""
    fallback = {"channel": "whatsapp", "to": "+972 50-123-4568", "lane": "green"}
    ann = ANN | {"lane": "mail", "time_zone": "Europe/Berlin", "fallback": [fallback]}
    plan = plan_of({"kind": "day_before", "expires_after": "PT6H"}, people=(ann,))
    (want,) = plan.wanted(NOW_US)
    made = plan.submission_of(want, 1, trace="t", correlation="c")
    assert (made.channel, made.to, made.lane) == ("email", "ann@example.com", "mail")
    assert made.content == b'{"subject":"Dear Ann","text":"See you."}'
    assert (made.idempotency_key, made.reference) == ("event42/ann/day_before", "event42")
    assert (made.send_at_us, made.expires_at_us) == (want.at_us, want.expires_us)
    assert (made.zone, made.trace, made.correlation) == ("Europe/Berlin", "t", "c")
    (other,) = made.fallbacks
    assert (other.channel, other.to, other.lane, other.content) == (
        "whatsapp", "+972501234568", "green", b'{"text":"Hello Ann"}',
    )  # fmt: skip


def test_a_later_message_for_the_same_has_a_key_of_its_own() -> None:
    """No generation shares its key with another, nor with another participant or kind."""
    plan = plan_of("activation", "day_before")
    keys = [plan.submission_of(want, n).idempotency_key for want in plan.wanted(NOW_US) for n in (1, 2, 10)]
    assert len(set(keys)) == len(keys)
    assert "event42/ann/activation/10" in keys


def test_a_message_is_the_same_request_whenever_it_is_made() -> None:
    """Made again after a crash from the same plan and instant, it compares equal under its key."""
    made = [list(plan_of("activation", "day_before").wanted(NOW_US)) for _ in range(2)]
    requests = [[plan_of("activation", "day_before").submission_of(want, 1).request for want in run] for run in made]
    assert requests[0] == requests[1]
    assert b"" not in requests[0]


@pytest.mark.parametrize(
    ("at", "placed"),
    [
        ("/content/subject", "/reminders/0/content/email/subject"),
        ("/content", "/reminders/0/content/email"),
        ("/fallback/0/content/text", "/reminders/0/content/whatsapp/text"),
        ("/fallback/0/lane", "/participants/0/fallback/0/lane"),
        ("/lane", "/participants/0/lane"),
        ("/channel", "/participants/0/channel"),
        ("/send_at", "/reminders/0"),
        ("/expires_at", "/reminders/0"),
    ],
)
def test_what_is_wrong_with_a_message_is_told_of_the_plan(at: str, placed: str) -> None:
    """A mistake in one message stands somewhere in the plan, and names whose message it was."""
    ann = ANN | {"fallback": [{"channel": "whatsapp", "to": "+972501234568"}]}
    plan = plan_of("day_before", people=(ann,))
    told = plan.placed(Invalid(at, "cannot be"), next(plan.wanted(NOW_US)))
    assert (told.at, told.detail) == (placed, "cannot be (for participant 'ann')")


def test_a_value_may_spoil_a_content() -> None:
    """What only one person's values make impossible is found when their message is made."""
    plan = plan_of("activation", people=(ANN, ANN | {"id": "eve", "values": {"name": "x" * 2_000}}))
    first, second = plan.wanted(NOW_US)
    assert plan.submission_of(first, 1).to == "ann@example.com"
    with pytest.raises(Invalid, match="900"):
        plan.submission_of(second, 1)


def test_nobody_shares_a_key_with_another_plan() -> None:
    """A reference may hold any slashes: a participant and a kind hold none, and no kind begins with a digit."""
    keys = [
        plan.submission_of(want, generation).idempotency_key
        for reference in ("x", "x/ann", "x/ann/activation")
        for plan in (Plan(reference, read(asked("activation", people=(ANN, ANN | {"id": "2"}))), zone_of=ZoneInfo),)
        for want in plan.wanted(NOW_US)
        for generation in (1, 2)
    ]
    assert len(set(keys)) == 12
