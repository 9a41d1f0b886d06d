"""What goes wrong in a world goes wrong as its file says: the process, the disk, the clock, providers and receipts."""

import asyncio

import pytest

from core import events as e
from core.outcomes import Ambiguous, Rate
from core.policies import SECOND_US
from scenarios.draws import Draws
from scenarios.laws.evidence import Evidence
from scenarios.world.borders import Borders
from scenarios.world.disk import SLOW, SimulatedDisk
from scenarios.world.nature import latency_us
from tests.promises.simulated import run, scenario, statuses

pytestmark = pytest.mark.slow

_MINUTE_US = 60_000_000
_ONE = '[[arrive]]\nname = "order"\nchannel = "webhook"\nto = "https://shop.example/orders"\n'
_LETTERS = """\
[policies.email]
limits = { recipient = "none" }
[[arrive]]
name = "letters"
over = "5m"
count = 20
channel = "email"
to = "reader{n}@example.com"
idempotency_key = "letter/{n}"
"""
_TEXTS = """\
[policies.whatsapp]
limits = { tenant = "none", gap = "0s" }
[[arrive]]
name = "texts"
over = "1m"
count = 8
channel = "whatsapp"
to = "+97250000000{n}"
"""


def _starts(evidence: Evidence) -> list[int]:
    return [one.started_us - evidence.scenario.start_us for one in evidence.chronicle.attempts]


def test_nothing_happens_while_the_process_is_held() -> None:
    """A daemon that freezes for two minutes starts nothing in them, and all that was due right after them."""
    evidence = run(f'{_LETTERS}[[fault]]\nat = "1m"\nfor = "2m"\ndaemon = "freeze"\n')
    starts = _starts(evidence)
    assert not [at_us for at_us in starts if _MINUTE_US < at_us < 3 * _MINUTE_US]
    assert sum(3 * _MINUTE_US <= at_us < 3 * _MINUTE_US + 1_000_000 for at_us in starts) >= 7
    assert len(evidence.lives) == 1


def test_a_slow_disk_makes_each_commit_wait() -> None:
    """What is accepted while commits take ten seconds is told so ten seconds later, and not before."""
    evidence = run(f'{_ONE}[[fault]]\nfor = "1m"\ndisk = "slow"\nlatency = {{ median = "10s" }}\n')
    (told,) = evidence.books.told
    assert told.at_us >= 10_000_000


@pytest.mark.parametrize(("store", "is_durable"), [("lost_reply", True), ("error", False)])
def test_a_commit_without_an_answer_is_durable_or_not(store: str, is_durable: bool) -> None:  # noqa: FBT001 - a case
    """Its client is accepted once in the end: by the commit that nobody answered for, or by a later one."""
    text = f'{_ONE}at = "1m"\nidempotency_key = "order"\n[[fault]]\nat = "1m"\nfor = "100ms"\nstore = "{store}"\n'
    evidence = run(text)
    (story,) = evidence.chronicle.stories.values()
    assert (story.entries[0].at_us - evidence.scenario.start_us < _MINUTE_US + 100_000) == is_durable
    assert evidence.books.troubles
    assert statuses(evidence) == {"order/1": "delivered"}


@pytest.mark.parametrize(
    ("clock", "offset_s"), [('"+1h"', 3_600), ("{ drift = 0.01 }", 12), ('{ swings = "30s", every = "4m" }', 0)]
)
def test_a_wall_clock_steps_drifts_or_swings(clock: str, offset_s: int) -> None:
    """After twenty minutes a step has stayed, a hundredth has become twelve seconds, and what swings is back."""
    lasts = "" if clock.startswith('"') else 'for = "20m"\n'
    steps = scenario(f"[[fault]]\nclock = {clock}\n{lasts}").clock_steps()
    assert sum(by_us for _, by_us in steps) == offset_s * 1_000_000
    assert [at_us for at_us, _ in steps] == sorted(at_us for at_us, _ in steps)
    run(f"{_LETTERS}[[fault]]\nclock = {clock}\n{lasts}")


@pytest.mark.parametrize(("answer", "arrived"), [('"malformed"', 2), ('"intercepted"', 1)])
def test_an_answer_that_makes_no_sense_leaves_doubt(answer: str, arrived: int) -> None:
    """Nobody can tell from it whether the request had got there; the policy of a webhook sends it again."""
    evidence = run(f"{_ONE}[[fault]]\nattempt = 1\nanswer = {answer}\n")
    assert evidence.chronicle.attempts[0].outcome == Ambiguous(code="bad_answer")
    assert len(evidence.books.deliveries()) == arrived


def test_a_provider_may_deliver_twice_and_out_of_order() -> None:
    """Its copies are in the books and break no law; what it holds up arrives later than what was sent after it."""
    twice = run(f'{_ONE}[[fault]]\nanswer = "duplicate"\n').books.deliveries()
    assert [handed.is_copy for handed in twice] == [False, True]
    held_up = run(f'{_LETTERS}[[fault]]\nanswer = {{ reorder = "1m", share = 0.5 }}\n').books.deliveries()
    assert [handed.at_us for handed in held_up] != sorted(handed.at_us for handed in held_up)


@pytest.mark.parametrize(("idempotent", "arrived"), [('"1s"', 2), ('"1h"', 1)])
def test_a_key_is_honoured_for_a_time(idempotent: str, arrived: int) -> None:
    """A resend is known again within the time, and taken as something new after it."""
    fault = '[[fault]]\nattempt = 1\nanswer = "lost_reply"\n'
    assert len(run(f"{_ONE}{fault}[[provider]]\nidempotent = {idempotent}\n").books.deliveries()) == arrived


