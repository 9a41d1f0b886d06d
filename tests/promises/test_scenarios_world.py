"""The simulated world: what the other side, the clients, the disk and the clock do is what the file says of them."""

import pytest

from core.outcomes import Ambiguous, Rate, Taken, Transient
from scenarios.draws import Draws
from scenarios.run.judging import judged
from scenarios.run.running import run_once
from tests.promises.simulated import run, scenario, statuses

pytestmark = pytest.mark.slow

_ONE = """\
[[arrive]]
name = "order"
channel = "webhook"
to = "https://shop.example/orders"
"""
_TEN = """\
[[arrive]]
name = "orders"
over = "10s"
count = 10
channel = "webhook"
to = "https://shop{n}.example/orders"
idempotency_key = "order/{n}"
"""


@pytest.mark.parametrize(
    ("answer", "outcome", "left", "arrived"),
    [
        ('"refused"', Transient(code="connect"), False, False),
        ('"timeout"', Ambiguous(code="timeout"), True, False),
        ('"reset"', Ambiguous(code="disconnected"), True, False),
        ('"lost_reply"', Ambiguous(code="disconnected"), True, True),
        ('{ slow = "1m" }', Ambiguous(code="timeout"), True, True),
        ('{ slow = "3s" }', Taken(code="200"), True, True),
        ("{ status = 503 }", Transient(code="503"), True, True),
        ('{ status = 429, headers = { Retry-After = "90" } }', Rate(code="429", after_us=90_000_000), True, True),
    ],
)
def test_each_answer_of_a_fault_is_seen_for_what_it_is(answer: str, outcome: object, left: bool, arrived: bool) -> None:  # noqa: FBT001 - a table of cases
    """What never left is transient, what left without an answer is ambiguous, and the books know what arrived."""
    evidence = run(f"{_ONE}[[fault]]\nattempt = 1\nanswer = {answer}\n")
    first = evidence.chronicle.attempts[0]
    assert first.outcome == outcome
    handed = [one for one in evidence.books.handed if one.attempt == 1]
    assert bool(handed) == left
    assert any(one.arrives_us is not None for one in handed) == arrived
    assert statuses(evidence) == {"order/1": "delivered"}


def test_a_lost_reply_is_a_duplicate_unless_the_other_side_knows_the_message() -> None:
    """A resend after a lost reply arrives twice; an idempotent other side takes it once."""
    fault = '[[fault]]\nattempt = 1\nanswer = "lost_reply"\n'
    assert len(run(_ONE + fault).books.deliveries()) == 2
    assert len(run(f"{_ONE}{fault}[[provider]]\nidempotent = true\n").books.deliveries()) == 1


def test_the_first_provider_that_fits_stands() -> None:
    """A narrower provider before a wider one decides for what both fit."""
    providers = """\
[[provider]]
host = "shop3.example"
latency = { median = "9s" }
[[provider]]
latency = { median = "100ms" }
"""
    handed = run(_TEN + providers).books.handed
    took = {one.key: (one.arrives_us or 0) - one.at_us for one in handed}
    assert took["orders/3"] > 2_000_000
    assert all(span_us < 100_000 for key, span_us in took.items() if key != "orders/3")


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ('message = "orders/4"', {4}),
        ('to = "https://shop7.*"', {7}),
        ('host = "shop2.example"', {2}),
        ('arrivals = "orders"', set(range(1, 11))),
        ('lane = "email"', set()),
    ],
)
def test_a_selector_means_what_it_says(selector: str, meant: set[int]) -> None:
    """A fault meets exactly the messages that its selector names."""
    evidence = run(f"{_TEN}[[fault]]\nattempt = 1\nanswer = {{ status = 500 }}\n{selector}\n")
    failed = {int(one.key.partition("/")[2]) for one in evidence.books.handed if one.attempt == 2}
    assert failed == meant


def test_a_share_is_drawn_for_each_request() -> None:
    """Half of the requests meet a fault with a share of one half, and others under another seed."""
    text = (
        _TEN.replace("count = 10", "count = 100") + "[[fault]]\nattempt = 1\nanswer = { status = 500, share = 0.5 }\n"
    )

    def failed(seed: int) -> set[str]:
        return {one.key for one in run(text, seed=seed).books.handed if one.attempt == 2}

    assert 35 <= len(failed(1)) <= 65
    assert failed(1) != failed(2)


def test_arrivals_are_spread_as_the_file_says() -> None:
    """Even ones are a constant time apart, a burst comes at once, and each of a Poisson process has its own instant."""

    def instants(kind: str) -> list[int]:
        text = _TEN.replace('over = "10s"', f'over = "10s"\narrivals = "{kind}"')
        return sorted(told.at_us for told in run(text).books.told)

    assert instants("even") == [number * 1_000_000 for number in range(10)]
    assert instants("burst") == [0] * 10
    poisson = instants("poisson")
    assert len(set(poisson)) == 10
    assert 0 < min(poisson) < max(poisson) < 10_000_000


