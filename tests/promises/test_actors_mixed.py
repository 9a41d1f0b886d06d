"""Everything at once: whatever people, providers and the disk do together, each message comes to one end."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from typing import Final, Literal

import pytest

from core import events as e
from core.errors import AppendUnknown, Forbidden, Invalid, Refused
from core.outcomes import Ambiguous, Config, Hold, Outcome, Permanent, Rate, Taken, Transient
from core.policies import SECOND_US, BreakerRule, CircuitRule, Limits, Poison, Policy, Quota, Schedule
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.draws import Draws
from scenarios.laws.replay import as_it_lies
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.schedules import Fifo, Pct, Ready, Walk
from scenarios.loop.schedules import Schedule as Order
from scenarios.loop.virtual import PowerCut
from tests.promises.house import PLAIN, TIGHT, House, address, living, mail, settings_of, under
from tests.promises.other_side import ObedientDisk, Provider

pytestmark = pytest.mark.slow

STEPS: Final = 120
PEERS: Final = 6
# Everything short, so that within minutes each rule has had its turn.
NERVOUS: Final = under(
    PLAIN,
    retry=Schedule(after_us=(SECOND_US // 5, SECOND_US, 3 * SECOND_US), jitter=0.5),
    circuit=CircuitRule(failures=3, cooldown_us=2 * SECOND_US, ceiling_us=10 * SECOND_US),
    breaker=BreakerRule(
        share=0.6, of=10, within_us=10 * SECOND_US, cooldown_us=2 * SECOND_US, ceiling_us=9 * SECOND_US
    ),
    limits=Limits(
        lane=Quota(count=30, window_us=SECOND_US),
        tenant=Quota(count=20, window_us=SECOND_US),
        recipient=Quota(count=5, window_us=SECOND_US),
        host_concurrency=2,
    ),
    in_flight_max=2,
    rate_pause_us=SECOND_US,
)
POLICIES: Final = (
    NERVOUS,
    under(NERVOUS, poison=Poison(kind="park")),
    under(NERVOUS, poison=Poison(kind="skip", skip_after_us=SECOND_US), on_ambiguous="hold"),
    under(NERVOUS, order="any", on_ambiguous="fail"),
)
ENDED: Final = {"sent", "delivered", "dead", "cancelled", "expired"}
MOODS: Final[tuple[Outcome, ...]] = (
    *(Taken(code="200"),) * 8,
    *(Transient(code="503"),) * 3,
    Transient(code="503", after_us=2 * SECOND_US),
    Ambiguous(code="timeout"),
    Rate(scope="pair", after_us=SECOND_US),
    Rate(scope="account"),
    Hold(after_us=SECOND_US),
    Permanent(code="400"),
    Config(code="401"),
)


def _moods(draws: Draws) -> Iterator[Outcome]:
    for nth in count():
        yield draws.choice("mood", nth, among=MOODS)


class Hands:
    """Somebody who does this and that to a house, by draws, and remembers what was accepted."""

    def __init__(self, draws: Draws, house: House, streams: list[int], nth: "count[int]") -> None:
        self._draws = draws
        self._house = house
        self._policy = house.settings.lanes[0].policy
        self._streams = streams
        self._nth = nth

    def _draw(self, what: str, below: int) -> int:
        return self._draws.integer(what, next(self._nth), below=below)

    async def do_something(self) -> None:
        """One step; what is refused, forbidden or unknown is taken as it comes."""
        steps: list[Callable[[], Awaitable[object]]] = [
            *(self._post,) * 10,
            *(self._wait,) * 4,
            self._cancel,
            self._move,
            self._redrive,
            self._release,
            self._reset,
            self._pause,
            self._resume,
            self._resume,
            self._spoil_a_commit,
            self._fill_the_disk,
            self._reload,
        ]
        try:
            await steps[self._draw("step", len(steps))]()
        except (AppendUnknown, Forbidden, Invalid, Refused):
            pass

    async def _post(self) -> None:
        number, peer = next(self._nth), self._draw("peer", PEERS)
        to = (mail if peer % 3 == 0 else address)(peer)
        now_us = self._house.clock.now_us()
        due_us = now_us + self._draw("due", 4) * SECOND_US // 2
        lives = self._draw("lives", 8) == 0
        receipt = await self._house.post(
            to,
            number,
            tenant=("org1", "org2")[self._draw("tenant", 2)],
            order=(None, "fifo", "any")[self._draw("order", 3)],
            priority=self._draw("priority", 3) + 4,
            send_at=self._house.moment(due_us),
            expires_at=self._house.moment(due_us + 2 * SECOND_US) if lives else None,
        )
        self._streams.append(receipt.id)

    async def _wait(self) -> None:
        await self._house.pass_time(self._draw("wait", 100) / 200)

    def _any_stream(self) -> int:
        return self._streams[self._draw("stream", len(self._streams))] if self._streams else 0

    async def _cancel(self) -> None:
        if self._streams:
            await self._house.system.errands.cancel(None, self._any_stream())

    async def _move(self) -> None:
        if self._streams:
            later_us = self._house.clock.now_us() + self._draw("later", 4) * SECOND_US
            await self._house.system.errands.reschedule(None, self._any_stream(), later_us)

    async def _redrive(self) -> None:
        if self._streams:
            await self._house.system.errands.redrive(None, self._any_stream())

    async def _release(self) -> None:
        if self._streams:
            head = self._house.durable.heads[self._any_stream()]
            await self._house.system.errands.release(None, head.conversation)

    async def _reset(self) -> None:
        if self._streams:
            head = self._house.durable.heads[self._any_stream()]
            await self._house.system.errands.reset(None, head.conversation)

    async def _pause(self) -> None:
        await self._house.system.errands.pause(("calls", "mail")[self._draw("lane", 2)])

    async def _resume(self) -> None:
        for lane in ("calls", "mail"):
            await self._house.system.errands.resume(lane)

    async def _reload(self) -> None:
        lanes = (("calls", "mail"), ("calls", "mail"), ("mail",))[self._draw("lanes", 3)]
        policy = under(self._policy, timeout_us=(30 + self._draw("timeout", 2)) * SECOND_US)
        await self._house.reload(settings_of(policy, bounds=TIGHT, lanes=lanes))

    async def _spoil_a_commit(self) -> None:
        border: Border = "before_sync" if self._draw("border", 2) else "before_answer"
        self._house.disk.fail_later(border, after_commits=self._draw("commits", 6))

    async def _fill_the_disk(self) -> None:
        self._house.disk.fill()
        await self._house.pass_time(self._draw("full", 100) / 100)
        self._house.disk.empty()


async def _settle(house: House, provider: Provider, policy: Policy) -> None:
    """All trouble is over and everybody lets everything go: whatever is open comes to its end."""
    provider.soothe()
    house.disk.calm()
    await house.pass_time(1)
    await house.reload(settings_of(policy, bounds=TIGHT))
    for _ in range(4):
        for lane in ("calls", "mail"):
            await house.system.errands.resume(lane)
        for conversation in sorted(house.durable.peers):
            await house.system.errands.release(None, conversation)
        await house.pass_time(600)


def assert_one_in_flight_in_each_line(durable: Durable) -> None:
    """Of the messages of a conversation that keep order, never two are being sent at once."""
    kept: dict[int, int] = {}
    flying: defaultdict[int, set[int]] = defaultdict(set)
    for entry in durable.events:
        event, stream = entry.event, entry.stream
        match event:
            case e.MessageAccepted(order="fifo"):
                kept[stream] = event.conversation
            case e.MessageSetAside():
                del kept[stream]
            case e.MessageRedriven():
                first = durable.streams[stream][0].event
                assert isinstance(first, e.MessageAccepted)
                kept |= {stream: first.conversation} if first.order == "fifo" else {}
            case e.AttemptStarted() if stream in kept:
                flying[kept[stream]].add(stream)
                assert len(flying[kept[stream]]) == 1, (
                    f"conversation {kept[stream]} sends {flying[kept[stream]]} at once"
                )
            case e.AttemptTaken() | e.AttemptFailed() | e.AttemptAborted() if stream in kept:
                flying[kept[stream]].discard(stream)
            case _:
                pass


def assert_taken_once(provider: Provider, durable: Durable) -> None:
    """A message that was taken twice was redriven or ambiguous in between."""
    taken = Counter(number for _, number, outcome in provider.given if isinstance(outcome, Taken))
    excused = Counter[int]()
    for entry in durable.events:
        if isinstance(entry.event, e.AmbiguityResolved | e.MessageRedriven):
            excused[entry.stream] += 1
    streams = {seen.number: seen.stream for seen in provider.seen}
    for number, times in taken.items():
        assert times <= 1 + excused[streams[number]], f"message {streams[number]} was taken {times} times"


def assert_all_ends_well(seed: int, policy: Policy, schedule: Callable[[Ready], Order]) -> None:
    """Some lives of this and that, the last of which has time to settle."""
    draws, durable = Draws(seed), Durable()
    provider, streams, nth, now_s = Provider(moods=_moods(draws)), list[int](), count(), 0.0
    provider.takes_us = 40_000

    async def main(*, ends_by: Literal["crash", "stop", "rest"]) -> None:
        disk = ObedientDisk()
        disk.read_us, disk.commit_us = 700, 900
        async with living(durable=durable, provider=provider, policy=policy, bounds=TIGHT, disk=disk) as house:
            hands = Hands(draws, house, streams, nth)
            for _ in range(STEPS):
                await hands.do_something()
            match ends_by:
                case "crash":
                    await cut_power()
                case "rest":
                    await _settle(house, provider, policy)
                case "stop":
                    disk.calm()
                    await house.system.stop()
                    await cut_power()

    for ends_by in ("crash", "stop"):
        with pytest.raises(PowerCut) as cut:
            run_virtual(partial(main, ends_by=ends_by), start_s=now_s, schedule=schedule)
        now_s = cut.value.now_s
    run_virtual(partial(main, ends_by="rest"), start_s=now_s, schedule=schedule)
    open_still = {s: durable.heads[s].status for s in durable.messages if durable.heads[s].status not in ENDED}
    assert open_still == {}
    assert set(streams) <= set(durable.messages)
    assert list(as_it_lies(durable)) == []
    assert_one_in_flight_in_each_line(durable)
    assert_taken_once(provider, durable)


@pytest.mark.parametrize("policy", POLICIES, ids=["block", "park", "skip", "any"])
@pytest.mark.parametrize("seed", range(2))
def test_everything_at_once_comes_to_one_end(seed: int, policy: Policy) -> None:
    """Three lives of cancels, moves, faults, full disks and lost answers: no message is lost, doubled or swapped."""
    for schedule in (Fifo, partial(Walk, draws=Draws(seed)), partial(Pct, draws=Draws(seed))):
        assert_all_ends_well(seed, policy, schedule)
