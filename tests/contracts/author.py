"""Answers for random calls to a log that hang together: mostly what actors do, now and then what nobody should.

It must never look into a log; what it knows of one is how its calls were answered.
"""

from collections.abc import Callable
from random import Random
from typing import Final, Literal

from msgspec.structs import replace

from core import events as e
from core.message import WAITING, head_of
from core.records import Acceptance, AddressChange, Alias, Append, Head, HeadChange, ListedKind, Snapshot, Stored
from tests.contracts.scribe import DEDUP_FOR_US, Scribe, alias, digest, vault_row

PEERS: Final = 6
KEYS: Final = 25
NAMES: Final = 6
KINDS: Final[tuple[ListedKind, ...]] = ("lane", "sys", "device", "plan", "stray")

Call = Append | Acceptance | Snapshot


class Author:
    """Draws the next calls: mostly what actors do, now and then what nobody should."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)  # noqa: S311  # A seed that can be repeated is the point.
        self.scribes = [Scribe("org1", slot=0), Scribe("org2", slot=1)]
        self.accepted: list[Acceptance] = []
        # All that were drawn, whatever became of them, and what address changes were.
        self.asked: list[Acceptance] = []
        self.let_go: list[tuple[str, AddressChange]] = []
        # What addresses became of those changes that a log took.
        self.became: set[str] = set()
        # Streams that are no messages, and heads of messages that an event of a newer release has changed.
        self.others: list[int] = []
        self.changed: dict[int, Head] = {}

    def group(self) -> list[Call]:
        """One to eight calls to be made at once; each works on streams of its own."""
        if self.draw.random() < 0.02:
            self.scribes[0].tick(DEDUP_FOR_US)
        busy: set[int] = set()
        return [self._call(busy) for _ in range(self.draw.choice((1, 1, 1, 2, 4, 8)))]

    def learn(self, calls: list[Call], answers: list[object]) -> None:
        """Keeps what was really accepted."""
        for call, answer in zip(calls, answers, strict=True):
            if isinstance(call, Append) and answer is None:
                self.became.update(change.becomes for change in call.addresses)
            if not isinstance(call, Acceptance):
                continue
            if answer == Stored():
                self.accepted.append(call)
                # Where an address led nowhere any more, somebody else's conversation may have come to it.
                self._scribe_of(call.append.tenant).conversations[self._peer(call)] = call.conversation
            elif call not in self.accepted:
                for scribe in self.scribes:
                    scribe.messages.pop(call.sealed.stream, None)

    def _call(self, busy: set[int]) -> Call:
        kinds: list[Callable[[set[int]], Call | None]] = [
            *[self._accept] * 6,
            *[self._go_on] * 10,
            self._accept_again,
            self._conflict,
            self._steal_peer,
            self._backdate,
            self._snapshot,
            *[self._open] * 3,
            *[self._change] * 3,
            self._move_two,
            *[self._forget] * 2,
        ]
        while True:
            # One daemon has one clock, whoever's messages it writes.
            now_us = max(scribe.now_us for scribe in self.scribes)
            for scribe in self.scribes:
                scribe.now_us = now_us
            call = self.draw.choice(kinds)(busy)
            if call is not None:
                return call

    def _accept(self, busy: set[int]) -> Acceptance:
        draw = self.draw
        acceptance = draw.choice(self.scribes).acceptance(
            f"peer{draw.randrange(PEERS)}",
            key=f"key{draw.randrange(KEYS)}" if draw.random() < 0.5 else None,
            request=draw.choice(("a", "a", "b")),
            reference=f"event{draw.randrange(3)}" if draw.random() < 0.3 else None,
            due_in_us=draw.choice((0, 0, 3_600_000_000)),
            expires_in_us=draw.choice((None, None, 60_000_000, 7_200_000_000)),
            lane=draw.choice(("mail", "calls")),
            priority=draw.choice((5, 5, 9)),
            order=draw.choice(("fifo", "fifo", "any")),
            cause=draw.choice(self.accepted).sealed.stream if self.accepted and draw.random() < 0.2 else 0,
        )
        busy.add(acceptance.sealed.stream)
        self.asked.append(acceptance)
        return replace(acceptance, append=self._beside(acceptance.append, acceptance.sealed.stream))

    def _beside(self, append: Append, *streams: int) -> Append:
        # What an append brings along leads to streams that are there, or come with it.
        draw = self.draw
        known = [*streams, *self.others, *(acceptance.sealed.stream for acceptance in self.accepted)]
        if not known or draw.random() < 0.5:
            return append
        rows = [vault_row(stream, f"{draw.random()}") for stream in self.others[-3:] if draw.random() < 0.3]
        return replace(append, aliases=self._names(known), dropped=self._names(known), sealed=tuple(rows))

    def _names(self, known: list[int]) -> tuple[Alias, ...]:
        draw = self.draw
        return tuple(
            alias(
                # Among a few streams, so that names meet.
                draw.choice(known[-4:]),
                f"name{draw.randrange(NAMES)}",
                space=draw.choice(("provider_id", "device")),
                tenant=draw.choice(("org1", "org2")),
            )
            for _ in range(draw.randrange(4))
        )

    def _accept_again(self, busy: set[int]) -> Acceptance | None:
        return self.draw.choice(self.accepted) if self.accepted else None

    def _pick(self, busy: set[int]) -> tuple[Scribe, int] | None:
        scribe = self.draw.choice(self.scribes)
        known = {acceptance.sealed.stream for acceptance in self.accepted}
        free = sorted(stream for stream in scribe.messages if stream in known - busy)
        if not free:
            return None
        stream = self.draw.choice(free)
        busy.add(stream)
        return scribe, stream

    def _go_on(self, busy: set[int]) -> Append | None:
        picked = self._pick(busy)
        if picked is None:
            return None
        scribe, stream = picked
        match scribe.messages[stream].status:
            case status if status in WAITING:
                if self.draw.random() < 0.8:
                    return scribe.start(stream, lane=self.draw.choice((None, None, "mail", "calls")))
                return scribe.move(stream, self.draw.choice((e.MessageExpired(), e.MessageHeld(by="unknown"))))
            case "sending":
                return self._beside(self.draw.choice((scribe.taken, scribe.failed, self._bury(scribe)))(stream))
            case "held":
                return scribe.move(stream, e.MessageReleased(due_us=scribe.now_us))
            case "dead":
                return scribe.move(stream, e.MessageRedriven(due_us=scribe.now_us))
            case _:
                return None

    @staticmethod
    def _bury(scribe: Scribe) -> Callable[[int], Append]:
        return lambda stream: scribe.failed(stream, dead=True)

    def _change(self, busy: set[int]) -> Append | None:
        # Whatever a newer release may do to a message: after it nobody here reads the stream, but its head counts.
        scribe = self.scribes[0]
        if self.changed and self.draw.random() < 0.5:
            head = self.draw.choice([*self.changed.values()])
            if head.stream in busy:
                return None
            busy.add(head.stream)
        else:
            picked = self._pick(busy)
            if picked is None:
                return None
            scribe, stream = picked
            message = scribe.messages.pop(stream)
            self.accepted = [acceptance for acceptance in self.accepted if acceptance.sealed.stream != stream]
            head = head_of(message, scribe.shard(message.conversation))
        change: dict[str, object] = {"lane": self.draw.choice(("mail", "calls", "spare"))}
        if head.status not in WAITING:
            change |= {"owes": self.draw.random() < 0.6, "due_us": None, "place": None}
            change |= {"status": self.draw.choice(("sent", "delivered", "read", "failed", "dead"))}
        append = self._beside(scribe.become(head, **change))
        self.changed[head.stream] = append.heads[0].head
        return append

    def _conflict(self, busy: set[int]) -> Append | None:
        picked = self._pick(busy)
        if picked is None:
            return None
        scribe, stream = picked
        message = scribe.messages[stream]
        if message.status not in WAITING:
            return None
        right = scribe.start(stream)
        scribe.messages[stream] = message
        version = right.drafts[0].version + self.draw.choice((-1, 1, 5))
        head = replace(right.heads[0].head, version=version)
        return replace(
            self._beside(right),
            drafts=(replace(right.drafts[0], version=version),),
            heads=(HeadChange(head=head, was=message.status),),
        )

    def _steal_peer(self, busy: set[int]) -> Acceptance | None:
        if not self.accepted:
            return None
        known = self.draw.choice(self.accepted)
        scribe, peer = self._scribe_of(known.append.tenant), self._peer(known)
        before = scribe.conversations[peer]
        scribe.conversations[peer] = scribe.mint.next(scribe.now_us)
        stolen = scribe.acceptance(peer)
        scribe.conversations[peer] = before
        self.asked.append(stolen)
        return stolen

    def _scribe_of(self, tenant: str) -> Scribe:
        return next(scribe for scribe in self.scribes if scribe.tenant == tenant)

    @staticmethod
    def _peer(acceptance: Acceptance) -> str:
        return next(f"peer{n}" for n in range(PEERS) if digest("subject", f"peer{n}") == acceptance.sealed.subject)

    def _forget(self, busy: set[int]) -> Append | None:
        # Mostly a peer's own conversation, else another that may lead there as well or not.
        draw = self.draw
        if not self.accepted:
            return None
        known, other = draw.choice(self.accepted), draw.choice(self.accepted)
        tenant, whose = known.append.tenant, other if draw.random() < 0.2 else known
        becomes: Literal["closed", "gone"] = draw.choice(("closed", "gone", "gone"))
        change = AddressChange(
            channel=known.channel, subject=known.sealed.subject, conversation=whose.conversation, becomes=becomes
        )
        if self.let_go and draw.random() < 0.5:
            # What was closed opens again one day.
            tenant, change = self.let_go.pop(draw.randrange(len(self.let_go)))
            change = replace(change, becomes="gone")
        elif becomes == "closed":
            self.let_go.append((tenant, change))
        # An address goes after all rows of messages that it leads to; otherwise any may go.
        rows = [
            acceptance.sealed.stream
            for acceptance in self.asked
            if (acceptance.append.tenant, acceptance.sealed.subject) == (tenant, change.subject)
            and acceptance.conversation == change.conversation
            and (change.becomes == "gone" or draw.random() < 0.5)
        ]
        rows += [stream for stream in self.others[-3:] if draw.random() < 0.3]
        return replace(self._open(busy), tenant=tenant, erased=tuple(rows), addresses=(change,))

    def _backdate(self, busy: set[int]) -> Append:
        # No message, since a message's head tells of its instants.
        append = self._open(busy)
        return replace(append, at_us=append.at_us - 10_000_000)

    def _snapshot(self, busy: set[int]) -> Snapshot:
        stream, version = self.draw.randrange(3), self.draw.randrange(9)
        return Snapshot(stream=stream, version=version, body=digest(stream, version, self.draw.random()))

    def _open(self, busy: set[int]) -> Append:
        append = self.scribes[0].opened(self.draw.choice(KINDS), f"name{self.draw.randrange(99)}")
        self.others.append(append.heads[0].head.stream)
        head = replace(append.heads[0].head, status=self.draw.choice(("active", "active", "stale")))
        return self._beside(replace(append, heads=(HeadChange(head=head, was=None),)))

    def _move_two(self, busy: set[int]) -> Append | None:
        first = self._accept(busy).append
        for scribe in self.scribes:
            # What is written together happened at one instant.
            scribe.now_us = first.at_us - 1_000
        second = self._accept(busy).append
        if first.shard != second.shard or first.tenant != second.tenant:
            return None
        return replace(second, drafts=first.drafts + second.drafts, heads=first.heads + second.heads)
