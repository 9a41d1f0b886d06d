"""The wire: real clients and servers in memory, whose bytes break where the file says, and never by themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from adapters.config.loading import Mistaken
from core.outcomes import Ambiguous, Outcome, Rate, Taken, Transient
from core.ports import Channel, Parcel
from scenarios.file.loading import read
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once
from scenarios.wire.providers import DIALECTS, Seen
from scenarios.world.ground import Parts
from tests.promises.simulated import HEAD, run, scenario, statuses

pytestmark = pytest.mark.slow

_HOOKS = """\
[lanes.hooks]
channel = "webhook"
provider = "webhook"
wire = true
[[arrive]]
name = "order"
channel = "webhook"
to = "https://shop.example/orders"
"""
_MAILS = """\
[lanes.mail]
channel = "email"
provider = "smtp"
wire = true
[[arrive]]
name = "mail"
channel = "email"
to = "ann@mail.example"
"""
_DOOR = """\
[api]
wire = true
CUT
[hooks.stripe]
scheme = "stripe"
[[arrive]]
name = "mails"
over = "1m"
count = 10
channel = "email"
to = "reader{n}@mail.example"
idempotency_key = "mail for reader {n}"
[[arrive]]
name = "paid"
over = "1m"
count = 10
hook = "stripe"
content = { type = "invoice.paid", data = { object = { id = "in_{n}" } } }
forged = 0.2
"""


def _first(evidence: Evidence) -> tuple[Outcome | None, bool]:
    """What the first attempt came to, and whether it arrived."""
    handed = [one for one in evidence.books.handed if one.attempt == 1]
    return evidence.chronicle.attempts[0].outcome, any(one.arrives_us is not None for one in handed)


@pytest.mark.parametrize(
    ("answer", "outcome", "arrived"),
    [
        ('"refused"', Transient(code="connect"), False),
        ('"timeout"', Ambiguous(code="timeout"), False),
        ('"reset"', Ambiguous(code="disconnected"), False),
        ('"lost_reply"', Ambiguous(code="disconnected"), True),
        ('"half_closed"', Ambiguous(code="disconnected"), True),
        ('"garbage"', Ambiguous(code="bad_answer"), True),
        ('{ slow = "1m" }', Ambiguous(code="timeout"), True),
        ('{ slow = "3s" }', Taken(code="200"), True),
        ('"split"', Taken(code="200"), True),
        ('"drip"', Taken(code="200"), True),
        ('"stale"', Taken(code="200"), True),
        ("{ status = 503 }", Transient(code="503", detail="Service Unavailable"), True),
        (
            '{ status = 429, headers = { Retry-After = "90" } }',
            Rate(code="429", detail="Too Many Requests", after_us=90_000_000),
            True,
        ),
    ],
)
def test_our_http_client_sees_each_break_for_what_it_is(answer: str, outcome: object, arrived: bool) -> None:  # noqa: FBT001 - a table of cases
    """What never left is transient, what left without a whole answer is ambiguous, and bytes may come one by one."""
    evidence = run(f"{_HOOKS}[[fault]]\nlane = 'hooks'\nattempt = 1\nanswer = {answer}\n", seed=3)
    assert _first(evidence) == (outcome, arrived)
    assert statuses(evidence) == {"order/1": "delivered"}


@pytest.mark.parametrize("answer", ["stalled", "truncated"])
def test_an_answer_that_ends_before_its_status_leaves_a_doubt(answer: str) -> None:
    """Over many seeds an answer breaks within its status or behind it: the first is a doubt, the second an answer."""
    seen = {
        _first(run(f"{_HOOKS}[[fault]]\nlane = 'hooks'\nattempt = 1\nanswer = \"{answer}\"\n", seed=seed))[0]
        for seed in range(12)
    }
    code = "timeout" if answer == "stalled" else "disconnected"
    assert seen <= {Ambiguous(code=code), Ambiguous(code="bad_answer"), Taken(code="200")}
    assert Ambiguous(code=code) in seen


def test_only_a_line_that_was_used_before_can_be_stale() -> None:
    """The second request on a kept line meets it closed, which is a doubt; the first does not."""
    text = _HOOKS.replace("[[arrive]]", "[[arrive]]\ncount = 2\nover = '2s'")
    evidence = run(f'{text}[[fault]]\nlane = "hooks"\nattempt = 1\nanswer = "stale"\n')
    outcomes = [attempt.outcome for attempt in evidence.chronicle.attempts if attempt.number == 1]
    assert outcomes == [Taken(code="200"), Ambiguous(code="disconnected")]


def test_a_line_that_was_idle_for_long_is_not_used_again() -> None:
    """Our HTTP client closes what was idle for longer than it keeps lines, in the time of the run."""
    text = _HOOKS + 'over = "2m"\ncount = 2\n'
    evidence = run(f'{text}[[fault]]\nlane = "hooks"\nanswer = "stale"\n')
    assert [type(attempt.outcome) for attempt in evidence.chronicle.attempts] == [Taken, Taken]


@pytest.mark.parametrize("seed", range(6))
def test_a_mail_is_in_doubt_from_its_final_dot_on(seed: int) -> None:
    """A line that breaks before the final dot leaves no doubt, one that breaks after it does."""
    fault = "[[fault]]\nlane = 'mail'\nattempt = 1\nanswer = "
    before, arrived = _first(run(f'{_MAILS}{fault}"reset"\n', seed=seed))
    # The whole mail and its dot leave us in one piece, so a break in that piece is a doubt that it never arrived.
    assert before in {Transient(code="disconnected"), Ambiguous(code="disconnected")}
    assert not arrived
    assert _first(run(f'{_MAILS}{fault}"lost_reply"\n', seed=seed)) == (Ambiguous(code="disconnected"), True)
    later, _ = _first(run(f'{_MAILS}{fault}{{ status = 451, body = "4.3.0 later" }}\n', seed=seed))
    assert isinstance(later, Transient)


def test_resend_takes_a_message_once_without_being_told_to() -> None:
    """Its client trusts in the key that it repeats, so the one who answers it on the wire keeps that promise too."""
    text = _MAILS.replace('"smtp"', '"resend"')
    evidence = run(f'{text}[[fault]]\nlane = "mail"\nattempt = 1\nanswer = "lost_reply"\n')
    first, second = (attempt.outcome for attempt in evidence.chronicle.attempts)
    assert first == Transient(code="disconnected same_key")
    assert isinstance(second, Taken)
    assert second.provider_id.endswith("-1")
    assert (len(evidence.books.handed), len(evidence.books.deliveries())) == (2, 1)
    assert breaches(evidence) == []


def test_clients_and_senders_come_in_over_the_real_door() -> None:
    """Messages and hooks are taken over HTTP, keys of clients are in the log, and what is forged is turned away."""
    evidence = run(_DOOR.replace("CUT", ""))
    told = [told.what for told in evidence.books.told]
    assert (told.count("accepted") + told.count("forged"), len(told)) == (20, 20)
    assert set(statuses(evidence).values()) == {"sent", "delivered"}
    assert any(head.kind == "sys" for head in evidence.durable.heads.values())


def test_a_long_hook_comes_in_over_the_wire() -> None:
    """One that production has a thread take apart, lest all others wait, is taken where there are no threads."""
    long = f'[[arrive]]\nname = "long"\nhook = "stripe"\ncontent = {{ text = "{"x" * 300_000}" }}\n'
    evidence = run(f'[api]\nwire = true\n[hooks.stripe]\nscheme = "stripe"\n{long}')
    assert list(statuses(evidence).values()) == ["delivered"]


def test_a_call_that_breaks_off_is_made_again_and_taken_once() -> None:
    """With half of the calls cut, all messages are there in the end, once each, and some were answered as repeated."""
    evidence = run(_DOOR.replace("CUT", "cut = 0.5"), seed=2)
    taken = [told for told in evidence.books.told if told.what in {"accepted", "repeated"}]
    assert any(told.what == "repeated" for told in taken)
    assert len({told.stream for told in taken}) == len(statuses(evidence)) == len({told.key for told in taken})


class _Insistent:
    """A channel that tries again by itself where it is in doubt."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Sends until it has an answer, or for the second time."""
        outcome = await self._channel.send(parcel, handed_over)
        return await self._channel.send(parcel, handed_over) if isinstance(outcome, Ambiguous) else outcome

    async def close(self) -> None:
        """Closes."""
        await self._channel.close()


