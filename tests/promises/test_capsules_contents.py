"""Answers for what a capsule says of providers and people: outages as they were seen, orders as they were given."""

from typing import Final

from scenarios.capsules.spans import span
from scenarios.file.sides import Fault
from scenarios.laws.evidence import Evidence
from tests.promises.capsules import cut, read_capsule, retold
from tests.promises.simulated import run

SECOND_US: Final = 1_000_000
STEADY: Final = """\
[policies.webhook]
retry = { after = ["10m"], jitter = 0 }
[[arrive]]
name = "calls"
over = "20m"
count = 40
channel = "webhook"
to = "https://shop{n%2}.example/{n}"
[[provider]]
latency = { median = "100ms" }
"""


def outages(evidence: Evidence) -> list[Fault]:
    """The outages that the capsule of a log has."""
    return [fault for fault in read_capsule(cut(evidence)).faults if fault.answer is not None]


def test_an_outage_is_as_long_as_it_was_seen() -> None:
    """From the first failed answer to half of the way from the last to the first success, of the host that failed."""
    world = read_capsule(
        cut(run(STEADY + '[[fault]]\nat = "5m"\nfor = "5m"\nhost = "shop1.example"\nanswer = { status = 503 }\n'))
    )
    (found,) = world.faults
    host_of = {arrive.name: arrive.to.split("/")[2] for arrive in world.arrivals}
    failed = {host_of[one.message.partition("/")[0]] for one in world.answered if one.answer is not None}
    assert failed == {found.host}
    assert len(set(host_of.values())) == 2
    until_us = found.at_us + (found.for_us or 0)
    assert 300 * SECOND_US <= found.at_us <= 360 * SECOND_US
    assert 540 * SECOND_US <= until_us <= 630 * SECOND_US


def test_an_outage_claims_a_minute_beyond_its_last_failure_at_most() -> None:
    """Where nobody tried for a long time afterwards, nobody knows when it was over."""
    sparse = STEADY.replace('over = "20m"\ncount = 40', 'over = "2m"\ncount = 8')
    evidence = run(sparse + '[[fault]]\nfor = "3m"\nanswer = { status = 503 }\n')
    last_us = max(handed.at_us for handed in evidence.books.handed if handed.attempt == 1)
    for found in outages(evidence):
        assert found.at_us + (found.for_us or 0) <= last_us + 61 * SECOND_US


def test_two_faults_are_no_outage() -> None:
    """A fault here and there says nothing about the attempts of others."""
    faults = "".join(f'[[fault]]\nmessage = "calls/{n}"\nattempt = 1\nanswer = {{ status = 503 }}\n' for n in (4, 20))
    assert outages(run(STEADY + faults)) == []


def test_what_people_did_is_done_again() -> None:
    """Pauses, cancels, redrives and resets stand in a capsule at their instants, and lead to the same."""
    evidence = run("""\
[policies.email]
retry = { after = ["1s"], jitter = 0 }
[[arrive]]
name = "mails"
over = "10s"
count = 10
channel = "email"
to = "reader{n}@example.com"
[[arrive]]
name = "later"
channel = "email"
to = "other@example.com"
send_at = "1h"
[[fault]]
arrivals = "mails"
for = "1m"
answer = "permanent"
[[operator]]
at = "2m"
do = "pause"
lane = "email"
[[operator]]
at = "3m"
do = "redrive"
lane = "email"
per_s = 2
[[operator]]
at = "4m"
do = "resume"
lane = "email"
[[operator]]
at = "5m"
do = "cancel"
message = "later/1"
""")
    world = read_capsule(cut(evidence))
    assert [(order.do, order.at_us // SECOND_US) for order in world.operators] == [
        ("pause", 120),
        ("redrive", 180),
        ("resume", 240),
        ("cancel", 300),
    ]
    _, fidelity = retold(evidence)
    assert (fidelity.alike, fidelity.first) == (11, None)


def test_a_lane_that_was_paused_before_is_paused_from_the_start() -> None:
    """What a stretch finds paused stays so until somebody resumes it."""
    evidence = run(
        '[[arrive]]\nover = "2m"\ncount = 4\nchannel = "email"\nto = "a{n}@example.com"\n'
        '[[operator]]\nat = "10s"\ndo = "pause"\nlane = "email"\n'
        '[[operator]]\nat = "5m"\ndo = "resume"\nlane = "email"\n'
    )
    world = read_capsule(cut(evidence, since_us=40 * SECOND_US))
    assert [(order.do, order.at_us // SECOND_US) for order in world.operators] == [("pause", 0), ("resume", 260)]


def test_spans_are_exact() -> None:
    """Seconds with as many digits as there are, and nothing before the begin."""
    assert [span(us) for us in (0, 1, 1_500_000, 60_000_000, -5)] == ["0s", "0.000001s", "1.5s", "60s", "0s"]
