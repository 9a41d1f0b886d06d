"""Everything at once: doubts, receipts, failover, fallbacks, ends, outages, trouble with the store, power cuts.

What must hold whatever happens in whatever order is looked for in the log that is left.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final, get_args

import pytest

from core import events as e
from core import ids
from core.errors import AppendUnknown, Forbidden, NotFound, Refused
from core.message import CONCLUDED, FALLBACK_DUE, fold, head_of
from core.news import LaneNews, Receipt
from core.outcomes import Ambiguous, Config, Hold, Outcome, Permanent, Rate, Recipient, Taken, Transient
from core.policies import HOUR_US, SECOND_US, BreakerRule, Poison, Policy, Schedule
from core.records import FIFO_LINE
from core.settings import Bounds, Lane, Settings
from eventstore.durable import Durable
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.accounts import Account, AskedAccount, Branches, a_call, a_mail, lane, open_branches, settings_with
from tests.promises.house import PLAIN, TIGHT, mail
from tests.promises.other_side import ObedientDisk

MAILS: Final = ("one", "two", "three")
LIVES: Final = 3
STEPS: Final = 60
OUTCOMES: Final[tuple[Outcome, ...]] = (
    *(Transient(code="503"), Transient(code="503", retries_max=1), Ambiguous(code="timeout"), Ambiguous(code="504")),
    *(Permanent(code="554"), Rate(scope="pair"), Rate(scope="lane", after_us=5 * SECOND_US), Hold(after_us=SECOND_US)),
    *(Rate(scope="account", after_us=9 * SECOND_US), Recipient(code="4.2.2", soft=True), Config(code="535")),
)


def settings_of(draw: Random) -> Settings:
    """Three lanes for mail, two of them of one account, and one for webhooks, under policies drawn at random."""

    def policy(name: str) -> Policy:
        return Policy(
            name=name,
            retry=Schedule(after_us=draw.choice(((), (SECOND_US,), (SECOND_US, 20 * SECOND_US, 90 * SECOND_US)))),
            circuit=draw.choice((PLAIN.circuit, Policy(name="x", retry=PLAIN.retry).circuit)),
            breaker=BreakerRule(share=0.5, of=draw.choice((4, 1_000)), cooldown_us=20 * SECOND_US),
            on_ambiguous=draw.choice(get_args(e.OnAmbiguous)),
            reconcile_us=draw.choice((0, 15 * SECOND_US, 100 * SECOND_US)),
            order=draw.choice(("fifo", "any")),
            poison=draw.choice((Poison(), Poison(kind="park"), Poison(kind="skip", skip_after_us=30 * SECOND_US))),
            failover=draw.choice((MAILS, MAILS[::-1], ("one", "two"))) if name in MAILS else (),
            failover_after_us=draw.choice((SECOND_US, 30 * SECOND_US)),
            timeout_us=10 * SECOND_US,
            give_up_after_us=draw.choice((120 * SECOND_US, 24 * HOUR_US)),
        )

    lanes: list[Lane] = [
        lane(name, policy(name), account="acme" if name != "three" else "", has_receipts=draw.random() < 0.7)
        for name in MAILS
    ]
    calls = lane("calls", policy("calls"), channel="webhook", has_receipts=False)
    return settings_with(*lanes, calls, bounds=draw.choice((TIGHT, Bounds())))


class Tangle:
    """One run over several lives: what is done next is drawn at random."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)  # noqa: S311  # The same seed has to give the same run.
        self.settings = settings_of(self.draw)
        self.durable = Durable()
        self.accounts: dict[str, Account] = {
            one.name: (AskedAccount if self.draw.random() < 0.5 else Account)(one.name) for one in self.settings.lanes
        }

    # -- what may happen

    async def step(self, house: Branches, disk: ObedientDisk) -> None:
        """One thing happens, then a moment passes."""
        often = (*(self._post,) * 6, *(self._tell,) * 4, *(self._mend,) * 2)
        seldom = (self._outage, self._slow, self._cancel, self._release, self._redrive)
        happens: Callable[[Branches], Awaitable[None]] = self.draw.choice((*often, *seldom))
        for account in self.accounts.values():
            if self.draw.random() < 0.4:
                account.answers.append(self.draw.choice(OUTCOMES))
            if isinstance(account, AskedAccount):
                account.finds = self.draw.choice((None, None, Taken(provider_id=f"found-{self.draw.randrange(99)}")))
        if self.draw.random() < 0.1:
            disk.fail_later(self.draw.choice(("before_sync", "before_answer")), after_commits=self.draw.randrange(3))
        try:
            await happens(house)
        except (AppendUnknown, Refused, Forbidden, NotFound):
            pass  # It is told so, and may come again.
        await house.pass_time(self.draw.choice((0, 0.001, 0.5, 7, 40)))

    async def _post(self, house: Branches) -> None:
        draw, now_us = self.draw, house.clock.now_us()
        fields: dict[str, object] = {}
        if draw.random() < 0.3:
            fields["send_at"] = house.moment(now_us + draw.choice((SECOND_US, 60 * SECOND_US)))
        lives_s = draw.choice((90, 200)) if draw.random() < 0.3 else 1_000
        if lives_s < 1_000:
            fields["expires_at"] = house.moment(now_us + lives_s * SECOND_US)
        if draw.random() < 0.5:
            fields["fallback"] = draw.choice(([a_call(draw.randrange(4))], [a_call(draw.randrange(4)), a_mail(9)]))
            if draw.random() < 0.5:
                fields["fallback_by"] = house.moment(now_us + min(lives_s, draw.choice((80, 150))) * SECOND_US)
        if draw.random() < 0.3:
            fields["lane"] = draw.choice(MAILS)
        elif draw.random() < 0.3:
            fields["failover"] = draw.sample(MAILS, draw.randrange(1, 4))
        number = draw.randrange(5)
        await house.post(mail(number), number, tenant=draw.choice(("org1", "org2")), **fields)

    async def _tell(self, house: Branches) -> None:
        name = self.draw.choice(MAILS)
        sent = self.accounts[name].sent
        if not sent:
            return
        # Its next message too, whose id it has given while its answer is on the way.
        number = self.draw.randrange(len(sent))
        status = self.draw.choice(get_args(e.ReceiptStatus))
        failure = Recipient(code="4.4.1", soft=True) if status == "failed" else None
        told = Receipt(status=status, provider_id=f"{name}-{number + 1}", failure=failure)
        if self.draw.random() < 0.5:
            told = Receipt(status=status, echo=ids.encode("msg", sent[number].stream), failure=failure)
        await house.system.receipts.take((name,), told)

    async def _outage(self, house: Branches) -> None:
        name = self.draw.choice(MAILS)
        if self.draw.random() < 0.5:
            await house.system.errands.pause(name)
        else:
            await house.system.errands.told(name, LaneNews(state="down", code="x"))

    async def _slow(self, _house: Branches) -> None:
        account = self.accounts[self.draw.choice(MAILS)]
        account.let_go()
        if self.draw.random() < 0.7:
            account.hold()

    async def _mend(self, house: Branches) -> None:
        name = self.draw.choice((*MAILS, "calls"))
        if self.draw.random() < 0.5:
            await house.system.errands.resume(name)
        else:
            await house.system.errands.told(name, LaneNews(state="up", code="x"))

    def _any(self) -> int:
        return self.draw.choice(self.durable.messages or [0])

    async def _cancel(self, house: Branches) -> None:
        await house.system.errands.cancel(None, self._any())

    async def _redrive(self, house: Branches) -> None:
        await house.system.errands.redrive(None, self._any())

    async def _release(self, house: Branches) -> None:
        head = self.durable.heads.get(self._any())
        if head is not None:
            await house.system.errands.release(None, head.conversation)

    # -- lives

    def live(self) -> None:
        """Several lives, each but the last of which ends without warning; then everything works again for a week."""
        now_s = 0.0
        for life in range(LIVES):
            is_last = life == LIVES - 1
            try:
                run_virtual(lambda is_last=is_last: self._life(is_last=is_last), start_s=now_s)  # type: ignore[misc]
            except PowerCut as cut:
                now_s = cut.now_s
                for account in self.accounts.values():
                    account.hang_up()

    async def _life(self, *, is_last: bool) -> None:
        disk = ObedientDisk()
        disk.commit_us = self.draw.choice((0, 0, 300))
        async with open_branches(self.settings, self.accounts, durable=self.durable, disk=disk) as house:
            for _ in range(STEPS):
                await self.step(house, disk)
            if not is_last:
                await cut_power()
            disk.calm()
            for account in self.accounts.values():
                account.answers.clear()
                account.let_go()
            for name in self.accounts:
                await house.pass_time(2)
                await house.system.errands.resume(name)
            await house.pass_time(7 * 86_400)
            assert house.system.ready() == []