def test_a_client_that_repeats_a_doubt_by_itself_is_caught() -> None:
    """A law breaks where a channel hides a doubt behind a second request."""
    world = scenario(f'{_HOOKS}[[fault]]\nlane = "hooks"\nanswer = {{ lost_reply = true, share = 0.5 }}\n')
    found = [breaches(run_once(world, seed, parts=Parts(channel_of=_Insistent))) for seed in range(6)]
    assert any(found)


class _Watched(_Insistent):
    """A channel whose parcels are looked at."""

    seen: ClassVar[list[Parcel]] = []

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Sends it as it is."""
        self.seen.append(parcel)
        return await self._channel.send(parcel, handed_over)


@pytest.mark.parametrize("provider", DIALECTS)
def test_a_stand_in_understands_no_request_but_its_own(provider: str) -> None:
    """What does not say whose it is, for whom, and by whose leave, is not understood by any provider's stand-in."""
    run_once(scenario(_HOOKS), 1, parts=Parts(channel_of=_Watched))
    stranger = Seen(method="POST", path="/", headers={}, body=b"{}")
    assert not DIALECTS[provider].understands(stranger, _Watched.seen[-1])


def _mistakes(text: str) -> list[str]:
    with pytest.raises(Mistaken) as raised:
        read(f'{HEAD}runs_for = "1h"\n{text}', Path("world.toml"))
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_HOOKS.replace('provider = "webhook"', 'provider = "smtp"'), "provider"),
        (f'{_HOOKS}[[fault]]\nlane = "hooks"\nanswer = "permanent"\n', "in bytes"),
        ('[[fault]]\nanswer = "drip"\n', "wire = true"),
        (f"{_HOOKS}[[provider]]\nlane = 'hooks'\nlooks_up = 0.5\n", "look-up"),
        ("[api]\ncut = 0.5\n", "wire = true beside it"),
        ('[lanes.push]\nchannel = "push"\nprovider = "fcm"\nwire = true\n', "a [[device]]"),
    ],
)
def test_what_no_wire_can_do_is_a_mistake(text: str, words: str) -> None:
    """A file that asks a wire for words, or a lane without one for broken bytes, is refused when it is read."""
    (mistake,) = _mistakes(text)
    assert words in mistake


@pytest.mark.parametrize("schedule", ["fifo", "walk", "pct"])
def test_a_run_on_the_wire_is_the_same_again(schedule: str) -> None:
    """The same seed gives the same log under each order of steps, faults and doors included."""
    world = replace(
        scenario(f'{_DOOR.replace("CUT", "cut = 0.3")}[lanes.email]\nchannel = "email"\n{_HOOKS}'), schedule=schedule
    )
    first = run_once(world, 5)
    assert first.digest == run_once(world, 5).digest
    assert first.digest != run_once(world, 6).digest
