"""Failover and fallbacks on virtual time: where messages go on, when, and what counts where."""

import pytest

from core import events as e
from scenarios.laws.evidence import Evidence
from tests.promises.simulated import run, statuses

_TWO_LANES = """\
[policies.two]
extends = "whatsapp"
limits = { tenant = "5/min", gap = "0s" }
failover = ["one", "two"]
failover_after = "30s"
[lanes.one]
channel = "whatsapp"
policy = { preset = "two" }
[lanes.two]
channel = "whatsapp"
policy = { preset = "two" }
[lanes.email]
channel = "email"
"""
_EIGHT = """\
[[arrive]]
name = "texts"
over = "8s"
count = 8
channel = "whatsapp"
to = "+97250000000{n}"
"""


def _moves(evidence: Evidence) -> list[tuple[str, str, float]]:
    """Which message went to which lane, and when."""
    start_us = evidence.scenario.start_us
    return [
        (story.key, entry.event.lane, (entry.at_us - start_us) / 1e6)
        for story in evidence.chronicle.stories.values()
        for entry in story.entries
        if isinstance(entry.event, e.LaneChanged)
    ]


def test_what_fails_in_one_lane_goes_on_in_the_next_at_once() -> None:
    """A refused attempt is followed by one in the next lane, which uses up none of the schedule."""
    evidence = run(f'{_TWO_LANES}{_EIGHT}[[fault]]\nlane = "one"\nfor = "5m"\nanswer = {{ status = 503 }}\n')
    assert {lane for _, lane, _ in _moves(evidence)} == {"two"}
    assert set(statuses(evidence).values()) == {"sent"}
    assert {handed.lane for handed in evidence.books.deliveries()} == {"two"}


def test_a_world_is_not_at_rest_before_its_last_message_has_left_a_paused_lane() -> None:
    """A lane that works again at the very end takes over what waits in one whose account is refused."""
    one = '[[arrive]]\nname = "texts"\nchannel = "whatsapp"\nto = "+972500000001"\n'
    down = '[[fault]]\nlane = "one"\nfor = "1h"\naccount = "down"\n'
    refused = '[[fault]]\nlane = "two"\nfor = "1h"\nanswer = { status = 401 }\n'
    evidence = run(f"{_TWO_LANES}{one}{down}{refused}", runs_for="1h")
    assert _moves(evidence) == [("texts/1", "one", 3600.0)]
    assert statuses(evidence) == {"texts/1": "sent"}


def test_hand_overs_count_in_the_lane_that_they_went_through() -> None:
    """After a restart each lane knows its own, wherever their messages have gone on since: laws 4 and 5 hold."""
    down = '[[fault]]\nlane = "one"\nfor = "30s"\nanswer = { status = 503 }\n'
    crash = '[[fault]]\nat = "10s"\ndaemon = "crash"\ndown = "2s"\n'
    evidence = run(_TWO_LANES + _EIGHT + down + crash)
    assert len(_moves(evidence)) >= 5
    assert len(evidence.lives) == 2


def test_what_waits_behind_a_lane_that_is_down_leaves_it_in_time() -> None:
    """Half a minute after its account went down a lane's messages go on in the other, those that come later at once."""
    down = '[[fault]]\nat = "2s"\nfor = "10m"\nlane = "one"\naccount = "down"\n'
    evidence = run(_TWO_LANES.replace('tenant = "5/min"', 'tenant = "1/min"') + _EIGHT + down)
    moves = _moves(evidence)
    assert {(lane, at_s) for _, lane, at_s in moves} == {("two", 32.0)}
    assert {handed.lane for handed in evidence.books.handed if handed.at_us > 2_000_000} == {"two"}


def test_a_lane_that_only_looks_dead_to_a_message_is_not_asked_for_ever() -> None:
    """Where none of a message's own lanes is up, one that is not its own being up makes nobody look again and again."""
    third = _TWO_LANES + '[lanes.three]\nchannel = "whatsapp"\n'
    downs = "".join(
        f'[[fault]]\nat = "4s"\nfor = "10m"\nlane = "{lane}"\naccount = "down"\n' for lane in ("one", "two")
    )
    evidence = run(third + _EIGHT + downs)
    assert set(statuses(evidence).values()) == {"sent"}


_FALLBACK = """\
[[arrive]]
name = "texts"
count = 3
channel = "whatsapp"
to = "+97250000000{n}"
idempotency_key = "text/{n}"
fallback = [{ channel = "email", to = "reader{n}@example.com" }]
"""


@pytest.mark.parametrize(
    ("answer", "replaced"),
    [('"permanent"', 3), ('"recipient"', 3), ('"window"', 3), ("{ status = 503 }", 3), ('{ slow = "2s" }', 0)],
)
def test_what_ends_undelivered_is_replaced_once(answer: str, replaced: int) -> None:
    """A message that is refused, or exhausts its schedule, is followed by its fallback; one that is taken is not."""
    evidence = run(f'{_TWO_LANES}{_FALLBACK}[[fault]]\nchannel = "whatsapp"\nanswer = {answer}\n')
    emails = [handed for handed in evidence.books.deliveries() if handed.lane == "email"]
    assert sorted(handed.key for handed in emails) == [f"texts/{n}+1" for n in range(1, replaced + 1)]


def test_a_fallback_begins_at_its_time_though_every_lane_is_down() -> None:
    """The time of a fallback comes whether its lanes let anything out or not."""
    by = 'fallback_by = "5m"\n'
    downs = "".join(f'[[fault]]\nfor = "1h"\nlane = "{lane}"\naccount = "down"\n' for lane in ("one", "two"))
    evidence = run(_TWO_LANES + _FALLBACK + by + downs)
    emails = [handed.at_us for handed in evidence.books.deliveries() if handed.lane == "email"]
    assert len(emails) == 3
    assert all(300_000_000 <= at_us < 302_000_000 for at_us in emails)


def test_a_failure_that_is_told_later_is_replaced_unless_it_arrived() -> None:
    """A receipt that says failed starts the fallback; one that comes beside a delivery does not, once that is known."""
    later = '[[provider]]\nchannel = "whatsapp"\nreceipts = {{ by = "id", delivered = "2s", failed = {{ {} }} }}\n'
    for failed, replaced in (('after = "10s"', 3), ('after = "1m", beside = true', 0)):
        evidence = run(_TWO_LANES + _FALLBACK + later.format(failed))
        assert sum(handed.lane == "email" for handed in evidence.books.deliveries()) == replaced