def test_a_client_that_repeats_is_given_the_same_message() -> None:
    """Requests sent twice under one key are one message; each client is told so."""
    told = run(_TEN.replace("count = 10", "count = 10\nrepeat = 1.0")).books.told
    assert sorted(one.what for one in told) == ["accepted"] * 10 + ["repeated"] * 10
    assert len({one.stream for one in told}) == 10


def test_a_full_disk_refuses_and_clients_come_back() -> None:
    """While nothing can be written calls are refused with a time to come back, and in the end all are accepted."""
    evidence = run(f'{_TEN}[[fault]]\nat = "2s"\nfor = "20s"\ndisk = "full"\n')
    told = evidence.books.told
    assert {one.what for one in told if 2_000_000 <= one.at_us < 22_000_000} == {"refused"}
    assert sorted(one.key for one in told if one.what == "accepted") == sorted(evidence.subjects)
    assert set(statuses(evidence).values()) == {"delivered"}


def test_nobody_answers_while_the_daemon_is_down() -> None:
    """Between a crash and the restart nothing leaves, is accepted or recorded, and then everything goes on."""
    evidence = run(f'{_TEN}[[fault]]\nat = "4s"\ndaemon = "crash"\ndown = "1m"\n')
    start_us = evidence.scenario.start_us
    assert not [one for one in evidence.books.handed if 4_000_000 < one.at_us < 64_000_000]
    assert not [entry for entry in evidence.events if 4_000_000 < entry.at_us - start_us < 64_000_000]
    assert [life.ended_by for life in evidence.lives] == ["crash", "end"]
    assert set(statuses(evidence).values()) == {"delivered"}


def test_a_clean_stop_says_so_in_the_log() -> None:
    """A stop lets attempts end and records it; a crash records nothing."""

    def stopped(daemon: str) -> int:
        evidence = run(f'{_TEN}[[fault]]\nat = "4s"\ndaemon = "{daemon}"\n')
        return sum(type(entry.event).__name__ == "DaemonStopped" for entry in evidence.events)

    assert (stopped("stop"), stopped("crash")) == (2, 1)


def test_a_clock_that_steps_forward_takes_log_time_with_it_and_back_does_not() -> None:
    """An hour forward is seen in the log at once; an hour back never is."""
    start_us = scenario(_TEN).start_us

    def last_hour(step: str) -> int:
        events = run(f'{_TEN}[[fault]]\nat = "5s"\nclock = "{step}"\n').events
        accepted = [entry.at_us for entry in events if type(entry.event).__name__ == "MessageAccepted"]
        assert accepted == sorted(accepted)
        return (accepted[-1] - start_us) // 3_600_000_000

    assert last_hour("+1h") == 1
    assert last_hour("-1h") == 0


def test_orders_of_people_are_carried_out() -> None:
    """A paused lane lets nothing out until it is resumed, and what is cancelled meanwhile never leaves."""
    orders = """\
[[operator]]
at = "0s"
do = "pause"
lane = "webhook"
[[operator]]
at = "1m"
do = "cancel"
message = "orders/5"
[[operator]]
at = "2m"
do = "resume"
lane = "webhook"
"""
    evidence = run(_TEN + orders)
    assert statuses(evidence) == {f"orders/{n}": "cancelled" if n == 5 else "delivered" for n in range(1, 11)}
    assert min(one.at_us for one in evidence.books.handed if one.key != "orders/1") > 120_000_000


def test_a_world_rests_while_a_person_is_awaited() -> None:
    """A run ends although messages wait, where what they wait for is a person: a paused lane, an unknown outcome."""
    paused = run(f'{_TEN}[[operator]]\nat = "5s"\ndo = "pause"\nlane = "webhook"\n')
    assert "queued" in set(statuses(paused).values())
    held = run('[[arrive]]\nchannel = "whatsapp"\nto = "+972500000001"\n[[fault]]\nanswer = { lost_reply = true }\n')
    assert set(statuses(held).values()) == {"held"}


def test_a_run_that_never_rests_is_told_with_its_messages() -> None:
    """A message that is due after the bound breaks law 12 and no other, and the story names it."""
    text = 'rests_within = "1h"\n' + _ONE + 'send_at = "20h"\n'
    outcome = judged(run_once(scenario(text), 1))
    assert [breach.law for breach in outcome.breaches] == [12]
    assert "order/1 is still scheduled" in outcome.story


def test_secrets_of_a_world_never_repeat_and_follow_the_seed() -> None:
    """Salts differ within a run and are the same in the next one."""
    first, second = (run(_TEN).durable.sealed.values() for _ in range(2))
    salts = [sealed.salt for sealed in first]
    assert len(set(salts)) == 10
    assert salts == [sealed.salt for sealed in second]
    assert Draws(1).draw("secret", 1) != Draws(2).draw("secret", 1)