def test_a_provider_may_change_in_the_middle_of_a_run() -> None:
    """The first table that fits a message and stands at that time decides."""
    tables = (
        '[[provider]]\nat = "2m"\nfor = "1m"\nlatency = { median = "20s" }\n[[provider]]\nlatency = { median = "1s" }\n'
    )
    evidence = run(_LETTERS + tables)
    took = {
        attempt.started_us - evidence.scenario.start_us: (attempt.ended_us or 0) - attempt.started_us
        for attempt in evidence.chronicle.attempts
    }
    assert {at_us for at_us, us in took.items() if us > 10_000_000} == {
        at_us for at_us in took if 2 * _MINUTE_US <= at_us < 3 * _MINUTE_US
    }


@pytest.mark.parametrize("capacity", ['{ rate = "2/min" }', "{ in_flight = 1 }", '{ rate = "4/min", others = 0.5 }'])
def test_a_provider_lets_in_no_more_than_it_has_room_for(capacity: str) -> None:
    """What is beyond its capacity is refused with a Retry-After, and gets through once there is room."""
    text = _LETTERS.replace('over = "5m"', 'over = "1s"') + f"[[provider]]\ncapacity = {capacity}\n"
    evidence = run(text, runs_for="8h")
    refused = [one.outcome for one in evidence.chronicle.attempts if isinstance(one.outcome, Rate)]
    assert refused
    assert all(outcome.after_us for outcome in refused)
    assert set(statuses(evidence).values()) <= {"sent", "dead"}


def test_receipts_of_others_are_strays_and_made_up_ones_are_turned_away() -> None:
    """Whoever tells of a message that is none of ours is kept as a stray; a wrong signature is refused."""
    hooks = '[hooks.meta]\nscheme = "meta"\nlanes = ["whatsapp"]\n'
    receipts = (
        '[[provider]]\nlane = "whatsapp"\nreceipts = { by = "both", delivered = "3s", strange = 1.0, forged = 1.0 }\n'
    )
    evidence = run(hooks + _TEXTS + receipts)
    kept = [entries for entries in evidence.chronicle.others.values() if isinstance(entries[0].event, e.StrayKept)]
    assert len(kept) == 8
    assert sum(told.what == "forged" for told in evidence.books.told) == 8
    assert {status for key, status in statuses(evidence).items() if key.startswith("texts/")} == {"delivered"}


def test_a_huge_body_arrives_whole() -> None:
    """A content of two hundred thousand letters is carried like any other."""
    text = '[[arrive]]\ncount = 2\nchannel = "webhook"\nto = "https://shop.example/orders"\n'
    evidence = run(f'{text}content = {{ type = "order", data = {{ all = "{{fill:200000}}" }} }}\n')
    assert [len(handed.content) > 200_000 for handed in evidence.books.deliveries()] == [True, True]


def test_faults_are_over_when_the_run_is_and_everything_comes_to_rest() -> None:
    """Safety first, then liveness: what fails without an end does so until `runs_for`, and then all gets through."""
    endless = '[[fault]]\nanswer = { status = 503 }\n[[fault]]\nat = "1m"\nfor = "1h"\nclock = { drift = 0.001 }\n'
    evidence = run(_LETTERS + endless, runs_for="10m")
    assert min(handed.at_us for handed in evidence.books.deliveries()) >= 10 * _MINUTE_US
    assert set(statuses(evidence).values()) == {"sent"}
    assert evidence.has_ended
    assert all(at_us <= 10 * _MINUTE_US for at_us, _ in evidence.scenario.clock_steps())


@pytest.mark.parametrize("schedule", ["fifo", "walk", "pct"])
def test_every_order_of_ready_steps_keeps_the_laws(schedule: str) -> None:
    """Whichever step runs first, all of it holds, with a freeze, lost commits and a crash in between."""
    faults = """\
[[fault]]
at = "1m"
for = "30s"
daemon = "freeze"
[[fault]]
at = "2m"
for = "30s"
store = "lost_reply"
share = 0.5
[[fault]]
at = "3m"
daemon = "crash"
[[fault]]
for = "5m"
answer = { status = 503, share = 0.3 }
"""
    evidence = run(f'schedule = "{schedule}"\n{_LETTERS}{faults}')
    assert (evidence.scenario.schedule, len(evidence.lives)) == (schedule, 2)


def test_a_commit_on_a_slow_disk_is_trouble_for_as_long_as_it_takes() -> None:
    """Once in a hundred commits it takes longer than it hardly ever does; what waits for that is late for a reason."""
    draws, known_us = Draws(1), list[int]()
    instants = [number * SECOND_US for number in range(300)]
    now_us = [0]
    world = scenario('[[fault]]\ndisk = "slow"\n')
    disk = SimulatedDisk(world, draws, Borders(), now_us=lambda: now_us[-1], troubled=known_us.append)
    for instant in instants:
        now_us.append(instant)
        waiting = disk.at("before_sync", 1)
        assert asyncio.iscoroutine(waiting)
        waiting.close()
    took_us = [latency_us(draws, SLOW, "commit", instant) for instant in instants]
    assert max(took_us) > SLOW.most_us
    assert known_us == [max(took, SLOW.most_us) for took in took_us]