# -- what must hold ----------------------------------------------------------------------------------------------


def everything_came_to_an_end(durable: Durable) -> None:
    """Nothing waits or flies any more: what did not end is held for a person, by name."""
    for stream in durable.messages:
        message = fold(durable.streams[stream])
        assert message.status in CONCLUDED | {"held"}, (stream, message.status, message.due_us)


def heads_and_books_mirror_the_log(durable: Durable) -> None:
    """Each head is what its events come to, and the tallies count them."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for stream in durable.messages:
        message, head = fold(durable.streams[stream]), durable.heads[stream]
        assert head == head_of(message, head.shard)
        counted[head.tenant, head.channel, head.lane, head.status] += 1
    assert counted == Counter({key: messages for key, (messages, _) in durable.tallies.items() if messages})
    assert (durable.ending, durable.agenda) == ([], {})
    assert all(line == FIFO_LINE or not places for (_, line), places in durable.lines.items())


def nothing_is_sent_in_doubt(durable: Durable) -> None:
    """Between the beginning of a doubt and its end no attempt starts, and every doubt has one end."""
    for stream in durable.messages:
        in_doubt = False
        for entry in durable.streams[stream]:
            match entry.event:
                case e.ReconcileStarted():
                    assert not in_doubt
                    in_doubt = True
                case e.AmbiguityResolved() | e.AttemptProved():
                    in_doubt = False
                case e.AttemptStarted():
                    assert not in_doubt, stream
                case _:
                    pass
        assert not in_doubt, stream


def nothing_that_was_taken_is_sent_again(durable: Durable) -> None:
    """After an attempt that was taken, or a receipt of success, nothing leaves any more."""
    for stream in durable.messages:
        is_taken = False
        for entry in durable.streams[stream]:
            assert not (is_taken and isinstance(entry.event, e.AttemptStarted)), stream
            is_taken |= isinstance(entry.event, e.AttemptTaken | e.AttemptProved)
            is_taken |= isinstance(entry.event, e.ReceiptSeen) and entry.event.status != "failed"


def receipts_are_recorded_once(durable: Durable) -> None:
    """Each status of each attempt at most once."""
    for stream in durable.messages:
        told = [entry.event for entry in durable.streams[stream] if isinstance(entry.event, e.ReceiptSeen)]
        assert max(Counter((event.status, event.attempt) for event in told).values(), default=1) == 1, stream


def each_fallback_follows_once(durable: Durable) -> None:
    """What ended undelivered is followed by one message, if it had any; nothing else by any."""
    for stream in durable.messages:
        message, caused = fold(durable.streams[stream]), durable.caused.get(stream, [])
        first = durable.streams[stream][0].event
        assert isinstance(first, e.MessageAccepted)
        assert len(caused) == (1 if message.fallback else 0), stream
        assert caused == [message.fallback] * len(caused)
        assert not message.owes, stream
        ended = message.status in {"dead", "expired", "failed"} or message.reason == FALLBACK_DUE
        if first.fallbacks and ended and message.told is None:
            assert message.fallback, (stream, message.status)
        if not first.fallbacks or (message.status == "cancelled" and message.reason != FALLBACK_DUE):
            assert not message.fallback, stream


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 16))])
def test_whatever_happens_in_whatever_order(seed: int) -> None:
    """Each message comes to one end, is sent again only where that was allowed, and the log says why."""
    tangle = Tangle(seed)
    tangle.live()
    durable = tangle.durable
    assert len(durable.messages) > STEPS // 2
    for rule in (
        everything_came_to_an_end,
        heads_and_books_mirror_the_log,
        nothing_is_sent_in_doubt,
        nothing_that_was_taken_is_sent_again,
        receipts_are_recorded_once,
        each_fallback_follows_once,
    ):
        rule(durable)
